"""WebDataset shards, streamed:  wds:URLS   (short for wds:path=URLS)

    shard-000.tar   0001.jpg 0001.cls 0002.jpg 0002.cls …      wds:data/shard-{000..009}.tar

The picture is the .jpg, .jpeg, .png or .webp of a key; the label the number in its .cls, or `label` in its .json.
Class names are in `names=FILE`, one a line.

>>> from pellucid.data import Dataset
>>> str(Dataset.make("wds:shards-{000..009}.tar,classes=3"))
'wds:path=shards-{000..009}.tar,classes=3'
"""

import io
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pellucid.data._base import Dataset, Record
from pellucid.data._names import read_names
from pellucid.data._pictures import decoded, tensor_of
from pellucid.data._reading import reason
from pellucid.errors import BadFile, BadInput, need
from pellucid.knobs import Between

PICTURES = ("jpg", "jpeg", "png", "webp")


class WDS(Dataset, name="wds"):
    """Pictures and labels in tar files, read from front to back."""

    home = "https://github.com/webdataset/webdataset"
    licence = "its own"
    streamed = True

    quick = {"path": "shard.tar"}

    path: str  # shards, with braces for several
    names: str | None = None
    classes: Annotated[int, Between(1)] | None = None  # how many, where they have no names

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        if self.names is not None:
            return read_names(Path(self.names).expanduser())
        if self.classes is None:
            raise BadInput(f"wds:{self.path} says no class names; give names=FILE, one a line, or classes=COUNT.")
        return tuple(map(str, range(self.classes)))

    def __len__(self) -> int:
        raise TypeError(f"wds:{self.path} is a stream without a length; iterate.")

    def __iter__(self) -> Iterator[Record]:
        webdataset = need("webdataset", "streams", f"wds:{self.path}")
        samples = iter(webdataset.WebDataset(self.path, shardshuffle=False, empty_check=False))
        while True:
            try:
                sample = next(samples)
            except StopIteration:
                return
            except Exception as cause:  # a shard that is not there, or damaged
                raise BadFile(f"wds:{self.path} cannot be read ({reason(cause)}); check the shards.") from None
            yield self._record(sample)

    def _record(self, sample: Any) -> Record:
        key = sample["__key__"]
        content = next((sample[end] for end in PICTURES if end in sample), None)
        if content is None:
            raise BadFile(f"wds:{self.path} has no picture of {key}; one of {', '.join(PICTURES)} is expected.")
        try:
            image = tensor_of(decoded(io.BytesIO(content)))
            about = json.loads(sample["json"]) if "json" in sample else {}
            label = int(sample["cls"]) if "cls" in sample else int(about.get("label", -1))
        except Exception as cause:  # decoders fail in every way there is
            raise BadFile(
                f"wds:{self.path} has a sample {key} that cannot be read ({reason(cause)}); leave it out."
            ) from None
        return Record(image, label, facts={"key": key})

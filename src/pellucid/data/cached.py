"""Pictures kept small on the disk, so that none is decoded twice: `cached:size=256,folder=cache@imagenet:root=data`.

    folder/00000.safetensors   256 records: their pixels one after another, uint8, the shorter side `size` at most;
                               boxes, masks and points moved with them

Files are read in place (memory-mapped). They are made once, by `build` or at the first use, each whole or not at all:
what was made before an interruption is used. A picture is not enlarged; of the facts is kept what JSON can hold. All of
the data set is kept: for a part of it, keep the part (`cached@subset:…`).

>>> import tempfile
>>> from pellucid.data.digits import Digits
>>> kept = Cached(Digits(), folder=tempfile.mkdtemp(), size=4, chunk=1797)
>>> kept[5].image.shape, kept[5].label, len(kept)
(torch.Size([1, 4, 4]), 5, 1797)
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor

from pellucid.data._base import Dataset, Record, Wrapped
from pellucid.data._geometry import Geometry
from pellucid.data._reading import reason
from pellucid.errors import BadFile, BadInput, BadKnob
from pellucid.files import write_atomically
from pellucid.knobs import Between

LISTS = ("boxes", "classes", "ids", "difficult", "mask_classes", "mask_ids", "points")


class Cached(Wrapped, name="cached"):
    """Any data set of pictures, resized once and kept as bytes."""

    of: Dataset
    folder: str = "cache"
    size: Annotated[int, Between(1)] = 256  # of the shorter side, at most
    chunk: Annotated[int, Between(1)] = 256  # records a file

    def check(self) -> None:
        if self.of.kind != "images" or self.of.streamed:
            what = "a stream" if self.of.streamed else f"of {self.of.kind}"
            raise BadKnob(f"cached keeps pictures by number, and {self.of.name} is {what}; leave it out.")

    def build(self, progress: bool = False) -> Path:
        """Make the files that are missing."""
        from pellucid.show.progress import track

        place = self._place
        with ThreadPoolExecutor() as pool:
            for number in track(range(-(-len(self.of) // self.chunk)), f"keeping {self.of.name}", progress):
                path = place / f"{number:05d}.safetensors"
                if not path.is_file():
                    rows = range(number * self.chunk, min((number + 1) * self.chunk, len(self.of)))
                    write_atomically(path, _packed(list(pool.map(self._small, rows))))
        return place

    def prepare(self, progress: bool = False) -> None:
        self.build(progress)

    @cached_property
    def _place(self) -> Path:
        """The folder, and what it holds written in it."""
        place = Path(self.folder).expanduser()
        mine = {"dataset": str(self.of), "of": self.of.fingerprint(), "size": self.size, "chunk": self.chunk}
        about = place / "about.json"
        if not about.is_file():
            write_atomically(about, json.dumps(mine, indent=2).encode())
        try:
            kept = json.loads(about.read_text(encoding="utf-8"))
        except (OSError, ValueError) as cause:
            raise BadFile(f"{about} cannot be read ({reason(cause)}); remove {place}, which is only a copy.") from None
        if kept != mine:
            other = kept.get("dataset", "something else") if isinstance(kept, dict) else "something else"
            raise BadInput(f"{place} keeps {other} by other knobs, or as it was before; give another folder=.")
        return place

    def _small(self, i: int) -> Record:
        from torchvision.transforms import v2

        record = self.of.record(i)
        h, w = record.image.shape[1:]
        short = min(h, w)
        return record if short <= self.size else record.through(v2.Resize(self.size, antialias=True))

    @cached_property
    def _files(self) -> dict[int, Any]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_files"}  # opened again elsewhere

    def _file(self, number: int) -> Any:
        if number not in self._files:
            path = self._place / f"{number:05d}.safetensors"
            if not path.is_file():
                self.build(progress=True)
            self._files[number] = _opened(path)
        return self._files[number]

    def record(self, i: int) -> Record:
        file = self._file(i // self.chunk)
        return _unpacked(file, i % self.chunk)

    def label(self, i: int) -> int:
        return self.of.label(i)


def _packed(records: list[Record]) -> bytes:
    """Everything about some records in one file."""
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    _append(tensors, "image", [r.image.flatten() for r in records])
    _append(tensors, "pixels", [torch.cat([r.masks, r.ignore[None]]).flatten().byte() for r in records])
    for name in LISTS:
        values = [getattr(r, name) for r in records]
        _append(tensors, name, [v.flatten() for v in values])
    tensors["shape"] = torch.tensor([[*r.image.shape, len(r.masks)] for r in records])
    tensors["label"] = torch.tensor([r.label for r in records])
    tensors["source"] = torch.tensor([r.geometry.source for r in records])
    tensors["matrix"] = torch.stack([r.geometry.matrix for r in records])
    return save(tensors, {"facts": json.dumps([_plain(r.facts) for r in records])})


def _append(tensors: dict[str, Tensor], name: str, parts: list[Tensor]) -> None:
    tensors[name] = torch.cat(parts)
    tensors[f"{name}.end"] = torch.tensor([len(part) for part in parts]).cumsum(0)


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON can hold of the facts."""
    lists = {name: value.tolist() if isinstance(value, Tensor) else value for name, value in facts.items()}
    return {name: value for name, value in lists.items() if isinstance(value, str | int | float | list)}


def _opened(path: Path) -> tuple[Any, dict[str, Tensor], list[dict[str, Any]]]:
    """The file, its small tensors, and the facts of its records."""
    from safetensors import safe_open

    try:
        file = safe_open(path, "pt")
        names = [name for name in file.keys() if name not in ("image", "pixels")]  # noqa: SIM118
        return file, {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["facts"])
    except Exception as cause:
        raise BadFile(f"{path} cannot be read ({reason(cause)}); remove it, it is made again.") from None


def _unpacked(opened: tuple[Any, dict[str, Tensor], list[dict[str, Any]]], at: int) -> Record:
    file, small, facts = opened

    def part(name: str) -> slice:
        ends = small[f"{name}.end"]
        return slice(int(ends[at - 1]) if at else 0, int(ends[at]))

    c, h, w, m = small["shape"][at].tolist()
    pixels = file.get_slice("pixels")[part("pixels")].view(m + 1, h, w).bool()
    lists = {name: small[name][part(name)] for name in LISTS}
    lists |= {"boxes": lists["boxes"].view(-1, 4), "points": lists["points"].view(-1, 2)}
    source = (int(small["source"][at, 0]), int(small["source"][at, 1]))
    return Record(
        image=file.get_slice("image")[part("image")].view(c, h, w),
        label=int(small["label"][at]),
        masks=pixels[:m],
        ignore=pixels[m],
        facts=facts[at],
        geometry=Geometry(source, (h, w), small["matrix"][at]),
        **lists,
    )

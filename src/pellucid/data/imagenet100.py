"""A hundred classes of ImageNet, or as many as a list has.

There are several lists, and papers seldom say which they took: the list is a knob, a text file of WordNet ids, one a
line. Labels are the order of the sorted ids, not of the list, as a folder of links to the classes would have it.

>>> ImageNet100(split="train").split
'train'
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from pellucid.data._imagenet import Ilsvrc
from pellucid.data._names import WNID, imagenet
from pellucid.data._reading import read_lines
from pellucid.errors import BadFile, BadInput


class ImageNet100(Ilsvrc, name="imagenet100", paper="arXiv:1409.0575"):
    """Some classes of ImageNet, by a list of their WordNet ids."""

    split: Literal["train", "val"] = "val"
    list: str | None = None  # a file of WordNet ids

    @cached_property
    def wnids(self) -> Sequence[str]:  # type: ignore[override]
        if self.list is None:
            raise BadInput("imagenet100 is a list of classes; give the file of their WordNet ids with list=FILE.")
        path = Path(self.list).expanduser()
        ids = [line.split()[0].strip(",") for line in read_lines(path, "check list=")]
        strange = next((wnid for wnid in ids if not WNID.fullmatch(wnid) or wnid not in imagenet()), None)
        if strange is not None:
            raise BadFile(f"{path} lists {strange!r}, which is none of ImageNet's 1,000 WordNet ids; put it right.")
        return tuple(sorted(set(ids)))

"""PASCAL VOC (Everingham et al., 2010), 2007 and 2012: 20 classes, several objects a picture.

    VOCdevkit/VOC2012/Annotations/2007_000027.xml   objects; a box is its first and last pixel, counted from 1
    VOCdevkit/VOC2012/ImageSets/Main/val.txt · SegmentationClass/*.png · SegmentationObject/*.png   255: ignore

The label is the class of the largest box. Box n and mask n are the same object where both are known: the objects of the
outlines are numbered as in the XML.

>>> VOC().class_names[14], VOC(year=2007).year
('person', 2007)
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from pellucid.data import _xml
from pellucid.data._pictures import numbers
from pellucid.data._reading import read_lines
from pellucid.data._record import stacked
from pellucid.data._stored import Index, Pictures
from pellucid.errors import BadFile, did_you_mean

KEYS = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
SPOKEN = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}
IGNORE = 255


class VOC(Pictures, name="voc"):
    """Photographs with objects of 20 classes, boxes and, of some, outlines."""

    home = "http://host.robots.ox.ac.uk/pascal/VOC"
    licence = "none stated"
    terms = "The photographs are Flickr's, whose terms of use hold."
    cite = """
@article{everingham2010pascal,
  title   = {The PASCAL Visual Object Classes (VOC) Challenge},
  author  = {Everingham, Mark and Van Gool, Luc and Williams, Christopher K. I. and Winn, John and Zisserman, Andrew},
  journal = {International Journal of Computer Vision},
  volume  = {88},
  number  = {2},
  pages   = {303--338},
  year    = {2010},
}"""

    year: Literal[2007, 2012] = 2012
    split: Literal["train", "val", "trainval", "test"] = "val"
    subset: Literal["main", "segmentation"] = "main"  # segmentation: those with outlines

    def fetch(self, root: Path) -> None:
        from torchvision import datasets

        kind = "test" if self.split == "test" else "trainval"
        datasets.VOCDetection(root, year=str(self.year), image_set=kind, download=True)

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(SPOKEN.get(key, key) for key in KEYS)

    def _found(self, root: Path) -> Path | None:
        places = (root, root / f"VOC{self.year}", root / "VOCdevkit" / f"VOC{self.year}")
        return next((place for place in places if (place / "ImageSets").is_dir()), None)

    def _missing(self, root: Path) -> BadFile:
        return BadFile(
            f"{root} holds no VOCdevkit/VOC{self.year}; check root= and year=, or let download=true fetch it."
        )

    def find(self) -> Index:
        path = self.folder / "ImageSets" / self.subset.capitalize() / f"{self.split}.txt"
        files = [line.split()[0] for line in read_lines(path)]
        return Index([f"JPEGImages/{file}.jpg" for file in files], [self._largest(file) for file in files])

    def _largest(self, file: str) -> int:
        if not self._xml_of(file).is_file():
            return -1  # the test of 2012 is not public
        seen = _xml.read(self._xml_of(file), first=1)
        if not seen.names:
            return -1
        areas = (seen.boxes[:, 2:] - seen.boxes[:, :2]).prod(1)
        return self._number(file, seen.names[int(areas.argmax())])

    def truth(self, i: int, size: tuple[int, int]) -> Mapping[str, Any]:
        file = Path(self.index.files[i]).stem
        found: dict[str, Any] = {}
        classes = torch.zeros(0, dtype=torch.int64)
        if self._xml_of(file).is_file():
            seen = _xml.read(self._xml_of(file), first=1)
            classes = torch.tensor([self._number(file, name) for name in seen.names], dtype=torch.int64)
            difficult = torch.tensor(seen.difficult, dtype=torch.bool)
            found = {"boxes": seen.fitted(size), "classes": classes, "difficult": difficult}
            found["ids"] = torch.arange(len(classes))
        path = self.folder / "SegmentationClass" / f"{file}.png"
        if not path.is_file():
            return found
        kinds, things = numbers(path), self.folder / "SegmentationObject" / f"{file}.png"
        each = numbers(things) if things.is_file() else kinds
        if kinds.ndim != 2 or each.shape != kinds.shape:
            raise BadFile(f"{path} and {things.parent.name} are not indices of one size; unpack them again.")
        present = [int(n) for n in each.unique() if int(n) not in (0, IGNORE)]
        masks = stacked([each == n for n in present], each.shape)
        of = torch.tensor([int(kinds[mask].mode().values) - 1 for mask in masks], dtype=torch.int64)
        ids = [
            n - 1 if n <= len(classes) and classes[n - 1] == c else 1000 + n for n, c in zip(present, of, strict=True)
        ]
        found |= {"masks": masks, "mask_classes": of, "mask_ids": torch.tensor(ids, dtype=torch.int64)}
        return found | {"ignore": kinds == IGNORE}

    def _xml_of(self, file: str) -> Path:
        return self.folder / "Annotations" / f"{file}.xml"

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {key: number for number, key in enumerate(KEYS)}

    def _number(self, file: str, name: str) -> int:
        if name not in self._numbers:
            raise BadFile(f"{self._xml_of(file)} has an object {name!r}; {did_you_mean(name, KEYS)}")
        return self._numbers[name]

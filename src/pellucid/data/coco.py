"""MS-COCO (Lin et al., 2014): everyday scenes with objects of 80 classes, boxes and outlines.

    annotations/instances_val2017.json   images, annotations (bbox x, y, width, height; segmentation), categories
    val2017/000000000139.jpg             or val2014/COCO_val2014_000000000042.jpg

Labels are the order of the category ids, which have gaps. The label of a picture is the class of its largest object,
-1 where there is none; `present` has all its classes. A crowd is no object: its pixels are to be ignored.

>>> COCO().year, COCO(year=2014).split
(2017, 'val')
"""

import json
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from pellucid.data._reading import AGAIN, parsed, reason
from pellucid.data._record import stacked
from pellucid.data._runs import boxes_of_xywh, mask_of
from pellucid.data._stored import Index, Pictures
from pellucid.errors import BadFile


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_number, value))


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _area(thing: Mapping[str, Any]) -> float:
    """As it is written, or that of the box."""
    area = thing.get("area")
    return float(area) if isinstance(area, int | float) and _number(area) else thing["bbox"][2] * thing["bbox"][3]


NEEDED: dict[str, dict[str, Callable[[Any], bool]]] = {
    "images": {"id": _number, "file_name": _text},
    "annotations": {"id": _number, "image_id": _number, "category_id": _number, "bbox": _box},
    "categories": {"id": _number, "name": _text},
}


class COCO(Pictures, name="coco", paper="arXiv:1405.0312"):
    """Scenes with several objects, each with its box and outline."""

    home = "https://cocodataset.org"
    licence = "annotations CC BY 4.0; each photograph its own of Flickr's"
    terms = "Cite the authors; for each photograph, the terms its licence states."
    cite = """
@inproceedings{lin2014microsoft,
  title     = {Microsoft COCO: Common Objects in Context},
  author    = {Lin, Tsung-Yi and Maire, Michael and Belongie, Serge and Hays, James and Perona, Pietro and
               Ramanan, Deva and Doll{\\'a}r, Piotr and Zitnick, C. Lawrence},
  booktitle = {European Conference on Computer Vision},
  year      = {2014},
}"""

    year: Literal[2014, 2017] = 2017
    split: Literal["train", "val"] = "val"
    file: str | None = None  # the annotations, where they are not in annotations/instances_SPLITYEAR.json

    def _found(self, root: Path) -> Path | None:
        return root if (root / f"{self.split}{self.year}").is_dir() or (root / "images").is_dir() else None

    def _missing(self, root: Path) -> BadFile:
        return BadFile(
            f"{root} holds no {self.split}{self.year}, nor images; unpack the pictures there, or check root=."
        )

    @cached_property
    def _path(self) -> Path:
        at = f"annotations/instances_{self.split}{self.year}.json"
        return Path(self.file).expanduser() if self.file else self.folder / at

    @cached_property
    def _json(self) -> dict[str, Any]:
        found: Any = parsed(self._path, lambda path: json.loads(path.read_bytes()), "JSON")
        for name, needed in NEEDED.items():
            rows = found.get(name) if isinstance(found, dict) else None
            if not isinstance(rows, list):
                raise BadFile(f"{self._path} has no list of {name}; give COCO's file of instances with file=.")
            for number, row in enumerate(rows):
                odd = [key for key, fits in needed.items() if not isinstance(row, dict) or not fits(row.get(key))]
                if odd:
                    raise BadFile(f"{self._path}: number {number} of its {name} has no right {odd[0]}; {AGAIN}.")
        return found

    @cached_property
    def _categories(self) -> dict[int, tuple[int, str]]:
        """Category id -> label and name."""
        listed = sorted((int(c["id"]), str(c["name"])) for c in self._json["categories"])
        return {number: (label, name) for label, (number, name) in enumerate(listed)}

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(name for _, name in self._categories.values())

    @cached_property
    def _things(self) -> list[list[dict[str, Any]]]:
        """The annotations of every picture, in the order of the pictures."""
        found: dict[int, list[dict[str, Any]]] = {int(image["id"]): [] for image in self._images}
        for thing in self._json["annotations"]:
            if int(thing["image_id"]) in found:
                found[int(thing["image_id"])].append(thing)
        return list(found.values())

    @cached_property
    def _images(self) -> list[dict[str, Any]]:
        return sorted(self._json["images"], key=lambda image: int(image["id"]))

    def find(self) -> Index:
        return Index([self._file(image["file_name"]) for image in self._images], [self._label(t) for t in self._things])

    def _file(self, name: str) -> str:
        folder = f"{self.split}{self.year}"
        places = (f"{folder}/{name}", f"images/{folder}/{name}", f"images/{name}")
        return next((place for place in places if (self.folder / place).is_file()), places[0])

    def _label(self, things: list[dict[str, Any]]) -> int:
        single = [thing for thing in things if not thing.get("iscrowd")]
        return self._number(max(single, key=_area)) if single else -1

    def _number(self, thing: Mapping[str, Any]) -> int:
        number = int(thing["category_id"])
        if number not in self._categories:
            raise BadFile(
                f"{self._path}: annotation {thing['id']} has category {number}, which is not listed; {AGAIN}."
            )
        return self._categories[number][0]

    def truth(self, i: int, size: tuple[int, int]) -> Mapping[str, Any]:
        image, things = self._images[i], self._things[i]
        (h, w), (high, wide) = size, (image.get("height", size[0]), image.get("width", size[1]))
        if (h, w) != (high, wide):
            raise BadFile(f"{self.path(i)} is {w} × {h} pixels, and {wide} × {high} in its annotations; {AGAIN}.")
        single = [thing for thing in things if not thing.get("iscrowd")]
        crowds = [self._mask(thing, size) for thing in things if thing.get("iscrowd")]
        outlined = [thing for thing in single if thing.get("segmentation")]
        masks = [self._mask(thing, size) for thing in outlined]
        return {
            "boxes": boxes_of_xywh([thing["bbox"] for thing in single]),
            "classes": torch.tensor([self._number(thing) for thing in single], dtype=torch.int64),
            "ids": torch.tensor([int(thing["id"]) for thing in single], dtype=torch.int64),
            "masks": stacked(masks, size),
            "mask_classes": torch.tensor([self._number(thing) for thing in outlined], dtype=torch.int64),
            "mask_ids": torch.tensor([int(thing["id"]) for thing in outlined], dtype=torch.int64),
            "ignore": stacked(crowds, size).any(0),
            "facts": {"id": int(image["id"])} | ({"licence": image["license"]} if "license" in image else {}),
        }

    def _mask(self, thing: Mapping[str, Any], size: tuple[int, int]) -> Any:
        which = f"{self._path}: annotation {thing['id']}"
        try:
            mask = mask_of(thing["segmentation"], size)
        except (ValueError, KeyError, TypeError) as cause:
            raise BadFile(f"{which} has a broken outline ({reason(cause)}); {AGAIN}.") from None
        if mask.shape != size:
            (h, w), (mh, mw) = size, mask.shape
            raise BadFile(f"{which} has an outline of {mw} × {mh} pixels, and its picture {w} × {h}; {AGAIN}.")
        return mask

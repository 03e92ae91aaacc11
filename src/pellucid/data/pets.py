"""Oxford-IIIT Pet (Parkhi et al., 2012): 7,349 photographs of 37 breeds of cats and dogs, outlines, boxes of heads.

    annotations/trainval.txt             Abyssinian_100 1 1 1     file, class from 1, 1 cat 2 dog, its breed
    annotations/trimaps/Abyssinian_1.png 1 pet, 2 background, 3 the border between them, which is ignored
    annotations/xmls/Abyssinian_1.xml    the box of the head, of trainval

`masks` is the pet; `boxes` is the box around it, and, where it is known, `facts["head"]` that of its head, in pixels of
the file.

>>> Pets().class_names[0], Pets().class_names[1], Pets().class_names[-1]
('Abyssinian', 'american bulldog', 'yorkshire terrier')
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pellucid.data import _xml
from pellucid.data._names import readable
from pellucid.data._pictures import numbers
from pellucid.data._reading import fields, read_lines, whole
from pellucid.data._record import boxes_of
from pellucid.data._stored import Index, Pictures
from pellucid.errors import BadFile

NAMES = (
    "Abyssinian", "american bulldog", "american pit bull terrier", "basset hound", "beagle", "Bengal", "Birman",
    "Bombay", "boxer", "British Shorthair", "chihuahua", "Egyptian Mau", "english cocker spaniel", "english setter",
    "german shorthaired", "great pyrenees", "havanese", "japanese chin", "keeshond", "leonberger", "Maine Coon",
    "miniature pinscher", "newfoundland", "Persian", "pomeranian", "pug", "Ragdoll", "Russian Blue", "saint bernard",
    "samoyed", "scottish terrier", "shiba inu", "Siamese", "Sphynx", "staffordshire bull terrier", "wheaten terrier",
    "yorkshire terrier",
)  # fmt: skip
PET, BORDER = 1, 3


class Pets(Pictures, name="pets"):
    """Cats and dogs of 37 breeds, with outlines."""

    home = "https://www.robots.ox.ac.uk/~vgg/data/pets"
    licence = "CC BY-SA 4.0"
    terms = "Free to use and change with attribution, under the same licence; the photographs belong to their owners."
    cite = """
@inproceedings{parkhi2012cats,
  title     = {Cats and Dogs},
  author    = {Parkhi, Omkar M. and Vedaldi, Andrea and Zisserman, Andrew and Jawahar, C. V.},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  year      = {2012},
}"""
    inside = ("oxford-iiit-pet",)
    marks = ("images", "annotations")

    split: Literal["trainval", "test"] = "trainval"

    def fetch(self, root: Path) -> None:
        from torchvision import datasets

        datasets.OxfordIIITPet(root, download=True)

    @property
    def class_names(self) -> tuple[str, ...]:
        return NAMES

    @cached_property
    def _listed(self) -> list[tuple[str, int, int]]:
        """File, class, and 1 for a cat, 2 for a dog."""
        path = self.folder / "annotations" / f"{self.split}.txt"
        rows = []
        for line in read_lines(path):
            if line.startswith("#"):
                continue
            file, number, kind, _ = fields(path, line, 4)
            breed = readable(file.rpartition("_")[0])
            if not (number.isdecimal() and 0 < int(number) <= len(NAMES) and NAMES[int(number) - 1] == breed):
                raise BadFile(f"{path} gives the class {number} to {breed!r}, whose number it is not; fetch it again.")
            rows.append((file, int(number) - 1, whole(path, kind)))
        return rows

    def find(self) -> Index:
        return Index([f"images/{file}.jpg" for file, _, _ in self._listed], [label for _, label, _ in self._listed])

    def truth(self, i: int, size: tuple[int, int]) -> Mapping[str, Any]:
        file, _, kind = self._listed[i]
        facts: dict[str, Any] = {"species": "cat" if kind == 1 else "dog"}
        head = self.folder / "annotations" / "xmls" / f"{file}.xml"
        if head.is_file():
            boxes = _xml.read(head).fitted(size).tolist()
            facts |= {"head": boxes[0]} if boxes else {}
        trimap = self.folder / "annotations" / "trimaps" / f"{file}.png"
        if not trimap.is_file():
            return {"facts": facts}
        levels = numbers(trimap)
        if levels.ndim != 2:
            raise BadFile(f"{trimap} has colours, where 1, 2 and 3 are expected; unpack it again.")
        mask = (levels == PET)[None]
        found = {"facts": facts, "masks": mask, "ignore": levels == BORDER}
        return found | {"boxes": boxes_of((levels != 2)[None])}

"""CUB-200-2011 (Wah et al., 2011): 11,788 photographs of 200 kinds of birds, with boxes, 15 parts and outlines.

    images.txt                1 001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg
    image_class_labels.txt    1 1          train_test_split.txt   1 0       (1: training)
    bounding_boxes.txt        1 60.0 27.0 325.0 304.0                        x, y, width, height
    parts/part_locs.txt       1 2 312.0 182.0 1                              part, x, y, seen
    segmentations/…/….png     the share of annotators who see the bird there, 0 … 255; here: more than half of them

The segmentations are an archive of their own; unpacked beside the images or beside the folder, they are found.

>>> CUB().point_names[1], CUB(split="test").split
('beak', 'test')
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pellucid.data._names import readable
from pellucid.data._pictures import numbers
from pellucid.data._reading import fields, read_lines, real, whole
from pellucid.data._stored import Index, Pictures
from pellucid.errors import BadFile

ARCHIVES = (
    ("https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz", "97eceeb196236b17998738112f37df78"),
    ("https://data.caltech.edu/records/w9d68-gec53/files/segmentations.tgz", "4d47ba1228eae64f2fa547c47bc65255"),
)
PARTS = (
    "back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg", "left wing", "nape", "right eye",
    "right leg", "right wing", "tail", "throat",
)  # fmt: skip


class CUB(Pictures, name="cub"):
    """Two hundred kinds of birds, each photograph with a box, an outline and the places of its parts."""

    home = "https://www.vision.caltech.edu/datasets/cub_200_2011"
    licence = "none stated"
    terms = "For non-commercial research and education; the photographs belong to their owners."
    cite = """
@techreport{wah2011caltech,
  title       = {The Caltech-UCSD Birds-200-2011 Dataset},
  author      = {Wah, Catherine and Branson, Steve and Welinder, Peter and Perona, Pietro and Belongie, Serge},
  institution = {California Institute of Technology},
  number      = {CNS-TR-2011-001},
  year        = {2011},
}"""
    inside = ("CUB_200_2011",)
    marks = ("images.txt",)
    point_names = PARTS

    split: Literal["train", "test", "all"] = "train"

    def fetch(self, root: Path) -> None:
        from torchvision.datasets.utils import download_and_extract_archive

        for url, md5 in ARCHIVES:
            download_and_extract_archive(url, str(root), md5=md5)

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(readable(name) for name in self._table("classes.txt", 2).values())

    def find(self) -> Index:
        files, labels = self._table("images.txt", 2), self._table("image_class_labels.txt", 2)
        lost = next((number for number in self._keys if number not in labels), None)
        if lost is not None:
            raise BadFile(
                f"{self.folder}/image_class_labels.txt has fewer labels than pictures: none for number {lost}; "
                f"unpack it again."
            )
        table = self.folder / "image_class_labels.txt"
        return Index([f"images/{files[n]}" for n in self._keys], [whole(table, labels[n]) - 1 for n in self._keys])

    @cached_property
    def _keys(self) -> list[str]:
        """The number of every record in the tables."""
        files, parts = self._table("images.txt", 2), self._table("train_test_split.txt", 2)
        chosen = {"train": ("1",), "test": ("0",), "all": ("0", "1")}[self.split]
        lost = next((number for number in files if number not in parts), None)
        if lost is not None:
            raise BadFile(
                f"{self.folder}/train_test_split.txt does not say whether number {lost} is for training; "
                f"unpack it again."
            )
        return [number for number in files if parts[number] in chosen]

    def truth(self, i: int, size: tuple[int, int]) -> Mapping[str, Any]:
        key = self._keys[i]
        found: dict[str, Any] = {"points": self._points(key), "facts": {"number": int(key)}}
        if key in self._boxes:
            x, y, w, h = (real(self.folder / "bounding_boxes.txt", word) for word in self._boxes[key].split())
            found["boxes"] = torch.tensor([[x, y, x + w, y + h]])
        outline = self._outline(i)
        if outline is not None:
            levels = numbers(outline)
            found["masks"] = ((levels if levels.ndim == 2 else levels[..., 0]) > 127)[None]
        return found

    def _points(self, key: str) -> Tensor:
        points = torch.full((len(PARTS), 2), float("nan"))
        table = self.folder / "parts" / "part_locs.txt"
        for part, x, y, seen in self._parts.get(key, ()):
            if not 0 < whole(table, part) <= len(PARTS):
                raise BadFile(f"{table} has part {part}, and there are {len(PARTS)}; unpack it again.")
            if seen == "1":
                points[int(part) - 1] = torch.tensor([real(table, x), real(table, y)])
        return points

    @cached_property
    def _boxes(self) -> dict[str, str]:
        return self._table("bounding_boxes.txt", 5) if (self.folder / "bounding_boxes.txt").is_file() else {}

    @cached_property
    def _parts(self) -> dict[str, list[Sequence[str]]]:
        table = self.folder / "parts" / "part_locs.txt"
        found: dict[str, list[Sequence[str]]] = {}
        for line in read_lines(table) if table.is_file() else ():
            key, *words = fields(table, line, 5)
            found.setdefault(key, []).append(words)
        return found

    def _outline(self, i: int) -> Path | None:
        file = Path(self.index.files[i]).relative_to("images").with_suffix(".png")
        places = (self.folder / "segmentations", self.folder.parent / "segmentations")
        return next((place / file for place in places if (place / file).is_file()), None)

    def _table(self, name: str, count: int) -> dict[str, str]:
        """number -> the rest of the line"""
        path = self.folder / name
        rows = [fields(path, line, count) for line in read_lines(path)]
        return {key: " ".join(words) for key, *words in rows}

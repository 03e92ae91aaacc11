"""Tiny ImageNet (Stanford CS231n): 200 classes of ImageNet at 64 × 64 pixels, with a box a picture.

    wnids.txt · words.txt   n01443537<tab>goldfish, Carassius auratus
    train/n01443537/images/n01443537_0.JPEG · train/n01443537/n01443537_boxes.txt   n01443537_0.JPEG 0 10 63 58
    val/images/val_0.JPEG · val/val_annotations.txt   val_0.JPEG n03444034 0 32 44 62

Boxes are the first and the last pixel of the thing. Labels are the order of the sorted ids, as a reader of folders has
it; `wnids.txt` is in another.

>>> TinyImageNet().split
'val'
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from pellucid.data._imagenet import CITE, TERMS
from pellucid.data._names import distinct, first_of
from pellucid.data._reading import fields, read_lines, real
from pellucid.data._stored import Index, Pictures
from pellucid.errors import BadFile

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"


class TinyImageNet(Pictures, name="tiny-imagenet"):
    """Small photographs of 200 classes, each with a box."""

    home = "http://cs231n.stanford.edu"
    licence = "ImageNet's terms of access"
    terms = TERMS
    cite = CITE
    inside = ("tiny-imagenet-200",)
    marks = ("wnids.txt",)
    mean, std = (0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821)
    preset = "cifar:size=64,padding=8"

    split: Literal["train", "val"] = "val"

    def fetch(self, root: Any) -> None:
        from torchvision.datasets.utils import download_and_extract_archive

        download_and_extract_archive(URL, str(root), md5=MD5)

    @cached_property
    def wnids(self) -> Sequence[str]:
        """In label order."""
        return tuple(sorted(line.strip() for line in self.lines("wnids.txt")))

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        words = dict(line.split("\t", 1) for line in self.lines("words.txt") if "\t" in line)
        missing = next((wnid for wnid in self.wnids if wnid not in words), None)
        if missing is not None:
            raise BadFile(f"{self.folder / 'words.txt'} has no line for {missing}; fetch the data set again.")
        full = [words[wnid].strip() for wnid in self.wnids]
        return distinct([first_of(names) for names in full], full)

    @cached_property
    def _boxes(self) -> list[tuple[str, str, list[float]]]:
        """File, WordNet id and box of every record."""
        if self.split == "val":
            table = self.folder / "val" / "val_annotations.txt"
            rows = [fields(table, line, 6) for line in read_lines(table)]
            return [(f"val/images/{file}", wnid, _box(table, words)) for file, wnid, *words in rows]
        found = []
        for wnid in self.wnids:
            table = self.folder / "train" / wnid / f"{wnid}_boxes.txt"
            rows = [fields(table, line, 5) for line in read_lines(table)]
            found += [(f"train/{wnid}/images/{file}", wnid, _box(table, words)) for file, *words in rows]
        return found

    def find(self) -> Index:
        number = {wnid: label for label, wnid in enumerate(self.wnids)}
        strange = next((wnid for _, wnid, _ in self._boxes if wnid not in number), None)
        if strange is not None:
            raise BadFile(
                f"{self.folder / self.split} lists a picture of {strange}, which is not in wnids.txt; fetch it again."
            )
        return Index([file for file, _, _ in self._boxes], [number[wnid] for _, wnid, _ in self._boxes])

    def truth(self, i: int, size: tuple[int, int]) -> Mapping[str, Any]:
        x0, y0, x1, y1 = self._boxes[i][2]
        return {"boxes": torch.tensor([[x0, y0, x1 + 1, y1 + 1]])}


def _box(table: Path, words: Sequence[str]) -> list[float]:
    return [real(table, word) for word in words]

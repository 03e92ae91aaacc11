"""ImageNet-S (Gao et al., 2022): masks of ImageNet's pictures for 50, 300 or 919 of its classes.

    ImageNetS50/validation/n01443537/*.JPEG   ImageNetS50/validation-segmentation/n01443537/*.png
    id = R + 256 · G      0 is nothing of theirs, 1000 is to be ignored, else the id-th of the sorted WordNet ids

A picture may show objects of several classes: `masks` has one a class, with its class. Boxes are not part of it; those
of ImageNet are taken where `boxes=` names the folder of its XML files.

>>> ids_of(torch.tensor([[[1, 0, 0], [232, 3, 0]]])).tolist()
[[1, 1000]]
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from pellucid.data._imagenet import CITE, Boxed, _in_folders
from pellucid.data._pictures import numbers
from pellucid.data._reading import names_in_folder
from pellucid.data._record import stacked
from pellucid.data._stored import Index
from pellucid.errors import BadFile

IGNORE = 1000


def ids_of(rgb: Int[Tensor, "h w c"]) -> Int[Tensor, "h w"]:
    """The id of every pixel of a mask's file."""
    return rgb[..., 0] + 256 * rgb[..., 1]


class ImageNetS(Boxed, name="imagenet-s", paper="arXiv:2106.03149"):
    """Photographs with the pixels of their objects, of 50, 300 or 919 classes of ImageNet."""

    home = "https://github.com/LUSSeg/ImageNet-S"
    cite = (
        """
@article{gao2022luss,
  title   = {Large-scale Unsupervised Semantic Segmentation},
  author  = {Gao, Shanghua and Li, Zhong-Yu and Yang, Ming-Hsuan and Cheng, Ming-Ming and Han, Junwei and Torr, Philip},
  journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
  year    = {2022},
}"""
        + CITE
    )

    classes: Literal[50, 300, 919] = 50
    split: Literal["train", "train-semi", "validation", "test"] = "validation"

    def _found(self, root: Path) -> Path | None:
        places = (root, root / f"ImageNetS{self.classes}")
        return next((place for place in places if (place / self.split).is_dir()), None)

    def _missing(self, root: Path) -> BadFile:
        return BadFile(f"{root} holds no ImageNetS{self.classes}/{self.split}; check root=, classes= and split=.")

    @cached_property
    def wnids(self) -> Sequence[str]:  # type: ignore[override]
        found = names_in_folder(self.folder / self.split)
        if len(found) != self.classes:
            raise BadFile(
                f"{self.folder / self.split} holds {len(found)} classes, not {self.classes}, so the ids of the masks "
                f"cannot be told; unpack it again, or check classes=."
            )
        return tuple(found)

    def find(self) -> Index:
        return _in_folders(self.folder / self.split, self.split, self.wnids, self._numbers)

    def truth(self, i: int, size: tuple[int, int]) -> Mapping[str, Any]:
        file = Path(self.index.files[i])
        path = self.folder / f"{self.split}-segmentation" / file.parent.name / f"{file.stem}.png"
        found = dict(super().truth(i, size))
        if not path.parent.parent.is_dir():
            return found  # of train there are no masks, those of test are not public
        levels = numbers(path)
        if levels.ndim != 3:
            raise BadFile(f"{path} has no colours, in which the ids are; unpack it again.")
        ids = ids_of(levels)
        present = [int(n) for n in ids.unique() if int(n) not in (0, IGNORE)]
        if present and present[-1] > self.classes:
            raise BadFile(f"{path} has the id {present[-1]}, and there are {self.classes} classes; check classes=.")
        masks = stacked([ids == n for n in present], ids.shape)
        found |= {"masks": masks, "mask_classes": torch.tensor([n - 1 for n in present], dtype=torch.int64)}
        # a class's pixels are no one object: their ids are none of the boxes'
        found["mask_ids"] = len(found.get("boxes", ())) + torch.arange(len(masks))
        return found | {"ignore": ids == IGNORE}

"""Stanford Cars (Krause et al., 2013): 16,185 photographs of 196 models of cars, with a box each.

    devkit/cars_meta.mat                 class_names
    devkit/cars_train_annos.mat          bbox_x1, bbox_y1, bbox_x2, bbox_y2, class, fname; pixels and classes from 1,
    cars_test_annos_withlabels.mat       the last pixel in the box

>>> Cars().split
'train'
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from pellucid.data._reading import matlab
from pellucid.data._stored import Index, Pictures
from pellucid.errors import BadFile

ADVICE = "unpack the data set again, and get cars_test_annos_withlabels.mat, which is published by itself"
FIELDS = ("class", "fname", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


class Cars(Pictures, name="cars"):
    """Models of cars, with boxes."""

    home = "https://ai.stanford.edu/~jkrause/cars/car_dataset.html"
    licence = "none stated"
    terms = "For non-commercial research and education, on the terms of ImageNet."
    cite = """
@inproceedings{krause2013object,
  title     = {3D Object Representations for Fine-Grained Categorization},
  author    = {Krause, Jonathan and Stark, Michael and Deng, Jia and Fei-Fei, Li},
  booktitle = {4th International IEEE Workshop on 3D Representation and Recognition},
  year      = {2013},
}"""
    inside = ("stanford_cars",)
    marks = ("devkit",)

    split: Literal["train", "test"] = "train"

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(
            map(str, np.atleast_1d(matlab(self.folder / "devkit" / "cars_meta.mat", "class_names", advice=ADVICE)))
        )

    @cached_property
    def _table(self) -> Path:
        name = "devkit/cars_train_annos.mat" if self.split == "train" else "cars_test_annos_withlabels.mat"
        if self.split == "test" and not (self.folder / name).exists():
            name = f"devkit/{name}"
        return self.folder / name

    @cached_property
    def _annotations(self) -> Any:
        rows = np.atleast_1d(matlab(self._table, "annotations", advice=ADVICE))
        lost = next((name for name in FIELDS if name not in (rows.dtype.names or ())), None)
        if lost is not None:
            what = "labels" if lost == "class" else lost
            raise BadFile(f"{self._table} has no {what}, so it is another file of that name; {ADVICE}.")
        return rows

    def find(self) -> Index:
        rows = self._annotations
        return Index([f"cars_{self.split}/{row['fname']}" for row in rows], [int(row["class"]) - 1 for row in rows])

    def truth(self, i: int, size: tuple[int, int]) -> Mapping[str, Any]:
        row = self._annotations[i]
        try:
            x0, y0, x1, y1 = (float(row[name]) for name in FIELDS[2:])
        except (ValueError, TypeError):
            raise BadFile(f"{self._table} has a box of {row['fname']} that is not four numbers; {ADVICE}.") from None
        return {"boxes": torch.tensor([[x0 - 1, y0 - 1, x1, y1]])}

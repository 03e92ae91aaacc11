"""Stanford Cars (Krause et al., 2013): 16,185 photographs of 196 models of cars, with a box each.

    devkit/cars_meta.mat                 class_names
    devkit/cars_train_annos.mat          bbox_x1, bbox_y1, bbox_x2, bbox_y2, class, fname; pixels and classes from 1,
    cars_test_annos_withlabels.mat       the last pixel in the box

>>> Cars().split
'train'
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch

from pellucid.data._reading import parsed
from pellucid.data._stored import Index, Pictures
from pellucid.errors import BadFile

ADVICE = "unpack the data set again, and get cars_test_annos_withlabels.mat, which is published by itself"


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
        return tuple(map(str, np.atleast_1d(self._mat("devkit/cars_meta.mat", "class_names"))))

    @cached_property
    def _annotations(self) -> Any:
        name = "devkit/cars_train_annos.mat" if self.split == "train" else "cars_test_annos_withlabels.mat"
        if self.split == "test" and not (self.folder / name).exists():
            name = f"devkit/{name}"
        rows = np.atleast_1d(self._mat(name, "annotations"))
        if "class" not in (rows.dtype.names or ()):
            raise BadFile(f"{self.folder / name} has no labels, so it is another file of that name; {ADVICE}.")
        return rows

    def find(self) -> Index:
        rows = self._annotations
        return Index([f"cars_{self.split}/{row['fname']}" for row in rows], [int(row["class"]) - 1 for row in rows])

    def truth(self, i: int, size: tuple[int, int]) -> Mapping[str, Any]:
        x0, y0, x1, y1 = (float(self._annotations[i][f"bbox_{side}"]) for side in ("x1", "y1", "x2", "y2"))
        return {"boxes": torch.tensor([[x0 - 1, y0 - 1, x1, y1]])}

    def _mat(self, name: str, variable: str) -> Any:
        from scipy.io import loadmat

        path = self.folder / name
        return parsed(path, lambda p: loadmat(p, squeeze_me=True)[variable], "a table of MATLAB", ADVICE)

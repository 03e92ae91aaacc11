"""Flowers-102 (Nilsback and Zisserman, 2008): 8,189 photographs of 102 flowers, of which 10 a class are for training.

    jpg/image_00001.jpg · imagelabels.mat labels (from 1) · setid.mat trnid, valid, tstid

Papers that say "full" take training and validation pictures together: `split=trainval`, 20 a class.

>>> Flowers102().class_names[0], len(Flowers102().class_names)
('pink primrose', 102)
"""

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pellucid.data._reading import matlab
from pellucid.data._stored import Index, Pictures
from pellucid.errors import BadFile

SPLITS = {"train": ("trnid",), "val": ("valid",), "trainval": ("trnid", "valid"), "test": ("tstid",)}


class Flowers102(Pictures, name="flowers102"):
    """Flowers of Britain."""

    home = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"
    licence = "none stated"
    terms = "For research; the photographs were collected from the web and belong to their owners."
    cite = """
@inproceedings{nilsback2008automated,
  title     = {Automated Flower Classification over a Large Number of Classes},
  author    = {Nilsback, Maria-Elena and Zisserman, Andrew},
  booktitle = {Indian Conference on Computer Vision, Graphics and Image Processing},
  year      = {2008},
}"""
    inside = ("flowers-102",)
    marks = ("imagelabels.mat", "setid.mat")

    split: Literal["train", "val", "trainval", "test"] = "trainval"

    def fetch(self, root: Path) -> None:
        from torchvision import datasets

        datasets.Flowers102(str(root), download=True)

    @property
    def class_names(self) -> tuple[str, ...]:
        from torchvision import datasets

        return tuple(datasets.Flowers102.classes)

    @cached_property
    def _labels(self) -> Any:
        return np.atleast_1d(matlab(self.folder / "imagelabels.mat", "labels"))

    def find(self) -> Index:
        ids = [int(i) for name in SPLITS[self.split] for i in np.atleast_1d(matlab(self.folder / "setid.mat", name))]
        if ids and max(ids) > len(self._labels):
            raise BadFile(
                f"{self.folder} has fewer labels than pictures: {len(self._labels)}, and picture {max(ids)} is in "
                f"setid.mat; fetch it again."
            )
        return Index([f"jpg/image_{i:05d}.jpg" for i in ids], [int(self._labels[i - 1]) - 1 for i in ids])

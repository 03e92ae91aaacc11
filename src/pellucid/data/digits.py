"""The digits of scikit-learn (UCI, 1998): 1,797 handwritten digits of 8 × 8 pixels, built in.

    values 0 … 16 of a pixel become 0 … 255:   v ↦ round(v · 255 / 16)

>>> data = Digits()
>>> len(data), data.class_names[data[0].label], data[0].image.shape
(1797, 'zero', torch.Size([1, 8, 8]))
"""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pellucid.data._base import Dataset, Record
from pellucid.data._names import DIGITS


class Digits(Dataset, name="digits"):
    """Built in: small handwritten digits, real ones, for a first try without any file."""

    home = "https://archive.ics.uci.edu/dataset/80"
    licence = "CC BY 4.0, as the UCI repository has it"
    terms = "Free to use with attribution."
    cite = """
@misc{alpaydin1998optical,
  title  = {Optical Recognition of Handwritten Digits},
  author = {Alpaydin, Ethem and Kaynak, Cenk},
  year   = {1998},
  note   = {UCI Machine Learning Repository},
}"""
    mean, std = (0.3053,), (0.3760,)
    preset = "plain"

    @property
    def class_names(self) -> tuple[str, ...]:
        return DIGITS

    @cached_property
    def _arrays(self) -> tuple[Tensor, Tensor]:
        from sklearn.datasets import load_digits

        found: Any = load_digits()
        images = torch.from_numpy(found.images) * (255 / 16)
        return images.round().byte()[:, None], torch.from_numpy(found.target).long()

    def __len__(self) -> int:
        return len(self._arrays[1])

    def label(self, i: int) -> int:
        return int(self._arrays[1][i])

    def record(self, i: int) -> Record:
        return Record(self._arrays[0][i], self.label(i))

"""Heartbeats: series of 32 values drawn from formulas, normal and abnormal ones in turns, exact by number and seed.

    x(t) = Σ a · exp(−(t − c)² / 2w²) over three waves + noise,   then mean 0 and deviation 1, as in ECG5000

A normal beat has a small, a sharp high and a broad wave; of an abnormal one the sharp wave is low and broad, and the
last one points down. Places and heights are drawn beat by beat.

>>> data = Heartbeats(length=6)
>>> data[0].image.shape, data.labels().tolist(), torch.equal(data.images(), Heartbeats(length=6).images())
(torch.Size([32, 1]), [0, 1, 0, 1, 0, 1], True)
"""

from functools import cached_property
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.data._base import Dataset, Record
from pellucid.knobs import Between

VALUES = 32
WAVES = (((0.15, 0.04, 0.25), (0.35, 0.025, 1.0), (0.65, 0.08, 0.4)),
         ((0.15, 0.04, 0.25), (0.38, 0.07, 0.6), (0.70, 0.08, -0.5)))  # fmt: skip


class Heartbeats(Dataset, name="heartbeats"):
    """Built in: heartbeats made from formulas, for a first try of series."""

    licence = "MIT, as this library"
    terms = "Free to use."
    quick = {"length": 6}
    kind = "series"
    mean, std = (0.0,), (1.0,)
    preset = "plain"

    length: Annotated[int, Between(1)] = 500
    seed: Annotated[int, Between(0)] = 0

    @property
    def class_names(self) -> tuple[str, ...]:
        return ("normal", "abnormal")

    @cached_property
    def _arrays(self) -> tuple[Tensor, Tensor]:
        return drawn(self.length, self.seed)

    def __len__(self) -> int:
        return self.length

    def label(self, i: int) -> int:
        return i % 2

    def record(self, i: int) -> Record:
        return Record(self._arrays[0][i], self.label(i))


def drawn(count: int, seed: int) -> tuple[Float[Tensor, "n t 1"], Int[Tensor, " n"]]:
    """So many beats, and their labels."""
    chance = torch.Generator().manual_seed(seed)
    labels, t = torch.arange(count) % 2, torch.linspace(0, 1, VALUES)
    waves = torch.tensor(WAVES)[labels]  # [n, wave, (place, width, height)]
    place, width, height = waves[..., None].unbind(2)
    place = place + 0.02 * torch.randn(place.shape, generator=chance)
    height = height * (1 + 0.15 * torch.randn(height.shape, generator=chance))
    values = (height * torch.exp(-0.5 * ((t - place) / width) ** 2)).sum(1)
    values = values + 0.03 * torch.randn(values.shape, generator=chance)
    values = (values - values.mean(1, keepdim=True)) / values.std(1, keepdim=True)
    return values[..., None], labels

"""Heartbeats made from formulas, and those of a data set of which one kind is wanted.

    x(t) = Σ a · exp(−(t − c)² / 2w²) over three waves + noise,   then mean 0 and deviation 1, as in ECG5000

A normal beat has a small, a sharp high and a broad wave; of an abnormal one the sharp wave is low and broad, and the
last one points down. Places and heights are drawn beat by beat.

>>> values, labels = made(6, 0)
>>> values.shape, labels.tolist(), torch.equal(values, made(6, 0)[0])
(torch.Size([6, 32, 1]), [0, 1, 0, 1, 0, 1], True)
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pellucid.data import Dataset
from pellucid.data._base import Record

if TYPE_CHECKING:
    from pellucid.studies._label_free import Beats

LENGTH = 32
WAVES = (((0.15, 0.04, 0.25), (0.35, 0.025, 1.0), (0.65, 0.08, 0.4)),
         ((0.15, 0.04, 0.25), (0.38, 0.07, 0.6), (0.70, 0.08, -0.5)))  # fmt: skip


class Held(Dataset, name="held-beats"):
    """Beats in memory."""

    kind = "series"
    mean, std = (0.0,), (1.0,)
    preset = "plain"

    values: Tensor
    kinds: Tensor

    @property
    def class_names(self) -> tuple[str, ...]:
        return ("normal", "abnormal")

    def __len__(self) -> int:
        return len(self.kinds)

    def record(self, i: int) -> Record:
        return Record(self.values[i], int(self.kinds[i]))


def made(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """[count, 32, 1] and labels: normal and abnormal in turns."""
    chance = torch.Generator().manual_seed(seed)
    labels, t = torch.arange(count) % 2, torch.linspace(0, 1, LENGTH)
    waves = torch.tensor(WAVES)[labels]  # [count, wave, (place, width, height)]
    place, width, height = waves[..., None].unbind(2)
    place = place + 0.02 * torch.randn(place.shape, generator=chance)
    height = height * (1 + 0.15 * torch.randn(height.shape, generator=chance))
    values = (height * torch.exp(-0.5 * ((t - place) / width) ** 2)).sum(1)
    values = values + 0.03 * torch.randn(values.shape, generator=chance)
    values = (values - values.mean(1, keepdim=True)) / values.std(1, keepdim=True)
    return values[..., None], labels


def read(beats: "Beats") -> Held:
    """The beats that are meant."""
    if beats.of:
        data = Dataset.make(beats.of)
        values, labels = data.images(), data.labels()
    else:
        values, labels = made(beats.count, beats.seed)
    if beats.kind:
        rows = labels == ("normal", "abnormal").index(beats.kind)
        values, labels = values[rows], labels[rows]
    return Held(values, labels)

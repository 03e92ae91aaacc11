"""Tiny CNN: all that makes explaining CNNs hard, in a millisecond.

    depth × (conv 3×3 – BatchNorm – in-place ReLU, all but the first of stride 2) – average pooling – linear

The width doubles with every step. `pool=max` halves by max-pooling before the convolution instead, at the same price:
the gradient then has no grid of strides. With depth=4 and width=24 it learns small pictures well. `head=max` keeps the
largest cell of every channel instead of the average.

>>> TinyCNN(classes=4).build()(torch.zeros(2, 3, 32, 32)).shape
torch.Size([2, 4])
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from pellucid.networks._base import Count, Network
from pellucid.networks._wide import Head


class TinyCNN(Network, name="tiny-cnn"):
    """GAP + linear, BatchNorm, in-place ReLUs."""

    classes: Count = 10
    channels: Count = 3
    width: Count = 8
    depth: Count = 3
    pool: Literal["stride", "max"] = "stride"
    head: Head = "average"

    def build(self) -> nn.Module:
        widths = [self.channels, *(self.width * 2**i for i in range(self.depth))]
        return _TinyCNN(self.classes, widths, self.pool == "max", self.head)


def _step(inputs: int, outputs: int, halve: bool, pool: bool) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, 2 if halve and not pool else 1, 1, bias=False)
    parts = (conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
    return nn.Sequential(nn.MaxPool2d(2), *parts) if halve and pool else nn.Sequential(*parts)


class _TinyCNN(nn.Module):
    def __init__(self, classes: int, widths: list[int], pool: bool, head: Head) -> None:
        super().__init__()
        self.features = nn.Sequential(*(_step(*step, i > 0, pool) for i, step in enumerate(pairwise(widths))))
        self.largest, self.head = head == "max", nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.features(x)
        return self.head(maps.amax((2, 3)) if self.largest else maps.mean((2, 3)))

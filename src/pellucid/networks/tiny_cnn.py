"""Tiny CNN: all that makes explaining CNNs hard, in a millisecond.

    depth × (conv 3×3 – BatchNorm – in-place ReLU, all but the first of stride 2) – average pooling – linear

The width doubles with every step. With depth=4 and width=24 it learns small pictures well.

>>> TinyCNN(classes=4).build()(torch.zeros(2, 3, 32, 32)).shape
torch.Size([2, 4])
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from pellucid.networks._base import Count, Network


class TinyCNN(Network, name="tiny-cnn"):
    """GAP + linear, BatchNorm, in-place ReLUs."""

    classes: Count = 10
    channels: Count = 3
    width: Count = 8
    depth: Count = 3

    def build(self) -> nn.Module:
        return _TinyCNN(self.classes, [self.channels, *(self.width * 2**i for i in range(self.depth))])


def _step(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class _TinyCNN(nn.Module):
    def __init__(self, classes: int, widths: list[int]) -> None:
        super().__init__()
        self.features = nn.Sequential(*(_step(*step, stride=min(i + 1, 2)) for i, step in enumerate(pairwise(widths))))
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))

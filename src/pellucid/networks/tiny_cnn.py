"""Tiny CNN: all that makes explaining CNNs hard, in a millisecond.

    3 × (conv 3×3 – BatchNorm – in-place ReLU, the later two of stride 2) – average pooling – linear

>>> TinyCNN(classes=4).build()(torch.zeros(2, 3, 32, 32)).shape
torch.Size([2, 4])
"""

import torch
from torch import Tensor, nn

from pellucid.networks._base import Count, Network


class TinyCNN(Network, name="tiny-cnn"):
    """GAP + linear, BatchNorm, in-place ReLUs."""

    classes: Count = 10
    channels: Count = 3
    width: Count = 8

    def build(self) -> nn.Module:
        return _TinyCNN(self.classes, self.channels, self.width)


def _step(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class _TinyCNN(nn.Module):
    def __init__(self, classes: int, channels: int, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _step(channels, width, 1), _step(width, 2 * width, 2), _step(2 * width, 4 * width, 2)
        )
        self.head = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))

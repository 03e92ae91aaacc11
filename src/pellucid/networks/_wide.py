"""What the networks for training share: residual blocks that act first, and how the last map becomes one vector.

    block(x) = s(x) + conv(ReLU(BN(conv(ReLU(BN(x))))))        s(x) = x, or a 1×1 convolution of ReLU(BN(x))

The convolutional shortcut stands where the width or the size changes, and shares the first activation with the block.
Sums of such blocks have any sign, so a last BatchNorm and ReLU follow: the map before pooling, `features`, is ≥ 0.

>>> GlobalMax()(torch.tensor([[[[1.0, 3.0], [0.0, 2.0]]]])).flatten().tolist()
[3.0]
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.data.cifar10 import CIFAR10
from pellucid.knobs import Between
from pellucid.networks._base import Count, Network

Head = Literal["average", "max"]


class Wide(Network):
    """Abstract: wide residual networks of 28 layers; a member says how wide."""

    cite = """
@inproceedings{zagoruyko2016wide,
  title     = {Wide Residual Networks},
  author    = {Zagoruyko, Sergey and Komodakis, Nikos},
  booktitle = {British Machine Vision Conference},
  year      = {2016},
}"""
    mean, std = CIFAR10.mean, CIFAR10.std
    width: ClassVar[int]

    classes: Count = 10
    channels: Count = 3
    dropout: Annotated[float, Between(0, 1)] = 0.0
    head: Head = "average"

    def build(self) -> nn.Module:
        widths = [16, *(16 * 2**i * self.width for i in range(3))]
        return PreActivation(self.channels, widths, 4, self.classes, self.head, self.dropout)


class PreActivation(nn.Module):
    """A stem of widths[0] channels, a group of blocks for each other width (all but the first halve), and the head."""

    def __init__(
        self, channels: int, widths: Sequence[int], depth: int, classes: int, head: Head, dropout: float = 0.0
    ) -> None:
        super().__init__()
        groups = [_group(*pair, 2 if i else 1, depth, dropout) for i, pair in enumerate(pairwise(widths))]
        parts = OrderedDict[str, nn.Module](stem=_conv(channels, widths[0]))
        parts.update({f"group{i}": group for i, group in enumerate(groups, 1)})
        parts.update(norm=nn.BatchNorm2d(widths[-1]), relu=nn.ReLU(inplace=True))
        self.features = nn.Sequential(parts)
        self.pool, self.head = pooling(head), nn.Linear(widths[-1], classes)
        he_normal(self)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        return self.head(self.pool(self.features(x)).flatten(1))


class Block(nn.Module):
    """Two convolutions 3×3, each after its BatchNorm and ReLU; dropout stands between them."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.relu1 = nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)
        self.conv1 = _conv(inputs, outputs, stride)
        self.norm2, self.relu2 = nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()  # one of 0 would still draw and multiply
        self.conv2 = _conv(outputs, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k i j"]:
        active = self.relu1(self.norm1(x))
        kept = x if self.shortcut is None else self.shortcut(active)
        return kept + self.conv2(self.dropout(self.relu2(self.norm2(self.conv1(active)))))


class GlobalMax(nn.Module):
    """The largest cell of every channel; of equal ones, each has its share of the gradient."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c 1 1"]:
        return x.amax((2, 3), keepdim=True)


def pooling(head: Head) -> nn.Module:
    """What makes a map one vector. Behind `max` a heat-map is no longer the classifier's weights times the map."""
    return GlobalMax() if head == "max" else nn.AdaptiveAvgPool2d(1)


def he_normal(module: nn.Module) -> None:
    """Convolutions N(0, 2 / (kernel · outputs)), linear biases 0; a new BatchNorm is 1 and 0 already."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, nn.Linear):
            nn.init.zeros_(part.bias)


def parameters_of(network: Network) -> int:
    """How many numbers it learns; nothing is drawn for it."""
    with torch.device("meta"):
        return sum(p.numel() for p in network.build().parameters())


def _group(inputs: int, outputs: int, stride: int, depth: int, dropout: float) -> nn.Sequential:
    first = Block(inputs, outputs, stride, dropout)
    return nn.Sequential(first, *(Block(outputs, outputs, 1, dropout) for _ in range(depth - 1)))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)

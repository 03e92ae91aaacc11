"""What rows of masking explainers share: ResNet-18 at 64 px, few images, and forwards of 64 rows as the floor."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

ROWS = 64
TARGET = 3


def network() -> nn.Module:
    torch.manual_seed(0)
    return resnet18(weights=None).eval().requires_grad_(False)


def image(n: int = 1) -> Tensor:
    return torch.randn(n, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def head(net: nn.Module, stage: int, activation: Tensor) -> Tensor:
    """What comes behind a stage of a ResNet."""
    for k in range(stage + 1, 5):
        activation = getattr(net, f"layer{k}")(activation)
    return net.fc(net.avgpool(activation).flatten(1))


def stem(net: nn.Module, stage: int, x: Tensor) -> Tensor:
    """A ResNet up to a stage."""
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    for k in range(1, stage + 1):
        x = getattr(net, f"layer{k}")(x)
    return x


def in_rows(run: Callable[[Tensor], object], x: Tensor, count: int) -> None:
    """So many rows, 64 together, without a way back."""
    rows = x[:1].expand(ROWS, *x.shape[1:]).contiguous()
    with torch.no_grad():
        for first in range(0, count, ROWS):
            run(rows[: count - first])


def masked_rows(net: nn.Module, explain: Callable[[], object]) -> int:
    """How many rows are run for the masks: constant channels and empty groups have none."""
    counts: list[int] = []
    explain()  # finds the layer
    handle = net.register_forward_pre_hook(lambda _module, inputs: counts.append(len(inputs[0])))
    explain()
    handle.remove()
    return sum(counts) - 1  # the clean one

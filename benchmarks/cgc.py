"""A step of CGC: its heat-maps are read off the classifier's weights. Target: 1.08 of three forwards and a backward."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks._cifar import BATCH, batch, network
from benchmarks._timing import Row, race
from pellucid.objectives import CGC


def bare(net: nn.Module, views: list[Tensor], labels: Tensor) -> None:
    """A forward of each, their cross-entropies, one backward."""
    torch.stack([cross_entropy(net(x), labels[: len(x)]) for x in views]).sum().backward()
    net.zero_grad()


def run() -> Row:
    net, (x, y) = network(), batch()
    steps = {way: CGC(way=way).bind(net, images=x) for way in ("auto", "double-backward")}
    views = [x, x.flip(3), x.flip(2)]

    def step(way: str) -> None:
        steps[way]((x, y))[0].backward()
        net.zero_grad()

    return race(
        f"CGC step, ResNet-18 (CIFAR stem), batch {BATCH}",
        {
            "floor": lambda: bare(net, views, y),
            "ours": lambda: step("auto"),
            "double backward": lambda: step("double-backward"),
            "CE step": lambda: bare(net, [x], y),
        },
        floor="3 forwards, 3 CE, a backward",
        target="≤ 1.08",
    )

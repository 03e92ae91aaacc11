"""What rows of guided ways back share: the same explainer in Captum, and an input gradient as the floor."""

from collections.abc import Callable
from typing import Any

from torch import nn

import pellucid as pl
from benchmarks._resnet import images, input_gradient, network
from benchmarks._timing import Row, race


def race_of(title: str, explainer: str, captum: Callable[[nn.Module], Any]) -> Row:
    net, x = network().requires_grad_(False), images(4)
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # Captum's hooks take no others
    theirs = captum(net)
    return race(
        f"{title}, ResNet-50, 224 px, batch 4",
        {
            "floor": lambda: input_gradient(net, x),
            "ours": lambda: pl.explain(net, x, explainer, target=3),
            "captum": lambda: theirs.attribute(x, target=3),
        },
        floor="a forward and an input gradient",
        target="≤ 1.10",
    )

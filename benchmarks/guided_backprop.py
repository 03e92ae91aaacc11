"""Guided backprop: one forward and one backward to the input, by another rule at its ReLUs. Target: 1.10 of these."""

from captum.attr import GuidedBackprop
from torch import nn

import pellucid as pl
from benchmarks._resnet import images, input_gradient, network
from benchmarks._timing import Row, race


def run() -> Row:
    net, x = network().requires_grad_(False), images(4)
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # Captum refuses others
    theirs = GuidedBackprop(net)
    return race(
        "Guided backprop, ResNet-50, 224 px, batch 4",
        {
            "floor": lambda: input_gradient(net, x),
            "ours": lambda: pl.explain(net, x, "guided-backprop", target=3),
            "captum": lambda: theirs.attribute(x, target=3),
        },
        floor="a forward and an input gradient",
        target="≤ 1.10",
    )

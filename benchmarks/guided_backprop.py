"""Guided backprop: one forward and one backward to the input, by another rule at its ReLUs. Target: 1.10 of these."""

from captum.attr import GuidedBackprop

import pellucid as pl
from benchmarks._resnet import images, input_gradient, out_of_place
from benchmarks._timing import Row, race


def run() -> Row:
    net, x = out_of_place(), images(4)
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

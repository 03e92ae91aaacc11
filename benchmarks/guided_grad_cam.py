"""Guided Grad-CAM: one forward, a backward to the layer and one to the input. Target: 1.10 of these."""

from captum.attr import GuidedGradCam

import pellucid as pl
from benchmarks._resnet import images, input_gradient, out_of_place
from benchmarks._timing import Row, race


def run() -> Row:
    net, x = out_of_place(), images(4)
    theirs = GuidedGradCam(net, net.layer4)
    return race(
        "Guided Grad-CAM, ResNet-50, 224 px, batch 4",
        {
            "floor": lambda: input_gradient(net, x),
            "ours": lambda: pl.explain(net, x, "guided-grad-cam", target=3),
            "captum": lambda: theirs.attribute(x, target=3),
        },
        floor="a forward and an input gradient",
        target="≤ 1.10",
    )

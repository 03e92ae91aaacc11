"""EigenCAM: a forward, and the first singular vector of each image. Target: 1.10 forwards."""

from pytorch_grad_cam import EigenCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

import pellucid as pl
from benchmarks._resnet import forward, images, network
from benchmarks._timing import Row, race


def run() -> Row:
    net, x = network(), images(4)
    theirs = EigenCAM(net, [net.layer4])
    return race(
        "EigenCAM, ResNet-50, 224 px, batch 4",
        {
            "floor": lambda: forward(net, x),
            "ours": lambda: pl.explain(net, x, "eigen-cam"),
            "grad-cam": lambda: theirs(x, [ClassifierOutputTarget(3)] * len(x)),
        },
        floor="a forward",
        target="≤ 1.10",
    )

"""FullGrad: one forward and one backward to the input, through which every bias is weighed. Target: 1.10 of these."""

from pytorch_grad_cam import FullGrad
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

import pellucid as pl
from benchmarks._resnet import images, input_gradient, network
from benchmarks._timing import Row, race


def run() -> Row:
    net, x = network(), images(2)
    theirs = FullGrad(net, [])
    return race(
        "FullGrad, ResNet-50, 224 px, batch 2",
        {
            "floor": lambda: input_gradient(net, x),
            "ours": lambda: pl.explain(net, x, "fullgrad", target=3),
            "ours, signed": lambda: pl.explain(net, x, "fullgrad:rectify=false", target=3),
            "grad-cam": lambda: theirs(x, [ClassifierOutputTarget(3)] * len(x)),
        },
        floor="a forward and an input gradient",
        target="≤ 1.10",
    )

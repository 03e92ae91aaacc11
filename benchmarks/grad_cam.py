"""Grad-CAM of one class: a forward, and the head's backward. Target: 1.10 forwards."""

from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

import pellucid as pl
from benchmarks._resnet import forward, images, network
from benchmarks._timing import Row, race


def run() -> Row:
    net, x = network(), images()
    targets = [3] * len(x)
    theirs = GradCAM(net, [net.layer4])
    return race(
        "Grad-CAM, ResNet-50, 224 px, batch 16",
        {
            "floor": lambda: forward(net, x),
            "ours": lambda: pl.explain(net, x, "grad-cam", target=targets),
            "captum": lambda: LayerGradCam(net, net.layer4).attribute(x, targets),
            "grad-cam": lambda: theirs(x, [ClassifierOutputTarget(t) for t in targets]),
        },
        floor="a forward",
        target="≤ 1.10",
    )

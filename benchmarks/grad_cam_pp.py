"""Grad-CAM++: a forward, and the head's backward. Target: 1.10 forwards."""

from pytorch_grad_cam import GradCAMPlusPlus as Theirs
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torchcam.methods import GradCAMpp as Torchcam

import pellucid as pl
from benchmarks._resnet import forward, images, network
from benchmarks._timing import Row, race


def run() -> Row:
    net, x = network(), images(8)
    targets = [3] * len(x)
    grad_cam = Theirs(net, [net.layer4])

    def torchcam() -> None:
        with Torchcam(net, "layer4") as cam:
            cam(targets, net(x))

    return race(
        "Grad-CAM++, ResNet-50, 224 px, batch 8",
        {
            "floor": lambda: forward(net, x),
            "ours": lambda: pl.explain(net, x, "grad-cam-pp", target=targets),
            "grad-cam": lambda: grad_cam(x, [ClassifierOutputTarget(t) for t in targets]),
            "torchcam": torchcam,
        },
        floor="a forward",
        target="≤ 1.10",
    )

"""What rows of the CAM family share: the same explainer in three libraries, and a forward as the floor."""

from typing import Any

from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

import pellucid as pl
from benchmarks._resnet import forward, images, network
from benchmarks._timing import Row, race


def race_of(title: str, explainer: str, grad_cam: Any, torchcam: Any) -> Row:
    net, x = network(), images(8)
    targets = [3] * len(x)
    theirs = grad_cam(net, [net.layer4])

    def other() -> None:
        with torchcam(net, "layer4") as cam:
            cam(targets, net(x))

    return race(
        f"{title}, ResNet-50, 224 px, batch 8",
        {
            "floor": lambda: forward(net, x),
            "ours": lambda: pl.explain(net, x, explainer, target=targets),
            "grad-cam": lambda: theirs(x, [ClassifierOutputTarget(t) for t in targets]),
            "torchcam": other,
        },
        floor="a forward",
        target="≤ 1.10",
    )

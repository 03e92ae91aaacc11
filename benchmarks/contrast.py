"""Grad-CAM of the contrast with all other classes: one backward of the head, not one a class. Target: 1.15 forwards."""

import torch
from captum.attr import LayerGradCam

import pellucid as pl
from benchmarks._resnet import forward, images, network
from benchmarks._timing import Row, race


def run() -> Row:
    net, x = network(), images()
    odds = LayerGradCam(lambda x: (y := net(x))[:, 3] - torch.cat([y[:, :3], y[:, 4:]], 1).logsumexp(1), net.layer4)
    return race(
        "Grad-CAM of a contrast, ResNet-50, 224 px, batch 16",
        {
            "floor": lambda: forward(net, x),
            "ours": lambda: pl.explain(net, x, "grad-cam", ask="contrast", target=3),
            "captum, asked the same": lambda: odds.attribute(x),
        },
        floor="a forward",
        target="≤ 1.15",
    )

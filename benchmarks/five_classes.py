"""Grad-CAM of five classes in one call: one forward, one batched backward of the head. Target: 1.3 forwards."""

import torch
from captum.attr import LayerGradCam

import pellucid as pl
from benchmarks._resnet import forward, images, network
from benchmarks._timing import Row, race


def run() -> Row:
    net, x = network(), images()
    five = torch.arange(5).expand(len(x), 5)
    return race(
        "Grad-CAM of 5 classes, ResNet-50, 224 px, batch 16",
        {
            "floor": lambda: forward(net, x),
            "ours": lambda: pl.explain(net, x, "grad-cam", target=five),
            "ours, 5 calls": lambda: [pl.explain(net, x, "grad-cam", target=t) for t in range(5)],
            "captum, 5 calls": lambda: [LayerGradCam(net, net.layer4).attribute(x, t) for t in range(5)],
        },
        floor="a forward",
        target="≤ 1.3",
    )

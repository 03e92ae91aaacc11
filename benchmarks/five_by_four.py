"""Grad-CAM of five classes, each asked four ways, in one call: one forward, one batched backward of the head.
Target: 1.5 forwards."""

import torch

import pellucid as pl
from benchmarks._resnet import forward, images, network
from benchmarks._timing import Row, race

ASKS = ["logit", "contrast", "contrast:against=mean", "contrast:against=max"]


def run() -> Row:
    net, x = network(), images()[:4]
    five = torch.arange(5).expand(len(x), 5)
    return race(
        "Grad-CAM of 5 classes × 4 questions, ResNet-50, 224 px, batch 4",
        {
            "floor": lambda: forward(net, x),
            "ours": lambda: pl.explain(net, x, "grad-cam", ask=ASKS, target=five),
            "ours, 4 calls": lambda: [pl.explain(net, x, "grad-cam", ask=ask, target=five) for ask in ASKS],
        },
        floor="a forward",
        target="≤ 1.5",
    )

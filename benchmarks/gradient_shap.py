"""Gradient SHAP of 16 samples: 16 forwards and input gradients, eight together. Target: 1.10 of these."""

import torch
from captum.attr import GradientShap

import pellucid as pl
from benchmarks._resnet import images, input_gradient, network
from benchmarks._timing import Row, race


def run() -> Row:
    net, x = network().requires_grad_(False), images(1)
    eight = x.repeat(8, 1, 1, 1)
    theirs = GradientShap(net)
    noise = torch.rand(16, 3, 224, 224)
    return race(
        "Gradient SHAP, 16 samples, ResNet-50, 224 px, one image",
        {
            "floor": lambda: [input_gradient(net, eight) for _ in range(2)],
            "ours": lambda: pl.explain(net, x, "gradient-shap:samples=16", target=3),
            "captum": lambda: theirs.attribute(x, noise, n_samples=16, target=3),
        },
        floor="16 forwards and input gradients",
        target="≤ 1.10",
    )

"""Integrated gradients of 32 steps: 32 forwards and input gradients, eight together. Target: 1.05 of these."""

from captum.attr import IntegratedGradients

import pellucid as pl
from benchmarks._resnet import images, input_gradient, network
from benchmarks._timing import Row, race

STEPS = 32


def run() -> Row:
    net, x = network().requires_grad_(False), images(1)
    eight = x.repeat(8, 1, 1, 1)
    theirs = IntegratedGradients(net)
    return race(
        f"Integrated gradients, {STEPS} steps, ResNet-50, 224 px, one image",
        {
            "floor": lambda: [input_gradient(net, eight) for _ in range(STEPS // 8)],
            "ours": lambda: pl.explain(net, x, f"integrated-gradients:steps={STEPS}", target=3),
            "captum": lambda: theirs.attribute(x, target=3, n_steps=STEPS, internal_batch_size=8),
        },
        floor=f"{STEPS} forwards and input gradients",
        target="≤ 1.05",
    )

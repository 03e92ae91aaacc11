"""Guided integrated gradients of 8 steps, in lock-step over two images: 8 forwards and input gradients, one after
another. Target: 1.2 of these."""

import pellucid as pl
from benchmarks._resnet import images, input_gradient, network
from benchmarks._timing import Row, race

STEPS = 8


def run() -> Row:
    net, x = network().requires_grad_(False), images(2)[:, :, ::2, ::2].contiguous()
    return race(
        f"Guided integrated gradients, {STEPS} steps, ResNet-50, 112 px, two images",
        {
            "floor": lambda: [input_gradient(net, x) for _ in range(STEPS)],
            "ours": lambda: pl.explain(net, x, f"guided-ig:steps={STEPS}", target=3),
        },
        floor=f"{STEPS} forwards and input gradients",
        target="≤ 1.2",
        rounds=3,
    )

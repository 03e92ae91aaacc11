"""Integrated gradients of 32 steps: nothing but its 32 forwards and input gradients. Target: 1.05 of these."""

import torch
from captum.attr import IntegratedGradients

import pellucid as pl
from benchmarks._resnet import images, network
from benchmarks._timing import Row, race

STEPS = 32


def run() -> Row:
    net, x = network().requires_grad_(False), images(1)

    def passes() -> None:
        for _ in range(STEPS):
            leaf = x.clone().requires_grad_()
            torch.autograd.grad(net(leaf)[:, 3].sum(), leaf)

    theirs = IntegratedGradients(net)
    return race(
        f"Integrated gradients, {STEPS} steps, ResNet-50, 224 px, one image",
        {
            "floor": passes,
            "ours": lambda: pl.explain(net, x, f"integrated-gradients:steps={STEPS}", target=3),
            "captum": lambda: theirs.attribute(x, target=3, n_steps=STEPS, internal_batch_size=1),
        },
        floor=f"{STEPS} forwards and input gradients",
        target="≤ 1.05",
    )

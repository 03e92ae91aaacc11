"""Occlusion of 100 windows: as many forwards, 64 rows each. Target: 1.10 × these."""

import torch
from captum.attr import Occlusion
from torchvision.models import resnet18

import pellucid as pl
from benchmarks._resnet import forward
from benchmarks._timing import Row, race

WINDOW, STRIDE, ROWS = 12, 6, 64
WINDOWS = 10 * 10


def run() -> Row:
    torch.manual_seed(0)
    net = resnet18(weights=None).eval()
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    many, theirs = x.repeat(ROWS, 1, 1, 1), Occlusion(net)

    def floor() -> None:
        for _ in range(WINDOWS // ROWS):
            forward(net, many)
        forward(net, many[: WINDOWS % ROWS])

    def captum(together: int) -> None:
        with torch.no_grad():
            theirs.attribute(
                x, (3, WINDOW, WINDOW), strides=(3, STRIDE, STRIDE), target=3, perturbations_per_eval=together
            )

    return race(
        f"Occlusion, {WINDOWS} windows, ResNet-18, 64 px, one image",
        {
            "floor": floor,
            "ours": lambda: pl.explain(net, x, f"occlusion:window={WINDOW},stride={STRIDE}", target=3),
            f"captum, {ROWS} together": lambda: captum(ROWS),
            "captum, as it comes": lambda: captum(1),
        },
        floor=f"{WINDOWS} forwards, in batches of {ROWS}",
        target="≤ 1.10",
        rounds=5,
    )

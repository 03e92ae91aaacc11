"""RISE of 256 masks: 256 forwards, 64 rows each. Target: 1.10 × these."""

import torch
from torchvision.models import resnet18

import pellucid as pl
from benchmarks._resnet import forward
from benchmarks._timing import Row, race

MASKS, ROWS = 256, 64


def run() -> Row:
    torch.manual_seed(0)
    net = resnet18(weights=None).eval()
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    many = x.repeat(ROWS, 1, 1, 1)
    asked = [["probability", "contrast"], [[3, 5, 7]]]
    return race(
        f"RISE, {MASKS} masks, ResNet-18, 64 px, one image",
        {
            "floor": lambda: [forward(net, many) for _ in range(MASKS // ROWS)],
            "ours": lambda: pl.explain(net, x, f"rise:masks={MASKS}", target=3),
            "three classes, two questions": lambda: pl.explain(
                net, x, f"rise:masks={MASKS}", ask=asked[0], target=asked[1]
            ),
        },
        floor=f"{MASKS} forwards, in batches of {ROWS}",
        target="≤ 1.10",
        rounds=5,
    )

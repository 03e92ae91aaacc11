"""Six explainers by eight metrics over a data set: what it costs beyond the passes that the definitions ask for.

The passes of 4 images: one intact forward; for every explainer its own, 56 forwards of insertion and deletion, and one
masked forward that three metrics share.
"""

import torch
from torchvision.models import resnet18

import pellucid as pl
from benchmarks._resnet import forward, input_gradient
from benchmarks._timing import Row, race

N, SIDE, STEPS = 4, 64, 4
EXPLAINERS = [
    "gradient",
    "input-x-gradient",
    f"integrated-gradients:steps={STEPS}",
    "grad-cam",
    "layer-cam",
    "random-map",
]
METRICS = [
    "insertion", "deletion", "overall", "average-drop", "average-gain", "increase", "sparseness", "complexity",
]  # fmt: skip


def run() -> Row:
    torch.manual_seed(0)
    net = resnet18(weights=None).eval()
    x = torch.randn(N, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    full = x.repeat(14, 1, 1, 1)  # 56 rows

    def floor() -> None:
        forward(net, x)
        for _ in range(2 + STEPS):
            input_gradient(net, x)
        for _ in range(2):
            forward(net, x)
        for _ in EXPLAINERS:
            for _ in range(N * 56 // len(full)):
                forward(net, full)
            forward(net, x)

    def ours() -> None:
        pl.evaluate(net, [(x, torch.zeros(N, dtype=torch.int64))], EXPLAINERS, METRICS)

    return race(
        f"6 explainers by 8 metrics, ResNet-18, {SIDE} px, {N} images",
        {"floor": floor, "ours": ours},
        floor="the passes they need",
        target="≤ 1.2",
    )

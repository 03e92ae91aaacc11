"""Insertion and deletion together: 29 scores each, of which two are the intact image's. Target: 1.15 × the forwards.

A round measures two images of 64, each round others: the median is over rounds, as everywhere.
"""

from itertools import cycle

import numpy as np
import quantus
import torch
from torch import Tensor
from torchvision.models import resnet18

import pellucid as pl
from benchmarks._resnet import forward
from benchmarks._timing import Row, race
from pellucid.metrics._case import ROWS

EACH = 2


def run() -> Row:
    torch.manual_seed(0)
    net = resnet18(weights=None).eval()
    x = torch.randn(64, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    maps = torch.rand(64, 224, 224, generator=torch.Generator().manual_seed(1))
    turns = {who: cycle(range(0, 64, EACH)) for who in ("floor", "ours", "quantus")}

    def some(who: str) -> tuple[Tensor, Tensor]:
        at = next(turns[who])
        return x[at : at + EACH], maps[at : at + EACH]

    def floor() -> None:
        images, _ = some("floor")
        for _ in range(EACH * 57 // ROWS):
            forward(net, images.repeat(ROWS // EACH, 1, 1, 1))
        forward(net, images.repeat(ROWS // EACH, 1, 1, 1)[: EACH * 57 % ROWS])

    def ours() -> None:
        images, here = some("ours")
        pl.measure(net, images, here, "overall")

    flipping = quantus.PixelFlipping(
        features_in_step=224 * 224 // 28, perturb_baseline="mean", return_auc_per_sample=False, disable_warnings=True
    )

    def theirs() -> None:  # one curve of the two
        images, here = some("quantus")
        channels = here[:, None].expand(-1, 3, -1, -1).numpy()
        targets = np.zeros(EACH, dtype=int)
        for _ in range(2):
            flipping(net, images.numpy(), targets, a_batch=channels, batch_size=EACH)

    return race(
        "Insertion and deletion, ResNet-18, 224 px, 2 images a round of 64",
        {"floor": floor, "ours": ours, "quantus, two curves of 28 steps": theirs},
        floor="57 forwards an image, in batches of 64",
        target="≤ 1.15",
    )

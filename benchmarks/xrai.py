"""XRAI's regions and their ranking, without the gradients, for an image of 224 px: Felzenszwalb at six scales, dilation
and the greedy loop. Target: a second on one core. Beside it the loop that counts every mask anew."""

import torch
from skimage.segmentation import felzenszwalb
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks._timing import Row, race
from pellucid.explainers.xrai import XRAI, xrai


def picture() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, 3, 40, 40, generator=generator)
    return interpolate(coarse, (224, 224), mode="bicubic")[0] + 0.05 * torch.randn(3, 224, 224, generator=generator)


def by_masks(a: Tensor, regions: Tensor, least: int) -> Tensor:
    """Every region counted anew in every round."""
    value, taken, left = torch.zeros_like(a), torch.zeros_like(a) > 0, list(regions)
    while left := [region for region in left if int((region & ~taken).sum()) >= least]:
        gains = [float(a[region & ~taken].mean()) for region in left]
        new = left.pop(gains.index(max(gains))) & ~taken
        value[new], taken = a[new].mean(), taken | new
    return value


def run() -> Row:
    image, member = picture(), XRAI()
    a = image.amax(0) + torch.randn(224, 224, generator=torch.Generator().manual_seed(1))
    low, high = image.min(), image.max()
    pixels = (2 * (image - low) / (high - low) - 1).permute(1, 2, 0).double().numpy()
    return race(
        "XRAI, regions and ranking, 224 px, one image",
        {
            "floor": lambda: [felzenszwalb(pixels, scale=s, sigma=0.8, min_size=150) for s in member.scales],
            "ours": lambda: xrai(a, member.regions(image), member.least),
            "ranking by masks": lambda: by_masks(a, member.regions(image), member.least),
        },
        floor="Felzenszwalb at six scales",
        target="≤ 1 s",
        rounds=3,
    )

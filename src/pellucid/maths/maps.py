"""Maps: resizing, reducing, normalising.

Resizing is bilinear with `align_corners=False`, the convention that keeps the mass of a map for whole factors.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate


def resize(maps: Float[Tensor, "n h w"], size: tuple[int, int]) -> Float[Tensor, "n h2 w2"]:
    """Bilinear, half-pixel centres.

    >>> resize(torch.tensor([[[0.0, 1.0]]]), (1, 4))
    tensor([[[0.0000, 0.2500, 0.7500, 1.0000]]])
    """
    if tuple(maps.shape[1:]) == tuple(size):
        return maps
    half = maps.dtype in (torch.float16, torch.bfloat16)
    return interpolate((maps.float() if half else maps)[:, None], size=tuple(size), mode="bilinear")[:, 0]


def unit_range(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Each map stretched to [0, 1]; a constant map becomes zero.

    >>> unit_range(torch.tensor([[[2.0, 4.0, 3.0]], [[5.0, 5.0, 5.0]]])).tolist()
    [[[0.0, 1.0, 0.5]], [[0.0, 0.0, 0.0]]]
    """
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    span = high - low
    return torch.where(span > 0, (maps - low) / span.where(span > 0, 1.0), 0.0)


def unit_size(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Each map divided by its largest absolute value: signs stay, zero maps too.

    >>> unit_size(torch.tensor([[[2.0, -4.0]], [[0.0, 0.0]]])).tolist()
    [[[0.5, -1.0]], [[0.0, 0.0]]]
    """
    peak = maps.abs().amax((1, 2), keepdim=True)
    return maps / peak.where(peak > 0, 1.0)

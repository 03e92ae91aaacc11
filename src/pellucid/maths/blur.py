"""Blur: a true Gaussian, over the whole image, with reflected borders.

    B x = K_h x K_wᵀ,   K_ij = Σ_m g(i − j + 2 m n) + g(i + j + 1 + 2 m n),   rows scaled to sum to 1

Two small matrix products instead of a convolution: any σ costs the same, a constant stays itself, nothing is cut off.
Borders are reflected as …c b a | a b c… (half a pixel outside).
"""

from functools import lru_cache
from math import ceil

import torch
from torch import Tensor


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """[…, h, w], or […, l] of signals [n, c, l]; sigma in pixels.

    >>> gaussian_blur(torch.tensor([[[[0.0, 0.0, 1000.0, 0.0, 0.0]]]]), 0.5).round().tolist()
    [[[[0.0, 106.0, 787.0, 106.0, 0.0]]]]
    """
    if sigma <= 0:
        return x
    whole = x if x.dtype == torch.float64 else x.float()
    blurred = whole @ _kernel(x.shape[-1], sigma).to(whole).T
    if x.ndim > 3:
        blurred = _kernel(x.shape[-2], sigma).to(whole) @ blurred
    return blurred.to(x)


@lru_cache(32)
def _kernel(n: int, sigma: float) -> Tensor:
    """[n, n], the Gaussian around every pixel folded back at both borders."""
    i = torch.arange(n, dtype=torch.float64)
    total = torch.zeros(n, n, dtype=torch.float64)
    for fold in range(-ceil(4 * sigma / n) - 1, ceil(4 * sigma / n) + 2):
        for distance in (i[:, None] - i + 2 * fold * n, i[:, None] + i + 1 + 2 * fold * n):
            total += (-0.5 * (distance / sigma) ** 2).exp()
    return total / total.sum(1, keepdim=True)

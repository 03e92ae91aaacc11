"""Pooled correlation: of several things measured at many places, which come a piece at a time.

    r_ij = Σ_p (x_ip − x̄_i)(x_jp − x̄_j) / (s_i s_j)       over all places p of all pieces

Sums of x − c and of their products are kept in float64, c the first piece's means: what is far from zero loses no
digits, and memory does not grow. A thing that is the same everywhere correlates with nothing: NaN.

>>> pooled = Pooled()
>>> for piece in ([[1.0, 2.0], [3.0, 2.0]], [[3.0], [1.0]]):
...     pooled.add(torch.tensor(piece))
>>> pooled.correlation().tolist()
[[1.0, -1.0], [-1.0, 1.0]]
"""

import torch
from jaxtyping import Float
from torch import Tensor


class Pooled:
    """Running sums."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, values: Float[Tensor, "m p"]) -> None:
        """The values of m things at p more places."""
        x = values.detach().double()
        if not self.count:
            self.shift, m = x.mean(1, keepdim=True), len(x)
            self.total, self.products = x.new_zeros(m), x.new_zeros(m, m)
            self.low, self.high = x.amin(1), x.amax(1)
        off = x - self.shift
        self.count += x.shape[1]
        self.total += off.sum(1)
        self.products += off @ off.T
        self.low, self.high = torch.minimum(self.low, x.amin(1)), torch.maximum(self.high, x.amax(1))

    def correlation(self) -> Float[Tensor, "m m"]:
        """Of every two."""
        mean = self.total / self.count
        spread = self.products / self.count - mean[:, None] * mean
        varied = self.high > self.low
        scale = torch.where(varied, spread.diagonal(), torch.nan).sqrt()
        return (spread / (scale[:, None] * scale)).clamp(-1, 1)


def off_diagonal(matrices: Float[Tensor, "*n m m"]) -> Float[Tensor, "*n"]:
    """The mean over all pairs of different things, pairs without a number left out.

    >>> off_diagonal(torch.tensor([[1.0, 0.5], [0.25, 1.0]])).item()
    0.375
    """
    own = torch.eye(matrices.shape[-1], dtype=torch.bool, device=matrices.device)
    return matrices.masked_fill(own, torch.nan).flatten(-2).nanmean(-1)

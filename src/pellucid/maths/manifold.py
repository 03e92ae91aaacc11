"""Manifold: who is whose neighbour, and whether two views of a batch agree on it (manifold matching of LICO).

    D_ij = |x_i − y_j|   or   1 − cos(x_i, y_j)        A_ij = exp(−s D_ij) / Σ_k exp(−s D_ik)
    L = mean_i KL(A^G_i ‖ A^F_i) = mean_i Σ_j A^G_ij log(A^G_ij / A^F_ij)

F are the images and G the texts, which the images are to follow; j runs over all of the batch, i itself included.

Traps. The scale s decides what the loss is: of unit vectors in a batch of 64, s = 0.38 makes all rows uniform and the
loss nothing, s = 14.3 makes A^F the identity and the loss large. So choose it by the perplexity of the rows, the number
of neighbours that they speak of: `scale_for`. A scale that is trained runs away to 0, where the loss is 0 without any
learning. With + instead of −, as in the published code, the farthest are neighbours.

>>> D = distances(torch.tensor([[0.0], [3.0]]), torch.tensor([[0.0], [3.0]]))
>>> D.tolist(), log_adjacency(D, log(3) / 3).exp()  # thrice as likely at 0 as at 3
([[0.0, 3.0], [3.0, 0.0]], tensor([[0.7500, 0.2500], [0.2500, 0.7500]]))
>>> even = log_adjacency(D, 0.0)
>>> round(manifold_loss(log_adjacency(D, log(3) / 3), even).item(), 4), round(log(4 / 3) / 2, 4)
(0.1438, 0.1438)
"""

from math import log
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import kl_div, pad

from pellucid.maths.transport import unit_rows

Kind = Literal["euclidean", "cosine"]

PIECE = 256  # a product of so many numbers is rounded by few units; of 100,000, a hundred
ROUNDING = 8  # so many units in the last place of |x|² + |y|² are no distance
HALVINGS = 60
SPAN = log(1e6)  # how far from 1 / the typical distance a scale is looked for


def distances(
    x: Float[Tensor, "r p"],
    y: Float[Tensor, "b p"],
    kind: Kind = "euclidean",
    same: Bool[Tensor, "r b"] | None = None,
    floor: float = 0.0,
) -> Float[Tensor, "r b"]:
    """By |x|² + |y|² − 2 x·y, in float32 or better: there is never a tensor [r, b, p].

    same: pairs that are one thing are exactly 0 apart, with no gradient. floor: the least squared distance that is
    rooted (Euclidean only; the published code has 1e-4, below which there is no gradient either).

    What rounding cannot tell from zero is zero, and has gradient zero: in float32, what is nearer than about a
    thousandth of the spread of the batch. For exactness both are centred first by a mean that has no gradient.

    >>> distances(torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0], [4.0, -3.0]])).round().tolist()
    [[0.0, 5.0, 7.0]]
    >>> distances(torch.tensor([[3.0, 4.0]]), torch.tensor([[6.0, 8.0], [4.0, -3.0]]), "cosine").tolist()
    [[0.0, 1.0]]
    """
    with torch.autocast(x.device.type, enabled=False):
        x, y = (z if z.dtype == torch.float64 else z.float() for z in (x, y))
        apart = _cosine(x, y) if kind == "cosine" else _euclidean(x, y, floor)
    return apart if same is None else torch.where(same, 0.0, apart)


def log_adjacency(D: Float[Tensor, "r b"], scale: float | Float[Tensor, ""]) -> Float[Tensor, "r b"]:
    """The logarithm of how much each is the neighbour of the row; the rows of its exponential sum to 1.

    >>> log_adjacency(torch.tensor([[0.0, 0.0, 9.9]]), 100.0).exp().tolist()
    [[0.5, 0.5, 0.0]]
    """
    return (-scale * D).log_softmax(1)


def manifold_loss(log_f: Float[Tensor, "r b"], log_g: Float[Tensor, "r b"]) -> Float[Tensor, ""]:
    """KL(A^G ‖ A^F) in mean over rows: what it costs to take F for G.

    >>> f, g = torch.tensor([[0.25, 0.75]]), torch.tensor([[0.5, 0.5]])
    >>> round(manifold_loss(f.log(), g.log()).item(), 4), round(manifold_loss(g.log(), f.log()).item(), 4)
    (0.1438, 0.1308)
    """
    return kl_div(log_f, log_g, reduction="batchmean", log_target=True)


def perplexity(D: Float[Tensor, "r b"], scale: float | Float[Tensor, ""]) -> Float[Tensor, " r"]:
    """The exponential of a row's entropy: of how many neighbours it speaks, between 1 and b.

    >>> perplexity(torch.tensor([[0.0, 0.0, 9.9], [1.0, 1.0, 1.0]]), 100.0)
    tensor([2., 3.])
    """
    logs = log_adjacency(D, scale)
    return (-(logs.exp() * logs).sum(1)).exp()


def scale_for(D: Float[Tensor, "r b"], wanted: float) -> float:
    """The scale at which the median row has this perplexity, by bisection of its logarithm; no gradient.

    The perplexity falls from b to the number of things at distance 0, the row itself and its duplicates. Outside of
    that the nearest is the answer: for less the largest scale tried, for more the smallest (a million over the mean
    distance, and a millionth). Where nothing is apart, or there is one column, any scale is as good: 1.0.

    >>> D = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    >>> scale = scale_for(D, 1.5)
    >>> round(scale, 3), perplexity(D, scale)
    (0.906, tensor([1.5000, 1.5000]))
    >>> scale_for(torch.zeros(3, 3), 2.0), scale_for(torch.ones(1, 1), 1.0)
    (1.0, 1.0)
    """
    known = D.detach().to("cpu", torch.float64)
    if known.shape[1] == 1 or not bool((known > 0).any()):
        return 1.0
    middle = -log(known[known > 0].mean().item())
    low, high = middle - SPAN, middle + SPAN
    for _ in range(HALVINGS):
        half = torch.tensor((low + high) / 2, dtype=torch.float64)
        if perplexity(known, half.exp()).quantile(0.5) > wanted:
            low = half.item()
        else:
            high = half.item()
    return torch.tensor((low + high) / 2, dtype=torch.float64).exp().item()


def _euclidean(x: Tensor, y: Tensor, floor: float) -> Tensor:
    centre = y.detach().mean(0)
    x, y = x - centre, y - centre
    lengths = x.square().sum(1)[:, None] + y.square().sum(1)
    squares = lengths - 2 * _products(x, y)
    if floor > 0:
        return squares.clamp_min(floor).sqrt()
    apart = squares.detach() > ROUNDING * torch.finfo(x.dtype).eps * lengths.detach()
    return torch.where(apart, torch.where(apart, squares, 1.0).sqrt(), 0.0)


def _cosine(x: Tensor, y: Tensor) -> Tensor:
    return (1 - _products(unit_rows(x), unit_rows(y))).clamp_min(0)


def _products(x: Tensor, y: Tensor) -> Tensor:
    """[r, b]: x yᵀ, piece by piece of the sum, because matrix products add up one after the other."""
    pieces = (pad(z, (0, -z.shape[1] % PIECE)).unflatten(1, (-1, PIECE)).transpose(0, 1) for z in (x, y))
    return torch.bmm(next(pieces), next(pieces).mT).sum(0)

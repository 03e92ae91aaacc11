"""Curves: what a model says while pixels are exchanged, the most important ones first, and the area under it.

x_s(p) = end(p) where rank(p) < count_s, else start(p)          A = Σ_s (y_s + y_{s+1}) / 2 / S
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def ranks(maps: Float[Tensor, "n h w"], last_first: bool = False) -> Int[Tensor, "n h w"]:
    """The place of every pixel in descending order: 0 the highest. Of equal ones the first comes first, or the last.

    >>> ranks(torch.tensor([[[0.5, 2.0, 0.5]]])).tolist(), ranks(torch.tensor([[[0.5, 2.0, 0.5]]]), True).tolist()
    ([[[1, 0, 2]]], [[[2, 0, 1]]])
    """
    flat = maps.flatten(1)
    order = flat.argsort(dim=1, stable=True, descending=not last_first)
    order = order.flip(1) if last_first else order
    places = torch.arange(flat.shape[1], device=maps.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).view_as(maps)


def equal_steps(pixels: int, steps: int) -> list[int]:
    """How many pixels are exchanged at each of the steps + 1 scores.

    >>> equal_steps(10, 4)
    [0, 3, 5, 8, 10]
    """
    return [int(pixels * i / steps + 0.5) for i in range(steps + 1)]


def steps_of(pixels: int, size: float) -> list[int]:
    """The same with so many pixels a step, and the last one smaller.

    >>> steps_of(10, 4), steps_of(10, 2.5)
    ([0, 4, 8, 10], [0, 3, 5, 8, 10])
    """
    count = -int(-pixels // size)
    return [min(pixels, int(size * i + 0.5)) for i in range(count + 1)]


def exchanged(
    start: Float[Tensor, "n c *s"], end: Float[Tensor, "n c *s"], rank: Int[Tensor, "n *s"], count: Int[Tensor, " n"]
) -> Float[Tensor, "n c *s"]:
    """The first pixels of `end`, the others of `start`.

    >>> exchanged(torch.zeros(1, 1, 1, 2), torch.ones(1, 1, 1, 2), torch.tensor([[[1, 0]]]), torch.tensor([1])).tolist()
    [[[[0.0, 1.0]]]]
    """
    return torch.where((rank < count.view(-1, *[1] * (rank.ndim - 1)))[:, None], end, start)


def area(scores: Float[Tensor, "n s"]) -> Float[Tensor, " n"]:
    """Under a curve over [0, 1], by trapezoids.

    >>> area(torch.tensor([[1.0, 0.0, 0.0]])).tolist()
    [0.25]
    """
    return (scores.sum(1) - (scores[:, 0] + scores[:, -1]) / 2) / (scores.shape[1] - 1)

"""Regions: pixels that are removed together, and their order.

Labels [h, w], or [n, h, w] where every image has its own, say to which region a pixel belongs: 0 … k − 1.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.maths.curves import ranks


def squares(size: tuple[int, int], side: int) -> Int[Tensor, "h w"]:
    """Squares of so many pixels a side, smaller at the right and lower border where they do not fit.

    >>> squares((2, 3), 2).tolist()
    [[0, 0, 1], [0, 0, 1]]
    """
    rows, columns = (torch.arange(pixels) // side for pixels in size)
    return rows[:, None] * (int(columns[-1]) + 1) + columns


def region_sums(maps: Float[Tensor, "n h w"], labels: Int[Tensor, "n h w"], regions: int) -> Float[Tensor, "n k"]:
    """What a map says in every region, in float64."""
    found = torch.zeros(len(maps), regions, dtype=torch.float64, device=maps.device)
    return found.scatter_add_(1, labels.flatten(1), maps.flatten(1).double())


def region_means(maps: Float[Tensor, "n h w"], labels: Int[Tensor, "n h w"], regions: int) -> Float[Tensor, "n k"]:
    """The mean of a map in every region, −inf where a region has no pixel.

    >>> region_means(torch.tensor([[[1.0, 3.0, 5.0]]]), torch.tensor([[[0, 0, 1]]]), 3).tolist()
    [[2.0, 5.0, -inf]]
    """
    least = maps.flatten(1).amin(1)[:, None, None]  # exact for maps that are the same everywhere
    size = region_sums(torch.ones_like(maps), labels, regions)
    mean = region_sums(maps.double() - least, labels, regions) / size + least[:, 0].double()
    return torch.where(size > 0, mean, -torch.inf)


def region_ranks(means: Float[Tensor, "n k"], labels: Int[Tensor, "n h w"]) -> Int[Tensor, "n h w"]:
    """The place of every pixel's region, the highest first; of equal ones the first.

    >>> region_ranks(torch.tensor([[2.0, 5.0]]), torch.tensor([[[0, 0, 1]]])).tolist()
    [[[1, 1, 0]]]
    """
    return ranks(means[:, None])[:, 0].gather(1, labels.flatten(1)).view_as(labels)

"""Regions: a picture as parts, the number of its part at every pixel."""

import torch
from jaxtyping import Int
from torch import Tensor


def rectangles(size: tuple[int, int], cells: int) -> Int[Tensor, "h w"]:
    """So many along each axis, at most one a pixel.

    >>> rectangles((1, 6), 3).tolist()
    [[0, 0, 1, 1, 2, 2]]
    """
    rows, columns = (torch.arange(pixels) * min(cells, pixels) // pixels for pixels in size)
    return rows[:, None] * (int(columns[-1]) + 1) + columns

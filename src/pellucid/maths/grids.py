"""Grids: where the pixels of a layer's output are, whatever its axes are called.

    feature map   [n, k, h, w]         CNNs
    channels last [n, h, w, k]         Swin
    tokens        [n, p + h·w, k]      ViT: p class and register tokens, then the grid in reading order
    signal        [n, k, l]            1-D networks, kept as a map of height 1

A grid belongs to an image of H × W when one stride s explains both sides, up to rounding:
H/(h+1) < s < H/(h−1) and W/(w+1) < s < W/(w−1).

>>> layout_of((2, 512, 7, 7), (224, 224))
Layout(kind='map', grid=(7, 7), prefix=0)
>>> layout_of((2, 197, 768), (224, 224))
Layout(kind='tokens', grid=(14, 14), prefix=1)
>>> layout_of((2, 7, 7, 768), (224, 224)).kind, layout_of((2, 1000), (224, 224))
('last', None)
"""

from dataclasses import dataclass
from math import ceil, floor, inf, sqrt
from typing import Literal

from torch import Tensor

MOST_PREFIX = 32  # class, distillation and register tokens in front of a grid; DINOv3 has 5, the largest known 17


@dataclass(frozen=True)
class Layout:
    """How to read a layer's output as a map."""

    kind: Literal["map", "last", "tokens", "signal"]
    grid: tuple[int, int]
    prefix: int = 0

    def map(self, output: Tensor) -> Tensor:
        """[n, k, h, w], differentiable, no copy where none is needed."""
        if self.kind == "map":
            return output
        if self.kind == "last":
            return output.movedim(-1, -3)
        if self.kind == "signal":
            return output.unsqueeze(-2)
        h, w = self.grid
        return output[..., self.prefix :, :].unflatten(-2, (h, w)).movedim(-1, -3)

    def rest(self, output: Tensor) -> Tensor:
        """The class and register tokens [n, p, k]."""
        return output[..., : self.prefix, :]


def fits(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether one stride leads from an image of this size to this grid."""
    low, high = 0.0, inf
    for cells, pixels in zip(grid, size, strict=True):
        low = max(low, pixels / (cells + 1))
        high = min(high, pixels / (cells - 1) if cells > 1 else inf)
    return low < high and grid[0] <= size[0] and grid[1] <= size[1]


def token_grid(tokens: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """The grid with this many cells and the shape of the image.

    >>> token_grid(196, (224, 224)), token_grid(192, (97, 131)), token_grid(197, (224, 224))
    ((14, 14), (12, 16), None)
    """
    ideal = sqrt(tokens * size[0] / size[1])
    near = range(max(1, floor(ideal) - 1), ceil(ideal) + 2)
    grids = [(h, tokens // h) for h in near if tokens % h == 0 and fits((h, tokens // h), size)]
    return min(grids, key=lambda g: abs(g[0] - ideal), default=None)


def layout_of(
    shape: tuple[int, ...],
    size: tuple[int, int],
    grid: tuple[int, int] | None = None,
    prefix: int | None = None,
) -> Layout | None:
    """The layout of a layer's output, or None where it has none; a given grid or prefix is believed."""
    if len(shape) == 4:
        for kind, cells in (("map", shape[2:]), ("last", shape[1:3])):
            if cells == grid or (grid is None and fits(cells, size)):
                return Layout(kind, cells)
    if len(shape) == 3 and size[0] == 1:
        return Layout("signal", (1, shape[2])) if fits((1, shape[2]), size) else None
    if len(shape) == 3 and grid is not None:
        extra = shape[1] - grid[0] * grid[1]
        return Layout("tokens", grid, extra) if extra >= 0 else None
    if len(shape) == 3:
        known = [] if prefix is None else [prefix]
        for extra in (*known, *range(min(MOST_PREFIX, shape[1] - 1))):
            found = token_grid(shape[1] - extra, size)
            if found:
                return Layout("tokens", found, extra)
    return None

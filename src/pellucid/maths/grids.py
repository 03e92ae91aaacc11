"""Grids: where the pixels of a layer's output are, whatever its axes are called.

    feature map   [n, k, h, w]         CNNs
    channels last [n, h, w, k]         Swin
    tokens        [n, p + h·w, k]      ViT: p class and register tokens, then the grid in reading order
    sequence      [p + h·w, n, k]      the same with the batch second, as torch's own transformer has it
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

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, sqrt
from typing import Literal

from torch import Tensor

Kind = Literal["map", "last", "tokens", "sequence", "signal"]

MOST_PREFIX = 32  # class, distillation and register tokens in front of a grid; DINOv3 has 5, the largest known 17


@dataclass(frozen=True)
class Layout:
    """How to read a layer's output as a map."""

    kind: Kind
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
        return self._tokens(output)[..., self.prefix :, :].unflatten(-2, self.grid).movedim(-1, -3)

    def rest(self, output: Tensor) -> Tensor:
        """The class and register tokens [n, p, k]."""
        return self._tokens(output)[..., : self.prefix, :]

    def _tokens(self, output: Tensor) -> Tensor:
        return output.transpose(-3, -2) if self.kind == "sequence" else output


def fits(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether one stride and one rounding lead from an image of this size to this grid.

    >>> fits((7, 7), (224, 224)), fits((1, 2), (224, 224)), fits((6, 8), (97, 131)), fits((8, 6), (97, 131))
    (True, False, True, False)
    """
    (h, w), (height, width) = grid, size
    if (h > w and height <= width) or (h < w and height >= width):
        return False
    low, high = 0.0, inf
    for cells, pixels in zip(grid, size, strict=True):
        low = max(low, pixels / (cells + 1))
        high = min(high, pixels / (cells - 1) if cells > 1 else inf)
    return low < high and h <= height and w <= width


def tiles(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether square patches, one for each cell, cover the image exactly."""
    return size[0] % grid[0] == 0 and size[1] % grid[1] == 0 and size[0] // grid[0] == size[1] // grid[1]


def token_grid(tokens: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """The grid with this many cells and the shape of the image; of a square image it is a square.

    >>> token_grid(196, (224, 224)), token_grid(192, (97, 131)), token_grid(197, (224, 224)), token_grid(6, (64, 64))
    ((14, 14), (12, 16), None, None)
    """
    ideal = sqrt(tokens * size[0] / size[1])
    near = range(max(1, floor(ideal) - 1), ceil(ideal) + 2)
    grids = [(h, tokens // h) for h in near if tokens % h == 0 and fits((h, tokens // h), size)]
    return min(grids, key=lambda g: abs(g[0] - ideal), default=None)


def layout_of(
    shape: tuple[int, ...],
    size: tuple[int, int],
    grid: tuple[int, int] | None = None,
    prefixes: Sequence[int] = range(MOST_PREFIX),
    rows: int | None = None,
) -> Layout | None:
    """The layout of a layer's output, or None where it has none; a given grid is believed.

    prefixes: how many tokens may stand before the grid, the likeliest first. rows: how many images there were, where
    that is known, to tell tokens from a sequence.
    """
    if len(shape) == 4:
        for layout in (Layout("map", (shape[2], shape[3])), Layout("last", (shape[1], shape[2]))):
            if layout.grid == grid or (grid is None and fits(layout.grid, size)):
                return layout
    if len(shape) != 3:
        return None
    if size[0] == 1:
        return Layout("signal", (1, shape[2])) if fits((1, shape[2]), size) else None
    second = rows is not None and shape[0] != rows and shape[1] == rows
    kind: Kind = "sequence" if second else "tokens"
    tokens = shape[0] if second else shape[1]
    if grid is not None:
        extra = tokens - grid[0] * grid[1]
        return Layout(kind, grid, extra) if extra >= 0 else None
    grids = {p: token_grid(tokens - p, size) for p in prefixes if tokens - p > 1}
    found = {p: g for p, g in grids.items() if g}
    # a grid that leaves nothing over is likelier than one up to rounding with fewer tokens before it
    best = min(found, key=lambda p: not tiles(found[p], size), default=None)
    return None if best is None else Layout(kind, found[best], best)

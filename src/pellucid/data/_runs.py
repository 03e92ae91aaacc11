"""Masks as COCO writes them: polygons, and lengths of runs down the columns, as a list or as a string.

runs = [zeros, ones, zeros, …], column after column, from the top

>>> mask_of({"counts": [2, 1, 3], "size": [2, 3]}, (2, 3)).int().tolist()
[[0, 1, 0], [0, 0, 0]]
>>> runs_of("213")
[2, 1, 3]
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

FINE = 5  # the outline of a polygon is drawn on a grid so many times finer


def mask_of(segmentation: Any, size: tuple[int, int]) -> Bool[Tensor, "h w"]:
    """The pixels of a segmentation, of whichever of the three forms."""
    if isinstance(segmentation, Mapping):
        h, w = segmentation["size"]
        counts = segmentation["counts"]
        runs = runs_of(counts) if isinstance(counts, str) else counts
        if sum(runs) != h * w or min(runs, default=0) < 0:
            raise ValueError(f"the runs cover {sum(runs):,} pixels, not {h} × {w}")
        flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        return torch.from_numpy(flat.reshape(w, h).T.copy())
    masks = [filled(np.asarray(polygon, dtype=np.float64).reshape(-1, 2), size) for polygon in segmentation]
    if not masks:
        return torch.zeros(size, dtype=torch.bool)
    return torch.from_numpy(np.logical_or.reduce(masks))


def runs_of(text: str) -> list[int]:
    """The runs of a compressed string: five bits a character, the sixth says that more follow; from the fourth run on,
    each is the difference to the one two before."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    return runs


def filled(polygon: Any, size: tuple[int, int]) -> Any:
    """The pixels inside a polygon, to the pixel those of COCO's own tools.

    Its outline is walked on the fine grid; where it steps from one column to the next, inside and outside change places
    below. A pixel is inside if they did so an odd number of times above it.
    """
    h, w = size
    if not np.isfinite(polygon).all():
        raise ValueError("a corner is no number")
    corners = np.trunc(polygon * FINE + 0.5).astype(np.int64)
    walked = [_line(a, b) for a, b in zip(corners, np.roll(corners, -1, 0), strict=True) if (a != b).any()]
    if not walked:
        return np.zeros(size, dtype=bool)
    u, v = np.concatenate(walked).T
    step = np.flatnonzero(u[1:] != u[:-1])
    x = (np.where(u[step + 1] < u[step], u[step + 1], u[step + 1] - 1) + 0.5) / FINE - 0.5
    y = (np.minimum(v[step], v[step + 1]) + 0.5) / FINE - 0.5
    kept = (np.floor(x) == x) & (x >= 0) & (x <= w - 1)
    below = np.ceil(np.clip(y[kept], 0, h)).astype(np.int64)
    changes = np.bincount(x[kept].astype(np.int64) * h + below, minlength=h * w + 1)[: h * w]
    return (np.cumsum(changes) % 2 == 1).reshape(w, h).T


def _line(start: Any, end: Any) -> Any:
    """The points of the fine grid from one corner to the next, walked from the lower coordinate as they do."""
    (dx, dy), longer = np.abs(end - start), 0
    longer = 0 if dx >= dy else 1
    turned = start[longer] > end[longer]
    a, b = (end, start) if turned else (start, end)
    count = max(dx, dy)
    t = np.arange(count + 1)
    points = np.empty((count + 1, 2), dtype=np.int64)
    points[:, longer] = a[longer] + t
    slope = (b[1 - longer] - a[1 - longer]) / count
    points[:, 1 - longer] = np.trunc(a[1 - longer] + slope * t + 0.5)
    return points[::-1] if turned else points


def boxes_of_xywh(boxes: Sequence[Sequence[float]]) -> Tensor:
    """x, y, width, height -> x0, y0, x1, y1"""
    some = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    return torch.cat([some[:, :2], some[:, :2] + some[:, 2:]], 1)

"""Places: where the maps of a class agree from picture to picture, beside the object.

    M_c = mean over the right answers of class c of the map's mass beside the object, on a grid of 16 × 16 cells

What is wherever the thing is has its evidence in other cells in every picture; a dot in a corner, a label, a frame has
it in the same ones. A place is proposed by the maps, and proves true only by what the model answers without it.

>>> cells = np.full((9, 256), 1 / 512)
>>> cells[:, :2] += 1 / 4
>>> [place] = proposed({"gradient": cells}, np.zeros(9, int), np.ones(9, bool), (32, 32))
>>> place.boxes, str(place), place.classes
(((0, 0, 4, 2),), 'the top left corner (4 × 2 pixels)', (0,))
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pellucid.engine._regions import CELLS, Box, box_of

Grid = NDArray[Any]

FEW = 8  # right answers of a class: with fewer, not even all of them would show (Wilson) that most are lost
SHARE, LIFT = 0.05, 3.0  # of the evidence, and by how much more than of the area: less is not worth a forward
PART = 1 / 3  # of the highest cell: what is as high belongs to the place
BLOBS = 4  # four corners make one place
LARGEST = 1 / 8  # of the area: more is no place but a region
MOST = 4  # places that are tried


@dataclass(frozen=True)
class Place:
    """One or more boxes, in pixels of the input."""

    boxes: tuple[Box, ...]
    cells: tuple[int, ...]
    size: tuple[int, int]
    classes: tuple[int, ...]  # whose maps agree on it
    strength: float  # share of the evidence, less that of the area
    explainer: str

    def __str__(self) -> str:
        said = list(dict.fromkeys(_said(box, self.size) for box in self.boxes))
        sizes = dict.fromkeys(f"{x1 - x0} × {y1 - y0}" for x0, y0, x1, y1 in self.boxes)
        where = " and ".join(filter(None, (", ".join(said[:-1]), said[-1])))
        return f"{where} ({' and '.join(sizes)} pixels)"

    def share(self, cells: Grid) -> Grid:
        """[n]: of the evidence, the part in this place."""
        return cells[:, list(self.cells)].sum(1)


def _said(box: Box, size: tuple[int, int]) -> str:
    """
    >>> _said((0, 0, 4, 4), (32, 32)), _said((14, 0, 18, 4), (32, 32)), _said((14, 14, 18, 18), (32, 32))
    ('the top left corner', 'the top edge', 'the middle')
    """
    x, y = (box[0] + box[2]) / 2 / size[1], (box[1] + box[3]) / 2 / size[0]
    across, down = (_third(v, words) for v, words in ((x, ("left", "right")), (y, ("top", "bottom"))))
    if across and down:
        return f"the {down} {across} corner"
    return f"the {across or down} edge" if across or down else "the middle"


def _third(at: float, words: tuple[str, str]) -> str:
    return words[0] if at < 1 / 3 else words[1] if at > 2 / 3 else ""


def proposed(cells: Mapping[str, Grid], labels: Grid, right: Grid, size: tuple[int, int]) -> list[Place]:
    """The places that the maps of some explainer agree on, the strongest first. cells: [n, rows · columns] each."""
    found: list[Place] = []
    for explainer, mass in cells.items():
        for c in np.unique(labels[right]).tolist():
            mine = mass[right & (labels == c)]
            mine = mine[~np.isnan(mine).any(1)]
            if len(mine) >= FEW and (place := _place(mine.mean(0), size)) is not None:
                found.append(replace(place, classes=(c,), explainer=explainer))
    return _merged(sorted(found, key=lambda place: -place.strength))[:MOST]


def _place(mean: Grid, size: tuple[int, int]) -> Place | None:
    """Where the cells of one class are high."""
    grid = mean.reshape(min(CELLS, size[0]), -1)
    level = grid.mean()
    if not level > 0:
        return None
    high = grid >= max(PART * grid.max(), LIFT * level)
    blobs = _blobs(high, grid)[:BLOBS]
    chosen = np.any(blobs, 0) if blobs else np.zeros_like(high)
    area, share = float(chosen.mean()), float(grid[chosen].sum())
    if not blobs or area > LARGEST or share < SHARE or share < LIFT * area * grid.sum():
        return None
    boxes = tuple(sorted(box_of(torch.from_numpy(blob), size) for blob in blobs))
    return Place(boxes, tuple(np.flatnonzero(chosen).tolist()), size, (), share - area, "")


def _blobs(high: Grid, grid: Grid) -> list[Grid]:
    """Cells that touch one another, those with the most in them first."""
    from scipy.ndimage import label

    marked, count = label(high, np.ones((3, 3)))  # type: ignore[misc]
    return sorted((marked == i + 1 for i in range(count)), key=lambda blob: -float(grid[blob].sum()))


def _merged(places: list[Place]) -> list[Place]:
    """Places that largely coincide are one, that of the strongest, for all their classes."""
    kept: list[Place] = []
    for place in places:
        i = next((i for i, one in enumerate(kept) if _overlap(one, place) > 1 / 3), None)
        if i is None:
            kept.append(place)
        else:
            kept[i] = replace(kept[i], classes=tuple(sorted({*kept[i].classes, *place.classes})))
    return kept


def _overlap(a: Place, b: Place) -> float:
    """Of the smaller one."""
    return len({*a.cells} & {*b.cells}) / min(len(a.cells), len(b.cells))

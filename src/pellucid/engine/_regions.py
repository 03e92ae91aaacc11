"""Regions: where in a picture a model may look, and what it answers when one of them is taken away.

    object       of the class: masks, or boxes where there are none      other    objects of other classes
    border       the outer tenth of what is neither                      background    all the rest

An object is taken out with the box around it, for an outline would tell its shape, and with what surrounds it in its
place: a blur of the pixels that are left, normalised by how many they are,

    f = B(x k) / B(k),   k = 1 where the picture is left, B a Gaussian of 1/16 of its shorter side

so that nothing of the object's colours stays, as it would with a blur of the whole picture. Everything else is taken
out with the mean colour of the data in its place.

>>> x, gone = torch.tensor([[[[1.0, 9.0, 3.0]]]]), torch.tensor([[[False, True, False]]])
>>> surrounded(x, gone).tolist()
[[[[1.0, 2.0, 3.0]]]]
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import max_pool2d

from pellucid.data import Record
from pellucid.data._record import boxes_of
from pellucid.engine._source import SPAN, Range, Source
from pellucid.maths.blur import gaussian_blur
from pellucid.maths.masks import IGNORED, inside_boxes, share_inside
from pellucid.metrics import Case
from pellucid.metrics._base import Curved
from pellucid.subject import size_of

REGIONS = ("object", "other", "border", "background")
GROUND, OBJECT, OTHER, NEAR = 0, 1, 2, 3  # NEAR: ground in the box around an object
OUTER = 0.1  # of each side, at each of its ends: the border
GROWN = 1 / 64  # of the shorter side: what is taken out with an object, because outlines are not drawn to the pixel
SIGMA = 1 / 16  # of the shorter side
CELLS = 16  # of a side: a place is made of them

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in whole pixels
Without = Literal["nothing", "object", "other", "border", "background", "all but object", "place"]


# --- what is where ----------------------------------------------------------------------------------------------------


def zones(record: Any, number: int, size: tuple[int, int]) -> UInt8[Tensor, "h w"]:
    """What is known of every pixel, where a class is asked about."""
    mine, others, unknown = _parts(record, number, size)
    found = torch.zeros(size, dtype=torch.uint8)
    found[inside_boxes(boxes_of(mine), size)] = NEAR
    found[unknown] = IGNORED
    found[others.any(0)] = OTHER
    found[mine.any(0)] = OBJECT
    return found


def _parts(record: Any, number: int, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """The objects of the class, those of others, and the pixels about which nobody can say anything."""
    nothing, unknown = torch.zeros(0, *size, dtype=torch.bool), torch.zeros(size, dtype=torch.bool)
    if isinstance(record, Record):
        return _of_record(record, number, size)
    given, boxes = record.get("masks", record.get("mask")), record.get("boxes")
    mine = nothing
    if given is not None:
        mask = torch.as_tensor(given).view(size)
        mine, unknown = (mask == 1)[None], mask == IGNORED
    if not bool(mine.any()) and boxes is not None:
        mine = _in_boxes(torch.as_tensor(boxes, dtype=torch.float32).view(-1, 4), size)
    return mine, nothing, unknown


def _of_record(record: Record, number: int, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Where an object has a mask its box says nothing more."""
    fits = tuple(record.masks.shape[1:]) == size
    masks = record.masks if fits else torch.zeros(0, *size, dtype=torch.bool)
    of, ids = (record.mask_classes, record.mask_ids) if fits else (record.mask_classes[:0], record.mask_ids[:0])
    alone = ~torch.isin(record.ids, ids)
    boxed, of_boxes = _in_boxes(record.boxes[alone], size), record.classes[alone]
    mine = torch.cat([masks[of == number], boxed[of_boxes == number]])
    others = torch.cat([masks[of != number], boxed[of_boxes != number]])
    unknown = record.ignore if tuple(record.ignore.shape) == size else torch.zeros(size, dtype=torch.bool)
    return mine, others, unknown


def _in_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """[k, h, w]"""
    return torch.stack([inside_boxes(box[None], size) for box in boxes]) if len(boxes) else boxes.new_zeros(
        0, *size, dtype=torch.bool
    )  # fmt: skip


@dataclass
class Zones(Range):
    """Some samples, with zones for masks."""

    def masks(self, classes: Tensor) -> Tensor | None:
        """uint8 [n, h, w]."""
        if not self.records:
            return None
        pairs = zip(self.records, classes.tolist(), strict=True)
        return torch.stack([zones(record, int(c), size_of(self.images)) for record, c in pairs])


class Zoned(Source):
    """A source that tells other objects from the ground."""

    def __init__(self, of: Source) -> None:
        self.of, self.name, self.mark, self.transform = of, of.name, of.mark, of.transform

    def count(self) -> int | None:
        return self.of.count()

    def colour(self) -> Tensor | None:
        return self.of.colour()

    def ranges(self, wanted: Iterable[int] | None) -> Iterator[Range]:
        for part in self.of.ranges(wanted):
            yield Zones(part.start, part.images, part.labels, part.records)


class First(Zoned):
    """The first samples of a source."""

    def __init__(self, of: Source, most: int) -> None:
        super().__init__(of)
        self.name, self.most = f"subset:first={most}@{of.name}", most

    def count(self) -> int | None:
        count = self.of.count()
        return None if count is None else min(count, self.most)

    def ranges(self, wanted: Iterable[int] | None) -> Iterator[Range]:
        for part in self.of.ranges(range(-(-self.most // SPAN)) if wanted is None else wanted):
            left = self.most - part.start
            yield type(part)(part.start, part.images[:left], part.labels[:left], part.records[:left])


def where(zones: UInt8[Tensor, "n h w"], region: str) -> Bool[Tensor, "n h w"]:
    """The pixels of a region."""
    if region in ("object", "other"):
        return zones == (OBJECT if region == "object" else OTHER)
    rest = (zones == GROUND) | (zones == NEAR)
    outer = frame((zones.shape[1], zones.shape[2])).to(zones.device)
    return rest & (outer if region == "border" else ~outer)


def frame(size: tuple[int, int]) -> Bool[Tensor, "h w"]:
    """The outer tenth: pixels whose centre lies in it; a side of one pixel has none.

    >>> frame((1, 10)).int().tolist()
    [[1, 0, 0, 0, 0, 0, 0, 0, 0, 1]]
    """
    y, x = (_outer(side) for side in size)
    return y[:, None] | x


def _outer(side: int) -> Tensor:
    at = (torch.arange(side) + 0.5) / side
    return (at < OUTER) | (at > 1 - OUTER) if side > 1 else torch.zeros(1, dtype=torch.bool)


# --- what is left -----------------------------------------------------------------------------------------------------


def surrounded(images: Float[Tensor, "n c *s"], gone: Bool[Tensor, "n h w"]) -> Float[Tensor, "n c *s"]:
    """The images with what surrounds the missing pixels in their place; far from all, the mean of what is left."""
    gone = gone.view(len(images), 1, *images.shape[2:])
    left = (~gone).to(images)
    sigma = SIGMA * min(s for s in images.shape[2:] if s > 1)
    total = left.flatten(2).sum(2).clamp_min(1).view(-1, 1, *[1] * (images.ndim - 2))
    mean = (images * left).flatten(2).sum(2).view(*images.shape[:2], *[1] * (images.ndim - 2)) / total
    some = 1e-6
    filled = (gaussian_blur(images * left, sigma) + some * mean) / (gaussian_blur(left, sigma) + some)
    return torch.where(gone, filled, images)


def coloured(case: Case, gone: Bool[Tensor, "n h w"]) -> Tensor:
    """The images with the data's mean colour in the place of the missing pixels, or each its own where that is not
    known."""
    x = case.images
    colour = x.flatten(2).mean(2) if case.colour is None else case.colour.to(x).expand(case.n, -1)
    empty = colour.view(*colour.shape, *[1] * (x.ndim - 2))
    return torch.where(gone.view(case.n, 1, *x.shape[2:]), empty, x)


def grown(mask: Bool[Tensor, "n h w"]) -> Bool[Tensor, "n h w"]:
    """With a margin."""
    by = [max(1, round(GROWN * min(mask.shape[1:]))) if side > 1 else 0 for side in mask.shape[1:]]
    wide = max_pool2d(mask.float()[:, None], (2 * by[0] + 1, 2 * by[1] + 1), 1, (by[0], by[1]))
    return wide[:, 0] > 0


# --- metrics of an audit: they are in no catalogue, because they ask for zones ----------------------------------------


def zones_of(case: Case) -> Tensor:
    """Those of the case; ground alone where nothing is known."""
    return (
        torch.zeros(case.n, *case.size, dtype=torch.uint8).to(case.images.device) if case.masks is None else case.masks
    )


class Shown(Curved, name="shown"):
    """The probability of the label when a part of the picture is taken away; undefined where there is no such part.

    The curve is the class that is predicted then, and its probability."""

    scores = "model"
    classes = True

    without: Without = "nothing"
    fill: Literal["surroundings", "mean"] = "mean"
    places: tuple[Box, ...] = ()  # x0, y0, x1, y1
    elsewhere: bool = False  # not these places but others as large, half a picture away

    def score(self, case: Case) -> Tensor:
        p = self._chances(case)
        known = (case.label >= 0) & (case.label < p.shape[1])
        mine = p.gather(1, torch.where(known, case.label, 0)[:, None])[:, 0]
        return torch.where(known, mine, torch.nan)

    def trace(self, case: Case) -> Tensor:
        p, predicted = self._chances(case).max(1)
        return torch.stack([torch.where(p.isnan(), torch.nan, predicted.to(p)), p], 1)

    def _chances(self, case: Case) -> Tensor:
        """[n, classes], NaN where nothing is taken away."""
        return case.once(str(self), lambda: self._answered(case))

    def _answered(self, case: Case) -> Tensor:
        if self.without == "nothing":
            return case.chances(case.output)
        gone = self.gone(zones_of(case))
        there = gone.flatten(1).any(1)
        left = surrounded(case.images, gone) if self.fill == "surroundings" else coloured(case, gone)
        found = case.scan(1, lambda i, _: left[i], lambda output, _: case.chances(output))[:, 0]
        return torch.where(there[:, None], found, torch.nan)

    def gone(self, zones: Tensor) -> Tensor:
        """[n, h, w]: the pixels that are taken away."""
        mine = zones == OBJECT
        if self.without == "object":
            return grown(mine | (zones == NEAR)) & mine.flatten(1).any(1)[:, None, None]
        if self.without == "all but object":
            return ~mine & mine.flatten(1).any(1)[:, None, None]
        if self.without == "other":
            return grown(zones == OTHER) & ~mine
        if self.without == "place":
            return self._at(zones) & ~mine & (zones != OTHER)
        return where(zones, self.without)

    def _at(self, zones: Tensor) -> Tensor:
        size = (zones.shape[1], zones.shape[2])
        inside = inside_boxes(torch.tensor(self.places, dtype=torch.float32), size).to(zones.device)
        if self.elsewhere:
            inside = inside.roll((size[0] // 2, size[1] // 2), (0, 1)) & ~inside
        return inside.expand_as(zones)


LOOKS: dict[str, Shown] = {
    "nothing": Shown("nothing", curve=True),
    "object": Shown("object", "surroundings", curve=True),
    "object (mean colour)": Shown("object", "mean", curve=True),
    "all but object": Shown("all but object", curve=True),
    "other": Shown("other", "surroundings", curve=True),
    "border": Shown("border", curve=True),
    "background": Shown("background", curve=True),
}


class Where(Curved, name="where"):
    """Of what a map says for the class, the share on the object; the curve has those of all regions, then their areas.

    Pixels that nobody can say anything about are left out. Without an object, the first two of each are undefined."""

    needs = ()

    def score(self, case: Case) -> Tensor:
        zones = zones_of(case)
        return share_inside(case.map, torch.where((zones == OBJECT) | (zones == IGNORED), zones, 0))

    def trace(self, case: Case) -> Tensor:
        zones, mass = zones_of(case), case.map.double().relu()
        parts = torch.stack([where(zones, region) for region in REGIONS], 1)
        known = torch.ones(case.n, 4, dtype=torch.bool, device=zones.device)
        known[:, :2] = (zones == OBJECT).flatten(1).any(1)[:, None]
        shares = (parts * mass[:, None]).sum((2, 3))
        areas = parts.double().sum((2, 3))
        return torch.cat([torch.where(known, v / v.sum(1, keepdim=True), torch.nan) for v in (shares, areas)], 1)


class Places(Curved, name="places"):
    """Of what a map says for the class, the most that lies in one cell of a grid beside all objects; the curve has all
    cells, row by row."""

    better = None

    def score(self, case: Case) -> Tensor:
        return self.trace(case).amax(1)

    def trace(self, case: Case) -> Tensor:
        zones, mass = zones_of(case), case.map.double().relu()
        total = torch.where(zones == IGNORED, 0.0, mass).sum((1, 2), keepdim=True)
        beside = torch.where((zones == GROUND) | (zones == NEAR), mass, 0.0) / total
        rows, columns = (_cells(side).to(beside) for side in beside.shape[1:])
        return (rows @ beside @ columns.T).flatten(1)


def _cells(side: int) -> Tensor:
    """[cells, side]: 1 where a pixel is in a cell."""
    count = min(CELLS, side)
    return (torch.arange(side) * count // side == torch.arange(count)[:, None]).double()


def box_of(cells: Bool[Tensor, "r c"], size: tuple[int, int]) -> Box:
    """The pixels of some cells.

    >>> box_of(torch.tensor([[True, False], [True, False]]), (7, 9))
    (0, 0, 5, 7)
    """
    (top, bottom), (left, right) = (_ends(cells.any(axis), side) for axis, side in ((1, size[0]), (0, size[1])))
    return left, top, right, bottom


def _ends(there: Tensor, side: int) -> tuple[int, int]:
    at, count = there.nonzero()[:, 0].tolist(), len(there)
    return -(-at[0] * side // count), -(-(at[-1] + 1) * side // count)

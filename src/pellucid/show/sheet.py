"""Contact sheet: a row for each image, a column for each explainer and question.

Maps of one explainer share one colour scale over the classes, questions, models and images of the sheet; different
explainers never do. The scale is printed under the explainer's name. A signed map anywhere makes the scale of its
explainer signed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from PIL import Image, ImageDraw
from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.show.colour import colours, limit_of
from pellucid.show.overlay import plain, tile, tile_size
from pellucid.show.text import font, line_height, wrapped

GAP, APART, MARGIN, GUTTER = 6, 18, 12, 150  # between tiles, between explainers, around, and the most for row titles
INK, GREY = "#1a1a1a", "#666666"


@dataclass(frozen=True, eq=False)
class Column:
    """One explainer, one question, one map an image."""

    explainer: str  # the title, and what shares a scale
    ask: str
    maps: Tensor  # [n, h, w]
    signed: bool
    captions: tuple[str, ...] = ()  # under the tiles


def columns_of(explanation: Any, captions: Sequence[Sequence[str]] | None = None) -> list[Column]:
    """An Explanation's columns: its questions, and for each its classes. captions: those of each column."""
    e = explanation
    asks = (e.ask,) if isinstance(e.ask, str) else tuple(e.ask)
    flat = e.images is not None and e.images.ndim == 3
    shape = (1, e.maps.shape[-1]) if flat else tuple(e.maps.shape[-2:])
    maps = e.maps.detach().float().cpu().reshape(len(e), -1, len(asks), *shape)
    made = [
        Column(e.explainer, ask, maps[:, k, q], e.signed) for q, ask in enumerate(asks) for k in range(len(maps[0]))
    ]
    if captions is None:
        return made
    return [Column(c.explainer, c.ask, c.maps, c.signed, tuple(t)) for c, t in zip(made, captions, strict=True)]


def contact_sheet(
    columns: Sequence[Any],
    pictures: Sequence[Tensor | None] | None = None,
    rows: Sequence[str] = (),
    tile: int | None = None,
    alpha: float = 0.5,
    saturate: float = 0.0,
    note: str = "",
) -> Picture:
    """The sheet. columns: Columns, or Explanations of the same images; pictures: RGB in [0, 1], [3, h, w], taken from
    the first Explanation where left out; rows: a title an image; tile: the width of a picture in pixels; saturate: the
    share of the strongest values that may lie beyond the ends of the scale; note: a line under it all."""
    given = [c for c in columns if not isinstance(c, Column)]
    columns = [c for column in columns for c in ([column] if isinstance(column, Column) else columns_of(column))]
    if not columns:
        raise BadInput("the sheet has no columns; give at least one explanation.")
    n = len(columns[0].maps)
    if pictures is None:
        pictures = [given[0].picture(i) for i in range(n)] if given else [None] * n
    for what, found in [("maps", len(c.maps)) for c in columns] + [("pictures", len(pictures))]:
        if found != n:
            raise BadInput(f"a column has {n} maps, and there are {found} {what} beside it; give one an image.")
    if rows and len(rows) != n:
        raise BadInput(f"there are {len(rows)} row titles for {n} images; give one an image.")
    return _Sheet(columns, list(pictures), list(rows), tile, alpha, saturate, note).draw()


@dataclass(eq=False)
class _Sheet:
    """Scales, sizes and places first; then the pixels."""

    columns: list[Column]
    pictures: list[Tensor | None]
    rows: list[str]
    tile: int | None
    alpha: float
    saturate: float
    note: str

    def __post_init__(self) -> None:
        self.title, self.body, self.small = font(14, bold=True), font(13), font(11)
        self.scales = {c.explainer: self._scale(c.explainer) for c in self.columns}
        self.sizes = [self._size(i) for i in range(len(self.pictures))]
        self.side = max(width for width, _ in self.sizes)
        self.gutter = self._gutter()
        self._place()

    def _scale(self, explainer: str) -> tuple[bool, float]:
        mine = [c for c in self.columns if c.explainer == explainer]
        return any(c.signed for c in mine), limit_of([c.maps for c in mine], self.saturate)

    def _size(self, i: int) -> tuple[int, int]:
        """Width and height of a row's tiles."""
        picture = self.pictures[i]
        return tile_size(self.columns[0].maps[i] if picture is None else picture, self.tile)

    def _gutter(self) -> int:
        longest = max((self.body.getlength(word) for row in self.rows for word in row.split("\n")), default=0)
        return min(GUTTER, math.ceil(longest)) + APART if self.rows else 0

    def _place(self) -> None:
        """The left edge of every column, and the explainers' spans."""
        pictured = any(p is not None for p in self.pictures)
        self.first = MARGIN + self.gutter
        x = self.first + (self.side + APART if pictured else 0)
        self.lefts: list[int] = []
        self.spans: list[tuple[str, int, int]] = []  # explainer, left, width
        for explainer, group in groupby(self.columns, lambda c: c.explainer):
            left = x
            for _ in group:
                self.lefts.append(x)
                x += self.side + GAP
            self.spans.append((explainer, left, x - GAP - left))
            x += APART - GAP
        self.width = x - APART + MARGIN
        self.names = [wrapped(name, self.title, width) for name, _, width in self.spans]
        self.asks = [wrapped(c.ask, self.body, self.side) for c in self.columns]
        self.captions = [[wrapped(text, self.small, self.side) for text in c.captions] for c in self.columns]
        self.texts = [wrapped(row, self.body, self.gutter - APART) for row in self.rows]

    def draw(self) -> Picture:
        bar = MARGIN + max(map(len, self.names)) * line_height(self.title) + 4
        ask = bar + 10 + line_height(self.small) + 8
        top = ask + max(map(len, self.asks)) * line_height(self.body) + 4
        heights = [self._height(i) for i in range(len(self.pictures))]
        notes = wrapped(self.note, self.small, self.width - 2 * MARGIN) if self.note else []
        whole = top + sum(heights) + len(notes) * line_height(self.small) + (4 if notes else 0) + MARGIN - GAP
        sheet = Image.new("RGB", (self.width, whole), "white")
        self.pen = ImageDraw.Draw(sheet)
        for lines, (name, left, width) in zip(self.names, self.spans, strict=True):
            self._write(lines, left, MARGIN, self.title)
            self._bar(sheet, left, bar, min(width, 2 * self.side), *self.scales[name])
        for lines, left in zip(self.asks, self.lefts, strict=True):
            self._write(lines, left, ask, self.body)
        for i, height in enumerate(heights):
            self._row(sheet, i, top)
            top += height
        self._write(notes, MARGIN, top + 4, self.small, GREY)
        return sheet

    def _height(self, i: int) -> int:
        """Of a row, with what is written under and beside the tiles."""
        captions = max((len(c[i]) for c in self.captions if c), default=0)
        tiles = self.sizes[i][1] + captions * line_height(self.small)
        beside = len(self.texts[i]) * line_height(self.body) if self.texts else 0
        return max(tiles, beside) + GAP + (4 if captions else 0)

    def _row(self, sheet: Picture, i: int, top: int) -> None:
        picture, size = self.pictures[i], self.sizes[i]
        if self.texts:
            self._write(self.texts[i], MARGIN, top, self.body)
        if picture is not None:
            sheet.paste(plain(picture, size), (self.first, top))
        for column, captions, left in zip(self.columns, self.captions, self.lefts, strict=True):
            signed, limit = self.scales[column.explainer]
            sheet.paste(tile(picture, column.maps[i], size, signed, limit, self.alpha), (left, top))
            if captions:
                self._write(captions[i], left, top + size[1] + 1, self.small, GREY)

    def _bar(self, sheet: Picture, left: int, top: int, width: int, signed: bool, limit: float) -> None:
        """The colours from end to end, and the numbers at the ends."""
        ramp = torch.linspace(-1.0 if signed else 0.0, 1.0, width).expand(10, -1)
        sheet.paste(Image.fromarray(colours(ramp, signed, 1.0)), (left, top))
        self.pen.rectangle((left, top, left + width - 1, top + 9), outline="#bbbbbb")
        places = [(left, f"−{limit:.3g}" if signed else "0", "la"), (left + width, f"{limit:.3g}", "ra")]
        places += [(left + width // 2, "0", "ma")] if signed else []
        for x, text, anchor in places:
            self.pen.text((x, top + 11), text, GREY, self.small, anchor)

    def _write(self, lines: list[str], left: int, top: int, face: Any, ink: str = INK) -> None:
        for line in lines:
            self.pen.text((left, top), line, ink, face)
            top += line_height(face)

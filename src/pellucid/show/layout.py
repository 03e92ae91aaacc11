"""The layout of every sheet: rows of pictures, columns of maps under their explainers, and charts beside them.

Maps of one explainer share one colour scale over all rows and columns; different explainers never do. The scale is
printed under the explainer's name. A signed map anywhere makes the scale of its explainer signed; where maps are far
above zero everywhere, it begins at their least value.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import torch
from PIL import Image, ImageDraw
from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.show.colour import colours, limit_of, number, start_of
from pellucid.show.outline import outlined
from pellucid.show.overlay import plain, tile, tile_size
from pellucid.show.text import font, line_height, wrapped

GAP, APART, MARGIN, GUTTER = 6, 18, 12, 150  # between tiles, between explainers, around, and the most for row titles
INK, GREY = "#1a1a1a", "#666666"
RULE = 4  # thickness of the line in an explainer's colour


@dataclass(frozen=True, eq=False)
class Column:
    """One explainer, one question, one map a row."""

    explainer: str  # the title, and what shares a scale
    ask: str
    maps: Tensor | Sequence[Tensor]  # [n, h, w], or n of [h, w] where the sizes differ
    signed: bool
    captions: tuple[str, ...] = ()  # under the tiles


@dataclass(frozen=True, eq=False)
class Row:
    """What is beside and below its maps."""

    picture: Tensor | None  # [3, h, w] in [0, 1]
    title: str = ""
    outline: Tensor | None = None  # of the object, boolean [h, w]
    again: bool = False  # the picture is that of the row above and not repeated


@dataclass(frozen=True, eq=False)
class Panel:
    """Drawings of one kind, one a row, to the right of the maps."""

    title: str
    drawings: Sequence[Picture | None]
    inset: tuple[int, int]  # where in a drawing its left edge and its top are, as the eye sees them

    @property
    def width(self) -> int:
        return max(drawing.width for drawing in self.drawings if drawing is not None)


@dataclass(frozen=True)
class Look:
    """How maps are put over pictures."""

    tile: int | None = None  # width of a tile in pixels
    alpha: float = 0.5  # how much of the map is seen
    saturate: float = 0.0  # share of the strongest values that may lie beyond the ends of the scale


class Scale(NamedTuple):
    """The colours of an explainer's maps: from −limit or start, to limit."""

    signed: bool
    limit: float
    start: float = 0.0


@dataclass(eq=False)
class Sheet:
    """Scales, sizes and places first; then the pixels."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    look: Look = Look()
    note: str = ""
    panels: Sequence[Panel] = ()
    marks: Mapping[str, str] = field(default_factory=dict)  # the colour that an explainer has in the panels

    def __post_init__(self) -> None:
        self.title, self.body, self.small = font(14, bold=True), font(13), font(11)
        self.scales = {c.explainer: self._scale(c.explainer) for c in self.columns}
        self.sizes = [self._size(i) for i in range(len(self.rows))]
        self.side = max(width for width, _ in self.sizes)
        self.gutter = self._gutter()
        self.spans: list[tuple[str, int, int]] = []  # explainer, left, width
        self.lefts = self._place()
        self._write_out()

    def _scale(self, explainer: str) -> Scale:
        mine = [c for c in self.columns if c.explainer == explainer]
        signed, maps = any(c.signed for c in mine), [m for c in mine for m in c.maps]
        limit = limit_of(maps, self.look.saturate)
        return Scale(signed, limit, start_of(maps, signed, limit))

    def _size(self, i: int) -> tuple[int, int]:
        """Width and height of a row's tiles."""
        picture = self.rows[i].picture
        return tile_size(self.columns[0].maps[i] if picture is None else picture, self.look.tile)

    def _gutter(self) -> int:
        lines = [line for row in self.rows for line in wrapped(row.title, self.body, GUTTER)]
        longest = max(map(self.body.getlength, lines))
        return math.ceil(longest) + APART if longest else 0

    def _place(self) -> list[int]:
        """The left edges of the columns, then those of the panels; on the way the explainers' spans."""
        lefts: list[int] = []
        pictured = self.side + APART if any(row.picture is not None for row in self.rows) else 0
        inside = any(row.again for row in self.rows)  # where one picture has several titles, they are at their maps
        self.beside, self.first = (MARGIN + pictured, MARGIN) if inside else (MARGIN, MARGIN + self.gutter)
        x = MARGIN + pictured + self.gutter
        for explainer, group in groupby(self.columns, lambda c: c.explainer):
            mine = [x + i * (self.side + GAP) for i, _ in enumerate(group)]
            lefts += mine
            self.spans.append((explainer, x, mine[-1] + self.side - x))
            x = mine[-1] + self.side + APART
        for panel in self.panels:
            lefts.append(x)
            x += panel.width + APART
        self.width = x - APART + MARGIN
        return lefts

    def _write_out(self) -> None:
        """Every text in lines that fit."""
        self.names = [wrapped(name, self.title, width) for name, _, width in self.spans]
        self.asks = [wrapped(c.ask, self.body, self.side) for c in self.columns]
        self.heads = [wrapped(p.title, self.body, p.width - p.inset[0]) for p in self.panels]
        self.captions = [[wrapped(text, self.small, self.side) for text in c.captions] for c in self.columns]
        self.texts = [wrapped(row.title, self.body, self.gutter - APART) if self.gutter else [] for row in self.rows]
        self.notes = wrapped(self.note, self.small, self.width - 2 * MARGIN) if self.note else []

    def draw(self) -> Picture:
        """The sheet."""
        name = MARGIN + (RULE + 5 if self.marks else 0)
        bar = name + max(map(len, self.names)) * line_height(self.title) + 4
        ask = bar + 10 + line_height(self.small) + 8
        top = ask + max(map(len, self.asks + self.heads)) * line_height(self.body)
        top += max([4, *(panel.inset[1] for panel in self.panels)])
        heights = [self._height(i) for i in range(len(self.rows))]
        notes = len(self.notes) * line_height(self.small) + 4 if self.notes else 0
        sheet = Image.new("RGB", (self.width, top + sum(heights) + notes + MARGIN - GAP), "white")
        self.pen = ImageDraw.Draw(sheet)
        self._head(sheet, name, bar, ask)
        for i, height in enumerate(heights):
            self._row(sheet, i, top + self._before(i))
            top += height
        self._write(self.notes, MARGIN, top + 4, self.small, GREY)
        return sheet

    def _head(self, sheet: Picture, name: int, bar: int, ask: int) -> None:
        """Explainers with their scales, questions, titles of panels."""
        for lines, (explainer, left, width) in zip(self.names, self.spans, strict=True):
            if explainer in self.marks:
                self.pen.rectangle((left, MARGIN, left + width - 1, MARGIN + RULE - 1), self.marks[explainer])
            self._write(lines, left, name, self.title)
            self._bar(sheet, left, bar, min(width, 2 * self.side), self.scales[explainer])
        for lines, left in zip(self.asks, self.lefts):
            self._write(lines, left, ask, self.body)
        for panel, lines, left in zip(self.panels, self.heads, self.lefts[len(self.columns) :], strict=True):
            self._write(lines, left + panel.inset[0], ask, self.body)

    def _before(self, i: int) -> int:
        """The distance that keeps one picture's rows from the next one's."""
        apart = i > 0 and not self.rows[i].again and any(row.again for row in self.rows)
        return APART - GAP if apart else 0

    def _height(self, i: int) -> int:
        """Of a row, with what is written under and beside the tiles."""
        captions = max((len(c[i]) for c in self.captions if c), default=0)
        tiles = self.sizes[i][1] + captions * line_height(self.small) + (4 if captions else 0)
        panels = [d.height - p.inset[1] for p in self.panels if (d := p.drawings[i]) is not None]
        return self._before(i) + max(tiles, len(self.texts[i]) * line_height(self.body), *panels, 0) + GAP

    def _row(self, sheet: Picture, i: int, top: int) -> None:
        row, size, look = self.rows[i], self.sizes[i], self.look
        self._write(self.texts[i], self.beside, top, self.body)
        if row.picture is not None and not row.again:
            sheet.paste(outlined(plain(row.picture, size), row.outline), (self.first, top))
        for column, captions, left in zip(self.columns, self.captions, self.lefts):
            signed, limit, start = self.scales[column.explainer]
            map = tile(row.picture, column.maps[i] - start, size, signed, limit - start, look.alpha)
            sheet.paste(outlined(map, row.outline), (left, top))
            if captions:
                self._write(captions[i], left, top + size[1] + 1, self.small, GREY)
        for panel, left in zip(self.panels, self.lefts[len(self.columns) :], strict=True):
            if (drawing := panel.drawings[i]) is not None:
                sheet.paste(drawing, (left, top - panel.inset[1]))

    def _bar(self, sheet: Picture, left: int, top: int, width: int, scale: Scale) -> None:
        """The colours from end to end, and the numbers at the ends."""
        ramp = torch.linspace(-1.0 if scale.signed else 0.0, 1.0, width).expand(10, -1)
        sheet.paste(Image.fromarray(colours(ramp, scale.signed, 1.0)), (left, top))
        self.pen.rectangle((left, top, left + width - 1, top + 9), outline="#bbbbbb")
        end = number(scale.limit)
        places = [(left, f"−{end}" if scale.signed else number(scale.start), "la"), (left + width, end, "ra")]
        places += [(left + width // 2, "0", "ma")] if scale.signed else []
        for x, text, anchor in places:
            self.pen.text((x, top + 11), text, GREY, self.small, anchor)

    def _write(self, lines: list[str], left: int, top: int, face: Any, ink: str = INK) -> None:
        for line in lines:
            self.pen.text((left, top), line, ink, face)
            top += line_height(face)

"""Boxes: how numbers are spread, group by group, one panel a measure.

From the first quartile to the third, with a line at the median; whiskers reach to the last number within one and a half
boxes. Few numbers are drawn themselves besides, one alone as a line. Groups stand along the axis, kinds have colours.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from PIL import Image, ImageColor, ImageDraw
from PIL.Image import Image as Picture

from pellucid.errors import BadInput
from pellucid.show.chart import FRAME, GREY, GRID, INK, ticks_of, written
from pellucid.show.curves import PALETTE
from pellucid.show.layout import APART, MARGIN
from pellucid.show.text import font, line_height, wrapped

HIGH, WIDE, FEW = 190, 24, 20  # of the axes and of a box, in pixels; and how many numbers are drawn one by one
ACROSS, NARROW = (3, 5), 190  # panels in a row, wide and narrow ones
SPACE, SWATCH = 5, 14


@dataclass(frozen=True, eq=False)
class Box:
    """The numbers of one kind in one group; NaN is left out."""

    group: str
    kind: str
    values: Sequence[float]

    def known(self) -> np.ndarray:
        values = np.asarray(self.values, dtype=float)
        return values[np.isfinite(values)]


def five(values: np.ndarray) -> tuple[float, float, float, float, float]:
    """Whisker, quartile, median, quartile, whisker.

    >>> five(np.array([1.0, 2.0, 3.0, 4.0, 99.0]))
    (1.0, 2.0, 3.0, 4.0, 4.0)
    """
    low, middle, high = (float(q) for q in np.quantile(values, [0.25, 0.5, 0.75]))
    reach = 1.5 * (high - low)
    inside = values[(values >= low - reach) & (values <= high + reach)]
    return float(inside.min()), low, middle, high, float(inside.max())


def boxes(panels: Mapping[str, Sequence[Box]], note: str = "") -> Picture:
    """The sheet. panels: title -> boxes; all panels have the groups and kinds of all, in the order they come in."""
    shown = {title: list(some) for title, some in panels.items() if any(len(box.known()) for box in some)}
    if not shown:
        raise BadInput("there are no numbers to draw; give each panel a box with at least one.")
    sheet = _Boxes(shown, note)
    return sheet.draw()


class _Boxes:
    """Sizes first, then the pixels."""

    def __init__(self, panels: dict[str, list[Box]], note: str) -> None:
        every = [box for some in panels.values() for box in some]
        self.panels, self.groups = panels, list(dict.fromkeys(box.group for box in every))
        kinds = dict.fromkeys(box.kind for box in every)
        self.kinds = dict(zip(filter(None, kinds), cycle(PALETTE)))
        self.named = list(self.kinds)  # in the legend; what is of no kind is grey beside the others
        self.kinds |= {"": GREY if self.kinds else PALETTE[0]} if "" in kinds else {}
        self.face, self.bold = font(11), font(13, bold=True)
        self.step = line_height(self.face)
        longest = max(self.face.getlength(word) for group in self.groups for word in group.split())
        self.slot = max(len(kinds) * (WIDE + 6) + 16, min(math.ceil(longest), 110) + 8)
        self.inner = max(self.slot * len(self.groups), 130)
        self.slot = self.inner / len(self.groups)
        self.ranges = {title: _range(some) for title, some in panels.items()}
        self.numbers = {title: written(ticks_of(*r, 5)) for title, r in self.ranges.items()}
        self.left = max(math.ceil(self.face.getlength(t)) for some in self.numbers.values() for t in some) + SPACE
        self.labels = [wrapped(group, self.face, self.slot - 4) for group in self.groups]
        self.titles = {title: wrapped(title, self.bold, self.inner) for title in panels}
        self.top = max(map(len, self.titles.values())) * line_height(self.bold) + SPACE
        self.size = (self.left + self.inner, self.top + HIGH + SPACE + max(map(len, self.labels)) * self.step)
        across = min(ACROSS[self.inner <= NARROW], len(panels))
        self.width = max(across * (self.size[0] + APART) - APART + 2 * MARGIN, 320)
        self.places = [(MARGIN + i % across * (self.size[0] + APART), MARGIN + i // across * (self.size[1] + APART))
                       for i in range(len(panels))]  # fmt: skip
        self.notes = wrapped(note, self.face, self.width - 2 * MARGIN) if note else []

    def draw(self) -> Picture:
        below = self.places[-1][1] + self.size[1] + SPACE
        legend = self.step + SPACE if self.named and len(self.kinds) > 1 else 0
        height = below + legend * self._legend_rows() + len(self.notes) * self.step + MARGIN
        sheet = Image.new("RGB", (self.width, height), "white")
        pen = ImageDraw.Draw(sheet)
        for (x, y), (title, some) in zip(self.places, self.panels.items(), strict=True):
            self._panel(pen, x, y, title, some)
        y = below
        if legend:
            y = self._legend(pen, below)
        for line in self.notes:
            pen.text((MARGIN, y), line, GREY, self.face)
            y += self.step
        return sheet

    def _panel(self, pen: ImageDraw.ImageDraw, x: int, y: int, title: str, some: Sequence[Box]) -> None:
        low, high = self.ranges[title]
        left, top = x + self.left, y + self.top

        def at(value: float) -> float:
            return top + (high - value) / (high - low) * HIGH

        for i, line in enumerate(self.titles[title]):
            pen.text((left, y + i * line_height(self.bold)), line, INK, self.bold)
        for tick, text in zip(ticks_of(low, high, 5), self.numbers[title], strict=True):
            pen.line((left, at(tick), left + self.inner, at(tick)), FRAME if tick == 0 else GRID)
            pen.text((left - SPACE, at(tick)), text, GREY, self.face, "rm")
        for i, lines in enumerate(self.labels):
            for k, line in enumerate(lines):
                middle = left + (i + 0.5) * self.slot
                pen.text((middle, top + HIGH + SPACE + k * self.step), line, INK, self.face, "ma")
        pen.line((left, top, left, top + HIGH, left + self.inner, top + HIGH), FRAME)
        for box in some:
            beside = [kind for kind in self.kinds if any(b.kind == kind and b.group == box.group for b in some)]
            middle = left + (self.groups.index(box.group) + 0.5) * self.slot
            middle += (beside.index(box.kind) - (len(beside) - 1) / 2) * (WIDE + 6)
            _box(pen, box.known(), middle, at, self.kinds[box.kind])

    def _legend_rows(self) -> int:
        return len(self._legend_places()[1])

    def _legend_places(self) -> tuple[list[tuple[str, int, int]], list[int]]:
        found, x, row = list[tuple[str, int, int]](), MARGIN, 0
        for kind in self.named:
            wide = SWATCH + SPACE + math.ceil(self.face.getlength(kind))
            if x > MARGIN and x + wide > self.width - MARGIN:
                x, row = MARGIN, row + 1
            found.append((kind, x, row))
            x += wide + APART
        return found, list(range(row + 1))

    def _legend(self, pen: ImageDraw.ImageDraw, top: int) -> int:
        places, rows = self._legend_places()
        for kind, x, row in places:
            y = top + row * (self.step + SPACE)
            middle = y + self.step // 2
            pen.rectangle((x, middle - 5, x + SWATCH - 4, middle + 5), _light(self.kinds[kind]), self.kinds[kind])
            pen.text((x + SWATCH + SPACE, y), kind, INK, self.face)
        return top + len(rows) * (self.step + SPACE)


def _box(pen: ImageDraw.ImageDraw, values: np.ndarray, middle: float, at: Callable[[float], float], shade: str) -> None:
    if not len(values):
        return
    a, b = middle - WIDE / 2, middle + WIDE / 2
    low, first, median, third, high = five(values)
    if len(values) > 1:
        for end, edge in ((low, first), (high, third)):
            pen.line((middle, at(end), middle, at(edge)), shade)
            pen.line((a + 6, at(end), b - 6, at(end)), shade)
        pen.rectangle((a, at(third), b, at(first)), _light(shade), shade)
    pen.line((a, at(median), b, at(median)), shade, 3)
    drawn = values if 1 < len(values) <= FEW else values[(values < low) | (values > high)]
    for i, value in enumerate(drawn):
        x = middle + (i % 5 - 2) * 3 if len(drawn) > 1 else middle
        pen.ellipse((x - 2, at(value) - 2, x + 2, at(value) + 2), shade)


def _range(some: Sequence[Box]) -> tuple[float, float]:
    """From the smallest to the largest number, with room; zero is in sight where it is near."""
    values = np.concatenate([box.known() for box in some])
    low, high = float(values.min()), float(values.max())
    if 0 < low < high - low:
        low = 0.0
    room = 0.06 * ((high - low) or abs(high) or 1.0)
    return low - room, high + room


def _light(shade: str) -> tuple[int, int, int]:
    red, green, blue = ImageColor.getrgb(shade)[:3]
    return tuple(round(255 - 0.3 * (255 - c)) for c in (red, green, blue))  # type: ignore[return-value]

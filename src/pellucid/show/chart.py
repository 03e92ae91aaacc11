"""Charts: lines over axes that all charts of one measure share.

Only the lines are matplotlib's. Text is measured before it is placed, in the fonts of the sheet, so that nothing is cut
off; and what the lines are is said below the axes, so that nothing is covered.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw
from PIL.Image import Image as Picture

from pellucid.show.text import font, line_height, wrapped

INK, GREY, FRAME, GRID = "#1a1a1a", "#666666", "#bbbbbb", "#e6e6e6"
TOP, SPACE, SWATCH = 6, 4, 20  # above the axes, between texts, and what a line takes in the legend


@dataclass(frozen=True, eq=False)
class Line:
    """One curve; NaN is a gap."""

    x: Float[np.ndarray, " m"]
    y: Float[np.ndarray, " m"]
    colour: str
    legend: str = ""  # what is said of it under the chart

    def alone(self) -> np.ndarray:
        """Points without a neighbour to draw a line to."""
        known = np.pad(np.isfinite(self.y), 1)
        return known[1:-1] & ~known[:-2] & ~known[2:]


@dataclass(eq=False)
class Axes:
    """Ranges, ticks and margins, from every line that will be drawn over them."""

    lines: Sequence[Line]
    size: tuple[int, int]  # inside the axes
    labels: tuple[str, str]

    def __post_init__(self) -> None:
        self.face = font(11)
        self.step = line_height(self.face)
        self.x, self.y = self._ranges()
        self.ticks = self._apart(), ticks_of(*self.y)
        self.under = wrapped(self.labels[0], self.face, self.size[0]) if self.labels[0] else []
        self.aside = wrapped(self.labels[1], self.face, self.size[1]) if self.labels[1] else []

    def _ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """From the smallest to the largest; the y axis has zero, and one where that is in sight."""
        x, y = (np.concatenate([getattr(line, axis) for line in self.lines]) for axis in "xy")
        left, right, low, high = (float(f(v)) for v in (x, y) for f in (np.nanmin, np.nanmax))
        high = 1.0 if low >= 0 and 0.5 < high < 1 else high
        low = min(low, 0.0)
        room = 0.04 * ((high - low) or 1.0)
        edge = 0.01 * (right - left) or 0.5
        return (left - edge, right + edge), (low - room, high + room)

    def _apart(self) -> list[float]:
        """As many ticks of x as can be read beside one another."""
        ticks = (ticks_of(*self.x, most) for most in range(6, 0, -1))
        return next((t for t in ticks if sum(self.face.getlength(f"{s}  ") for s in written(t)) <= self.size[0]), [])

    @cached_property
    def left(self) -> int:
        """Where the axes begin."""
        numbers = max((self.face.getlength(text) for text in written(self.ticks[1])), default=0)
        return len(self.aside) * self.step + (SPACE if self.aside else 0) + math.ceil(numbers) + SPACE

    @cached_property
    def right(self) -> int:
        """What the last number needs beyond the axes."""
        return 2 + max((math.ceil(self.face.getlength(text) / 2) for text in written(self.ticks[0])), default=0)

    def draw(self, lines: Sequence[Line]) -> Picture:
        """One chart, with its legend."""
        w, h = self.size
        below = TOP + h + SPACE + (1 + len(self.under)) * self.step + SPACE
        legend = _Legend(lines, w)
        chart = Image.new("RGB", (self.left + w + self.right, below + legend.height + 2 * SPACE), "white")
        pen = ImageDraw.Draw(chart)
        self._grid(pen)
        drawn = _drawn(lines, self.size, self.x, self.y)
        chart.paste(drawn, (self.left, TOP), drawn)
        self._label(chart, pen)
        legend.write(pen, self.left, below)
        return chart

    def _grid(self, pen: ImageDraw.ImageDraw) -> None:
        (w, h), (xs, ys) = self.size, self.ticks
        for tick, text in zip(xs, written(xs), strict=True):
            x = self.left + round((tick - self.x[0]) / (self.x[1] - self.x[0]) * w)
            pen.line((x, TOP, x, TOP + h - 1), GRID)
            pen.text((x, TOP + h + SPACE), text, GREY, self.face, "ma")
        for tick, text in zip(ys, written(ys), strict=True):
            y = TOP + round((self.y[1] - tick) / (self.y[1] - self.y[0]) * h)
            pen.line((self.left, y, self.left + w - 1, y), GRID)
            pen.text((self.left - SPACE, y), text, GREY, self.face, "rm")
        pen.line((self.left, TOP, self.left, TOP + h, self.left + w - 1, TOP + h), FRAME)

    def _label(self, chart: Picture, pen: ImageDraw.ImageDraw) -> None:
        w, h = self.size
        for i, text in enumerate(self.under, 1):
            pen.text((self.left + w / 2, TOP + h + SPACE + i * self.step), text, GREY, self.face, "ma")
        if self.aside:
            flat = Image.new("RGB", (h, len(self.aside) * self.step), "white")
            for i, text in enumerate(self.aside):
                ImageDraw.Draw(flat).text((h / 2, i * self.step), text, GREY, self.face, "ma")
            chart.paste(flat.rotate(90, expand=True), (0, TOP))


class _Legend:
    """What is said of the lines, as many beside one another as fit."""

    def __init__(self, lines: Sequence[Line], width: int) -> None:
        self.face, self.step = font(11), line_height(font(11))
        self.items: list[tuple[int, int, str, list[str]]] = []  # left, top, colour, text
        x, y, rows = 0, 0, 0
        for line in (line for line in lines if line.legend):
            texts = wrapped(line.legend, self.face, width - SWATCH)
            needed = SWATCH + math.ceil(max(map(self.face.getlength, texts)))
            if x and x + needed > width:
                x, y = 0, y + rows * self.step
            self.items.append((x, y, line.colour, texts))
            rows = len(texts) if not x else max(rows, len(texts))
            x += needed + 2 * SPACE
        self.height = y + rows * self.step

    def write(self, pen: ImageDraw.ImageDraw, left: int, top: int) -> None:
        for x, y, colour, texts in self.items:
            middle = top + y + self.step // 2
            pen.line((left + x, middle, left + x + SWATCH - 7, middle), colour, 2)
            for i, text in enumerate(texts):
                pen.text((left + x + SWATCH, top + y + i * self.step), text, INK, self.face)


def _drawn(lines: Sequence[Line], size: tuple[int, int], x: tuple[float, float], y: tuple[float, float]) -> Picture:
    """The lines on nothing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((size[0] / 64, size[1] / 64), dpi=64)  # a power of two, so that the size is a whole number again
    figure.patch.set_alpha(0)
    axes = figure.add_axes((0, 0, 1, 1), xlim=x, ylim=y)
    axes.set_axis_off()
    for line in lines:
        axes.plot(line.x, line.y, "-", color=line.colour, lw=2.2, solid_capstyle="round", solid_joinstyle="round")
        axes.plot(line.x[line.alone()], line.y[line.alone()], "o", color=line.colour, ms=5, mew=0)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba()).copy())


def ticks_of(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers in a range, with at most so many steps between them.

    >>> ticks_of(-0.04, 1.04)
    [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
    """
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(most, steps=[1, 2, 5, 10]).tick_values(low, high)
    step = float(found[1] - found[0])
    return [round(float(t) / step) * step + 0.0 for t in found if low <= t <= high]


def written(ticks: Sequence[float]) -> list[str]:
    """All with as many digits as tell each of them.

    >>> written([-0.5, 0.0, 0.25]), written([0.0, 2e-6])
    (['−0.50', '0.00', '0.25'], ['0', '2e-06'])
    """
    near = max(map(abs, ticks), default=0.0) * 1e-6
    texts: list[str] = []
    for form in [f".{digits}f" for digits in range(5)] + [f".{digits}g" for digits in range(1, 18)]:
        texts = [format(tick, form) for tick in ticks]
        if all(abs(float(text) - tick) <= near for text, tick in zip(texts, ticks, strict=True)):
            break
    return [f"−{text[1:]}" if text.startswith("-") else text for text in texts]

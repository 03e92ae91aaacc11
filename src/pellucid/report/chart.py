"""Charts as SVG: where lines, dots and numbers go; the templates write them down.

Colours are classes, so that a chart is drawn once for light, dark and paper.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.report.page import Chart, Dots, Line
from pellucid.report.words import number
from pellucid.show.chart import ticks_of, written

WIDTH, HEIGHT = 232, 172
LEFT, RIGHT, TOP, BOTTOM = 38, 10, 8, 36
SHADES = 8  # classes c0 to c7
DOT_LINE, DOT_WIDTH = 26, 420


@dataclass(frozen=True)
class Tick:
    """A number at an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Stroke:
    """A line that is drawn."""

    name: str
    d: str  # of an SVG path
    shade: int
    column: int | None
    points: Sequence[tuple[float, float]] = ()  # without a neighbour to draw a line to
    area: str = ""


@dataclass(frozen=True)
class Drawn:
    """A chart with its places."""

    chart: Chart
    strokes: Sequence[Stroke]
    x: Sequence[Tick]
    y: Sequence[Tick]
    alt: str
    bands: Sequence[tuple[str, int]] = ()
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def drawn(chart: Chart, shades: Sequence[int] | None = None) -> Drawn | None:
    """None where no line has a number. shades: of the lines, their colours."""
    known = [v for line in chart.lines for v in line.y if math.isfinite(v)]
    if not known:
        return None
    xs = [v for line in chart.lines for v in line.x if math.isfinite(v)]
    for _, *edges in chart.band:
        known += [v for edge in edges for v in edge if math.isfinite(v)]
    x, y = _range(min(xs), max(xs)), _heights(known)
    at_x = lambda v: LEFT + (v - x[0]) / (x[1] - x[0]) * (WIDTH - LEFT - RIGHT)  # noqa: E731
    at_y = lambda v: HEIGHT - BOTTOM - (v - y[0]) / (y[1] - y[0]) * (HEIGHT - TOP - BOTTOM)  # noqa: E731
    which = list(shades) if shades is not None else [i % SHADES for i in range(len(chart.lines))]
    strokes = [
        _stroke(line, [(at_x(a), at_y(b)) for a, b in zip(line.x, line.y, strict=True)], shade)
        for line, shade in zip(chart.lines, which, strict=True)
    ]
    bands = [
        (_band([(at_x(a), at_y(p), at_y(q)) for a, p, q in zip(*band, strict=True) if p == p and q == q]), shade)
        for band, shade in zip(chart.band, which, strict=False)
    ]
    across, up = (
        [Tick(round(at(t), 1), text) for t, text in zip(some, written(some), strict=True)]
        for at, some in ((at_x, _across(x, xs)), (at_y, ticks_of(*y, 4)))
    )
    return Drawn(chart, strokes, across, up, chart.alt or _alt(chart), bands)


def _across(ends: tuple[float, float], xs: Sequence[float]) -> Sequence[float]:
    """Whole numbers where all are, such as epochs."""
    ticks = ticks_of(*ends, 4)
    return [t for t in ticks if t == round(t)] if all(x == round(x) for x in xs) else ticks


def _range(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _heights(values: Sequence[float]) -> tuple[float, float]:
    """With zero, and with one where that is in sight."""
    low, high = min(0.0, *values), max(0.0, *values)
    high = 1.0 if low >= 0 and 0.5 < high < 1 else high
    room = 0.04 * ((high - low) or 1.0)
    return low - (room if low < 0 else 0.0), high + room


def _stroke(line: Line, places: Sequence[tuple[float, float]], shade: int) -> Stroke:
    known = [all(map(math.isfinite, place)) for place in places]
    parts, points = [], []
    for i, (x, y) in enumerate(places):
        if known[i]:
            joined = i > 0 and known[i - 1]
            parts.append(f"{'L' if joined else 'M'}{x:.1f} {y:.1f}")
            if not joined and not (i + 1 < len(places) and known[i + 1]):
                points.append((round(x, 1), round(y, 1)))
    return Stroke(line.name, "".join(parts), shade, line.column, points)


def _band(places: Sequence[tuple[float, float, float]]) -> str:
    there = [f"{x:.1f} {low:.1f}" for x, low, _ in places]
    back = [f"{x:.1f} {high:.1f}" for x, _, high in reversed(places)]
    return f"M{'L'.join([*there, *back])}Z" if places else ""


def _alt(chart: Chart) -> str:
    """What a chart shows, in words: where each line begins and ends.

    >>> _alt(Chart("insertion", (Line("grad-cam", (0, 1), (0.25, 0.5)),)))
    'insertion: grad-cam from 0.250 to 0.500'
    """
    ends = []
    for line in chart.lines:
        known = [v for v in line.y if math.isfinite(v)]
        ends.append(f"{line.name} from {number(known[0])} to {number(known[-1])}" if known else f"{line.name} unknown")
    return f"{chart.title}: {'; '.join(ends)}"


# --- dots -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dot:
    """A line of a dot plot."""

    name: str
    dots: Sequence[float]
    mean: float
    low: float | None
    high: float | None
    text: str
    control: bool


@dataclass(frozen=True)
class DotPlot:
    """A dot plot with its places."""

    lines: Sequence[Dot]
    x: Sequence[Tick]
    zero: float | None = None
    width: int = DOT_WIDTH
    line: int = DOT_LINE


def dotted(dots: Dots) -> DotPlot | None:
    """None where nothing is known."""
    lines = [line for line in dots.lines if any(math.isfinite(v) for v in line.values)]
    everything = [v for line in lines for v in (*line.values, line.low, line.high) if math.isfinite(v)]
    if not everything:
        return None
    low, high = min(everything), max(everything)
    room = 0.05 * ((high - low) or abs(high) or 1.0)
    low, high = low - room, high + room
    at = lambda v: round(10 + (v - low) / (high - low) * (DOT_WIDTH - 20), 1)  # noqa: E731
    place = lambda v: at(v) if math.isfinite(v) else None  # noqa: E731
    made = [
        Dot(
            line.name, [at(v) for v in line.values if math.isfinite(v)], at(line.mean),
            place(line.low), place(line.high), number(line.mean), line.control,
        )
        for line in lines
    ]  # fmt: skip
    ticks = ticks_of(low, high, 5)
    places = [Tick(at(t), s) for t, s in zip(ticks, written(ticks), strict=True)]
    return DotPlot(made, places, at(0.0) if low < 0 < high else None)

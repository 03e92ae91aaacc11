"""Curves beside maps: one image, the maps of some explainers, and what was measured of them as lines.

A row for each model or image, a chart for each measure. A line that is called like an explainer has the colour of the
bar over that explainer's name; other lines are named under their chart. Charts of one measure have one range in all
rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np
from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.show.chart import TOP, Axes, Line
from pellucid.show.layout import Column, Look, Panel, Row, Sheet
from pellucid.show.outline import Outlines, fitting
from pellucid.show.overlay import tile_size

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F6000", "#555555")  # Okabe and Ito's
OTHERS = "#555555"  # when the palette is used up
WIDE, LEAST, MOST = 1.5, 120, 256  # a chart's width for its height, and the least and the most of that, in pixels

Charts = Mapping[str, Mapping[str, tuple[Any, Any]]]  # the title of a chart -> the name of a line -> x and y


@dataclass(frozen=True, eq=False)
class CurveRow:
    """One image under one model."""

    picture: Tensor | None  # RGB in [0, 1], [3, h, w]
    columns: Sequence[Column]  # with one map each
    charts: Charts = field(default_factory=dict)
    title: str = ""
    outline: Tensor | None = None


def curves(
    rows: Sequence[CurveRow],
    labels: tuple[str, str] = ("", ""),
    areas: bool = False,
    tile: int | None = None,
    alpha: float = 0.5,
    saturate: float = 0.0,
    note: str = "",
) -> Picture:
    """The sheet. labels: of the axes, x and y; areas: write the area under every line below its chart."""
    if not rows:
        raise BadInput("the sheet has no rows; give at least one image with its maps.")
    heads = [[(c.explainer, c.ask) for c in row.columns] for row in rows]
    if not heads[0] or any(head != heads[0] for head in heads):
        raise BadInput("the rows of the sheet have different columns; give each row the same explainers and questions.")
    masks: Outlines = [row.outline for row in rows]
    firsts = [row.columns[0].maps[0] for row in rows]
    masks = fitting(masks, firsts, [row.picture for row in rows])
    columns = [
        Column(c.explainer, c.ask, [row.columns[j].maps[0] for row in rows], any(row.columns[j].signed for row in rows))
        for j, c in enumerate(rows[0].columns)
    ]
    colour = dict(zip(dict.fromkeys(name for name, _ in heads[0]), cycle(PALETTE)))
    titles = list(dict.fromkeys(title for row in rows for title, lines in row.charts.items() if lines))
    lines = {name for row in rows for chart in row.charts.values() for name in chart}
    marks = {name: shade for name, shade in colour.items() if name in lines}
    sizes = [tile_size(m if row.picture is None else row.picture, tile) for row, m in zip(rows, firsts, strict=True)]
    high = min(MOST, max(LEAST, *(height for _, height in sizes)))
    panels = [
        _panel(title, [row.charts.get(title, {}) for row in rows], (round(WIDE * high), high), colour, labels, areas)
        for title in titles
    ]
    made = [Row(row.picture, row.title, mask) for row, mask in zip(rows, masks, strict=True)]
    return Sheet(columns, made, Look(tile, alpha, saturate), note, panels, marks).draw()


def _panel(
    title: str,
    charts: Sequence[Mapping[str, tuple[Any, Any]]],
    size: tuple[int, int],
    colour: Mapping[str, str],
    labels: tuple[str, str],
    areas: bool,
) -> Panel:
    """One measure's charts, over the same axes."""
    read = [_lines(chart, colour, areas) for chart in charts]
    axes = Axes([line for lines in read for line in lines], size, labels)
    return Panel(title, [axes.draw(lines) if lines else None for lines in read], (axes.left, TOP))


def _lines(chart: Mapping[str, tuple[Any, Any]], colour: Mapping[str, str], areas: bool) -> list[Line]:
    spare = iter(shade for shade in PALETTE if shade not in colour.values())
    lines: list[Line] = []
    for name, (x, y) in chart.items():
        xs, ys = _read(name, x, y)
        shade = colour.get(name) or next(spare, OTHERS)
        said = [] if name in colour else [name]
        lines.append(Line(xs, ys, shade, ", ".join(said + [f"area {_area(xs, ys)}"] * areas)))
    return lines


def _read(name: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """As arrays; what is no number is a gap."""
    xs, ys = (np.asarray(v.detach().cpu() if isinstance(v, Tensor) else v, dtype=np.float64) for v in (x, y))
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise BadInput(f"the curve {name} has x {list(xs.shape)} and y {list(ys.shape)}; give two rows of one length.")
    known = np.isfinite(xs) & np.isfinite(ys)
    if not known.any():
        raise BadInput(f"the curve {name} has no finite number; leave it out.")
    return np.where(known, xs, np.nan), np.where(known, ys, np.nan)


def _area(x: np.ndarray, y: np.ndarray) -> str:
    """By trapezoids, over what is known."""
    known = np.isfinite(y)
    x, y = x[known], y[known]
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
    text = f"{area:.3f}" if area == 0 or 1e-2 <= abs(area) < 1e3 else f"{area:.3g}"
    return text.replace("-", "−", 1) if area < 0 else text

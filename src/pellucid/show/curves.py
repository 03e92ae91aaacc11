"""Curves beside maps: one image, the maps of some explainers, and what was measured of them as lines.

A row for each model or image, a chart for each measure. A line that is called like an explainer has the colour of the
bar over that explainer's name; other lines are named in their chart. Charts of one measure have one range in all rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np
from PIL import Image
from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.show.layout import Column, Look, Panel, Row, Sheet
from pellucid.show.outline import Outlines, fitting
from pellucid.show.overlay import tile_size

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F6000", "#555555")  # Okabe and Ito's
LEFT, TOP, RIGHT, BOTTOM = 52, 6, 12, 36  # around the axes of a chart, in pixels
INK = "#444444"

Line = tuple[Any, Any]  # x and y, as long as each other
Charts = Mapping[str, Mapping[str, Line]]  # the title of a chart -> the name of a line -> the line


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
    """The sheet. labels: of the axes; areas: write the area under every line into its chart."""
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
    titles = list(dict.fromkeys(title for row in rows for title in row.charts))
    lines = [line for row in rows for chart in row.charts.values() for line in chart]
    marks = {name: shade for name, shade in colour.items() if name in lines}
    sizes = [tile_size(m if row.picture is None else row.picture, tile) for row, m in zip(rows, firsts, strict=True)]
    panels = [
        Panel(title, _drawings([row.charts.get(title) for row in rows], sizes, colour, labels, areas), (LEFT, TOP))
        for title in titles
    ]
    made = [Row(row.picture, row.title, mask) for row, mask in zip(rows, masks, strict=True)]
    return Sheet(columns, made, Look(tile, alpha, saturate), note, panels, marks).draw()


def _drawings(
    charts: Sequence[Mapping[str, Line] | None],
    sizes: Sequence[tuple[int, int]],
    colour: Mapping[str, str],
    labels: tuple[str, str],
    areas: bool,
) -> list[Picture | None]:
    """One measure's charts, on one range."""
    read = [None if chart is None else {name: _line(name, *line) for name, line in chart.items()} for chart in charts]
    every = [y for chart in read if chart for _, y in chart.values()]
    if not every:
        return [None] * len(charts)
    low, high = (float(f([f(y[np.isfinite(y)]) for y in every])) for f in (np.min, np.max))
    low, high = min(low, 0.0), max(high, 1.0) if low >= 0 and high > 0.5 else high
    room = 0.04 * ((high - low) or 1.0)
    return [
        None if chart is None else _chart(chart, size, (low - room, high + room), colour, labels, areas)
        for chart, size in zip(read, sizes, strict=True)
    ]


def _line(name: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """As arrays; a NaN is a gap."""
    xs, ys = (np.asarray(v.detach().cpu() if isinstance(v, Tensor) else v, dtype=np.float64) for v in (x, y))
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise BadInput(f"the curve {name} has x {list(xs.shape)} and y {list(ys.shape)}; give two rows of one length.")
    if not np.isfinite(ys).any():
        raise BadInput(f"the curve {name} has no finite number; leave it out.")
    return xs, ys


def _chart(
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]],
    size: tuple[int, int],
    span: tuple[float, float],
    colour: Mapping[str, str],
    labels: tuple[str, str],
    areas: bool,
) -> Picture:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    w, h = round(1.5 * size[0]), size[1]
    width, height = LEFT + w + RIGHT, TOP + h + BOTTOM
    figure = Figure((width / 100, height / 100), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((LEFT / width, BOTTOM / height, w / width, h / height))
    spare = iter(c for c in PALETTE if c not in colour.values())
    for name, (x, y) in lines.items():
        shade = colour.get(name) or next(spare, "#555555")
        area = f"  {_area(x, y):.3f}" if areas else ""
        own = name if name not in colour else ""
        axes.plot(x, y, color=shade, lw=1.6, label=(own + area).strip() or None, solid_capstyle="round")
    axes.set_ylim(*span)
    axes.margins(x=0.01)
    axes.grid(color="#e6e6e6", lw=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#bbbbbb")
    axes.tick_params(labelsize=8, colors=INK, length=2)
    axes.set_xlabel(labels[0], fontsize=8, color=INK, labelpad=2)
    axes.set_ylabel(labels[1], fontsize=8, color=INK, labelpad=2)
    if any(line.get_label() and not str(line.get_label()).startswith("_") for line in axes.get_lines()):
        axes.legend(fontsize=7.5, frameon=True, framealpha=0.8, edgecolor="none", handlelength=1.2, labelcolor=INK)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _area(x: np.ndarray, y: np.ndarray) -> float:
    """By trapezoids, over what is known."""
    known = np.isfinite(y)
    return float(np.trapezoid(y[known], x[known]))

"""What a run looks like: curves and a panel of heat-maps, the panel in motion, features as a cloud, runs side by side.

All heat-maps of a run share one colour scale, from the first epoch to the last: a map that is dark at the beginning is
one of small numbers. Charts begin at zero.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.files import write_atomically
from pellucid.show.chart import INK, TOP, Axes, Line
from pellucid.show.colour import SATURATE, colours, limit_of
from pellucid.show.curves import PALETTE
from pellucid.show.layout import Column
from pellucid.show.overlay import plain, png, tile, tile_size
from pellucid.show.sheet import contact_sheet
from pellucid.show.stacked import stacked
from pellucid.show.text import font, line_height, wrapped

if TYPE_CHECKING:
    from pellucid.training._fit import Fit

CHART, LARGE, TILE = (260, 150), (380, 220), 104  # inside the axes; of a picture
MARGIN, GAP, ACROSS = 12, 6, 4
COLUMNS = 8  # epochs of the panel
FRAME, LAST = 350, 2500  # milliseconds
NAMED = 10  # classes with a colour
GREY = "#bbbbbb"

SAID = {
    "accuracy": "training", "held_out": "held out", "validation": "validation",
    "ce": "training", "held_out_ce": "held out", "validation_ce": "validation",
    "kl_names": "", "kl_prompts": "",
    "mm": "manifold (mm)", "ot": "transport (ot)", "ot_error": "", "ot_iterations": "", "scale": "",
}  # fmt: skip
CHARTS = {
    "Accuracy": ("accuracy", "held_out", "validation"),
    "Cross-entropy": ("ce", "held_out_ce", "validation_ce"),
    "KL to fixed names": ("kl_names",),
    "KL to LICO's own prompts": ("kl_prompts",),
    "Other terms of the loss": (),  # those that the objective has
    "Transport: error of the margins": ("ot_error",),
    "Transport: iterations": ("ot_iterations",),
    "Scale 1/τ of the neighbourhoods": ("scale",),
}

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Shown:
    """The panel: pictures, what is on them, and their maps in every epoch."""

    pictures: Sequence[Tensor]  # [3, h, w]
    names: Sequence[str]
    epochs: Sequence[int]
    maps: Sequence[Float[Tensor, "m h w"]]  # one an epoch

    @property
    def limit(self) -> float:
        return limit_of(self.maps, SATURATE)

    @property
    def signed(self) -> bool:
        return any(bool((m < 0).any()) for m in self.maps)


def save(path: Path, pictures: Sequence[Picture]) -> None:
    """A PNG of one picture, or a GIF of several, whole or not at all."""
    if path.suffix == ".png":
        write_atomically(path, png(pictures[0]))
        return
    buffer = io.BytesIO()
    times = [FRAME] * (len(pictures) - 1) + [LAST]
    shades = _palette(pictures)  # one for all, or a colour would change its meaning from frame to frame
    first, *others = (picture.quantize(palette=shades) for picture in pictures)
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=times, loop=0)
    write_atomically(path, buffer.getvalue())


def _palette(pictures: Sequence[Picture]) -> Picture:
    """256 colours for all of them, many of them the maps'."""
    some = [pictures[i] for i in chosen(pictures, 4)]
    width, height = some[0].size
    whole = Image.new("RGB", (width, (len(some) + 1) * height))
    for i, picture in enumerate(some):
        whole.paste(picture, (0, i * height))
    ramp = torch.linspace(0.0, 1.0, width).expand(height, -1)
    whole.paste(Image.fromarray(colours(ramp, False, 1.0)), (0, len(some) * height))
    return whole.quantize(256)


# --- one run ---------------------------------------------------------------------------------------------------------


def learning(title: str, rows: Rows, terms: Sequence[str], shown: Shown, note: str = "") -> Picture:
    """Curves above, the panel below."""
    sheets = [(f"How it learned: {title}", grid(_charts(rows, terms), note))]
    if shown.epochs:
        sheets.append(("Where it looks for the label, epoch by epoch", _panel(shown)))
    return stacked(sheets)


def frames(shown: Shown) -> list[Picture]:
    """The panel in every epoch."""
    limit, signed = shown.limit, shown.signed
    return [
        _frame(shown, maps, f"Epoch {epoch}", limit, signed)
        for epoch, maps in zip(shown.epochs, shown.maps, strict=True)
    ]


def chosen(epochs: Sequence[object], most: int = COLUMNS) -> list[int]:
    """The places of the first epoch, the last, and some between, evenly.

    >>> chosen(range(1, 4)), chosen(range(1, 31), 4)
    ([0, 1, 2], [0, 10, 19, 29])
    """
    n = len(epochs)
    return list(range(n)) if n <= most else [round(i * (n - 1) / (most - 1)) for i in range(most)]


def _charts(rows: Rows, terms: Sequence[str]) -> list[tuple[str, Picture]]:
    """A chart for each thing that was written down."""
    known = {key for row in rows for key, value in row.items() if value is not None}
    others = [term for term in terms if term != "ce"]
    made: list[tuple[str, Picture]] = []
    for title, keys in CHARTS.items():
        keys = [key for key in keys or others if key in known]
        lines = [_line(rows, key, shade) for key, shade in zip(keys, cycle(PALETTE))]
        lines = [line for line in lines if np.isfinite(line.y).any()]
        if lines:
            made.append((title, _axes(lines).draw(lines)))
    return made


def _line(rows: Rows, key: str, shade: str) -> Line:
    y = np.array([_number(row.get(key)) for row in rows])
    return Line(np.array([float(row["epoch"]) for row in rows]), y, shade, SAID.get(key, key))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else float("nan")


def _axes(lines: Sequence[Line], size: tuple[int, int] = CHART) -> Axes:
    """Over whole epochs."""
    axes = Axes(lines, size, ("epoch", ""))
    axes.ticks = [x for x in axes.ticks[0] if float(x).is_integer()], axes.ticks[1]
    return axes


def grid(charts: Sequence[tuple[str, Picture]], note: str = "", across: int = ACROSS) -> Picture:
    """Charts beside and below one another, each under its title."""
    face, small = font(13, bold=True), font(11)
    across = min(across, len(charts))
    wide = max(chart.width for _, chart in charts) + 2 * GAP
    lines = [list(charts[i : i + across]) for i in range(0, len(charts), across)]
    heights = [line_height(face) + GAP + max(chart.height for _, chart in line) + 2 * GAP for line in lines]
    width = 2 * MARGIN + across * wide
    notes = wrapped(note, small, width - 2 * MARGIN) if note else []
    whole = Image.new("RGB", (width, MARGIN + sum(heights) + len(notes) * line_height(small)), "white")
    pen, top = ImageDraw.Draw(whole), MARGIN
    for line, height in zip(lines, heights, strict=True):
        for i, (title, chart) in enumerate(line):
            pen.text((MARGIN + i * wide, top), title, INK, face)
            whole.paste(chart, (MARGIN + i * wide, top + line_height(face) + GAP))
        top += height
    for text in notes:
        pen.text((MARGIN, top), text, "#666666", small)
        top += line_height(small)
    return whole


def _panel(shown: Shown) -> Picture:
    places = chosen(shown.epochs)
    everything = torch.cat([m.flatten() for m in shown.maps])
    columns = [
        Column("Grad-CAM of the label", f"epoch {shown.epochs[i]}", _clipped(shown.maps[i], everything), shown.signed)
        for i in places
    ]
    return contact_sheet(columns, shown.pictures, shown.names, TILE)


def _clipped(maps: Tensor, everything: Tensor) -> Tensor:
    """At the end of the scale that all epochs share, those that are not shown too."""
    limit = limit_of([everything], SATURATE)
    return maps.clamp(-limit, limit) if limit else maps


def _frame(shown: Shown, maps: Tensor, title: str, limit: float, signed: bool) -> Picture:
    """One epoch: pictures, and their maps below."""
    face, small, head = font(12), font(11), font(16, bold=True)
    size = tile_size(shown.pictures[0], TILE)
    names = [wrapped(name, face, size[0]) for name in shown.names]
    top = MARGIN + line_height(head) + GAP + max(map(len, names)) * line_height(face) + 4
    width = 2 * MARGIN + len(names) * (size[0] + GAP) - GAP
    whole = Image.new("RGB", (width, top + 2 * size[1] + 2 * GAP + 10 + line_height(small) + MARGIN), "white")
    pen = ImageDraw.Draw(whole)
    pen.text((MARGIN, MARGIN), title, INK, head)
    for i, (picture, heat, name) in enumerate(zip(shown.pictures, maps, names, strict=True)):
        left = MARGIN + i * (size[0] + GAP)
        for j, text in enumerate(name):
            pen.text((left, top - 4 - (len(name) - j) * line_height(face)), text, INK, face)
        whole.paste(plain(picture, size), (left, top))
        whole.paste(tile(picture, heat, size, signed, limit), (left, top + size[1] + GAP))
    _scale(whole, pen, top + 2 * size[1] + 2 * GAP, min(2 * size[0], width - 2 * MARGIN), signed, limit)
    return whole


def _scale(whole: Picture, pen: ImageDraw.ImageDraw, top: int, width: int, signed: bool, limit: float) -> None:
    """The colours from end to end, and what they are."""
    small = font(11)
    ramp = torch.linspace(-1.0 if signed else 0.0, 1.0, width).expand(10, -1)
    whole.paste(Image.fromarray(colours(ramp, signed, 1.0)), (MARGIN, top))
    pen.text((MARGIN, top + 11), f"−{limit:.3g}" if signed else "0", "#666666", small)
    pen.text((MARGIN + width, top + 11), f"{limit:.3g}", "#666666", small, "ra")


# --- features --------------------------------------------------------------------------------------------------------


def clouds(features: Mapping[str, Float[Tensor, "n k"]], names: Sequence[str]) -> Picture | None:
    """t-SNE of the same images' features at several times, each by itself; none where there is too little."""
    if len(names) < 4 or not all(bool(f.isfinite().all()) for f in features.values()):
        return None
    classes = list(dict.fromkeys(sorted(names)))
    shades = dict(zip(classes[:NAMED], _distinct(), strict=False))
    side, face = 340, font(14, bold=True)
    top = MARGIN + line_height(face) + GAP
    width = 2 * MARGIN + len(features) * (side + MARGIN) - MARGIN
    legend = _legend(classes, shades, width)
    whole = Image.new("RGB", (width, top + side + GAP + legend.height + MARGIN), "white")
    pen = ImageDraw.Draw(whole)
    for i, (title, values) in enumerate(features.items()):
        left = MARGIN + i * (side + MARGIN)
        pen.text((left, MARGIN), f"Features {title}", INK, face)
        _dots(pen, places(values), [shades.get(name, GREY) for name in names], (left, top), side)
    whole.paste(legend, (0, top + side + GAP))
    return whole


def places(features: Float[Tensor, "n k"]) -> np.ndarray:
    """[n, 2]: t-SNE, the same every time."""
    from sklearn.manifold import TSNE

    values = features.double().numpy()
    spread = bool((values.std(0) > 0).any())
    if not spread:
        return np.zeros((len(values), 2))
    start = "pca" if min(values.shape) > 1 else "random"
    return TSNE(perplexity=min(30.0, (len(values) - 1) / 3), init=start, random_state=0).fit_transform(values)


def _dots(pen: ImageDraw.ImageDraw, at: np.ndarray, shades: Sequence[str], corner: tuple[int, int], side: int) -> None:
    """Equal lengths on both axes; grey ones below."""
    low, high = at.min(0), at.max(0)
    unit = (at - (low + high) / 2) / (float((high - low).max()) or 1.0) + 0.5
    pen.rectangle((*corner, corner[0] + side - 1, corner[1] + side - 1), outline=GREY)
    for i in sorted(range(len(at)), key=lambda i: shades[i] != GREY):
        x, y = (c + 12 + u * (side - 24) for c, u in zip(corner, unit[i], strict=True))
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), shades[i], "white")


def _legend(classes: Sequence[str], shades: Mapping[str, str], width: int) -> Picture:
    face, x, y = font(12), MARGIN, 0
    items = [(name, shades[name]) for name in classes if name in shades]
    others = len(classes) - len(items)
    items += [(f"{others} other classes", GREY)] if others else []
    spots: list[tuple[int, int, str, str]] = []
    for name, shade in items:
        needed = 18 + round(face.getlength(name)) + 14
        if x > MARGIN and x + needed > width - MARGIN:
            x, y = MARGIN, y + line_height(face) + 2
        spots.append((x, y, name, shade))
        x += needed
    note = "t-SNE of each by itself: near is alike; directions and distances between groups mean nothing."
    lines = wrapped(note, font(11), width - 2 * MARGIN)
    below = y + line_height(face) + GAP
    picture = Image.new("RGB", (width, below + len(lines) * line_height(font(11))), "white")
    pen = ImageDraw.Draw(picture)
    for x, y, name, shade in spots:
        pen.ellipse((x, y + 3, x + 10, y + 13), shade)
        pen.text((x + 16, y), name, INK, face)
    for i, line in enumerate(lines):
        pen.text((MARGIN, below + i * line_height(font(11))), line, "#666666", font(11))
    return picture


def _distinct() -> list[str]:
    """Ten colours that are told apart."""
    return [*PALETTE[:6], "#7F3C8D", "#A5AA00", "#8B0000", "#333333"]


# --- several runs ----------------------------------------------------------------------------------------------------


def compared(fits: "Sequence[Fit]") -> Picture:
    """`kl_names` and accuracy of several runs; those that differ in the seed alone are one line, their mean, in a band
    from the lowest to the highest of them."""
    groups = _groups(fits)
    every = [fit.rows for fit in fits]
    others = (key for key in ("validation", "held_out") if all(key in rows[-1] for rows in every if rows))
    key = next(others, "accuracy")
    charts = []
    for title, column in (("KL(text ‖ image) to fixed names", "kl_names"), (f"Accuracy, {SAID[key]}", key)):
        found = {name: _several([f.rows for f in runs], column) for name, runs in groups.items()}
        if any(np.isfinite(values).any() for _, values in found.values()):
            charts.append((title, _banded(found)))
    several = any(len(runs) > 1 for runs in groups.values())
    note = "A line is the mean of the seeds, its band from the lowest to the highest." if several else ""
    return grid(charts, note, 2)


def _groups(fits: "Sequence[Fit]") -> "dict[str, list[Fit]]":
    """By what tells the runs apart: the parts of their plans that are not the same everywhere."""
    parts = [k for k in ("objective", "model", "recipe", "data") if len({str(f.plan.get(k)) for f in fits}) > 1]
    groups: dict[str, list[Fit]] = {}
    for fit in fits:
        groups.setdefault(" · ".join(str(fit.plan.get(k)) for k in parts or ["objective"]), []).append(fit)
    return groups


def _several(runs: Sequence[Rows], column: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs, and [runs, epochs] with NaN where a run has none."""
    epochs = sorted({int(row["epoch"]) for rows in runs for row in rows})
    values = np.full((len(runs), len(epochs)), np.nan)
    for i, rows in enumerate(runs):
        for row in rows:
            values[i, epochs.index(int(row["epoch"]))] = _number(row.get(column))
    return np.array(epochs, dtype=float), values


def _banded(found: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Picture:
    lines, bands = [], []
    for (name, (x, values)), shade in zip(found.items(), cycle(PALETTE)):
        known = np.isfinite(values).any(0)
        if known.any():
            x, values = x[known], values[:, known]
            seeds = f" ({len(values)} seeds)" if len(values) > 1 else ""
            lines.append(Line(x, np.nanmean(values, 0), shade, name + seeds))
            bands.append((Line(x, np.nanmin(values, 0), shade), Line(x, np.nanmax(values, 0), shade)))
    axes = _axes([*lines, *(line for band in bands for line in band)], LARGE)
    return _shaded(axes, axes.draw(lines), bands)


def _shaded(axes: Axes, chart: Picture, bands: Sequence[tuple[Line, Line]]) -> Picture:
    """The bands over the chart, so thin that what is below is seen."""
    for low, high in bands:
        edge = [*zip(low.x, low.y, strict=True), *zip(high.x[::-1], high.y[::-1], strict=True)]
        if len(low.x) > 1 and not np.array_equal(low.y, high.y):
            layer = Image.new("RGBA", chart.size, (0, 0, 0, 0))
            ImageDraw.Draw(layer).polygon([_at(axes, *point) for point in edge], low.colour + "2E")
            chart = Image.alpha_composite(chart.convert("RGBA"), layer).convert("RGB")
    return chart


def _at(axes: Axes, x: float, y: float) -> tuple[float, float]:
    (left, right), (low, high), (w, h) = axes.x, axes.y, axes.size
    return axes.left + (x - left) / (right - left) * w, TOP + (high - y) / (high - low) * h

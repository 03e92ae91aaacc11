"""Sheets: the pictures that a run kept, made small enough for a page.

The picture goes in once, as WebP; every map as a PNG with a palette, whose index is the value on the scale that all
maps of its explainer share. What is undefined or beyond the ends of the scale is said by the last colour. Where all of
it would be too large, the maps are made coarser, and the page says so.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from pellucid.report.page import Column, Map, Scale, Shown
from pellucid.results.kept import Pictures, Sample

SATURATE = 0.005  # the share of the strongest values that lie beyond the ends of a scale
BUDGET = 1_100_000  # bytes of all maps of a page
SIDES = (224, 160, 112, 80, 56)  # pixels; the first at which they fit
WIDE = 256  # pixels of a picture, at most
ENDS = 255  # indices 0 to 254; signed: 127 is zero

Array = np.ndarray


# --- colour -----------------------------------------------------------------------------------------------------------


@cache
def palette(signed: bool) -> tuple[tuple[int, int, int], ...]:
    """The colour of every index: blue, white, red; or from dark to bright.

    >>> palette(True)[0], palette(True)[127], palette(True)[254]
    ((0, 0, 255), (255, 255, 255), (255, 0, 0))
    >>> len(set(palette(True))), len(set(palette(False)))      # so that a colour can be read back
    (255, 255)
    """
    if signed:
        v = (np.arange(ENDS) - 127) / 127
        rgb = np.stack([1 + v, 1 - np.abs(v), 1 - v], -1).clip(0, 1)
    else:
        from matplotlib import colormaps

        rgb = colormaps["inferno"](np.linspace(0, 1, ENDS))[:, :3]
    return tuple((int(r), int(g), int(b)) for r, g, b in (rgb * 255).round().astype(int))


def indices(map: Array, scale: Scale) -> Array:
    """uint8 of the same shape; what is no number is nothing.

    >>> indices(np.array([-2.0, 0.0, 1.0]), Scale(True, 2.0)).tolist()
    [0, 127, 190]
    >>> indices(np.array([0.0, 0.5, 9.0]), Scale(False, 1.0)).tolist()
    [0, 127, 254]
    """
    width = (scale.limit - scale.start) or 1.0
    share = np.nan_to_num((map - scale.start) / width, nan=0.0, posinf=1.0, neginf=-1.0)
    index = 127 + 127 * share if scale.signed else 254 * share
    return index.round().clip(0, 254).astype(np.uint8)


def map_png(map: Array, scale: Scale) -> bytes:
    """The map as a small file that knows its values."""
    picture = Image.fromarray(indices(map, scale), "L").convert("P")
    picture.putpalette([v for colour in palette(scale.signed) for v in colour])
    return _bytes(picture, "PNG", optimize=True)


@cache
def ramp(signed: bool) -> bytes:
    """Every colour of a scale, one a pixel: the legend, and the key by which a colour is read back."""
    picture = Image.fromarray(np.arange(ENDS, dtype=np.uint8)[None], "L").convert("P")
    picture.putpalette([v for colour in palette(signed) for v in colour])
    return _bytes(picture, "PNG", optimize=True)


def scale_of(maps: Sequence[Array], signed: bool) -> Scale:
    """What maps of one explainer share. Far above zero everywhere, as a mean of probabilities is, it begins there."""
    known = [values[np.isfinite(values)] for values in maps]
    values = np.concatenate([one for one in known if len(one)] or [np.zeros(1)])
    limit = float(np.quantile(np.abs(values), 1 - SATURATE)) or float(np.abs(values).max())
    least = float(values.min())
    start = least if not signed and limit / 2 < least < 0.999 * limit else 0.0
    return Scale(signed, limit, start)


# --- size -------------------------------------------------------------------------------------------------------------


def smaller(map: Array, side: int) -> Array:
    """By means over areas, where it is larger; the sides keep their ratio.

    >>> smaller(np.array([[0.0, 2.0], [4.0, 6.0]]), 1).tolist()
    [[3.0]]
    """
    h, w = map.shape
    if max(h, w) <= side:
        return map
    size = max(1, round(w * side / max(h, w))), max(1, round(h * side / max(h, w)))
    picture = Image.fromarray(np.nan_to_num(map).astype(np.float32), "F")
    return np.asarray(picture.resize(size, Image.Resampling.BOX), dtype=np.float64)


def picture_webp(picture: Array, wide: int = WIDE) -> bytes:
    """At most so many pixels wide; small ones as they are, without loss."""
    image = Image.fromarray(picture)
    if max(image.size) > wide:
        image.thumbnail((wide, wide), Image.Resampling.LANCZOS)
    return _bytes(image, "WEBP", lossless=max(image.size) <= 64, quality=80, method=6)


def _bytes(picture: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def columns_of(pictures: Pictures) -> list[Column]:
    """Explainers and questions, each explainer with its scale."""
    scales: dict[str, Scale] = {}
    names = [str(entry["explainer"]) for entry in pictures.entries]
    for name in dict.fromkeys(names):
        mine = [j for j, other in enumerate(names) if other == name]
        signed = any(bool(pictures.entries[j]["signed"]) for j in mine)
        scales[name] = scale_of([sample.maps[j] for sample in pictures.samples for j in mine], signed)
    return [Column(name, str(entry["ask"]), scales[name]) for name, entry in zip(names, pictures.entries, strict=True)]


def pngs(pictures: Pictures, columns: Sequence[Column]) -> tuple[list[list[bytes]], int | None]:
    """The maps of every sample, and the side to which they were made smaller, where they were."""
    made: list[list[bytes]] = []
    largest = max((max(sample.maps.shape[1:]) for sample in pictures.samples), default=0)
    for side in SIDES:
        made = [_pngs(sample, columns, side) for sample in pictures.samples]
        if sum(len(png) for row in made for png in row) <= BUDGET or side == SIDES[-1]:
            return made, side if side < largest else None
    return made, None


def _pngs(sample: Sample, columns: Sequence[Column], side: int) -> list[bytes]:
    return [map_png(smaller(map, side), column.scale) for map, column in zip(sample.maps, columns, strict=True)]


def maps_of(sample: Sample, files: Sequence[bytes], columns: Sequence[Column], title: str) -> list[Map]:
    """With words for who cannot see them."""
    made: list[Map] = []
    for j, (file, column) in enumerate(zip(files, columns, strict=True)):
        alt = f"{column.explainer} of {title}"
        alt += f", asked for {column.ask}: " if column.ask != "none" else ": "
        made.append(Map(j, file, alt + described(sample.maps[j], sample.outline)))
    return made


def shown(
    sample: Sample, files: Sequence[bytes], columns: Sequence[Column], about: Mapping[str, Any], noun: str = "picture"
) -> Shown:
    """A sample with its maps. about: its title, the lines below it and the captions of its maps, where it has them."""
    title, captions = str(about.get("title") or f"{noun} {sample.number}"), about.get("captions") or []
    maps = [
        replace(one, caption=str(captions[j]) if j < len(captions) else "")
        for j, one in enumerate(maps_of(sample, files, columns, title))
    ]
    h, w = sample.maps.shape[1:]
    return Shown(
        sample.number, title, [str(line) for line in about.get("lines") or []], sample.why,
        picture_webp(sample.picture), (w, h), "" if sample.outline is None else path_of(sample.outline), maps,
    )  # fmt: skip


def described(map: Array, outline: Array | None) -> str:
    """Where a map is strongest, in words.

    >>> described(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 2.0]]), None)
    'strongest at the bottom right'
    """
    known = np.nan_to_num(map)
    if not known.any():
        return "zero everywhere"
    y, x = np.unravel_index(int(np.abs(known).argmax()), known.shape)
    row = ("top", "middle", "bottom")[min(2, int(3 * y / known.shape[0]))]
    side = ("left", "centre", "right")[min(2, int(3 * x / known.shape[1]))]
    sign = "strongest" if known[y, x] > 0 else "strongest against it"
    said = f"{sign} at the {row} {side}"
    if outline is None or not outline.any():
        return said
    above = known.clip(0)
    inside = float(above[outline].sum() / above.sum()) if above.any() else 0.0
    return f"{said}; {inside:.0%} of what speaks for it lies inside the outline"


def note_on(side: int | None) -> str:
    """How the maps were made small. side: to which, where they were."""
    said = f"{SATURATE:.1%} of the strongest values lie beyond the ends of a scale."
    return said if side is None else f"{said} The maps are shown at {side} pixels, so that the page stays small."


def text_on(columns: Sequence[Column]) -> str:
    """How they are read."""
    signed = any(column.scale.signed for column in columns)
    tells = "Red speaks for what is explained, blue against it. " if signed else ""
    return f"{tells}Maps of one explainer share one scale; those of two explainers cannot be compared in strength."


# --- outline ----------------------------------------------------------------------------------------------------------


def path_of(mask: Array) -> str:
    """The border of a mask as an SVG path over its pixels: the edges between inside and outside, joined to runs.

    >>> path_of(np.array([[True, False]]))
    'M0 0h1M0 1h1M0 0v1M1 0v1'
    """
    padded = np.pad(mask.astype(np.int8), 1)
    across = padded[1:, 1:-1] != padded[:-1, 1:-1]  # [h + 1, w]: an edge above pixel (y, x)
    down = padded[1:-1, 1:] != padded[1:-1, :-1]  # [h, w + 1]
    parts = [f"M{x} {y}h{n}" for y, line in enumerate(across) for x, n in _runs(line)]
    parts += [f"M{x} {y}v{n}" for x, line in enumerate(down.T) for y, n in _runs(line)]
    return "".join(parts)


def _runs(line: Array) -> list[tuple[int, int]]:
    """(start, length) of the true stretches."""
    steps = np.diff(np.pad(line.astype(np.int8), 1))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    return [(int(a), int(b - a)) for a, b in zip(starts, ends, strict=True)]

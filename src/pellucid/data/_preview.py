"""Records as one looks at them: the picture, its boxes, outlines, points and what is ignored, with their names."""

from collections.abc import Callable, Sequence

import torch
from PIL import Image, ImageDraw
from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.data._record import Record
from pellucid.show.outline import outlined
from pellucid.show.overlay import displayable, plain, tile_size
from pellucid.show.text import font, line_height, wrapped

# told apart on photographs and by most of the colour-blind (after Okabe and Ito, 2008)
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2", "#ffffff")
ACROSS, GAP = 6, 6


def preview(records: Sequence[Record], said: Callable[[int], str]) -> Picture:
    """A sheet of records in rows of six; `said` tells the name of a class."""
    face = font(11)
    looks = [_look(record, said) for record in records]
    width = max(look.width for look, _ in looks)
    texts = [wrapped(text, face, width) for _, text in looks]
    across, line = min(ACROSS, len(looks)), line_height(face)
    rows = [range(start, min(start + across, len(looks))) for start in range(0, len(looks), across)]
    heights = [max(looks[i][0].height + len(texts[i]) * line for i in row) + 2 * GAP for row in rows]
    sheet = Image.new("RGB", (across * (width + GAP) + GAP, sum(heights) + GAP), "white")
    pen, top = ImageDraw.Draw(sheet), GAP
    for row, height in zip(rows, heights, strict=True):
        for column, i in enumerate(row):
            left = GAP + column * (width + GAP)
            sheet.paste(looks[i][0], (left, top))
            pen.text((left, top + looks[i][0].height + 1), "\n".join(texts[i]), "#1a1a1a", face)
        top += height
    return sheet


def _look(record: Record, said: Callable[[int], str]) -> tuple[Picture, str]:
    """A record's tile and the words below it."""
    name = said(record.label) if record.label >= 0 else "no label"
    if record.image.ndim == 2:
        return _curve(record.image), name
    others = [said(c) for c in record.present if c != record.label]
    return _marked(record), f"{name}\nalso {', '.join(others)}" if others else name


def _marked(record: Record) -> Picture:
    """The picture with everything that is known about places on it."""
    width, height = tile_size(record.image)
    tile = plain(displayable(record.image.float() / 255), (width, height))
    tile = _tinted(tile, record.ignore, "#808080", 0.6)
    for mask, number in zip(record.masks, record.mask_classes.tolist(), strict=True):
        tile = outlined(_tinted(tile, mask, _colour(number), 0.3), mask)
    pen = ImageDraw.Draw(tile)
    scale = torch.tensor([width / record.image.shape[2], height / record.image.shape[1]]).repeat(2)
    things = zip((record.boxes * scale).round().int().tolist(), record.classes.tolist(), record.difficult, strict=True)
    for (x0, y0, x1, y1), number, difficult in things:
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
        pen.rectangle((x0 - 1, y0 - 1, x1, y1), outline="black")
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), outline=_colour(number), width=1 if difficult else 2)
    for x, y in (record.points[record.points.isfinite().all(1)] * scale[:2]).tolist():
        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill="white", outline="black")
    return tile


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _tinted(tile: Picture, mask: Tensor, colour: str, share: float) -> Picture:
    if not bool(mask.any()):
        return tile
    cover = Image.fromarray(mask.byte().mul(round(255 * share)).numpy()).resize(tile.size, Image.Resampling.NEAREST)
    tile = tile.copy()
    tile.paste(colour, mask=cover)
    return tile


def _curve(series: Tensor, size: tuple[int, int] = (192, 96)) -> Picture:
    """A line through the values of a series."""
    width, height = size
    tile = Image.new("RGB", size, "#f4f4f4")
    pen = ImageDraw.Draw(tile)
    low, high = float(series.min()), float(series.max())
    for channel in range(series.shape[1]):
        level = 1 - (series[:, channel] - low) / max(high - low, 1e-12)
        xs = torch.linspace(4, width - 5, len(level)).tolist()
        pen.line(
            list(zip(xs, (4 + level * (height - 9)).tolist(), strict=True)), fill=COLOURS[6 - channel % 7], width=2
        )
    return tile

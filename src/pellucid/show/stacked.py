"""Stacked: sheets under one another, each under its heading."""

from collections.abc import Sequence

from PIL import Image, ImageDraw
from PIL.Image import Image as Picture

from pellucid.show.layout import INK, MARGIN
from pellucid.show.text import font, line_height, wrapped

APART = 24


def stacked(sheets: Sequence[tuple[str, Picture]]) -> Picture:
    """(heading, sheet) from top to bottom, flush left."""
    face = font(18, bold=True)
    width = max(sheet.width for _, sheet in sheets)
    headings = [wrapped(heading, face, width - 2 * MARGIN) for heading, _ in sheets]
    tops = [len(lines) * line_height(face) for lines in headings]
    height = sum(sheet.height for _, sheet in sheets) + sum(tops) + APART * (len(sheets) - 1) + MARGIN
    whole = Image.new("RGB", (width, height), "white")
    pen, y = ImageDraw.Draw(whole), MARGIN
    for (_, sheet), lines, top in zip(sheets, headings, tops, strict=True):
        for i, line in enumerate(lines):
            pen.text((MARGIN, y + i * line_height(face)), line, INK, face)
        whole.paste(sheet, (0, y + top))
        y += top + sheet.height + APART
    return whole

"""Paragraphs: sentences under a sheet, each after its word."""

from collections.abc import Sequence

from PIL import Image, ImageDraw
from PIL.Image import Image as Picture

from pellucid.show.layout import GREY, INK, MARGIN
from pellucid.show.text import font, line_height, wrapped

APART = 12


def paragraphs(texts: Sequence[tuple[str, str]], width: int) -> Picture:
    """(word, sentence) one below the other, the sentences in a column; "" for a sentence without a word."""
    bold, face = font(11, bold=True), font(11)
    left = MARGIN + max((int(bold.getlength(word)) + APART for word, _ in texts if word), default=0)
    starts = [left if word else MARGIN for word, _ in texts]
    lines = [wrapped(text, face, width - start - MARGIN) for (_, text), start in zip(texts, starts, strict=True)]
    step = line_height(face)
    picture = Image.new("RGB", (width, sum(map(len, lines)) * step + MARGIN), "white")
    pen, y = ImageDraw.Draw(picture), 4
    for (word, _), start, some in zip(texts, starts, lines, strict=True):
        pen.text((MARGIN, y), word, INK, bold)
        for line in some:
            pen.text((start, y), line, GREY, face)
            y += step
    return picture

"""Text in pictures: a font that has the signs we write, and lines that fit."""

import re
from functools import cache
from pathlib import Path

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

JOINT = re.compile(r"(?<=[ :,@/_])|(?<=-)(?=[^\W\d])")  # where a line may end; not inside the number -2


@cache
def font(size: int, bold: bool = False) -> FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


def line_height(face: FreeTypeFont) -> int:
    """From one line to the next."""
    return sum(face.getmetrics())


def wrapped(text: str, face: FreeTypeFont, width: float) -> list[str]:
    """Lines of at most a width in pixels, broken where a text form has its joints; nothing is left out.

    >>> wrapped("smooth:samples=10@grad-cam", font(12), 100)
    ['smooth:', 'samples=10@', 'grad-cam']
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines.append("")
        for piece in JOINT.split(paragraph):
            for run in _fitting(piece, face, width):
                if lines[-1] and face.getlength((lines[-1] + run).rstrip()) > width:
                    lines.append("")
                lines[-1] += run
    return [line.rstrip() for line in lines]


def _fitting(piece: str, face: FreeTypeFont, width: float) -> list[str]:
    """A piece, or its letters in runs that fit."""
    runs = [""]
    for letter in piece:
        if runs[-1] and face.getlength((runs[-1] + letter).rstrip()) > width:
            runs.append("")
        runs[-1] += letter
    return runs

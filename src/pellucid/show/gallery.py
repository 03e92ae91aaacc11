"""Gallery: rows of pictures in groups, each picture with a frame that says something and a line below it.

    test │ strongest supporters      │ strongest opponents
     7   │  7     7     7     1      │  0     0     6     0

Frames are green where an example has the label of its row, red where it has another, grey where there are no labels.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw
from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.show.encoders import signed
from pellucid.show.layout import APART, GAP, GREY, GUTTER, INK, MARGIN
from pellucid.show.overlay import displayable, plain
from pellucid.show.text import JOINT, font, line_height, wrapped

SAME, OTHER, UNKNOWN = "#2f8f4e", "#c23b32", "#9a9a9a"
SIDE, FRAME = 88, 3  # of a tile, and how thick its frame is
WIDEST = 160  # that a title's longest word makes a column
CURVE = 96  # pixels of a drawn signal


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture [3, h, w] in [0, 1], what is written below it, and the colour of its frame."""

    picture: Tensor
    caption: str = ""
    frame: str | None = None


@dataclass(frozen=True, eq=False)
class Group:
    """Tiles that stand under one title: for every row as many."""

    title: str
    rows: Sequence[Sequence[Tile]]


def gallery(groups: Sequence[Group], titles: Sequence[str] = (), side: int = SIDE, note: str = "") -> Picture:
    """The groups side by side, a row for each of their rows. titles: what stands before each row."""
    if not groups or len({len(group.rows) for group in groups}) != 1 or not groups[0].rows:
        raise BadInput("the gallery has no rows, or groups of unlike length; give every group a row for each example.")
    head, body, small = font(13, bold=True), font(13), font(11)
    said = [wrapped(title, body, GUTTER) for title in titles]
    gutter = max((int(body.getlength(line)) + 12 for lines in said for line in lines), default=0)
    step = side + GAP
    words = [max(map(head.getlength, JOINT.split(group.title))) for group in groups]
    spans = [
        max(max(len(row) for row in group.rows) * step - GAP, min(math.ceil(word), WIDEST))
        for group, word in zip(groups, words)
    ]
    heads = [wrapped(group.title, head, span) for group, span in zip(groups, spans)]
    top = MARGIN + max(map(len, heads)) * line_height(head) + 6
    below = [max(_lines(tile, side) for g in groups for tile in g.rows[i]) for i in range(len(groups[0].rows))]
    heights = [side + n * line_height(small) + GAP for n in below]
    width = 2 * MARGIN + gutter + sum(spans) + APART * (len(groups) - 1)
    notes = wrapped(note, small, width - 2 * MARGIN) if note else []
    sheet = Image.new("RGB", (width, top + sum(heights) + len(notes) * line_height(small) + MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    left = MARGIN + gutter
    for group, span, lines in zip(groups, spans, heads):
        for i, line in enumerate(lines):
            pen.text((left, MARGIN + i * line_height(head)), line, INK, head)
        y = top
        for row, height in zip(group.rows, heights):
            for i, tile in enumerate(row):
                _draw(sheet, pen, tile, left + i * step, y, side)
            y += height
        left += span + APART
    y = top
    for lines, height in zip(said, heights):
        for i, line in enumerate(lines):
            pen.text((MARGIN, y + i * line_height(body)), line, INK, body)
        y += height
    y = top + sum(heights)
    for i, line in enumerate(notes):
        pen.text((MARGIN, y + i * line_height(small)), line, GREY, small)
    return sheet


def _lines(tile: Tile, side: int) -> int:
    return len(wrapped(tile.caption, font(11), side)) if tile.caption else 0


def _draw(sheet: Picture, pen: ImageDraw.ImageDraw, tile: Tile, left: int, top: int, side: int) -> None:
    """The picture in its frame, as large as fits; the caption below."""
    room = side - 2 * FRAME
    h, w = tile.picture.shape[1:]
    size = (max(1, round(room * min(1, w / h))), max(1, round(room * min(1, h / w))))
    at = (left + FRAME + (room - size[0]) // 2, top + FRAME + (room - size[1]) // 2)
    sheet.paste(plain(tile.picture, size), at)
    edges = (left, top, left + side - 1, top + side - 1)
    if tile.frame:
        pen.rectangle(edges, outline=tile.frame, width=FRAME)
    for i, line in enumerate(wrapped(tile.caption, font(11), side) if tile.caption else ()):
        pen.text((left, top + side + 1 + i * line_height(font(11))), line, GREY, font(11))


def picture_of(example: Tensor, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> Tensor:
    """[3, h, w] of an image [c, h, w], of a volume the slice in its middle; of a signal [t, c] or vector [d] a curve.

    >>> picture_of(torch.zeros(1, 8, 8)).shape, picture_of(torch.zeros(140, 1)).shape
    (torch.Size([3, 8, 8]), torch.Size([3, 96, 96]))
    """
    if example.ndim == 4:
        example = example[:, example.shape[1] // 2]
    return displayable(example, mean, std) if example.ndim == 3 else _curve(example.detach().float().cpu())


def _curve(signal: Tensor) -> Tensor:
    """A line from left to right, from its least to its largest value."""
    line = signal.flatten(1)[:, 0] if signal.ndim == 2 and signal.shape[0] >= signal.shape[1] else signal.flatten()
    low, high = float(line.min()), float(line.max())
    n = max(1, len(line) - 1)
    points = [
        (4 + (CURVE - 8) * i / n, CURVE - 8 - (CURVE - 16) * (value - low) / ((high - low) or 1))
        for i, value in enumerate(line.tolist())
    ]
    image = Image.new("RGB", (CURVE, CURVE), "white")
    ImageDraw.Draw(image).line(points, fill=INK, width=2)
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(CURVE, CURVE, 3).permute(2, 0, 1) / 255


@dataclass(frozen=True, eq=False)
class Shown:
    """Examples as they are shown: pictures by number, and the names of their labels ("" where there is none)."""

    pictures: Mapping[int, Tensor]
    labels: Mapping[int, str]

    def tile(self, row: int, caption: str = "", beside: str | None = None) -> Tile:
        """One example; the frame says whether it has the label of the one it stands beside."""
        own = self.labels.get(row, "")
        frame = None if beside is None else UNKNOWN if not (own and beside) else SAME if own == beside else OTHER
        return Tile(self.pictures[row], " · ".join(part for part in (own, caption) if part), frame)


def strongest(
    test: Shown,
    train: Shown,
    supporters: Mapping[int, Sequence[tuple[int, float]]],
    opponents: Mapping[int, Sequence[tuple[int, float]]],
    note: str = "",
) -> Picture:
    """Each test example beside its strongest supporters and opponents, (number, score) each."""
    rows = list(supporters)

    def side(found: Mapping[int, Sequence[tuple[int, float]]]) -> list[list[Tile]]:
        return [[train.tile(i, signed(score), test.labels.get(row, "")) for i, score in found[row]] for row in rows]

    groups = [
        Group("test", [[test.tile(row)] for row in rows]),
        Group("strongest supporters", side(supporters)),
        Group("strongest opponents, the worst first", side(opponents)),
    ]
    return gallery(groups, [f"#{row}" for row in rows], note=note)


def first_of_each(test: Shown, train: Shown, best: Mapping[str, Mapping[int, int]], note: str = "") -> Picture:
    """Each test example beside the one training example that each encoder finds most important."""
    rows = list(next(iter(best.values()), {}))
    groups = [Group("test", [[test.tile(row)] for row in rows])]
    for name, found in best.items():
        tiles = [[train.tile(found[row], f"#{found[row]}", test.labels.get(row, ""))] for row in rows]
        groups.append(Group(name, tiles))
    return gallery(groups, [f"#{row}" for row in rows], note=note)

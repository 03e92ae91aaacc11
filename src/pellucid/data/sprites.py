"""Sprites: dSprites' six factors (Matthey et al., 2017), drawn from formulas, exact by number.

    number = ((((shape · 6 + scale) · 40 + orientation) · 32 + x) · 32 + y)       3 · 6 · 40 · 32 · 32 = 737,280

    colour white · shape square, ellipse, heart · scale 0.5 … 1 · orientation 0 … 2π · x, y 0 … 1: evenly spaced, with
    both ends, so that the first and the last orientation are one picture, as there

The order and the values are those of the published file; the pixels are ours, drawn without its renderer. The label is
the shape; `facts` has the classes and the values of all six factors.

>>> record = Sprites()[245_760 + 3]
>>> Sprites().class_names[record.label], record.facts["classes"].tolist()
('ellipse', [0, 1, 0, 0, 0, 3])
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from pellucid.data._base import Dataset, Record, Rows, boxes_of
from pellucid.data._chance import Floats
from pellucid.data._shapes import SHAPES

CITE = """
@misc{matthey2017dsprites,
  title  = {dSprites: Disentanglement testing Sprites dataset},
  author = {Matthey, Loic and Higgins, Irina and Hassabis, Demis and Lerchner, Alexander},
  year   = {2017},
}"""
SIDE = 64
COUNTS = (1, 3, 6, 40, 32, 32)
RADIUS, FIRST, LAST = 14.0, 15.5, 48.5  # of the largest sprite; the outermost places of its centre


def _square(u: Floats, v: Floats) -> Floats:
    return np.maximum(np.abs(u), np.abs(v)) - 0.68


def _ellipse(u: Floats, v: Floats) -> Floats:
    return np.hypot(u / 0.95, v / 0.5) - 1


FORMS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "square": _square,
    "ellipse": _ellipse,
    "heart": SHAPES["heart"],
}


def factors_of(numbers: Int[Tensor, " n"]) -> Int[Tensor, "n 6"]:
    """The classes of the six factors of some sprites.

    >>> factors_of(torch.tensor([0, 737_279])).tolist()
    [[0, 0, 0, 0, 0, 0], [0, 2, 5, 39, 31, 31]]
    """
    return torch.stack([torch.as_tensor(f) for f in np.unravel_index(numbers.numpy(), COUNTS)], 1)


def number_of(classes: Int[Tensor, "n 6"]) -> Int[Tensor, " n"]:
    """The numbers of sprites with these factors.

    >>> number_of(torch.tensor([[0, 2, 5, 39, 31, 31]])).tolist()
    [737279]
    """
    return torch.from_numpy(np.ravel_multi_index(tuple(classes.numpy().T), COUNTS))


def values_of(classes: Int[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
    """Colour 1, shape 1 to 3, scale 0.5 to 1, orientation 0 to 2π, x and y 0 to 1."""
    ends = ((1, 1), (1, 3), (0.5, 1), (0, 2 * math.pi), (0, 1), (0, 1))
    values = [torch.linspace(*end, count, dtype=torch.float64) for end, count in zip(ends, COUNTS, strict=True)]
    return torch.stack([value[column] for value, column in zip(values, classes.T, strict=True)], 1)


def drawn(numbers: Int[Tensor, " n"]) -> Bool[Tensor, "n 64 64"]:
    """The pixels whose centre lies in the sprite."""
    classes = factors_of(numbers)
    _, _, scale, turn, x, y = (v[:, None, None].numpy() for v in values_of(classes).T)
    at = np.arange(SIDE) + 0.5
    right, down = (
        (place - (FIRST + (LAST - FIRST) * centre)) / (scale * RADIUS)
        for place, centre in ((at[None, None], x), (at[None, :, None], y))
    )
    c, s = (np.round(f(turn), 12) for f in (np.cos, np.sin))  # the last orientation is the first to the pixel
    u, v = c * right + s * down, c * down - s * right
    inside = np.zeros((len(numbers), SIDE, SIDE), bool)
    for shape, form in enumerate(FORMS.values()):
        mine = (classes[:, 1] == shape).numpy()
        inside[mine] = form(u[mine], v[mine]) < 0
    return torch.from_numpy(inside)


class Sprites(Dataset, name="sprites"):
    """Built in: white sprites whose six factors are known, for what an encoder disentangles."""

    cite = CITE

    licence = "MIT, as this library"
    terms = "Free to use with the licence's notice."
    mean, std = (0.0,), (1.0,)
    preset = "plain"

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(FORMS)

    def __len__(self) -> int:
        return math.prod(COUNTS)

    def record(self, i: int) -> Record:
        number = torch.tensor([i])
        mask, classes = drawn(number), factors_of(number)
        label = int(classes[0, 1])
        facts = {"classes": classes[0], "values": values_of(classes)[0]}
        return Record(mask.byte() * 255, label, mask, boxes_of(mask), torch.tensor([label]), facts)

    def images(self, rows: Rows = slice(None)) -> UInt8[Tensor, "n c h w"]:
        return self.masks(rows)[:, None].byte() * 255

    def labels(self, rows: Rows = slice(None)) -> Int[Tensor, " n"]:
        return factors_of(self._numbers(rows))[:, 1]

    def masks(self, rows: Rows = slice(None)) -> Bool[Tensor, "n h w"]:
        return torch.cat([drawn(some) for some in self._numbers(rows).split(1024)])

    def _numbers(self, rows: Rows) -> Int[Tensor, " n"]:
        return torch.as_tensor(self._rows(rows)) % len(self)

"""Factors: what is known of how a picture came about, as columns of numbers.

    sprites, dsprites    colour, shape, scale, orientation, x, y
    scenes               shape, colour and texture of the labelled thing, its ground, and where it is and how large, as
                         far as it is seen, in eighths of the picture

>>> from pellucid.data.sprites import Sprites
>>> factors = factors_of([Sprites()[0], Sprites()[737_279]])
>>> factors.names, factors.classes[1].tolist()
(('colour', 'shape', 'scale', 'orientation', 'x', 'y'), [0, 2, 5, 39, 31, 31])
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from pellucid.data._grounds import NAMES
from pellucid.data._record import Record
from pellucid.data._things import triples

EIGHTHS = 8


@dataclass(frozen=True)
class Factors:
    """Whether the values of a factor have an order decides how they are foretold."""

    names: tuple[str, ...]
    classes: Int[Tensor, "n f"]
    ordered: tuple[bool, ...]


def factors_of(records: Sequence[Record]) -> Factors | None:
    """Of some records; none where nothing of the kind is known of them."""
    if all("classes" in record.facts for record in records):
        classes = torch.stack([torch.as_tensor(record.facts["classes"]) for record in records])
        names = ("colour", "shape", "scale", "orientation", "x", "y")
        return Factors(names, classes, (False, False, True, True, True, True))
    if all("background" in record.facts for record in records):
        names = ("shape", "colour", "texture", "ground", "x", "y", "size")
        rows = torch.tensor([_of_scene(record) for record in records])
        return Factors(names, rows, (False, False, False, False, True, True, True))
    return None


def _of_scene(record: Record) -> list[int]:
    own = record.boxes_for()
    areas = (own[:, 2:] - own[:, :2]).prod(1)
    x0, y0, x1, y1 = own[areas.argmax()].tolist() if len(own) else [0.0] * 4
    side = record.image.shape[-1]
    places = [(x0 + x1) / 2 / side, (y0 + y1) / 2 / side, max(x1 - x0, y1 - y0) / side]
    ground = NAMES.index(record.facts["background"])
    return [*triples()[record.label], ground, *(min(int(place * EIGHTHS), EIGHTHS - 1) for place in places)]

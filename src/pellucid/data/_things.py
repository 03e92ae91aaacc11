"""Things: a shape in a colour and a texture, painted on a canvas where it stands.

The class of a thing is one of 1,000 triples (shape, colour, texture), in shells: shell n holds the triples whose
largest number is n, (n, n, n) the first of them. So the first two classes differ in everything, and the first n³ are
all combinations of n shapes, n colours and n textures: no single one of the three tells the class.

>>> [name_of(number) for number in range(9)][:2], name_of(8)
(['red circle', 'striped blue square'], 'dotted green triangle')
>>> sorted(name_of(number) for number in range(8))[:4]
['blue circle', 'blue square', 'red circle', 'red square']
"""

import math
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from pellucid.data._chance import Draws, Floats
from pellucid.data._shapes import SHAPES
from pellucid.data._textures import COLOURS, TEXTURES

SEEN = 0.2  # a pixel of which less belongs to a thing does not show it
PERIOD = 0.5  # of a texture, in radii


@dataclass(frozen=True)
class Thing:
    """What stands where."""

    number: int  # of its class
    x: float
    y: float
    radius: float
    turn: float
    gain: tuple[float, float, float]
    phase: float

    @classmethod
    def drawn(cls, draws: Draws, number: int, radius: float, size: int) -> "Thing":
        """Anywhere in a scene, nearly all of it inside."""
        low, high = 0.9 * radius, size - 0.9 * radius
        x, y = draws.between(low, high), draws.between(low, high)
        turn, shine = draws.between(-0.26, 0.26), draws.between(0.85, 1.1)
        red, green, blue = (shine * draws.between(0.95, 1.05) for _ in range(3))
        return cls(number, x, y, radius, turn, (red, green, blue), draws.between(0, 1))

    def touches(self, other: "Thing") -> bool:
        """Whether they may hide each other."""
        return math.hypot(self.x - other.x, self.y - other.y) < 0.95 * (self.radius + other.radius)


@cache
def triples() -> tuple[tuple[int, int, int], ...]:
    """Shape, colour and texture of every class."""
    return tuple(sorted(product(range(10), range(10), range(10)), key=_shell))


def _shell(triple: tuple[int, int, int]) -> list[int]:
    """Near the diagonal first."""
    n = max(triple)
    return [n, sum(n - i for i in triple), *(-i for i in triple)]


def name_of(number: int) -> str:
    """A class by its name; plain things are not called plain."""
    shape, colour, texture = triples()[number]
    words = [tuple(TEXTURES)[texture], tuple(COLOURS)[colour], tuple(SHAPES)[shape]]
    return " ".join(words[1:] if texture == 0 else words)


def painted(canvas: Floats, thing: Thing) -> Floats:
    """Paint a thing on a canvas [3, h, w]; how much of every pixel it covers, 0 to 1."""
    size = canvas.shape[1]
    reach = 1.1 * thing.radius + 1
    top, left = (max(0, int(at - reach)) for at in (thing.y, thing.x))
    window = slice(top, int(thing.y + reach) + 1), slice(left, int(thing.x + reach) + 1)
    y = ((np.arange(*window[0].indices(size), dtype=np.float32) + 0.5 - thing.y) / thing.radius)[:, None]
    x = ((np.arange(*window[1].indices(size), dtype=np.float32) + 0.5 - thing.x) / thing.radius)[None]
    c, s = math.cos(thing.turn), math.sin(thing.turn)
    u, v = c * x + s * y, c * y - s * x
    shape, _, texture = triples()[thing.number]
    cover = np.clip(0.5 - thing.radius * tuple(SHAPES.values())[shape](u, v), 0, 1)
    cover = np.where(cover < SEEN, 0, np.where(cover > 0.98, 1, cover)).astype(np.float32)
    first, second = tones(thing)
    light = (1.06 - 0.11 * (u + v)).astype(np.float32)  # from the upper left
    if texture:
        wave = tuple(TEXTURES.values())[texture](u / PERIOD + thing.phase * (texture < 7), v / PERIOD)
        share = np.clip(0.5 + 0.3 * PERIOD * thing.radius * wave, 0, 1).astype(np.float32)
        colour = first + share * (second - first)
    else:
        colour = first
    below = canvas[:, window[0], window[1]]
    below += cover * (np.minimum(light * colour, 236) - below)  # not what the brightest ground is, to the pixel
    whole = np.zeros((size, size), np.float32)
    whole[window] = cover
    return whole


def tones(thing: Thing) -> tuple[Floats, Floats]:
    """The colour of a thing, and the one that its texture puts on it: darker on light colours, lighter on dark ones,
    and not far from black and white, so that one is not the other's negative."""
    colour = np.array(tuple(COLOURS.values())[triples()[thing.number][1]], np.float32)
    first = np.clip(colour * np.array(thing.gain, np.float32), 0, 255)
    bright = float(colour @ np.array((0.3, 0.59, 0.11), np.float32)) > 120
    strength = 0.75 if colour.max() - colour.min() > 20 else 0.4
    second = first + strength * (0 if bright else 255) - strength * first
    return first[:, None, None], second[:, None, None]

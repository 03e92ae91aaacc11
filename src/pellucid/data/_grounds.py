"""The grounds that scenes stand on: textures with a 1/f spectrum and a structure of their own.

Every kind is a large picture that repeats at its borders; a scene shows a piece of it.

>>> bank("sand", 16).shape, bank("sand", 16).dtype
((3, 64, 64), dtype('uint8'))
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pellucid.data._chance import Floats, uniforms
from pellucid.data._fields import cells, coloured, palette, relief, smooth_step

WIDEST = 1024


class Ground:
    """What a kind is painted with: fields whose features grow with the size of the scenes."""

    def __init__(self, kind: int, side: int, size: int) -> None:
        self.kind, self.side, self.size, self._drawn = kind, side, size, 0

    def white(self, *shape: int) -> Floats:
        """New white noise, uniform."""
        self._drawn += 1
        return uniforms(self.kind, self._drawn, math.prod(shape)).reshape(shape).astype(np.float32)

    def field(self, slope: float = 2.0, stretch: float = 1.0, angle: float = 0.0, waves: float = 1.0) -> Floats:
        """A new 1/f field, even below so many waves a scene."""
        least = waves * self.side / self.size
        return coloured(self.white(self.side, self.side), slope, stretch, angle, least)

    def count(self, share: float) -> int:
        """How many things of this share of a scene fit side by side; even, so that rows may alternate."""
        return max(2, 2 * round(self.side / (2 * share * self.size)))

    def grid(self) -> tuple[Floats, Floats]:
        """Rows and columns, 0 to 1."""
        at = (np.arange(self.side, dtype=np.float32) + 0.5) / self.side
        return at[:, None], at[None]


def _grass(g: Ground) -> Floats:
    blades = np.maximum.reduce([g.field(1.6, 6.0, math.pi / 2 + tilt, 3) for tilt in (-0.35, 0.0, 0.3)])
    t = 0.28 + 0.2 * blades + 0.14 * g.field(2.4)
    return palette(t, (30, 46, 16), (84, 116, 46), (158, 176, 92)) + 7 * g.field(2.0) * _warm(10)


def _sand(g: Ground) -> Floats:
    y, _ = g.grid()
    dune = np.sin(2 * math.pi * (g.count(0.16) * y + 0.25 * g.field(4.5)))
    t = 0.52 + 0.12 * dune + 0.12 * g.field(2.2) + 0.06 * relief(g.field(1.2, waves=8))
    return palette(t, (104, 80, 52), (188, 160, 116), (238, 222, 184))


def _water(g: Ground) -> Floats:
    crest = 1 - np.abs(g.field(2.6, 5.0, 0.0, 2))
    t = 0.28 + 0.16 * g.field(2.4, 2.5) + 0.3 * smooth_step(crest, 0.4, 1.0) + 0.07 * g.field(1.4, 4.0, waves=6)
    return palette(t, (8, 36, 54), (34, 92, 116), (112, 166, 180), (226, 238, 238))


def _brick(g: Ground) -> Floats:
    y, x = g.grid()
    wobble = 0.03 * g.field(2.5)
    row = g.count(0.17) * y + wobble
    column = g.count(0.4) * x + 0.5 * (np.floor(row) % 2) + 0.4 * wobble
    high, wide = row % 1, column % 1
    edge = np.minimum(np.minimum(high, 1 - high), 2.3 * np.minimum(wide, 1 - wide))
    tone = g.white(97)[(np.floor(row) * 13 + np.floor(column) % g.count(0.4) * 7).astype(int) % 97]
    t = 0.22 + 0.5 * tone + 0.13 * g.field(1.8) + 0.05 * relief(g.field(1.6))
    mortar = palette(0.6 + 0.16 * g.field(1.8), (108, 100, 92), (190, 182, 170))
    solid = smooth_step(edge, 0.04, 0.13)
    return mortar + solid * (palette(t, (88, 46, 38), (146, 84, 66), (192, 136, 110)) - mortar)


def _wood(g: Ground) -> Floats:
    y, x = g.grid()
    planks = g.count(0.34)
    plank = np.floor(planks * y).astype(int)
    tone, shift = g.white(planks)[plank], g.white(planks)[plank]
    rings = np.sin(2 * math.pi * (g.count(0.09) * y + 3 * shift + 0.8 * g.field(4.5, 5.0)))
    t = 0.3 + 0.36 * tone + 0.12 * rings + 0.14 * g.field(1.7, 14.0, waves=2) + 0 * x
    edge = np.abs((planks * y + 0.5) % 1 - 0.5)
    return palette(t, (66, 40, 22), (134, 92, 56), (196, 154, 106)) * (0.35 + 0.65 * smooth_step(edge, 0.0, 0.05))


def _gravel(g: Ground) -> Floats:
    count = g.count(0.13)
    near = np.full((2, g.side, g.side), 9.0, np.float32)
    stone = np.zeros((g.side, g.side), int)
    for y, x, number in cells(g.side, count, 0.15 + 0.7 * g.white(count, count, 2)):
        far = np.hypot(y, x)
        stone = np.where(far < near[0], number, stone)
        near = np.stack([np.minimum(far, near[0]), np.minimum(np.maximum(far, near[0]), near[1])])
    dome = smooth_step(near[1] - near[0], 0.0, 0.28)
    t = 0.16 + 0.5 * g.white(count * count)[stone] + 0.1 * relief(dome + 0.02 * g.field(2.0)) + 0.08 * g.field(1.6)
    warm = (g.white(count * count)[stone] - 0.5) * _warm(34)
    return (palette(t, (54, 52, 50), (128, 124, 118), (208, 204, 198)) + warm) * (0.3 + 0.7 * dome)


def _clouds(g: Ground) -> Floats:
    cover = smooth_step(g.field(2.7), -0.5, 0.9)
    sky = palette(0.5 + 0.25 * g.field(3.0), (70, 116, 162), (140, 176, 208))
    white = palette(0.62 + 0.2 * g.field(2.2), (132, 140, 154), (214, 218, 224), (255, 255, 255))
    return sky + cover * (white - sky)


def _leaves(g: Ground) -> Floats:
    picture = palette(0.4 + 0.25 * g.field(2.0), (8, 16, 8), (40, 58, 26))
    for light in (0.15, 0.3, 0.42, 0.55):
        count = g.count(0.26)
        turn, tone = 2 * math.pi * g.white(count * count), g.white(count * count)
        for y, x, number in cells(g.side, count, g.white(count, count, 2)):
            c, s = np.cos(turn)[number], np.sin(turn)[number]
            along, across = c * x + s * y, c * y - s * x
            inside = smooth_step(0.3 * np.maximum(1 - (along / 0.72) ** 2, 0) - np.abs(across), 0.0, 0.04)
            hit = inside > 0
            vein = smooth_step(np.abs(across[hit]), 0.0, 0.04)
            t = (light + 0.3 * tone[number[hit]]) * (0.7 + 0.3 * vein) + 0.3 * np.clip(across[hit], -0.3, 0.3)
            leaf = palette(t, (24, 44, 14), (78, 118, 38), (170, 190, 90))
            picture[:, hit] += inside[hit] * (leaf - picture[:, hit])
    return picture * (1 + 0.1 * g.field(1.8))


def _rock(g: Ground) -> Floats:
    height = g.field(2.6) + 0.35 * np.abs(g.field(2.2, 2.5, 0.6))
    crack = np.exp(-((g.field(3.6) / 0.05) ** 2))
    t = 0.46 + 0.1 * height + 0.13 * relief(height) - 0.3 * crack
    return palette(t, (40, 36, 34), (118, 108, 98), (214, 206, 194)) + 5 * g.field(2.6) * _warm(10)


def _marble(g: Ground) -> Floats:
    bend = g.field(3.0)
    thick, thin = np.abs(g.field(4.2, 3.0, 0.7) + 0.15 * bend), np.abs(g.field(4.0, 2.0, 0.4, 2) + 0.1 * bend)
    vein = np.exp(-thick / 0.25) + 0.6 * np.exp(-thin / 0.08)
    t = 0.82 + 0.1 * bend - 0.5 * vein + 0.04 * g.field(1.5)
    return palette(t, (58, 60, 70), (160, 162, 170), (230, 228, 224), (250, 248, 244))


def _warm(strength: float) -> Floats:
    """A shift of colours from blue to yellow."""
    return np.array([0.6, 0.2, -0.8], np.float32)[:, None, None] * strength / 10


KINDS: dict[str, Callable[[Ground], Floats]] = {
    "grass": _grass,
    "sand": _sand,
    "water": _water,
    "brick": _brick,
    "wood": _wood,
    "gravel": _gravel,
    "clouds": _clouds,
    "leaves": _leaves,
    "rock": _rock,
    "marble": _marble,
}
NAMES = tuple(KINDS)


def side_of(size: int) -> int:
    """The side of the banks for scenes of this size: room for many pieces, within reason."""
    return max(min(4 * size, WIDEST), size + size // 4)


@lru_cache(maxsize=4 * len(KINDS))
def bank(kind: str, size: int) -> NDArray[np.uint8]:
    """The large picture of a kind, for scenes of this size: [3,side,side]."""
    picture = KINDS[kind](Ground(NAMES.index(kind), side_of(size), size))
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)


@lru_cache(maxsize=4)
def sensor(size: int) -> Floats:
    """The noise of a sensor, as large as a bank, triangular: mean 0, variance 1."""
    shape = (3, side_of(size), side_of(size))
    draws = uniforms(len(KINDS), size, 2 * math.prod(shape)).astype(np.float32).reshape(2, *shape)
    return (draws[0] - draws[1]) * np.float32(math.sqrt(6))

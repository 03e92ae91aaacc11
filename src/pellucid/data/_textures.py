"""The textures and colours of things.

A texture is a wave over the thing's own coordinates, with the period as unit: where it is positive, the second tone
of the colour shows.

>>> x = np.array([0.25, 0.75, 1.25])
>>> TEXTURES["striped"](x, 0 * x).round(2).tolist()
[1.0, -1.0, 1.0]
"""

import math
from collections.abc import Callable

import numpy as np

from pellucid.data._chance import Floats

TURN = 2 * math.pi


def _plain(x: Floats, y: Floats) -> Floats:
    return np.full(np.broadcast_shapes(x.shape, y.shape), -1.0, np.float32)


def _striped(x: Floats, y: Floats) -> Floats:
    return np.sin(TURN * x)


def _dotted(x: Floats, y: Floats) -> Floats:
    x = x + 0.5 * (np.floor(y) % 2)
    return 3.2 * (0.33 - np.hypot(x % 1 - 0.5, y % 1 - 0.5))


def _checked(x: Floats, y: Floats) -> Floats:
    return 1.6 * np.sin(math.pi * x) * np.sin(math.pi * y)


def _wavy(x: Floats, y: Floats) -> Floats:
    return np.sin(TURN * (y + 0.28 * np.sin(3.6 * x)))


def _rippled(x: Floats, y: Floats) -> Floats:
    return np.sin(TURN * np.hypot(x, y))


def _rayed(x: Floats, y: Floats) -> Floats:
    return 1.5 * np.sin(8 * np.arctan2(y, x))


def _speckled(x: Floats, y: Floats) -> Floats:
    """Three waves that never repeat together."""
    return np.sin(7.1 * x + 3.0 * y) + np.sin(2.3 * x - 7.7 * y) + np.sin(6.0 * y - 5.3 * x) - 0.55


def _zigzag(x: Floats, y: Floats) -> Floats:
    return np.sin(TURN * (y + 0.8 * np.abs(x % 1 - 0.5)))


def _gridded(x: Floats, y: Floats) -> Floats:
    return 3.2 * (0.16 - np.minimum(np.abs(x % 1 - 0.5), np.abs(y % 1 - 0.5)))


TEXTURES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "plain": _plain,
    "striped": _striped,
    "dotted": _dotted,
    "checked": _checked,
    "wavy": _wavy,
    "rippled": _rippled,
    "rayed": _rayed,
    "speckled": _speckled,
    "zigzag": _zigzag,
    "gridded": _gridded,
}

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 36, 36),
    "blue": (36, 70, 214),
    "green": (24, 168, 62),
    "yellow": (244, 212, 36),
    "purple": (136, 48, 172),
    "orange": (244, 130, 22),
    "cyan": (40, 200, 214),
    "white": (240, 240, 240),
    "black": (28, 28, 32),
    "pink": (244, 132, 178),
}

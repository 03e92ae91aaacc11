"""The shapes of things: how far a point is outside of each (negative inside).

Coordinates are the thing's own: x to the right, y down, the thing within the disc of radius 1.05 about 0. The distance
is exact enough near the edge to smooth it over a pixel.

>>> x, y = np.array([0.0, 0.0, 2.0]), np.array([0.0, 0.5, 0.0])
>>> SHAPES["circle"](x, y).round(2).tolist(), SHAPES["ring"](x, y).round(2).tolist()
([-0.95, -0.45, 1.05], [0.47, -0.03, 1.05])
"""

import math
from collections.abc import Callable

import numpy as np

from pellucid.data._chance import Floats


def _circle(x: Floats, y: Floats) -> Floats:
    return np.hypot(x, y) - 0.95


def _square(x: Floats, y: Floats) -> Floats:
    return np.maximum(np.abs(x), np.abs(y)) - 0.78


def _triangle(x: Floats, y: Floats) -> Floats:
    return np.maximum(y - 0.62, 0.88 * np.abs(x) - 0.475 * y - 0.47)


def _star(x: Floats, y: Floats) -> Floats:
    """The sides of two points of the star meet on its axes: fold the plane five times."""
    radius, fold = np.hypot(x, y), 2 * math.pi / 5
    turn = np.abs((np.arctan2(x, -y) + fold / 2) % fold - fold / 2)
    tip, dent = (1.02, 0.0), (0.47 * math.cos(fold / 2), 0.47 * math.sin(fold / 2))
    way = (dent[0] - tip[0], dent[1] - tip[1])
    along, across = radius * np.cos(turn) - tip[0], radius * np.sin(turn)
    return (across * -way[0] + along * way[1]) / math.hypot(*way)


def _cross(x: Floats, y: Floats) -> Floats:
    x, y = np.abs(x), np.abs(y)
    return np.maximum(np.maximum(x, y) - 0.94, np.minimum(x, y) - 0.3)


def _ring(x: Floats, y: Floats) -> Floats:
    return np.abs(np.hypot(x, y) - 0.71) - 0.24


def _heart(x: Floats, y: Floats) -> Floats:
    """Two lobes, and below their centres the cone that touches both."""
    x, y = np.abs(x) - 0.42, y + 0.32
    cone = np.maximum(np.maximum(0.74 * x + 0.673 * y - 0.5, -y), 0.673 * x - 0.74 * y)
    return np.minimum(np.hypot(x, y) - 0.5, cone)


def _diamond(x: Floats, y: Floats) -> Floats:
    return 0.845 * np.abs(x) + 0.535 * np.abs(y) - 0.535


def _hexagon(x: Floats, y: Floats) -> Floats:
    x, y = np.abs(x), np.abs(y)
    return np.maximum(0.866 * y + 0.5 * x, x) - 0.86


def _crescent(x: Floats, y: Floats) -> Floats:
    return np.maximum(np.hypot(x, y) - 0.97, 0.8 - np.hypot(x - 0.45, y))


SHAPES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "ring": _ring,
    "heart": _heart,
    "diamond": _diamond,
    "hexagon": _hexagon,
    "crescent": _crescent,
}

"""Chance by number: the same draws for the same pair of numbers, whatever was drawn before.

u_j = (r_j >> 11) · 2⁻⁵³,   r the raw stream of Philox with the two numbers as its key

>>> uniforms(0, 1, 2).tolist() == uniforms(0, 1, 3)[:2].tolist() != uniforms(1, 0, 2).tolist()
True
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]
Thing = TypeVar("Thing")


def uniforms(seed: int, number: int, count: int) -> Floats:
    """Draws from [0, 1). Only the raw stream is used: NumPy promises that it never changes."""
    key = np.array([seed % 2**64, number % 2**64], dtype=np.uint64)
    return (np.random.Philox(key=key).random_raw(count) >> np.uint64(11)) * 2.0**-53


class Draws:
    """A block of draws, used up one by one."""

    def __init__(self, block: Floats) -> None:
        self._left = iter(block.tolist())

    def between(self, low: float, high: float) -> float:
        """Uniform."""
        return low + (high - low) * next(self._left)

    def whole(self, count: int) -> int:
        """One of 0 … count-1."""
        return int(count * next(self._left))

    def one_of(self, things: Sequence[Thing]) -> Thing:
        """Any of them."""
        return things[self.whole(len(things))]

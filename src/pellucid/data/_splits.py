"""Which records: balanced subsets, k of a class, a part held out. The same ones for the same seed, on every machine.

>>> labels = [0, 1, 0, 1, 0, 1]
>>> balanced(labels, 2, 0), held_out(labels, 0.34, 0)
([0, 5], [0, 5])
>>> shots(labels, 2, 0, first=True)
[0, 1, 2, 3]
"""

from collections.abc import Sequence

import numpy as np

from pellucid.data._chance import uniforms
from pellucid.errors import BadInput


def balanced(labels: Sequence[int], total: int, seed: int) -> list[int]:
    """So many records in all, equally many of every class."""
    classes = _by_class(labels)
    if total % len(classes) or total < len(classes):
        raise BadInput(
            f"{total} records cannot be shared out to {len(classes)} classes; give a multiple of {len(classes)}."
        )
    return shots(labels, total // len(classes), seed)


def shots(labels: Sequence[int], each: int, seed: int, first: bool = False) -> list[int]:
    """k records of every class, drawn or the first ones; in ascending order, so that classes are mixed as they were."""
    chosen: list[int] = []
    for label, rows in _by_class(labels).items():
        if len(rows) < each:
            raise BadInput(f"class {label} has {len(rows)} records, and {each} are asked for; ask for fewer.")
        chosen += rows[:each] if first else _shuffled(rows, seed, label)[:each]
    return sorted(chosen)


def held_out(labels: Sequence[int], share: float, seed: int) -> list[int]:
    """A share of every class: the nearest whole number, but one at least, and not all."""
    chosen: list[int] = []
    for label, rows in _by_class(labels).items():
        count = min(max(1, round(share * len(rows))), len(rows) - 1)
        chosen += _shuffled(rows, seed, label)[:count]
    return sorted(chosen)


def _by_class(labels: Sequence[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row, label in enumerate(labels):
        if label >= 0:  # a record without a label is drawn in no subset
            found.setdefault(int(label), []).append(row)
    if not found:
        raise BadInput("no record has a label, so no subset can be drawn; give a labelled data set.")
    return dict(sorted(found.items()))


def _shuffled(rows: list[int], seed: int, label: int) -> list[int]:
    """Ordered by a draw a record: a subset of 4 of a class is within that of 25."""
    return [rows[i] for i in np.argsort(uniforms(seed, label, len(rows)), kind="stable")]

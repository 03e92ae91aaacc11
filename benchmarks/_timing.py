"""Contenders, interleaved: every round runs each of them once, so that a slow minute is slow for all."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

ROUNDS = 9


@dataclass(frozen=True)
class Row:
    """One line of the table: `ours` is one of the figures, and so is the floor that it is divided by."""

    what: str
    figures: Mapping[str, float]  # the median of each contender, `floor` and `ours` among them
    ratios: Mapping[str, float] = field(default_factory=dict)  # to the floor, round by round, and their median
    target: str = ""
    unit: str = "s"
    floor: str = ""  # what the floor is


def race(
    what: str, contenders: Mapping[str, Callable[[], object]], floor: str, target: str = "", rounds: int = ROUNDS
) -> Row:
    """Time every contender; the one called "floor" divides the others."""
    for run in contenders.values():
        run()  # caches, and lazy imports
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            start = time.perf_counter()
            contenders[name]()
            times[name].append(time.perf_counter() - start)
    figures = {name: statistics.median(t) for name, t in times.items()}
    ratios = {
        name: statistics.median(a / b for a, b in zip(times[name], times["floor"], strict=True))
        for name in contenders
        if name != "floor"
    }
    return Row(what, figures, ratios, target, "s", floor)

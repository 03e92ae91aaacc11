"""Names that belong to other classes: what training with language is worth can be told by training with the wrong one.

    name of class c = names[σ(c)],   σ a cycle through all classes, so that no class keeps its own

>>> cycle(4, 0), sorted(cycle(4, 0))
([2, 0, 3, 1], [0, 1, 2, 3])
"""

from functools import cached_property
from typing import Annotated

from pellucid.data._base import Dataset, Wrapped
from pellucid.data._chance import Draws, uniforms
from pellucid.errors import BadInput
from pellucid.knobs import Between


def cycle(count: int, seed: int) -> list[int]:
    """A permutation that is one cycle (Sattolo, 1986): every class goes to another one."""
    numbers = list(range(count))
    draws = Draws(uniforms(seed, count, max(count, 1)))
    for i in range(count - 1, 0, -1):
        j = draws.whole(i)
        numbers[i], numbers[j] = numbers[j], numbers[i]
    return numbers


class ScrambledNames(Wrapped, name="scrambled-names"):
    """Any data set, with every class under the name of another."""

    of: Dataset
    seed: Annotated[int, Between(0)] = 0

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        names = self.of.class_names
        if len(names) < 2:
            raise BadInput(f"{self.of.name} has one class, whose name cannot be another's; leave out scrambled-names.")
        return tuple(names[i] for i in cycle(len(names), self.seed))

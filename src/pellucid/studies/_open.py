"""Questions that nobody answered, as studies: the claim is what one would expect, or what a paper takes for granted."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading, Train


class Open(Study):
    """Abstract: a question that no paper asked."""

    kind: ClassVar[str] = "open"
    where = "not asked"


class OfLico(Open):
    """Abstract: LICO with other knobs."""

    of = "lico"
    arms: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    metrics: ClassVar[tuple[str, ...]] = ("insertion",)

    def models(self, seed: int) -> dict[str, Train]:
        """What is trained, by arm."""
        return {arm: self.world.trained("lico", seed, **knobs) for arm, knobs in self.arms.items()}

    def readings(self, seed: int) -> Iterator[Reading]:
        for arm, model in self.models(seed).items():
            yield from self.world.measured(model, seed, arm, ("grad-cam",), self.metrics)

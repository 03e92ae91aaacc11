"""What a metric is: knobs, and `score`, one number a sample.

A metric says what it needs (masks, boxes, labels), what it scores and which way is better; the contract checks it. A
sample for which it has no meaning gets NaN: undefined is counted, never replaced. What decides a number besides the
metric's name is on its card, which has a stable id.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import ClassVar, Literal

from torch import Tensor

from pellucid.knobs import Between
from pellucid.metrics._case import Case
from pellucid.registry import Named

__all__ = ["Between", "Case", "Curved", "Metric"]

Better = Literal["higher", "lower"]


class Metric(Named, family="metrics"):
    """How good an explanation is, or a model."""

    # a map, its maker who is asked again, or the model; or what `measure` does not see: see `_apart`
    scores: ClassVar[Literal["map", "explainer", "model", "influence", "codes"]] = "map"
    better: ClassVar[Better | None] = "higher"
    needs: ClassVar[tuple[str, ...]] = ()  # of masks, boxes, labels
    classes: ClassVar[bool] = False  # asks the model for the probability of a class
    average: ClassVar[Literal["samples", "classes"]] = "samples"  # what a mean is taken over
    good: ClassVar[str] = "input-x-gradient"  # an explainer that does well by it on a model that looks at one thing
    facts: ClassVar[Mapping[str, str]] = {}  # of the card, where they are not knobs

    def score(self, case: Case) -> Tensor:
        """[n], NaN where it is undefined."""
        raise NotImplementedError

    @property
    def card(self) -> dict[str, str]:
        """What decides its numbers: baseline, unit, step, scored class and scale, tie rule."""
        return {"metric": str(self), "better": self.better or "neither", **self.facts}

    @property
    def card_id(self) -> str:
        """Eight digits of the card."""
        return hashlib.sha256(json.dumps(self.card, sort_keys=True).encode()).hexdigest()[:8]


class Curved(Metric):
    """Abstract: a metric with a curve behind its number, which `curve=true` keeps in a column of the results."""

    _: KW_ONLY
    curve: bool = False

    def trace(self, case: Case) -> Tensor:
        """[n, s]: the curve."""
        raise NotImplementedError

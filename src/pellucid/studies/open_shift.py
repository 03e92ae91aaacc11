"""An open question: do networks with better maps hold when the ground changes?

Networks of all objectives learn where the ground goes with the class, and are tested where it does not. Spearman's
correlation, over the networks of a seed, of their accuracy there with how much of their maps lies on the object (SCH)
and with how maps follow a moved picture (SES). A number a seed.

>>> print(next(OpenShift().claims()))
correlation: sch > 0.0
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.studies._cells import Lab, Measure, Reading, Work
from pellucid.studies._claims import Claim
from pellucid.studies._open import Open
from pellucid.studies._worlds import SMALL, TINY

ARMS: Mapping[str, Mapping[str, Any]] = {
    "ce": {}, "cgc": {}, "gcc": {}, "lico": {}, "lico-mm": {}, "lico-ot": {}, "lico:contexts=0": {"contexts": 0},
    "lico:contexts=4": {"contexts": 4}, "lico:prompts=fixed": {"prompts": "fixed"},
    "lico:prompts=random": {"prompts": "random"}, "lico:distance=cosine": {"distance": "cosine"},
}  # fmt: skip
METRICS = ("sch", "ses")


@dataclass(frozen=True)
class Together(Work):
    """Spearman's correlation of accuracy with the mean of each metric of maps, over networks."""

    accuracies: tuple[Measure, ...]
    maps: tuple[Measure, ...]

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        from scipy.stats import spearmanr

        def mean(cell: Measure, metric: str) -> float:
            frame: Any = cell.frame(lab)
            return float(frame[frame["metric"] == metric]["value"].mean())

        right = [mean(cell, "accuracy") for cell in self.accuracies]
        for metric in METRICS:
            found: Any = spearmanr(right, [mean(cell, metric) for cell in self.maps])
            yield {"arm": metric, "quantity": "correlation", "value": float(found.statistic)}


class OpenShift(Open, name="open-shift"):
    """Do networks with better maps hold when the ground changes?"""

    title = "Do better SCH and SES go with better accuracy out of distribution?"
    claim = "Networks whose maps lie on the object, and follow it, are more accurate where the ground tells nothing."
    worlds = {"tiny": TINY, "small": SMALL}

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        models = [at.trained(name.partition(":")[0], seed, **knobs) for name, knobs in ARMS.items()]
        accuracies = tuple(Measure(model, at.test) for model in models)
        maps = tuple(Measure(model, at.maps, ("grad-cam",), METRICS) for model in models)
        yield Reading(Together(accuracies, maps), seed)

    def claims(self) -> Iterator[Claim]:
        for metric in METRICS:
            yield Claim("correlation", metric, 0.0, 0.1)

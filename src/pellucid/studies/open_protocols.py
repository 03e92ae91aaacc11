"""An open question: which protocol changes the ranking of explainers?

Kendall's τ of the means of explainers, by the sound protocol of a metric and by another of its protocols: 1 is the same
order, 0 no relation. A number a seed.

>>> print(next(OpenProtocols().claims()))
tau (insertion): paper > 0.8
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.studies._cells import Lab, Measure, Reading, Work
from pellucid.studies._claims import Claim
from pellucid.studies._open import Open
from pellucid.studies._worlds import SMALL, TINY

EXPLAINERS = (
    "grad-cam", "grad-cam-pp", "hires-cam", "layer-cam", "xgrad-cam", "eigen-cam", "gradient", "input-x-gradient",
    "integrated-gradients", "guided-backprop", "smooth@gradient", "fullgrad", "occlusion", "group-cam", "edges",
    "random-map",
)  # fmt: skip
PROTOCOLS: Mapping[str, tuple[str, ...]] = {
    "insertion": ("paper", "published", "rise", "group-cam", "reproduction"),
    "deletion": ("paper", "published", "rise", "group-cam", "reproduction"),
    "average-drop": ("published", "grad-cam"), "average-gain": ("published",), "increase": ("published",),
    "ch": ("published",), "sch": ("reproduction",), "pointing-game": ("torchray", "paper", "quantus"),
    "energy-in-box": ("published",),
}  # fmt: skip
SAME = 0.8


@dataclass(frozen=True)
class Orders(Work):
    """How nearly a metric's protocols put explainers in the same order."""

    measured: Measure

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        from scipy.stats import kendalltau

        frame: Any = self.measured.frame(lab)
        means = (
            frame[frame["explainer"] != "none"].groupby(["metric", "explainer"])["value"].mean().unstack("explainer")
        )
        for metric, protocols in PROTOCOLS.items():
            for protocol in protocols:
                both = means.loc[[metric, f"{metric}:protocol={protocol}"]].dropna(axis=1)
                found: Any = kendalltau(*both.to_numpy())
                yield {"arm": protocol, "setting": metric, "quantity": "tau", "value": float(found.statistic)}


class OpenProtocols(Open, name="open-protocols"):
    """Which protocol changes the ranking of explainers?"""

    title = "Which protocol changes the ranking of explainers?"
    claim = "None: whatever the protocol of a metric, explainers are in the same order."
    worlds = {"tiny": TINY.but(maps="scenes:classes=6,size=32,length=24,seed=1"), "small": SMALL}

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        forms = [
            form for metric, some in PROTOCOLS.items() for form in (metric, *(f"{metric}:protocol={p}" for p in some))
        ]
        yield Reading(Orders(Measure(at.trained("ce", seed), at.maps, EXPLAINERS, tuple(forms))), seed)

    def claims(self) -> Iterator[Claim]:
        for metric, protocols in PROTOCOLS.items():
            for protocol in protocols:
                yield Claim("tau", protocol, SAME, 0.0, metric)

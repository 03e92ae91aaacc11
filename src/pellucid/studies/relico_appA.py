"""The reproduction of LICO, appendix A: a red dot on all pictures of one class.

deletion:  all classes > the class with the dot          (and insertion too, which the report does not say)

Deletion is low, which is said to be good, where a network looks at a dot alone: as soon as the dot is gone, so is the
answer. The report adds up to a number a class; so there is one a seed. At tiny, scenes of six classes whose first wears
the dot; nothing is cut or mirrored, as in the report.

>>> print(next(RelicoAppA().claims()))
deletion: all classes > class with the dot
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.studies._base import Study
from pellucid.studies._cells import Lab, Measure, Reading, Work
from pellucid.studies._claims import Claim
from pellucid.studies._training import IMAGENET_S
from pellucid.studies._worlds import SMALL, TINY, World

DOTTED = 0


def dotted(at: World, side: int, **changes: Any) -> World:
    """The same world with a red dot on the first class."""
    dot = f"red-dot:side={side}"
    return at.but(train=f"{dot}@{at.train}", test=f"{dot}@{at.test}", maps=f"{dot}@{at.maps}", **changes)


@dataclass(frozen=True)
class OfClass(Work):
    """The mean of each metric over the pictures of one class, and over all."""

    measured: Measure
    label: int

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        import torch

        from pellucid.data import Dataset

        frame = self.measured.frame(lab)
        labels = Dataset.make(self.measured.data).labels()
        for metric in self.measured.metrics:
            of_metric = frame["metric"] == metric
            values = torch.tensor(frame.loc[of_metric, "value"].tolist())
            own = labels[frame.loc[of_metric, "sample"].tolist()] == self.label
            yield {"arm": "class with the dot", "quantity": metric, "value": values[own].nanmean()}
            yield {"arm": "all classes", "quantity": metric, "value": values.nanmean()}


class RelicoAppA(Study, name="relico-appA"):
    """Is deletion good where a network looks at a dot?"""

    of, where = "relico", "Appendix A"
    title = "A red dot on every picture of one class"
    claim = "Deletion is far lower for the class with the dot, so it prefers networks that rely on little."
    worlds = {
        "tiny": dotted(TINY, 4),
        "small": dotted(SMALL, 6),
        "paper": dotted(IMAGENET_S, 6, recipe="relico:transform=squash"),
    }

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        model = at.trained("ce", seed)
        yield from at.measured(model, seed, "ce")
        for one in at.measured(model, seed, "ce", ("grad-cam",), ("insertion", "deletion"), accuracy=False):
            assert isinstance(one.cell, Measure)
            yield Reading(OfClass(one.cell, DOTTED), seed, names=one.names)

    def claims(self) -> Iterator[Claim]:
        yield Claim("deletion", "all classes", "class with the dot", 0.02)
        yield Claim("insertion", "all classes", "class with the dot", 0.02, main=False)

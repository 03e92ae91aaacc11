"""Errata: what a published conclusion owes to a defect of the code behind it.

    class ErrSoftmaxSign(OfTraining, name="err-softmax-sign"):
        defect = "…"                                            # in a sentence
        flaw, differs = {"nearest": False}, ("objective.nearest",)

Two arms, `as published` and `sound`, are two cells, and what is not in `differs` is the same in both: a test compares
them knob by knob. Two kinds of claims are made of them:

    effect        as published ≈ sound, in the numbers of the arms; where it does not hold, the defect matters
    conclusion    what the paper concludes, once by the numbers of each arm: does it survive?
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pellucid.studies._base import Study
from pellucid.studies._cells import Lab, Measure, Reading, Train, Work
from pellucid.studies._claims import Claim
from pellucid.studies._differs import differing
from pellucid.studies._worlds import SMALL, TINY, World

PUBLISHED, SOUND = "as published", "sound"
SIDES = (PUBLISHED, SOUND)


class Erratum(Study):
    """Abstract: the same measurement with a defect and without it."""

    kind: ClassVar[str] = "erratum"
    defect: ClassVar[str] = ""  # what the published code does
    differs: ClassVar[tuple[str, ...]] = ()  # knobs, or all under them, in which the cells of the two arms differ
    worlds: ClassVar[Mapping[str, World]] = {"tiny": TINY, "small": SMALL}

    def arm(self, side: str, seed: int) -> Any:
        """The cell that the side decides."""
        raise NotImplementedError

    def compared(self, side: str, seed: int) -> Measure | Work:
        """Whose rows are the side's: those of its cell, or some of them."""
        return self.arm(side, seed)

    def beside(self, side: str, seed: int) -> Sequence[Measure | Work]:
        """By what the paper's conclusion is drawn, where that needs more."""
        return ()

    def readings(self, seed: int) -> Iterator[Reading]:
        for side in SIDES:
            yield Reading(self.compared(side, seed), seed, side)
            for cell in self.beside(side, seed):
                yield Reading(cell, seed, setting=side)

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """What differs between the arms: as published, and sound."""
        return differing(self.arm(PUBLISHED, 0), self.arm(SOUND, 0))

    def more(self, frame: Any) -> dict[str, Any]:
        """The defect, what differs between the arms, and the effect on the number of the first claim."""
        first = next(self.claims())
        rows = frame[(frame["quantity"] == first.quantity) & (frame["setting"] == first.setting)]
        sides = [rows[rows["arm"] == side]["value"].to_numpy(float) for side in SIDES]
        changed = [[knob, str(a), str(b)] for knob, (a, b) in self.changed.items()]
        return {"defect": self.defect, "changed": changed, "effect": effect(*sides)}


def effect(one: Any, other: Any) -> float | None:
    """The difference of two means in standard deviations of the values; none where they have none.

    >>> import numpy as np
    >>> effect(np.array([1.0, 3.0]), np.array([2.0, 4.0])), effect(np.ones(2), np.zeros(2))
    (-1.0, None)
    """
    import numpy as np

    a, b = one[~np.isnan(one)], other[~np.isnan(other)]
    spread = float(np.sqrt((a.var() + b.var()) / 2)) if len(a) and len(b) else 0.0
    return float(a.mean() - b.mean()) / spread if spread > 0 else None


def survives(
    quantity: str, more: str, less: str | float, margin: float, setting: str = "", exact: bool = False
) -> Iterator[Claim]:
    """The published conclusion by the numbers of either arm."""
    for side in SIDES:
        at = " · ".join(filter(None, (side, setting)))
        yield Claim(quantity, more, less, margin, at, main=False, exact=exact)


# --- trainings --------------------------------------------------------------------------------------------------------


class OfTraining(Erratum):
    """Abstract: networks trained with a defect of the objective and without it, and how good their maps are."""

    objective: ClassVar[str] = "lico"
    rival: ClassVar[str] = "ce"  # that the paper says it is better than
    flaw: ClassVar[Mapping[str, Any]] = {}  # knobs of the objective, as published
    metrics: ClassVar[tuple[str, ...]] = ("insertion", "deletion")

    def arm(self, side: str, seed: int) -> Train:
        return self.world.trained(self.objective, seed, **(self.flaw if side == PUBLISHED else {}))

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        for side in SIDES:
            for one in at.measured(self.arm(side, seed), seed, side, ("grad-cam",), self.metrics):
                yield one
                yield replace(one, arm=self.objective, setting=side)
            for one in at.measured(at.trained(self.rival, seed), seed, self.rival, ("grad-cam",), self.metrics):
                yield replace(one, setting=side)

    def claims(self) -> Iterator[Claim]:
        yield Claim("accuracy", PUBLISHED, SOUND, 0.01, same=True)
        for metric in self.metrics:
            yield Claim(metric, PUBLISHED, SOUND, 0.01, "grad-cam", same=True, main=metric == self.metrics[0])
        yield from survives("accuracy", self.objective, self.rival, 0.005)
        yield from survives(self.metrics[0], self.objective, self.rival, 0.005, "grad-cam")


@dataclass(frozen=True)
class LastEpoch(Work):
    """What a training said of its last epoch."""

    model: Train
    names: tuple[str, ...]

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        last = self.model.told(lab)["rows"][-1]
        for name in self.names:
            yield {"quantity": name, "value": last[name]}


@dataclass(frozen=True)
class OneWay(Work):
    """The rows of some other work of one of its arms."""

    of: Work
    way: str
    bare: bool = False  # without its setting

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        left = ("arm", "setting") if self.bare else ("arm",)
        for row in self.of.frame(lab).to_dict("records"):
            if row["arm"] == self.way:
                yield {name: value for name, value in row.items() if name not in left}


# --- measurements -----------------------------------------------------------------------------------------------------


class OfNetworks(Erratum):
    """Abstract: networks looked at with a defect and without it; the paper speaks for the first."""

    networks: ClassVar[tuple[str, ...]] = ("lico", "ce")

    def arm(self, side: str, seed: int, network: str = "") -> Measure | Work:
        raise NotImplementedError

    def names(self, side: str) -> Mapping[str, str]:
        """Of explainers and metrics, what the rows of both arms are called."""
        return {}

    def trained(self, network: str, seed: int) -> Train:
        """A network; where none is named the first."""
        return self.world.trained(network or self.networks[0], seed)

    def readings(self, seed: int) -> Iterator[Reading]:
        for side in SIDES:
            names = self.names(side)
            yield Reading(self.arm(side, seed), seed, side, names=names)
            for network in self.networks:
                yield Reading(self.arm(side, seed, network), seed, network, side, names)


class OfMeasure(OfNetworks):
    """Abstract: maps and metrics with a defect and without it."""

    explainers: ClassVar[tuple[str, str]] = ("grad-cam", "grad-cam")  # as published, and sound
    metrics: ClassVar[Mapping[str, tuple[str, str]]] = {}  # by what the rows are called: as published, and sound
    setting: ClassVar[str] = "grad-cam"
    margin: ClassVar[float] = 0.01

    def arm(self, side: str, seed: int, network: str = "") -> Measure:
        i = SIDES.index(side)
        forms = tuple(both[i] for both in self.metrics.values())
        return Measure(self.trained(network, seed), self.world.maps, (self.explainers[i],), forms)

    def names(self, side: str) -> Mapping[str, str]:
        i = SIDES.index(side)
        return {forms[i]: name for name, forms in self.metrics.items()} | {self.explainers[i]: self.setting}

    def claims(self) -> Iterator[Claim]:
        for i, name in enumerate(self.metrics):
            yield Claim(name, PUBLISHED, SOUND, self.margin, self.setting, same=True, main=i == 0)
        for name in self.metrics:
            yield from self.concluded(name)

    def concluded(self, name: str) -> Iterator[Claim]:
        """The paper's conclusion from a number of which more, or less, is better."""
        from pellucid.metrics import Metric

        more, less = self.networks[:2]
        made = Metric.make(self.metrics[name][1])
        best = (more, less) if made.better == "higher" else (less, more)
        yield from survives(name, *best, self.margin / 2, self.setting)

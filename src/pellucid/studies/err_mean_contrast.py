"""Errata of class contrast: a mean that is a sum.

    published   y_t − Σ_{s≠t} y_s, as the formula is printed: C − 1 times as much of the others as of the class
    sound       y_t − mean_{s≠t} y_s

With many classes the sum's sign is that of the others alone: pictures move away from everything.

>>> print(next(ErrMeanContrast().claims()))
sign-perturbation:epsilon=0.02: as published ≈ sound
"""

from collections.abc import Iterator

from pellucid.studies._cells import Measure, Reading
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import SMALL_PICTURES, THINGS, OfContrast
from pellucid.studies._errata import PUBLISHED, SIDES, SOUND, Erratum
from pellucid.studies._worlds import said
from pellucid.studies.recc_f1 import CHANGES, quantity

FAR = 0.02


class ErrMeanContrast(Erratum, OfContrast, name="err-mean-contrast", paper="arXiv:2501.11096"):
    """What mean contrast owes to a forgotten average"""

    where = "equation of mean contrast; figure 1"
    title = "What mean contrast owes to a forgotten average"
    defect = "The logits of the other classes are summed, not averaged."
    claim = "Mean contrast moves a decision as the gradient of the logit does."
    differs = tuple(f"metrics.{i}.along" for i in range(len(CHANGES)))
    worlds = {"tiny": THINGS, "small": SMALL_PICTURES}

    def arm(self, side: str, seed: int) -> Measure:
        return Measure(
            self.at.trained("ce", seed), self.at.test, (), tuple(self._forms("sum" if side == PUBLISHED else "mean"))
        )

    def _forms(self, along: str) -> dict[str, str]:
        return {
            said("sign-perturbation", along=along, change=change, epsilon=FAR): quantity(change, FAR)
            for change in CHANGES
        }

    def readings(self, seed: int) -> Iterator[Reading]:
        plain = Measure(self.at.trained("ce", seed), self.at.test, (), tuple(self._forms("original")))
        for side, along in zip(SIDES, ("sum", "mean"), strict=True):
            cell, names = self.arm(side, seed), self._forms(along)
            yield Reading(cell, seed, side, names=names)
            yield Reading(cell, seed, "mean", side, names)
            yield Reading(plain, seed, "original", side, self._forms("original"))

    def claims(self) -> Iterator[Claim]:
        accuracy, probability, _ = (quantity(change, FAR) for change in CHANGES)
        yield Claim(probability, PUBLISHED, SOUND, 0.01, same=True)
        yield Claim(accuracy, PUBLISHED, SOUND, 0.01, same=True, main=False)
        for side in SIDES:
            yield Claim(probability, "mean", "original", 0.01, side, same=True, main=False)

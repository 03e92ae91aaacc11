"""Errata of LICO: a temperature that runs away.

    published   1/τ is trained with everything else, without bounds
    sound       1/τ is fixed at the first batch

With τ → ∞ both adjacencies are even and matching them costs nothing, without a feature having moved: a training that
may choose does. `scale` is 1/τ at the end; where it is near zero, manifold matching has been switched off.

>>> print(next(ErrTemperature().claims()))
accuracy: as published ≈ sound
"""

from collections.abc import Iterator

from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._errata import PUBLISHED, SIDES, SOUND, LastEpoch, OfTraining


class ErrTemperature(OfTraining, name="err-temperature", paper="arXiv:2310.09821"):
    """What LICO owes to a temperature that is trained"""

    of, where = "lico", "section 3.2; code"
    title = "What LICO owes to a temperature that is trained"
    defect = "The temperature of manifold matching is trained, and runs away."
    claim = "LICO is more accurate than cross-entropy, and its maps are better."
    flaw = {"temperature": "free"}
    differs = ("objective.temperature",)

    def readings(self, seed: int) -> Iterator[Reading]:
        yield from super().readings(seed)
        for side in SIDES:
            yield Reading(LastEpoch(self.arm(side, seed), ("scale", "mm")), seed, side)

    def claims(self) -> Iterator[Claim]:
        yield from super().claims()
        yield Claim("scale", PUBLISHED, SOUND, 1.0, same=True, main=False)
        yield Claim("mm", PUBLISHED, SOUND, 0.001, same=True, main=False)

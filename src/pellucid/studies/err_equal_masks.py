"""Errata of class contrast: as many pixels are taken out as should have been kept.

    published   keep=positive takes out min(#{S_o > 0}, #{S_w > 0}) pixels,
                keep=negative max(#{S_o < 0}, #{S_w < 0}) − 1
    sound       the smaller of the two numbers is what is kept

Where half of a map is positive that is nearly the same; where a fifth is, most of what is kept has the other sign.

>>> print(next(ErrEqualMasks().claims()))
relative-probability (grad-cam): as published ≈ sound
"""

from collections.abc import Iterator

from pellucid.studies._cells import Measure, Reading
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import BESIDE, SMALL_PICTURES, OfContrast
from pellucid.studies._errata import PUBLISHED, SIDES, SOUND, Erratum, survives
from pellucid.studies._worlds import said
from pellucid.studies.recc_t1 import KEEP, METRIC, quantity


class ErrEqualMasks(Erratum, OfContrast, name="err-equal-masks", paper="arXiv:2501.11096"):
    """What relative probability owes to counting what should be kept as what is taken out"""

    where = "code; table 1"
    title = "What relative probability owes to counting what should be kept as what is taken out"
    defect = "The number of pixels of the kept sign is the number of pixels taken out."
    claim = "Weighted contrast finds the pixels for a class, and those against it, better than the map of the logit."
    differs = ("metrics.0.counts", "metrics.1.counts")
    worlds = {"tiny": BESIDE, "small": SMALL_PICTURES}

    def arm(self, side: str, seed: int, ask: str = "weighted") -> Measure:
        at = self.at
        return Measure(at.trained("ce", seed), at.test, tuple(at.cams("grad-cam")), tuple(self._forms(side, ask)))

    def _forms(self, side: str, ask: str) -> dict[str, str]:
        own, counts = None if ask == "weighted" else ask, "published" if side == PUBLISHED else None
        return {said(METRIC, ask=own, keep=keep, counts=counts): quantity(keep) for keep in KEEP}

    def readings(self, seed: int) -> Iterator[Reading]:
        for side in SIDES:
            for ask in ("weighted", "original"):
                names = self.at.cams("grad-cam") | self._forms(side, ask)
                cell = self.arm(side, seed, ask)
                yield Reading(cell, seed, ask, side, names)
                if ask == "weighted":
                    yield Reading(cell, seed, side, names=names)

    def claims(self) -> Iterator[Claim]:
        for keep in KEEP:
            yield Claim(quantity(keep), PUBLISHED, SOUND, 0.01, "grad-cam", same=True)
        yield from survives(quantity(), "weighted", "original", 0.01, "grad-cam")
        yield from survives(quantity("negative"), "original", "weighted", 0.01, "grad-cam")

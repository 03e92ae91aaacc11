"""An open question: is weighted contrast still better when something else than probability is the judge?

The papers score maps by relative probability, which is made of the very quantity that weighted contrast is the gradient
of. Here the truth is the judge: where the object is; and how soon the answer changes.

>>> print(next(OpenWeighted().claims()))
sch (hires-cam): weighted > original
"""

from collections.abc import Iterator

from pellucid.studies._cells import Measure, Reading
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import BESIDE, CAMS, SMALL_PICTURES, OfContrast
from pellucid.studies._open import Open

METRICS = ("sch", "pointing-game", "insertion", "deletion")
ASKS = {"original": "logit", "weighted": "contrast"}


class OpenWeighted(Open, OfContrast, name="open-weighted", paper="arXiv:2501.11096"):
    """Is weighted contrast better by other judges too?"""

    title = "Is weighted contrast still better when something else than probability is the judge?"
    claim = "Maps of weighted contrast lie more on the object than those of the logit."
    worlds = {"tiny": BESIDE, "small": SMALL_PICTURES}

    @property
    def judges(self) -> tuple[str, ...]:
        """Of data without outlines those that need none."""
        return METRICS if self.scale == "tiny" else METRICS[2:]

    def readings(self, seed: int) -> Iterator[Reading]:
        at, cams = self.at, self.at.cams(*CAMS)  # the maps of recc-t1
        for arm, ask in ASKS.items():
            cell = Measure(at.trained("ce", seed), at.maps, tuple(cams), self.judges, ask)
            yield Reading(cell, seed, arm, names=cams)

    def claims(self) -> Iterator[Claim]:
        for cam in CAMS:
            for judge in self.judges:
                best = ("original", "weighted") if judge == "deletion" else ("weighted", "original")
                yield Claim(judge, *best, 0.005, cam, main=cam == "grad-cam" and judge == self.judges[0])

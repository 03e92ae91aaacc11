"""Class contrast reproduced, table 2: what of it is left where one class dominates?

p₂ < 0.1:  kept what speaks for t₁:  weighted ≈ original        kept what speaks against it:  weighted < original

Grad-CAM, the likeliest class, three baselines. `tiny` has 6 classes, of which one dominates in every fourth picture or
so, and things of other classes beside; maps of 6 × 6 cells leave little that speaks against a class.

>>> print(next(ReccT2().claims()))
relative-probability:p2=below (grad-cam): weighted ≈ original
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from pellucid.studies._cells import Measure, Reading
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import BESIDE, BIRDS, SMALL_PICTURES, THINGS, OfContrast
from pellucid.studies._worlds import said

METRIC, CAM = "relative-probability", "grad-cam"
KEEP, BASELINE = (None, "negative"), (None, "zeros", "mean")


def quantity(keep: str | None = None, baseline: str | None = None) -> str:
    """What the rows are called, whoever is asked."""
    return said(METRIC, keep=keep, baseline=baseline, p2="below")


class ReccT2(OfContrast, name="recc-t2", paper="arXiv:2501.11096"):
    """Is there anything to contrast where one class dominates?"""

    where = "Table 2"
    title = "What is left of a class that dominates when only what speaks for it, or against it, is kept"
    claim = (
        "Where one class dominates, weighted contrast differs from the map of the logit only by what speaks against."
    )
    worlds = {
        "tiny": replace(
            BESIDE,
            train="scenes:classes=6,size=48,length=480",
            test="scenes:classes=6,size=48,length=400,seed=1,distractors=3",
            recipe=THINGS.recipe,
        ),
        "small": SMALL_PICTURES,
        "paper": BIRDS,
    }

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.at
        model, cam = at.trained("ce", seed), at.cams(CAM)
        for arm in ("original", "weighted", "random"):
            names = {
                said(METRIC, ask=None if arm == "weighted" else arm, keep=keep, baseline=baseline, p2="below",
                     protocol=at.protocol): quantity(keep, baseline)
                for keep, baseline in product(KEEP, BASELINE)
            }  # fmt: skip
            yield Reading(Measure(model, at.test, tuple(cam), tuple(names)), seed, arm, names=cam | names)
        whole = Measure(model, at.test, ("random-map",), (said(METRIC, p2="below"),))
        intact = {said(METRIC, p2="below"): f"intact-{METRIC}:of=first", "random-map": CAM}
        yield Reading(whole, seed, "none", names=intact)

    def claims(self) -> Iterator[Claim]:
        for baseline in BASELINE:
            main = baseline is None
            yield Claim(quantity(baseline=baseline), "weighted", "original", 0.01, CAM, same=True, main=main)
            yield Claim(quantity("negative", baseline), "original", "weighted", 0.01, CAM, main=main)

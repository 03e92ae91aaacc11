"""Class contrast reproduced, table 1: which pixels decide between the two likeliest classes?

kept what speaks for t:       p(t | t₁, t₂) by weighted > by original
kept what speaks against t:   p(t | t₁, t₂) by weighted < by original

Three explainers, both classes, three baselines; pictures with p₂ > 0.1. Beside them two controls: as many pixels
anywhere (`random`), and the intact picture. The paper's numbers are those of the published masks; `tiny` and `small`
keep what the text says (`protocol=sound`). `tiny` has 8 classes, things of other classes
beside, and maps of 6 × 6 cells: what is kept is coarse, and rivals stand apart as the parts of a bird do not. `small`
is CIFAR-100.

>>> print(next(ReccT1().claims()))
relative-probability (hires-cam): weighted > original
"""

from collections.abc import Iterator
from itertools import product

from pellucid.studies._cells import Measure, Reading
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import BESIDE, BIRDS, CAMS, SMALL_PICTURES, OfContrast
from pellucid.studies._worlds import said

METRIC, INTACT = "relative-probability", "random-map"  # of a map without negatives nothing is removed
KEEP, OF, BASELINE = (None, "negative"), (None, "second"), (None, "zeros", "mean")


def quantity(keep: str | None = None, of: str | None = None, baseline: str | None = None) -> str:
    """What the rows are called, whoever is asked."""
    return said(METRIC, keep=keep, of=of, baseline=baseline)


class ReccT1(OfContrast, name="recc-t1", paper="arXiv:2501.11096"):
    """Does a class stand or fall with the pixels by which it differs from its rival?"""

    where = "Table 1"
    title = "What is left of a class when only what speaks for it, or against it, is kept"
    claim = (
        "Weighted contrast finds the pixels for a class, and those against it, better than the map of the logit does, "
        "for both likeliest classes."
    )
    worlds = {"tiny": BESIDE, "small": SMALL_PICTURES, "paper": BIRDS}

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.at
        model, cams = at.trained("ce", seed), at.cams(*CAMS)
        for arm in ("original", "weighted", "random"):
            names = {
                said(METRIC, ask=None if arm == "weighted" else arm, keep=keep, of=of, baseline=baseline,
                     protocol=at.protocol): quantity(keep, of, baseline)
                for keep, of, baseline in product(KEEP, OF, BASELINE)
            }  # fmt: skip
            yield Reading(Measure(model, at.test, tuple(cams), tuple(names)), seed, arm, names=cams | names)
        whole = Measure(model, at.test, (INTACT,), tuple(quantity(of=of) for of in OF))
        for cam in CAMS:
            intact = {quantity(of=of): said(f"intact-{METRIC}", of=of or "first") for of in OF}
            yield Reading(whole, seed, "none", names=intact | {INTACT: cam})
        for keep in KEEP:
            names = {quantity(of=of): quantity(keep, of) for of in OF}
            yield Reading(whole, seed, "intact", names=names | {INTACT: "grad-cam"})

    def claims(self) -> Iterator[Claim]:
        for cam, of in product(CAMS, OF):
            yield Claim(quantity(of=of), "weighted", "original", 0.01, cam)
            yield Claim(quantity("negative", of), "original", "weighted", 0.01, cam)
        for other, of in product(("random", "intact"), OF):
            yield Claim(quantity(of=of), "weighted", other, 0.01, "grad-cam", main=False)
            yield Claim(quantity("negative", of), other, "weighted", 0.01, "grad-cam", main=False)
        for baseline, of in product(BASELINE[1:], OF):
            yield Claim(quantity(of=of, baseline=baseline), "weighted", "original", 0.01, "grad-cam", main=False)
            against = quantity("negative", of, baseline)
            yield Claim(against, "original", "weighted", 0.01, "grad-cam", main=False)

"""Class contrast reproduced, figure 4: how do the ways to contrast differ?

cos(mean, original) > 0.99,   max of t₁ = −max of t₂,   weighted: between them        Grad-CAM, pictures with p₃ > 0.1

At `tiny` there are 27 classes and not 200, so mean takes more away of each.

>>> print(next(ReccF4().claims()))
likeness (grad-cam): mean > 0.99
"""

from collections.abc import Iterator

from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import BIRDS, SMALL_PICTURES, THINGS, OfContrast, Rivals

CAM = "grad-cam"


class ReccF4(OfContrast, name="recc-f4", paper="arXiv:2501.11096"):
    """How much does it matter against whom one contrasts?"""

    where = "Figure 4"
    title = "Mean, max and weighted contrast of the three likeliest classes"
    claim = (
        "Mean contrast is almost the map of the logit; by max contrast the two likeliest classes are each other's "
        "inverse, and by weighted contrast nearly so, with the third in view."
    )
    seen = "The third class: by max it is set against the first alone, by weighted against both."
    worlds = {"tiny": THINGS, "small": SMALL_PICTURES, "paper": BIRDS}

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.at
        for explainer in at.cams(CAM):
            yield Reading(Rivals(at.trained("ce", seed), at.test, explainer, classes=3), seed)

    def claims(self) -> Iterator[Claim]:
        yield Claim("likeness", "mean", 0.99, 0.0, CAM)
        yield Claim("opposition", "max", 0.999, 0.0, CAM)
        yield Claim("likeness", "mean", "weighted", 0.02, CAM)
        yield Claim("opposition", "weighted", 0.0, 0.02, CAM, main=False)

"""Class contrast reproduced, figure 2: do the maps of the two likeliest classes agree?

r(M_t₁, M_t₂) > 0 by original,  < 0 by weighted        pictures with p₂ > 0.1

and of the original Grad-CAM, read in front of the last normalisation, more is negative than positive. The paper shows
pictures; the limits of zero and of a half are ours. `tiny` has 8 classes, and
things of other classes beside: rivals stand apart there, as the parts of a bird do not.

>>> print(next(ReccF2().claims()))
agreement (hires-cam): original > 0.0
"""

from collections.abc import Iterator

from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import BESIDE, BIRDS, CAMS, SMALL_PICTURES, OfContrast, Rivals


class ReccF2(OfContrast, name="recc-f2", paper="arXiv:2501.11096"):
    """Do the maps of two rivals say the same?"""

    where = "Figure 2"
    title = "Maps of the two likeliest classes, by the logit and by weighted contrast"
    claim = "By the logit the maps of both classes are much alike; by weighted contrast they are almost complementary."
    seen = "The two columns of a picture: the same blobs twice by the logit, and red turned into blue by contrast."
    worlds = {"tiny": BESIDE, "small": SMALL_PICTURES, "paper": BIRDS}

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.at
        for explainer in at.cams(*CAMS):
            yield Reading(Rivals(at.trained("ce", seed), at.test, explainer), seed)

    def claims(self) -> Iterator[Claim]:
        for cam in CAMS:
            yield Claim("agreement", "original", 0.0, 0.02, cam)
            yield Claim("opposition", "weighted", 0.0, 0.02, cam)
        yield Claim("negative-share", "original", 0.5, 0.02, "grad-cam", main=False)

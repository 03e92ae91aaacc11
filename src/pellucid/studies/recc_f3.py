"""Class contrast reproduced, figure 3: is FullGrad without its absolute value negative all over?

the share of M below zero > 0.95, by original and by weighted        pictures with p₂ > 0.1

and, once a map is shown about its own middle, the rivals differ by weighted contrast as in figure 2. Every layer's part
is enlarged as it is, without the division that keeps its sum: so the paper's. Which sign the biases of a network have
is its own affair, so a network of four layers at `tiny` may well say otherwise than VGG-16.

>>> print(next(ReccF3().claims()))
negative-share (fullgrad): original > 0.95
"""

from collections.abc import Iterator

from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import BESIDE, BIRDS, SMALL_PICTURES, OfContrast, Rivals


class ReccF3(OfContrast, name="recc-f3", paper="arXiv:2501.11096"):
    """Has a signed FullGrad two signs?"""

    where = "Figure 3"
    title = "FullGrad of the two likeliest classes, by the logit and by weighted contrast"
    claim = "Without its absolute value FullGrad is negative all over, whichever way it is asked."
    seen = "Finer grains than those of figure 2, at the same places."
    worlds = {"tiny": BESIDE, "small": SMALL_PICTURES, "paper": BIRDS}

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.at
        yield Reading(Rivals(at.trained("ce", seed), at.maps, "fullgrad:rectify=false,mass=false"), seed)

    def claims(self) -> Iterator[Claim]:
        for arm in ("original", "weighted"):
            yield Claim("negative-share", arm, 0.95, 0.0, "fullgrad")
        yield Claim("agreement", "original", "weighted", 0.02, "fullgrad", main=False)

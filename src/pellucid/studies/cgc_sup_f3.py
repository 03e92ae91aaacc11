"""CGC, supplement, figure 3: aircraft, and the water below them.

share of the map in the aircraft's box:  CGC > CE          entropy of the map:  CE > CGC

The training is that of `lico-finegrained` for both. At tiny and small, the kinds of scenes of figure 1, but in training
most of a kind stand on one ground, as seaplanes do on water; in the test they stand on any.

>>> print(next(CgcSupF3().claims()))
ch (grad-cam): cgc > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._figures import FINE_MAPS, cgc_maps

AT = FINE_MAPS["aircraft"]


class CgcSupF3(Study, name="cgc-sup-f3", paper="arXiv:2110.00527"):
    """Does CGC look at the aircraft, and not at what is around it?"""

    of, where = "cgc-sup", "Figure 3"
    title = "Maps of aircraft, without and with CGC"
    claim = "CGC's maps lie on the most discriminative part of the aircraft, the baseline's on the water too."
    seen = "With CGC water, sky and ground should stay cold."
    worlds = {
        "tiny": AT["tiny"].but(train=f"{AT['tiny'].train},correlation=0.8"),
        "small": AT["small"].but(train=f"{AT['small'].train},correlation=0.8"),
        "paper": AT["paper"],
    }

    def readings(self, seed: int) -> Iterator[Reading]:
        return cgc_maps(self.world, seed, "ch", "entropy")

    def claims(self) -> Iterator[Claim]:
        yield Claim("ch", "cgc", "ce", 0.01, "grad-cam")
        yield Claim("entropy", "ce", "cgc", 0.005, "grad-cam", main=False)

"""CGC, supplement, figure 2: cars, and other things beside them.

share of the map in the car's box:  CGC > CE

In the figure the baseline is led astray by a fighter jet beside the car; another picture is a failure of CGC. At tiny
and small, scenes with up to three smaller things of other classes beside the labelled one, by networks that have
learned from scenes of one; at paper all test pictures, of which nobody knows what is beside the cars.

>>> print(next(CgcSupF2().claims()))
ch (grad-cam): cgc > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._figures import FINE_MAPS, cgc_maps
from pellucid.studies._worlds import SMALL, TINY


class CgcSupF2(Study, name="cgc-sup-f2", paper="arXiv:2110.00527"):
    """Does CGC leave alone what stands beside the object?"""

    of, where = "cgc-sup", "Figure 2"
    title = "Maps of cars, without and with CGC"
    claim = "CGC's maps lie on the car alone, the baseline's on things beside it too."
    seen = "With CGC the things beside the labelled one should stay cold."
    worlds = {
        "tiny": TINY.but(maps=f"{TINY.maps},distractors=3"),
        "small": SMALL.but(maps=f"{SMALL.maps},distractors=3"),
        "paper": FINE_MAPS["cars"]["paper"],
    }

    def readings(self, seed: int) -> Iterator[Reading]:
        return cgc_maps(self.world, seed, "ch")

    def claims(self) -> Iterator[Claim]:
        yield Claim("ch", "cgc", "ce", 0.01, "grad-cam")

"""CGC, supplement, figure 1: birds, of which the head is enough.

entropy of the map:  CE > CGC          share of the map in the bird's box:  CGC > CE

The baseline looks at the whole bird, CGC at its head: a narrower map that is still on the bird. The training is that of
`lico-finegrained` for both, of which the supplement says nothing. At tiny and small, kinds of scenes that share shapes,
colours and textures; nothing on them is a head, and no single part tells the kind.

>>> print(next(CgcSupF1().claims()))
entropy (grad-cam): ce > cgc
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._figures import FINE_MAPS, cgc_maps


class CgcSupF1(Study, name="cgc-sup-f1", paper="arXiv:2110.00527"):
    """Does CGC find the part that tells the kind?"""

    of, where = "cgc-sup", "Figure 1"
    title = "Maps of birds, without and with CGC"
    claim = "The baseline's maps cover the whole bird, those of CGC the part that tells its kind, as the head."
    seen = "With CGC a map should lie on the head alone, where the name of the kind speaks of the head."
    worlds = FINE_MAPS["cub"]

    def readings(self, seed: int) -> Iterator[Reading]:
        return cgc_maps(self.world, seed, "ch", "entropy")

    def claims(self) -> Iterator[Claim]:
        yield Claim("entropy", "ce", "cgc", 0.005, "grad-cam")
        yield Claim("ch", "cgc", "ce", 0.01, "grad-cam", main=False)

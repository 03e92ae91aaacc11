"""CGC, supplement, figure 4: ImageNet, and what is behind the object.

share of the map in the boxes:  CGC > CE          SES, whether a map follows the picture when that is cut:  CGC > CE

SES is not of the figure, but what CGC trains for; it is beside. At tiny and small, scenes whose grounds gave the class
away in training and do not in the test.

>>> print(next(CgcSupF4().claims()))
ch (grad-cam): cgc > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._figures import cgc_maps
from pellucid.studies._worlds import IMAGENET, SMALL, TINY

PUBLISHED = {"ch": "ch:protocol=published", "ses": "ses:protocol=published"}


class CgcSupF4(Study, name="cgc-sup-f4", paper="arXiv:2110.00527"):
    """Does CGC keep a network from looking at the background?"""

    of, where = "cgc-sup", "Figure 4"
    title = "Maps of ImageNet's pictures, without and with CGC"
    claim = "CGC's maps do not rely on the background, but lie on the most discriminative regions of the object."
    seen = "With CGC a fish should be hot, and the person who holds it cold."
    worlds = {"tiny": TINY, "small": SMALL, "paper": IMAGENET.but(forms=PUBLISHED)}

    def readings(self, seed: int) -> Iterator[Reading]:
        return cgc_maps(self.world, seed, "ch", "ses")

    def claims(self) -> Iterator[Claim]:
        yield Claim("ch", "cgc", "ce", 0.01, "grad-cam")
        yield Claim("ses", "cgc", "ce", 0.02, "grad-cam", main=False)

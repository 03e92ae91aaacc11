"""CGC, supplement, figure 5: maps of CGC without other pictures.

entropy of the map, 1 where it is even:  CGC without negatives > CE, CGC

The figure belongs to a table of the paper itself, like that of the supplement; the networks are those of the latter, on
ImageNet-100. At tiny, scenes take the place of ImageNet-100 and a small network that of ResNet-50: a map of four by
four cells, enlarged, is never narrow.

>>> print(next(CgcSupF5().claims()))
entropy (grad-cam): cgc without negatives > cgc
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._figures import cgc_maps
from pellucid.studies.cgc_sup_t1 import ALONE, CgcSupT1


class CgcSupF5(Study, name="cgc-sup-f5", paper="arXiv:2110.00527"):
    """Do maps become flat where they need not differ?"""

    of, where = "cgc-sup", "Figure 5"
    title = "Maps of CGC without other pictures"
    claim = "Without negatives CGC's maps are uniform, spread across the picture."
    seen = "Without negatives a map should be nearly the same everywhere."
    worlds = CgcSupT1.worlds

    def readings(self, seed: int) -> Iterator[Reading]:
        return cgc_maps(self.world, seed, "entropy", "sparseness", arms=("ce", "cgc", ALONE))

    def claims(self) -> Iterator[Claim]:
        for other in ("cgc", "ce"):
            yield Claim("entropy", ALONE, other, 0.01, "grad-cam")
            yield Claim("sparseness", other, ALONE, 0.02, "grad-cam", main=False)

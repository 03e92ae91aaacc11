"""LICO, figure 5: fine local features.

share of the map in the object's box:  LICO > CE          entropy of the map:  CE > LICO

The paper shows pictures with their curves. Local is asked by how much of a map lies on the object, fine by how narrow
it is, which is against figure 3 where one takes that at its word: comprehensive maps are wide ones. At tiny and small a
post hides two fifths of the thing, and the box is that of what is left: parts are all there is to be found, but no
scene has a foot or a head.

>>> print(next(LicoFig5().claims()))
ch (grad-cam): lico > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._figures import SHOWN, lico_maps
from pellucid.studies._worlds import IMAGENET, SMALL, TINY


class LicoFig5(Study, name="lico-fig5", paper="arXiv:2310.09821"):
    """Does LICO find the fine parts of an object?"""

    of, where = "lico", "Figure 5"
    title = "Fine local features"
    claim = "With LICO maps lie on fine local features of the object, as a foot or a head."
    seen = "With LICO a map should have its peaks on parts by which one would know the object."
    worlds = {
        "tiny": TINY.but(maps=f"{TINY.maps},occlusion=0.4"),
        "small": SMALL.but(maps=f"{SMALL.maps},occlusion=0.4"),
        "paper": IMAGENET,
    }

    def readings(self, seed: int) -> Iterator[Reading]:
        return lico_maps(self.world, seed, "ch", "entropy", "insertion", "deletion")

    def claims(self) -> Iterator[Claim]:
        for setting in SHOWN:
            yield Claim("ch", "lico", "ce", 0.01, setting)
            yield Claim("entropy", "ce", "lico", 0.005, setting, main=False)
            yield Claim("insertion", "lico", "ce", 0.005, setting, main=False)
            yield Claim("deletion", "ce", "lico", 0.005, setting, main=False)

"""LICO, figure 7: pictures with objects of several classes.

share of the map in the boxes of the class that is asked for:  LICO > CE

At tiny and small, scenes with up to three smaller things of other classes beside the labelled one, by networks that
have learned from scenes of one. At paper, all pictures of the sample: ImageNet's boxes are those of the label alone, so
that nobody knows in which there are other things.

>>> print(next(LicoFig7().claims()))
ch (grad-cam): lico > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._figures import SHOWN, lico_maps
from pellucid.studies._worlds import IMAGENET, SMALL, TINY


class LicoFig7(Study, name="lico-fig7", paper="arXiv:2310.09821"):
    """Does LICO keep to the class it is asked for, among others?"""

    of, where = "lico", "Figure 7"
    title = "Pictures with objects of several classes"
    claim = "With LICO maps lie more accurately on the objects of the class that is asked for."
    seen = "With LICO the things of other classes should stay cold."
    worlds = {
        "tiny": TINY.but(maps=f"{TINY.maps},distractors=3"),
        "small": SMALL.but(maps=f"{SMALL.maps},distractors=3"),
        "paper": IMAGENET,
    }

    def readings(self, seed: int) -> Iterator[Reading]:
        return lico_maps(self.world, seed, "ch")

    def claims(self) -> Iterator[Claim]:
        for setting in SHOWN:
            yield Claim("ch", "lico", "ce", 0.01, setting)

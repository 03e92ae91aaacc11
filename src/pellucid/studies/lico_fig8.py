"""LICO, figure 8: several objects of one class.

IoU of the highest part of the map and the objects:  LICO > CE          MOSU:  CE > LICO  (lower is better)

MOSU is how unequally the objects share the map. The pictures are those of figure 6: with two objects of the class or
more, at tiny and small scenes of two or three equal things, by networks that have learned from scenes of one. There the
things are so alike that already CE shares its map out evenly, and MOSU, which leaves it nothing to gain, is beside.

>>> print(next(LicoFig8().claims()))
iou (grad-cam): lico > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._figures import CROWDS, SHOWN, lico_maps


class LicoFig8(Study, name="lico-fig8", paper="arXiv:2310.09821"):
    """Does LICO see all objects of a class?"""

    of, where = "lico", "Figure 8"
    title = "Pictures with several objects of one class"
    claim = "With LICO maps capture more of the objects than without."
    seen = "With LICO no object of the class should be left cold."
    worlds = CROWDS

    def readings(self, seed: int) -> Iterator[Reading]:
        return lico_maps(self.world, seed, "mosu", "iou", "insertion", "deletion", several=True)

    def claims(self) -> Iterator[Claim]:
        for setting in SHOWN:
            yield Claim("iou", "lico", "ce", 0.01, setting)
            yield Claim("mosu", "ce", "lico", 0.01, setting, main=False)

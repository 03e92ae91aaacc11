"""LICO, figure 6: its failures, pictures with several objects of the class.

insertion:  CE > LICO          deletion:  LICO > CE          though MOSU:  CE > LICO          (lower is better)

Maps that reach all objects are said to be worse in insertion and deletion, and the pictures are those where it is so:
whether it is so of pictures with several objects in general is asked here. Of each scale's pictures, those with two
objects of the class or more; at tiny and small, scenes of two or three equal things, by networks that have learned from
scenes of one.

>>> print(next(LicoFig6().claims()))
insertion (grad-cam): ce > lico
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._figures import CROWDS, SHOWN, lico_maps


class LicoFig6(Study, name="lico-fig6", paper="arXiv:2310.09821"):
    """Are maps that reach all objects worse in insertion and deletion?"""

    of, where = "lico", "Figure 6"
    title = "Pictures with several objects: where LICO fails"
    claim = "With LICO maps reach all objects of a class, and have lower insertion and higher deletion."
    seen = "With LICO every object should have a peak of its own."
    worlds = CROWDS

    def readings(self, seed: int) -> Iterator[Reading]:
        return lico_maps(self.world, seed, "mosu", "iou", "insertion", "deletion", several=True)

    def claims(self) -> Iterator[Claim]:
        for setting in SHOWN:
            yield Claim("insertion", "ce", "lico", 0.005, setting)
            yield Claim("deletion", "lico", "ce", 0.005, setting)
            yield Claim("mosu", "ce", "lico", 0.01, setting, main=False)

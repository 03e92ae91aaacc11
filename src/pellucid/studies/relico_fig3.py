"""The reproduction of LICO, figure 3: maps of pictures drawn by chance, without and with LICO.

share of the map on the object:  CE > LICO          entropy, mass at the border:  LICO > CE

The study looks at pictures and finds the maps of LICO no less on what does not matter, but more. It draws them from
CIFAR-100 too, of which no outlines are known; at paper it is ImageNet-S50 alone. At tiny, scenes whose grounds told the
class in training and do not in the test: what does not matter is the ground.

>>> print(next(RelicoFig3().claims()))
sch (grad-cam): ce > lico
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import RELICO


class RelicoFig3(Study, name="relico-fig3"):
    """Do LICO's maps look better to others?"""

    of, where = "relico", "Figure 3"
    title = "Maps of pictures drawn by chance"
    claim = "LICO's maps are not less on spurious features; the opposite can generally be seen."
    seen = "Do the maps of LICO lie more on the thing, or on what is around it, and on the edges of the picture?"
    worlds = RELICO

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        for arm in ("ce", "lico"):
            model = at.trained(arm, seed)
            for metric in ("sch", "border-mass", "entropy"):
                yield from at.measured(model, seed, arm, ("grad-cam",), (metric,), accuracy=False)

    def claims(self) -> Iterator[Claim]:
        yield Claim("sch", "ce", "lico", 0.01, "grad-cam")
        yield Claim("entropy", "lico", "ce", 0.005, "grad-cam", main=False)
        yield Claim("border-mass", "lico", "ce", 0.02, "grad-cam", main=False)

"""The reproduction of LICO, figure 3: saliency at the border of the picture.

mass of the map in the frame of a tenth:  LICO > CE

A map that is the same everywhere has 0.36 there. At tiny, scenes take the place of CIFAR-100 and ImageNet-S50; their
things are at the border more often than those of photographs.

>>> print(next(RelicoBorder().claims()))
border-mass (grad-cam): lico > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import RELICO


class RelicoBorder(Study, name="relico-border"):
    """Do LICO's maps lie at the border, where nothing is?"""

    of, where = "relico", "Figure 3"
    title = "Saliency at the border of the picture"
    claim = "LICO's maps show artefacts around the border that the baseline's do not."
    seen = "Look at the outermost cells of the maps: are they hot where there is only ground?"
    worlds = RELICO

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        for arm in ("ce", "lico"):
            model = at.trained(arm, seed)
            yield from at.measured(model, seed, arm, ("grad-cam",), ("border-mass",), accuracy=False)

    def claims(self) -> Iterator[Claim]:
        yield Claim("border-mass", "lico", "ce", 0.02, "grad-cam")

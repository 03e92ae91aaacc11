"""Errata of class contrast: a layer in front of its normalisation.

    published   maps are made of the last convolution's output, before BatchNorm and ReLU: signed numbers around nowhere
    sound       of the block's output, behind both

The paper lays the large negative areas of its maps to the missing ReLU of the map; that the activations themselves are
negative in front of the normalisation is another cause.

>>> print(next(ErrLayer().claims()))
negative-share (grad-cam): as published ≈ sound
"""

from collections.abc import Iterator

from pellucid.studies._cells import Measure, Reading
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import BESIDE, SMALL_PICTURES, OfContrast, Rivals
from pellucid.studies._errata import PUBLISHED, SIDES, SOUND, Erratum, OneWay, survives
from pellucid.studies._worlds import said
from pellucid.studies.recc_t1 import METRIC, quantity


class ErrLayer(Erratum, OfContrast, name="err-layer", paper="arXiv:2501.11096"):
    """What signed maps owe to a layer in front of its normalisation"""

    where = "code; table 1, figure 2"
    title = "What signed maps owe to a layer in front of its normalisation"
    defect = "Maps are made of a convolution's output before BatchNorm and ReLU."
    claim = "Weighted contrast finds the pixels for a class better than the map of the logit."
    differs = ("explainer.layer",)
    worlds = {"tiny": BESIDE, "small": SMALL_PICTURES}

    def explainer(self, side: str) -> str:
        """Grad-CAM without a ReLU, there."""
        return said("grad-cam", layer=self.at.layer if side == PUBLISHED else None, relu=False)

    def arm(self, side: str, seed: int) -> Rivals:
        return Rivals(self.at.trained("ce", seed), self.at.test, self.explainer(side))

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.at
        for side in SIDES:
            yield Reading(OneWay(self.arm(side, seed), "original"), seed, side)
            for ask in ("weighted", "original"):
                form = said(METRIC, ask=None if ask == "weighted" else ask)
                cell = Measure(at.trained("ce", seed), at.test, (self.explainer(side),), (form,))
                yield Reading(cell, seed, ask, side, {self.explainer(side): "grad-cam", form: quantity()})

    def claims(self) -> Iterator[Claim]:
        yield Claim("negative-share", PUBLISHED, SOUND, 0.02, "grad-cam", same=True)
        yield Claim("agreement", PUBLISHED, SOUND, 0.02, "grad-cam", same=True, main=False)
        yield from survives(quantity(), "weighted", "original", 0.01, "grad-cam")

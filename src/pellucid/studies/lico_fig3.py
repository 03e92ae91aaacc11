"""LICO, figure 3: maps of five explainers, and their curves of insertion and deletion.

overall = insertion − deletion:  LICO > CE          IoU of the highest part of the map and the object:  LICO > CE

The paper shows a few pictures with their curves; the areas under these are those of table 1. That maps cover more of
the object is asked by IoU, of as many pixels as the object has: outlines at tiny and small, ImageNet's boxes at paper.
At tiny, scenes of one thing each, of a few cells of the map: there is less to be comprehensive about.

>>> print(next(LicoFig3().claims()))
iou (grad-cam): lico > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._figures import SEEN
from pellucid.studies.lico_t1 import EXPLAINERS, METRICS

COVERING = ("grad-cam", "grad-cam-pp", "score-cam", "group-cam")


class LicoFig3(Study, name="lico-fig3", paper="arXiv:2310.09821"):
    """Do maps cover the object better after LICO?"""

    of, where = "lico", "Figure 3"
    title = "Maps and their curves, without and with LICO"
    claim = "With LICO maps cover more comprehensive and more discriminative regions, and their curves are better."
    seen = "A map with LICO should reach over all of the object, where the other has a part of it, and not beyond."
    worlds = SEEN

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        for arm in ("ce", "lico"):
            model = at.trained(arm, seed)
            for explainer in EXPLAINERS:
                yield from at.measured(model, seed, arm, (explainer,), METRICS, accuracy=False)
            for explainer in COVERING:
                yield from at.measured(model, seed, arm, (explainer,), ("iou",), accuracy=False)

    def claims(self) -> Iterator[Claim]:
        for setting in COVERING:
            yield Claim("iou", "lico", "ce", 0.01, setting)
        for setting in EXPLAINERS:
            yield Claim("overall", "lico", "ce", 0.005, setting, main=setting == "grad-cam")

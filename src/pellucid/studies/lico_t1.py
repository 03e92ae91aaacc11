"""LICO, table 1: six ways to explain a network, trained without LICO and with it.

overall = insertion − deletion:  LICO > CE for each of them, and for a network of CGC
insertion:  LICO > CE, but for Group-CAM        deletion:  LICO < CE, but for Grad-CAM

The row `cgc` is a network trained by CGC, explained by HiResCAM as CGC does (the paper does not say), and with LICO
besides. At tiny, scenes of six classes and a small network take the place of ImageNet and ResNet-50, and RISE has 300
masks: what RISE says is coarser.

>>> print(next(LicoT1().claims()))
overall (grad-cam): lico > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading, Train
from pellucid.studies._claims import Claim
from pellucid.studies._worlds import IMAGENET, SMALL, TINY

EXPLAINERS = ("grad-cam", "grad-cam-pp", "rise", "score-cam", "group-cam")
METRICS = ("insertion", "deletion", "overall")


class LicoT1(Study, name="lico-t1", paper="arXiv:2310.09821"):
    """Are the maps of a network better if it was trained with LICO?"""

    of, where = "lico", "Table 1"
    title = "Explainers of a network trained without and with LICO"
    claim = "Overall is better with LICO, whichever the explainer."
    worlds = {"tiny": TINY, "small": SMALL, "paper": IMAGENET}

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        for arm in ("ce", "lico"):
            model = at.trained(arm, seed)
            for explainer in EXPLAINERS:
                yield from at.measured(model, seed, arm, (explainer,), METRICS, accuracy=False)
        cgc = at.trained("cgc", seed)
        both = Train(at.network, at.train, f"{at.objective('lico')}+{at.objective('cgc')}", cgc.recipe, seed)
        for arm, model in {"ce": cgc, "lico": both}.items():
            for one in at.measured(model, seed, arm, ("hires-cam",), METRICS, accuracy=False):
                yield Reading(one.cell, seed, arm, names={**one.names, "hires-cam": "cgc"})

    def claims(self) -> Iterator[Claim]:
        for setting in (*EXPLAINERS, "cgc"):
            yield Claim("overall", "lico", "ce", 0.005, setting, main=setting != "cgc")
        for setting in ("grad-cam", "grad-cam-pp", "rise", "score-cam", "cgc"):
            yield Claim("insertion", "lico", "ce", 0.005, setting, main=False)
        for setting in ("grad-cam-pp", "rise", "score-cam", "group-cam"):
            yield Claim("deletion", "ce", "lico", 0.005, setting, main=False)
        yield Claim("insertion", "ce", "lico", 0.005, "group-cam", main=False)
        yield Claim("deletion", "lico", "ce", 0.005, "grad-cam", main=False)

"""LICO, figure 4: sanity checks of Score-CAM.

likeness of the maps before and after layers are forgotten:   edges > CE > LICO  (cascading),   edges > LICO, CE

The likeness is Spearman's, in mean over the layers. A map that shows the picture and not the network, as an edge
detector draws it, keeps a likeness of 1; passing the test is to lie a quarter below it, a limit that is ours. At paper,
all 19 layers of VGG-19 are forgotten on a hundred pictures, and both networks have the training of the ImageNet tables.
At tiny, a network of five layers, each of which is a large part of it.

>>> print(next(LicoFig4().claims()))
sanity-cascading (score-cam): edges > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._worlds import IMAGENET, SMALL, TINY

EXPLAINER = "score-cam"
METRICS = ("sanity-cascading", "sanity-independent")


class LicoFig4(Study, name="lico-fig4", paper="arXiv:2310.09821"):
    """Do maps change when the network forgets, and more so after LICO?"""

    of, where = "lico", "Figure 4"
    title = "Sanity checks of Score-CAM"
    claim = "Score-CAM passes both checks with LICO too, whose maps are more sensitive when layer after layer goes."
    seen = "From left to right a map should lose its shape, with LICO at the very first layers from the top."
    worlds = {
        "tiny": TINY.but(maps="scenes:classes=6,size=32,length=24,seed=1"),
        "small": SMALL.but(maps="scenes:classes=10,size=48,length=64,seed=1"),
        "paper": IMAGENET.but(network="torchvision:vgg19", maps="subset:every=500@imagenet:split=val"),
    }

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        for arm in ("ce", "lico"):
            yield from at.measured(at.trained(arm, seed), seed, arm, (EXPLAINER,), METRICS, accuracy=False)
        for one in at.measured(at.trained("ce", seed), seed, "edges", ("edges",), METRICS, accuracy=False):
            yield Reading(one.cell, seed, "edges", names={**one.names, "edges": EXPLAINER})

    def claims(self) -> Iterator[Claim]:
        for metric in METRICS:
            for arm in ("ce", "lico"):
                yield Claim(metric, "edges", arm, 0.25, EXPLAINER)
        yield Claim("sanity-cascading", "ce", "lico", 0.02, EXPLAINER)

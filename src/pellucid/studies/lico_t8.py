"""LICO, table 8: the pointing game.

hits / (hits + misses):  LICO > CE,   for Grad-CAM, Grad-CAM++, RISE, XRAI, Score-CAM and Group-CAM

Neither network nor training are named. Here it is a ResNet-50 of ImageNet's weights, trained as fine-grained classes
are, on the class of a picture's largest object. At tiny, scenes of one thing each, from which hits are easier to tell;
RISE has 300 masks, XRAI regions of the pictures' own 32 pixels.

>>> print(next(LicoT8().claims()))
pointing-game (grad-cam): lico > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import FINE
from pellucid.studies._worlds import SMALL, TINY

EXPLAINERS = ("grad-cam", "grad-cam-pp", "rise", "xrai", "score-cam", "group-cam")
XRAI = "xrai:steps=20,scales=[10,20,50],smallest=10,side=none,dilate=1,least=5"
COCO = FINE["cub"].but(  # all pictures that have an object: one of a thousand is left out
    train="subset:hold=0.999,part=held@coco:split=train",
    test="subset:hold=0.999,part=held@coco",
    maps="subset:hold=0.999,part=held@coco",
    forms={"pointing-game": "pointing-game:protocol=paper"},
)


class LicoT8(Study, name="lico-t8", paper="arXiv:2310.09821"):
    """Do maps point at the object more often after LICO?"""

    of, where = "lico", "Table 8"
    title = "Pointing game"
    claim = "With LICO the highest point of a map is on the object more often, whichever the explainer."
    worlds = {
        "tiny": TINY.but(forms={**TINY.forms, "xrai": XRAI}),
        "small": SMALL.but(forms={**SMALL.forms, "xrai": XRAI}),
        "paper": COCO,
    }

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        for arm in ("ce", "lico"):
            model = at.trained(arm, seed)
            for explainer in EXPLAINERS:
                yield from at.measured(model, seed, arm, (explainer,), ("pointing-game",), accuracy=False)

    def claims(self) -> Iterator[Claim]:
        for setting in EXPLAINERS:
            yield Claim("pointing-game", "lico", "ce", 0.005 if setting != "grad-cam" else 0.001, setting)

"""CGC, supplement, table 1: why other pictures are needed.

CH:  CGC > CE > CGC without negatives          accuracy:  CE > CGC > CGC without negatives

Without other pictures' maps to differ from, every map may become flat, which is consistent. CH is the share of the map
in the boxes. The weight without negatives is a thousand in the paper, where squares are averaged over all pixels; at
tiny it is 1, where they are summed. There, scenes take the place of ImageNet-100 and a small network that of ResNet-50.

>>> print(next(CgcSupT1().claims()))
ch (grad-cam): cgc > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._worlds import IMAGENET, SMALL, TINY

ALONE = "cgc without negatives"
SMALL_FORMS = {"cgc": "cgc:weight=0.1", ALONE: "cgc:weight=1,negatives=false"}
IMAGENET_100 = IMAGENET.but(
    train="imagenet100:split=train",
    test="imagenet100",
    maps="imagenet100",
    recipe="cgc-imagenet",
    objectives={"cgc": "cgc:protocol=paper", ALONE: "cgc:protocol=paper,negatives=false,weight=1000"},
    forms={"ch": "ch:protocol=published"},
)


class CgcSupT1(Study, name="cgc-sup-t1", paper="arXiv:2110.00527"):
    """Does consistency need other pictures?"""

    of, where = "cgc-sup", "Table 1"
    title = "Why CGC needs other pictures"
    claim = "CGC's maps lie more in the boxes than the baseline's, without negatives less; both cost accuracy."
    worlds = {
        "tiny": TINY.but(objectives=SMALL_FORMS),
        "small": SMALL.but(objectives=SMALL_FORMS),
        "paper": IMAGENET_100,
    }

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        for arm in ("ce", "cgc", ALONE):
            yield from at.measured(at.trained(arm, seed), seed, arm, ("grad-cam",), ("ch",))

    def claims(self) -> Iterator[Claim]:
        yield Claim("ch", "cgc", "ce", 0.01, "grad-cam")
        yield Claim("ch", "ce", ALONE, 0.01, "grad-cam")
        yield Claim("accuracy", "ce", "cgc", 0.005)
        yield Claim("accuracy", "cgc", ALONE, 0.005, main=False)

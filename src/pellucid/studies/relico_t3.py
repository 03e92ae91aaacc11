"""The reproduction of LICO, table 3: CIFAR-100, with CGC beside.

accuracy:  CE > LICO > CGC          SES:  CGC > LICO > CE

SES asks whether a map follows the picture when that is cut, which is what CGC trains for. At paper, names are the right
ones; the study's code read most of them in a wrong order. At tiny, scenes take the place of CIFAR-100.

>>> print(next(RelicoT3().claims()))
ses (grad-cam): cgc > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import IMAGENET_S
from pellucid.studies._worlds import SMALL, TINY

CIFAR100 = IMAGENET_S.but(
    train="cifar100",
    test="cifar100:split=test",
    maps="subset:balanced=1000@cifar100:split=test",
    recipe="relico:transform=enlarged",
    recipes={"cgc": "relico:transform=enlarged,clip=none"},
)


class RelicoT3(Study, name="relico-t3"):
    """Do maps follow the picture, and at what price?"""

    of, where = "relico", "Table 3"
    title = "Accuracy, and maps that follow the picture"
    claim = "CGC's maps follow the picture, and it loses accuracy; LICO's hardly do better than the baseline's."
    worlds = {"tiny": TINY, "small": SMALL, "paper": CIFAR100}

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        for arm in ("ce", "cgc", "lico"):
            yield from at.measured(at.trained(arm, seed), seed, arm, ("grad-cam",), ("ses",))

    def claims(self) -> Iterator[Claim]:
        yield Claim("ses", "cgc", "ce", 0.02, "grad-cam")
        yield Claim("ses", "cgc", "lico", 0.02, "grad-cam")
        yield Claim("ses", "lico", "ce", 0.01, "grad-cam", main=False)
        yield Claim("accuracy", "ce", "cgc", 0.005)
        yield Claim("accuracy", "ce", "lico", 0.005, main=False)
        yield Claim("accuracy", "lico", "cgc", 0.0, main=False)

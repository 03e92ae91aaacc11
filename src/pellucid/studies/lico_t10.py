"""LICO, table 10: context tokens in one order, or shuffled in every step.

accuracy:  shuffled > in one order

At tiny, scenes alone take the place of ImageNet, CIFAR and house numbers.

>>> print(next(LicoT10().claims()))
accuracy (scenes): lico:dynamic=true > lico:dynamic=false
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import CIFAR, CIFAR100, SVHN, first, trained
from pellucid.studies._worlds import IMAGENET, SMALL, TINY

SHUFFLED, STILL = "lico:dynamic=true", "lico:dynamic=false"
WORLDS = {
    "tiny": {"scenes": TINY},
    "small": {"scenes": SMALL},
    "paper": {"imagenet": IMAGENET, "cifar10": CIFAR, "cifar100": CIFAR100, "svhn": SVHN},
}


class LicoT10(Study, name="lico-t10", paper="arXiv:2310.09821"):
    """Should context tokens be shuffled?"""

    of, where = "lico", "Table 10"
    title = "Context tokens in one order, or shuffled in every step"
    claim = "Shuffled context tokens are better."
    worlds = first(WORLDS)

    def readings(self, seed: int) -> Iterator[Reading]:
        return trained(WORLDS[self.scale], {SHUFFLED: {}, STILL: {"dynamic": False}}, seed)

    def claims(self) -> Iterator[Claim]:
        for setting in WORLDS[self.scale]:
            yield Claim("accuracy", SHUFFLED, STILL, 0.0, setting)

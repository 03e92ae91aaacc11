"""LICO, figure 9: how the features of classes lie to each other.

accuracy of a line between two kinds of classes:  LICO > CE          silhouette, of few labels:  LICO > CE
correlation of the distance of two digits and of their features:  LICO > CE

The paper draws t-SNE, whose axes mean nothing; here it is what the last layer is given, and the plane of its two
greatest principal components. The kinds are animals and vehicles; the digit 0 counts as 10, as in the paper. How few
the limited labels were is not said: as in table 3. At tiny, scenes of red and of blue things, of all labels and of a
quarter; numbers are left out there and at small, where CIFAR-10 has a thousand labels or a quarter of them.

>>> print(next(LicoFig9().claims()))
silhouette (scenes · all labels): lico > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._figures import Apart
from pellucid.studies._training import CIFAR, SVHN, first, labels
from pellucid.studies._worlds import TINY
from pellucid.studies.lico_t3 import SHORT, WIDE

WHOLE = TINY.but(maps=TINY.test)
WORLDS = {
    "tiny": {"scenes · all labels": WHOLE, "scenes · 120 labels": labels(WHOLE, 120, epochs=10)},
    "small": {f"cifar10 · {count} labels": labels(SHORT.but(network=WIDE), count) for count in (1000, 250)},
    "paper": {
        "cifar10 · all labels": CIFAR, "svhn · all labels": SVHN,
        "cifar10 · 4000 labels": labels(CIFAR, 4000), "svhn · 1000 labels": labels(SVHN, 1000),
    },
}  # fmt: skip
KINDS = {"scenes": (0, 1, 1, 0, 1, 0), "cifar10": (1, 1, 0, 0, 0, 0, 0, 0, 1, 1)}  # blue things; vehicles
NUMBERS = {"svhn": (10, 1, 2, 3, 4, 5, 6, 7, 8, 9)}


class LicoFig9(Study, name="lico-fig9", paper="arXiv:2310.09821"):
    """Do the features of classes lie in a better order after LICO?"""

    of, where = "lico", "Figure 9"
    title = "How the features of classes lie to each other"
    claim = "With LICO a line separates animals from vehicles, digits lie in order, few labels separate classes better."
    seen = "In t-SNE, classes of one kind should lie together, and no class in pieces."
    worlds = first(WORLDS)

    def readings(self, seed: int) -> Iterator[Reading]:
        for setting, at in WORLDS[self.scale].items():
            data = setting.partition(" ")[0]
            for arm in ("ce", "lico"):
                cell = Apart(at.trained(arm, seed), at.maps, KINDS.get(data, ()), NUMBERS.get(data, ()))
                yield Reading(cell, seed, arm, setting)

    def claims(self) -> Iterator[Claim]:
        for i, setting in enumerate(WORLDS[self.scale]):
            data, few = setting.partition(" ")[0], not setting.endswith("all labels")
            yield Claim("silhouette", "lico", "ce", 0.02, setting, main=few)
            if data in KINDS:
                yield Claim("kinds", "lico", "ce", 0.01, setting, main=i == 0)
            if data in NUMBERS:
                yield Claim("order", "lico", "ce", 0.05, setting, main=False)

"""LICO, table 7: by which distance pictures and texts lie near to each other.

accuracy:  Euclidean > cosine

At tiny, scenes alone take the place of CIFAR, house numbers, birds and flowers. Samples have length 1 there, as nothing
else is sound: the cosine is half the square of the Euclidean distance, and differs by how it weighs what is far.

>>> print(next(LicoT7().claims()))
accuracy (scenes): lico:distance=euclidean > lico:distance=cosine
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import CIFAR, CIFAR100, FINE, SVHN, first, trained
from pellucid.studies._worlds import SMALL, TINY

EUCLIDEAN, COSINE = "lico:distance=euclidean", "lico:distance=cosine"
WORLDS = {
    "tiny": {"scenes": TINY},
    "small": {"scenes": SMALL},
    "paper": {
        "cifar10": CIFAR, "cifar100": CIFAR100, "svhn": SVHN, "cub": FINE["cub"], "flowers102": FINE["flowers102"],
    },
}  # fmt: skip


class LicoT7(Study, name="lico-t7", paper="arXiv:2310.09821"):
    """Which distance should manifold matching have?"""

    of, where = "lico", "Table 7"
    title = "The distance of manifold matching"
    claim = "The Euclidean distance is better than the cosine."
    worlds = first(WORLDS)

    def readings(self, seed: int) -> Iterator[Reading]:
        return trained(WORLDS[self.scale], {EUCLIDEAN: {}, COSINE: {"distance": "cosine"}}, seed)

    def claims(self) -> Iterator[Claim]:
        for setting in WORLDS[self.scale]:
            yield Claim("accuracy", EUCLIDEAN, COSINE, 0.001, setting)

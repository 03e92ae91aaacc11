"""LICO, table 5: what manifold matching and transport add to cross-entropy.

top-1, insertion:  CE + MM + OT > CE        (and, unsaid in the paper, deletion is worse in every row with them)

>>> print(next(LicoT5().claims()))
accuracy: lico > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._worlds import IMAGENET, SMALL, TINY


class LicoT5(Study, name="lico-t5", paper="arXiv:2310.09821"):
    """What do manifold matching and transport add?"""

    of, where = "lico", "Table 5"
    title = "What each of LICO's losses adds"
    claim = "Both losses together give the best accuracy and insertion."
    worlds = {"tiny": TINY, "small": SMALL, "paper": IMAGENET}

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        for arm in ("ce", "lico-ot", "lico-mm", "lico"):
            model = at.trained(arm, seed)
            yield from at.measured(
                model, seed, arm, ("grad-cam",), ("insertion", "deletion"), of_model=("accuracy:k=5",)
            )

    def claims(self) -> Iterator[Claim]:
        yield Claim("accuracy", "lico", "ce", 0.01)
        for part in ("ce", "lico-mm", "lico-ot"):
            yield Claim("insertion", "lico", part, 0.01, "grad-cam", main=part == "ce")
        yield Claim("deletion", "ce", "lico", 0.01, "grad-cam", main=False)

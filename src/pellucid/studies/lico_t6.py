"""LICO, table 6: how many context tokens.

accuracy, insertion:  12 > 0, 4, 8, 16, 20 tokens          deletion:  12 < the others

At tiny, 0, 4 and 12 of them, on scenes with MiniLM, which reads both ways: there contexts know the class, as they do
not with CLIP.

>>> print(next(LicoT6().claims()))
accuracy: lico:contexts=12 > lico:contexts=0
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import trained
from pellucid.studies._worlds import IMAGENET, SMALL, TINY

BEST = "lico:contexts=12"


class LicoT6(Study, name="lico-t6", paper="arXiv:2310.09821"):
    """How many context tokens does LICO need?"""

    of, where = "lico", "Table 6"
    title = "How many context tokens"
    claim = "Twelve are best, in accuracy, insertion and deletion; without any it is worst."
    worlds = {"tiny": TINY, "small": SMALL, "paper": IMAGENET}

    @property
    def counts(self) -> tuple[int, ...]:
        return (0, 4, 12) if self.scale == "tiny" else (0, 4, 8, 12, 16, 20)

    def readings(self, seed: int) -> Iterator[Reading]:
        arms = {f"lico:contexts={count}": {} if count == 12 else {"contexts": count} for count in self.counts}
        return trained({"": self.world}, arms, seed, "insertion", "deletion")

    def claims(self) -> Iterator[Claim]:
        for arm in (f"lico:contexts={count}" for count in self.counts if count != 12):
            main = arm.endswith("=0")
            yield Claim("accuracy", BEST, arm, 0.003 if main else 0.0, main=main)
            yield Claim("insertion", BEST, arm, 0.01 if main else 0.0, "grad-cam", main=main)
            yield Claim("deletion", arm, BEST, 0.01 if main else 0.0, "grad-cam", main=main)

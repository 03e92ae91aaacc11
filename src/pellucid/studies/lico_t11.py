"""LICO, table 11: context tokens shuffled or not, of fine-grained classes.

accuracy:  shuffled >= in one order,   for one, five, ten and all examples a class

At tiny, the scenes of table 4's study: with one example it is chance that is compared.

>>> print(next(LicoT11().claims()))
accuracy (scenes · 1 shot): lico:dynamic=true > lico:dynamic=false
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import few_shots, first, trained

SHUFFLED, STILL = "lico:dynamic=true", "lico:dynamic=false"
WORLDS = {scale: few_shots(scale) for scale in ("tiny", "small", "paper")}


class LicoT11(Study, name="lico-t11", paper="arXiv:2310.09821"):
    """Should context tokens be shuffled where kinds of one thing are told apart?"""

    of, where = "lico", "Table 11"
    title = "Context tokens in one order, or shuffled: fine-grained classes"
    claim = "Shuffled context tokens are better, or no worse."
    worlds = first(WORLDS)

    def readings(self, seed: int) -> Iterator[Reading]:
        return trained(WORLDS[self.scale], {SHUFFLED: {}, STILL: {"dynamic": False}}, seed)

    def claims(self) -> Iterator[Claim]:
        for setting in WORLDS[self.scale]:
            yield Claim("accuracy", SHUFFLED, STILL, 0.0, setting, main=not setting.endswith("1 shot"))

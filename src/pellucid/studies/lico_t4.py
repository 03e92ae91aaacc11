"""LICO, table 4: kinds of one thing, of one, five, ten or all examples a kind.

accuracy:  LICO > CGC > CE,   on birds, cars, aircraft and flowers

The network has ImageNet's weights; the training is that of `lico-finegrained`, for all three. At tiny, twelve kinds of
scenes that share shapes, colours and textures are learned from nothing, in thirty steps and without the row of all
examples: there, few examples are too few, and one is chance.

>>> print(next(LicoT4().claims()))
accuracy (scenes · 1 shot): lico > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import few_shots, first, trained

WORLDS = {scale: few_shots(scale) for scale in ("tiny", "small", "paper")}


class LicoT4(Study, name="lico-t4", paper="arXiv:2310.09821"):
    """Does language help to tell apart what is much alike, after few examples?"""

    of, where = "lico", "Table 4"
    title = "Fine-grained classes, of few or all examples"
    claim = "LICO is more accurate than CGC, and both than cross-entropy."
    worlds = first(WORLDS)

    def readings(self, seed: int) -> Iterator[Reading]:
        return trained(WORLDS[self.scale], {"ce": {}, "cgc": {}, "lico": {}}, seed)

    def claims(self) -> Iterator[Claim]:
        for setting in WORLDS[self.scale]:
            yield Claim("accuracy", "lico", "ce", 0.005, setting)
            yield Claim("accuracy", "lico", "cgc", 0.002, setting, main=False)
            yield Claim("accuracy", "cgc", "ce", 0.005, setting, main=False)

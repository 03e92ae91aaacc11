"""Errata of class contrast: a rollout whose layers and gradients do not belong together.

    published   layer l is weighted by the gradient of layer L + 1 − l, taken before the softmax; columns are divided,
                not rows; the map is divided by its peak
    sound       each layer by its own gradient, of the probabilities; rows

>>> print(next(ErrGwar().claims()))
agreement (weighted · gwar): as published ≈ sound
"""

from collections.abc import Iterator

from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import OfContrast, Rivals
from pellucid.studies._errata import PUBLISHED, SIDES, SOUND, Erratum, OneWay, survives
from pellucid.studies.recc_f5 import GWAR, ReccF5


class ErrGwar(Erratum, OfContrast, name="err-gwar", paper="arXiv:2501.11096"):
    """What gradient-weighted rollout owes to a list in the other order"""

    where = "code; figure 5"
    title = "What gradient-weighted rollout owes to a list in the other order"
    defect = "Layers are paired with the gradients of other layers, taken before the softmax."
    claim = "Weighted contrast tells a transformer's maps of two classes apart."
    differs = ("explainer.protocol",)
    worlds = {scale: ReccF5.worlds[scale] for scale in ("tiny", "small")}

    def arm(self, side: str, seed: int) -> Rivals:
        explainer = f"{GWAR},protocol=published" if side == PUBLISHED else GWAR
        return Rivals(self.at.trained("ce", seed), self.at.test, explainer)

    def readings(self, seed: int) -> Iterator[Reading]:
        for side in SIDES:
            yield Reading(self.arm(side, seed), seed, setting=side)
            for way in ("original", "weighted"):
                yield Reading(OneWay(self.arm(side, seed), way), seed, side, way)

    def claims(self) -> Iterator[Claim]:
        yield Claim("agreement", PUBLISHED, SOUND, 0.02, "weighted · gwar", same=True)
        yield Claim("negative-share", PUBLISHED, SOUND, 0.02, "weighted · gwar", same=True, main=False)
        yield from survives("agreement", "original", "weighted", 0.02, "gwar")

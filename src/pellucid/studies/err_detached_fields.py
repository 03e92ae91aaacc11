"""Errata of label-free explanations: capsules whose fields have no gradient.

    published   of a part's presence, pose, template and special features only the last has a gradient
    sound       all of them have

A map of the similarity then sees 16 of 144 numbers a part. Both arms explain the same weights, and both are judged by
how far the whole representation moves.

>>> print(next(ErrDetachedFields().claims()))
latent-shift:percent=10 (digits): as published ≈ sound
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pellucid.studies._benches import OWN_DIGITS
from pellucid.studies._cells import Train
from pellucid.studies._claims import Claim
from pellucid.studies._errata import PUBLISHED, SOUND, Erratum, survives
from pellucid.studies._label_free import Maps, word

if TYPE_CHECKING:
    from torch import nn

NETWORK = {"tiny": "pellucid:scae:parts=8,objects=8,width=32", "small": "pellucid:scae"}
RECIPE = {"tiny": 'scae-mnist:epochs=3,batch=32,transform="plain:size=28"', "small": "scae-mnist:epochs=20"}
PATH, AT = "integrated-gradients", "latent-shift:percent=10"


@dataclass(frozen=True)
class OfFields(Maps):
    """Maps of all fields, or of those that are not cut off."""

    detached: bool = False

    def explained(self, net: "nn.Module") -> "nn.Module":
        from pellucid.studies._flawed import Cut

        return Cut(net) if self.detached else net


class ErrDetachedFields(Erratum, name="err-detached-fields", paper="doi:10.5281/zenodo.8173656"):
    """What maps of capsules owe to fields without gradient"""

    of, where = "relf", "code; table 1"
    title = "What maps of capsules owe to fields without gradient"
    defect = "Presences, poses and templates have no gradient."
    claim = "Maps of a capsule network move its representation more than chance does."
    differs = ("detached",)
    worlds = OWN_DIGITS

    def arm(self, side: str, seed: int, explainer: str = PATH) -> OfFields:
        at, scale = self.world, self.scale
        model = Train(NETWORK[scale], at.train, "scae", RECIPE[scale], seed)
        return OfFields(model, at.maps, explainer, "black", word(at.train), side == PUBLISHED)

    def beside(self, side: str, seed: int) -> tuple[OfFields, OfFields]:
        return self.arm(side, seed), self.arm(SOUND, seed, "random-map")

    def claims(self) -> Iterator[Claim]:
        at = word(self.world.train)
        yield Claim(AT, PUBLISHED, SOUND, 0.02, at, same=True)
        yield from survives(AT, PATH, "random-map", 0.02, at)

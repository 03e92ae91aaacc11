"""LICO, table 13: prompts that learn, and prompts that do not.

accuracy, insertion:  learnable > "a photo of a" > random          deletion:  learnable < fixed < random

At tiny, scenes of all labels; MiniLM has seen sentences about photographs, and no photograph.

>>> print(next(LicoT13().claims()))
accuracy (scenes): lico:prompts=learnable > lico:prompts=random
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import CIFAR, first, labels, trained
from pellucid.studies._worlds import IMAGENET, SMALL, TINY

LEARNABLE, FIXED, RANDOM = (f"lico:prompts={one}" for one in ("learnable", "fixed", "random"))
ARMS = {LEARNABLE: {}, FIXED: {"prompts": "fixed"}, RANDOM: {"prompts": "random"}}
MAPS = {"tiny": "scenes", "small": "scenes", "paper": "imagenet"}  # the setting in which maps are measured
WORLDS = {
    "tiny": {"scenes": TINY},
    "small": {"scenes": SMALL, "scenes · 400 labels": labels(SMALL, 400, epochs=75)},
    "paper": {"imagenet": IMAGENET, "cifar10 · all labels": CIFAR, "cifar10 · 4000 labels": labels(CIFAR, 4000)},
}


class LicoT13(Study, name="lico-t13", paper="arXiv:2310.09821"):
    """Must prompts learn?"""

    of, where = "lico", "Table 13"
    title = "Prompts that learn, and prompts that do not"
    claim = "Prompts that learn are better than fixed words, and these than random ones."
    worlds = first(WORLDS)

    def readings(self, seed: int) -> Iterator[Reading]:
        for setting, at in WORLDS[self.scale].items():
            maps = ("insertion", "deletion") if setting == MAPS[self.scale] else ()
            yield from trained({setting: at}, ARMS, seed, *maps)

    def claims(self) -> Iterator[Claim]:
        for setting in WORLDS[self.scale]:
            yield Claim("accuracy", LEARNABLE, RANDOM, 0.002, setting)
            yield Claim("accuracy", LEARNABLE, FIXED, 0.0, setting, main=False)
        maps = f"{MAPS[self.scale]} · grad-cam"
        yield Claim("insertion", LEARNABLE, RANDOM, 0.01, maps)
        yield Claim("insertion", LEARNABLE, FIXED, 0.005, maps, main=False)
        yield Claim("deletion", RANDOM, LEARNABLE, 0.01, maps)
        yield Claim("deletion", FIXED, LEARNABLE, 0.005, maps, main=False)

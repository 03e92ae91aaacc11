"""LICO, figure 10: do pictures come to lie to each other as the names of their classes do?

KL(text ‖ image) of test pictures:  before training > LICO,  CE > LICO,  and CE as before training

The paper compares CE with fixed texts, and LICO with the prompts that it learns, on one pair of axes; here both are
compared with "a photo of a NAME", as a frozen reader has it, at the end of the training and before its first step, and
at one perplexity: what is compared is who is near whom, not how far apart all lie. At tiny, scenes and MiniLM.

>>> print(next(LicoFig10().claims()))
kl: new > lico
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._figures import Disagreement
from pellucid.studies._training import CIFAR, labels
from pellucid.studies._worlds import TINY
from pellucid.studies.lico_t3 import SHORT, WIDE


class LicoFig10(Study, name="lico-fig10", paper="arXiv:2310.09821"):
    """Do pictures come to lie as the names of their classes do?"""

    of, where = "lico", "Figure 10"
    title = "How far pictures and names disagree on who is near whom"
    claim = "With LICO the KL divergence between texts and pictures falls, without it does not."
    seen = "The curve of the training with LICO should fall steadily, and lie below the other."
    worlds = {"tiny": TINY.but(maps=TINY.test), "small": labels(SHORT.but(network=WIDE), 1000), "paper": CIFAR}

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        reader = at.objective("lico")
        for arm in ("ce", "lico"):
            yield Reading(Disagreement(at.trained(arm, seed), at.maps, reader), seed, arm)
        yield Reading(Disagreement(at.trained("ce", seed), at.maps, reader, trained=False), seed, "new")

    def claims(self) -> Iterator[Claim]:
        for other in ("new", "ce"):
            yield Claim("kl", other, "lico", 0.02)
        yield Claim("kl", "new", "ce", 0.05, same=True, main=False)

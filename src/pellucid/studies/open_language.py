"""An open question: does language help?

LICO against the same training with other texts: the names of other classes, prompts that are drawn and do not learn,
random vectors for words, a number for a name, and no text at all. Whoever is as good without the names' meaning has not
been helped by it.

>>> print(next(OpenLanguage().claims()))
accuracy: lico > ce
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pellucid.studies._cells import Train
from pellucid.studies._claims import Claim
from pellucid.studies._open import OfLico
from pellucid.studies._worlds import SMALL, TINY

ARMS: Mapping[str, Mapping[str, Any]] = {
    "lico": {}, "frozen random prompts": {"prompts": "random"}, "random words": {"text": "random-words"},
    "one-hot names": {"text": "one-hot"},
}  # fmt: skip
SCRAMBLED, NONE = "scrambled names", "ce"


class OpenLanguage(OfLico, name="open-language", paper="arXiv:2310.09821"):
    """Does language help?"""

    title = "Does language help?"
    claim = "LICO is better with the names of its classes than with any text that does not know them."
    arms, metrics = ARMS, ("insertion", "deletion")
    worlds = {"tiny": TINY, "small": SMALL}

    def models(self, seed: int) -> dict[str, Train]:
        at = self.world
        scrambled = at.but(train=f"scrambled-names@{at.train}")
        return super().models(seed) | {SCRAMBLED: scrambled.trained("lico", seed), NONE: at.trained("ce", seed)}

    def claims(self) -> Iterator[Claim]:
        for other in (NONE, SCRAMBLED, *list(ARMS)[1:]):
            yield Claim("accuracy", "lico", other, 0.005)
        for other in (NONE, SCRAMBLED, *list(ARMS)[1:]):
            yield Claim("insertion", "lico", other, 0.005, "grad-cam", main=False)

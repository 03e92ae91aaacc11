"""An open question: does LICO's temperature matter?

1/τ fixed at 1, at 14.3 (which CLIP begins with), at 100, and where the neighbourhoods of the first batch are a quarter
of it.

>>> print(next(OpenTemperature().claims()))
accuracy: first batch ≈ 1
"""

from collections.abc import Iterator

from pellucid.studies._claims import Claim
from pellucid.studies._open import OfLico
from pellucid.studies._worlds import SMALL, TINY

BATCH, SCALES = "first batch", ("1", "14.3", "100")
ARMS = {BATCH: {}} | {scale: {"start": scale} for scale in SCALES}


class OpenTemperature(OfLico, name="open-temperature", paper="arXiv:2310.09821"):
    """Does the temperature matter?"""

    title = "Does LICO's temperature matter?"
    claim = "It does not: accuracy and insertion are the same at any."
    arms = ARMS
    worlds = {"tiny": TINY, "small": SMALL}

    def claims(self) -> Iterator[Claim]:
        for scale in SCALES:
            yield Claim("accuracy", BATCH, scale, 0.01, same=True)
            yield Claim("insertion", BATCH, scale, 0.01, "grad-cam", same=True)

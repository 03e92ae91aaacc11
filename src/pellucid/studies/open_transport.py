"""An open question: which gradient should LICO's transport have?

    none         the plan and its cost are numbers
    envelope     the plan is held, the cost has its gradient: that of the regularised cost, where the plan has converged
    unrolled     through every iteration: that of the plain cost

>>> print(next(OpenTransport().claims()))
accuracy: envelope > none
"""

from collections.abc import Iterator

from pellucid.studies._claims import Claim
from pellucid.studies._open import OfLico
from pellucid.studies._worlds import SMALL, TINY

ARMS = {"envelope": {}, "none": {"transport": "none"}, "unrolled": {"transport": "unrolled"}}


class OpenTransport(OfLico, name="open-transport", paper="arXiv:2310.09821"):
    """Does the gradient of the transport matter?"""

    title = "Which gradient should LICO's transport have?"
    claim = "A transport with a gradient is better than none, and either gradient is as good."
    arms = ARMS
    worlds = {"tiny": TINY, "small": SMALL}

    def claims(self) -> Iterator[Claim]:
        yield Claim("accuracy", "envelope", "none", 0.005)
        yield Claim("insertion", "envelope", "none", 0.005, "grad-cam")
        yield Claim("accuracy", "envelope", "unrolled", 0.01, same=True, main=False)
        yield Claim("insertion", "envelope", "unrolled", 0.01, "grad-cam", same=True, main=False)

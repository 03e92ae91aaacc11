"""Label-free reproduction, figure 2: do the examples that matter most have the label of the picture asked about?

    rate(most important) > rate(least important)    for 5 … 50 % of the training examples, by each method

a digits and b heartbeats by influence functions, TracIn, SimplEx and DKNN; c pictures by SimplEx and DKNN, for a
contrastive loss is not of one example. With all examples both are the frequency of the label. At tiny there are 200
digits (100 asked), 120 made beats (60) and 120 little scenes (48); half of the beats are normal.

>>> print(next(RelfF2().claims()))
similarity-rate:share=0.05 (digits · influence-function): most > least
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._benches import DIGITS, benches
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._label_free import SHARES, name_of


class RelfF2(Study, name="relf-f2", paper="doi:10.5281/zenodo.8173656"):
    """Do the examples that matter most show the same thing?"""

    of, where = "relf", "Figure 2"
    title = "Which labels the most and the least important examples have"
    claim = "The most important examples have the same label more often than the least important ones."
    worlds = DIGITS

    def readings(self, seed: int) -> Iterator[Reading]:
        for bench in benches(self.scale):
            for cell in bench.rates(seed):
                yield Reading(cell, seed)

    def claims(self) -> Iterator[Claim]:
        for bench in benches(self.scale):
            for influence in map(name_of, bench.influences):
                for share in SHARES[:4]:
                    quantity = f"similarity-rate:share={share:g}"
                    yield Claim(quantity, "most", "least", 0.01, f"{bench.word} · {influence}", main=share == 0.1)

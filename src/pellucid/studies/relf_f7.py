"""Label-free reproduction, figure 7: examples of pictures have the original study's curves, at another height.

    correlation of the curves of two trainings from other weights (most and least, all shares) > 0.9, by each method

The figure shows two studies side by side, which cannot be measured; that trainings from other weights give curves of
one shape can. How far apart they lie is measured besides. What tiny may change is said of figure 2.

>>> print(next(RelfF7().claims()))
one-shape (scenes): dknn > 0.88
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._benches import DIGITS, PICTURES
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._label_free import Apart, name_of

OTHER = 100  # between the seeds of two trainings


class RelfF7(Study, name="relf-f7", paper="doi:10.5281/zenodo.8173656"):
    """Have the curves one shape, whatever weights a training begins with?"""

    of, where = "relf", "Figure 7"
    title = "The curves of figure 2 for pictures, from other first weights"
    claim = "The curves have one shape, at another height."
    worlds = DIGITS

    def readings(self, seed: int) -> Iterator[Reading]:
        bench = PICTURES[self.scale]
        one, other = (tuple(bench.rates(s)) for s in (seed, seed + OTHER))
        yield Reading(Apart(one, other, "setting"), seed)

    def claims(self) -> Iterator[Claim]:
        bench = PICTURES[self.scale]
        for influence in map(name_of, bench.influences):
            yield Claim("one-shape", influence, 0.88, 0.02, bench.word)
            yield Claim("apart", influence, 0.0, 0.02, bench.word, main=False)

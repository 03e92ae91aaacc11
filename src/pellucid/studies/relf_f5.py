"""Label-free reproduction, figure 5: does disentangling make units look at different pixels?

    rise of the line through r(β), β = 1, 5, 10:    not below −0.05,   on the mean of the four curves

The figure shows boxes, of five runs each. A VAE whose units are all dead has no correlation and is left out. The VAEs
are those of table 4, and so is what tiny may change.

>>> print(next(RelfF5().claims()))
rise: mean of the four > -0.07
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._benches import DIGITS, VAES, grid
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._label_free import LOSSES, Trend, word


class RelfF5(Study, name="relf-f5", paper="doi:10.5281/zenodo.8173656"):
    """Does a larger β take the units' maps apart?"""

    of, where = "relf", "Figure 5"
    title = "How the likeness of units' maps changes with β"
    claim = "The correlation of the units does not fall as β grows."
    worlds = DIGITS

    def readings(self, seed: int) -> Iterator[Reading]:
        yield Reading(Trend(grid(self.scale, seed)), seed)

    def claims(self) -> Iterator[Claim]:
        yield Claim("rise", "mean of the four", -0.07, 0.02)
        for *_, maps in VAES[self.scale]:
            for loss in LOSSES:
                yield Claim("rise", loss, -0.07, 0.02, word(maps), main=False)

"""Label-free reproduction, table 4: do the units of disentangled VAEs look at the same pixels?

    r = Pearson of |unit · map| of two units, all pixels of all pictures
    r(β = 10) > r(β = 1),   r(sprites) > r(digits)

Means over pairs of units, then over the VAEs of a seed: two losses, three β, digits and sprites. The table is of means;
that it grows with β is the text's, and holds in its table for three of four curves. At tiny VAEs learn 600 digits and
492 sprites of 32 pixels for a few epochs: of a large β fewer units may be left than after a whole training.

>>> print(next(RelfT4().claims()))
latent-agreement:explainer=gradient-shap (all VAEs): beta 10 > beta 1
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._benches import DIGITS, VAES, grid
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._label_free import UNITS, Trend, word


class RelfT4(Study, name="relf-t4", paper="doi:10.5281/zenodo.8173656"):
    """Do the units of a VAE look at the same pixels?"""

    of, where = "relf", "Table 4"
    title = "How alike the maps of a VAE's units are, by loss and β"
    claim = "The correlation of units grows with β, and is larger on sprites than on digits."
    worlds = DIGITS

    def readings(self, seed: int) -> Iterator[Reading]:
        units = grid(self.scale, seed)
        for cell in (*units, Trend(units)):
            yield Reading(cell, seed)

    def claims(self) -> Iterator[Claim]:
        digits, sprites = (word(maps) for *_, maps in VAES[self.scale])
        yield Claim(UNITS, "beta 10", "beta 1", 0.01, "all VAEs")
        yield Claim(UNITS, sprites, digits, 0.02, "all VAEs")

"""Label-free reproduction, figure 4: can the maps of a VAE's units be read?

    of two pictures of a class, a unit's map on one against the other: mean of max_j (1 − less / more) > 0.5    digits
    of two units, the part of their top tenth of pixels that is common > 0.1, which is chance                   sprites

The figure is of the VAEs with the lowest correlation: TC-VAE with β = 10, and β-VAE with β = 5, as here. At tiny they
are those of table 4; a unit that is dead has no map and takes no part.

>>> print(next(RelfF4().claims()))
swing (digits): tc-vae > 0.5
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._benches import DIGITS, VAES, vae
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._label_free import Units, word

SHOWN = ((0, "tc-vae", 10), (1, "beta-vae", 5))


class RelfF4(Study, name="relf-f4", paper="doi:10.5281/zenodo.8173656"):
    """Can a unit's map be read?"""

    of, where = "relf", "Figure 4"
    title = "What the units of a VAE look at"
    claim = "A unit is active on one picture of a class and silent on another, and units share regions."
    seen = "Units side by side on pictures of one class: who is silent where, and which of them share a place."
    worlds = DIGITS

    def readings(self, seed: int) -> Iterator[Reading]:
        for which, loss, beta in SHOWN:
            yield Reading(Units(*vae(self.scale, which, loss, beta, seed), loss), seed)

    def claims(self) -> Iterator[Claim]:
        digits, sprites = (word(maps) for *_, maps in VAES[self.scale])
        yield Claim("swing", "tc-vae", 0.5, 0.05, digits)
        yield Claim("shared", "beta-vae", 0.1, 0.05, sprites)

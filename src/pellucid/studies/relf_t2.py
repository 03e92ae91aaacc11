"""Label-free reproduction, table 2: do encoders of different pretext tasks lean on the same training examples?

    r = Pearson of DKNN's importances of two encoders, all pictures by all examples:    mean r < mean r of maps

The maps are those of table 1, by Gradient SHAP. The weights are 1/d², so that a few near neighbours decide. Pictures
have values of 0 to 1, as the encoders were trained; the published ones have 0 to 255 there, which makes correlations
small. At tiny there are no capsules, 200 training examples and 100 digits; fewer examples leave fewer very near ones,
which may raise the correlation.

>>> print(next(RelfT2().claims()))
pearson (digits): maps > examples
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._benches import DIGITS, examples_alike, maps_alike, tasks
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._label_free import mean_of, word


class RelfT2(Study, name="relf-t2", paper="doi:10.5281/zenodo.8173656"):
    """Do encoders of other tasks lean on the same examples?"""

    of, where = "relf", "Table 2"
    title = "How alike the examples are that encoders of different pretext tasks lean on"
    claim = "Examples of different pretext tasks hardly correlate, less than maps do."
    worlds = DIGITS

    def readings(self, seed: int) -> Iterator[Reading]:
        yield Reading(examples_alike(self.world, self.scale, seed), seed)
        yield Reading(maps_alike(self.world, self.scale, seed, "gradient-shap:samples=5"), seed)

    def claims(self) -> Iterator[Claim]:
        at = word(self.world.maps)
        yield Claim("pearson", "maps", "examples", 0.02, at)
        mean = mean_of(tasks(self.scale))
        yield Claim("pearson", mean, 0.1, 0.1, f"{at} · dknn", same=True, main=False)

"""Label-free reproduction, figure 3: what do encoders of different pretext tasks see in the same digit?

    share of pairs of tasks whose most important example is another > 0.5 (a);    1 − Pearson of their maps > 0.4 (b)

Examples by DKNN, maps by Gradient SHAP, digit by digit. The encoders are those of tables 1 and 2, and so is what tiny
may change.

>>> print(next(RelfF3().claims()))
other-example (digits): any two tasks > 0.5
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._benches import DIGITS, examples_alike, maps_alike
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._label_free import word


class RelfF3(Study, name="relf-f3", paper="doi:10.5281/zenodo.8173656"):
    """Do encoders of other tasks see other things in a digit?"""

    of, where = "relf", "Figure 3"
    title = "Maps and first examples of different pretext tasks"
    claim = "Maps differ heavily from task to task, and the most important example is rarely the same."
    seen = "Ten digits, what the encoder of each task looks at, and the training digit that it holds nearest."
    worlds = DIGITS

    def readings(self, seed: int) -> Iterator[Reading]:
        yield Reading(examples_alike(self.world, self.scale, seed), seed)
        yield Reading(maps_alike(self.world, self.scale, seed, "gradient-shap:samples=5"), seed)

    def claims(self) -> Iterator[Claim]:
        at = word(self.world.maps)
        yield Claim("other-example", "any two tasks", 0.5, 0.05, at)
        yield Claim("other-map", "any two tasks", 0.4, 0.02, at)

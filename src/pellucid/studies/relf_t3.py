"""Label-free reproduction, table 3: what the experiments cost.

    log₂ seconds:   checks of examples > checks of features (digits, heartbeats);   VAEs > pretext tasks

A step of 1 is twice the time. Checks are timed on encoders that are there; pretext tasks and VAEs with their trainings.
Influence functions and TracIn are matrix products here, and files for every pair of pictures there, so that the order
of the first two is theirs to lose. At tiny everything is seconds, and what is constant counts for more.

>>> print(next(RelfT3().claims()))
log2-seconds (digits): example consistency > feature consistency
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._benches import DIGITS, benches, examples_alike, grid, maps_alike
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._label_free import Cost


class RelfT3(Study, name="relf-t3", paper="doi:10.5281/zenodo.8173656"):
    """Which experiments cost most?"""

    of, where = "relf", "Table 3"
    title = "What the experiments cost"
    claim = "Checks of examples cost more than checks of features, and disentangled VAEs cost most."
    worlds = DIGITS

    def readings(self, seed: int) -> Iterator[Reading]:
        for bench in benches(self.scale):
            yield Reading(Cost("feature consistency", bench.word, tuple(bench.shifts(seed)), seed), seed)
            yield Reading(Cost("example consistency", bench.word, tuple(bench.rates(seed)), seed), seed)
        maps = maps_alike(self.world, self.scale, seed, "gradient-shap:samples=5")
        pretext = (maps, examples_alike(self.world, self.scale, seed))
        yield Reading(Cost("pretext tasks", "with training", pretext, seed, maps.models), seed)
        vaes = grid(self.scale, seed)
        yield Reading(Cost("disentangled vaes", "with training", vaes, seed, tuple(one.model for one in vaes)), seed)

    def claims(self) -> Iterator[Claim]:
        digits, beats, pictures = (bench.word for bench in benches(self.scale))
        for at in (digits, beats):
            yield Claim("log2-seconds", "example consistency", "feature consistency", 1.0, at)
        yield Claim("log2-seconds", "disentangled vaes", "pretext tasks", 1.0, "with training")
        yield Claim("log2-seconds", "feature consistency", "example consistency", 1.0, pictures, main=False)

"""Label-free reproduction, table 1: do encoders of different pretext tasks look at the same pixels?

    r = Pearson of |maps| of two encoders, all pixels of all pictures as one list:    0.2 < mean over pairs < 0.6

Whose triangle is whose is not sure in the paper, so both explainers are held to the same claim. Gradient SHAP is the
sound one: as published, pictures follow the codes of others. At tiny there are no capsules, and so six pairs, of
digits of 8 pixels enlarged to 28; encoders that have learned briefly may agree more than those of the paper.

>>> print(next(RelfT1().claims()))
pearson (gradient-shap · digits): mean of the six ≈ 0.4
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._benches import DIGITS, maps_alike, tasks
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._label_free import mean_of, word

EXPLAINERS = {"gradient-shap:samples=5": "gradient-shap", "integrated-gradients": "integrated-gradients"}


class RelfT1(Study, name="relf-t1", paper="doi:10.5281/zenodo.8173656"):
    """Do encoders of other tasks look at the same pixels?"""

    of, where = "relf", "Table 1"
    title = "How alike the maps of encoders of different pretext tasks are"
    claim = "Maps of different pretext tasks correlate moderately."
    worlds = DIGITS

    def readings(self, seed: int) -> Iterator[Reading]:
        for explainer, name in EXPLAINERS.items():
            yield Reading(maps_alike(self.world, self.scale, seed, explainer), seed, setting=name)

    def claims(self) -> Iterator[Claim]:
        at, mean = word(self.world.maps), mean_of(tasks(self.scale))
        for name in EXPLAINERS.values():
            yield Claim("pearson", mean, 0.4, 0.2, f"{name} · {at}", same=True)
        if self.scale != "tiny":
            for other in ("reconstruction", "denoising"):
                yield Claim(
                    "pearson", "inpainting · scae", f"{other} · scae", 0.02, f"gradient-shap · {at}", main=False
                )

"""Label-free reproduction, figure 6: why has masking pictures another curve than in the original study?

    mean |curve of one training − curve of another, from other weights|:
    saliency, Gradient SHAP > Integrated Gradients

The figure shows two studies side by side, which cannot be measured. Both put the difference down to how the weights of
SimCLR begin, and say that the curve of Integrated Gradients alone agrees: so two trainings of a seed are compared that
differ in nothing else. What tiny may change is said of figure 1.

>>> print(next(RelfF6().claims()))
apart (scenes): gradient > integrated-gradients
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._benches import DIGITS, PICTURES
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._label_free import Apart

OTHER = 100  # between the seeds of two trainings


class RelfF6(Study, name="relf-f6", paper="doi:10.5281/zenodo.8173656"):
    """Do the curves depend on the weights that a training begins with?"""

    of, where = "relf", "Figure 6"
    title = "The curves of figure 1 for pictures, from other first weights"
    claim = "Only the curve of Integrated Gradients agrees between two trainings."
    worlds = DIGITS

    def readings(self, seed: int) -> Iterator[Reading]:
        bench = PICTURES[self.scale]
        one, other = (tuple(bench.shifts(s)) for s in (seed, seed + OTHER))
        yield Reading(Apart(one, other, "arm"), seed)

    def claims(self) -> Iterator[Claim]:
        at = PICTURES[self.scale].word
        for explainer in ("gradient", "gradient-shap"):
            yield Claim("apart", explainer, "integrated-gradients", 0.01, at)

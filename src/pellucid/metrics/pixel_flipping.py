"""Pixel flipping (Bach et al., 2015; Samek et al., 2017): how does the answer fall while pixels are flipped?

    f_s = f(x without its s/S most important regions),   s = 0 … S

    area=under     ∫ f_s ds over [0, 1], by trapezoids
    area=over      f_0 − ∫ f_s ds
    area=aopc      Σ_{s=0}^{S} (f_0 − f_s) / (S + 1): Samek's area over the perturbation curve

Flipping the most important regions first (`order=morf`), a small area under the curve, or a large one over it, is
good; with the least important first (`order=lerf`) it is the other way round. A region is a square of `patch` pixels
a side (1: a pixel; Samek has 9), judged by the mean of the map in it; of equal ones the first is flipped first. With
its defaults it is `deletion`. A map that is the same everywhere orders nothing: NaN.

Bach flips black to white and the reverse, Samek fills regions with uniform noise; here they go `into` one empty
image, so that no chance decides. Quantus flips channel values one by one, to the darkest value of each sample, leaves
the intact image out of the curve and counts steps instead of shares: its numbers grow with the number of steps.

>>> curve = torch.tensor([[1.0, 0.5, 0.0]])
>>> flipping(curve, "under").tolist(), flipping(curve, "over").tolist(), flipping(curve, "aopc").tolist()
([0.5], [0.5], [0.5])
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.maths import curves
from pellucid.metrics._base import Better, Between, Case, Curved
from pellucid.metrics._regions import region_means, region_ranks, squares
from pellucid.metrics._removal import Follows, Into, described, emptied, traced

Area = Literal["under", "over", "aopc"]


def flipping(curve: Float[Tensor, "n s"], area: Area) -> Float[Tensor, " n"]:
    """The number of a curve that begins with the intact image."""
    if area == "aopc":
        return (curve[:, :1] - curve).mean(1)
    under = curves.area(curve)
    return under if area == "under" else curve[:, 0] - under


class PixelFlipping(Curved, name="pixel-flipping", paper="doi:10.1371/journal.pone.0130140"):
    """How does the answer fall while the pixels are flipped that the map calls important?"""

    classes = True
    quick = {"steps": 8}
    cite = """
@article{bach2015pixelwise,
  title   = {On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation},
  author  = {Bach, Sebastian and Binder, Alexander and Montavon, Gr{\\'e}goire and Klauschen, Frederick and
             M{\\"u}ller, Klaus-Robert and Samek, Wojciech},
  journal = {PLoS ONE},
  volume  = {10},
  number  = {7},
  year    = {2015},
}
@article{samek2017evaluating,
  title   = {Evaluating the Visualization of What a Deep Neural Network Has Learned},
  author  = {Samek, Wojciech and Binder, Alexander and Montavon, Gr{\\'e}goire and Lapuschkin, Sebastian and
             M{\\"u}ller, Klaus-Robert},
  journal = {IEEE Transactions on Neural Networks and Learning Systems},
  year    = {2017},
}"""

    steps: Annotated[int, Between(1)] = 28
    patch: Annotated[int, Between(1)] = 1
    into: Into = "mean"
    order: Literal["morf", "lerf"] = "morf"
    area: Area = "under"
    follows: Follows = "probability"

    @property
    def better(self) -> Better:
        return "lower" if (self.area == "under") == (self.order == "morf") else "higher"

    def score(self, case: Case) -> Tensor:
        return flipping(self.trace(case), self.area)

    def trace(self, case: Case) -> Tensor:
        """[n, s]: the number after every step, the intact image first."""
        return case.once_here(self.but(curve=False, area="under"), lambda: self._curve(case))

    def _curve(self, case: Case) -> Tensor:
        labels = squares(case.size, self.patch).to(case.map.device).expand_as(case.map)
        regions = int(labels.max()) + 1
        means = region_means(case.map, labels, regions)
        place = region_ranks(means if self.order == "morf" else -means, labels)
        counts = torch.tensor(curves.equal_steps(regions, min(self.steps, regions)), device=place.device)
        step = torch.bucketize(place, counts[1:], right=True)  # in which step a pixel goes
        y = traced(case, step, len(counts) - 1, case.images, emptied(case, self.into), self.follows)
        return torch.where((means.amax(1) > means.amin(1))[:, None], y, torch.nan)

    @property
    def card(self) -> dict[str, str]:
        regions = "pixels" if self.patch == 1 else f"squares of {self.patch} pixels a side, by their mean"
        more = {"step": f"1/{self.steps} of the regions", "unit": regions, "order": self.order, "area": self.area}
        return super().card | described(self.into, self.follows) | more | {"ties": "the first region first"}

"""Monotonicity: do pixels matter more to the model, the more the map says they do?

    kind=nguyen   Spearman's correlation over cells k of  Σ_{i ∈ k} |M_i|  and  E_u (f(x) − f(x with k filled by u))²
                  (Nguyen & Martínez, 2020), in [−1, 1]
    kind=arya     1 if f never falls while cells are added to the empty image, the least important first, else 0
                  (Arya et al., 2019); the empty image itself is not among the steps

Higher is better. The image is cut into a grid of `cells` a side, because one pixel says too little of an image. In
the first way u is a colour drawn between the darkest and the brightest value of each channel, the same draw for all
images, and the model is asked once for all explainers. In the second, which one step in a hundred decides, a cell is
as important as the mean of its signed map, of equal ones the first is added last, and falls of a millionth are
rounding. Where all cells are alike in the map, or (nguyen) to the model: NaN.

Quantus has both: its Monotonicity fills the empty image with emptiness, so that nothing is ever added and every
explanation of every model is monotone; its MonotonicityCorrelation groups single channel values by the order of the
map.

>>> rises(torch.tensor([[0.1, 0.4, 0.9], [0.1, 0.9, 0.4]])).tolist()
[1.0, 0.0]
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.maths.regions import rectangles
from pellucid.maths.similarity import spearman
from pellucid.metrics._base import Between, Case, Metric
from pellucid.metrics._regions import region_means, region_ranks, region_sums
from pellucid.metrics._removal import ROUNDING, SCORED, Follows, Into, described, drops, emptied, of_these, traced


def rises(curve: Float[Tensor, "n s"]) -> Float[Tensor, " n"]:
    """1 where it never falls, NaN where it is nowhere known."""
    falls = (curve.diff(dim=1) < -ROUNDING * curve.abs().amax(1, keepdim=True)).any(1)
    return torch.where(curve.isnan().any(1), torch.nan, (~falls).to(curve))


class Monotonicity(Metric, name="monotonicity", paper="arXiv:2007.07584"):
    """Do pixels matter more to the model, the more the map says they do?"""

    classes = True
    quick = {"cells": 4, "samples": 2}
    cite = """
@article{nguyen2020quantitative,
  title   = {On quantitative aspects of model interpretability},
  author  = {Nguyen, An-phi and Mart{\\'i}nez, Mar{\\'i}a Rodr{\\'i}guez},
  journal = {arXiv:2007.07584},
  year    = {2020},
}
@article{arya2019one,
  title   = {One Explanation Does Not Fit All: A Toolkit and Taxonomy of {AI} Explainability Techniques},
  author  = {Arya, Vijay and others},
  journal = {arXiv:1909.03012},
  year    = {2019},
}"""

    kind: Literal["nguyen", "arya"] = "nguyen"
    cells: Annotated[int, Between(2)] = 7
    samples: Annotated[int, Between(1)] = 8  # of nguyen: colours
    into: Into = "mean"  # of arya: the empty image
    follows: Follows = "question"
    seed: int | None = None

    def score(self, case: Case) -> Tensor:
        labels = rectangles(case.size, self.cells).to(case.map.device)
        return self._nguyen(case, labels) if self.kind == "nguyen" else self._arya(case, labels)

    def _nguyen(self, case: Case, labels: Tensor) -> Tensor:
        regions = int(labels.max()) + 1
        said = region_sums(case.map.abs(), labels.expand_as(case.map), regions)
        means = region_means(case.map.abs(), labels.expand_as(case.map), regions)
        key = ("cells", self.cells, self.samples, self.seed)
        effect = of_these(case, key, self.follows, lambda: self._effect(case, labels, regions))
        found = spearman(said[:, None], effect[:, None])
        return torch.where(means.amax(1) > means.amin(1), found, torch.nan)

    def _effect(self, case: Case, labels: Tensor, regions: int) -> Tensor:
        """[n, k]: the mean square of what filling a cell does."""
        x = case.images
        low, high = (f(x.flatten(2), 2).view(*x.shape[:2], *[1] * (x.ndim - 2)) for f in (torch.amin, torch.amax))
        u = torch.rand(self.samples, x.shape[1], generator=case.generator(self.seed)).to(x)
        u, where = u.view(*u.shape, *[1] * (x.ndim - 2)), labels.view(1, 1, *x.shape[2:])

        def make(i: Tensor, s: Tensor) -> Tensor:
            cell = (s // self.samples).view(-1, *[1] * (x.ndim - 1))
            return torch.where(where == cell, low[i] + (high - low)[i] * u[s % self.samples], x[i])

        drop = drops(case, regions * self.samples, make, self.follows)
        return drop.square().unflatten(1, (regions, self.samples)).mean(2)

    def _arya(self, case: Case, labels: Tensor) -> Tensor:
        labels = labels.expand_as(case.map)
        regions = int(labels.max()) + 1
        means = region_means(case.map, labels, regions)
        last_first = regions - 1 - region_ranks(means, labels)
        y = traced(case, last_first, regions, emptied(case, self.into), case.images, self.follows)
        return torch.where(means.amax(1) > means.amin(1), rises(y[:, 1:]), torch.nan)

    @property
    def card(self) -> dict[str, str]:
        cells = {"unit": f"a grid of {self.cells} x {self.cells}", "ties": "the first cell last"}
        if self.kind == "arya":
            return super().card | described(self.into, self.follows) | cells
        empty = f"{self.samples} random colours in the image's range"
        return super().card | {
            "empty": empty,
            "scored": SCORED[self.follows],
            "unit": cells["unit"],
            "ties": "mean rank",
        }

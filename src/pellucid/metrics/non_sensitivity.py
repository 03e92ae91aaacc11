"""Non-sensitivity (Nguyen and Rodríguez Martínez, 2020): does the map give nothing to what changes nothing?

    S = |A₀ △ X₀| / number of cells,   A₀ the cells that the map gives (almost) nothing,
                                       X₀ the cells without which the probability (almost) stays

Lower is better: the share of cells where map and model disagree, whichever way. A cell is a block of the image that is
replaced whole by the mean colour, and its share of the map is the largest absolute value in it; `cells=16` makes 16 ×
16 of them and as many forwards, `cells=none` takes every pixel. Almost: up to `tolerance`, of the map's largest
absolute value and of probability. A map that is nowhere exactly zero (a blurred or resized one) is charged with every
cell that does not matter; a saturated model, in which no single cell matters, charges any map with all that it marks.
The paper takes an expectation over drawn values in place of one colour, and counts instead of a share; so does quantus,
channel by channel, on maps divided by their largest value.

>>> map, change = torch.tensor([[0.0, 0.0, 4.0]]), torch.tensor([[0.0, 0.3, 0.2]])
>>> non_sensitivity(map, change, 1e-5)  # the second cell matters, and the map does not say so
tensor([0.3333])
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.maths.regions import rectangles
from pellucid.metrics._base import Between, Case, Metric
from pellucid.metrics._removal import of_these


def non_sensitivity(
    maps: Float[Tensor, "n cells"], change: Float[Tensor, "n cells"], tolerance: float
) -> Float[Tensor, " n"]:
    """Both without sign; NaN where the change is."""
    given = maps > tolerance * maps.amax(1, keepdim=True)
    share = (given != (change > tolerance)).to(maps).mean(1)
    return torch.where(change.isnan().any(1), torch.nan, share)


class NonSensitivity(Metric, name="non-sensitivity", paper="arXiv:2007.07584"):
    """Does the map give nothing to what changes nothing?"""

    better = "lower"
    classes = True
    quick = {"cells": 8}
    cite = """
@article{nguyen2020quantitative,
  title   = {On Quantitative Aspects of Model Interpretability},
  author  = {Nguyen, An-phi and Rodr{\\'i}guez Mart{\\'i}nez, Mar{\\'i}a},
  journal = {arXiv:2007.07584},
  year    = {2020},
}"""

    cells: Annotated[int, Between(1)] | None = 16
    tolerance: Annotated[float, Between(0)] = 1e-5
    fill: Literal["mean", "zeros"] = "mean"

    def score(self, case: Case) -> Tensor:
        block = rectangles(case.size, self.cells or max(case.size)).to(case.images.device)
        count, flat = int(block.max()) + 1, case.map.abs().flatten(1)
        largest = torch.zeros(case.n, count).to(flat)
        largest.scatter_reduce_(1, block.flatten().expand_as(flat), flat, "amax")
        return non_sensitivity(largest, self._change(case, block, count), self.tolerance)

    def _change(self, case: Case, block: Tensor, count: int) -> Tensor:
        """[n, cells]: how much of the probability a cell holds, up or down."""
        key = ("without each cell", self.cells, self.fill)
        return of_these(case, key, "probability", lambda: self._changed(case, block, count))

    def _changed(self, case: Case, block: Tensor, count: int) -> Tensor:
        x, block = case.images, block.view(case.images.shape[2:])
        colour = case.mean_colour().to(x) if self.fill == "mean" else torch.zeros(1, *[1] * (x.ndim - 1)).to(x)
        without = case.scan(count, lambda i, s: torch.where(block == s.view(-1, *[1] * (x.ndim - 1)), colour, x[i]))
        return (without - case.probability(case.output, case.target)[:, None]).abs()

    @property
    def card(self) -> dict[str, str]:
        return super().card | {
            "replaced": f"a cell at a time, by {'the mean colour' if self.fill == 'mean' else 'zeros'}",
            "scored": "probability of the explained class",
            "zero": f"up to {self.tolerance:g}, of the map's largest absolute value and of probability",
        }

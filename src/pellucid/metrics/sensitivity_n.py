"""Sensitivity-n (Ancona et al., 2018): does what a map says of n pixels go with what the model loses without them?

    mean_n corr_S( Σ_{i ∈ S} M_i ,  f(x) − f(x without S) )   over random S of n pixels

In [−1, 1], higher is better; the sizes are shares of all pixels, and `curve=true` keeps the correlation at each of
them. A linear model and input × gradient have 1 at every size; no method has in general. Where it is undefined at any
size, NaN.

The paper removes to zeros, draws 100 subsets a size and plots the sizes one by one. What Quantus calls sensitivity-n
is something else: it removes pixels in the order of the map, one subset a size, and correlates over the images of a
batch, so that the score of a sample depends on the others.

>>> SensitivityN(n=(0.1, 0.5)).card["unit"]
'100 random subsets of 0.1, 0.5 of the pixels'
"""

from typing import Annotated

from torch import Tensor

from pellucid.metrics._base import Between, Case, Curved
from pellucid.metrics._removal import Follows, Into, described
from pellucid.metrics._subsets import subset_correlations


class SensitivityN(Curved, name="sensitivity-n", paper="arXiv:1711.06104"):
    """Does what a map says of n pixels go with what the model loses without them?"""

    classes = True
    quick = {"n": (0.2, 0.5), "samples": 24}
    cite = """
@inproceedings{ancona2018towards,
  title     = {Towards better understanding of gradient-based attribution methods for Deep Neural Networks},
  author    = {Ancona, Marco and Ceolini, Enea and {\\"O}ztireli, Cengiz and Gross, Markus},
  booktitle = {International Conference on Learning Representations},
  year      = {2018},
}"""

    n: tuple[Annotated[float, Between(0, 1)], ...] = (0.01, 0.03, 0.1, 0.3, 0.8)
    samples: Annotated[int, Between(3)] = 100
    into: Into = "mean"
    follows: Follows = "question"
    seed: int | None = None

    def score(self, case: Case) -> Tensor:
        return self.trace(case).mean(1)

    def trace(self, case: Case) -> Tensor:
        """[n, sizes]: the correlation at every size."""
        return subset_correlations(case, self.n, self.samples, self.into, self.follows, self.seed)

    @property
    def card(self) -> dict[str, str]:
        unit = f"{self.samples} random subsets of {', '.join(f'{n:g}' for n in self.n)} of the pixels"
        return super().card | described(self.into, self.follows) | {"unit": unit}

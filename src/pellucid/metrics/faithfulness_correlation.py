"""Faithfulness correlation (Bhatt et al., 2020): does what a map says of some pixels go with what the model loses?

    corr_S( Σ_{i ∈ S} M_i ,  f(x) − f(x without S) )   over random S of `subset` of the pixels

In [−1, 1], higher is better. f is the value of the question that the map answers, by default the logit, so that the
two are in one unit; published work also has probabilities (`follows=probability`). It asks of maps that their values
add up, which those of input × gradient and of integrated gradients do and those of CAMs do not have to. Where the map
is the same everywhere, or the model loses the same whatever is removed: NaN.

Sensitivity-n is the same at several sizes. Quantus removes channel values instead of pixels, draws other subsets for
every image, and divides the maps by the largest value of the whole array, which no correlation sees.

>>> linear = torch.tensor([[[3.0, 1.0, 2.0]]])
>>> chosen = torch.tensor([[True, False, False], [False, True, False], [False, False, True]])
>>> correlation(subset_sums(linear, chosen), torch.tensor([[3.0, 1.0, 2.0]])).round(decimals=4).tolist()
[1.0]
"""

from typing import Annotated

import torch
from torch import Tensor

from pellucid.metrics._base import Between, Case, Metric
from pellucid.metrics._removal import Follows, Into, described
from pellucid.metrics._subsets import correlation as correlation
from pellucid.metrics._subsets import subset_correlations
from pellucid.metrics._subsets import subset_sums as subset_sums


class FaithfulnessCorrelation(Metric, name="faithfulness-correlation", paper="arXiv:2005.00631"):
    """Does what a map says of some pixels go with what the model loses without them?"""

    classes = True
    quick = {"subset": 0.3, "samples": 24}
    cite = """
@inproceedings{bhatt2020evaluating,
  title     = {Evaluating and Aggregating Feature-based Model Explanations},
  author    = {Bhatt, Umang and Weller, Adrian and Moura, Jos{\\'e} M. F.},
  booktitle = {International Joint Conference on Artificial Intelligence},
  year      = {2020},
}"""

    subset: Annotated[float, Between(0, 1)] = 0.1
    samples: Annotated[int, Between(3)] = 100
    into: Into = "mean"
    follows: Follows = "question"
    seed: int | None = None

    def score(self, case: Case) -> Tensor:
        found = subset_correlations(case, (self.subset,), self.samples, self.into, self.follows, self.seed)
        return found[:, 0]

    @property
    def card(self) -> dict[str, str]:
        unit = f"{self.samples} random subsets of {self.subset:g} of the pixels"
        return super().card | described(self.into, self.follows) | {"unit": unit}

"""Complexity (Bhatt et al., 2020): over how many pixels is the explanation spread?

    by=entropy     H = −Σ_i P_i ln P_i,   P_i = |a_i| / Σ_j |a_j|
    by=effective   the share of the pixels with |a_i| > eps · max_j |a_j|      (Nguyen & Martínez, 2020)

Lower is simpler: H is 0 where one pixel has everything and ln N where all weigh the same, and grows with the number of
pixels; exp H is the number of equal pixels that would be as complex. Simple is not right: see `sparseness`. The metric
`entropy` is H of the evidence *for* the answer alone, scaled to [0, 1]. A map that is zero everywhere has no score.

Quantus has both, effective complexity as a number of pixels instead of a share, and with eps against the greatest value
of all maps given together. Its entropy adds 1e-12 within the logarithm.

>>> maps = torch.tensor([[[0.0, 0.0, 0.0, -3.0]], [[1.0, -1.0, 1.0, 1.0]]])
>>> complexity(maps).exp().tolist(), effective(maps, 1e-5).tolist()
([1.0, 4.0...], [0.25, 1.0])
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.metrics._base import Between, Case, Metric
from pellucid.metrics.faithfulness_correlation import FaithfulnessCorrelation


def complexity(maps: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """The entropy of the shares of the absolute values, in nats."""
    a = maps.flatten(1).double().abs()
    return torch.special.entr(a / a.sum(1, keepdim=True)).sum(1).float()  # 0 / 0 of a zero map is NaN


def effective(maps: Float[Tensor, "n h w"], eps: float) -> Float[Tensor, " n"]:
    """The share of the pixels that are not next to nothing."""
    a = maps.flatten(1).double().abs()
    peak = a.amax(1, keepdim=True)
    return torch.where(peak[:, 0] > 0, (a > eps * peak).double().mean(1), torch.nan).float()


class Complexity(Metric, name="complexity", paper="arXiv:2005.00631"):
    """Over how many pixels is the explanation spread?"""

    better = "lower"
    facts = {"of": "absolute values", "zero map": "undefined"}
    cite = FaithfulnessCorrelation.cite

    by: Literal["entropy", "effective"] = "entropy"
    eps: Annotated[float, Between(0, 1)] = 1e-5  # of by=effective

    def score(self, case: Case) -> Tensor:
        return complexity(case.map) if self.by == "entropy" else effective(case.map, self.eps)

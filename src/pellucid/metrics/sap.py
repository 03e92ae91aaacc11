"""Separated attribute predictability, SAP (Kumar et al., 2018): does one unit alone foretell each factor?

    SAP_k = S_j*k − max_{j ≠ j*} S_jk
    S_jk  = corr(z_j, v_k)²                                     of a factor whose values have an order
          = Σ_b max_v p(z_j in b | v) / number of values        of one whose values have none: the balanced accuracy of
                                                                the best thresholds, at `bins` quantiles of the unit

1: one unit says it all, and linearly, and the others nothing. A squared correlation sees lines alone: an orientation
that comes round again scores low with any unit, which is no fault of the code.

>>> v = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
>>> code = torch.tensor([[0.0, 1.0], [2.0, -1.0], [4.0, -1.0], [6.0, 1.0]])
>>> round(SAP()(code, v).item(), 6), SAP(bins=2).each(code, (v > 1).long(), [False]).tolist()
(1.0, [0.5])
"""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.maths.pooled import Pooled
from pellucid.metrics._apart import OfCodes, classes_of, gap, joint
from pellucid.metrics._base import Between


def squared_correlation(codes: Float[Tensor, "n d"], factor: Float[Tensor, " n"]) -> Float[Tensor, " d"]:
    """Of every unit; a unit that never changes foretells nothing."""
    pooled = Pooled()
    pooled.add(torch.cat([codes, factor[:, None]], 1).T)
    return pooled.correlation()[-1, :-1].square().nan_to_num()


def balanced_accuracy(
    codes: Float[Tensor, "n d"], classes: Int[Tensor, " n"], count: int, bins: int
) -> Float[Tensor, " d"]:
    """Of saying in each bin the class that it is most typical of."""
    inner = torch.linspace(0, 1, bins + 1, dtype=codes.dtype, device=codes.device)[1:-1]
    edges = codes.quantile(inner, dim=0).T.contiguous()
    shares = joint(torch.searchsorted(edges, codes.T.contiguous(), right=True).T, classes, count)
    return (shares / shares.sum(1, keepdim=True)).amax(2).sum(1) / count


class SAP(OfCodes, name="sap", paper="arXiv:1711.00848"):
    """Does one unit alone foretell each factor?"""

    cite = """
@inproceedings{kumar2018variational,
  title     = {Variational Inference of Disentangled Latent Concepts from Unlabeled Observations},
  author    = {Kumar, Abhishek and Sattigeri, Prasanna and Balakrishnan, Avinash},
  booktitle = {International Conference on Learning Representations},
  year      = {2018},
}"""

    bins: Annotated[int, Between(2)] = 20

    def rated(self, codes: Tensor, factors: Tensor, ordered: list[bool]) -> Tensor:
        return torch.stack([self._one(codes, v, o) for v, o in zip(factors.T, ordered, strict=True)])

    def _one(self, codes: Tensor, factor: Tensor, ordered: bool) -> Tensor:
        classes, count = classes_of(factor)
        if count < 2:
            return codes.new_tensor(torch.nan)
        if ordered:
            return gap(squared_correlation(codes, factor.double())[:, None])[0]
        lifted = balanced_accuracy(codes, classes, count, self.bins)
        return gap(lifted[:, None])[0] if codes.shape[1] > 1 else lifted[0] - 1 / count

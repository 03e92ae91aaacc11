"""Mutual information gap, MIG (Chen et al., 2018): does one unit alone know each factor?

    MIG_k = (I(z_j*; v_k) − max_{j ≠ j*} I(z_j; v_k)) / H(v_k),     j* the unit that knows most of factor k

1: one unit tells the factor and no other knows of it; 0: two know it equally well, or nobody does. The codes are those
of the mean, cut into `bins` of equal width from the least to the greatest, as Locatello et al. (2019) do; the paper
integrates over the posterior instead. Finite samples inflate I of all units alike: with n samples and bins · values
cells by about bins · values / 2n nats, so give thousands. A factor that never changes has no entropy: NaN.

>>> v = torch.tensor([[0], [0], [1], [1]])
>>> apart = torch.tensor([[0.0, 5.0], [0.0, 6.0], [9.0, 5.0], [9.0, 6.0]])
>>> twice = torch.tensor([[0.0, 0.0], [0.0, 0.0], [9.0, 9.0], [9.0, 9.0]])
>>> MutualInformationGap()(apart, v).item(), MutualInformationGap()(twice, v).item()
(1.0, 0.0)
"""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.metrics._apart import OfCodes, classes_of, gap, joint
from pellucid.metrics._base import Between


def binned(codes: Float[Tensor, "n d"], bins: int) -> Int[Tensor, "n d"]:
    """Each unit's values in bins of equal width.

    >>> binned(torch.tensor([[0.0], [0.4], [1.0]]), 2).flatten().tolist()
    [0, 0, 1]
    """
    low, high = codes.amin(0), codes.amax(0)
    place = (codes - low) / torch.where(high > low, high - low, 1.0)
    return (place * bins).long().clamp_max(bins - 1)


def mutual_information(shares: Float[Tensor, "*d b k"]) -> Float[Tensor, "*d"]:
    """Σ p(b, k) ln p(b, k) / p(b) p(k), in nats."""
    both = shares.sum(-1, keepdim=True) * shares.sum(-2, keepdim=True)
    return torch.where(shares > 0, shares * (shares / both).log(), 0.0).sum((-2, -1))


class MutualInformationGap(OfCodes, name="mutual-information-gap", paper="arXiv:1802.04942"):
    """Does one unit alone know each factor?"""

    cite = """
@inproceedings{chen2018isolating,
  title     = {Isolating Sources of Disentanglement in Variational Autoencoders},
  author    = {Chen, Ricky T. Q. and Li, Xuechen and Grosse, Roger and Duvenaud, David},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2018},
}"""

    bins: Annotated[int, Between(2)] = 20

    def rated(self, codes: Tensor, factors: Tensor, ordered: list[bool]) -> Tensor:
        places = binned(codes, self.bins)
        return torch.stack([self._one(places, *classes_of(factor)) for factor in factors.T])

    def _one(self, places: Tensor, classes: Tensor, count: int) -> Tensor:
        shares = joint(places, classes, count)
        share = shares[0].sum(0)
        if count < 2:
            return share.new_tensor(torch.nan)
        return gap(mutual_information(shares)[:, None])[0] / -(share * share.log()).sum()

"""Sparseness (Chalasani et al., 2020): does the map point at a few pixels, or a little at all?

    G = Σ_i (2 i − N − 1) a_(i) / (N Σ_i a_(i)),   a_(1) ≤ … ≤ a_(N) the absolute values of the map

The Gini index: 0 where all pixels weigh the same, 1 − 1/N where one has everything. Higher is sparser. It does not ask
whether the few pixels are the right ones: a single wrong pixel is as sparse as can be. Signs do not count, nor does the
scale of the map; its resolution does (seven by seven cells resized to an image are never sparse). A map that is zero
everywhere has no score.

Quantus adds 1e-7 to every value first, after it has divided by the greatest value of all maps given together.

>>> sparseness(torch.tensor([[[0.0, 0.0, 0.0, -3.0]], [[1.0, -1.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]])).tolist()
[0.75, 0.0, 0.5]
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.metrics._base import Case, Metric


def sparseness(maps: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """The Gini index of the absolute values."""
    a = maps.flatten(1).double().abs().sort(1).values
    n = a.shape[1]
    weights = 2 * torch.arange(1, n + 1, dtype=a.dtype, device=a.device) - n - 1
    return ((a * weights).sum(1) / (n * a.sum(1))).float()  # 0 / 0 of a zero map is NaN


class Sparseness(Metric, name="sparseness", paper="arXiv:1810.06583"):
    """Does the map point at a few pixels, or a little at all of them?"""

    facts = {"of": "absolute values", "zero map": "undefined"}
    cite = """
@inproceedings{chalasani2020concise,
  title     = {Concise Explanations of Neural Networks using Adversarial Training},
  author    = {Chalasani, Prasad and Chen, Jiefeng and Chowdhury, Amrita Roy and Wu, Xi and Jha, Somesh},
  booktitle = {International Conference on Machine Learning},
  year      = {2020},
}"""

    def score(self, case: Case) -> Tensor:
        return sparseness(case.map)

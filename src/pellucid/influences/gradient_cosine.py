"""Gradient cosine (Charpiat et al., 2019): would a step for the one be a step for the other?

    w_n(x) = ⟨g(x), g(x_n)⟩ / (‖g(x)‖ ‖g(x_n)‖),     g(x) = ∂L(x; θ)/∂θ

Between −1 and 1. TracIn's products grow with the gradients, so that a few examples of large loss are important for
everything; a cosine asks for the direction alone. Whose gradient is zero has no direction, and 0.

>>> gradient_cosine(torch.tensor([[6.0]]), torch.tensor([4.0]), torch.tensor([9.0])).tolist()       # squared lengths
[[1.0]]
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.influences._base import Case, Influence
from pellucid.influences._gradients import Gradients, Params, held, of_case
from pellucid.influences._samples import Samples


def gradient_cosine(
    products: Float[Tensor, "t n"], left: Float[Tensor, " t"], right: Float[Tensor, " n"]
) -> Float[Tensor, "t n"]:
    """From products and squared lengths."""
    lengths = left.sqrt()[:, None] * right.sqrt()
    return torch.where(lengths > 0, products / torch.where(lengths > 0, lengths, 1.0), 0.0)


class GradientCosine(Influence, name="gradient-cosine", paper="arXiv:2102.05262"):
    """Would a step for the one be a step for the other?"""

    cite = """
@inproceedings{charpiat2019input,
  title     = {Input Similarity from the Neural Network Perspective},
  author    = {Charpiat, Guillaume and Girard, Nicolas and Felardos, Loris and Tarabalka, Yuliya},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2019},
}"""
    needs = ("loss",)
    symmetric = True

    params: Params = "encoder"

    def score(self, case: Case) -> Tensor:
        test = case.once_test((self.name, self.params), lambda: self._of(case, case.test))
        train = case.once_train((self.name, self.params), lambda: self._of(case, case.train))
        return gradient_cosine(test.products(train), test.squares(), train.squares())

    def _of(self, case: Case, samples: Samples) -> Gradients:
        return of_case(case, samples, self.params)

    def keeps(self, case: Case) -> int:
        return held(case, self.params)

"""TracIn (Pruthi et al., 2020): which training steps lowered the loss of the test example?

    w_n(x) = Σ_c η_c ⟨∂L(x; θ_c)/∂θ, ∂L(x_n; θ_c)/∂θ⟩     over checkpoints c

To first order, a step of gradient descent on x_n at θ_c lowers the loss of x by η_c times that product. Positive is a
proponent, negative an opponent; of an example with itself it is never negative.

`rate` is η: one for all, or one for each checkpoint that is used; the scores are linear in it, so that one constant
changes no order. `every=10` uses the first checkpoint and every tenth after it, which is what the published label-free
experiments kept, the almost untrained model of the first epoch among them. They were trained by Adam, of whose steps
this is no first order.

Without labels the loss is the reconstruction's, and the parameters are those of the encoder alone: the decoder's have
no say in the representation. Gradients of linear layers are never written out.

>>> g_test, g_train = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 0.0], [0.0, -1.0]])
>>> tracin([g_test @ g_train.T, g_test @ g_train.T], [0.5, 1.0]).tolist()
[[4.5, -3.0]]
"""

from collections.abc import Iterable, Sequence
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import BadKnob
from pellucid.influences._base import Between, Case, Influence
from pellucid.influences._case import Weights
from pellucid.influences._gradients import Gradients, Params, held, of_case
from pellucid.influences._samples import Samples


def tracin(products: Iterable[Float[Tensor, "t n"]], rates: Sequence[float]) -> Float[Tensor, "t n"]:
    """Of each checkpoint, the products of test and training gradients."""
    return torch.stack([rate * each for each, rate in zip(products, rates, strict=True)]).sum(0)


class TracIn(Influence, name="tracin", paper="arXiv:2002.08484"):
    """Which training steps lowered the loss of the test example?"""

    needs = ("loss", "checkpoints")
    symmetric = True
    cite = """
@inproceedings{pruthi2020estimating,
  title     = {Estimating Training Data Influence by Tracing Gradient Descent},
  author    = {Pruthi, Garima and Liu, Frederick and Kale, Satyen and Sundararajan, Mukund},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2020},
}"""

    params: Params = "encoder"
    rate: float | tuple[float, ...] = 1.0
    every: Annotated[int, Between(1)] = 1

    def score(self, case: Case) -> Tensor:
        return tracin((self._products(case, i) for i in range(len(self._used(case)))), self._rates(case))

    def keeps(self, case: Case) -> int:
        return len(self._used(case)) * held(case, self.params)

    def able(self, case: Case) -> None:
        super().able(case)
        self._rates(case)

    def _products(self, case: Case, i: int) -> Tensor:
        test = case.once_test((self.name, self.params, i, self.every), lambda: self._at(case, i, case.test))
        train = case.once_train((self.name, self.params, i, self.every), lambda: self._at(case, i, case.train))
        return test.products(train)

    def _at(self, case: Case, i: int, samples: Samples) -> Gradients:
        with case.at(self._used(case)[i]):
            return of_case(case, samples, self.params)

    def _used(self, case: Case) -> Sequence[Weights]:
        return case.checkpoints[:: self.every]

    def _rates(self, case: Case) -> Sequence[float]:
        count = len(self._used(case))
        if isinstance(self.rate, tuple) and len(self.rate) != count:
            raise BadKnob(
                f"tracin has {len(self.rate)} learning rates for {count} checkpoints; give one each, or one for all."
            )
        return self.rate if isinstance(self.rate, tuple) else [self.rate] * count

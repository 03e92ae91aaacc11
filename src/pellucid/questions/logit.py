"""Logit: the score of one class.

    value y_t,   w = e_t

>>> y, t = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([1])
>>> Logit().value(y, t).item(), Logit().direction(y, t).tolist()
(1.0, [[0.0, 1.0, 0.0]])
"""

import torch
from torch import Tensor

from pellucid.questions._base import Question, one_hot, pick


class Logit(Question, name="logit"):
    """Why this class?"""

    linear = True
    one_sided = True

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return pick(output, target)

    def direction(self, output: Tensor, target: Tensor) -> Tensor:
        return one_hot(output, target)

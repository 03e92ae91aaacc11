"""Log-probability: the negative cross-entropy of this class.

    value log p_t,   w = (1 − p_t)(e_t − α)            link=softmax
    value log σ(y_t),  w = σ(−y_t) e_t                 link=sigmoid

>>> y, t = torch.tensor([[0.0, 0.0]]), torch.tensor([0])
>>> LogProbability().direction(y, t).tolist()
[[0.5, -0.5]]
"""

import torch
from torch import Tensor

from pellucid.questions._base import Question
from pellucid.questions.probability import Link, against_others, improbability, log_probability


class LogProbability(Question, name="logprobability"):
    """How would the cross-entropy of this class change?"""

    scale = "log-probability"
    one_sided = True

    link: Link = "softmax"
    live: bool = True

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return log_probability(output, target, self.link)

    def direction(self, output: Tensor, target: Tensor) -> Tensor:
        return improbability(output, target, self.link)[:, None] * against_others(output, target, self.link)

"""Probability: how sure is the model of this class?

    value p_t,   w = p_t (1 − p_t)(e_t − α)            link=softmax
    value σ(y_t),  w = σ(y_t) σ(−y_t) e_t              link=sigmoid

1 − p_t is formed as exp(logsumexp_{s≠t} y − logsumexp y), which is right where 1 − p_t in float32 is 0. The value is
asked for itself along a path and under masks (`live`): a probability is no fixed direction.

>>> y, t = torch.tensor([[0.0, 0.0]]), torch.tensor([0])
>>> Probability().value(y, t).item(), Probability().direction(y, t).tolist()
(0.5, [[0.25, -0.25]])
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.questions._base import Question, one_hot, others, pick
from pellucid.questions.contrast import alpha

Link = Literal["softmax", "sigmoid"]


def log_probability(y: Float[Tensor, "n c"], target: Int[Tensor, " n"], link: Link) -> Float[Tensor, " n"]:
    """log p_t."""
    return pick(y.log_softmax(1) if link == "softmax" else torch.nn.functional.logsigmoid(y), target)


def improbability(y: Float[Tensor, "n c"], target: Int[Tensor, " n"], link: Link) -> Float[Tensor, " n"]:
    """1 − p_t, to full relative precision."""
    if link == "sigmoid":
        return pick((-y).sigmoid(), target)
    return (others(y, target).logsumexp(1) - y.logsumexp(1)).exp()


def against_others(y: Float[Tensor, "n c"], target: Int[Tensor, " n"], link: Link) -> Float[Tensor, "n c"]:
    """The direction of the log-odds: e_t − α, or e_t where classes do not exclude each other."""
    e = one_hot(y, target)
    return e if link == "sigmoid" or y.shape[1] == 1 else e - alpha(y, target, "softmax")


class Probability(Question, name="probability"):
    """How sure of this class?"""

    scale = "probability"
    one_sided = True

    link: Link = "softmax"
    live: bool = True

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return log_probability(output, target, self.link).exp()

    def direction(self, output: Tensor, target: Tensor) -> Tensor:
        size = self.value(output, target) * improbability(output, target, self.link)
        return size[:, None] * against_others(output, target, self.link)

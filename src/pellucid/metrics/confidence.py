"""Confidence: the probability of the class that is predicted.

    max_s p_s

Every curve of insertion and deletion ends or begins at a probability; models are not comparable by them without it.

>>> confidence(torch.tensor([[0.2, 0.7, 0.1]])).tolist()
[0.699...]
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.metrics._base import Case, Metric


def confidence(probabilities: Float[Tensor, "n classes"]) -> Float[Tensor, " n"]:
    """The greatest of every row; a single one is that of the second of two classes."""
    p = probabilities
    return torch.maximum(p, 1 - p)[:, 0] if p.shape[1] == 1 else p.amax(1)


class Confidence(Metric, name="confidence"):
    """How sure is the model of the class that it predicts?"""

    scores = "model"
    better = None
    classes = True

    def score(self, case: Case) -> Tensor:
        return confidence(case.chances(case.output))

"""Accuracy: is the label among the k classes with the greatest scores?

    1 if #{s : y_s > y_label} < k, else 0

Equal scores are shared out: of m classes that tie for the last r places each is in with r/m.

>>> accuracy(torch.tensor([[3.0, 1.0, 2.0], [1.0, 1.0, 0.0]]), torch.tensor([2, 0]), 1).tolist()
[0.0, 0.5]
"""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.metrics._base import Between, Case, Metric


def accuracy(output: Float[Tensor, "n classes"], labels: Int[Tensor, " n"], k: int) -> Float[Tensor, " n"]:
    """NaN where the label is -1."""
    if output.shape[1] == 1:  # of two classes, the second where it is above zero
        output = torch.cat([torch.zeros_like(output), output], 1)
    classes = output.shape[1]
    mine = output.gather(1, labels.clamp(0, classes - 1)[:, None])
    above, equal = (output > mine).sum(1), (output == mine).sum(1)
    found = ((k - above).clamp_min(0) / equal).clamp_max(1.0)
    known = torch.where(labels < classes, found.to(output), 0.0)  # a class that the model does not have is never right
    return torch.where(labels < 0, torch.nan, known)


class Accuracy(Metric, name="accuracy"):
    """Is the label among the k classes with the greatest scores?"""

    scores = "model"
    needs = ("labels",)
    classes = True

    k: Annotated[int, Between(1)] = 1

    def score(self, case: Case) -> Tensor:
        case.chances(case.output)
        return accuracy(case.output, case.label, self.k)

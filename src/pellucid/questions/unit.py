"""Unit: one number of the output, or of a latent code.

    value f_i,   w = e_i        i counts the sample's output in reading order

>>> Unit(1).value(torch.tensor([[3.0, 4.0]]), torch.tensor([-1])).item()
4.0
"""

from typing import Annotated

import torch
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.knobs import Between
from pellucid.questions._base import Question


class Unit(Question, name="unit"):
    """What drives this unit?"""

    scale = "unit"
    targeted = False
    linear = True
    quick = {"index": 1}

    index: Annotated[int, Between(0)]

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        flat = output.flatten(1)
        if self.index >= flat.shape[1]:
            raise BadInput(f"unit {self.index} is not there: the output has {flat.shape[1]}, 0 to {flat.shape[1] - 1}.")
        return flat[:, self.index]

    def direction(self, output: Tensor, target: Tensor) -> Tensor:
        w = torch.zeros_like(output).flatten(1)
        w[:, self.index] = 1.0
        return w.view_as(output)

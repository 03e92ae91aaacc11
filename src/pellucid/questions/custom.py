"""Custom: any function of the output.

    value g(f(x̃)),   w = ∂g/∂f, by autograd            g: output -> [n]

From Python only: pl.explain(model, x, ask=lambda y: y[:, 3] - y[:, 5]).

>>> y = torch.tensor([[1.0, 2.0]])
>>> Custom(lambda y: y[:, 0] * y[:, 1]).direction(y, torch.tensor([-1])).tolist()
[[2.0, 1.0]]
"""

from collections.abc import Callable

import torch
from torch import Tensor

from pellucid.errors import BadQuestion
from pellucid.questions._base import Question


class Custom(Question, name="custom"):
    """Whatever your function asks."""

    scale = "unit"
    targeted = False

    quick = {"function": lambda y: y.flatten(1)[:, 0] * y.flatten(1)[:, 1]}

    function: Callable[[Tensor], Tensor]

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        value = self.function(output)
        if not isinstance(value, Tensor) or value.shape != output.shape[:1]:
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise BadQuestion(
                f"the function that asks gives {found}, where one number a sample was expected; return [{len(output)}]."
            )
        return value

    def direction(self, output: Tensor, target: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = output.detach().requires_grad_()
            value = self.value(leaf, target)
            if not value.requires_grad:
                raise BadQuestion("the function that asks does not depend on the output differentiably; use torch.")
            return torch.autograd.grad(value.sum(), leaf)[0]

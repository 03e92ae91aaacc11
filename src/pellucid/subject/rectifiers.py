"""Rectifiers: the way back through ReLUs by another rule, for every way of writing a ReLU.

The rule stands where autograd asks for the backward of a ReLU, below modules and functions: `nn.ReLU`, `F.relu`, an
in-place one and ReLU6 are all met there, the forward is untouched, and there is nothing to put back afterwards.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pellucid.errors import BadModel

Rule = Callable[[Tensor, Tensor], Tensor]  # the gradient behind a ReLU, and where it is open: the gradient before it

aten = torch.ops.aten

# activations that are no ReLU: half open everywhere
SMOOTH = {
    aten.gelu_backward: "GELU",
    aten.silu_backward: "SiLU",
    aten.hardswish_backward: "Hardswish",
    aten.mish_backward: "Mish",
    aten.elu_backward: "ELU",
    aten.softplus_backward: "Softplus",
    aten.leaky_relu_backward: "leaky ReLU",
    aten._prelu_kernel_backward: "PReLU",
}


class _Rectified(TorchDispatchMode):
    """Sees every operation of the way back."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule, self.met = rule, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket
        if name is aten.threshold_backward:
            gradient, output, threshold = args
            self.met += 1
            return self.rule(gradient, output > threshold)
        if name is aten.hardtanh_backward:
            gradient, entering, low, high = args
            self.met += 1
            return self.rule(gradient, (entering > low) & (entering < high))
        if name in SMOOTH:
            raise BadModel(
                f"guided backprop and DeconvNet are defined for networks of ReLUs, and this one has a {SMOOTH[name]}; "
                f"use gradient, or smooth@gradient."
            )
        return func(*args, **kwargs or {})


@contextmanager
def rectified(rule: Rule | None) -> Generator[None]:
    """Ways back that are gone within follow the rule; without one, as ever."""
    if rule is None:
        yield
        return
    with _Rectified(rule) as seen:
        yield
    if not seen.met:
        raise BadModel(
            "guided backprop and DeconvNet are defined for networks of ReLUs, and no ReLU was met on the way back; "
            "use gradient, or smooth@gradient."
        )

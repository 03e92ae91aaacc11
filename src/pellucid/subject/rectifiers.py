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

Gate = Callable[[Tensor], Tensor]  # the way back as ever: what of a gradient passes an open ReLU
Rule = Callable[[Tensor, Gate], Tensor]  # the gradient behind a ReLU and its gate -> the gradient before it

aten = torch.ops.aten

RECTIFIERS = (aten.threshold_backward, aten.hardtanh_backward)  # of ReLU, and of ReLU6

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
        if name in RECTIFIERS:
            self.met += 1
            gradient, *rest = args

            def gate(g: Tensor) -> Tensor:
                # what the rule made for itself is written over: at a ReLU, memory costs more than arithmetic
                return func(g, *rest) if g is gradient else name.grad_input(g, *rest, grad_input=g)

            return self.rule(gradient, gate)
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

"""What crosses some modules in a forward: what each is given and what it gives, with the graph behind it."""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


@dataclass(frozen=True)
class Crossing:
    """One call of a module."""

    path: str
    given: Tensor
    gave: Tensor  # ask torch.autograd.grad for the gradient here


@contextmanager
def crossings(model: nn.Module, paths: Iterable[str]) -> Generator[list[Crossing]]:
    """The list is filled while the model runs inside, in the order of the calls."""
    heard: list[Crossing] = []

    def listen(path: str) -> Any:
        def hear(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
            if not isinstance(output, Tensor) or not inputs or not isinstance(inputs[0], Tensor):
                return None
            gave = output if output.requires_grad else output.detach().requires_grad_()
            heard.append(Crossing(path, inputs[0].detach(), gave))
            return gave.clone()  # an in-place ReLU behind must not reach what is kept

        return hear

    handles = [model.get_submodule(path).register_forward_hook(listen(path)) for path in paths]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def linear_calls(model: nn.Module, run: Callable[[], T]) -> tuple[T, list[tuple[int, Crossing]]]:
    """What a run gives, and the calls of linear layers (or convolutions) in it, the last first, each with the number
    of its outputs."""
    linear = {path: m for path, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    with torch.no_grad(), crossings(model, linear) as heard:
        found = run()
    return found, [(len(linear[call.path].weight), call) for call in reversed(heard)]


@contextmanager
def giving(module: nn.Module, value: Tensor) -> Generator[None]:
    """Meanwhile the module gives this, whatever it is given."""
    handle = module.register_forward_hook(lambda *_: value)
    try:
        yield
    finally:
        handle.remove()

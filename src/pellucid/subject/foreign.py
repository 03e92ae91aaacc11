"""The code of others: what it may touch for its own time, and finds put back.

A library that hooks modules, sets attributes, draws from NumPy or leaves gradients may be called in here; afterwards
the model and all chance are as they were, also when it raises. Values of weights alone are left to the stranger: a copy
of them in every call would cost more than most methods.
"""

import random
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from pellucid.subject.state import seeded


@contextmanager
def put_back(model: nn.Module, seed: int, in_place: bool = True) -> Generator[None]:
    """Chance begins at the seed, gradients of the weights are away; `in_place` false: no ReLU writes over its input."""
    modules = list(model.modules())
    before = [(module, _contents(module)) for module in modules]
    buffers = [(b, b.clone()) for b in model.buffers()]
    weights = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    with seeded(model, seed), torch.enable_grad(), _chance_of_python(seed):
        try:
            for p, _, _ in weights:
                p.grad = None
            for module in modules:
                if not in_place and getattr(module, "inplace", False):
                    module.inplace = False  # type: ignore[assignment]
            yield
        finally:
            for module, contents in before:
                _restore(module, contents)
            for p, wanted, gradient in weights:
                p.requires_grad_(wanted)
                p.grad = gradient
            with torch.no_grad():
                for b, value in buffers:
                    if not torch.equal(b, value):  # BatchNorm writes without a new version
                        b.copy_(value)


def _contents(module: nn.Module) -> dict[str, tuple[Any, Any]]:
    """Every attribute, and of those that are dicts (hooks, weights, parts) what is in them."""
    return {name: (value, dict(value) if isinstance(value, dict) else None) for name, value in vars(module).items()}


def _restore(module: nn.Module, contents: dict[str, tuple[Any, Any]]) -> None:
    now = vars(module)
    for name in now.keys() - contents.keys():
        del now[name]
    for name, (value, inside) in contents.items():
        if inside is not None:
            value.clear()
            value.update(inside)
        now[name] = value


@contextmanager
def _chance_of_python(seed: int) -> Generator[None]:
    import numpy as np

    pythons, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002  (others draw from it)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)  # noqa: NPY002

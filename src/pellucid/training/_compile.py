"""torch.compile for a model that is looked at: everything but what lies around the layers that are watched.

A compiled graph knows no hook that comes later. So the modules beside a watched layer, and the layer itself, are
compiled one by one, and what contains one is left as it is: the hook stands between compiled parts.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn


def around(model: nn.Module, layers: Sequence[str]) -> None:
    """Compile the largest parts that hold no watched layer inside."""
    for path in parts(model, layers):
        module = model.get_submodule(path) if path else model
        module.forward = cast("object", torch.compile(module.forward))  # type: ignore[assignment]


def parts(model: nn.Module, layers: Sequence[str], prefix: str = "") -> list[str]:
    """Their paths.

    >>> net = nn.Sequential(nn.Sequential(nn.ReLU(), nn.ReLU()), nn.Linear(1, 1))
    >>> parts(net, ["0.1"]), parts(net, ["0"]), parts(net, [])
    (['0.0', '0.1', '1'], ['0', '1'], [''])
    """
    if not any(layer.startswith(f"{prefix}." if prefix else "") and layer != prefix for layer in layers):
        return [prefix]
    return [
        path
        for name, child in model.named_children()
        for path in parts(child, layers, f"{prefix}.{name}" if prefix else name)
    ]

"""The head of a network that ends in average pooling and one linear layer.

There the output is W · mean(A) + b, so that what a class owes to a cell of the map A can be read off W.
"""

import torch
from torch import Tensor, nn

LOOSE = {torch.float16: 1e-2, torch.bfloat16: 5e-2}  # how exactly the head is known again


def linear_head(model: nn.Module, output: Tensor, activation: Tensor) -> nn.Module | None:
    """The layer that turns the average of the activation [n, k, h, w] into the output [n, classes], if one does."""
    pooled = activation.detach().mean((2, 3))
    tolerance = max(LOOSE.get(output.dtype, 1e-4), LOOSE.get(pooled.dtype, 1e-4))
    for module in reversed(list(model.modules())):
        if not isinstance(module, nn.Linear | nn.Conv2d) or output.ndim != 2:
            continue
        weight = module.weight.detach().flatten(1).to(pooled)
        if weight.shape != (output.shape[1], pooled.shape[1]):
            continue
        bias = 0.0 if module.bias is None else module.bias.detach().to(pooled)
        if torch.allclose(pooled @ weight.T + bias, output.detach().to(pooled), rtol=tolerance, atol=tolerance):
            return module
    return None

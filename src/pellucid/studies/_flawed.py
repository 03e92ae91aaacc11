"""Networks with a defect of published code, for the errata."""

from typing import Any

from torch import Tensor, cat, nn
from torch.nn.functional import batch_norm


class Cut(nn.Module):
    """A capsule network's representation, of which only the special features have a gradient."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        parts = self.net.parts(x)
        held = self.net.tokens(parts).detach()
        return cat([held[..., : -parts.special.shape[2]], parts.special], -1).flatten(1)


class OfTheBatch(nn.Module):
    """A BatchNorm that is in training whatever its mode: it normalises by the batch, and remembers it."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        of = self.norm
        return batch_norm(x, of.running_mean, of.running_var, of.weight, of.bias, True, of.momentum, of.eps)


def replaced(model: nn.Module, by: Any) -> None:
    """Every BatchNorm, by something around it."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, by(child))


def put_back(model: nn.Module) -> None:
    """What `replaced` took away, with what it has seen since."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, OfTheBatch):
                setattr(parent, name, child.norm)

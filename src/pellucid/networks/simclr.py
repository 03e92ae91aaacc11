"""SimCLR's network: a ResNet for small pictures, and a projector that is there to be trained (Chen et al., 2020).

    f(x) = ResNet-18 without its last layer, 512 numbers          the representation, which is explained
    g(x) = W₂ ReLU(W₁ f(x)),   512 -> 2048 -> 128                 what `infonce` compares

`model(x)` is f(x); `model.project(x)` is g(x), of no use after the training. The stem is for small pictures: one
convolution of 3×3, no pooling.

`statistics=batch`, as published with the label-free paper: the network stays in training mode while it is explained,
so that BatchNorm takes mean and variance of whatever is in the batch. A picture then has another representation, and
another explanation, in other company, and in the many copies that an explainer makes of it. With `running`, the
default, it has its own. (The published code also keeps changing the running statistics; here they stay.)

>>> net = SimCLR().build()
>>> x = torch.zeros(2, 3, 32, 32)
>>> net(x).shape, net.project(x).shape
(torch.Size([2, 512]), torch.Size([2, 128]))
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.data.transforms import simclr as views
from pellucid.networks._base import Count, Learner, Network
from pellucid.networks.resnet import ResNet


class SimCLR(Network, name="simclr", paper="arXiv:2002.05709"):
    """Pictures as 512 numbers that other views of them share."""

    cite = views.SimCLR.cite
    mean, std, size = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 32

    depth: Literal[18, 34, 50, 101] = 18
    hidden: Count = 2048
    out: Count = 128
    channels: Count = 3
    statistics: Literal["running", "batch"] = "running"

    def build(self) -> nn.Module:
        encoder = ResNet(depth=self.depth, stem="cifar", channels=self.channels).build()
        width = encoder.get_submodule("fc").in_features
        encoder.fc = nn.Identity()
        if self.statistics == "batch":
            _by_batches(encoder)
        projector = nn.Sequential(nn.Linear(int(width), self.hidden), nn.ReLU(), nn.Linear(self.hidden, self.out))  # type: ignore[arg-type]
        return _SimCLR(encoder, projector)


class _SimCLR(Learner):
    def __init__(self, encoder: nn.Module, projector: nn.Module) -> None:
        super().__init__()
        self.encoder, self.projector = encoder, projector

    def represent(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return self.encoder(x)

    def project(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n p"]:
        """What is compared in training."""
        return self.projector(self.represent(x))


class _BatchStatistics(nn.BatchNorm2d):
    """In evaluation, too, by the statistics of the batch; the running ones are left alone then."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training:
            return super().forward(input)
        return nn.functional.batch_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)


def _by_batches(net: nn.Module) -> None:
    """Every BatchNorm of it, with the weights and numbers that it has."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = _BatchStatistics

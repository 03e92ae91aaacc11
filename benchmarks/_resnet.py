"""What most rows look at: ResNet-50, random weights, 224 px."""

import torch
from torch import Tensor, nn
from torchvision.models import resnet50


def network() -> nn.Module:
    torch.manual_seed(0)
    return resnet50(weights=None).eval()


def images(n: int = 16) -> Tensor:
    return torch.randn(n, 3, 224, 224, generator=torch.Generator().manual_seed(0))


def forward(net: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return net(x)


def input_gradient(net: nn.Module, x: Tensor, target: int = 3) -> Tensor:
    """One forward and one backward to the input, the least of every gradient method."""
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(net(leaf)[:, target].sum(), leaf)[0]

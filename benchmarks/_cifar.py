"""What the objectives are timed on: ResNet-18 with CIFAR's stem, 32 px, a batch of 64, 100 classes, one SGD step."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchvision.models import resnet18

BATCH = 64


def network() -> nn.Module:
    torch.manual_seed(0)
    net = resnet18(weights=None, num_classes=100)
    net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    net.maxpool = nn.Identity()
    return net.train()


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(BATCH, 3, 32, 32, generator=generator), torch.randint(100, (BATCH,), generator=generator)


def ce(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(net(images), labels)


def step(loss: Callable[[], Tensor], *modules: nn.Module) -> Callable[[], None]:
    """One step of SGD on this loss."""
    trained = [p for module in modules for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(trained, 1e-4, momentum=0.9)

    def run() -> None:
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()

    return run

"""Label-free integrated gradients of 48 points: 48 forwards and input gradients along the representation. Target: 1.05
of these. Captum is given the published auxiliary scalar, ⟨f(x), f(x̃)⟩ of anchors that are tiled."""

import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn
from torchvision.models import resnet18

import pellucid as pl
from benchmarks._timing import Row, race

POINTS, IMAGES, TOGETHER = 48, 4, 2


class Auxiliary(nn.Module):
    """The scalar that a library of logits can explain."""

    def __init__(self, net: nn.Module, x: Tensor) -> None:
        super().__init__()
        self.net = net
        with torch.no_grad():
            self.anchor = net(x)

    def forward(self, x: Tensor) -> Tensor:
        return (self.net(x) * self.anchor.repeat(len(x) // len(self.anchor), 1)).sum(-1)


def bare(net: nn.Module, x: Tensor) -> None:
    """The anchor, and the ways back along it."""
    with torch.no_grad():
        anchor = net(x).repeat(TOGETHER, 1)
    for _ in range(POINTS // TOGETHER):
        leaf = x.repeat(TOGETHER, 1, 1, 1).requires_grad_()
        torch.autograd.grad(net(leaf), leaf, anchor)


def run() -> Row:
    torch.manual_seed(0)
    net = resnet18(weights=None)
    net.fc = nn.Identity()
    net.eval().requires_grad_(False)
    x = torch.randn(IMAGES, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    explainer = f"integrated-gradients:steps={POINTS},baseline=0"
    return race(
        f"Label-free integrated gradients, {POINTS} points, ResNet-18, 64 px, {IMAGES} images, a code of 512",
        {
            "floor": lambda: bare(net, x),
            "ours": lambda: pl.explain(net, x, explainer, ask="similarity", batch_size=TOGETHER * IMAGES),
            "captum": lambda: IntegratedGradients(Auxiliary(net, x)).attribute(
                x, n_steps=POINTS, internal_batch_size=TOGETHER * IMAGES
            ),
        },
        floor=f"{POINTS} forwards and input gradients",
        target="≤ 1.05",
    )

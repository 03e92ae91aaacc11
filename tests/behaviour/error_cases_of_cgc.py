"""What `test_errors.py` does to CGC and GCC, to hear what they say."""

import torch
from torch import nn

from pellucid.networks import TinyCNN
from pellucid.objectives import CGC, GCC

X, Y = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1])


class OneSize(nn.Module):
    """Takes pictures of 16 × 16 alone."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4 * 16 * 16, 3)

    def forward(self, x):
        return self.head(self.conv(x).flatten(1))


def bound(objective, net=None):
    return objective.bind(net or TinyCNN(classes=3).build(), images=X)


OF_CGC = {
    "cgc by an explainer without a layer": lambda folder: CGC(explainer="gradient"),
    "cgc by several layers": lambda folder: CGC(explainer="hires-cam:layer=[features.1,features.2]"),
    "a scale from large to small": lambda folder: CGC(scale=(0.5, 0.1)),
    "cgc of signals": lambda folder: CGC().bind(
        nn.Sequential(nn.Conv1d(3, 4, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3)),
        images=torch.rand(2, 3, 20)),
    "views without their boxes": lambda folder: bound(CGC())({"images": X, "labels": Y, "augmented": X}),
    "unlabelled of another size": lambda folder: bound(CGC())(
        {"images": X, "labels": Y, "unlabelled": X[:, :, :8, :8]}),
    "two others a picture": lambda folder: bound(GCC())(
        {"images": X, "labels": Y, "others": torch.rand(2, 2, 3, 16, 16)}),
    "a composite for a network of one size": lambda folder: bound(GCC(), OneSize()),
}  # fmt: skip

"""What `test_errors.py` does to hear what the metrics of robustness and randomisation say."""

import threading

import torch
from torch import nn

import pellucid as pl


class Locked(nn.Module):
    """A model that holds what cannot be copied."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.lock = threading.Lock()

    def forward(self, x):
        return self.conv(x).mean((2, 3))


def measured(net, metric, ask=None):
    """The metric of a gradient map."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 8)
    return lambda: pl.measure(net(), x, pl.explain(net(), x, "gradient", ask=ask), metric)


def encoder():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())


OF_ROBUSTNESS = {
    "a model that cannot be copied": lambda _: measured(Locked, "sanity-cascading")(),
    "another class where none is asked about": lambda _: measured(encoder, "random-logit", "similarity")(),
    "another class of a model with one": lambda _: measured(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 1)), "random-logit")(),
}  # fmt: skip

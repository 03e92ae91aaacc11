"""What metrics that remove pixels say when they cannot."""

import torch

import pellucid as pl
from pellucid.metrics.latent_shift import LatentShift


class _Mean(torch.nn.Module):
    def forward(self, x):
        return x.flatten(2).mean(2)


def _shifted(folder, into):
    x = torch.linspace(-1, 1, 384).view(2, 3, 8, 8)
    pl.measure(_Mean(), x, x[:, 0], LatentShift(into=into))


OF_FAITHFULNESS = {
    "an empty image of another size": lambda folder: _shifted(folder, torch.zeros(3, 4, 4)),
}

"""What `test_errors.py` does to agreement and to perturbation along the sign, to hear what they say."""

import torch
from torch import nn

import pellucid as pl

MAPS = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0))


OF_CONTRAST = {
    "maps of two sizes agreed": lambda folder: pl.agreement(MAPS, MAPS[:, :3]),
    "an agreement that is none": lambda folder: pl.agreement(MAPS, MAPS, "spearmann"),
    "an agreement of no pixels": lambda folder: pl.agreement(MAPS, MAPS, "top-k", k=0),
    "pixels moved in an unknown space": lambda folder: pl.measure(
        nn.Sequential(nn.Flatten(), nn.Linear(48, 3)), 3 * torch.ones(2, 3, 4, 4), None,
        "sign-perturbation", labels=[0, 1]),
}  # fmt: skip

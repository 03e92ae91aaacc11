"""What `test_errors.py` does to the explainers of attention, to hear what they say."""

import timm
import torch
from torch import nn

import pellucid as pl
from pellucid.networks import TinyCNN, TinyViT

X = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Ring(nn.Module):
    """Attends over seven tokens, which no grid has."""

    def __init__(self):
        super().__init__()
        self.patches, self.head = nn.Linear(3 * 32 * 32, 7 * 4), nn.Linear(4, 3)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        tokens = self.patches(x.flatten(1)).unflatten(1, (7, 4))
        return self.head(self.attention(tokens, tokens, tokens)[0].mean(1))


def swin():
    knobs = {"img_size": 32, "patch_size": 2, "window_size": 4, "embed_dim": 8, "depths": (1, 1), "num_heads": (1, 1)}
    return timm.create_model("swin_tiny_patch4_window7_224", num_classes=3, **knobs)


OF_ATTENTION = {
    "a cnn asked for its attention": lambda folder: pl.explain(TinyCNN().build(), X, "gwar"),
    "attention within windows": lambda folder: pl.explain(swin(), X, "attention-rollout"),
    "attention over no grid": lambda folder: pl.explain(Ring(), X, "grad-cam-attention"),
    "attribution from a layer that is not there": lambda folder: pl.explain(
        TinyViT().build(), X, "transformer-attribution:start=2"),
}  # fmt: skip

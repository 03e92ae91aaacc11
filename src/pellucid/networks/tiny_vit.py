"""Tiny ViT: a class token, pre-norm blocks, patches of 8, any image size.

    patches – + positions (resized to the grid) – class token – 2 × (attention, MLP) – norm – linear on the class token

>>> TinyViT(classes=4).build()(torch.zeros(2, 3, 32, 48)).shape
torch.Size([2, 4])
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention

from pellucid.networks._base import Count, Network


class TinyViT(Network, name="tiny-vit"):
    """Reads the class token alone, as ViT and DeiT do."""

    classes: Count = 10
    channels: Count = 3
    width: Count = 16
    depth: Count = 2
    patch: Count = 8

    def build(self) -> nn.Module:
        return _TinyViT(self.classes, self.channels, self.width, self.depth, self.patch)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), _Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class _TinyViT(nn.Module):
    def __init__(self, classes: int, channels: int, width: int, depth: int, patch: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.positions = nn.Parameter(0.1 * torch.randn(1, width, 4, 4))
        self.token = nn.Parameter(0.1 * torch.randn(1, 1, width))
        self.blocks = nn.Sequential(*(_Block(width) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        grid = self.patches(x)
        grid = grid + interpolate(self.positions, grid.shape[2:], mode="bilinear")
        x = torch.cat([self.token.expand(len(x), -1, -1), grid.flatten(2).transpose(1, 2)], 1)
        return self.head(self.norm(self.blocks(x))[:, 0])

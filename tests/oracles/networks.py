"""Real architectures with random weights whose statistics are those of some images."""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision import models

NAMES = ("resnet18", "vgg16_bn", "convnext_tiny", "vit_b_16")
CLASSES = 20
SIDE = 112  # a quarter of the usual pixels, and of the time


def pictures(n: int = 2, seed: int = 1) -> Tensor:
    """Smooth random images."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, 3, 9, 9, generator=generator)
    return interpolate(coarse, (SIDE, SIDE), mode="bicubic") + 0.1 * torch.randn(n, 3, SIDE, SIDE, generator=generator)


@cache
def network(name: str) -> nn.Module:
    """In evaluation mode, with warmed BatchNorm, and logits that tell classes apart."""
    torch.manual_seed(0)
    knobs = {"image_size": SIDE} if name == "vit_b_16" else {}
    net = models.get_model(name, weights=None, num_classes=CLASSES, **knobs)
    if any(isinstance(m, nn.BatchNorm2d) for m in net.modules()):
        with torch.no_grad():
            for seed in range(3):
                net.train()(pictures(4, seed=10 + seed))
    if name == "vit_b_16":  # its head begins at zero
        nn.init.normal_(net.heads.head.weight, std=0.5)
    return net.eval()


def tokens_to_map(tokens: Tensor) -> Tensor:
    """[n, 1 + 7 · 7, d] of a ViT, without its class token -> [n, d, 7, 7]"""
    return tokens[:, 1:].unflatten(1, (SIDE // 16, SIDE // 16)).permute(0, 3, 1, 2)

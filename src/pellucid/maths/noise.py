"""Noise: how strong it is for an image."""

from torch import Tensor


def noise_scale(images: Tensor, spread: float) -> Tensor:
    """σ = spread · (max x − min x), for each image its own, [n, 1, …].

    >>> import torch
    >>> noise_scale(torch.tensor([[[[0.0, 2.0]]], [[[1.0, 1.0]]]]), 0.5).flatten().tolist()
    [1.0, 0.0]
    """
    flat = images.flatten(1)
    return (spread * (flat.amax(1) - flat.amin(1))).view(-1, *[1] * (images.ndim - 1))

"""Digits, and an autoencoder that has seen some of them."""

import os
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from pellucid.networks.conv_autoencoder import ConvAutoencoder


@cache
def digits(n: int) -> Tensor:
    """[n, 1, 28, 28] in [0, 1]: of MNIST where PELLUCID_DATA has it, else scikit-learn's, enlarged."""
    folder = Path(os.environ.get("PELLUCID_DATA", "")) / "mnist" / "train-images-idx3-ubyte.gz"
    if folder.is_file():
        import gzip

        with gzip.open(folder) as file:
            raw = bytearray(file.read(16 + 784 * n)[16:])
        return torch.frombuffer(raw, dtype=torch.uint8).view(n, 1, 28, 28) / 255
    from sklearn.datasets import load_digits

    pixels = load_digits(return_X_y=True)[0]
    small = torch.tensor(pixels[:n], dtype=torch.float32).view(-1, 1, 8, 8) / 16
    return interpolate(small, (28, 28), mode="bilinear")


@cache
def autoencoder() -> nn.Module:
    """Trained for 40 steps to take noise away."""
    torch.manual_seed(0)
    net, x = ConvAutoencoder().build().train(), digits(1000)
    best = torch.optim.Adam(net.parameters(), 1e-3)
    for i in range(40):
        batch = x[i * 25 % 1000 :][:100]
        best.zero_grad()
        noisy = batch + 0.3 * torch.randn_like(batch)
        (net.get_submodule("decoder")(net.get_submodule("encoder")(noisy)) - batch).square().mean().backward()
        best.step()
    return net.eval()

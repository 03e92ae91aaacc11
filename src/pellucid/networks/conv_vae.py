"""Convolutional VAE: every picture a little cloud of codes (Burgess et al., 2018; Kingma and Welling, 2014).

    q(z | x) = N(μ(x), diag exp v(x)),   p(x | z) of independent black or white pixels

    encoder   convolutions 4×4 of stride 2 with 32 maps (three for 32 pixels, four for 64) – 512 – 256 – 256 – 2d
    decoder   d – 256 – 256 – 512, and the same convolutions the way back, to logits

The last layer of the encoder has μ and v in turns: unit j has the columns 2j and 2j + 1.

>>> mean, logvar = halves(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
>>> mean.tolist(), logvar.tolist()
([[1.0, 3.0]], [[2.0, 4.0]])

`model(x)` is μ(x), without chance in training and in evaluation, and that is what is explained;
`model.reconstruct(x)` is the picture of μ(x), `model.posterior(x)` has μ and v, `model.sample(x, noise)` is what is
trained. Parameters of encoder and decoder: 232,038 and 231,745 for d = 3 at 32 pixels, 249,996 and 248,929 for d = 6 at
64. Digits are for `plain:size=32`.

>>> net = ConvVAE(latent=3).build()
>>> [sum(p.numel() for p in part.parameters()) for part in (net.encoder, net.decoder)]
[232038, 231745]
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.networks._base import Count, Learner, Network


def halves(coded: Float[Tensor, "n twice"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Mean and log-variance of every unit, which stand in turns."""
    return coded[:, 0::2], coded[:, 1::2]


class Sample(NamedTuple):
    """One code of every picture, and what it becomes."""

    logits: Tensor  # [n, c, h, w], of the pixels
    mean: Tensor  # [n, d]
    logvar: Tensor  # [n, d]
    z: Tensor  # [n, d]


class ConvVAE(Network, name="conv-vae", paper="arXiv:1804.03599"):
    """Pictures as clouds of codes, in which one direction may be one thing."""

    cite = """
@misc{burgess2018understanding,
  title         = {Understanding disentangling in $\\beta$-{VAE}},
  author        = {Burgess, Christopher P. and Higgins, Irina and Pal, Arka and Matthey, Loic and Watters, Nick and
                   Desjardins, Guillaume and Lerchner, Alexander},
  year          = {2018},
  eprint        = {1804.03599},
  archiveprefix = {arXiv},
}"""
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

    latent: Count = 3
    size: Literal[32, 64] = 32  # pyright: ignore
    channels: Count = 1

    def build(self) -> nn.Module:
        return _ConvVAE(self.channels, self.latent, 3 if self.size == 32 else 4)


class _ConvVAE(Learner):
    def __init__(self, channels: int, latent: int, halvings: int) -> None:
        super().__init__()
        self.encoder = _encoder(channels, latent, halvings)
        self.decoder = _decoder(channels, latent, halvings)

    def posterior(self, x: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """Mean and log-variance of the codes."""
        return halves(self.encoder(x))

    def represent(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return self.posterior(x)[0]

    def decode(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        """The pictures of these codes, pixels from 0 to 1."""
        return self.decoder(z).sigmoid()

    def reconstruct(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The pictures of the mean codes."""
        return self.decode(self.represent(x))

    def sample(self, x: Float[Tensor, "n c h w"], noise: Float[Tensor, "n d"] | None = None) -> Sample:
        """z = μ + exp(v/2) · noise, and its picture; z = μ without noise."""
        mean, logvar = self.posterior(x)
        z = mean if noise is None else mean + (logvar / 2).exp() * noise
        return Sample(self.decoder(z), mean, logvar, z)


def _encoder(channels: int, latent: int, halvings: int) -> nn.Sequential:
    widths = [channels, *[32] * halvings]
    maps = [part for i in range(halvings) for part in (nn.Conv2d(widths[i], 32, 4, 2, 1), nn.ReLU())]
    numbers = (nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 2 * latent))
    return nn.Sequential(*maps, nn.Flatten(), *numbers)


def _decoder(channels: int, latent: int, halvings: int) -> nn.Sequential:
    numbers = (nn.Linear(latent, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU())
    maps = [part for _ in range(halvings - 1) for part in (nn.ConvTranspose2d(32, 32, 4, 2, 1), nn.ReLU())]
    return nn.Sequential(*numbers, nn.Unflatten(1, (32, 4, 4)), *maps, nn.ConvTranspose2d(32, channels, 4, 2, 1))

"""Convolutional autoencoder: a digit in four numbers, and back (Crabbé and van der Schaar, 2022).

    encoder   1 – 8 – 16 – 32 maps, each convolution 3×3 of stride 2: 28×28 -> 14×14 -> 7×7 -> 3×3, then 288 – 128 – 4
    decoder   the way back, and a sigmoid

`model(x)` is the representation [n, latent], so that it is what `pl.explain(model, x, ask="similarity")` explains;
`model.reconstruct(x)` is the picture again. With four numbers the encoder has 43,428 parameters, the decoder 43,697.

The network adds nothing to a picture, in training or in evaluation: what is added or left out, and whether it is, is
the objective's choice (`denoising`). The paper's code has it in the forward, where it also blurs what is explained when
somebody forgets `eval()`.

>>> net = ConvAutoencoder().build()
>>> x = torch.zeros(2, 1, 28, 28)
>>> net(x).shape, net.reconstruct(x).shape
(torch.Size([2, 4]), torch.Size([2, 1, 28, 28]))
>>> [sum(p.numel() for p in part.parameters()) for part in (net.encoder, net.decoder)]
[43428, 43697]
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.networks._base import Count, Learner, Network
from pellucid.questions.similarity import Similarity


class ConvAutoencoder(Network, name="conv-autoencoder", paper="arXiv:2203.01928"):
    """Digits of 28 pixels in a few numbers, and back."""

    cite = Similarity.cite
    mean, std, size = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 28

    latent: Count = 4
    channels: Count = 1

    def build(self) -> nn.Module:
        return _ConvAutoencoder(conv_encoder(self.channels, self.latent), conv_decoder(self.channels, self.latent))


def conv_encoder(channels: int, latent: int) -> nn.Sequential:
    """28×28 pixels to a few numbers."""
    maps = (
        nn.Conv2d(channels, 8, 3, 2, 1),
        nn.ReLU(),
        *(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, 2), nn.ReLU()),
    )
    return nn.Sequential(*maps, nn.Flatten(), nn.Linear(288, 128), nn.ReLU(), nn.Linear(128, latent))


def conv_decoder(channels: int, latent: int) -> nn.Sequential:
    """A few numbers to 28×28 pixels from 0 to 1."""
    numbers = (nn.Linear(latent, 128), nn.ReLU(), nn.Linear(128, 288), nn.ReLU(), nn.Unflatten(1, (32, 3, 3)))
    maps = (
        *(nn.ConvTranspose2d(32, 16, 3, 2), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.ConvTranspose2d(16, 8, 3, 2, 1, 1), nn.BatchNorm2d(8), nn.ReLU()),
        nn.ConvTranspose2d(8, channels, 3, 2, 1, 1),
    )
    return nn.Sequential(*numbers, *maps, nn.Sigmoid())


class _ConvAutoencoder(Learner):
    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def represent(self, x: Float[Tensor, "n c 28 28"]) -> Float[Tensor, "n d"]:
        return self.encoder(x)

    def decode(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n c 28 28"]:
        """The pictures of these numbers."""
        return self.decoder(z)

    def reconstruct(self, x: Float[Tensor, "n c 28 28"]) -> Float[Tensor, "n c 28 28"]:
        """There and back."""
        return self.decode(self.represent(x))

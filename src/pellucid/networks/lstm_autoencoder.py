"""LSTM autoencoder: a heartbeat in 64 numbers, and back (Crabbé and van der Schaar, 2022).

    encoder   LSTM 1 -> 2d, LSTM 2d -> d; the representation is what the second one holds at the end of the beat
    decoder   the representation again at every step, LSTM d -> d, LSTM d -> 2d, linear 2d -> 1

Series are [n, t, c], time before channels. With 64 numbers the encoder has 116,736 parameters, the decoder 132,737.

Trap. On a GPU the fast LSTM has no way back in evaluation, and no second derivative anywhere. In evaluation the plain
one is used, so that a beat can be explained; in training the fast one.

>>> net = LSTMAutoencoder(latent=3).build()
>>> x = torch.zeros(2, 5, 1)
>>> net(x).shape, net.reconstruct(x).shape
(torch.Size([2, 3]), torch.Size([2, 5, 1]))
"""

from contextlib import AbstractContextManager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.networks._base import Count, Learner, Network
from pellucid.questions.similarity import Similarity


class LSTMAutoencoder(Network, name="lstm-autoencoder", paper="arXiv:2203.01928"):
    """Series in a few numbers, and back."""

    cite = Similarity.cite
    mean, std, kind = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "series"

    latent: Count = 64
    channels: Count = 1
    length: Count = 140  # of what `decode` gives, where no series says it

    @property
    def size(self) -> int:  # pyright: ignore
        return self.length

    def build(self) -> nn.Module:
        return _LSTMAutoencoder(self.channels, self.latent, self.length)


class _Encoder(nn.Module):
    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        self.first = nn.LSTM(channels, 2 * latent, batch_first=True)
        self.second = nn.LSTM(2 * latent, latent, batch_first=True)

    def forward(self, x: Float[Tensor, "n t c"]) -> Float[Tensor, "n d"]:
        with _slow(not self.training):
            return self.second(self.first(x)[0])[1][0][-1]


class _Decoder(nn.Module):
    def __init__(self, channels: int, latent: int, length: int) -> None:
        super().__init__()
        self.length = length
        self.first = nn.LSTM(latent, latent, batch_first=True)
        self.second = nn.LSTM(latent, 2 * latent, batch_first=True)
        self.out = nn.Linear(2 * latent, channels)

    def forward(self, z: Float[Tensor, "n d"], length: int | None = None) -> Float[Tensor, "n t c"]:
        steps = z[:, None].expand(-1, length or self.length, -1)
        with _slow(not self.training):
            return self.out(self.second(self.first(steps)[0])[0])


def _slow(wanted: bool) -> AbstractContextManager[None]:
    """Meanwhile a GPU computes what has every derivative."""
    return torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled and not wanted)


class _LSTMAutoencoder(Learner):
    def __init__(self, channels: int, latent: int, length: int) -> None:
        super().__init__()
        self.encoder, self.decoder = _Encoder(channels, latent), _Decoder(channels, latent, length)

    def represent(self, x: Float[Tensor, "n t c"]) -> Float[Tensor, "n d"]:
        return self.encoder(x)

    def decode(self, z: Float[Tensor, "n d"], length: int | None = None) -> Float[Tensor, "n t c"]:
        """The series of these numbers."""
        return self.decoder(z, length)

    def reconstruct(self, x: Float[Tensor, "n t c"]) -> Float[Tensor, "n t c"]:
        """There and back."""
        return self.decode(self.represent(x), x.shape[1])

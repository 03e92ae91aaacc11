"""Convolutional classifier: the encoder of `conv-autoencoder` and one linear layer, for digits with labels.

    y = W f(x) + b,   f the encoder, to four numbers          `softmax=true`: y = softmax(W f(x) + b), as published

It is what the autoencoders' representations are compared with: `pl.explain(model.encoder, x, ask="similarity")`.

Trap. The label-free paper's code ends the network in a softmax, and its loss takes the log-softmax of that. Scores
between 0 and 1 cannot be far apart: for ten classes the loss of the surest right answer is log(e + 9) − 1 = 1.4612, and
gradients are small where answers are sure. `softmax=true` is that network.

>>> sure = torch.eye(10)[:1]
>>> round(nn.functional.cross_entropy(sure, torch.tensor([0])).item(), 4)
1.4612
>>> ConvClassifier().build()(torch.zeros(2, 1, 28, 28)).shape
torch.Size([2, 10])
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.networks._base import Count, Network
from pellucid.networks.conv_autoencoder import conv_encoder
from pellucid.questions.similarity import Similarity


class ConvClassifier(Network, name="conv-classifier", paper="arXiv:2203.01928"):
    """The autoencoder's encoder, asked for classes."""

    cite = Similarity.cite
    mean, std, size = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 28

    classes: Count = 10
    latent: Count = 4
    channels: Count = 1
    softmax: bool = False

    def build(self) -> nn.Module:
        return _ConvClassifier(
            conv_encoder(self.channels, self.latent), nn.Linear(self.latent, self.classes), self.softmax
        )


class _ConvClassifier(nn.Module):
    def __init__(self, encoder: nn.Module, head: nn.Module, softmax: bool) -> None:
        super().__init__()
        self.encoder, self.head, self.softmax = encoder, head, softmax

    def forward(self, x: Float[Tensor, "n c 28 28"]) -> Float[Tensor, "n k"]:
        scores = self.head(self.encoder(x))
        return scores.softmax(1) if self.softmax else scores

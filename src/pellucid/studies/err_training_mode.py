"""Errata of label-free explanations: examples scored by a network that is still training.

    published   the denoising autoencoder is in training mode when examples are scored: every picture has noise again,
                and BatchNorm the statistics of the few pictures beside it
    sound       it is in evaluation mode

>>> print(next(ErrTrainingMode().claims()))
similarity-rate:share=0.1: as published ≈ sound
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pellucid.studies._benches import OWN_DIGITS, RATE, benches
from pellucid.studies._cells import Lab
from pellucid.studies._claims import Claim
from pellucid.studies._errata import PUBLISHED, SOUND, Erratum, OneWay, survives
from pellucid.studies._label_free import Examples, encoder, seen

if TYPE_CHECKING:
    from torch import Tensor

NOISE, BATCH = 0.3, 20  # as the encoder is trained; pictures at a time


@dataclass(frozen=True)
class InMode(Examples):
    """Examples by their representations, in either mode."""

    training: bool = False

    def scores(self, lab: Lab) -> "tuple[Tensor, Tensor, Tensor]":
        from torch import nn

        from pellucid.engine import influence

        whole, net = encoder(self.model, lab)
        (x, of_x), (y, of_y) = (seen(data, whole) for data in (self.corpus, self.asked))
        if not self.training:
            return influence(net, (x, of_x), (y, of_y), self.influence, seed=self.model.seed), of_y, of_x
        codes = [busy(net, some, self.model.seed) for some in (x, y)]
        w = influence(nn.Flatten(), (codes[0], of_x), (codes[1], of_y), self.influence, seed=self.model.seed)
        return w, of_y, of_x


def busy(net: Any, x: "Tensor", seed: int) -> "Tensor":
    """What a network says in training mode, of noisy pictures, some at a time; it is left as it was."""
    import copy

    import torch

    net, chance = copy.deepcopy(net).train(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        noisy = x + NOISE * torch.randn(x.shape, generator=chance)
        return torch.cat([net(some) for some in noisy.split(BATCH)])


class ErrTrainingMode(Erratum, name="err-training-mode", paper="doi:10.5281/zenodo.8173656"):
    """What the scores of examples owe to a network in training mode"""

    of, where = "relf", "code; figure 2"
    title = "What the scores of examples owe to a network in training mode"
    defect = "Examples are scored in training mode, with noise and the statistics of a batch."
    claim = "The most important examples have the same label more often than the least important ones."
    differs = ("training",)
    worlds = OWN_DIGITS

    def arm(self, side: str, seed: int) -> InMode:
        bench = benches(self.scale)[0]
        return InMode(bench.learned(seed), bench.corpus, bench.asked, "dknn", bench.word, side == PUBLISHED)

    def compared(self, side: str, seed: int) -> OneWay:
        return OneWay(self.arm(side, seed), "most", bare=True)

    def beside(self, side: str, seed: int) -> tuple[InMode]:
        return (self.arm(side, seed),)

    def claims(self) -> Iterator[Claim]:
        yield Claim(RATE, PUBLISHED, SOUND, 0.01, same=True)
        yield from survives(RATE, "most", "least", 0.01, f"{benches(self.scale)[0].word} · dknn")

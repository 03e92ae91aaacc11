"""Latent shift (Crabbé & van der Schaar, 2022): how far does the representation move without the important pixels?

    ‖f(x) − f(x̃)‖,   x̃ the image with its M most important pixels replaced,   M = percent · pixels / 100, cut off

Higher is better. It asks for no class: f is the model's output, whatever its shape, or the part chosen by output=.
Important is what is large either way, |M|: a map is one number a pixel, and the paper sums the absolute values over
channels, which a map has already summed when it comes here, with their signs. Of equal values the first goes first.
All channels of a pixel are replaced.

    sound       the norm; a map that is the same everywhere orders nothing: NaN
    published   the squared norm, as the authors' code records it; a blur of 21 × 21 pixels, σ 5, borders reflected (of
                CIFAR-10), for into=blur; every map has an order

With several percentages the score is the area under their curve from 0 %, where nothing moved, over the range: the
mean shift. At 100 % every map has the same one. The published baselines are zeros of pixel space for digits, the blur
for CIFAR, and the mean series for heart beats, a tensor [c, l] that `into` takes too.

>>> latent_shift(torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 6.0]])).tolist()
[5.0]
>>> LatentShift.counts(784, (5, 10, 20, 50, 80, 100))
[39, 78, 156, 392, 627, 784]
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.maths.curves import exchanged, ranks
from pellucid.metrics._base import Between, Case, Curved
from pellucid.metrics._exchange import _convolved, _truncated
from pellucid.metrics._removal import Into, described, emptied
from pellucid.questions.similarity import Similarity

Percent = Annotated[float, Between(0, 100)]


def latent_shift(before: Float[Tensor, "n *d"], after: Float[Tensor, "n *d"]) -> Float[Tensor, " n"]:
    """The norm of the difference."""
    return (before.double() - after.double()).flatten(1).norm(dim=1)


class LatentShift(Curved, name="latent-shift", paper="arXiv:2203.01928"):
    """How far does the representation move without the pixels that the map calls important?"""

    cite = Similarity.cite

    percent: Percent | tuple[Percent, ...] = 10.0
    into: Into | Tensor = "mean"
    protocol: Literal["sound", "published"] = "sound"

    def score(self, case: Case) -> Tensor:
        y = self.trace(case)
        if not isinstance(self.percent, tuple):
            return y[:, 0]
        at = torch.tensor([0.0, *sorted(self.percent)], dtype=y.dtype, device=y.device)
        y = torch.cat([torch.zeros_like(y[:, :1]), y[:, torch.tensor(self.percent).argsort()]], 1)
        return torch.trapezoid(y, at, dim=1) / at[-1]

    def trace(self, case: Case) -> Tensor:
        """[n, s]: the shift at every percentage."""
        return case.once_here(self.but(curve=False), lambda: self._shifts(case))

    def _shifts(self, case: Case) -> Tensor:
        x, empty, clean = case.images, self._empty(case), case.output
        place = case.once_here("rank of absolute values", lambda: ranks(case.map.abs())).view(case.n, *x.shape[2:])
        count = torch.tensor(self.counts(case.map[0].numel(), self._percents), device=x.device)
        y = case.scan(
            len(count),
            lambda i, s: exchanged(x[i], empty[i], place[i], count[s]),
            lambda output, i: latent_shift(clean[i], output),
        )
        if self.protocol == "published":
            return y.square()
        flat = case.map.abs().flatten(1)
        return torch.where((flat.amax(1) > flat.amin(1))[:, None], y, torch.nan)

    def _empty(self, case: Case) -> Tensor:
        x = case.images
        if self._published_blur:
            return case.once("blur of 21 pixels", lambda: _convolved(x, _truncated(21, 5.0, x), "reflect"))
        return emptied(case, self.into)

    @property
    def _percents(self) -> tuple[float, ...]:
        return self.percent if isinstance(self.percent, tuple) else (self.percent,)

    @property
    def _published_blur(self) -> bool:
        return self.protocol == "published" and isinstance(self.into, str) and self.into == "blur"

    @staticmethod
    def counts(pixels: int, percents: Sequence[float]) -> list[int]:
        """How many pixels are replaced."""
        return [int(pixels * percent / 100 + 1e-9) for percent in percents]

    @property
    def card(self) -> dict[str, str]:
        step = f"{', '.join(f'{p:g}' for p in self._percents)} percent of the pixels, cut off"
        scored = "norm of the change of the output" + (", squared" if self.protocol == "published" else "")
        found = super().card | described(self.into) | {"step": step, "scored": scored, "ties": "the first pixel first"}
        return found | ({"empty": "21 x 21 gaussian of 5, reflected"} if self._published_blur else {})

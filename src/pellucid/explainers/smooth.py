"""SmoothGrad (Smilkov et al., 2017) and its kin, around any explainer: `smooth@gradient`, `smooth:samples=10@grad-cam`.

    m_i = explain(x + ε_i),   ε_i ~ N(0, σ²),   σ = spread · (max x − min x), for each image its own

    moment=mean        mean_i m_i                  SmoothGrad
    moment=square      mean_i m_i²                 SmoothGrad squared
    moment=variance    mean_i (m_i − mean m)²      VarGrad (Adebayo et al., 2018), by Welford's recurrence:
                                                   E m² − (E m)² cancels, and falls below zero

Squares are taken of the explainer's own numbers, channel by channel, and reduced as it reduces them. The noise is drawn
once and shared by the images, questions and classes of a call.

>>> str(Smooth.make("smooth:spread=0.2@gradient"))
'smooth:spread=0.2@gradient'
>>> [moment_of([torch.tensor(1.0), torch.tensor(3.0)], which).item() for which in ("mean", "square", "variance")]
[2.0, 5.0, 1.0]
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor

from pellucid.explainers._base import Between, Explainer, Score, Subject
from pellucid.maths.noise import noise_scale
from pellucid.questions import Question

Moment = Literal["mean", "square", "variance"]


class Running:
    """A moment of maps that come one after another; none of them is kept."""

    def __init__(self, moment: Moment) -> None:
        self.moment, self.count = moment, 0
        self.mean: Tensor | float = 0.0
        self.spread: Tensor | float = 0.0

    def add(self, map: Tensor) -> None:
        """One more."""
        self.count += 1
        off = (map * map if self.moment == "square" else map) - self.mean
        self.mean = self.mean + off / self.count
        if self.moment == "variance":
            self.spread = self.spread + off * (map - self.mean)

    def value(self) -> Tensor:
        """Of those that came."""
        value = self.spread / self.count if self.moment == "variance" else self.mean
        assert isinstance(value, Tensor)
        return value


def moment_of(maps: Iterable[Tensor], moment: Moment) -> Tensor:
    """The mean, mean square or variance of some maps."""
    running = Running(moment)
    for map in maps:
        running.add(map)
    return running.value()


class Smooth(Explainer, name="smooth", paper="arXiv:1706.03825"):
    """The same answer, averaged over noisy copies of the image."""

    group = "gradient"
    cost = "samples · inner"
    quick = {"samples": 3}
    sizes = (1, 2, 3)
    cite = """
@article{smilkov2017smoothgrad,
  title   = {SmoothGrad: removing noise by adding noise},
  author  = {Smilkov, Daniel and Thorat, Nikhil and Kim, Been and Vi{\\'e}gas, Fernanda and Wattenberg, Martin},
  journal = {arXiv:1706.03825},
  year    = {2017},
}"""

    of: Explainer
    samples: Annotated[int, Between(1)] = 25
    spread: Annotated[float, Between(0)] = 0.15
    moment: Moment = "mean"
    seed: int | None = None

    @property
    def asks(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.of.asks

    @property
    def accepts(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.of.accepts

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        running = [Running(self.moment) for _ in scores]
        for noisy, copies in self.noisy(subject, images):
            asked = [score.times(copies) for score in scores]
            for one, maps in zip(running, self.of.attribute_all(subject, noisy, asked), strict=True):
                for map in maps.unflatten(0, (copies, len(images))):
                    one.add(map)
        return [one.value() for one in running]

    def noisy(self, subject: Subject, images: Tensor) -> Iterator[tuple[Tensor, int]]:
        """Noisy copies of the batch, some to a forward, and how many these are."""
        generator, sigma = self.generator(subject, self.seed), noise_scale(images, self.spread)
        most = subject.copies(len(images))
        for first in range(0, self.samples, most):
            copies = min(most, self.samples - first)
            noise = torch.stack([torch.randn(images.shape[1:], generator=generator) for _ in range(copies)])
            yield (images + sigma * noise[:, None].to(images)).flatten(0, 1), copies

    def picked(self, subject: Subject, images: Tensor) -> Explainer:
        return self.but(of=self.of.picked(subject, images))

    def reduce(self, raw: Tensor) -> Tensor:
        return self.of.reduce(raw)

    def signed(self, question: Question) -> bool:
        return self.moment == "mean" and self.of.signed(question)

"""SmoothGrad (Smilkov et al., 2017), around any explainer: `smooth@gradient`, `smooth:samples=10@grad-cam`.

    M = mean_i explain(x + ε_i),   ε_i ~ N(0, σ²),   σ = spread · (max x − min x), for each image its own

The noise is drawn once and shared by the images, questions and targets of a call.

>>> str(Smooth.make("smooth:spread=0.2@gradient"))
'smooth:spread=0.2@gradient'
"""

from typing import Annotated

import torch
from torch import Tensor

from pellucid.explainers._base import Between, Explainer, Score, Subject
from pellucid.questions import Question


class Smooth(Explainer, name="smooth", paper="arXiv:1706.03825"):
    """The same answer, averaged over noisy copies of the image."""

    quick = {"samples": 3}
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
    seed: int | None = None

    def attribute(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        generator = self.generator(subject, self.seed)
        flat = images.flatten(1)
        sigma = (self.spread * (flat.amax(1) - flat.amin(1))).view(-1, *[1] * (images.ndim - 1))
        total: Tensor | float = 0.0
        for _ in range(self.samples):
            noise = torch.randn(images.shape[1:], generator=generator).to(images)
            total = total + self.of.attribute(subject, images + sigma * noise, score)
        assert isinstance(total, Tensor)
        return total / self.samples

    def picked(self, subject: Subject, images: Tensor) -> Explainer:
        return self.but(of=self.of.picked(subject, images))

    def reduce(self, raw: Tensor) -> Tensor:
        return self.of.reduce(raw)

    def signed(self, question: Question) -> bool:
        return self.of.signed(question)

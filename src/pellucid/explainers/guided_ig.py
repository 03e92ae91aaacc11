"""Guided integrated gradients (Kapishnikov et al., 2021): a path along which the answer changes late.

    x_j = x′ + a_j (x − x′),   M = Σ_j (x_{j+1} − x_j) · ∂score/∂x at x_j

Every feature has its own share a of its own way. Step j of N walks until Σ |x − x′| a = (j + 1)/N · Σ |x − x′|: those
with the smallest |gradient| go first, a `fraction` of all features at a time, each as far as `distance` ahead of
(j + 1)/N; who lags further than `distance` behind is taken along. So a feature to which the answer is sensitive waits,
and noise on the way, where gradients are large and mean nothing, is walked around. A feature that has arrived, or has
no way to go (x = x′), is not chosen again. Gradients that differ by a millionth of the largest are equal and go
together: where the baseline is flat, whole areas are, and rounding would choose among them.

Complete to first order: with distance=0 the path is straight, and this is integrated-gradients with rule=left. The
larger the distance the more steps it takes; the explanation reports the error (`e.error`). Steps follow one another, so
that images, questions and classes are what goes into one forward together. The path turns on the order of the
gradients: it is neither linear in the question nor differentiable. Baselines are those of integrated-gradients.

>>> a, size, length = torch.zeros(1, 4), torch.tensor([[4.0, 1.0, 3.0, 2.0]]), torch.ones(1, 4)
>>> advance(a, size, length, goal=0.25, distance=0.25, fraction=0.25).tolist()
[[0.0, 0.5, 0.0, 0.5]]
"""

from collections.abc import Iterator, Sequence
from math import ceil, floor, inf
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.explainers._base import Between, Score, Subject
from pellucid.explainers._baseline import SEVERAL, Kind, Space, Spread, sole
from pellucid.explainers._path import PathExplainer, Steps, asked
from pellucid.subject import precise

MOST = 100  # rounds of a step, each a fraction of the features; the last takes whoever is left
TIE = 1e-6  # of the largest gradient


def advance(
    share: Float[Tensor, "n f"],
    size: Float[Tensor, "n f"],
    length: Float[Tensor, "n f"],
    goal: float,
    distance: float,
    fraction: float,
) -> Float[Tensor, "n f"]:
    """The shares after a step to `goal`, from those before it, |gradient| and the length |x − x′| of every way."""
    low, high = max(goal - distance, 0.0), min(goal + distance, 1.0)
    share = share.clamp_min(low)
    rank, rounds = floor(fraction * (share.shape[1] - 1)) + 1, min(MOST, ceil(1 / max(fraction, 1 / MOST)))
    tie = TIE * size.amax(1, keepdim=True)
    for left in range(rounds, -1, -1):
        ahead = ((goal - share) * length).sum(1)
        # what rounding leaves over is not walked
        short = ahead > 4 * torch.finfo(share.dtype).eps * length.sum(1)
        if not bool(short.any()):
            break
        open_ = (share < high) & (length > 0) & short[:, None]
        ranked = size.where(open_, inf)
        chosen = open_ & (ranked <= (ranked.kthvalue(rank, 1, True).values + tie if left else inf))
        room = ((high - share) * length * chosen).sum(1)
        part = (ahead / room.where(room > 0, inf)).clamp_max(1.0)[:, None]
        share = torch.where(chosen, torch.lerp(share, torch.full_like(share, high), part), share)
    return share


class Together:
    """Scores of one batch as one score of the batch repeated."""

    def __init__(self, scores: Sequence[Score]) -> None:
        self.scores = scores

    def cotangent(self, output: Tensor) -> Tensor:
        """Each score's own, for its own rows."""
        parts = output.chunk(len(self.scores))
        return torch.cat([score.cotangent(part) for score, part in zip(self.scores, parts, strict=True)])


class GuidedIG(PathExplainer, name="guided-ig", paper="arXiv:2106.09788"):
    """What does each pixel contribute on a way that avoids where the model is touchy?"""

    trainable = False
    sizes = (1, 2, 3)
    quick = {"steps": 4}
    cite = """
@inproceedings{kapishnikov2021guided,
  title     = {Guided Integrated Gradients: An Adaptive Path Method for Removing Noise},
  author    = {Kapishnikov, Andrei and Venugopalan, Subhashini and Avci, Besim and Wedin, Ben and Terry, Michael
               and Bolukbasi, Tolga},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2021},
}"""

    steps: Annotated[int, Between(1)] = 200
    fraction: Annotated[float, Between(0, 1)] = 0.25
    distance: Annotated[float, Between(0, 1)] = 0.02
    baseline: Kind | float | Tensor = 0.0
    space: Space = "model"
    sigma: Spread = 0.1
    seed: int | None = None

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        start, most = self.start(subject, images), subject.copies(len(images))
        answers: list[Tensor] = []
        for first in range(0, len(scores), most):
            some = scores[first : first + most]
            begin, end = (x.repeat(len(some), *[1] * (x.ndim - 1)) for x in (start, images))
            steps = self._steps(subject, begin, end, Together(some))
            total: Any = sum(step.gradient * step.way for step in steps)
            answers += total.unflatten(0, (len(some), len(images))).unbind()
        return answers

    def walk(self, subject: Subject, images: Tensor, score: Score) -> Iterator[Steps]:
        return self._steps(subject, self.start(subject, images), images, score)

    def _steps(self, subject: Subject, start: Tensor, images: Tensor, score: Any) -> Iterator[Steps]:
        begin, end = precise(start), precise(images)
        length = (end - begin).abs().flatten(1)
        share, at = torch.zeros_like(length), begin
        for step in range(1, self.steps + 1):
            here = asked(subject, at.to(images), score, torch.zeros_like(end))
            size, goal = here.gradient.abs().flatten(1), step / self.steps
            share = advance(share, size, length, goal, self.distance, self.fraction)
            before, at = at, torch.lerp(begin, end, share.view_as(end))
            yield Steps(here.output, here.gradient, at - before)

    def start(self, subject: Subject, images: Tensor) -> Tensor:
        return sole(self, subject, images, SEVERAL)

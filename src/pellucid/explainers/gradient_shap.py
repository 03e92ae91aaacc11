"""Gradient SHAP, or expected gradients (Lundberg & Lee, 2017; Erion et al., 2021).

    M = mean_i (x_i − x′_i) · ∂score/∂x at x′_i + u_i (x_i − x′_i),   x_i = x + ε_i,   ε_i ~ N(0, σ²),

with baselines x′_i from a distribution, one u_i in each of `samples` parts of [0, 1] (`stratify=false`: anywhere),
σ = spread · (max x − min x). Draws are made once and shared by the images, questions and classes of a call.

The baseline is `noise` (a fresh image for every sample), black, mean, blur or a number as in integrated-gradients, or a
tensor of several images, taken in turn. With one baseline and no noise this is integrated-gradients by a random rule.
`pair=true`: a tensor of as many baselines as there are images gives each image its own (blur and mean do so anyway).
Complete in the mean; where the baselines are given and spread is 0, the explanation reports the error (`e.error`).

    sound       the score of image i follows image i
    published   label-free, the authors' code: all draws are made per image, without strata, at baselines picked by
                chance from the whole batch; and of B images with S samples each, row p of the forward is image p // S
                but follows the representation of image p mod B. Only one image alone is explained rightly. Other
                questions are asked as they should be; for the published numbers samples=5,baseline=0

>>> gradient = lambda x, i: torch.full_like(x, 3.0)
>>> gradient_shap(torch.tensor([[2.0]]), [torch.tensor([[1.0]]), torch.tensor([[0.0]])], gradient, [0.2, 0.7]).item()
4.5
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor

from pellucid.errors import BadInput, BadKnob
from pellucid.explainers._base import Between, Explainer, Score, Subject
from pellucid.explainers._baseline import Kind, Space, Spread, baselines
from pellucid.explainers._path import PathExplainer, Steps, straight, walk
from pellucid.maths.noise import noise_scale


def gradient_shap(
    x: Tensor,
    starts: Sequence[Tensor],
    gradient: Callable[[Tensor, int], Tensor],
    points: Sequence[float],
    noise: Sequence[Tensor] = (),
    together: int = 1,
) -> Tensor:
    """The shape of x. Sample i goes from `starts[i]`, in turn, to x with `noise[i]`, and is asked at `points[i]`;
    `gradient` is asked of some samples together, and told how many."""
    total: Tensor | float = 0.0
    for first in range(0, len(points), together):
        chosen = range(first, min(first + together, len(points)))
        start = torch.stack([starts[i % len(starts)] for i in chosen])
        end = x + torch.stack([noise[i] for i in chosen]) if noise else x
        u = torch.tensor([points[i] for i in chosen], dtype=torch.float64).to(x).view(-1, *[1] * x.ndim)
        way = end - start
        at = (start + u * way).flatten(0, 1)
        total = total + (way * gradient(at, len(chosen)).unflatten(0, (len(chosen), len(x)))).sum(0)
    assert isinstance(total, Tensor)
    return total / len(points)


def mismatched(images: int, samples: int) -> tuple[Tensor, Tensor]:
    """Which image each row of the published forward is, and whose representation it follows.

    >>> [rows.tolist() for rows in mismatched(2, 3)]
    [[0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 0, 1]]
    """
    return torch.arange(images).repeat_interleave(samples), torch.arange(images).repeat(samples)


class GradientSHAP(PathExplainer, name="gradient-shap", paper="arXiv:1705.07874"):
    """What does each pixel contribute on the way from any of many baselines to the image?"""

    cost = "samples · (F + B)"
    linear = True
    sizes = (1, 2, 3)
    quick = {"samples": 4}
    cite = """
@inproceedings{lundberg2017unified,
  title     = {A Unified Approach to Interpreting Model Predictions},
  author    = {Lundberg, Scott M and Lee, Su-In},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2017},
}
@article{erion2021improving,
  title   = {Improving performance of deep learning models with axiomatic attribution priors and expected gradients},
  author  = {Erion, Gabriel and Janizek, Joseph D. and Sturmfels, Pascal and Lundberg, Scott M. and Lee, Su-In},
  journal = {Nature Machine Intelligence},
  year    = {2021},
}"""

    samples: Annotated[int, Between(1)] = 20
    baseline: Kind | float | Tensor = "noise"
    spread: Spread = 0.0
    stratify: bool = True
    pair: bool = False
    protocol: Literal["sound", "published"] = "sound"
    space: Space = "model"
    sigma: Spread = 0.1
    seed: int | None = None

    def attribute(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        chance = self.generator(subject, self.seed)
        if self.protocol == "published":
            return self._published(subject, images, score, chance)
        u = self._points(chance)
        starts = self.starts(subject, images, chance)
        noise: list[Tensor] = []
        if self.spread:
            sigma = noise_scale(images, self.spread)
            draws = (torch.randn(images.shape[1:], generator=chance).to(images) for _ in range(self.samples))
            noise = [sigma * draw for draw in draws]
        return gradient_shap(
            images,
            starts,
            lambda x, copies: subject.gradient(x, score.times(copies)),
            u.tolist(),
            noise,
            subject.copies(len(images)),
        )

    def _published(self, subject: Subject, images: Tensor, score: Score, chance: torch.Generator) -> Tensor:
        """Every step in the order of the code that made the numbers."""
        n, s = len(images), self.samples
        mine, followed = mismatched(n, s)
        starts = self.starts(subject, images, chance)
        pool = starts[0] if len(starts) == 1 else torch.stack([start[0] for start in starts])
        u = torch.rand(n * s, generator=chance, dtype=torch.float64).to(images).view(-1, *[1] * (images.ndim - 1))
        picked = torch.randint(len(pool), (n * s,), generator=chance)
        asked = score[followed if score.scale == "similarity" else mine]
        most, found = n * subject.copies(n), list[Tensor]()
        for rows in torch.arange(n * s).split(most):
            x, start = images[mine[rows]], pool[picked[rows]]
            at = u[rows] * x + (1 - u[rows]) * start
            found.append((x - start) * subject.gradient(at, asked[rows]))
        return torch.cat(found).unflatten(0, (n, s)).sum(1) / s

    def owes(self, subject: Subject, images: Tensor, score: Score) -> Tensor | None:
        noisy = isinstance(self.baseline, str) and self.baseline == "noise"  # every sample its own: as many forwards
        if self.spread or noisy or self.protocol == "published":
            return None
        starts = self.starts(subject, images, self.generator(subject, self.seed))
        ways = [score.followed(subject.answered(images)) - score.followed(subject.answered(start)) for start in starts]
        return torch.stack([ways[i % len(ways)] for i in range(self.samples)]).mean(0)

    def walk(self, subject: Subject, images: Tensor, score: Score) -> Iterator[Steps]:
        start, chance = self.start(subject, images), self.generator(subject, self.seed)
        # in order, and the first moved to where the path begins
        stops = [0.0, *sorted(self._points(chance).tolist())[1:], 1.0]
        return walk(subject, images, score, lambda stop: straight(start, images, stop), stops)

    def start(self, subject: Subject, images: Tensor) -> Tensor:
        """The baseline, where there is one; from several there is more than one path."""
        noisy = isinstance(self.baseline, str) and self.baseline == "noise"
        starts = [] if noisy or self.spread else self.starts(subject, images, self.generator(subject, self.seed))
        if len(starts) != 1:
            raise BadKnob(
                f"{self} goes from many places to the image, and here one path is followed; "
                f"give it one baseline, as baseline=0, and no spread."
            )
        return starts[0]

    def part(self, rows: slice, n: int | None) -> Explainer:
        own = self.pair and isinstance(self.baseline, Tensor) and len(self.baseline) == (n or len(self.baseline))
        return self.but(baseline=self.baseline[rows]) if own and isinstance(self.baseline, Tensor) else self

    def _points(self, chance: torch.Generator) -> Tensor:
        """How far along its way each sample is asked, in no order."""
        u = torch.rand(self.samples, generator=chance)
        return (torch.randperm(self.samples, generator=chance) + u) / self.samples if self.stratify else u

    def starts(self, subject: Subject, images: Tensor, chance: torch.Generator) -> list[Tensor]:
        """The baselines, one or several, each of the images' shape."""
        given = subject.laid(self.baseline)
        if self.pair and isinstance(given, Tensor):
            if given.shape != images.shape:
                raise BadInput(
                    f"{self.name}:pair=true has baselines {tuple(given.shape)} for images {tuple(images.shape)}; give "
                    f"one an image, of its shape."
                )
            return [given.to(images)]
        return baselines(given, self.space, self.sigma, images, subject.model, self.samples, chance)

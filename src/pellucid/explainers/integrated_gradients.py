"""Integrated gradients (Sundararajan et al., 2017).

    M = (x − x′) · Σ_i w_i ∂score/∂x at x′ + s_i (x − x′),     s, w a quadrature of [0, 1]

Complete: Σ M = followed(x) − followed(x′), up to the quadrature's error, which the explanation reports (`e.error`). The
score's direction is fixed at x unless the question is live: contrast is complete to the difference of ⟨w, y⟩,
`contrast:live=true` to that of the log-odds, a probability to that of p_t.

The baseline x′ is a number (0 is the mean colour of normalised images) or an image in the model's space, or with
`space=pixel` in [0, 1]; or black, mean (each image's mean colour), blur (each image blurred by `sigma` of its shorter
side), or noise (uniform). For token ids the path is one of embeddings, where 0 is the zero vector; a tensor of ids,
such as of the padding, is a baseline too.

>>> linear = lambda x: torch.full_like(x, 3.0)
>>> integrated_gradients(torch.tensor([[2.0]]), torch.tensor([[1.0]]), linear, *quadrature("gauss", 4)).item()
3.0
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import torch
from torch import Tensor

from pellucid.explainers._base import Between, Score, Subject
from pellucid.explainers._baseline import SEVERAL, Kind, Space, Spread, sole
from pellucid.explainers._path import PathExplainer, Steps, slopes, straight, walk
from pellucid.maths.quadrature import Rule, quadrature


def integrated_gradients(
    x: Tensor,
    baseline: Tensor,
    gradient: Callable[[Tensor], Tensor],
    points: Sequence[float],
    weights: Sequence[float],
    together: int = 1,
) -> Tensor:
    """The shape of x; `gradient` is asked of some points together, the copies of the batch one after another."""
    way = x - baseline
    total: Tensor | float = 0.0
    for i in range(0, len(points), together):
        s, w = (torch.tensor(v[i : i + together], dtype=torch.float64) for v in (points, weights))
        s, w = (v.to(x).view(-1, *[1] * x.ndim) for v in (s, w))
        at = (baseline + s * way).flatten(0, 1)
        total = total + (w * gradient(at).unflatten(0, (len(s), len(x)))).sum(0)
    return way * total


class IntegratedGradients(PathExplainer, name="integrated-gradients", paper="arXiv:1703.01365"):
    """What does each pixel contribute on the way from a baseline to the image?"""

    linear = True
    sizes = (1, 2, 3)
    quick = {"steps": 4}
    cite = """
@inproceedings{sundararajan2017axiomatic,
  title     = {Axiomatic Attribution for Deep Networks},
  author    = {Sundararajan, Mukund and Taly, Ankur and Yan, Qiqi},
  booktitle = {International Conference on Machine Learning},
  year      = {2017},
}"""

    steps: Annotated[int, Between(1)] = 32
    baseline: Kind | float | Tensor = 0.0
    rule: Rule = "gauss"
    space: Space = "model"
    sigma: Spread = 0.1
    seed: int | None = None

    def attribute(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        rule, start = quadrature(self.rule, self.steps), self.start(subject, images)
        return integrated_gradients(images, start, slopes(subject, images, score), *rule, subject.copies(len(images)))

    def walk(self, subject: Subject, images: Tensor, score: Score) -> Iterator[Steps]:
        start, stops = self.start(subject, images), [i / self.steps for i in range(self.steps + 1)]
        return walk(subject, images, score, lambda stop: straight(start, images, stop), stops)

    def start(self, subject: Subject, images: Tensor) -> Tensor:
        return sole(self, subject, images, SEVERAL)

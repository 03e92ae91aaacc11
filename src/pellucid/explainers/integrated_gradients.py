"""Integrated gradients (Sundararajan et al., 2017).

    M = (x − x′) · Σ_i w_i ∂score/∂x at x′ + s_i (x − x′),     s, w a quadrature of [0, 1]

Complete: Σ M = followed(x) − followed(x′), up to the quadrature's error. The score's direction is fixed at x unless
the question is live: contrast is complete to the difference of ⟨w, y⟩, `contrast:live=true` to that of the
log-odds, a probability to that of p_t. The baseline is a number in the model's input space (0 is the mean colour of
normalised images), or a tensor of the image's shape.

>>> linear = lambda x: torch.full_like(x, 3.0)
>>> integrated_gradients(torch.tensor([[2.0]]), torch.tensor([[1.0]]), linear, *quadrature("gauss", 4)).item()
3.0
"""

from collections.abc import Callable, Sequence
from typing import Annotated

import torch
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.explainers._base import Between, Explainer, Score, Subject
from pellucid.maths.quadrature import Rule, quadrature


def integrated_gradients(
    x: Tensor,
    baseline: Tensor,
    gradient: Callable[[Tensor], Tensor],
    points: Sequence[float],
    weights: Sequence[float],
) -> Tensor:
    """The shape of x; `gradient` is asked once a point."""
    way = x - baseline
    total: Tensor | float = 0.0
    for s, w in zip(points, weights, strict=True):
        total = total + w * gradient(baseline + s * way)
    return way * total


class IntegratedGradients(Explainer, name="integrated-gradients", paper="arXiv:1703.01365"):
    """What does each pixel contribute on the way from a baseline to the image?"""

    linear = True
    quick = {"steps": 4}
    cite = """
@inproceedings{sundararajan2017axiomatic,
  title     = {Axiomatic Attribution for Deep Networks},
  author    = {Sundararajan, Mukund and Taly, Ankur and Yan, Qiqi},
  booktitle = {International Conference on Machine Learning},
  year      = {2017},
}"""

    steps: Annotated[int, Between(1)] = 32
    baseline: float | Tensor = 0.0
    rule: Rule = "gauss"

    def attribute(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        return integrated_gradients(
            images,
            self.start(images),
            lambda x: subject.gradient(x, score).to(images),
            *quadrature(self.rule, self.steps),
        )

    def start(self, images: Tensor) -> Tensor:
        """The baseline, of the images' shape; one for all, so that a batch is its images."""
        baseline = torch.as_tensor(self.baseline, dtype=images.dtype, device=images.device)
        try:
            return baseline.expand(images.shape[1:]).expand_as(images)
        except RuntimeError:
            raise BadInput(
                f"the baseline has shape {tuple(baseline.shape)}, the images {tuple(images.shape)}; give one number, "
                f"or one image {list(images.shape[1:])}."
            ) from None

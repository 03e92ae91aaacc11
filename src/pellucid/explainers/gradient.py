"""Gradient, or saliency (Simonyan et al., 2013).

    M = ∂score/∂x,   the channels then reduced by
    channels=sum   Σ_c g_c       signed
    channels=abs   Σ_c |g_c|
    channels=max   max_c |g_c|   Simonyan's

>>> g = torch.tensor([[[[1.0]], [[-3.0]]]])
>>> reduce_channels(g, "sum").item(), reduce_channels(g, "abs").item(), reduce_channels(g, "max").item()
(-2.0, 4.0, 3.0)
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from pellucid.explainers._base import INPUT, Explainer, Score, Subject
from pellucid.questions import Question

Channels = Literal["sum", "abs", "max"]


def reduce_channels(gradient: Tensor, how: Channels) -> Tensor:
    """[n, c, …] -> [n, …]"""
    if how == "sum":
        return gradient.sum(1)
    return gradient.abs().sum(1) if how == "abs" else gradient.abs().amax(1)


class Gradient(Explainer, name="gradient", paper="arXiv:1312.6034"):
    """Where would a small change of the input change the answer most?"""

    group = "gradient"
    cost = "F + B"
    linear = True
    sizes = (1, 2, 3)
    cite = """
@inproceedings{simonyan2014deep,
  title     = {Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency Maps},
  author    = {Simonyan, Karen and Vedaldi, Andrea and Zisserman, Andrew},
  booktitle = {ICLR Workshop},
  year      = {2014},
}"""

    channels: Channels = "sum"

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        return subject.gradients(images, scores)

    def at(self, subject: Subject, images: Tensor) -> tuple[str, ...]:
        return INPUT

    def reduce(self, raw: Tensor) -> Tensor:
        return reduce_channels(raw, self.channels)

    def signed(self, question: Question) -> bool:
        return self.channels == "sum"

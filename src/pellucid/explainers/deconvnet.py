"""DeconvNet (Zeiler & Fergus, 2014).

    M = ∂score/∂x, but the way back through a ReLU is a ReLU itself:
    g_before = g_behind · [g_behind > 0]

Max-pooling goes back through the places it took, as ever; without it the map would not depend on which units were
active. Every ReLU is met, module or function. Undefined for GELU, SiLU and their like, which is said. Not linear.

>>> deconvolved(torch.tensor([2.0, -2.0, 2.0]), gate=lambda g: g * torch.tensor([1, 1, 0])).tolist()
[2.0, 0.0, 2.0]
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pellucid.explainers._base import INPUT, Explainer, Score, Subject
from pellucid.subject.rectifiers import Gate


def deconvolved(gradient: Tensor, gate: Gate) -> Tensor:
    """The gradient before a ReLU, from the one behind it; the gate is left open."""
    return gradient.relu()


class DeconvNet(Explainer, name="deconvnet", paper="arXiv:1311.2901"):
    """What would the network draw for this answer?"""

    group = "gradient"
    cost = "F + B"
    trainable = False
    sizes = (1, 2, 3)
    cite = """
@inproceedings{zeiler2014visualizing,
  title     = {Visualizing and Understanding Convolutional Networks},
  author    = {Zeiler, Matthew D. and Fergus, Rob},
  booktitle = {European Conference on Computer Vision},
  year      = {2014},
}"""

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        return subject.gradients(images, scores, relu=deconvolved)

    def at(self, subject: Subject, images: Tensor) -> tuple[str, ...]:
        return INPUT

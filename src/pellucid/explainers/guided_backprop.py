"""Guided backpropagation (Springenberg et al., 2015).

    M = ∂score/∂x, but the way back through a ReLU passes only positive gradients, where it was open:
    g_before = g_behind · [x > 0] · [g_behind > 0]

Every ReLU is met, module or function. Undefined for GELU, SiLU and their like, which is said. Hardly sensitive to the
class, or to the weights of late layers: a picture of the image's edges more than of the decision (Adebayo et al.,
2018). Not linear: its contrast is that of a question, not of two maps.

>>> guided(torch.tensor([2.0, -2.0, 2.0]), gate=lambda g: g * torch.tensor([1, 1, 0])).tolist()
[2.0, 0.0, 0.0]
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pellucid.explainers._base import INPUT, Explainer, Score, Subject
from pellucid.subject.rectifiers import Gate


def guided(gradient: Tensor, gate: Gate) -> Tensor:
    """The gradient before a ReLU, from the one behind it; the gate lets pass what goes through where it is open."""
    return gate(gradient.relu())


class GuidedBackprop(Explainer, name="guided-backprop", paper="arXiv:1412.6806"):
    """Which pixels speak for the answer by positive evidence alone?"""

    group = "gradient"
    cost = "F + B"
    trainable = False
    sizes = (1, 2, 3)
    cite = """
@inproceedings{springenberg2015striving,
  title     = {Striving for Simplicity: The All Convolutional Net},
  author    = {Springenberg, Jost Tobias and Dosovitskiy, Alexey and Brox, Thomas and Riedmiller, Martin},
  booktitle = {ICLR Workshop},
  year      = {2015},
}"""

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        return subject.gradients(images, scores, relu=guided)

    def at(self, subject: Subject, images: Tensor) -> tuple[str, ...]:
        return INPUT

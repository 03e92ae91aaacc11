"""Edges: a control that sees the image and not the model.

    M = √(s_x² + s_y²) of the mean of the channels,   s the Sobel filters, borders repeated

>>> step = torch.tensor([[[[0.0, 0.0, 1.0, 1.0]] * 3]])
>>> edges(step)[0, 1].tolist()
[0.0, 4.0, 4.0, 0.0]
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

from pellucid.explainers._base import Explainer, Score, Subject
from pellucid.questions import Question


def edges(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """Sobel magnitude."""
    x = images.mean(1, keepdim=True)
    x = pad(x if x.dtype == torch.float64 else x.float(), (1, 1, 1, 1), mode="replicate")
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]).to(x)
    both = conv2d(x, torch.stack([across, across.T])[:, None])
    return both.square().sum(1).sqrt()


class Edges(Explainer, name="edges"):
    """A control: what would an edge detector score?"""

    group = "control"
    cost = "0"
    trainable = False
    asked = False

    def attribute(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        return edges(images.unsqueeze(-2) if images.ndim == 3 else images)

    def signed(self, question: Question) -> bool:
        return False

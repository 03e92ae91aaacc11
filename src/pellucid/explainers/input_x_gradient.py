"""Input × gradient (Shrikumar et al., 2016), and at a layer the linear approximation.

    M = Σ_c x_c · ∂score/∂x_c            at the input
    M = Σ_k A_k · ∂score/∂A_k            at a layer (`layer=auto` finds it)

Against the origin of the input as the model sees it: in normalised space, a pixel of the mean colour gets 0. For a
ReLU network without biases the sum is the score itself.

>>> input_x_gradient(torch.tensor([[[[2.0]], [[1.0]]]]), torch.tensor([[[[1.0]], [[-3.0]]]])).item()
-1.0
"""

import torch
from torch import Tensor

from pellucid.explainers._base import INPUT, Explainer, Score, Subject


def input_x_gradient(x: Tensor, gradient: Tensor) -> Tensor:
    """[n, c, …] twice -> [n, …]"""
    return (x * gradient).sum(1)


class InputXGradient(Explainer, name="input-x-gradient", paper="arXiv:1605.01713"):
    """What does each pixel, or each cell of a layer, contribute to first order?"""

    group = "gradient"
    cost = "F + B"
    linear = True
    sizes = (1, 2, 3)
    cite = """
@article{shrikumar2016not,
  title   = {Not Just a Black Box: Learning Important Features Through Propagating Activation Differences},
  author  = {Shrikumar, Avanti and Greenside, Peyton and Shcherbina, Anna and Kundaje, Anshul},
  journal = {arXiv:1605.01713},
  year    = {2016},
}"""

    layer: str | None = None
    grid: tuple[int, int] | None = None

    def attribute(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        if self.layer is None:
            # the product is kept per channel: raw is of the input's shape
            return images.to(gradient := subject.gradient(images, score)) * gradient
        return input_x_gradient(*subject.look(images, score, self.layer, self.grid))

    def picked(self, subject: Subject, images: Tensor) -> Explainer:
        return self.but(layer=subject.place(images, self.grid).path) if self.layer == "auto" else self

    def at(self, subject: Subject, images: Tensor) -> tuple[str, ...]:
        return INPUT if self.layer is None else subject.layers(images, self.layer, self.grid)

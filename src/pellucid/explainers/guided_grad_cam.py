"""Guided Grad-CAM (Selvaraju et al., 2017).

    M = up(ReLU(Grad-CAM)) · guided backpropagation        channel by channel of the image, signed

One forward serves both ways back. Where the Grad-CAM is zero, so is the map.

>>> guided_grad_cam(torch.tensor([[[1.0, -1.0]]]), torch.tensor([[[[3.0, 3.0]], [[-2.0, 1.0]]]])).tolist()
[[[[3.0, 0.0]], [[-2.0, 0.0]]]]
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.explainers._base import Explainer, Score, Subject
from pellucid.explainers.grad_cam import GradCAM, grad_cam
from pellucid.explainers.guided_backprop import guided
from pellucid.maths.maps import resize


def guided_grad_cam(cam: Float[Tensor, "n h w"], gradient: Float[Tensor, "n c *size"]) -> Float[Tensor, "n c *size"]:
    """The guided gradient where the Grad-CAM is positive."""
    size = gradient.shape[2:]
    cam = resize(cam.relu(), (1, size[0]) if len(size) == 1 else (size[0], size[1]))
    return gradient * (cam if len(size) == 1 else cam[:, None])


class GuidedGradCAM(Explainer, name="guided-grad-cam", paper="arXiv:1610.02391"):
    """Which pixels speak for the answer, in the regions that do?"""

    group = "gradient"
    cost = "F + B + b"
    trainable = False
    cite = GradCAM.cite

    layer: str | None = None
    grid: tuple[int, int] | None = None

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        cams, gradients = subject.look_twice(images, scores, self.layer, self.grid, relu=guided)
        return [guided_grad_cam(grad_cam(*cam), g) for cam, g in zip(cams, gradients, strict=True)]

    def picked(self, subject: Subject, images: Tensor) -> Explainer:
        return self.but(layer=subject.place(images, self.grid).path) if self.layer in (None, "auto") else self

    def at(self, subject: Subject, images: Tensor) -> tuple[str, ...]:
        return ("", *subject.layers(images, self.layer, self.grid))

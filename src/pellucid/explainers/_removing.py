"""Removing: what the answer is when a part of the image is gone.

    x̃ = x′ + m · (x − x′),     m in [0, 1]: 1 where the image stays, 0 where the baseline x′ takes its place

The baseline is a number or an image in the model's space, where 0 is the mean colour of normalised images and not
black; or with `space=pixel` in [0, 1]; or black, mean, blur or noise (see `_baseline.py`). `seed` is that of the noise,
and of whatever else a member draws.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.explainers._base import Explainer, Subject
from pellucid.explainers._baseline import Kind, Space, Spread, sole
from pellucid.subject import size_of

Fade = Callable[[Tensor, Tensor], Tensor]  # (which image [b], its mask [b, h, w]) -> images [b, …]


class RemovingExplainer(Explainer):
    """An explainer that takes parts of the image away and looks at what is left of the answer: forwards only."""

    group = "perturbation"
    trainable = False

    baseline: Kind | float | Tensor = 0.0
    space: Space = "model"
    sigma: Spread = 0.1
    seed: int | None = None

    def start(self, subject: Subject, images: Tensor) -> Tensor:
        """The baseline of every image; a batch is its images, so a tensor is one image for all."""
        return sole(self, subject, images, f"{self.name} takes one for all, {list(images.shape[1:])}")

    def fading(self, images: Tensor, start: Tensor) -> Fade:
        """How an image looks under a mask; masks are [b, h, w], of signals [b, 1, t]."""
        way = images - start

        def fade(i: Tensor, mask: Tensor) -> Tensor:
            return start[i] + mask.to(way).view(len(i), 1, *images.shape[2:]) * way[i]

        return fade

    def canvas(self, images: Tensor) -> tuple[int, int]:
        """Height and width of what is masked."""
        if images.ndim not in (3, 4):
            raise BadInput(
                f"{self.name} removes parts of images [n, c, h, w] or signals [n, c, t], and the input has shape "
                f"{tuple(images.shape)}; choose an explainer that asks for gradients, such as integrated-gradients."
            )
        return size_of(images)

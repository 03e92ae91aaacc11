"""Blur IG (Xu et al., 2020): from a blurred image to the sharp one, so that no baseline brings a colour of its own.

    M = Σ_i (x_{i+1} − x_i) · ∂score/∂x at ½ (x_i + x_{i+1}),   x_i = blur(x, σ_i),   σ_0 = sigma, …, σ_N = 0

spacing=linear     σ_i = sigma (1 − i/N)
spacing=sqrt       σ_i = sigma √(1 − i/N): equal steps of the variance, the time of the heat equation

sigma is in pixels of the image. A step goes straight from one blur to the next, and is asked half-way. A sampled
Gaussian narrower than a pixel leaves the image alone, so that the derivative σ Δx_σ of the heat equation does not add
up to the whole way; differences do, whatever the spacing, and for a linear model any number of steps is exact. The blur
is a true Gaussian with reflected borders (no kernel is cut off, no frame dark), two small matrix products an image.

With sqrt, the last step of N goes from sigma/√N to 0, often the longest by far: it is the one for large structures.

Complete: Σ M = followed(x) − followed(blur(x, sigma)), up to the error of the midpoints, which the explanation reports
(`e.error`). A mean colour survives any blur: contributions of the mean are not in the map.

>>> x, twice = torch.tensor([[[1.0, 3.0]]]), lambda x: torch.full_like(x, 2.0)
>>> [round(v, 4) for v in blur_ig(x, sigmas(50.0, 3, "linear"), twice).flatten().tolist()]
[-2.0, 2.0]
"""

from collections.abc import Callable, Iterator, Sequence
from math import sqrt
from typing import Annotated, Literal

import torch
from torch import Tensor

from pellucid.explainers._base import Between, Score, Subject
from pellucid.explainers._path import PathExplainer, Steps, pairs, slopes, walk
from pellucid.maths.blur import gaussian_blur

Spacing = Literal["linear", "sqrt"]


def sigmas(most: float, steps: int, spacing: Spacing) -> list[float]:
    """
    >>> sigmas(4.0, 2, "linear"), sigmas(4.0, 4, "sqrt")[2]
    ([4.0, 2.0, 0.0], 2.8284271247461903)
    """
    shares = [1 - i / steps for i in range(steps + 1)]
    return [most * (sqrt(share) if spacing == "sqrt" else share) for share in shares]


def blur_ig(x: Tensor, widths: Sequence[float], gradient: Callable[[Tensor], Tensor], together: int = 1) -> Tensor:
    """The shape of x; `gradient` is asked of some points together, the copies of the batch one after another."""
    total: Tensor | float = 0.0
    for chosen in pairs(widths, together):
        stops = torch.stack([gaussian_blur(x, sigma) for sigma in chosen])
        way, middle = stops.diff(dim=0), (stops[1:] + stops[:-1]) / 2
        total = total + (gradient(middle.flatten(0, 1)).view_as(way) * way).sum(0)
    assert isinstance(total, Tensor)
    return total


class BlurIG(PathExplainer, name="blur-ig", paper="arXiv:2004.03383"):
    """What does each pixel contribute while the image comes into focus?"""

    linear = True
    quick = {"steps": 4, "sigma": 4.0}  # a flat image has whole areas near one kink, where finite differences fail
    cite = """
@inproceedings{xu2020attribution,
  title     = {Attribution in Scale and Space},
  author    = {Xu, Shawn and Venugopalan, Subhashini and Sundararajan, Mukund},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2020},
}"""

    sigma: Annotated[float, Between(0)] = 50.0
    steps: Annotated[int, Between(1)] = 100
    spacing: Spacing = "linear"

    def attribute(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        return blur_ig(images, self._widths(), slopes(subject, images, score), subject.copies(len(images)))

    def walk(self, subject: Subject, images: Tensor, score: Score) -> Iterator[Steps]:
        return walk(subject, images, score, lambda sigma: gaussian_blur(images, sigma), self._widths())

    def start(self, subject: Subject, images: Tensor) -> Tensor:
        """The image, blurred most."""
        return gaussian_blur(images, self.sigma)

    def _widths(self) -> list[float]:
        return sigmas(self.sigma, self.steps, self.spacing)

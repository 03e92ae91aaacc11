"""Pictures made worse: noise, blur or JPEG, in five steps (Hendrycks and Dietterich, 2019).

    noise   x + σ ε, cut off at black and white      σ = .08 .12 .18 .26 .38
    blur    Gaussian, σ in pixels of a side of 224    σ = 1 2 3 4 6
    jpeg    compressed and read again                 quality 25 18 15 10 7

The noise of picture i is the same every time. Boxes and masks stay.

>>> from pellucid.data.digits import Digits
>>> data = Digits()
>>> worse = Corrupt(data, by="noise", severity=5)
>>> bool((worse[3].image != data[3].image).any()), bool((worse[3].image == worse[3].image).all())
(True, True)
"""

import io
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from pellucid.data._base import Dataset, Record, Wrapped
from pellucid.data._chance import uniforms
from pellucid.errors import BadKnob
from pellucid.knobs import Between
from pellucid.maths.blur import gaussian_blur

NOISE = (0.08, 0.12, 0.18, 0.26, 0.38)
BLUR = (1.0, 2.0, 3.0, 4.0, 6.0)
QUALITY = (25, 18, 15, 10, 7)
Image = UInt8[Tensor, "c h w"]


def noisy(image: Image, sigma: float, seed: int, number: int) -> Image:
    """With Gaussian noise of a standard deviation in [0, 1], drawn for this number."""
    count = image.numel()
    u = uniforms(seed, number, 2 * count)
    drawn = np.sqrt(-2 * np.log1p(-u[:count])) * np.cos(2 * np.pi * u[count:])  # Box and Muller, 1958
    noise = torch.from_numpy(drawn.astype(np.float32)).view(image.shape)
    return (image.float() + 255 * sigma * noise).clamp(0, 255).round().byte()


def blurred(image: Image, sigma: float) -> Image:
    """Blurred, by σ pixels where the shorter side has 224."""
    scaled = sigma * min(image.shape[1:]) / 224
    return gaussian_blur(image[None].float(), scaled)[0].clamp(0, 255).round().byte()


def compressed(image: Image, quality: int) -> Image:
    """As a JPEG of this quality has it."""
    from PIL import Image as Pictures

    pixels = image.permute(1, 2, 0).numpy()
    kept = io.BytesIO()
    Pictures.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(kept, "jpeg", quality=quality)
    read = np.array(Pictures.open(kept))
    return torch.from_numpy(read.reshape(*read.shape[:2], -1)).permute(2, 0, 1).contiguous()


class Corrupt(Wrapped, name="corrupt", paper="arXiv:1903.12261"):
    """Any data set, with its pictures made worse."""

    cite = """
@inproceedings{hendrycks2019benchmarking,
  title     = {Benchmarking Neural Network Robustness to Common Corruptions and Perturbations},
  author    = {Hendrycks, Dan and Dietterich, Thomas},
  booktitle = {International Conference on Learning Representations},
  year      = {2019},
}"""

    of: Dataset
    by: Literal["noise", "blur", "jpeg"] = "noise"
    severity: Annotated[int, Between(1, 5)] = 3
    seed: Annotated[int, Between(0)] = 0

    def check(self) -> None:
        if self.of.kind != "images":
            raise BadKnob(f"corrupt is for pictures, and {self.of.name} is of {self.of.kind}; leave it out.")

    def change(self, record: Record, i: int) -> Record:
        step = self.severity - 1
        if self.by == "noise":
            return record.with_image(noisy(record.image, NOISE[step], self.seed, i))
        if self.by == "blur":
            return record.with_image(blurred(record.image, BLUR[step]))
        return record.with_image(compressed(record.image, QUALITY[step]))

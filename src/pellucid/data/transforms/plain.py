"""Nothing but numbers from 0 to 1: the digits, sprites and heartbeats of the label-free paper.

With `size=32` pictures are resized, bilinear, to a square (the paper's VAE on MNIST); with `normalise=true` the data
set's mean and std are taken off.

>>> Plain(size=32).picture(train=True)(torch.zeros(1, 28, 28, dtype=torch.uint8)).shape
torch.Size([1, 32, 32])
"""

from typing import Annotated, Any

import torch

from pellucid.data._base import Dataset
from pellucid.data.transforms._base import Transform
from pellucid.knobs import Between


class Plain(Transform, name="plain"):
    """As it is, in [0, 1]."""

    size: Annotated[int, Between(1)] | None = None
    normalise: bool = False

    def picture(self, train: bool) -> Any:
        from torchvision.transforms import v2

        return v2.Identity() if self.size is None else v2.Resize((self.size, self.size), antialias=True)

    def numbers(self, data: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (data.mean, data.std) if self.normalise else ((0.0,), (1.0,))

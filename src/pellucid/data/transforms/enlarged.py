"""Small pictures enlarged for a network that wants large ones: the reproduction study's CIFAR-100 at 224 pixels.

    train   RandomResizedCrop(size), flip           eval   Resize(size)       with the data set's own numbers

>>> Enlarged(size=64).picture(train=False)(torch.zeros(3, 32, 32, dtype=torch.uint8)).shape
torch.Size([3, 64, 64])
"""

from typing import Annotated, Any

import torch

from pellucid.data.transforms._base import Transform, flipped, squared
from pellucid.knobs import Between


class Enlarged(Transform, name="enlarged"):
    """A random part enlarged; all of it enlarged."""

    stats = "data"

    size: Annotated[int, Between(1)] = 224
    flip: bool = True

    def picture(self, train: bool) -> Any:
        from torchvision.transforms import v2

        if train:
            return v2.Compose([v2.RGB(), v2.RandomResizedCrop(self.size, antialias=True), flipped(self.flip)])
        return squared(self.size)

"""The whole picture, made square: nothing is cut off, and its sides no longer keep their ratio.

The red-dot experiment of the reproduction study, the scoring of CGC, and the test of the contrast paper on birds.

>>> Squash(size=32).picture(train=True)(torch.zeros(3, 20, 40, dtype=torch.uint8)).shape
torch.Size([3, 32, 32])
"""

from typing import Annotated, Any

import torch

from pellucid.data.transforms._base import Transform, flipped
from pellucid.knobs import Between


class Squash(Transform, name="squash"):
    """Resized to a square, the same in training and evaluation."""

    size: Annotated[int, Between(1)] = 224
    flip: bool = False  # in training

    def picture(self, train: bool) -> Any:
        from torchvision.transforms import v2

        return v2.Compose([v2.RGB(), v2.Resize((self.size, self.size), antialias=True), flipped(self.flip and train)])

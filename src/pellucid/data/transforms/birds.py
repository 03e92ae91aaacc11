"""The contrast paper's on CUB-200 (its fine-tuned VGG-16-BN): everything that keeps a bird a bird.

    train   both flips, rotation ±30°, colours .2 .2 .2 .1, shift .1, RandomResizedCrop(size, .7 … 1), perspective .2
            one time in two, grey one in five, blur of 3 pixels one in five
    eval    Resize(size, size), the ratio of the sides not kept

>>> Birds(size=64).picture(train=False)(torch.zeros(3, 50, 90, dtype=torch.uint8)).shape
torch.Size([3, 64, 64])
"""

from typing import Annotated, Any

import torch

from pellucid.data.transforms._base import Transform, squared
from pellucid.knobs import Between


class Birds(Transform, name="birds"):
    """Flips, turns, colours, crops, perspective, grey and blur; squashed for evaluation."""

    size: Annotated[int, Between(1)] = 224

    def picture(self, train: bool) -> Any:
        from torchvision.transforms import v2 as theirs

        v2: Any = theirs  # its numbers are not typed

        if not train:
            return squared(self.size)
        steps = [
            v2.RGB(),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.RandomRotation(30),
            v2.ColorJitter(0.2, 0.2, 0.2, 0.1),
            v2.RandomAffine(0, translate=(0.1, 0.1)),
            v2.RandomResizedCrop(self.size, scale=(0.7, 1.0), antialias=True),
            v2.RandomPerspective(0.2, p=0.5),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(3)], p=0.2),
        ]
        return v2.Compose(steps)

"""CIFAR's: shifted by up to four pixels and flipped for training, as it is for evaluation; the data set's own numbers.

    train   RandomCrop(size, padding), flip         eval   nothing

LICO's on CIFAR-10, CIFAR-100 and SVHN; for house numbers without the flip: `cifar:flip=false`.

>>> CIFAR(flip=False).picture(train=True)(torch.zeros(3, 32, 32, dtype=torch.uint8)).shape
torch.Size([3, 32, 32])
"""

from typing import Annotated, Any

import torch

from pellucid.data.transforms._base import Transform, flipped, squared
from pellucid.knobs import Between


class CIFAR(Transform, name="cifar"):
    """A shift and a flip."""

    stats = "data"

    size: Annotated[int, Between(1)] = 32
    padding: Annotated[int, Between(0)] = 4
    flip: bool = True

    def picture(self, train: bool) -> Any:
        from torchvision.transforms import v2

        if not train:
            return squared(self.size)  # nothing, where they have the size
        return v2.Compose([*squared(self.size).transforms, v2.RandomCrop(self.size, self.padding), flipped(self.flip)])

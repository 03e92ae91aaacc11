"""ImageNet's: a random part of the picture for training, the middle of it for evaluation.

    train   RandomResizedCrop(size), flip           eval   Resize(size / crop), CenterCrop(size)

The standard of LICO, CGC and GCC. With `crop=1` the shorter side becomes `size`, as in the reproduction study.

>>> ImageNet(size=64).shorter(), ImageNet().shorter(), ImageNet(crop=1.0).shorter()
(73, 256, 224)
"""

from typing import Annotated, Any

from pellucid.data.transforms._base import Transform, flipped
from pellucid.knobs import Between


class ImageNet(Transform, name="imagenet"):
    """A random crop and a flip; the centre of the resized picture."""

    size: Annotated[int, Between(1)] = 224
    crop: Annotated[float, Between(0.01, 1)] = 0.875  # the share of the resized side that is kept
    flip: bool = True

    @property
    def kept(self) -> float:
        return self.crop

    def shorter(self) -> int:
        """The shorter side after resizing, before the crop."""
        return int(self.size / self.crop + 1e-6)

    def picture(self, train: bool) -> Any:
        from torchvision.transforms import v2

        if train:
            return v2.Compose([v2.RGB(), v2.RandomResizedCrop(self.size, antialias=True), flipped(self.flip)])
        return v2.Compose([v2.RGB(), v2.Resize(self.shorter(), antialias=True), v2.CenterCrop(self.size)])

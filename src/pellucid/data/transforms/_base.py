"""What a transform is: what is done to a picture before a model sees it, in training and in evaluation.

picture       resize, crop, flip, colours: torchvision's v2, so that boxes and masks follow
what a data set draws on top (red-dot)
(x − mean) / std, of the data set or of ImageNet
"""

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Num
from torch import Tensor

from pellucid.data._base import IMAGENET_MEAN, IMAGENET_STD, Dataset
from pellucid.errors import BadInput
from pellucid.registry import Named


class Transform(Named, family="transforms"):
    """A named way to make pictures into inputs."""

    stats: ClassVar[str] = "imagenet"  # whose mean and std: imagenet, data, or none

    @property
    def kept(self) -> float | None:
        """The share of the resized side that a crop leaves in evaluation; none where pictures become squares whole."""
        return None

    def picture(self, train: bool) -> object:
        """The v2 transform of the picture: uint8 in, uint8 or [0, 1] out."""
        raise NotImplementedError

    def numbers(self, data: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of the channels."""
        if self.stats == "none":
            return (0.0,), (1.0,)
        return (data.mean, data.std) if self.stats == "data" else (IMAGENET_MEAN, IMAGENET_STD)

    def input(self, image: Num[Tensor, "*s"], data: Dataset) -> Float[Tensor, "*s"]:
        """The picture as numbers around zero."""
        x = image if image.is_floating_point() else image.float() / 255
        if data.kind != "images":
            return x
        mean, std = self.numbers(data)
        if len(mean) not in (1, len(x)):
            raise BadInput(
                f"{self.name} is for {len(mean)} channels, and pictures of {data.name} have {len(x)}; use plain."
            )
        wide = (-1, *[1] * (x.ndim - 1))
        return (x - torch.tensor(mean).view(wide)) / torch.tensor(std).view(wide)


def flipped(wanted: bool) -> Any:
    """A flip one time in two, or nothing."""
    from torchvision.transforms import v2

    return v2.RandomHorizontalFlip() if wanted else v2.Identity()


def squared(size: int) -> Any:
    """All of the picture, in colours, made a square of this side."""
    from torchvision.transforms import v2

    return v2.Compose([v2.RGB(), v2.Resize((size, size), antialias=True)])

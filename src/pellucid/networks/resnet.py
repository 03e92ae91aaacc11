"""ResNet (He et al., 2016): torchvision's, with a stem for small pictures and a choice of pooling.

    stem – 4 groups of residual blocks, halving between them – pooling – linear

    stem=imagenet   conv 7×7 of stride 2, max-pooling    224 pixels -> 7×7, 32 pixels -> 1×1, which LICO refuses
    stem=cifar      conv 3×3                              32 pixels -> 4×4

Names of weights are torchvision's, so that its checkpoints load; those for the other stem differ in conv1 alone.

>>> import torch
>>> ResNet(stem="cifar", classes=4).build()(torch.zeros(2, 3, 32, 32)).shape
torch.Size([2, 4])
"""

from typing import Literal

from torch import nn

from pellucid.data._base import IMAGENET_MEAN, IMAGENET_STD
from pellucid.data.cifar10 import CIFAR10
from pellucid.networks._base import Count, Network
from pellucid.networks._wide import Head, he_normal, pooling


class ResNet(Network, name="resnet", paper="arXiv:1512.03385"):
    """Residual networks of 18 to 101 layers, for large pictures or small ones."""

    cite = """
@inproceedings{he2016deep,
  title     = {Deep Residual Learning for Image Recognition},
  author    = {He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing and Sun, Jian},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  year      = {2016},
}"""

    depth: Literal[18, 34, 50, 101] = 18
    classes: Count = 1000
    channels: Count = 3
    stem: Literal["imagenet", "cifar"] = "imagenet"
    head: Head = "average"

    @property
    def size(self) -> int:  # pyright: ignore
        return 224 if self.stem == "imagenet" else 32

    @property
    def mean(self) -> tuple[float, ...]:  # pyright: ignore
        return IMAGENET_MEAN if self.stem == "imagenet" else CIFAR10.mean

    @property
    def std(self) -> tuple[float, ...]:  # pyright: ignore
        return IMAGENET_STD if self.stem == "imagenet" else CIFAR10.std

    @property
    def crop(self) -> float | None:  # pyright: ignore
        return 0.875 if self.stem == "imagenet" else None

    def build(self) -> nn.Module:
        from torchvision import models

        net = models.get_model(f"resnet{self.depth}", weights=None, num_classes=self.classes)
        small = self.stem == "cifar"
        if small or self.channels != 3:
            first = (3, 1, 1) if small else (7, 2, 3)
            net.conv1 = nn.Conv2d(self.channels, 64, *first, bias=False)
            he_normal(net.conv1)
        if small:
            net.maxpool = nn.Identity()
        net.avgpool = pooling(self.head)
        return net

"""PreAct-ResNet-18 (He et al., 2016): the ResNet-18 whose blocks normalise and rectify before they convolve.

    conv 3×3 – 4 groups of 2 pre-activation blocks, 64, 128, 256 and 512 wide – BN – ReLU – pooling – linear

Pictures of 32 pixels end in 512 maps of 4×4, so that a particle of LICO has 16 numbers; the 49 that LICO's
paper prints would take pictures of 49 to 56 pixels. Some copies of this network lack the last BN and ReLU, and their
last maps are of any sign.

>>> import torch
>>> PreActResNet18(classes=4).build()(torch.zeros(2, 3, 32, 32)).shape
torch.Size([2, 4])
"""

from torch import nn

from pellucid.data.cifar10 import CIFAR10
from pellucid.networks._base import Count, Network
from pellucid.networks._wide import Head, PreActivation


class PreActResNet18(Network, name="preact-resnet18", paper="arXiv:1603.05027"):
    """A CIFAR network of 11 million weights that acts before it convolves."""

    cite = """
@inproceedings{he2016identity,
  title     = {Identity Mappings in Deep Residual Networks},
  author    = {He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing and Sun, Jian},
  booktitle = {European Conference on Computer Vision},
  year      = {2016},
}"""
    mean, std = CIFAR10.mean, CIFAR10.std

    classes: Count = 10
    channels: Count = 3
    head: Head = "average"

    def build(self) -> nn.Module:
        return PreActivation(self.channels, [64, 64, 128, 256, 512], 2, self.classes, self.head)

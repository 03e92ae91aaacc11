"""SimCLR's views (Chen et al., 2020), as the label-free paper has them on CIFAR-10: no blur, numbers in [0, 1].

    train   RandomResizedCrop(size, .08 … 1), flip, colours .4 .4 .4 .1 four times in five, grey one time in five
    eval    nothing

One call makes one view; two views of a picture are two calls.

>>> SimCLR().picture(train=True)(torch.zeros(3, 32, 32, dtype=torch.uint8)).shape
torch.Size([3, 32, 32])
"""

from typing import Annotated, Any

import torch

from pellucid.data.transforms._base import Transform, squared
from pellucid.knobs import Between


class SimCLR(Transform, name="simclr", paper="arXiv:2002.05709"):
    """A crop, a flip, other colours, perhaps grey."""

    cite = """
@inproceedings{chen2020simple,
  title     = {A Simple Framework for Contrastive Learning of Visual Representations},
  author    = {Chen, Ting and Kornblith, Simon and Norouzi, Mohammad and Hinton, Geoffrey},
  booktitle = {International Conference on Machine Learning},
  year      = {2020},
}"""
    stats = "none"

    size: Annotated[int, Between(1)] = 32

    def picture(self, train: bool) -> Any:
        from torchvision.transforms import v2

        if not train:
            return squared(self.size)
        colours = v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8)
        crop = v2.RandomResizedCrop(self.size, antialias=True)
        return v2.Compose([v2.RGB(), crop, v2.RandomHorizontalFlip(), colours, v2.RandomGrayscale(0.2)])

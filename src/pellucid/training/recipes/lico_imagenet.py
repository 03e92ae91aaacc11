"""LICO on ImageNet (Lei et al., 2023).

    L = CE + 10 · MM + 1 · OT,      η_k = 0.03 · cos(7πk / 16K)

    network      ResNet-50, or ResNet-18          weights    random: ours
    epochs       90                               batch      128, on four A100
    optimiser    SGD, momentum 0.9                decay      1e-4
    rate         0.03                             schedule   cosine-7-16: by half 0.773, at the end 0.195 of it
    transform    imagenet: RandomResizedCrop(224), flip; Resize(256), CenterCrop(224): ours
    objective    lico:protocol=paper,text=clip    12 contexts, α = 10, β = 1

Ours, because the paper does not say: the first weights (its baselines are torchvision's published numbers, 76.13 % and
69.76 %, so that fine-tuning them is as good a reading: weights=default) and the transform.

    ResNet-18    network=torchvision:resnet18
    contexts     objective="lico:protocol=paper,text=clip,contexts=0", and 4, 8, 16, 20
    ViT-B/16     network=torchvision:vit_b_16; of its training the paper says nothing

ResNet-50 ends in 2048 maps of 7×7, and so the mapping in 49 numbers. `relico` is the reproduction study's training.

>>> recipe = LicoImagenet()
>>> recipe.lr * factor(recipe.schedule, 0.5)                            # after 45 epochs
0.02319...
"""

from pellucid.objectives.lico import LICO
from pellucid.training._schedule import factor as factor
from pellucid.training.recipes._base import Count, Rate, Recipe, Schedule


class LicoImagenet(Recipe, name="lico-imagenet", paper="arXiv:2310.09821"):
    """LICO on ImageNet."""

    cite = LICO.cite
    data = "imagenet:split=train"
    ours = ("weights", "transform")

    network: str = "torchvision:resnet50"
    weights: str = "random"
    objective: str = "lico:protocol=paper,text=clip"
    epochs: Count = 90
    batch: Count = 128
    lr: Rate = 0.03
    decay: Rate = 1e-4
    schedule: Schedule = "cosine-7-16"
    transform: str | None = "imagenet"

"""LICO as its reproduction study trained it (Bartak et al., 2024): ImageNet-S50 and CIFAR-100, ResNet-18.

    L = CE + 10 · MM + 1 · OT,      η_k = 0.03 · cos(7πk / 16K),      gradients cut to a norm of 0.5

    network      ResNet-18                              weights    random
    epochs       100                                    batch      128; some of its tables 64
    optimiser    SGD, momentum 0.9                      decay      1e-4, of contexts and temperature too
    rate         0.03                                   schedule   cosine-7-16
    transform    imagenet:crop=1: RandomResizedCrop(224), flip; Resize(224), CenterCrop(224)
    objective    lico:protocol=reproduction,text=clip   temperature clamped, ε = 1e-4, contexts drawn from N(0, 1)

Everything is in its code; the cutting of gradients, for CE as for LICO, is not in its report. With a large α · MM it
makes the step of CE small. Nothing here is ours, but one thing is not done: the study keeps contexts, mapping and
temperature in sixteen bits, and multiplies matrices with fewer bits; here they have 32.

    CIFAR-100    transform=enlarged: 32 to 224 pixels by RandomResizedCrop, for evaluation by Resize
                 as data scrambled-names@cifar100, where the wrong names are wanted: read in alphabetical order of
                 "0" … "99", only 12 of the study's 100 names are those of their classes
    CE           objective=ce
    CGC          objective="cgc:protocol=reproduction",clip=none; it kept its best epoch by the validation set, the
                 others their last one

Seeds: 1, 2, 3 for the models of ImageNet-S50, CGC 2; 42 for CGC on CIFAR-100; all other models 2 alone.

>>> Relico().clip, Relico(transform="enlarged").transform
(0.5, 'enlarged')
"""

from pellucid.training.recipes._base import Count, Rate, Recipe, Schedule


class Relico(Recipe, name="relico"):
    """LICO as the reproduction study trained it."""

    data = "imagenet-s:split=train"

    network: str = "torchvision:resnet18"
    objective: str = "lico:protocol=reproduction,text=clip"
    epochs: Count = 100
    batch: Count = 128
    lr: Rate = 0.03
    decay: Rate = 1e-4
    schedule: Schedule = "cosine-7-16"
    clip: Rate | None = 0.5
    transform: str | None = "imagenet:crop=1"

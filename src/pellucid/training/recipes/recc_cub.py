"""VGG-16-BN on CUB-200-2011, of the reproduction of class-contrastive explanations (Eriksson et al., 2025).

    network      VGG-16 with batch normalisation   weights    ImageNet's, a new last layer, all layers trained
    epochs       200, the last one is kept         batch      128
    optimiser    SGD, momentum 0.9                 decay      5e-4
    rate         1e-3                              schedule   constant
    transform    birds: both flips, turns, colours, a crop of 0.7 to 1, perspective, grey, blur; evaluation squashed
    objective    ce                                split      the official 5994 and 5794

Nothing here is ours. The code halves the rate after epoch 200, which never comes: it is constant. Seed 0. The paper
whose study this repeats does not say that its network had batch normalisation; its code does.

>>> ReccCub().schedule, ReccCub().lr
('constant', 0.001)
"""

from pellucid.metrics.norm_vs_logit import NormVsLogit
from pellucid.training.recipes._base import Count, Rate, Recipe, Schedule


class ReccCub(Recipe, name="recc-cub", paper="arXiv:2501.11096"):
    """A network that tells birds apart, for explanations of why it is not the other bird."""

    cite = NormVsLogit.cite
    data = "cub"

    network: str = "torchvision:vgg16_bn"
    weights: str = "default"
    objective: str = "ce"
    epochs: Count = 200
    batch: Count = 128
    lr: Rate = 1e-3
    decay: Rate = 5e-4
    schedule: Schedule = "constant"
    transform: str | None = "birds"

"""ViT-B/16 on Food-101, of the reproduction of class-contrastive explanations (Eriksson et al., 2025).

    network      torchvision's ViT-B/16            weights    ImageNet's, a new last layer
    epochs       10: ours                          batch      512, in 8 parts: ours
    optimiser    SGD, momentum 0.9: ours           decay      0: ours
    rate         0.01: ours                        schedule   cosine to 0, after a warm-up of one epoch: ours
    clip         gradients to a norm of 1: ours    transform  imagenet: ours
    objective    ce: ours

The study says which network and which data, and no more; there is no code of it. So we train as the authors of ViT
(Dosovitskiy et al., 2021) fine-tune: SGD with momentum and without decay, batches of 512, a cosine, gradients cut at 1,
a rate of their list (0.001, 0.003, 0.01, 0.03), after as many steps as make ten epochs of 75,750 pictures (1480). The
parts only save memory: with layer normalisation and CE a batch is the sum of its parts.

The pictures that the study shows (pad thai .53, fried rice .45) depend on a training that nobody can repeat.

>>> len(ReccFood().ours), ReccFood().batch // ReccFood().accumulate
(13, 64)
"""

from pellucid.metrics.norm_vs_logit import NormVsLogit
from pellucid.training.recipes._base import Count, Optimiser, Part, Rate, Recipe, Schedule


class ReccFood(Recipe, name="recc-food", paper="arXiv:2501.11096"):
    """A transformer that tells dishes apart, for explanations of why it is not the other dish."""

    cite = NormVsLogit.cite
    data = "food101"
    ours = (
        "objective", "epochs", "batch", "accumulate", "optimiser", "lr", "momentum", "decay", "schedule", "least",
        "warmup", "clip", "transform",
    )  # fmt: skip

    network: str = "torchvision:vit_b_16"
    weights: str = "default"
    objective: str = "ce"
    epochs: Count = 10
    batch: Count = 512
    accumulate: Count = 8
    optimiser: Optimiser = "sgd"
    lr: Rate = 0.01
    momentum: Part = 0.9
    decay: Rate = 0.0
    schedule: Schedule = "cosine"
    warmup: Rate = 1.0
    clip: Rate | None = 1.0
    transform: str | None = "imagenet"

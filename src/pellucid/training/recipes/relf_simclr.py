"""SimCLR on CIFAR-10, of label-free explanations (Crabbé and van der Schaar, 2022).

    η_k = 6e-4 + (0.36 − 6e-4) · (1 + cos(πk / K)) / 2

    network      simclr: ResNet-18, conv1 of 3×3, no max-pooling; 512 numbers     weights    random: ours
    epochs       100                               batch      512 pictures, two views each
    optimiser    SGD, Nesterov momentum 0.9        decay      1e-6
    rate         0.36                              schedule   cosine to 1/600 of it
    transform    simclr: crops, flips, colours, grey; no blur, numbers from 0 to 1
    objective    infonce: cosines at a temperature of 0.5, behind a projector 512 → 2048 → 128
    last batch   336 pictures, which do not fill it, are left out: drop_last

Seed 42. The rate is stated as 0.6. The code multiplies it with a schedule that is a rate already, from 0.6 down to
1e-3: what is applied falls from 0.36 to 6e-4, and that is written here. `lr=0.6` falls from 0.6 to 1e-3, as it was
meant.

Ours: the code begins with torchvision's ImageNet weights, all but the new conv1, though its comment says otherwise, so
that labels had a part in it. Here the weights are random. Besides, the code does not let a cosine be negative
(infonce:protocol=published), which is not done here, and explains with the statistics of batches of 25
(simclr:statistics=batch).

>>> recipe = RelfSimclr()
>>> round(recipe.lr * recipe.least, 6)
0.0006
"""

from pellucid.questions.similarity import Similarity
from pellucid.training.recipes._base import Count, Optimiser, Part, Rate, Recipe, Schedule


class RelfSimclr(Recipe, name="relf-simclr", paper="arXiv:2203.01928"):
    """Two views of a picture find each other, for explanations without labels."""

    cite = Similarity.cite
    data = "cifar10"
    ours = ("weights",)

    network: str = "pellucid:simclr"
    weights: str = "random"
    objective: str = "infonce"
    epochs: Count = 100
    batch: Count = 512
    optimiser: Optimiser = "sgd"
    lr: Rate = 0.36
    momentum: Part = 0.9
    nesterov: bool = True
    decay: Rate = 1e-6
    schedule: Schedule = "cosine"
    least: Part = 1 / 600
    drop_last: bool = True
    transform: str | None = "simclr"

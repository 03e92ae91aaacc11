"""CGC on ImageNet (Pillai et al., 2022), by its published commands.

    L = CE(x) + CE(crop of x) + CE(x̃) + 0.5 · CGC,      η = 0.1 / 10^(number of 30 epochs that are over)

    network      ResNet-50, or ResNet-18          weights    random
    epochs       90                               batch      256
    optimiser    SGD, momentum 0.9                decay      1e-4
    rate         0.1                              schedule   step: a tenth after 30 epochs, and after 60
    transform    imagenet: ours                   objective  cgc:protocol=paper, λ = 0.5, T = 0.5

Its code prepares three views at once: a random crop, the middle of the resized picture (Resize 256, CenterCrop 224),
and a random crop of that one. Here a loader makes one view, the random crop, and the objective cuts the other two out
of it: the picture that is explained is an augmented one. That is ours. Who wants the published views hands them over
in the batches (see `cgc`), in a loop of their own.

Its four processes have 64 pictures each, so that a picture has 63 negatives; `cgc:protocol=published` keeps to that
(and to a mirror that misses a quarter of its pairs), `paper` has the negatives of everybody. The defaults of its script
(λ = 1000, T = 0.01) belong to other experiments.

    ResNet-18         network=torchvision:resnet18
    without negatives objective="cgc:protocol=paper,negatives=false,weight=1000"
    1 % of labels     50 epochs of 128, λ = 0.25, decay 0, SwAV's weights, rates 0.02 and for the head 5, a fifth of
                      them after 12 epochs and after 16: it also needs pictures without labels, so a loop of one's own
    fine-grained      ResNet-50 from ImageNet's weights; the rest is published nowhere. See `lico-finegrained`.

>>> recipe = CgcImagenet()
>>> [round(recipe.lr * factor("step", 0, epoch, recipe.milestones), 4) for epoch in (0, 29.9, 30, 60, 89)]
[0.1, 0.1, 0.01, 0.001, 0.001]
"""

from pellucid.objectives.cgc import CGC
from pellucid.training._schedule import factor as factor
from pellucid.training.recipes._base import Count, Rate, Recipe, Schedule


class CgcImagenet(Recipe, name="cgc-imagenet", paper="arXiv:2110.00527"):
    """CGC on ImageNet."""

    cite = CGC.cite
    data = "imagenet:split=train"
    ours = ("transform",)

    network: str = "torchvision:resnet50"
    objective: str = "cgc:protocol=paper"
    epochs: Count = 90
    batch: Count = 256
    lr: Rate = 0.1
    decay: Rate = 1e-4
    schedule: Schedule = "step"
    milestones: tuple[int, ...] = (30, 60)
    transform: str | None = "imagenet"

"""GCC on ImageNet (Pillai and Pirsiavash, 2021), by its published code.

    L = CE(x) + 25 · mean |M̂(composite) − target|,      η = 0.1 / 10^(number of 30 epochs that are over)

    network      ResNet-50, or ResNet-18          weights    random
    epochs       90                               batch      256
    optimiser    SGD, momentum 0.9                decay      1e-4
    rate         0.1                              schedule   step: a tenth after 30 epochs, and after 60
    transform    imagenet: RandomResizedCrop(224), flip; Resize(256), CenterCrop(224)
    objective    gcc:protocol=paper, λ = 25

Nothing here is ours. Two things of the code are done otherwise: it draws the classes of the other three pictures from
all of ImageNet and their pictures from the disk, we from the batch; and it sorts a batch by the cell of x, which
changes nothing.

    ResNet-18    network=torchvision:resnet18
    maximum      network="pellucid:resnet:depth=50,head=max": the optional head of the code, by whose maximum a
                 heat-map of gradient × feature is no CAM
    COCO         data coco:split=train, which has several labels an image; weights=default, epochs=36, lr=0.01,
                 milestones=[24,30], decay=5e-4, objective="gcc:protocol=paper,weight=1"

A composite has four times the pixels of a picture: a step costs about five of CE.

>>> recipe = GccImagenet()
>>> [round(recipe.lr * factor("step", 0, epoch, recipe.milestones), 4) for epoch in (29, 30, 60)]
[0.1, 0.01, 0.001]
"""

from pellucid.objectives.gcc import GCC
from pellucid.training._schedule import factor as factor
from pellucid.training.recipes._base import Count, Rate, Recipe, Schedule


class GccImagenet(Recipe, name="gcc-imagenet"):
    """GCC on ImageNet."""

    cite = GCC.cite
    data = "imagenet:split=train"

    network: str = "torchvision:resnet50"
    objective: str = "gcc:protocol=paper"
    epochs: Count = 90
    batch: Count = 256
    lr: Rate = 0.1
    decay: Rate = 1e-4
    schedule: Schedule = "step"
    milestones: tuple[int, ...] = (30, 60)
    transform: str | None = "imagenet"

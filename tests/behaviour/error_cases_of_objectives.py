"""What `test_errors.py` does to objectives to hear what they say."""

import torch
from torch import nn

from pellucid.networks import TinyCNN
from pellucid.objectives import CE, LICO, Objective

X, Y = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])
NAMES = ["cat", "garden spider", "traffic light"]
WORDS = "random-words:width=8"


def net(classes=3):
    """Always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TinyCNN(classes=classes).build()


def strided():
    """Leaves one cell of four by four."""
    body = [nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 8, 3, 2, 1), nn.ReLU()]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


def bound(objective, names=NAMES, size=(32, 32), **options):
    return objective.bind(net(len(names or NAMES)), names, size, **options)


def step(images=X, labels=Y, objective=None):
    return bound(objective or CE())((images, labels))


def spoiled():
    images = X.clone()
    images[2, 0, 5, 5] = torch.nan
    return images


def diverged():
    objective = bound(CE())
    with torch.no_grad():
        list(objective.model.parameters())[-1].fill_(torch.inf)
    return objective((X, Y))


def lico(**knobs):
    return LICO(**({"text": WORDS, "contexts": 2} | knobs))


class Boundless(Objective, name="boundless"):
    """Is there an end to it?"""

    weights = {"boundless": 1.0}

    def terms(self, step):
        return {"boundless": step.ce() / 0}


OF_OBJECTIVES = {
    # sums
    "a plus and nothing": lambda folder: Objective.make("lico+"),
    "an objective twice": lambda folder: Objective.make("cgc+lico+cgc:weight=2"),
    # binding
    "an objective of no model": lambda folder: CE().bind(3),
    "an objective of a sequence of answers": lambda folder: CE().bind(nn.Conv2d(3, 4, 3), NAMES, (32, 32)),
    "class names that are numbers": lambda folder: bound(CE(), [0, 1, 2]),
    "class names in one text": lambda folder: CE().bind(net(), "cat", (32, 32)),
    "other class names than classes": lambda folder: CE().bind(net(), NAMES[:2], (32, 32)),
    "images that are a word": lambda folder: bound(CE(), size="large"),
    # batches
    "a batch without labels": lambda folder: bound(CE())({"images": X}),
    "a batch of bytes": lambda folder: step((X * 255).byte()),
    "labels of other images": lambda folder: step(labels=Y[:3]),
    "labels of halves": lambda folder: step(labels=Y / 2),
    "a label that is no class": lambda folder: step(labels=Y + 1),
    "a label below zero": lambda folder: step(labels=Y - 1),
    # losses that are not finite
    "an image of NaN in a step": lambda folder: step(spoiled()),
    "a model that has diverged": lambda folder: diverged(),
    "a term without an end": lambda folder: step(objective=Boundless()),
    # lico
    "lico of fixed words that change places": lambda folder: LICO(prompts="fixed", dynamic=True),
    "lico without names": lambda folder: bound(lico(), None),
    "lico of single cells": lambda folder: lico().bind(strided(), NAMES, (4, 4)),
    "lico of several labels": lambda folder: step(labels=torch.eye(3)[Y], objective=lico()),
    "lico of larger images": lambda folder: step(torch.rand(4, 3, 64, 64), objective=lico()),
    "lico as published of a small batch": lambda folder: step(X[:2], Y[1:3], lico(protocol="published")),
    # prompts
    "a class without a name": lambda folder: bound(lico(), ["cat", " / ", "dog"]),
    "more words than contexts": lambda folder: bound(lico(words="a photo of a")),
    "a prompt too long": lambda folder: bound(
        lico(text="clip:model=tiny,random=true", contexts=64), ["cat", "great white shark, man-eater, maneater, jaws"]),
}  # fmt: skip

"""Stacked capsules of digits, on MNIST, in minutes on two cores.

    network      scae: 24 parts, 24 objects           weights    random
    epochs       1                                   batch      64
    optimiser    Adam                                rate       2e-3, falling as a cosine, after 100 steps of warming up
    clip         5, of the gradient's norm            decay      none
    transform    plain: numbers from 0 to 1
    objective    scae

Ours is nearly all of it. The paper has a canvas of 40 × 40, 40 parts and 32 objects, and 300,000 steps of RMSprop at
3e-5 on batches of 128. The reproduction of label-free explanations has our network, RMSprop at 1e-5 (momentum 0.9, clip
5) on batches of 300, at most 100 epochs, of which it keeps the one with the best accuracy on the test set.

What to expect of it: of digits that it has not seen, 0.34 of the squared error that the mean digit makes, and presences
of objects from which a linear classifier, trained on 10,000 digits, names 92 %; no label has been used until then. Of
that, parts and random objects are 75 %, before anything is learned: where parts are says much of a digit. What object
capsules say before the poses are looked at names 48 %; in so short a training they hardly become kinds of digits.

>>> ScaeMnist().objective, ScaeMnist().epochs
('scae', 1)
"""

from pellucid.networks._capsules import CITE
from pellucid.training.recipes._base import Count, Optimiser, Rate, Recipe, Schedule


class ScaeMnist(Recipe, name="scae-mnist", paper="arXiv:1906.06818"):
    """Parts and objects of digits, without labels."""

    cite = CITE
    data = "mnist"
    ours = ("network", "epochs", "batch", "optimiser", "lr", "decay", "schedule", "warmup")

    network: str = "pellucid:scae"
    objective: str = "scae"
    epochs: Count = 1
    batch: Count = 64
    optimiser: Optimiser = "adam"
    lr: Rate = 2e-3
    decay: Rate = 0.0
    schedule: Schedule = "cosine"
    warmup: Rate = 0.1
    clip: Rate | None = 5.0
    transform: str | None = "plain"

"""Class contrast reproduced, figure 1: what does a network gain when its pixels move along the sign of a gradient?

p_t:  along weighted > along original, along max        accuracy:  along weighted > along original
y_t:  along original > along weighted, along max

and besides: accuracy along max, which the paper names with weighted, and along mean as along original. One step is
compared: ten bring almost every picture to its label whatever the way. Networks with weights of the newer recipe hardly
tell the ways apart, and do not decide. `tiny` has two small networks for 27 kinds of things; its ε is seven times the
paper's, which moves a picture of so few pixels as far in the Euclidean sense, and mean differs more from original than
among a thousand classes. The paper crops all networks alike; here each has its own transform.

>>> print(next(ReccF1().claims()))
sign-perturbation:epsilon=0.02 (cnn): weighted > original
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from pellucid.studies._cells import Measure, Reading, Train
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import (
    PHOTOGRAPHS,
    SMALL_PICTURES,
    THINGS,
    WAYS,
    Alike,
    OfContrast,
)
from pellucid.studies._worlds import said

CHANGES = ("accuracy", None, "logit")  # none: of the probability


@dataclass(frozen=True)
class Moved(Alike):
    """Several networks, by their names in the figure, and how far their pictures move."""

    networks: tuple[tuple[str, str], ...] = ()
    epsilons: tuple[float, ...] = (0.02,)
    steps: tuple[int, ...] = (1, 10)

    def models(self, seed: int) -> Iterator[tuple[str, Train | str]]:
        """By their names; trained where there is something to train on."""
        for name, network in self.networks:
            yield name, replace(self, network=network).trained("ce", seed) if self.train else network


def moved(world: Alike, *networks: tuple[str, str], epsilons: tuple[float, ...], steps: tuple[int, ...]) -> Moved:
    """A world with several networks."""
    return Moved(**vars(world), networks=networks, epsilons=epsilons, steps=steps)


def two(world: Alike) -> tuple[tuple[str, str], ...]:
    """Its network, and the same with strides where that one has maxima."""
    return ("cnn", world.network), ("strided", world.network.replace(",pool=max", ""))


def quantity(change: str | None, epsilon: float, steps: int = 1) -> str:
    """What the rows are called, whatever the way."""
    far = None if epsilon == 0.003 else epsilon
    return said("sign-perturbation", change=change, epsilon=far, steps=None if steps == 1 else steps)


NINE = (
    "vgg16", "alexnet", "resnet18", "densenet161", "googlenet", "mobilenet_v3_large · v2", "mobilenet_v3_small",
    "mnasnet1_0", "efficientnet_b1 · v2",
)  # fmt: skip


class ReccF1(OfContrast, name="recc-f1", paper="arXiv:2501.11096"):
    """Which direction moves the decision, and which only the logit?"""

    where = "Figure 1"
    title = "What a model gains along an explanation's sign"
    claim = (
        "Along weighted contrast probability and accuracy grow most, along the gradient of the logit the logit does."
    )
    worlds = {
        "tiny": moved(THINGS, *two(THINGS), epsilons=(0.02, 0.007), steps=(1, 10)),
        "small": moved(SMALL_PICTURES, *two(SMALL_PICTURES), epsilons=(0.02, 0.007), steps=(1, 10)),
        "paper": moved(
            PHOTOGRAPHS, *((name, f"torchvision:{name.partition(' ')[0]}") for name in NINE), epsilons=(0.003, 0.001),
            steps=(1, 2, 10),
        ),
    }  # fmt: skip

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.at
        assert isinstance(at, Moved)
        for (name, model), arm in product(at.models(seed), WAYS):
            along = None if arm == "weighted" else arm
            names = {
                said("sign-perturbation", along=along, change=change, epsilon=None if far == 0.003 else far,
                     steps=None if steps == 1 else steps, protocol=at.protocol): quantity(change, far, steps)
                for change, far, steps in product(CHANGES, at.epsilons, at.steps)
            }  # fmt: skip
            yield Reading(Measure(model, at.test, (), tuple(names)), seed, arm, name, names=names)

    def claims(self) -> Iterator[Claim]:
        at = self.at
        assert isinstance(at, Moved)
        for name, _ in at.networks:
            old = not name.endswith("v2")
            accuracy, probability, logit = (quantity(change, at.epsilons[0]) for change in CHANGES)
            yield Claim(probability, "weighted", "original", 0.01, name, main=old)
            yield Claim(probability, "weighted", "max", 0.01, name, main=old)
            yield Claim(accuracy, "weighted", "original", 0.01, name, main=old)
            yield Claim(accuracy, "weighted", "max", 0.01, name, main=False)
            yield Claim(accuracy, "max", "original", 0.01, name, main=False)
            yield Claim(logit, "original", "weighted", 0.01, name, main=old)
            yield Claim(logit, "original", "max", 0.01, name, main=old)
            yield Claim(probability, "mean", "original", 0.01, name, same=True, main=False)

"""Paths: explainers that follow the answer from somewhere to the image.

    x_0 → x_1 → … → x_N = x

A walk goes along the path, some steps at a time: where each step begins the model is asked once, for its output and the
gradient. Whoever sums gradient · way over the walk has a left Riemann sum of the path integral; whoever wants something
else of the same points, as `idgi@…`, takes it from the same forwards.

>>> list(pairs([0.0, 0.5, 1.0], most=1)), list(pairs([0.0, 0.5, 1.0], most=8))
([[0.0, 0.5], [0.5, 1.0]], [[0.0, 0.5, 1.0]])
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pellucid.explainers._base import INPUT, Explainer, Score, Subject
from pellucid.subject import precise


@dataclass(frozen=True)
class Steps:
    """Some steps of a path one after another, of the whole batch each: [s · n, …] three times."""

    output: Tensor  # of the model, where the step begins
    gradient: Tensor  # of the score, there
    way: Tensor  # from there to where the next begins


class PathExplainer(Explainer):
    """Abstract: an explainer that follows a path to the image."""

    group = "path"
    cost = "steps · (F + B)"

    def start(self, subject: Subject, images: Tensor) -> Tensor:
        """Where the path begins, of the images' shape."""
        raise NotImplementedError

    def walk(self, subject: Subject, images: Tensor, score: Score) -> Iterator[Steps]:
        """The path from start to image, in order."""
        raise NotImplementedError

    def owes(self, subject: Subject, images: Tensor, score: Score) -> Tensor | None:
        end, start = (score.followed(subject.answered(x)) for x in (images, self.start(subject, images)))
        return end - start


def pairs(stops: Sequence[float], most: int) -> Iterator[list[float]]:
    """Stops, so many steps at a time: every list begins where the one before it ended."""
    for first in range(0, len(stops) - 1, most):
        yield list(stops[first : first + most + 1])


def walk(
    subject: Subject, images: Tensor, score: Score, place: Callable[[float], Tensor], stops: Sequence[float]
) -> Iterator[Steps]:
    """Along a path that is known beforehand: `place(stop)` is where it is, of the images' shape."""
    for chosen in pairs(stops, subject.copies(len(images))):
        at = torch.stack([place(stop) for stop in chosen])
        yield asked(subject, at[:-1].flatten(0, 1), score.times(len(chosen) - 1), at.diff(dim=0).flatten(0, 1))


def asked(subject: Subject, at: Tensor, score: Any, way: Tensor) -> Steps:
    """Steps that begin `at` these places: one forward, one way back."""
    run = subject.forward(at, INPUT)
    [[gradient]] = subject.pull(run, [score])
    return Steps(run.output if subject.trainable else run.output.detach(), precise(gradient), way)


def slopes(subject: Subject, images: Tensor, score: Score) -> Callable[[Tensor], Tensor]:
    """The gradient of the score at some copies of the batch, one after another."""
    return lambda x: subject.gradient(x, score.times(len(x) // len(images)))


def straight(start: Tensor, end: Tensor, share: float) -> Tensor:
    """A share of the way; 0 and 1 are the ends to the bit.

    >>> straight(torch.tensor([0.0]), torch.tensor([0.1]), 1.0) == 0.1
    tensor([True])
    """
    return torch.lerp(start, end, share)

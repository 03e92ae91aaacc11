"""One step of training, as the objectives see it: the batch, the forwards they share, chance, and the other processes.

Several objectives of one sum look at one forward: `seen` runs the model once for each tensor of images.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from pellucid.networks._base import Learner
from pellucid.objectives import _ranks
from pellucid.subject import Pass, Subject, precise

Draw = Callable[..., Tensor]  # torch.randn, torch.rand


@dataclass(frozen=True)
class Look:
    """One forward with its graph: the output, and the layers that are looked at."""

    images: Tensor
    run: Pass

    @property
    def output(self) -> Tensor:
        return self.run.output

    def at(self, path: str) -> Tensor:
        """The output of a layer, as it came."""
        return self.run.leaves[self.run.at.index(path)]


@dataclass
class Step:
    """A batch, and what is shared about it."""

    subject: Subject
    layers: tuple[str, ...]
    images: Tensor
    labels: Tensor  # int64 [n]; or [n, classes], of whole numbers where an image has several, of probabilities
    more: Mapping[str, Any]  # what else was in the batch: views, pictures without labels
    seed: int
    number: int  # of the step; -1 outside training, where chance is the same in every step
    smoothing: float = 0.0
    count: int | None = None  # records that are learned from, where that is known
    watch: dict[str, Tensor] = field(default_factory=dict)  # numbers to follow, besides the terms
    _looks: list[Look] = field(default_factory=list)
    _terms: dict[int, Tensor] = field(default_factory=dict)
    _rows: dict[int, list[int]] = field(default_factory=dict)

    @property
    def training(self) -> bool:
        return self.number >= 0

    # --- forwards --------------------------------------------------------------------------------------------------

    def seen(self, images: Tensor) -> Look:
        """The model on these images, once."""
        for look in self._looks:
            if look.images is images:
                return look
        look = Look(images, self.subject.forward(images, self.layers or None))
        self._looks.append(look)
        return look

    def ask(self, method: str, images: Tensor, *more: Any) -> Any:
        """What a method of the network gives for these images. One of ours is asked through its forward, so that
        processes and precisions are as in any other; of another network the method itself is called."""
        model = self.subject.model
        if isinstance(model, Learner):
            return self.subject.called(images, method, *more)
        return getattr(model, method)(images, *more)

    def ce(self, images: Tensor | None = None) -> Tensor:
        """The cross-entropy of these views of the batch; of the batch itself. Several labels: a sigmoid each."""
        images = self.images if images is None else images
        if id(images) not in self._terms:
            output = precise(self.seen(images).output)
            with torch.autocast(output.device.type, enabled=False):
                self._terms[id(images)] = self.mean(losses(output, self.labels, self.smoothing))
        return self._terms[id(images)]

    def about(self, images: Tensor) -> "Step":
        """The same step, about other images, which may be spread over the processes in another way."""
        return replace(self, images=images, _rows={})

    # --- chance ----------------------------------------------------------------------------------------------------

    def chance(self, name: str) -> torch.Generator:
        """The same for every process and after a resumption; another for every step and name."""
        return chance(self.seed, self.number, name)

    def noise(self, name: str, shape: Sequence[int], like: Tensor, draw: Draw = torch.randn) -> Tensor:
        """Normal numbers for my rows, or others; nobody's depend on how the rows are spread over the processes."""
        everybody = draw(sum(self.rows(shape[0])), *shape[1:], generator=self.chance(name), dtype=like.dtype)
        return everybody[self.mine(shape[0])].to(like.device)

    # --- everybody -------------------------------------------------------------------------------------------------

    def rows(self, n: int) -> list[int]:
        """The rows of every process, where mine are n. Outside training a process is alone."""
        if n not in self._rows:
            self._rows[n] = _ranks.sizes(n, self.images.device) if self.training else [n]
        return self._rows[n]

    def mine(self, n: int) -> slice:
        """Where my n rows are among everybody's."""
        rows = self.rows(n)
        first = sum(rows[: _ranks.rank()]) if len(rows) > 1 else 0
        return slice(first, first + n)

    def everyone(self, tensor: Tensor) -> Tensor:
        """The rows of all processes, with their gradients."""
        return _ranks.everyone(tensor, self.rows(len(tensor)))

    def mean(self, values: Tensor) -> Tensor:
        """My share of the mean over everybody's values: their mean over the processes is the mean over all."""
        return values.mean() * self.share(len(values))

    def share(self, n: int) -> float:
        """What the mean over my n rows counts, where others have more or fewer."""
        rows = self.rows(n)
        return n * len(rows) / sum(rows)


def chance(seed: int, number: int, name: str) -> torch.Generator:
    """What is drawn in one step for one purpose."""
    key = hashlib.sha256(f"{seed} {number} {name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(key[:8], "big") >> 1)


def losses(output: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """[n]: softmax cross-entropy with classes or their probabilities; of several labels the sum of binary ones."""
    if labels.ndim == 2 and not labels.is_floating_point():
        target = labels.to(output) * (1 - smoothing) + smoothing / 2
        return binary_cross_entropy_with_logits(output, target, reduction="none").sum(1)
    target = labels.to(output) if labels.is_floating_point() else labels
    return cross_entropy(output, target, reduction="none", label_smoothing=smoothing)

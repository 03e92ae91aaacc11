"""What an explainer is: knobs, and `attribute`.

`attribute` answers one score for a batch with signed numbers: [n, h, w] at any resolution, or [n, c, h, w] like the
images. Reducing the channels, resizing and colouring come later, and are done by others.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from pellucid.knobs import Between
from pellucid.maths.maps import resize, unit_size
from pellucid.questions import Question, Score
from pellucid.registry import Named
from pellucid.subject import INPUT, Grid, Subject, size_of

__all__ = ["INPUT", "Between", "Explainer", "LayerExplainer", "Score", "Subject"]


Group = Literal["CAM", "gradient", "path", "perturbation", "transformer", "relevance", "control", "outside"]


class Explainer(Named, family="explainers"):
    """How the answer is spread over the input."""

    asks: ClassVar[str] = "logit"  # the question when none is asked
    accepts: ClassVar[tuple[str, ...]] = ()  # the scales it explains; () is all
    linear: ClassVar[bool] = False  # linear in the cotangent, with default knobs and before any ReLU
    trainable: ClassVar[bool] = True  # the map has gradients for the model's weights
    sizes: ClassVar[tuple[int, ...]] = (1, 2)  # axes of what it explains: 1 signals and vectors, 2 images, 3 volumes
    asked: ClassVar[bool] = True  # the map depends on the question; controls do not
    linear_knobs: ClassVar[Mapping[str, Any]] = {}  # the knobs under which `linear` holds
    group: ClassVar[Group] = "outside"  # where the catalogue shows it
    # what an image and a question cost, knobs by their names: F a forward, B a way back to the input, b one to a layer,
    # t a forward from a layer on, K its channels, inner what is wrapped; "steps · (F + B)"
    cost: ClassVar[str] = "as there"

    def attribute(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        """The answer to one score: [n, h, w], or [n, c, h, w] as the images. A member defines this or the next."""
        if type(self).attribute_all is Explainer.attribute_all:
            raise NotImplementedError
        return self.attribute_all(subject, images, [score])[0]

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        """The answers to several scores; overridden where they share more than the clean forward."""
        *others, last = scores
        with subject.keeping():
            answers = [self.attribute(subject, images, score) for score in others]
        return [*answers, self.attribute(subject, images, last)]

    def picked(self, subject: Subject, images: Tensor) -> "Explainer":
        """The same explainer with what it picks by itself filled in, for the provenance."""
        return self

    def part(self, rows: slice, n: int | None) -> "Explainer":
        """The explainer for some samples of n (none: of a stream), where it has something for each."""
        return self

    def at(self, subject: Subject, images: Tensor) -> tuple[str, ...] | None:
        """Where it looks in the clean forward, so that this forward is shared: INPUT, layers, or nowhere."""
        return None

    def owes(self, subject: Subject, images: Tensor, score: Score) -> Tensor | None:
        """[n]: what the raw map would sum to if it were complete; none where theory promises nothing."""
        return None

    def reduce(self, raw: Tensor) -> Tensor:
        """[n, h, w] from the explainer's own shape."""
        return raw.sum(1)

    def signed(self, question: Question) -> bool:
        """Whether its maps have a meaning below zero."""
        return True

    def generator(self, subject: Subject, seed: int | None) -> torch.Generator:
        """Chance, the same on every device and for every batch; `none` is the call's seed."""
        return torch.Generator().manual_seed(subject.seed if seed is None else seed)


class LayerExplainer(Explainer):
    """An explainer that reads layers: abstract base of the CAM family.

    `layer` is found when none; a list of layers is fused: each layer's map is resized to the images and divided by its
    largest absolute value, then `fuse` is taken. `relu` none is on for questions that ask only for evidence (logit,
    probability), off for contrast, similarity and units.
    """

    layer: str | tuple[str, ...] | None = None
    relu: bool | None = None
    fuse: Literal["max", "mean"] = "max"
    grid: tuple[int, int] | None = None

    linear_knobs = {"relu": False}
    group = "CAM"
    cost = "F + b"

    def spread(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """The formula: [n, k, h, w] twice -> [n, h, w], signed."""
        raise NotImplementedError

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        looks = subject.look_all(images, scores, self.layer, self.grid)
        maps = [[self.spread(a, g) for g in gradients] for a, gradients in looks]
        return self.joined(maps, images, scores)

    def picked(self, subject: Subject, images: Tensor) -> "Explainer":
        return self.but(layer=subject.place(images, self.grid).path) if self.layer in (None, "auto") else self

    def at(self, subject: Subject, images: Tensor) -> tuple[str, ...] | None:
        return subject.layers(images, self.layer, self.grid)

    def signed(self, question: Question) -> bool:
        return not self._clips(question)

    def _clips(self, question: Question) -> bool:
        return question.one_sided if self.relu is None else self.relu

    def clipped(self, maps: Tensor, score: Score) -> Tensor:
        """The map, or the part of it above zero."""
        return maps.relu() if self._clips(score.question) else maps

    def joined(self, layers: Sequence[Sequence[Tensor]], images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        """Of the maps of every layer, one for each score, the map of each score."""
        maps = zip(*layers, strict=True)
        return [self.clipped(self.fused(list(m), images), score) for m, score in zip(maps, scores, strict=True)]

    def fused(self, maps: list[Tensor], images: Tensor) -> Tensor:
        """One map of several layers'."""
        if len(maps) == 1:
            return maps[0]
        stack = torch.stack([self.scaled(unit_size(resize(m, size_of(images))), m is maps[-1]) for m in maps])
        return stack.amax(0) if self.fuse == "max" else stack.mean(0)

    def scaled(self, maps: Tensor, last: bool) -> Tensor:
        """A layer's map, divided by its peak, as it goes into the fusion."""
        return maps

"""The case: some images under a model, the maps of one explainer, and what is known of the images.

What several metrics need is made once: the intact forward, a blur, an order of the pixels.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pellucid.errors import BadInput, BadQuestion
from pellucid.explainers import Explainer
from pellucid.explanation import Explanation, explain
from pellucid.maths.blur import gaussian_blur
from pellucid.maths.curves import ranks
from pellucid.questions import Question
from pellucid.questions._base import precise
from pellucid.subject import Subject, size_of
from pellucid.subject.batch import Batch
from pellucid.subject.pairs import ROWS, pairs

T = TypeVar("T")

Make = Callable[[Tensor, Tensor], Tensor]  # (which image [b], which variant [b]) -> images [b, …]
Read = Callable[[Tensor, Tensor], Tensor]  # (output [b, …], which image [b]) -> [b, …]


@dataclass(eq=False)
class Case:
    """What a metric is given. Everything is on the model's device."""

    subject: Subject
    batch: Batch
    target: Tensor  # int64 [n]: the class that is explained; -1 none
    maps: Tensor | None = None  # float32 [n, h, w]
    explainer: Explainer | None = None  # who made them, where that is known
    question: Question | None = None
    labels: Tensor | None = None  # int64 [n], -1 where there is none
    masks: Tensor | None = None  # uint8 [n, h, w]: 1 the explained class, 0 elsewhere, 255 nobody can say
    boxes: Sequence[Tensor] | None = None  # n times [k, 4], an object of the explained class each
    colour: Tensor | None = None  # [c]: the data's mean colour, as the model sees it
    shared: dict[Hashable, Any] = field(default_factory=dict)  # by all explainers of these images
    own: dict[Hashable, Any] = field(default_factory=dict)  # of these maps

    def of(self, maps: Tensor | None, explainer: Explainer | None, question: Question | None) -> "Case":
        """The same images with the maps of another explainer."""
        return replace(self, maps=maps, explainer=explainer, question=question, own={})

    @property
    def images(self) -> Tensor:
        return self.batch.images

    @property
    def n(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        return size_of(self.images)

    @property
    def map(self) -> Tensor:
        """[n, h, w], where a metric of the model has none."""
        assert self.maps is not None
        return self.maps

    @property
    def rows(self) -> int:
        """The most rows of any forward."""
        return self.subject.batch_size or ROWS

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Made for the first who asks, of these images whatever the maps."""
        if key not in self.shared:
            self.shared[key] = make()
        return self.shared[key]

    def once_here(self, key: Hashable, make: Callable[[], T]) -> T:
        """Made for the first who asks, of these maps."""
        if key not in self.own:
            self.own[key] = make()
        return self.own[key]

    def generator(self, seed: int | None) -> torch.Generator:
        """Chance, the same on every device and for every batch; `none` is the call's seed."""
        return torch.Generator().manual_seed(self.subject.seed if seed is None else seed)

    # --- asking the model ------------------------------------------------------------------------------------------

    def answer(self, images: Tensor, rows: Tensor | None = None, model: nn.Module | None = None) -> Tensor:
        """The output for these images, which stand for some rows of the batch (none: for all of it), without a way
        back, in float32 or better."""
        batch = self.batch if rows is None or self.batch.key is None else self.batch[rows]
        with torch.no_grad():
            return precise(self.subject.answer(batch.call(model or self.subject.model, images)))

    @property
    def output(self) -> Tensor:
        """The answer to the intact images."""
        return self.once("output", lambda: self.scan(1, lambda i, _: self.images[i], lambda output, _: output)[:, 0])

    def scan(self, count: int, make: Make, read: Read | None = None) -> Tensor:
        """[n, count, …]: so many variants of every image, in forwards that are filled across images and variants.

        make(i, s) gives the images of the pairs (image i, variant s); read(output, i) what is kept of the answers, by
        default the probability of the explained class."""
        read = read or (lambda output, i: self.probability(output, self.target[i]))
        found = []
        for i, s in pairs(self.n, count, self.rows, self.images.device):
            with torch.no_grad():
                found.append(read(self.answer(make(i, s), i), i))
        return torch.cat(found).unflatten(0, (self.n, count))

    def chances(self, output: Tensor) -> Tensor:
        """[n, classes]: the probabilities; of sigmoid outputs where the question says so."""
        if output.ndim != 2 or not output.shape[1]:
            raise BadQuestion(
                f"the metric asks for the probability of a class, but the output has shape {tuple(output.shape)}, not "
                f"[n, classes]; choose the part with output=, or measure an encoder by latent-shift."
            )
        if getattr(self.question, "link", "softmax") == "sigmoid" or output.shape[1] == 1:
            return output.sigmoid()
        return output.softmax(1)

    def probability(self, output: Tensor, classes: Tensor) -> Tensor:
        """[n]: that of one class each; NaN where the class is -1."""
        p = self.chances(output)
        if bool((classes >= p.shape[1]).any()):
            raise BadInput(f"class {int(classes.max())} is none of the {p.shape[1]} of this model.")
        return torch.where(classes < 0, torch.nan, p.gather(1, classes.clamp_min(0)[:, None])[:, 0])

    @property
    def predicted(self) -> Tensor:
        """[n]: the class with the greatest score."""
        self.chances(self.output)
        return self.output.argmax(1)

    @property
    def label(self) -> Tensor:
        """[n]: the labels, which a caller must have given."""
        if self.labels is None:
            raise BadInput("the metric needs labels; give labels=, one a sample.")
        return self.labels

    def again(self, images: Tensor, **changed: Any) -> Tensor:
        """The maps [n, h, w] that the same explainer gives for other images, another model, or other classes."""
        return self.explained(images, **changed).maps.view(self.n, *self.size)

    def explained(
        self, images: Tensor, model: nn.Module | None = None, target: Tensor | None = None, rows: int | None = None
    ) -> Explanation:
        """The same, whole. rows: the most of any forward, where no batch_size is said."""
        if self.explainer is None or self.question is None:
            raise BadInput("the metric runs the explainer again, and who made these maps is not known; give what "
                           "pl.explain returned, not the maps alone.")  # fmt: skip
        target = self.target if target is None else target
        s = self.subject
        return explain(
            model or s.model, self.batch.but(images).whole, self.explainer, self.question,
            target=target if self.question.targeted else None, batch_size=s.batch_size or rows, seed=s.seed,
            input=self.batch.key, output=s.output, channels=self.batch.channels or None,
        )  # fmt: skip

    # --- what several need -----------------------------------------------------------------------------------------

    def rank(self, last_first: bool = False) -> Tensor:
        """[n, h, w]: the place of every pixel, the highest first."""
        return self.once_here(("rank", last_first), lambda: ranks(self.map, last_first))

    def blurred(self, sigma: float) -> Tensor:
        """The images blurred, sigma in pixels, with reflected borders."""
        return self.once(("blur", sigma), lambda: gaussian_blur(self.images, sigma))

    def mean_colour(self) -> Tensor:
        """Images of the data's mean colour alone, [1, c, 1, 1]."""
        if self.colour is None:
            raise BadInput(
                "the mean colour of the data is not known in these images, which are not normalised; load the model "
                "with pl.load_model, or give mean=, the mean of every channel."
            )
        return self.colour.view(1, -1, *[1] * (self.images.ndim - 2))

"""An objective at work: bound to a model, called with batches, it gives a loss and its terms.

The model is not a part of it: `parameters()` and `state_dict()` are what the objective adds, and the model's are where
they always were. A checkpoint of both resumes to the same numbers, for chance is drawn from (seed, step).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import BadInput, BadModel, kind, listed
from pellucid.maths.grids import Layout
from pellucid.networks._base import Learner
from pellucid.networks._load import as_model, card_of
from pellucid.objectives import _ranks
from pellucid.objectives._base import Objective, Part, members
from pellucid.objectives._step import Step
from pellucid.subject import Subject, undisturbed

IMAGES = ("images", "pixel_values", "image", "x")  # what a batch that is a dict calls them
LABELS = ("labels", "label", "y")


@dataclass(frozen=True)
class Site:
    """A model, looked at once: what an objective needs to know to be built for it."""

    subject: Subject
    images: Tensor  # two, of nothing
    classes: int  # 0 where nothing is classified
    names: tuple[str, ...]  # of the classes; () where nobody said
    seed: int
    shape: tuple[int, ...] = ()  # of the output

    def layer(self, wanted: str | None) -> str:
        """The layer to look at: this one, or the last feature map or grid of tokens that has a say."""
        return self.subject.layers(self.images, wanted)[0]

    def last(self, shape: Sequence[int]) -> str:
        """The last module of a forward that gives a tensor of this shape: the tokens as the head finds them."""
        given = [path for path, output in self.subject.outputs(self.images) if tuple(output.shape) == tuple(shape)]
        return next(path for path in reversed(given) if given.count(path) == 1)

    def shrinks(self, path: str) -> bool:
        """Whether a convolution behind this layer leaves one cell."""
        outputs = self.subject.outputs(self.images)
        behind = outputs[max(i for i, (name, _) in enumerate(outputs) if name == path) + 1 :]
        padded = ((getattr(self.subject.module(name), "padding", 0), output) for name, output in behind)
        # without padding it is a layer of the head, or of an attention over channels
        return any(p not in (0, (0, 0), "valid") and o.ndim > 2 and o[0, 0].numel() == 1 for p, o in padded)

    def layout(self, path: str, output: Tensor) -> Layout:
        """How to read a layer's output as a map."""
        return self.subject.layout(path, output, self.images)


class Bound(nn.Module):
    """`loss, terms = objective((images, labels))`; the loss is the weighted sum of the terms."""

    def __init__(
        self, objective: Objective, model: nn.Module, names: Sequence[str] | None, images: Any, output: Any, seed: int
    ) -> None:
        super().__init__()
        self.objective, self.seed, self.number = objective, seed, 0
        self.count: int | None = None  # records that are learned from, where somebody knows
        self.watch: dict[str, Tensor] = {}  # of the last batch: scale, marginal error and the like
        self.output: Tensor | None = None  # of the last batch: the scores, where it has such
        model = as_model(model)
        subject = Subject(model, output=output, trainable=True)
        subject.twice = any(part.twice for part in members(objective))
        self._unseen = (model, subject)  # a tuple: the model is no part of this module
        card = card_of(subject.model)
        names = (card.classes if card and card.classes else ()) if names is None else names
        with undisturbed(subject.model, seed):
            site = self._site(subject, names, images, card.size if card else (224, 224))
            self.parts = nn.ModuleDict({part.name: part.build(site) for part in members(objective)})
        self.classes = site.classes
        self.layers = tuple(dict.fromkeys(part.layer for part in self._parts if part.layer))
        self.to(site.images.device)

    @property
    def model(self) -> nn.Module:
        return self._unseen[0]

    @property
    def weights(self) -> Mapping[str, float]:
        """Every term, and what it is multiplied with."""
        return self.objective.weights

    def groups(self, decay: float) -> list[dict[str, Any]]:
        """What it trains, as an optimiser takes it: a temperature does not decay."""
        trained = [p for p in self.parameters() if p.requires_grad]
        groups = [([p for p in trained if p.ndim], decay), ([p for p in trained if not p.ndim], 0.0)]
        return [{"params": params, "weight_decay": rate} for params, rate in groups if params]

    @property
    def _parts(self) -> list[Part]:
        return [part for part in self.parts.values() if isinstance(part, Part)]

    def forward(self, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """batch: (images, labels), a pl.data batch, or a dict of them with more (see the objective); images alone where
        nothing is classified."""
        if torch.is_inference_mode_enabled():  # in which nothing has a gradient, and a heat-map is one
            with torch.inference_mode(False), torch.no_grad():
                return self(_alive(batch))
        step = self._step(batch)
        terms: dict[str, Tensor] = {}
        for part in self._parts:
            terms |= part(step)  # a term that two of them have is one number
        loss = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        self.watch = {name: value.detach() for name, value in step.watch.items()}
        self.output = step.seen(step.images).output.detach() if self.objective.classifies else None
        if not bool(loss.isfinite()):
            self._explain(step, terms)
        self.number += step.training
        return loss, {name: term.detach() for name, term in terms.items()}

    def scores(self, images: Tensor) -> Tensor:
        """The model's scores [n, classes] of these images, by the same part of its output."""
        return self._unseen[1](images)

    # --- the batch -------------------------------------------------------------------------------------------------

    def _step(self, batch: Any) -> Step:
        images, labels, more = _read(batch, self.objective.classifies)
        subject = self._unseen[1]
        like = next((p for p in subject.model.parameters() if p.is_floating_point()), None)
        images = images if like is None else images.to(like.device)
        labels = self.checked(images, labels).to(images.device)
        number = self.number if self.training and torch.is_grad_enabled() else -1
        smoothing = next((float(getattr(p, "smoothing", 0.0)) for p in members(self.objective) if p.name == "ce"), 0.0)
        return Step(subject, self.layers, images, labels, more, self.seed, number, smoothing, self.count)

    def checked(self, images: Tensor, labels: Tensor) -> Tensor:
        """The labels, if they are such as can be learned."""
        if not images.is_floating_point() or images.ndim < 3 or not len(images):
            raise BadInput(
                f"the images are {images.dtype} {tuple(images.shape)}; give floats [n, c, h, w], at least one image."
            )
        if not self.objective.classifies:
            return labels
        several = labels.ndim == 2 and labels.shape[1] == self.classes
        if len(labels) != len(images) or not (several or labels.ndim == 1):
            raise BadInput(
                f"the labels have shape {tuple(labels.shape)} for {len(images)} images and {self.classes} classes; "
                f"give [{len(images)}] class numbers, or [{len(images)}, {self.classes}]: whole numbers 0 and 1 for "
                f"several labels, floats for probabilities."
            )
        if several:
            return labels
        if labels.is_floating_point() or labels.dtype == torch.bool:
            raise BadInput(f"the labels are {labels.dtype}; give whole class numbers.")
        low, high = torch.stack([labels.min(), labels.max()]).tolist()
        if low < 0 or high >= self.classes:
            if low == -1:
                raise BadInput(
                    "some images have no label (-1), and these terms need one; leave them out, or give them to cgc as "
                    "unlabelled."
                )
            wrong = low if low < 0 else high
            raise BadInput(
                f"label {wrong} is no class of this model, which has {self.classes}; count the classes from 0 to "
                f"{self.classes - 1}."
            )
        return labels.long()

    def _explain(self, step: Step, terms: Mapping[str, Tensor]) -> None:
        """Where a loss that is not finite comes from."""
        bad = ~step.images.detach().flatten(1).isfinite().all(1)
        if bool(bad.any()):
            raise BadInput(f"image {int(bad.nonzero()[0])} holds NaN or infinite values; clean it before training.")
        name = next((name for name, term in terms.items() if not bool(term.isfinite())), "sum")
        output = step.seen(step.images if step.images.ndim == self._axes else step.images.flatten(0, 1)).output
        if not bool(output.isfinite().all()):
            raise BadModel(
                f"the model's output is NaN or infinite in step {self.number}; lower the learning rate, or train in "
                f"a wider precision."
            )
        value = float(terms.get(name, torch.tensor(torch.inf)).detach())
        raise BadModel(
            f"the term {name} is {value:g} in step {self.number}, though the outputs are finite; lower its weight, or "
            f"train in a wider precision."
        )

    # --- before the first --------------------------------------------------------------------------------------------

    def _site(self, subject: Subject, names: Sequence[str], images: Any, size: tuple[int, int]) -> Site:
        dry = _dry(subject.model, images, size)
        self._axes = dry.ndim
        self._able(subject.model)
        with torch.no_grad():
            output = _answer(subject, dry)
        if not self.objective.classifies:
            return Site(subject, dry, 0, tuple(names), self.seed, tuple(output.shape))
        if output.ndim != 2:
            raise BadModel(
                f"the model's output has shape {tuple(output.shape)}, not [n, classes]; choose the scores with output=."
            )
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            found = kind(names) if isinstance(names, str) else f"{kind(names)} with other things than texts"
            raise BadInput(f"class_names is {found}; give a list of texts, one name a class.")
        if names and len(names) != output.shape[1]:
            raise BadInput(f"there are {len(names)} class names for {output.shape[1]} classes; give one name a class.")
        return Site(subject, dry, output.shape[1], tuple(names), self.seed, tuple(output.shape))

    def _able(self, model: nn.Module) -> None:
        """Whether the network has what is asked for."""
        for part in members(self.objective):
            if part.asks and not callable(getattr(model, part.asks, None)):
                raise BadModel(
                    f"{type(model).__name__} has no method {part.asks}, which {part.name} asks for; give such a "
                    f"network, as pellucid:{part.networks[0]}."
                )
            if part.asks and _ranks.processes() > 1 and not isinstance(model, Learner):
                raise BadModel(
                    f"{type(model).__name__}.{part.asks} is no part of its forward, by which processes share their "
                    f"gradients; derive the network from pellucid.networks.Learner, or train in one process."
                )

    # --- what is kept ------------------------------------------------------------------------------------------------

    def get_extra_state(self) -> Tensor:
        return torch.tensor([self.number, self.seed])

    def set_extra_state(self, state: Tensor) -> None:
        self.number, self.seed = (int(x) for x in state)


def _read(batch: Any, labelled: bool = True) -> tuple[Tensor, Tensor, Mapping[str, Any]]:
    """Images, labels, and what else there is. Where labels are not needed, −1 stands for those that are not there."""
    if isinstance(batch, Mapping):
        found = [next((key for key in keys if key in batch), None) for keys in (IMAGES, LABELS)]
        more = {key: value for key, value in batch.items() if key not in found}
        parts = [batch[key] for key in found if key is not None]
        alone = len(parts) == 1 and found[0] is not None
    else:
        parts = [batch] if isinstance(batch, Tensor) else list(batch[:2]) if isinstance(batch, Sequence) else []
        alone, more = len(parts) == 1, {}
    if alone and not labelled and isinstance(parts[0], Tensor):
        parts.append(torch.full((len(parts[0]),), -1))
    if len(parts) != 2 or not all(isinstance(part, Tensor) for part in parts):
        of = f" of {listed(batch)}" if isinstance(batch, Mapping) else ""
        raise BadInput(f"the batch is {kind(batch)}{of}; give (images, labels), or a dict with images and labels.")
    return parts[0], parts[1], more


def _alive(batch: Any) -> Any:
    """The batch with tensors that may take part in a gradient."""
    if isinstance(batch, Mapping):
        return {key: _alive(value) for key, value in batch.items()}
    if isinstance(batch, Tensor):
        return batch.clone() if batch.is_inference() else batch
    return [_alive(part) for part in batch[:2]] if isinstance(batch, Sequence) else batch


def _answer(subject: Subject, images: Tensor) -> Tensor:
    """The model's output, or what it has against such images."""
    try:
        return subject(images)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as cause:
        found, why = f"{images.dtype} {tuple(images.shape)}".removeprefix("torch."), str(cause).partition("\n")[0]
        raise BadModel(
            f"{type(subject.model).__name__} takes no images such as {found} ({why.rstrip('.')}); give such as it is "
            f"for, by transform= or images=."
        ) from cause


def _dry(model: nn.Module, images: Any, size: tuple[int, int]) -> Tensor:
    """Two images of noise, as the model takes them: behind ReLUs an even one may leave nothing."""
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    images = images[0] if isinstance(images, list | tuple) and images and isinstance(images[0], Tensor) else images
    if isinstance(images, Tensor):
        return images[:1].detach().to(like.device).repeat(2, *[1] * (images.ndim - 1))
    if not (images is None or isinstance(images, int) or (isinstance(images, Sequence) and len(images) == 2)):
        raise BadInput(f"images is {kind(images)}; give a batch of images, or their height and width.")
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    channels = first.in_channels if first is not None else 3
    size = size if images is None else (images, images) if isinstance(images, int) else tuple(images)
    return torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(0)).to(like)

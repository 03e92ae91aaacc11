"""The case: a model, the examples it learned from, those that are asked about, and what is known of them, kept once.

A member gets a piece of the case: some of the test rows, some of the training columns. `once` keeps what is the same
for all pieces, `once_train` what is of these columns, `once_test` what is of these rows.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.errors import BadFile, BadInput, BadModel
from pellucid.influences._loss import Loss, Losses
from pellucid.influences._samples import Samples
from pellucid.subject import Subject
from pellucid.subject.penultimate import penultimate

T = TypeVar("T")
Weights = Path | Mapping[str, Tensor]
MEMORY = 2**30  # bytes that a member keeps of a piece, about


@dataclass
class Case:
    """What an influence is asked. The model is in evaluation mode, and where the tensors are."""

    model: nn.Module
    train: Samples
    test: Samples
    loss: Loss | None = None  # None where no loss is known
    checkpoints: Sequence[Weights] = ()  # oldest first; files, or state dicts
    batch_size: int = 64  # examples in one forward
    seed: int = 0
    memory: int = MEMORY
    output: Any = None  # which part of the model's output is the answer
    why: str = ""  # why no loss is known, where none is
    whole: "Case | None" = None  # of which this is a piece
    first: tuple[int, int] = (0, 0)  # the row and the column of the whole that are the first ones here
    _kept: dict[Any, Any] = field(default_factory=dict)
    _kept_train: dict[Any, Any] = field(default_factory=dict)
    _kept_test: dict[Any, Any] = field(default_factory=dict)

    @property
    def place(self) -> torch.device:
        """Where the model is."""
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    # --- pieces ----------------------------------------------------------------------------------------------------

    @property
    def all(self) -> "Case":
        """The whole: all rows and columns."""
        return self.whole or self

    def piece(self, rows: slice, columns: slice, kept_train: dict[Any, Any], kept_test: dict[Any, Any]) -> "Case":
        """Some rows and columns of the whole, with what is kept of either."""
        parts = {"test": self.test[rows], "train": self.train[columns], "first": (rows.start, columns.start)}
        return replace(self, whole=self.all, _kept_train=kept_train, _kept_test=kept_test, **parts)

    def once(self, key: Any, make: Callable[[], T]) -> T:
        """What is the same for all pieces."""
        return _once(self._kept, key, make)

    def once_train(self, key: Any, make: Callable[[], T]) -> T:
        """What is of these training examples, whichever the rows."""
        return _once(self._kept_train, key, make)

    def once_test(self, key: Any, make: Callable[[], T]) -> T:
        """What is of these test examples, whichever the columns."""
        return _once(self._kept_test, key, make)

    # --- features --------------------------------------------------------------------------------------------------

    def features(self, layer: str | None = None) -> tuple[Float[Tensor, "t d"], Float[Tensor, "n d"]]:
        """Of the test and of the training examples: the model's answer, flat; of a `layer`, what that gives, and of
        "penultimate" what the last linear layer is given. Every example goes through the model once in a call."""
        test = self.once(("test", layer), lambda: self.encoded(self.all.test, layer))
        train = self.once(("train", layer), lambda: self.encoded(self.all.train, layer))
        row, column = self.first
        return test[row : row + len(self.test)], train[column : column + len(self.train)]

    def encoded(self, samples: Samples, layer: str | None = None) -> Tensor:
        """[n, d], in float32 or better."""
        found: Tensor | None = None
        at = 0
        for images, _ in samples.batches(self.batch_size):
            part = self._features(images, layer)
            found = part.new_empty(len(samples), part.shape[1]) if found is None else found
            if part.shape[1:] != found.shape[1:] or len(part) != len(images):
                raise BadModel(
                    f"the features of {len(images)} examples are {tuple(part.shape)}, after {found.shape[1]} an "
                    f"example; all have to be of one size, and the model has to answer each by itself."
                )
            found[at : at + len(part)] = part
            at += len(part)
        if found is None or not bool(found.isfinite().all()):
            row = 0 if found is None else int((~found.isfinite().all(1)).nonzero()[0])
            raise BadModel(f"the features of example {row} are NaN or infinite; the model has to give finite numbers.")
        return found

    def _features(self, images: Tensor, layer: str | None) -> Tensor:
        subject = Subject(self.model, output=self.output, seed=self.seed)
        with torch.no_grad():
            if layer == "penultimate":
                found = penultimate(subject, images)
            elif layer is None:
                found = subject(images)
            else:
                subject.module(layer)
                found = subject.forward(images, (layer,)).leaves[0].detach()
        return found.flatten(1).to(torch.promote_types(found.dtype, torch.float32))

    # --- losses ----------------------------------------------------------------------------------------------------

    @property
    def losses(self) -> Losses:
        """The model with its loss, `losses(images, labels) -> [n]`; the model's parameters are `model.…` there."""
        if self.loss is None:
            raise BadInput(f"there is no loss of one example here: {self.why}.")
        return Losses(self.model, self.loss, Subject(self.model, output=self.output).answer)

    @contextmanager
    def at(self, weights: Weights) -> Generator[None]:
        """Meanwhile the model has the weights of a checkpoint, all of them; then its own again."""
        own = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
        state = _read(weights)
        strange = sorted(set(own) ^ set(state)) or sorted(k for k in own if own[k].shape != state[k].shape)
        if strange:
            raise BadFile(
                f"{weights if isinstance(weights, str | Path) else 'a checkpoint'} is not of this model, they differ "
                f"in {strange[0]}; give those that pl.fit(keep=True) wrote of it."
            )
        try:
            self.model.load_state_dict(state)
            yield
        finally:
            self.model.load_state_dict(own)

    def generator(self, seed: int | None) -> torch.Generator:
        """Chance on the processor: of a knob, or of the call."""
        return torch.Generator().manual_seed(self.seed if seed is None else seed)


def _once(kept: dict[Any, Any], key: Any, make: Callable[[], T]) -> T:
    if key not in kept:
        kept[key] = make()
    return kept[key]


def _read(weights: Weights) -> Mapping[str, Tensor]:
    if not isinstance(weights, str | Path):
        return weights
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(weights)
    except (OSError, SafetensorError) as cause:
        raise BadFile(
            f"the checkpoint {weights} cannot be read ({cause}); train again with pl.fit(keep=True)."
        ) from None

"""The batch: what a model is called with, and which part of it is explained.

Whatever was given, explainers see `images` [n, c, *size], the channels in the second place:

    images, signals, volumes   [n, c, h, w], [n, c, t], [n, c, d, h, w]    as they are
    channels elsewhere         [n, t, c] with channels=2                   the axis moved, and for the model moved back
    vectors                    [n, d]                                      one channel: [n, 1, d]
    token ids                  [n, t], whole numbers                       what the embedding makes of them, [n, e, t]

A model is called with what it takes: `call` puts images back into the caller's layout, and the vectors of tokens in the
place of what the embedding gives.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import BadInput, BadModel, UnknownName, did_you_mean, kind

IDS = (torch.int32, torch.int64)


@dataclass
class Batch:
    """What the model is called with; one tensor of it is explained."""

    whole: Any  # tensor | tuple | mapping
    key: Any  # where the image is in it
    channels: int = 1  # the axis of the channels; 0: there is none
    table: nn.Module | None = None  # the embedding that reads the ids

    @property
    def given(self) -> Tensor:
        """The part that is explained, as the caller gave it."""
        return self.whole if self.key is None else self.whole[self.key]

    @cached_property
    def images(self) -> Tensor:
        """The same as explainers see it, [n, c, *size]."""
        return self.inward(self.given)

    def inward(self, given: Tensor) -> Tensor:
        """From the caller's layout to [n, c, *size]; ids to their vectors.

        >>> Batch(torch.zeros(2, 7, 3), None, channels=2).inward(torch.zeros(4, 7, 3)).shape
        torch.Size([4, 3, 7])
        """
        if self.table is not None and not given.is_floating_point():
            with torch.no_grad():
                given = self.table(given)
        if self.channels == 1:
            return given
        return given.movedim(self.channels, 1) if self.channels else given.unsqueeze(1)

    def outward(self, images: Tensor) -> Tensor:
        """From [n, c, *size] to the caller's layout; of ids the vectors, [n, t, e]."""
        if self.channels == 1:
            return images
        return images.movedim(1, self.channels) if self.channels else images.squeeze(1)

    def call(self, model: Callable[..., Any], images: Tensor) -> Any:
        """The model on these images, with the rest of the batch beside them (repeated, where rows are)."""
        n, x = len(self.given), self.outward(images)

        def beside(value: Any) -> Any:
            if isinstance(value, Tensor) and value.ndim and len(value) == n and len(images) != n:
                return value.repeat(-(-len(images) // n), *[1] * (value.ndim - 1))[: len(images)]
            return value

        ids = x if self.table is None else beside(self.given)
        with nullcontext() if self.table is None else _instead(self.table, ids, x):
            x = ids
            if isinstance(self.whole, Mapping):
                return model(**{k: x if k == self.key else beside(v) for k, v in self.whole.items()})
            if isinstance(self.whole, tuple):
                return model(*(x if i == self.key else beside(v) for i, v in enumerate(self.whole)))
            return image_side(model)(x)

    def but(self, images: Tensor) -> "Batch":
        """The same with other images in the place of these."""
        x = self.outward(images)
        if isinstance(self.whole, Mapping):
            return replace(self, whole={**self.whole, self.key: x})
        if isinstance(self.whole, tuple):
            return replace(self, whole=tuple(x if i == self.key else v for i, v in enumerate(self.whole)))
        return replace(self, whole=x)

    def __getitem__(self, rows: slice | Tensor) -> "Batch":
        n = len(self.given)

        def part(value: Any) -> Any:
            return value[rows] if isinstance(value, Tensor) and value.ndim and len(value) == n else value

        return self.map(part)

    def map(self, change: Callable[[Any], Any]) -> "Batch":
        if isinstance(self.whole, Mapping):
            return replace(self, whole={k: change(v) for k, v in self.whole.items()})
        if isinstance(self.whole, tuple):
            return replace(self, whole=tuple(change(v) for v in self.whole))
        return replace(self, whole=change(self.whole))

    def embedded(self, model: nn.Module) -> "Batch":
        """Token ids with the embedding of the model that reads them; anything else is itself."""
        ids = self.given
        if ids.dtype not in IDS or ids.ndim != 2:
            return self
        # a tensor alone becomes a tuple of one: rows of it must be told apart
        known = replace(self, whole=(ids,), key=0) if self.key is None else self
        return replace(known, channels=2, table=_reader(model, known[slice(0, 1)]))


# --- token ids -----------------------------------------------------------------------------------------------------


def _reads(args: tuple[Any, ...], named: Mapping[str, Any], ids: Tensor) -> bool:
    """Whether an embedding is called with these ids, and not with those of positions or of another sentence."""
    given = args[0] if args else named.get("input")
    return isinstance(given, Tensor) and given.shape == ids.shape and bool((given == ids).all())


@contextmanager
def _instead(table: nn.Module, ids: Tensor, vectors: Tensor) -> Generator[None]:
    """Where the embedding reads these ids, it gives these vectors."""

    def hook(_module: nn.Module, args: tuple[Any, ...], named: dict[str, Any], output: Tensor) -> Tensor:
        return vectors.to(output.dtype) if _reads(args, named, ids) else output

    handle = table.register_forward_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


class _Reached(Exception):
    """Ends a forward at the embedding that was looked for."""


def _reader(model: nn.Module, batch: Batch) -> nn.Module:
    """The first embedding that reads the ids."""
    found: list[nn.Module] = []

    def hook(module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        if _reads(args, named, batch.given):
            found.append(module)
            raise _Reached

    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    handles = [module.register_forward_pre_hook(hook, with_kwargs=True) for module in tables]
    try:
        with torch.no_grad():
            if tables:
                batch.call(model, batch.given)
    except _Reached:
        pass
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise BadModel(
            f"x is {batch.given.dtype}, and no nn.Embedding of {type(model).__name__} reads it as token ids; give "
            f"floats as the model wants them, or embedded tokens [n, t, e] with channels=2."
        )
    return found[0]


# --- which part ----------------------------------------------------------------------------------------------------


def image_side(model: Callable[..., Any]) -> Callable[..., Any]:
    """What answers images alone: of a model of two towers, as CLIP, the image tower with its projection.

    >>> image_side(len) is len
    True
    """
    both = hasattr(model, "get_text_features") and hasattr(model, "get_image_features")
    return model.get_image_features if both else model  # type: ignore[attr-defined]


def as_batch(x: Any, input: str | int | None = None, channels: int | None = None) -> Batch:
    """The batch, with the part found that is explained: the one named by `input`, or the first float tensor of three
    or more axes, or of two, or token ids. `channels`: the axis that maps do not have, by default the second."""
    if isinstance(x, Tensor):
        parts: dict[Any, Any] = {None: x}
    elif isinstance(x, Mapping):
        parts, x = dict(x), dict(x)
    elif isinstance(x, tuple):
        parts = dict(enumerate(x))
    else:
        raise BadInput(f"x is {kind(x)}; give a tensor, a tuple or dict of tensors, or an iterable of batches.")
    if input is not None and input not in parts:
        raise UnknownName(f"x has no input {input!r}; {did_you_mean(str(input), map(str, parts))}")
    key = _explained(parts) if input is None else input
    return Batch(x, key, _axis(parts[key], channels))


def _explained(parts: Mapping[Any, Any]) -> Any:
    tensors = {key: value for key, value in parts.items() if isinstance(value, Tensor)}
    ways: tuple[Callable[[Tensor], bool], ...] = (
        lambda t: t.is_floating_point() and t.ndim >= 3,
        lambda t: t.is_floating_point() and t.ndim == 2,
        lambda t: t.dtype in IDS and t.ndim == 2,
    )
    for fits in ways:
        for key, tensor in tensors.items():
            if fits(tensor):
                return key
    found = ", ".join(
        f"{v.dtype} {tuple(v.shape)}" if isinstance(v, Tensor) else type(v).__name__ for v in parts.values()
    )
    raise BadInput(f"x holds no image, a float tensor [n, c, h, w], but {found}; convert it, or name it with input=.")


def _axis(given: Any, channels: int | None) -> int:
    """The axis of the channels, counted from the front; 0 where there is none."""
    axes = given.ndim if isinstance(given, Tensor) else 0
    if channels is None:
        return 1 if axes != 2 or not given.is_floating_point() else 0
    axis = channels + axes if channels < 0 else channels
    if axes < 3 or not 1 <= axis < axes:
        raise BadInput(
            f"channels is {channels}, and x has {axes} axes; give the number of the axis that a map of it does not "
            f"have, such as 2 for series [n, t, c], and leave it out for vectors and token ids."
        )
    return axis

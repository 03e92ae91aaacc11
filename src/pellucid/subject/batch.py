"""The batch: what a model is called with, and which part of it is the image."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pellucid.errors import BadInput, UnknownName, did_you_mean, kind


@dataclass
class Batch:
    """What the model is called with; the image is one tensor of it."""

    whole: Any  # tensor | tuple | mapping
    key: Any  # where the image is in it

    @property
    def images(self) -> Tensor:
        return self.whole if self.key is None else self.whole[self.key]

    def call(self, model: Callable[..., Any], images: Tensor) -> Any:
        """The model on these images, with the rest of the batch beside them (repeated, where rows are)."""
        n = len(self.images)

        def beside(value: Any) -> Any:
            if isinstance(value, Tensor) and value.ndim and len(value) == n and len(images) != n:
                return value.repeat(-(-len(images) // n), *[1] * (value.ndim - 1))[: len(images)]
            return value

        if isinstance(self.whole, Mapping):
            return model(**{k: images if k == self.key else beside(v) for k, v in self.whole.items()})
        if isinstance(self.whole, tuple):
            return model(*(images if i == self.key else beside(v) for i, v in enumerate(self.whole)))
        return image_side(model)(images)

    def but(self, images: Tensor) -> "Batch":
        """The same with other images in the place of these."""
        if isinstance(self.whole, Mapping):
            return Batch({**self.whole, self.key: images}, self.key)
        if isinstance(self.whole, tuple):
            return Batch(tuple(images if i == self.key else v for i, v in enumerate(self.whole)), self.key)
        return Batch(images, None)

    def __getitem__(self, rows: slice | Tensor) -> "Batch":
        n = len(self.images)

        def part(value: Any) -> Any:
            return value[rows] if isinstance(value, Tensor) and value.ndim and len(value) == n else value

        return self.map(part)

    def map(self, change: Callable[[Any], Any]) -> "Batch":
        if isinstance(self.whole, Mapping):
            return Batch({k: change(v) for k, v in self.whole.items()}, self.key)
        if isinstance(self.whole, tuple):
            return Batch(tuple(change(v) for v in self.whole), self.key)
        return Batch(change(self.whole), self.key)


def image_side(model: Callable[..., Any]) -> Callable[..., Any]:
    """What answers images alone: of a model of two towers, as CLIP, the image tower with its projection.

    >>> image_side(len) is len
    True
    """
    both = hasattr(model, "get_text_features") and hasattr(model, "get_image_features")
    return model.get_image_features if both else model  # type: ignore[attr-defined]


def as_batch(x: Any, input: str | int | None = None) -> Batch:
    """The batch, with its image found: the first float tensor of three or more axes, or the one named by `input`."""
    if isinstance(x, Tensor):
        parts: dict[Any, Any] = {None: x}
    elif isinstance(x, Mapping):
        parts, x = dict(x), dict(x)
    elif isinstance(x, tuple):
        parts = dict(enumerate(x))
    else:
        raise BadInput(f"x is {kind(x)}; give a tensor, a tuple or dict of tensors, or an iterable of batches.")
    if input is not None:
        if input not in parts:
            raise UnknownName(f"x has no input {input!r}; {did_you_mean(str(input), map(str, parts))}")
        return Batch(x, input)
    for key, value in parts.items():
        if isinstance(value, Tensor) and value.ndim >= 3 and value.is_floating_point():
            return Batch(x, key)
    found = ", ".join(
        f"{v.dtype} {tuple(v.shape)}" if isinstance(v, Tensor) else type(v).__name__ for v in parts.values()
    )
    raise BadInput(f"x holds no image, a float tensor [n, c, h, w], but {found}; convert it, or name it with input=.")

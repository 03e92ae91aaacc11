"""What a data set is: records by number.

data = Dataset.make("scenes:classes=6,size=32")
data[0].image, data[0].label, data[0].masks, data.class_names[data[0].label]
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.registry import Named


@dataclass(frozen=True, eq=False)
class Record:
    """One picture, and what is known about it: of every object its class, the pixels that are seen of it, its box."""

    image: UInt8[Tensor, "c h w"]
    label: int
    masks: Bool[Tensor, "k h w"]
    boxes: Float[Tensor, "k 4"]  # x0, y0, x1, y1 in pixels; x1 and y1 are just outside
    classes: Int[Tensor, " k"]
    facts: dict[str, Any]  # what else the data set knows: the factors of a sprite, the background of a scene

    @property
    def mask(self) -> Bool[Tensor, "h w"]:
        """All objects of the labelled class."""
        return self.masks[self.classes == self.label].any(0)


class Dataset(Named, family="datasets"):
    """Records by number, the same ones every time."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the labels."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def record(self, i: int) -> Record:
        """Record i, 0 ≤ i < len."""
        raise NotImplementedError

    def __getitem__(self, i: int) -> Record:
        at = int(i)
        if not -len(self) <= at < len(self):
            raise IndexError(f"record {at} is not there: {self} has {len(self)}.")
        return self.record(at % len(self))

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def images(self, rows: Sequence[int] | slice = slice(None)) -> UInt8[Tensor, "n c h w"]:
        """The images of some records in one tensor."""
        return torch.stack([self[i].image for i in self._rows(rows)])

    def labels(self, rows: Sequence[int] | slice = slice(None)) -> Int[Tensor, " n"]:
        """Their labels."""
        return torch.tensor([self[i].label for i in self._rows(rows)])

    def masks(self, rows: Sequence[int] | slice = slice(None)) -> Bool[Tensor, "n h w"]:
        """Their masks: all objects of the labelled class."""
        return torch.stack([self[i].mask for i in self._rows(rows)])

    def _rows(self, rows: Sequence[int] | slice) -> Sequence[int]:
        chosen = range(len(self))[rows] if isinstance(rows, slice) else rows
        if not len(chosen):
            raise BadInput(f"no records of {self.name} are asked for; give at least one number.")
        return chosen


def boxes_of(masks: Bool[Tensor, "k h w"]) -> Float[Tensor, "k 4"]:
    """x0, y0, x1, y1 around the pixels of every mask, x1 and y1 just outside; zeros around none.

    >>> boxes_of(torch.tensor([[[False, False, False], [False, True, True]]])).tolist()
    [[1.0, 1.0, 3.0, 2.0]]
    """
    boxes = torch.zeros(len(masks), 4)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        if len(rows):
            box[:] = torch.tensor([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return boxes

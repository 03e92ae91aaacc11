"""What a data set is: records by number.

data = Dataset.make("scenes:classes=6,size=32")
data[0].image, data[0].label, data[0].masks, data.class_names[data[0].label]
"""

import hashlib
import operator
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar, SupportsIndex, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from pellucid.data._record import Record as Record
from pellucid.data._record import boxes_of as boxes_of
from pellucid.errors import BadInput, PellucidError, UnknownName, did_you_mean
from pellucid.registry import Named

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STREAM = re.compile(r"(hf|wds):([^\"=,@\[\]()]+)(?=,\w+=|$)")
D = TypeVar("D", bound="Dataset")
Rows = Sequence[Any] | np.ndarray | Tensor | slice  # numbers, or a mask over all records


class Dataset(Named, family="datasets"):
    """Records by number, the same ones every time."""

    home: ClassVar[str] = ""  # where it is published
    licence: ClassVar[str] = ""
    terms: ClassVar[str] = ""  # what one may do with it, in a sentence
    kind: ClassVar[str] = "images"  # or series [t, c]
    streamed: ClassVar[bool] = False  # read from front to back, without a length
    mean: ClassVar[tuple[float, ...]] = IMAGENET_MEAN  # of a channel, in [0, 1], over the training pictures
    std: ClassVar[tuple[float, ...]] = IMAGENET_STD
    preset: ClassVar[str] = "imagenet"  # the transform that its papers use
    point_names: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def make(cls: type[D], thing: Any) -> D:
        """From its text form; `hf:NAME` and `wds:URLS` are short for `hf:path=NAME` and `wds:path=URLS`."""
        if isinstance(thing, str):
            thing = STREAM.sub(lambda found: f'{found[1]}:path="{found[2].strip()}"', thing)
        return super().make(thing)

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the labels."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def record(self, i: int) -> Record:
        """Record i, 0 ≤ i < len."""
        raise NotImplementedError

    def label(self, i: int) -> int:
        """Of record i, without its picture where that can be."""
        return self.record(i).label

    def finish(self, record: Record, i: int, train: bool) -> Record:
        """What is drawn after the last resize: record i as it goes into the model, but for mean and std."""
        return record

    def prepare(self, progress: bool = False) -> None:
        """What is done once, before several processes read records: a cache is made, an archive unpacked."""

    def __getitem__(self, i: Any) -> Record:
        return self.record(self._at(i))

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def take(self, count: int) -> list[Record]:
        """The first records, of a stream too."""
        return list(islice(self, count))

    def images(self, rows: Rows = slice(None)) -> Shaped[Tensor, "n ..."]:
        """The images of some records in one tensor: uint8 [n, c, h, w], or float32 [n, t, c]."""
        return self._stacked([self[i].image for i in self._rows(rows)])

    def fingerprint(self) -> str:
        """Whether a data set is the same as it was, in 16 digits: of its labels, and of the names of its files."""
        return digest(self.labels().tolist())

    def labels(self, rows: Rows = slice(None)) -> Int[Tensor, " n"]:
        """Their labels."""
        return torch.tensor([self.label(self._at(i)) for i in self._rows(rows)])

    def masks(self, rows: Rows = slice(None)) -> Bool[Tensor, "n h w"]:
        """Their masks: all objects of the labelled class."""
        return self._stacked([self[i].mask for i in self._rows(rows)])

    def _stacked(self, tensors: list[Tensor]) -> Tensor:
        sizes = {tuple(tensor.shape) for tensor in tensors}
        if len(sizes) > 1:
            raise BadInput(
                f"the pictures of {self.name} differ in size ({len(sizes)} sizes), so one tensor cannot hold them; "
                f"read them with pl.data.batches(data, transform=...)."
            )
        return torch.stack(tensors)

    def said(self, number: int) -> str:
        """The name of a class, or what can be said where it has none."""
        names = self.class_names
        return names[number] if 0 <= number < len(names) else "no class" if number < 0 else f"class {number}"

    def class_number(self, name: str) -> int:
        """The label of a class name, whatever its capitals."""
        lower = [n.lower() for n in self.class_names]
        if name.lower() not in lower:
            raise UnknownName(f"{self.name} has no class {name!r}; {did_you_mean(name, self.class_names)}")
        return lower.index(name.lower())

    def faults(self, i: int) -> list[str]:
        """What is wrong with record i, each in a sentence; nothing where it is as it should be."""
        try:
            return self.strange_classes(self[i], i)
        except PellucidError as wrong:
            return [str(wrong)]

    def strange_classes(self, record: Record, i: int) -> list[str]:
        """Classes of record i that have no name."""
        names = len(self.class_names)
        found = {record.label, *record.classes.tolist(), *record.mask_classes.tolist()}
        bad = [c for c in sorted(found) if not -1 <= c < names]
        return [f"record {i} is of class {c}, and there are {names} names." for c in bad]

    def lasting_faults(self) -> list[str]:
        """What is wrong with the data set besides its records: sums of archives, files that belong to none."""
        return []

    def _at(self, i: Any) -> int:
        if self.streamed:
            raise BadInput(f"{self} is a stream, read from front to back; iterate over it, or take(count).")
        whole = isinstance(i, SupportsIndex) and not isinstance(i, bool | np.bool_)
        if not whole or getattr(i, "dtype", None) is torch.bool:
            raise BadInput(f"a record has a whole number, not {i!r}; for several write images(rows) or labels(rows).")
        at = operator.index(i)
        if not -len(self) <= at < len(self):
            raise IndexError(f"record {at} is not there: {self} has {len(self)}.")
        return at % len(self)

    def _rows(self, rows: Rows) -> Sequence[int]:
        if self.streamed:
            self._at(0)
        if isinstance(rows, str):
            raise BadInput(f"rows are {rows!r}; give whole numbers.")
        chosen: Any = range(len(self))[rows] if isinstance(rows, slice) else rows
        chosen = chosen.tolist() if isinstance(chosen, np.ndarray | Tensor) else chosen
        if len(chosen) and isinstance(chosen[0], bool | np.bool_):
            if len(chosen) != len(self):
                raise BadInput(f"the mask of rows has {len(chosen)} values, and {self.name} has {len(self)} records.")
            chosen = [i for i, wanted in enumerate(chosen) if wanted]
        if not len(chosen):
            raise BadInput(f"no records of {self.name} are asked for; give at least one number.")
        return chosen


def digest(things: Sequence[Any]) -> str:
    """Of labels, or of names, in 16 digits."""
    return hashlib.sha256("\n".join(map(str, things)).encode()).hexdigest()[:16]


class Wrapped(Dataset):
    """A data set made of another; a member changes what it is there to change."""

    of: Dataset

    home = property(lambda self: self.of.home)  # type: ignore[assignment]
    licence = property(lambda self: self.of.licence)  # type: ignore[assignment]
    terms = property(lambda self: self.of.terms)  # type: ignore[assignment]
    kind = property(lambda self: self.of.kind)  # type: ignore[assignment]
    streamed = property(lambda self: self.of.streamed)  # type: ignore[assignment]
    mean = property(lambda self: self.of.mean)  # type: ignore[assignment]
    std = property(lambda self: self.of.std)  # type: ignore[assignment]
    preset = property(lambda self: self.of.preset)  # type: ignore[assignment]
    point_names = property(lambda self: self.of.point_names)  # type: ignore[assignment]

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.of.class_names

    def __len__(self) -> int:
        return len(self.of)

    def record(self, i: int) -> Record:
        return self.change(self.of.record(i), i)

    def change(self, record: Record, i: int) -> Record:
        """Record i as this data set has it."""
        return record

    def label(self, i: int) -> int:
        return self.of.label(i)

    def finish(self, record: Record, i: int, train: bool) -> Record:
        return self.of.finish(record, i, train)

    def prepare(self, progress: bool = False) -> None:
        self.of.prepare(progress)

    def fingerprint(self) -> str:
        return self.of.fingerprint()

    def __iter__(self) -> Iterator[Record]:
        if not self.streamed:
            return super().__iter__()
        return (self.change(record, i) for i, record in enumerate(self.of))

    def faults(self, i: int) -> list[str]:
        return self.of.faults(i)

    def lasting_faults(self) -> list[str]:
        return self.of.lasting_faults()

"""Examples by number: their inputs and labels, a stretch at a time.

>>> images, labels = Held(torch.arange(6.0).view(6, 1), torch.arange(6))[2:5].read()
>>> images.flatten().tolist(), labels.tolist()
([2.0, 3.0, 4.0], [2, 3, 4])
"""

from collections.abc import Iterator
from copy import copy

import torch
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.knobs import fingerprint


class Samples:
    """Abstract: n examples, of which some are read. What `samples[3:7]` gives are these four, numbered from 0."""

    told: str = ""  # what tells them from others, where that is known without reading them

    def __init__(self, n: int, what: str = "the examples") -> None:
        self.within, self.what = range(n), what
        self.like: Tensor | None = None  # of which device and precision the inputs are wanted

    def _read(self, rows: range) -> tuple[Tensor, Tensor]:
        """Inputs and labels of these of all examples."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.within)

    def __getitem__(self, rows: slice) -> "Samples":
        part = copy(self)
        part.within = self.within[rows]
        return part

    def read(self) -> tuple[Tensor, Tensor]:
        """Inputs [n, …] and labels int64 [n], -1 where there is none."""
        images, labels = self._read(self.within)
        if not bool(images.isfinite().all()):
            row = self.within.start + int((~images.flatten(1).isfinite().all(1)).nonzero()[0])
            raise BadInput(f"example {row} of {self.what} holds NaN or infinite values; leave it out.")
        return (images, labels) if self.like is None else (images.to(self.like), labels.to(self.like.device))

    @property
    def mark(self) -> str:
        """Whether they are the same as they were."""
        return self.told or " ".join(map(fingerprint, self._read(self.within)))

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The same, `size` at a time; the last ones may be fewer, and none is left out."""
        for start in range(0, len(self), size):
            yield self[start : start + size].read()

    @property
    def labels(self) -> Tensor:
        """int64 [n], -1 where there is none."""
        return self._read(self.within)[1]


class Held(Samples):
    """In memory."""

    def __init__(self, images: Tensor, labels: Tensor | None = None, what: str = "the examples") -> None:
        super().__init__(len(images), what)
        self.images = images
        self._labels = torch.full((len(images),), -1, device=images.device) if labels is None else labels.long()

    def _read(self, rows: range) -> tuple[Tensor, Tensor]:
        cut = slice(rows.start, rows.stop)
        return self.images[cut], self._labels[cut]

    @property
    def labels(self) -> Tensor:
        return self._labels[self.within.start : self.within.stop]

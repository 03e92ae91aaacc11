"""Pairs: many variants of every image, in forwards that are filled across images and variants.

>>> [(i.tolist(), s.tolist()) for i, s in pairs(2, 3, rows=4)]
[([0, 0, 0, 1], [0, 1, 2, 0]), ([1, 1], [1, 2])]
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from pellucid.subject import Subject

ROWS = 64  # of a forward, where no batch_size is said


def pairs(
    n: int, count: int, rows: int, device: torch.device | None = None, needed: Tensor | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """(which image, which variant) of all n · count, or of those that are needed [n, count], at most `rows` at once."""
    numbers = torch.arange(n * count, device=device) if needed is None else needed.flatten().nonzero()[:, 0]
    for part in numbers.split(rows):
        if len(part):  # nothing at all splits into one empty part
            yield part // count, part % count


def answer(subject: "Subject", variants: Tensor, i: Tensor) -> Tensor:
    """The output for variants of the images i, with what else belongs to these."""
    batch = subject.batch
    if batch is None or batch.key is None:
        return subject(variants)
    beside = batch[i % len(batch.given)]  # several noisy copies of a batch run through it in order
    return subject.answer(beside.call(subject.called, variants))

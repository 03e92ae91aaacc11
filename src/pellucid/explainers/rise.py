"""RISE, randomised input sampling (Petsiuk et al., 2018).

    M(p) = Σ_i score(x ⊙ m_i) m_i(p) / Σ_i m_i(p)

    m_i: a grid of cells × cells, each 1 with `probability`, enlarged to (cells + 1) · ⌈side / cells⌉, cut out at random

M(p) is the mean answer while the pixel p can be seen. Read ranks and differences: the level of a map is that of the
answer under masks. The score is the value itself, a probability unless asked otherwise, never a direction; a logit may
be below zero, and where all are, divided by a number as in the paper, the pixels seen most often come out lowest. What
is masked becomes the `baseline`, by default 0 of the model's space: the mean colour of normalised images, not black.
The same masks serve all images, questions and classes of a call, from the same forwards.

`normalise=expected` divides by masks · probability instead, as the paper's formula: then a pixel that happened to be
seen often looks important (by three per cent of the level with 4000 masks). `until=0.1` stops when the map's estimated
error, `rise_error` of the maps of its even and odd masks, is a tenth of its variation over the image; that is looked at
after every 128 masks, for every image, question and class by itself. `masks` is the most. The same function judges two
calls with different seeds: it estimates the error of the mean of both maps.

    who                      what to write                                                  ask
    the paper, ResNet-50     rise:masks=8000,normalise=expected                             probability
    its authors' notebook    rise:masks=6000,cells=8,probability=0.1,normalise=expected     probability
    TorchRay                 rise:masks=8000,normalise=expected, its map is half of that    probability:link=sigmoid
    the copy in Group-CAM    rise:masks=8000,probability=0.1,normalise=expected             logit

>>> masks = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]], [[0.0, 1.0]]])
>>> rise(torch.tensor([[0.9, 0.7, 0.1]]), masks)
tensor([[[0.8000, 0.4000]]])
"""

from collections.abc import Sequence
from math import ceil
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.explainers._base import Between, Score, Subject
from pellucid.explainers._masking import values
from pellucid.explainers._removing import RemovingExplainer
from pellucid.questions import Question
from pellucid.subject.pairs import ROWS

LOOK = 128  # masks between two looks at the error


def rise(answers: Float[Tensor, "n m"], masks: Float[Tensor, "m h w"]) -> Float[Tensor, "n h w"]:
    """The mean answer while a pixel is seen; of one that never is, the mean of all answers."""
    sums = Sums(len(answers), masks[0])
    sums.add(answers, masks, torch.ones_like(answers[:, 0], dtype=torch.bool))
    return sums.map()


def rise_masks(
    grids: Float[Tensor, "m r c"], shifts: Int[Tensor, "m 2"], size: tuple[int, int]
) -> Float[Tensor, "m h w"]:
    """Grids enlarged and cut out, as two small products: enlarging is linear along each axis.

    >>> rise_masks(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[0, 1]]), (1, 4))
    tensor([[[0.0000, 0.3333, 0.6667, 1.0000]]])
    """
    down, across = (enlarged(shifts[:, a], grids.shape[1 + a], size[a]).to(grids) for a in (0, 1))
    return down @ grids @ across.mT


def enlarged(shift: Int[Tensor, " m"], cells: int, side: int) -> Float[Tensor, "m side cells"]:
    """How much of each cell is in each pixel: bilinear, half-pixel centres, the outer cells going on."""
    pixel = torch.arange(side, device=shift.device) + shift[:, None] + 0.5
    at = (pixel * cells / ((cells + 1) * ceil(side / cells)) - 0.5).clamp(0, cells - 1)
    return (1 - (at[..., None] - torch.arange(cells, device=shift.device)).abs()).relu()


def rise_error(a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """The error of (a + b) / 2, as a part of its variation over the image, estimated from two maps by other masks:
    |a − b| / |a + b|, less their means. 0 of two maps without any variation.

    >>> rise_error(torch.tensor([[[1.0, 2.0]], [[1.0, 1.0]]]), torch.tensor([[[1.0, 3.0]], [[2.0, 2.0]]]))
    tensor([0.3333, 0.0000])
    """
    a, b = (m.flatten(1) - m.flatten(1).mean(1, keepdim=True) for m in (a, b))
    off, whole = (a - b).norm(dim=1), (a + b).norm(dim=1)
    return torch.where(off > 0, off / whole, 0.0)


class Sums:
    """What a map is made of, block by block, in single precision or better: of the even masks and of the odd ones."""

    def __init__(self, n: int, like: Float[Tensor, "h w"]) -> None:
        self.seen, self.told = like.new_zeros(2, 2, n, *like.shape)  # Σ m and Σ score · m
        self.answers, self.masks = like.new_zeros(2, 2, n)  # Σ score and how many

    def add(self, answers: Float[Tensor, "n m"], masks: Float[Tensor, "m h w"], which: Tensor) -> None:
        """Some more masks, for those images that still need any [n]."""
        which = which.to(masks)[:, None]
        for half in (0, 1):
            m, y = masks[half::2], answers[:, half::2].to(masks) * which
            self.seen[half] += which[..., None] * m.sum(0)
            self.told[half] += (y @ m.flatten(1)).view_as(self.told[half])
            self.answers[half] += y.sum(1)
            self.masks[half] += which[:, 0] * len(m)

    def map(self, expected: float | None = None) -> Tensor:
        """By how often each pixel was seen; or, where that is said, by what was to be expected of a mask."""
        return _map(self.told.sum(0), self.seen.sum(0), self.answers.sum(0), self.masks.sum(0), expected)

    def error(self, expected: float | None = None) -> Tensor:
        """[n]: estimated from the halves."""
        return rise_error(*(_map(*half, expected) for half in zip(self.told, self.seen, self.answers, self.masks)))


def _map(told: Tensor, seen: Tensor, answers: Tensor, masks: Tensor, expected: float | None) -> Tensor:
    if expected is not None:
        return told / (expected * masks)[:, None, None]
    return torch.where(seen > 0, told / seen, (answers / masks)[:, None, None])


class RISE(RemovingExplainer, name="rise", paper="arXiv:1806.07421"):
    """How sure is the model, on average, while it can see this pixel?"""

    cost = "masks · F"
    asks = "probability"
    quick = {"masks": 12, "cells": 3}
    cite = """
@inproceedings{petsiuk2018rise,
  title     = {{RISE}: Randomized Input Sampling for Explanation of Black-box Models},
  author    = {Petsiuk, Vitali and Das, Abir and Saenko, Kate},
  booktitle = {British Machine Vision Conference},
  year      = {2018},
}"""

    masks: Annotated[int, Between(1)] = 4000
    cells: Annotated[int, Between(1)] = 7
    probability: Annotated[float, Between(0.001, 1)] = 0.5
    normalise: Literal["pixels", "expected"] = "pixels"
    until: Annotated[float, Between(0)] | None = None

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        size, fade = self.canvas(images), self.fading(images, self.start(subject, images))
        grids, shifts = (drawn.to(images.device) for drawn in self.draw(size, self.generator(subject, self.seed)))
        grids = grids.to(torch.promote_types(images.dtype, torch.float32))
        sums = [Sums(len(images), grids.new_empty(size)) for _ in scores]
        open_ = torch.ones(len(scores), len(images), dtype=torch.bool, device=images.device)
        block = LOOK if self.until is not None else subject.batch_size or ROWS
        for first in range(0, self.masks, block):
            masks = rise_masks(grids[first : first + block], shifts[first : first + block], size)
            needed = None if self.until is None else open_.any(0)[:, None].expand(-1, len(masks))
            answers = values(
                subject, images, scores, len(masks), lambda i, s, masks=masks: fade(i, masks[s]), needed=needed
            )
            for total, answer, still in zip(sums, answers, open_, strict=True):
                total.add(answer, masks, still)
            if self.until is not None and len(masks) > 1:
                open_ &= torch.stack([total.error(self.expected) > self.until for total in sums])
                if not bool(open_.any()):
                    break
        return [total.map(self.expected) for total in sums]

    @property
    def expected(self) -> float | None:
        """Of a pixel of a mask, where maps are divided by it."""
        return self.probability if self.normalise == "expected" else None

    def draw(self, size: tuple[int, int], chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """The grids [m, r, c] of zeros and ones, and the shifts [m, 2]: a few numbers a mask, and not its pixels."""
        rows, columns = (min(self.cells, side) for side in size)
        grids = torch.rand(self.masks, rows, columns, generator=chance) < self.probability
        shifts = [
            torch.randint(ceil(side / cells), (self.masks,), generator=chance)
            for side, cells in zip(size, (rows, columns), strict=True)
        ]
        return grids, torch.stack(shifts, 1)

    def signed(self, question: Question) -> bool:
        return question.scale != "probability"

"""Kernel SHAP (Lundberg & Lee, 2017): Shapley values of the segments, by a regression.

    φ = argmin Σ_z w(z) (score(x_z) − score(x_0) − φ·z)²   with   Σ_k φ_k = score(x) − score(x_0),     z in {0, 1}^k

    w(z) = (k − 1) / (C(k, |z|) |z| (k − |z|)),   x_z the image with the segments where z is 1, x_0 with none

Both ends hold exactly, for any number of samples: the answer without any segment is the constant, and the sum is
solved for, where other libraries give the ends a large weight. So the map, each value divided among the pixels of its
segment (`share`), sums to what is owed (`e.owed`). All 2^k − 2 other z are asked where these are at most `samples`,
and the values are Shapley's own (up to k = 9 with the default); else whole sizes while the budget allows, from both
ends, where the weight is, and of the other sizes random z in proportion to the weight of their size, each with its
opposite (Covert & Lee, 2021). An additive model comes out exactly as soon as the samples outnumber the segments. The
draws are shared by all images that have so many segments, all questions and classes.

>>> there = torch.tensor([[True, False], [False, True]])
>>> kernel_shap(there, torch.ones(2), torch.tensor([[1.0, 3.0]]), torch.tensor([0.0]), torch.tensor([6.0]))
tensor([[2., 4.]])
"""

from itertools import combinations
from math import comb
from typing import Annotated

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.explainers._base import Between, Score, Subject
from pellucid.explainers._segments import Draw, SegmentExplainer


def kernel_shap(
    there: Bool[Tensor, "m k"],
    weights: Float[Tensor, " m"],
    answers: Float[Tensor, "n m"],
    none: Float[Tensor, " n"],
    whole: Float[Tensor, " n"],
) -> Float[Tensor, "n k"]:
    """Least squares among the φ of the right sum: an equal share each, and what is orthogonal to it."""
    z, k = there.to(weights), there.shape[1]
    free = torch.eye(k).to(z) - 1 / k
    equal = (whole - none)[:, None] / k
    rest = answers - none[:, None] - equal * z.sum(1)
    zf = z @ free
    gram = (zf.T * weights) @ zf
    return equal + rest * weights @ zf @ torch.linalg.pinv(gram, rtol=1e-10, hermitian=True)


def coalitions(segments: int, samples: int, chance: torch.Generator) -> tuple[Bool[Tensor, "m k"], Float[Tensor, " m"]]:
    """Which segments are there, neither none nor all, and the weights: at most `samples` rows, or all 2^k − 2.

    >>> there, weights = coalitions(3, 100, torch.Generator())
    >>> there.int().tolist(), weights.unique().tolist()
    ([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]], [0.16666666666666666])
    """
    sizes = range(1, segments // 2 + 1)
    mass = {size: (2 if 2 * size < segments else 1) / (size * (segments - size)) for size in sizes}
    left, total, rest = samples, sum(mass.values()), sum(mass.values())
    rows, weights = [torch.zeros(0, segments, dtype=torch.bool)], [torch.zeros(0, dtype=torch.float64)]
    for size in sizes:
        count = comb(segments, size) * (2 if 2 * size < segments else 1)
        if count > left * mass[size] / rest and 2**segments - 2 > samples:
            rows.append(_sampled({s: mass[s] for s in sizes if s >= size}, segments, left, chance))
            weights.append(torch.full((len(rows[-1]),), rest / total / max(1, len(rows[-1])), dtype=torch.float64))
            break
        rows.append(_all(size, segments))
        weights.append(torch.full((count,), mass[size] / total / count, dtype=torch.float64))
        left, rest = left - count, rest - mass[size]
    return torch.cat(rows), torch.cat(weights)


def _all(size: int, segments: int) -> Tensor:
    """All z of one size, then their opposites; of half the segments these are the same."""
    chosen = torch.tensor(list(combinations(range(segments), size)))
    some = torch.zeros(len(chosen), segments, dtype=torch.bool).scatter_(1, chosen, value=True)
    return some if 2 * size == segments else torch.cat([some, ~some])


def _sampled(mass: dict[int, float], segments: int, samples: int, chance: torch.Generator) -> Tensor:
    """Random z, each followed by its opposite; an odd one has none."""
    sizes, odds = torch.tensor(list(mass)), torch.tensor(list(mass.values()), dtype=torch.float64)
    pairs = (samples + 1) // 2
    size = sizes[torch.multinomial(odds, max(1, pairs), replacement=True, generator=chance)]
    places = torch.rand(len(size), segments, generator=chance).argsort(1).argsort(1)
    some = places < size[:, None]
    return torch.stack([some, ~some], 1).flatten(0, 1)[:samples]


class KernelSHAP(SegmentExplainer, name="kernel-shap", paper="arXiv:1705.07874"):
    """What does each part of the image contribute, fairly shared?"""

    cost = "samples · F"
    quick = {"samples": 10, "cells": 2}
    cite = """
@inproceedings{lundberg2017unified,
  title     = {A Unified Approach to Interpreting Model Predictions},
  author    = {Lundberg, Scott M and Lee, Su-In},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2017},
}
@inproceedings{covert2021improving,
  title     = {Improving {KernelSHAP}: Practical {Shapley} Value Estimation Using Linear Regression},
  author    = {Covert, Ian and Lee, Su-In},
  booktitle = {International Conference on Artificial Intelligence and Statistics},
  year      = {2021},
}"""

    samples: Annotated[int, Between(1)] = 1000
    share: bool = True

    def draw(self, segments: int, chance: torch.Generator) -> Draw:
        there, weights = coalitions(segments, self.samples, chance)
        nothing = torch.zeros(1, segments, dtype=torch.bool)
        return torch.cat([nothing, there]), torch.cat([weights.new_zeros(1), weights])

    def solve(self, there: Tensor, weights: Tensor, answers: Tensor, whole: Tensor) -> Tensor:
        return kernel_shap(there[1:], weights[1:], answers[:, 1:], answers[:, 0], whole)

    def owes(self, subject: Subject, images: Tensor, score: Score) -> Tensor | None:
        if not self.share:
            return None
        return score.clean - score.value(subject.answered(self.start(subject, images)))

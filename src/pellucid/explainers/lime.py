"""LIME, local interpretable model-agnostic explanations (Ribeiro et al., 2016).

    M = β of the segment,   (β, β_0) = argmin Σ_z π(z) (score(x_z) − β_0 − β·z)² + ridge · |β|²,   z in {0, 1}^k

    π(z) = exp(−d(z)² / 2 width²),   d = 1 − √(|z| / k)      distance=cosine, of z from the image with all its segments
                                     d = √(1 − |z| / k)      distance=euclidean, divided by √k

x_z is the image with the segments where z is 1, each with one half (`_segments.py`); the image itself counts once
beside the `samples`. The coefficients are solved for at once, in double precision. A width of 0.25 halves the weight of
images without half of their segments. Penalised means shrunk: β falls with fewer samples, so compare maps made with
equally many; `ridge=0` is plain weighted least squares, of the least norm where samples are fewer than segments.

Removed segments become the `baseline`, 0 of the model's space by default. The authors' own package takes superpixels
and `baseline=segment`, each segment's mean colour. Every pixel says the β of its segment, or with `share` its part of
it. The same draws serve all images that have so many segments, all questions and classes.

>>> there = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
>>> lime(there, torch.ones(4), torch.tensor([[5.0, 3.0, 2.0, 0.0]]), ridge=0.0)
tensor([[3., 2.]])
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.explainers._base import Between
from pellucid.explainers._segments import Draw, SegmentExplainer

Distance = Literal["cosine", "euclidean"]


def lime(
    there: Bool[Tensor, "m k"], weights: Float[Tensor, " m"], answers: Float[Tensor, "n m"], ridge: float
) -> Float[Tensor, "n k"]:
    """Weighted ridge regression, its constant not penalised."""
    z, total = there.to(weights), weights.sum()
    z = z - (weights @ z) / total
    y = answers.to(weights) - ((answers.to(weights) @ weights) / total)[:, None]
    weighted = z.T * weights
    gram = weighted @ z + ridge * torch.eye(z.shape[1]).to(z)
    return (torch.linalg.pinv(gram, rtol=1e-10, hermitian=True) @ (weighted @ y.T)).T


def nearness(there: Bool[Tensor, "m k"], distance: Distance, width: float) -> Float[Tensor, " m"]:
    """How much a sample counts.

    >>> nearness(torch.tensor([[True, True], [False, False]]), "cosine", 1.0)
    tensor([1.0000, 0.6065], dtype=torch.float64)
    """
    share = there.double().mean(1)
    d = 1 - share.sqrt() if distance == "cosine" else (1 - share).sqrt()
    return (-d.square() / (2 * width**2)).exp()


class LIME(SegmentExplainer, name="lime", paper="arXiv:1602.04938"):
    """Which parts would a linear model near this image go by?"""

    cost = "samples · F"
    quick = {"samples": 12, "cells": 2}
    cite = """
@inproceedings{ribeiro2016why,
  title     = {``{Why} Should {I} Trust You?'': Explaining the Predictions of Any Classifier},
  author    = {Ribeiro, Marco Tulio and Singh, Sameer and Guestrin, Carlos},
  booktitle = {ACM SIGKDD International Conference on Knowledge Discovery and Data Mining},
  year      = {2016},
}"""

    samples: Annotated[int, Between(1)] = 1000
    width: Annotated[float, Between(1e-3)] = 0.25
    distance: Distance = "cosine"
    ridge: Annotated[float, Between(0)] = 1.0

    def draw(self, segments: int, chance: torch.Generator) -> Draw:
        there = torch.rand(self.samples, segments, generator=chance) < 0.5
        return there, nearness(there, self.distance, self.width)

    def solve(self, there: Tensor, weights: Tensor, answers: Tensor, whole: Tensor) -> Tensor:
        there = torch.cat([torch.ones_like(there[:1]), there])
        weights = torch.cat([torch.ones_like(weights[:1]), weights])
        return lime(there, weights, torch.cat([whole[:, None], answers], 1), self.ridge)

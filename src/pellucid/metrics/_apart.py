"""Metrics of what is no map: they are called by themselves, on tensors, and no model is asked.

SimilarityRate()(w, labels, train_labels)              of influences [t, n]: one number a test example
MutualInformationGap()(codes, factors)                 of codes [n, d]: one number
MutualInformationGap().each(codes, factors)            one a factor
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.metrics._base import Case, Metric


class Apart(Metric):
    """Abstract: a metric that is called by itself."""

    call: ClassVar[str] = ""  # how, after the class and its knobs

    def score(self, case: Case) -> Tensor:
        raise BadInput(
            f"{self.name} scores {self.scores}, not maps of images; call it by itself: "
            f"pl.metrics.{type(self).__name__}(){self.call}."
        )


class OfCodes(Apart):
    """Abstract: how well the units of codes stand for the factors of what was encoded.

    `ordered` says of each factor whether its values have an order, as a place has and a shape has not; all have, where
    nothing is said. A factor that never changes has NaN, and is left out of the one number.
    """

    scores = "codes"
    call = "(codes [n, d], factors [n, f])"

    def __call__(
        self, codes: Float[Tensor, "n d"], factors: Shaped[Tensor, "m f"], ordered: Sequence[bool] | None = None
    ) -> Float[Tensor, ""]:
        """One number: the mean over the factors, where a member says nothing else."""
        return self.overall(*fitting(codes, factors, ordered))

    def each(
        self, codes: Float[Tensor, "n d"], factors: Shaped[Tensor, "m f"], ordered: Sequence[bool] | None = None
    ) -> Float[Tensor, " _"]:
        """One number a factor."""
        return self.rated(*fitting(codes, factors, ordered))

    def overall(self, codes: Tensor, factors: Tensor, ordered: list[bool]) -> Tensor:
        """[]: of what `rated` gives."""
        return self.rated(codes, factors, ordered).nanmean()

    @abstractmethod
    def rated(self, codes: Tensor, factors: Tensor, ordered: list[bool]) -> Tensor:
        """[f], of finite codes in float64."""


def fitting(codes: Tensor, factors: Tensor, ordered: Sequence[bool] | None) -> tuple[Tensor, Tensor, list[bool]]:
    """What was given, where one of each is there a sample."""
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or not codes.numel() * factors.numel():
        raise BadInput(
            f"the codes are {tuple(codes.shape)} and the factors {tuple(factors.shape)}; give codes [n, d] and factors "
            f"[n, f] of the same samples."
        )
    for what, values in (("codes", codes), ("factors", factors)):
        if not bool(values.isfinite().all()):
            raise BadInput(f"the {what} hold NaN or infinite values; leave those samples out.")
    if ordered is not None and len(ordered) != factors.shape[1]:
        raise BadInput(f"ordered speaks of {len(ordered)} factors, and there are {factors.shape[1]}; say it of each.")
    return codes.detach().double(), factors, [True] * factors.shape[1] if ordered is None else list(ordered)


def classes_of(factor: Shaped[Tensor, " n"]) -> tuple[Int[Tensor, " n"], int]:
    """Values as numbers from 0 in ascending order, and how many there are.

    >>> classes_of(torch.tensor([0.5, 2.0, 0.5]))
    (tensor([0, 1, 0]), 2)
    """
    values, classes = factor.unique(return_inverse=True)
    return classes, len(values)


def gap(scores: Float[Tensor, "d f"]) -> Float[Tensor, " f"]:
    """By how much the best unit leads the next; a single one leads nobody.

    >>> gap(torch.tensor([[3.0, 1.0], [1.0, 1.0], [2.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    best = torch.cat([scores, torch.zeros_like(scores[:1])]).topk(2, 0).values
    return best[0] - best[1]


def joint(bins: Int[Tensor, "n d"], classes: Int[Tensor, " n"], count: int) -> Float[Tensor, "d b k"]:
    """How many samples lie in each bin of each unit and are of each class, as a share of all."""
    own = torch.nn.functional.one_hot(classes, count).double()
    wide = torch.nn.functional.one_hot(bins).double()  # [n, d, b]
    return torch.einsum("ndb,nk->dbk", wide, own) / len(bins)

"""Latent agreement (Crabbé & van der Schaar, 2022): do the units of a latent code look at the same pixels?

    S_j = |a(f_j, x)|, one map a unit; of every two units, image by image, then the mean:

    pearson    of the values of their maps, -1/(d − 1) … 1         spearman   of their order
    cosine     0 … 1
    entropy    mean over pixels of −Σ_j p_j ln p_j, p_j = S_j / Σ_i S_i:  0 each pixel is one unit's, ln d all share it
    active     mean over pixels of #{j : p_j > 1/d + tolerance}:  1 where each pixel is one unit's, 0 where all share it

Neither high nor low is good in itself. Identical maps have 1, maps on disjoint pixels -1/(d − 1) at the least. Pixels
at which every map is zero have no shares, and units whose map is the same everywhere no correlation: left out.

`weighted=true` multiplies each map by its unit's value, as the authors' code does; correlations of one image do not
notice. Their numbers pool the pixels of all images instead, so that images with large values decide, and count units
by > 1/d alone, where rounding decides between equals: `Streamed` gives those, a batch at a time.

>>> one_hot = torch.eye(3).view(1, 3, 3)
>>> same = torch.ones(1, 3, 1) * torch.tensor([1.0, 2.0, 3.0])
>>> [(round(alike(s, "pearson").item(), 6), active(s).item()) for s in (one_hot, same)]
[(-0.5, 1.0), (1.0, 0.0)]
>>> [round(entropy(s).item(), 4) for s in (one_hot, same)]
[0.0, 1.0986]
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import BadQuestion
from pellucid.explainers import Explainer, IntegratedGradients
from pellucid.explanation import explain
from pellucid.maths.pooled import Pooled, off_diagonal
from pellucid.maths.similarity import _ranks, _varied
from pellucid.metrics._base import Between, Case, Metric
from pellucid.questions.similarity import Similarity
from pellucid.questions.unit import Unit

By = Literal["pearson", "spearman", "cosine", "entropy", "active"]
Pairs = Literal["pearson", "spearman", "cosine"]
TOLERANCE = 1e-6


def units_alike(maps: Float[Tensor, "n d p"], by: Pairs) -> Float[Tensor, "n d d"]:
    """Of every two units of each image; NaN where one of them has no direction."""
    flat = maps.double().flatten(0, 1)
    x = _ranks(flat) if by == "spearman" else flat
    x = x if by == "cosine" else x - x.mean(1, keepdim=True)
    known = flat.abs().amax(1) > 0 if by == "cosine" else _varied(flat)
    x = torch.where(known[:, None], x / x.norm(dim=1, keepdim=True), torch.nan).view(maps.shape)
    return (x @ x.mT).clamp(-1, 1)


def alike(maps: Float[Tensor, "n d p"], by: Pairs) -> Float[Tensor, " n"]:
    """The mean over all pairs of units."""
    return off_diagonal(units_alike(maps, by))


def shares(maps: Float[Tensor, "n d p"]) -> Float[Tensor, "n d p"]:
    """Each unit's part of every pixel; NaN where nobody has any."""
    maps = maps.double()
    return maps / maps.sum(1, keepdim=True)


def entropy(maps: Float[Tensor, "n d p"]) -> Float[Tensor, " n"]:
    """Of the shares, in nats, mean over the pixels."""
    return pixel_entropy(maps).nanmean(1)


def active(maps: Float[Tensor, "n d p"], tolerance: float = TOLERANCE) -> Float[Tensor, " n"]:
    """How many units have more than an even share, mean over the pixels."""
    return pixel_active(maps, tolerance).nanmean(1)


def pixel_entropy(maps: Float[Tensor, "n d p"]) -> Float[Tensor, "n p"]:
    part = shares(maps)
    return -torch.where(part == 0, 0.0, part * part.log()).sum(1)


def pixel_active(maps: Float[Tensor, "n d p"], tolerance: float) -> Float[Tensor, "n p"]:
    part = shares(maps)
    return torch.where(part[:, 0].isnan(), torch.nan, (part > 1 / maps.shape[1] + tolerance).double().sum(1))


class Streamed:
    """The numbers over all pixels of all images, as published, from batches: memory does not grow with the images but
    for spearman's, which ranks them together and keeps every `thin`-th pixel."""

    def __init__(self, tolerance: float = TOLERANCE, thin: int = 1) -> None:
        self.tolerance, self.thin = tolerance, thin
        self.pooled = Pooled()
        self.kept: list[Tensor] = []
        self.sums = {by: [0.0, 0] for by in ("cosine", "entropy", "active")}

    def add(self, maps: Float[Tensor, "n d p"]) -> None:
        """Absolute maps of some more images."""
        flat = maps.detach().movedim(1, 0).flatten(1)
        start = -self.pooled.count % self.thin
        self.pooled.add(flat)
        self.kept.append(flat[:, start :: self.thin].float().cpu())
        self._count("cosine", off_diagonal(units_alike(maps, "cosine")))
        self._count("entropy", pixel_entropy(maps))
        self._count("active", pixel_active(maps, self.tolerance))

    def _count(self, by: str, values: Tensor) -> None:
        known = values[~values.isnan()]
        self.sums[by] = [self.sums[by][0] + float(known.sum()), self.sums[by][1] + known.numel()]

    def matrix(self, by: Literal["pearson", "spearman"] = "pearson") -> Float[Tensor, "d d"]:
        """Of every two units."""
        if by == "pearson":
            return self.pooled.correlation()
        return units_alike(torch.cat(self.kept, 1)[None], "spearman")[0]

    def value(self, by: By) -> float:
        """One number of all."""
        if by == "pearson" or by == "spearman":
            return float(off_diagonal(self.matrix(by)))
        total, count = self.sums[by]
        return total / count if count else float("nan")


class LatentAgreement(Metric, name="latent-agreement", paper="arXiv:2203.01928"):
    """Do the units of a latent code look at the same pixels?"""

    scores = "model"
    better = None
    quick = {"explainer": "gradient", "units": (0, 1, 2)}
    cite = Similarity.cite

    by: By = "pearson"
    explainer: Explainer = IntegratedGradients()
    units: tuple[Annotated[int, Between(0)], ...] | None = None
    weighted: bool = False
    tolerance: Annotated[float, Between(0)] = TOLERANCE

    def score(self, case: Case) -> Tensor:
        maps = case.once(("maps of units", self.but(by="pearson", tolerance=0.0)), lambda: self.maps(case)).flatten(2)
        if self.by == "entropy":
            return entropy(maps)
        return active(maps, self.tolerance) if self.by == "active" else alike(maps, self.by)

    def maps(self, case: Case) -> Float[Tensor, "n d ..."]:
        """Absolute, one a unit."""
        d = case.output.flatten(1).shape[1]
        units = range(d) if self.units is None else self.units
        if len(units) < 2:
            raise BadQuestion(f"{self.name} compares units, and there is {len(units)}; give a code of several.")
        s, batch = case.subject, case.batch
        e = explain(
            s.model, batch.whole, self.explainer, [Unit(i) for i in units],
            batch_size=case.rows, seed=s.seed, input=batch.key, output=s.output, channels=batch.channels or None,
        )  # fmt: skip
        maps = e.maps.abs()
        if not self.weighted:
            return maps
        assert e.value is not None
        return maps * e.value.abs().view(*maps.shape[:2], *[1] * (maps.ndim - 2))

    @property
    def card(self) -> dict[str, str]:
        scored = "times the unit's value" if self.weighted else "as they are"
        return super().card | {"scored": f"absolute maps of units, {scored}", "step": "image by image"}

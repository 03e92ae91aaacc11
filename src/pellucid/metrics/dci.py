"""Disentanglement, completeness, informativeness, DCI (Eastwood & Williams, 2018).

    R_ij             how much unit i matters to whoever foretells factor j from all units
    disentanglement  D_i = 1 − H(R_i· / Σ_j R_ij) / ln f     does a unit tell one thing? mean by weight Σ_j R_ij / Σ R
    completeness     C_j = 1 − H(R_·j / Σ_i R_ij) / ln d     is a factor told by one unit?
    informativeness  I_j = R², or the accuracy where values have no order, on samples not seen: is it told at all?

`by` is who foretells: a random forest (its impurity importances) or the lasso (the absolute weights, units scaled to
variance 1; linear; a class is coded as its number), both of scikit-learn. Every third sample is held out. Forests give
some importance to units of pure noise, so that D and C of a perfect code stay a little under 1.

>>> disentanglement(torch.tensor([[1.0, 0.0], [1.0, 1.0]])).tolist()
[1.0, 0.0]
>>> [round(c, 4) for c in completeness(torch.tensor([[1.0, 0.0], [1.0, 1.0]])).tolist()]
[0.0, 1.0]
"""

from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.metrics._apart import OfCodes, classes_of
from pellucid.metrics._base import Between

HELD_OUT = 3  # every third sample


def disentanglement(importance: Float[Tensor, "d f"]) -> Float[Tensor, " d"]:
    """Of every unit; NaN of one that matters to nothing."""
    return _purity(importance)


def completeness(importance: Float[Tensor, "d f"]) -> Float[Tensor, " f"]:
    """Of every factor."""
    return _purity(importance.T)


def weighted(importance: Float[Tensor, "d f"]) -> Float[Tensor, ""]:
    """Disentanglement of the whole code: units count as they matter, constant factors not at all."""
    told = importance[:, ~importance.isnan().any(0)]
    return (told.sum(1) / told.sum() * disentanglement(told)).nansum()


def _purity(rows: Tensor) -> Tensor:
    """1 − H / ln m of each row's shares; of rows with one column 1."""
    share = rows / rows.sum(1, keepdim=True)
    entropy = -torch.where(share > 0, share * share.log(), torch.where(share.isnan(), torch.nan, 0.0)).sum(1)
    return 1 - entropy / max(torch.tensor(rows.shape[1]).log().item(), 1e-12)


class DCI(OfCodes, name="dci"):
    """Does a unit tell one thing, is each thing told by one unit, and is it told at all?"""

    cite = """
@inproceedings{eastwood2018framework,
  title     = {A Framework for the Quantitative Evaluation of Disentangled Representations},
  author    = {Eastwood, Cian and Williams, Christopher K. I.},
  booktitle = {International Conference on Learning Representations},
  year      = {2018},
}"""

    part: Literal["disentanglement", "completeness", "informativeness"] = "disentanglement"
    by: Literal["forest", "lasso"] = "forest"
    trees: Annotated[int, Between(1)] = 50
    seed: int = 0

    def rated(self, codes: Tensor, factors: Tensor, ordered: list[bool]) -> Tensor:
        """One number a factor; of disentanglement one a unit."""
        importance, known = self.importance(codes, factors, ordered)
        told = importance[:, ~known.isnan()]
        if self.part == "disentanglement":
            return disentanglement(told)
        return completeness(importance) if self.part == "completeness" else known

    def overall(self, codes: Tensor, factors: Tensor, ordered: list[bool]) -> Tensor:
        """The mean; of disentanglement, units that matter more count for more."""
        if self.part != "disentanglement":
            return super().overall(codes, factors, ordered)
        return weighted(self.importance(codes, factors, ordered)[0])

    def importance(
        self, codes: Float[Tensor, "n d"], factors: Shaped[Tensor, "n f"], ordered: list[bool]
    ) -> tuple[Float[Tensor, "d f"], Float[Tensor, " f"]]:
        """R, each factor's a share of 1, or 0 where no unit tells it, and what is foretold of samples not seen; NaN of
        factors that never change."""
        found = [self._foretold(codes, *classes_of(v), v, o) for v, o in zip(factors.T, ordered, strict=True)]
        columns, known = zip(*found, strict=True)
        return torch.stack(columns, 1), codes.new_tensor(known)

    def _foretold(
        self, codes: Tensor, classes: Tensor, count: int, values: Tensor, ordered: bool
    ) -> tuple[Tensor, float]:
        if count < 2:
            return torch.full_like(codes[0], torch.nan), torch.nan
        wanted = (values.double() if ordered else classes).cpu()
        if len(codes) < 2 * HELD_OUT:
            raise BadInput(f"dci holds out every third sample, and there are {len(codes)}; give many more.")
        held = torch.arange(len(codes)) % HELD_OUT == HELD_OUT - 1
        centred = codes - codes.mean(0)
        x = (centred / centred.square().mean(0).sqrt().clamp_min(1e-12)).cpu()
        oracle = self._oracle(ordered).fit(x[~held].numpy(), wanted[~held].numpy())
        weights = oracle.feature_importances_ if self.by == "forest" else oracle.coef_
        r = torch.as_tensor(weights, dtype=torch.float64).abs().to(codes.device)
        return r / (r.sum() or 1), float(oracle.score(x[held].numpy(), wanted[held].numpy()))

    def _oracle(self, ordered: bool) -> Any:
        """Who foretells a factor."""
        if self.by == "lasso":
            from sklearn.linear_model import LassoCV

            return LassoCV(cv=3, random_state=self.seed)
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        forest: Any = RandomForestRegressor if ordered else RandomForestClassifier
        return forest(self.trees, random_state=self.seed, max_features=None, min_samples_leaf=5)

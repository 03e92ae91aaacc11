"""AUC: how likely is a pixel of the object to be higher than one beside it?

    AUC = P(M_p > M_q) + P(M_p = M_q) / 2,   p on the object, q not    = (Σ_{p ∈ object} rank_p − a (a + 1) / 2) / (a b)

with a pixels on the object, b beside it, and equal values sharing their ranks. The area under the ROC curve of the map
as a detector of the object: 1 is best, 0.5 what a map scores that knows nothing, whatever the object's size. Only the
order counts. Pixels that nobody can say anything about (255) are left out. It is undefined (NaN) without an object,
without anything beside it, and for a map of zeros.

A wide background makes it kind: with an object of 5 % of the image, a map that finds another 5 % first has 0.95. Read
`relevance-rank` beside it.

>>> auc(torch.tensor([[[3.0, 2.0, 2.0, 0.0]]]), torch.tensor([[[1, 1, 0, 0]]], dtype=torch.uint8)).tolist()
[0.875]
"""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from pellucid.metrics._base import Case, Metric
from pellucid.metrics._objects import Truth, counted, objects, says_something


def auc(maps: Float[Tensor, "n h w"], masks: Bool[Tensor, "n h w"] | UInt8[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """By ranks, ties half."""
    known = counted(masks)
    mine, values = (masks == 1).flatten(1), torch.where(known, maps, torch.inf).flatten(1)
    ascending = values.sort(1).values  # what does not count comes last, above every rank that does
    lower, upper = (torch.searchsorted(ascending, values, right=right) for right in (False, True))
    ranks = torch.where(mine, (lower + upper + 1).double() / 2, 0.0).sum(1)
    a = mine.sum(1).double()
    b = known.flatten(1).sum(1) - a
    area = (ranks - a * (a + 1) / 2) / (a * b)
    return torch.where((a > 0) & (b > 0) & says_something(maps, known), area, torch.nan)


class AUC(Metric, name="auc"):
    """How likely is a pixel of the object to be higher than one beside it?"""

    facts = {"ties": "half", "ignored pixels": "left out"}

    truth: Truth = "masks"

    @property
    def needs(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (self.truth,)

    def score(self, case: Case) -> Tensor:
        return auc(case.map, objects(case, self.truth))

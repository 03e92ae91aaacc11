"""IoU: how well does the highest part of the map cover the object, and nothing else?

    IoU = |P ∩ object| / |P ∪ object|,   P the |object| highest pixels,   or {p : M_p ≥ threshold · max M}

Higher is better. Without a threshold the map is given the object's size, and only the order of its pixels counts. Equal
values are taken together in part, and with R the share of P on the object the rest is arithmetic: IoU = R / (2 − R). So
it orders maps of one image as `relevance-rank` does. A map that knows nothing of an object that covers a of the image
scores a / (2 − a).

`threshold=0.5` is the usual convention, relative to the highest pixel: it asks for the right size too, and depends on
what the values mean. Pixels that nobody can say anything about (255) are left out. It is undefined (NaN) without an
object and for a map of zeros; with a threshold, where nothing is above zero.

>>> maps, masks = torch.tensor([[[3.0, 2.0, 1.0, 0.0]]]), torch.tensor([[[1, 0, 1, 0]]], dtype=torch.uint8)
>>> iou(maps, masks).mul(3).tolist(), iou(maps, masks, 0.2).mul(3).tolist()
([1.0], [2.0])
"""

from typing import Annotated

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from pellucid.metrics._base import Between, Case, Metric
from pellucid.metrics._objects import Truth, counted, objects
from pellucid.metrics.relevance_rank import relevance_rank


def iou(
    maps: Float[Tensor, "n h w"],
    masks: Bool[Tensor, "n h w"] | UInt8[Tensor, "n h w"],
    threshold: float | None = None,
) -> Float[Tensor, " n"]:
    """Of the object's size, or above a share of the highest value."""
    if threshold is None:
        share = relevance_rank(maps, masks)
        return share / (2 - share)
    mine, values = masks == 1, torch.where(counted(masks), maps, -torch.inf)
    peak = values.amax((1, 2))
    top = values >= threshold * peak[:, None, None]
    both, either = ((top & mine).sum((1, 2)), (top | mine).sum((1, 2)))
    return torch.where(mine.flatten(1).any(1) & (peak > 0), both.double() / either, torch.nan)


class IoU(Metric, name="iou"):
    """How well does the highest part of the map cover the object, and nothing else?"""

    facts = {"ignored pixels": "left out"}

    threshold: Annotated[float, Between(0, 1)] | None = None  # a share of the highest value
    truth: Truth = "masks"

    @property
    def needs(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (self.truth,)

    def score(self, case: Case) -> Tensor:
        return iou(case.map, objects(case, self.truth), self.threshold)

    @property
    def card(self) -> dict[str, str]:
        sized = self.threshold is None
        return super().card | {"part": "as many of the highest pixels as the object has, ties in part"
                               if sized else "pixels of at least threshold x the highest value"}  # fmt: skip

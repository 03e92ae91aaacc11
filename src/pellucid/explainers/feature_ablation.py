"""Feature ablation: what does the answer lose without this part of the image?

    M(p) = score(x) − score(x without the segment of p)

One forward a segment: a grid of `cells` × `cells` rectangles, superpixels, or segments of your own, as a tensor [h, w]
of whole numbers or a function of an image (`_segments.py`). A removed segment becomes the `baseline`, by default 0 of
the model's space: the mean colour of normalised images. The loss is of the question's own value. Segments are removed
one at a time, so what either of two says alone is not missed: of two dogs, neither. Every pixel says the loss of its
whole segment, unless `share` divides it by the segment's pixels: then the map of an additive model sums to
score(x) − score(baseline).

>>> feature_ablation(torch.tensor([3.0]), torch.tensor([[1.0, 2.5]]), torch.tensor([[[0, 0, 1]]]))
tensor([[[2.0000, 2.0000, 0.5000]]])
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.explainers._segments import Draw, SegmentExplainer, spread


def feature_ablation(
    whole: Float[Tensor, " n"], without: Float[Tensor, "n k"], labels: Int[Tensor, "n h w"], share: bool = False
) -> Float[Tensor, "n h w"]:
    """From the answers to the whole images and to each without one of its segments."""
    return spread(whole[:, None] - without, labels, share)


class FeatureAblation(SegmentExplainer, name="feature-ablation"):
    """What does the answer lose without this part of the image?"""

    cost = "segments · F"
    quick = {"cells": 2}

    def draw(self, segments: int, chance: torch.Generator) -> Draw:
        return ~torch.eye(segments, dtype=torch.bool), torch.ones(segments, dtype=torch.float64)

    def solve(self, there: Tensor, weights: Tensor, answers: Tensor, whole: Tensor) -> Tensor:
        return whole[:, None] - answers

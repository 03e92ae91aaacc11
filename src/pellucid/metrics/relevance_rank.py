"""Relevance rank accuracy (Arras et al., 2022): of the K highest pixels, how many lie on the object of K pixels?

    R = |top_K ∩ object| / K,   K = |object|

Higher is better: 1 if the object's pixels are the highest, whatever their values; a map that knows nothing scores the
share of the image that the object covers. Only the order of the pixels counts, so signed maps are taken as they are.
Equal values are taken together in part: of m equal pixels for r places each is in with r / m, so nothing depends on
where in the image they are. Pixels that nobody can say anything about (255) are left out. It is undefined (NaN) without
an object and for a map of zeros.

>>> relevance_rank(torch.tensor([[[3.0, 2.0, 2.0, 0.0]]]), torch.tensor([[[1, 1, 0, 0]]], dtype=torch.uint8)).tolist()
[0.75]
"""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from pellucid.metrics._base import Case, Metric
from pellucid.metrics._objects import Truth, counted, objects, says_something


def relevance_rank(
    maps: Float[Tensor, "n h w"], masks: Bool[Tensor, "n h w"] | UInt8[Tensor, "n h w"]
) -> Float[Tensor, " n"]:
    """Of as many of the highest pixels as the object has, the share on the object."""
    known = counted(masks)
    mine, values = (masks == 1).flatten(1), torch.where(known, maps, -torch.inf).flatten(1)
    size = mine.sum(1)
    last = values.sort(1, descending=True).values.gather(1, (size - 1).clamp_min(0)[:, None])
    above, level = values > last, values == last
    places = (size - above.sum(1)).double() / level.sum(1)
    found = ((above & mine).sum(1) + (level & mine).sum(1) * places) / size
    return torch.where((size > 0) & says_something(maps, known), found, torch.nan)


class RelevanceRank(Metric, name="relevance-rank", paper="arXiv:2003.07258"):
    """Of as many of the highest pixels as the object has, how many lie on it?"""

    facts = {"ties": "in part", "ignored pixels": "left out"}
    cite = """
@article{arras2022clevrxai,
  title   = {{CLEVR-XAI}: A Benchmark Dataset for the Ground Truth Evaluation of Neural Network Explanations},
  author  = {Arras, Leila and Osman, Ahmed and Samek, Wojciech},
  journal = {Information Fusion},
  volume  = {81},
  pages   = {14--40},
  year    = {2022},
}"""

    truth: Truth = "masks"

    @property
    def needs(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (self.truth,)

    def score(self, case: Case) -> Tensor:
        return relevance_rank(case.map, objects(case, self.truth))

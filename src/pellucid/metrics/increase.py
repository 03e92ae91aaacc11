"""Increase in confidence (Chattopadhay et al., 2018): is the model surer when the image is seen through its map?

    1 if p̃ > p, else 0,   p̃ the probability of the explained class in the masked image

Higher is better; masked in the same way as average drop (the table is in `_masked.py`). The mean over samples is what
papers print, times 100.

>>> increase(torch.tensor([0.5, 0.5]), torch.tensor([0.75, 0.5])).tolist()
[1.0, 0.0]
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.metrics._base import Case, Metric
from pellucid.metrics._masked import HOW, seen_through
from pellucid.metrics.average_drop import AverageDrop


def increase(intact: Float[Tensor, " n"], masked: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """NaN where either probability is."""
    return torch.where(intact.isnan() | masked.isnan(), torch.nan, (masked > intact).to(intact))


class Increase(Metric, name="increase", paper="arXiv:1710.11063"):
    """Is the model surer of the class when the image is seen through its map?"""

    classes = True
    good = "gradient:channels=abs"
    cite = AverageDrop.cite

    protocol: Literal["sound", "published"] = "sound"

    def score(self, case: Case) -> Tensor:
        return increase(*seen_through(case, self.protocol))

    @property
    def card(self) -> dict[str, str]:
        return super().card | HOW[self.protocol] | {"scored": "probability of the explained class"}

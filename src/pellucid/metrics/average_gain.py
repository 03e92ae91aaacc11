"""Average gain (Zhang et al., 2024): how much confidence is won when the image is seen through its map?

    max(0, p̃ − p) / (1 − p),   p̃ the probability of the explained class in the masked image

Higher is better; the other half of average drop, masked in the same way (the table is in `_masked.py`). It is formed
in float64, because 1 − p of a sure model is not there in float32; where it is zero all the same, NaN.

>>> average_gain(torch.tensor([0.5, 0.5]), torch.tensor([0.75, 0.2])).tolist()
[0.5, 0.0]
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.metrics._base import Case, Metric
from pellucid.metrics._masked import HOW, seen_through


def average_gain(intact: Float[Tensor, " n"], masked: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """NaN where there is no confidence to win."""
    return (masked - intact).clamp_min(0) / (1 - intact)


class AverageGain(Metric, name="average-gain", paper="arXiv:2301.07002"):
    """How much confidence is won when the image is seen through its map?"""

    classes = True
    good = "gradient:channels=abs"
    cite = """
@article{zhang2024opticam,
  title   = {{Opti-CAM}: Optimizing saliency maps for interpretability},
  author  = {Zhang, Hanwei and Torres, Felipe and Sicre, Ronan and Avrithis, Yannis and Ayache, Stephane},
  journal = {Computer Vision and Image Understanding},
  year    = {2024},
}"""

    protocol: Literal["sound", "published"] = "sound"

    def score(self, case: Case) -> Tensor:
        return average_gain(*seen_through(case, self.protocol))

    @property
    def card(self) -> dict[str, str]:
        return super().card | HOW[self.protocol] | {"scored": "probability of the explained class"}

"""Average drop (Chattopadhay et al., 2018): how much confidence is lost when the image is seen through its map?

    max(0, p − p̃) / p,   p̃ the probability of the explained class in the masked image

Lower is better; the mean over samples is what papers print, times 100. The mask and what it masks to, in `sound` and
as `published`, are in one table in `_masked.py`. `protocol=grad-cam` is pytorch-grad-cam's DropInConfidence: masked
as published, and not divided by p. Read it beside deletion: a map that is one almost everywhere loses nothing (Poppi
et al., 2021).

>>> average_drop(torch.tensor([0.8, 0.5]), torch.tensor([0.2, 0.7])).tolist()
[0.75, 0.0]
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.metrics._base import Case, Metric
from pellucid.metrics._masked import HOW, seen_through


def average_drop(intact: Float[Tensor, " n"], masked: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """NaN where there is no confidence to lose."""
    return (intact - masked).clamp_min(0) / intact


class AverageDrop(Metric, name="average-drop", paper="arXiv:1710.11063"):
    """How much confidence is lost when the image is seen through its map?"""

    better = "lower"
    classes = True
    cite = """
@inproceedings{chattopadhay2018gradcampp,
  title     = {{Grad-CAM++}: Generalized Gradient-Based Visual Explanations for Deep Convolutional Networks},
  author    = {Chattopadhay, Aditya and Sarkar, Anirban and Howlader, Prantik and Balasubramanian, Vineeth N.},
  booktitle = {IEEE Winter Conference on Applications of Computer Vision},
  year      = {2018},
}"""

    protocol: Literal["sound", "published", "grad-cam"] = "sound"

    def score(self, case: Case) -> Tensor:
        intact, masked = seen_through(case, "sound" if self.protocol == "sound" else "published")
        return (intact - masked).clamp_min(0) if self.protocol == "grad-cam" else average_drop(intact, masked)

    @property
    def card(self) -> dict[str, str]:
        share = "absolute" if self.protocol == "grad-cam" else "of the intact probability"
        way = HOW["sound" if self.protocol == "sound" else "published"]
        return super().card | way | {"scored": "probability of the explained class", "drop": share}

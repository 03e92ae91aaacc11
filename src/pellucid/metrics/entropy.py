"""Entropy of a map: is the evidence for the answer in one place, or everywhere?

    E = −Σ_i P_i ln P_i / ln N,   P_i = a_i / Σ_j a_j,   a = max(M, 0), or |M| with of=absolute

0 where one pixel has everything, 1 where all N pixels weigh the same. Neither way is better: evidence should be as wide
as what it is evidence of. Between the units of an encoder, or between two models, it says whose maps are wider, in
images of any size: it is divided by ln N (`scaled=false`: in nats). A map without evidence has no score, nor has
one of a single pixel. Of all values, signs aside, and not scaled, it is `complexity`.

>>> maps = torch.tensor([[[1.0, 0.0, -5.0, 1.0]], [[2.0, 0.0, 0.0, 0.0]], [[-1.0, 0.0, 0.0, 0.0]]])
>>> entropy(maps, "positive", True).tolist()
[0.5, 0.0, nan]
"""

from math import log
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.metrics._base import Case, Metric
from pellucid.metrics.complexity import complexity

Part = Literal["positive", "absolute"]


def entropy(maps: Float[Tensor, "n h w"], of: Part, scaled: bool) -> Float[Tensor, " n"]:
    """That of the map's shares, in nats or of the most there can be."""
    nats = complexity(maps.relu() if of == "positive" else maps)
    most = log(maps[0].numel())
    return nats * (1 / most if most else torch.nan) if scaled else nats


class Entropy(Metric, name="entropy"):
    """Is the evidence for the answer in one place, or everywhere?"""

    better = None
    facts = {"zero map": "undefined"}

    of: Part = "positive"
    scaled: bool = True

    def score(self, case: Case) -> Tensor:
        return entropy(case.map, self.of, self.scaled)

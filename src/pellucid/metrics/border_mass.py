"""Border mass: how much of what the map says lies at the image's border, where there is seldom anything?

    B = Σ_{p ∈ frame} M⁺_p / Σ_p M⁺_p,   the frame: `share` of each side's length at each of its ends

Lower is better, for photographs of a thing in the middle. It needs nothing to be known of the image, and finds maps
that padding, not the picture, has drawn. A uniform map scores 1 − (1 − 2 share)²: 0.36 for a tenth, of any size,
because a pixel that the frame cuts counts in part. Of a signal the frame is its two ends: 0.2. It is undefined (NaN)
where the map says nothing for the class.

>>> border_mass(torch.ones(1, 7, 5), 0.1).mul(100).round().tolist()
[36.0]
"""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.metrics._base import Between, Case, Metric
from pellucid.metrics._objects import coverage


def border_mass(maps: Float[Tensor, "n h w"], share: float) -> Float[Tensor, " n"]:
    """Of the positive mass, what lies in the frame; a side of one pixel has none."""
    h, w = maps.shape[1:]
    y, x = (share * side if side > 1 else 0.0 for side in (h, w))
    inner = torch.tensor([[x, y, w - x, h - y]], dtype=torch.float64, device=maps.device)
    mass, frame = maps.double().relu(), 1 - coverage(inner, (h, w))[0]
    return (mass * frame).sum((1, 2)) / mass.sum((1, 2))


class BorderMass(Metric, name="border-mass"):
    """How much of what the map says lies at the image's border?"""

    better = "lower"
    facts = {"mass": "values above zero"}

    share: Annotated[float, Between(0.001, 0.499)] = 0.1

    def score(self, case: Case) -> Tensor:
        return border_mass(case.map, self.share)

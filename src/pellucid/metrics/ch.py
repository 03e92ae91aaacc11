"""Content heat-map (Pillai & Pirsiavash, 2021): how much of what the map says lies in the boxes of the class?

    CH = Σ_{p ∈ boxes} M⁺_p / Σ_p M⁺_p,   M⁺ = max(M, 0),   the boxes of the explained class together

Higher is better. A map that knows nothing scores the share of the image that the boxes cover: read it against that. It
is undefined (NaN) without a box and where the map says nothing for the class. A pixel is in a box if its centre is.

`published` is the code of GCC and CGC: M⁺ / (Σ M⁺ + 1e-8) + 1e-8. So a map of zeros, which it means to skip, becomes a
uniform one and scores the area of the boxes. It adds the 1e-8 to the cells of a Grad-CAM; here they are added to the
pixels of the map, which at 224 × 224 moves a score by up to 0.05 %. Both papers give images whole, the shorter side 448
pixels, and the class of the first object: that is a matter of the data, not of the metric.

>>> inside = torch.tensor([[[True, False, False, False]]])
>>> ch(torch.tensor([[[3.0, 1.0, 0.0, -4.0]]]), inside).tolist()
[0.75]
>>> zeros = torch.zeros(1, 1, 4)
>>> ch(zeros, inside).tolist(), ch(with_floor(zeros), inside).tolist()
([nan], [0.25])
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.maths.masks import share_inside
from pellucid.metrics._base import Case, Metric
from pellucid.metrics._objects import objects


def ch(maps: Float[Tensor, "n h w"], inside: Bool[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Of the positive mass, the share inside."""
    return share_inside(maps, inside)


def with_floor(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """As the published code normalises: clipped, of sum 1, and 1e-8 everywhere."""
    mass = maps.double().relu()
    return mass / (mass.sum((1, 2), keepdim=True) + 1e-8) + 1e-8


class CH(Metric, name="ch", paper="doi:10.1609/aaai.v35i3.16344"):
    """How much of what the map says lies in the boxes of the class?"""

    needs = ("boxes",)
    facts = {"mass": "values above zero", "object": "pixels whose centre lies in a box of the class"}
    cite = """
@inproceedings{pillai2021explainable,
  title     = {Explainable Models with Consistent Interpretations},
  author    = {Pillai, Vipin and Pirsiavash, Hamed},
  booktitle = {Proceedings of the AAAI Conference on Artificial Intelligence},
  volume    = {35},
  number    = {3},
  pages     = {2431--2439},
  year      = {2021},
}"""

    protocol: Literal["sound", "published"] = "sound"

    def score(self, case: Case) -> Tensor:
        maps = with_floor(case.map) if self.protocol == "published" else case.map
        return ch(maps, objects(case, "boxes"))

    @property
    def card(self) -> dict[str, str]:
        zero = "1e-8 at every pixel" if self.protocol == "published" else "undefined"
        return super().card | {"map of zeros": zero}

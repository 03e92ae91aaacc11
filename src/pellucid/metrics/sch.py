"""Segmentation content heat-map (Bartak et al., 2024): how much of what the map says lies on the object itself?

    SCH = Σ_{p ∈ object} M⁺_p / Σ_p M⁺_p,   M⁺ = max(M, 0)

Higher is better; a map that knows nothing scores the share of the image that the object covers. The object is what the
explained class covers, in all its instances: other classes are background, and pixels that nobody can say anything
about (255) are left out of both sums. It is undefined (NaN) without an object and where the map says nothing.

`reproduction` is the code of the LICO reproduction study: the map stretched to [0, 1] in 8 bits, divided by its
sum + 1e-5, and everything that the mask marks is the object, ignored pixels too. A map of zeros scores 0. The study
turned Grad-CAM into bytes at 7 × 7 and then enlarged it, bicubic; from a map of the image's size that is gone.
`grid=[7,7]` reads the map at the cells' centres and does the same again, which comes to within 0.01 of the study's
number (a mean over the cells would not: it flattens the peaks). Its masks also held the objects of other classes, which
a mask of one class does not.

>>> maps, masks = torch.tensor([[[3.0, 1.0, 4.0, -2.0]]]), torch.tensor([[[1, 0, 255, 0]]], dtype=torch.uint8)
>>> sch(maps, masks).tolist()
[0.75]
>>> sch_reproduced(maps, masks).mul(100).round().tolist()
[88.0]
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from pellucid.errors import BadKnob
from pellucid.maths.maps import resize
from pellucid.maths.masks import share_inside
from pellucid.metrics._base import Between, Case, Metric

Cells = Annotated[int, Between(1)]


def sch(maps: Float[Tensor, "n h w"], masks: UInt8[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Of the positive mass on pixels that count, the share on the object."""
    return share_inside(maps, masks)


def sch_reproduced(
    maps: Float[Tensor, "n h w"], masks: UInt8[Tensor, "n h w"], grid: tuple[int, int] | None = None
) -> Float[Tensor, " n"]:
    """As the reproduction study computes it."""
    shares = eight_bits(maps, grid)
    return (shares * (masks != 0)).sum((1, 2))


def eight_bits(maps: Float[Tensor, "n h w"], grid: tuple[int, int] | None = None) -> Float[Tensor, "n h w"]:
    """The study's maps: clipped, stretched, cut down to bytes, enlarged from a grid if there is one, of sum 1."""
    coarse = (maps if grid is None else resize(maps, grid)).relu()
    raised = coarse - coarse.amin((1, 2), keepdim=True)
    values = (raised / (raised.amax((1, 2), keepdim=True) + 1e-8) * 255).floor()
    if grid is not None:
        for size in ((grid[0], maps.shape[2]), tuple(maps.shape[1:])):  # in bytes after each side, as pictures are
            values = interpolate(values[:, None], size, mode="bicubic", antialias=True)[:, 0].round().clamp(0, 255)
    values = values.double() / 255
    return values / (values.sum((1, 2), keepdim=True) + 1e-5)


class SCH(Metric, name="sch"):
    """How much of what the map says lies on the object itself?"""

    needs = ("masks",)
    cite = """
@article{bartak2024reproducibility,
  title   = {Reproducibility Study of ``Languange-Image {COnsistency}''},
  author  = {Bartak, Patrik and Szewczyk, Konrad and Vlasenko, Mikhail and Shi, Fanmin},
  journal = {Transactions on Machine Learning Research},
  year    = {2024},
}"""

    protocol: Literal["sound", "reproduction"] = "sound"
    grid: tuple[Cells, Cells] | None = None  # of the map before it was enlarged: rows, columns

    def check(self) -> None:
        if self.grid is not None and self.protocol == "sound":
            raise BadKnob("the knob grid of sch goes with protocol=reproduction; write it, or leave out grid.")

    def score(self, case: Case) -> Tensor:
        assert case.masks is not None
        if self.protocol == "reproduction":
            return sch_reproduced(case.map, case.masks, self.grid)
        return sch(case.map, case.masks)

    @property
    def card(self) -> dict[str, str]:
        sound = self.protocol == "sound"
        return super().card | {
            "mass": "values above zero" if sound else "values above zero, stretched to [0, 1], in 8 bits",
            "ignored pixels": "left out" if sound else "the object",
            "map of zeros": "undefined" if sound else "0",
        }

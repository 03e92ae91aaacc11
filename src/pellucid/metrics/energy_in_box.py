"""Energy-based pointing game (Wang et al., 2020): how much of the map's energy lies in the boxes of the class?

    E = Σ_{p ∈ boxes} L_p / Σ_p L_p,   L = (M − min M) / (max M − min M)

Higher is better; a map that knows nothing scores about the share of the image that the boxes cover. It is undefined
(NaN) without a box and for a constant map.

It is `ch` but for the zero: here that is the lowest pixel, wherever it lies. A map with a floor under it (a cluttered
one, all of whose pixels say something) loses the floor, and in a signed map what speaks against the class counts for it
unless nothing speaks more against it. `scale=positive` leaves the zero where it is, drops what is below, and is `ch`.

`published` is the authors' function, which takes the corners (x, y) as (row, column): the box is mirrored at the
diagonal, which is the same thing only for a square box on the diagonal. The paper leaves out images with several boxes
of the class, or where the box covers more than half of the image.

>>> inside = torch.tensor([[[True, False, False, False]]])
>>> maps = torch.tensor([[[4.0, 2.0, 1.0, 1.0]]])
>>> energy_in_box(maps, inside, "min-max").tolist(), energy_in_box(maps, inside, "positive").tolist()
([0.75], [0.5])
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.maths.maps import unit_range
from pellucid.maths.masks import inside_boxes, share_inside
from pellucid.metrics._base import Case, Metric
from pellucid.metrics._objects import objects

Scale = Literal["min-max", "positive"]


def energy_in_box(maps: Float[Tensor, "n h w"], inside: Bool[Tensor, "n h w"], scale: Scale) -> Float[Tensor, " n"]:
    """Of the energy, the share inside."""
    return share_inside(unit_range(maps) if scale == "min-max" else maps, inside)


class EnergyInBox(Metric, name="energy-in-box", paper="arXiv:1910.01279"):
    """How much of the map's energy lies in the boxes of the class?"""

    needs = ("boxes",)
    cite = """
@inproceedings{wang2020scorecam,
  title     = {Score-{CAM}: Score-Weighted Visual Explanations for Convolutional Neural Networks},
  author    = {Wang, Haofan and Wang, Zifan and Du, Mengnan and Yang, Fan and Zhang, Zijian and Ding, Sirui and
               Mardziel, Piotr and Hu, Xia},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition Workshops},
  year      = {2020},
}"""

    protocol: Literal["sound", "published"] = "sound"
    scale: Scale = "min-max"

    def score(self, case: Case) -> Tensor:
        assert case.boxes is not None
        inside = objects(case, "boxes")
        if self.protocol == "published":
            inside = torch.stack([inside_boxes(one[:, [1, 0, 3, 2]], case.size) for one in case.boxes])
        return energy_in_box(case.map, inside, self.scale)

    @property
    def card(self) -> dict[str, str]:
        return super().card | {
            "mass": "values above the lowest" if self.scale == "min-max" else "values above zero",
            "object": "pixels whose centre lies in a box of the class",
        }

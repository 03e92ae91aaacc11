"""Multi-object salience uniformity (Bartak et al., 2024): does every object of the class get its share of the map?

    MOSU = KL(area ‖ salience) = Σ_k a_k ln(a_k / s_k),   s_k = (mass in box k) / (mass in all boxes),   a_k its area

Lower is better; 0 if the mass goes with the area, natural logarithm. It says nothing about what lies outside the boxes:
read `ch` beside it. It is undefined (NaN) for fewer than two boxes, and where no mass lies in any.

Boxes are in pixels of the input, moved as the image was: `pl.data` does that. They are cut off at the image's edges,
and a box of which nothing is left is left out. A pixel that a box cuts counts in part, so a uniform map scores exactly
0. A pixel in several boxes is shared out equally among them, in mass and in area: it counts once. A millionth of the
mass is spread over the boxes by area, for else an object that the map leaves out would be infinitely bad: of two equal
ones it is 6.2.

`published` is the code of the reproduction study: KL(salience ‖ area), the other way round than its report has it;
masses of the map in 8 bits (as `sch:protocol=reproduction`) plus 1e-6; whole pixels, coordinates cut off after the
point; what lies in two boxes counts twice; a box of no area makes it infinite, and a map of zeros gets a number. The
code also scaled boxes by 224/W and 224/H although the image was cropped, and took those of any class: that is a matter
of the boxes that are given.

>>> map, boxes = torch.tensor([[9.0, 1.0]]), torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 2.0, 1.0]])
>>> [round(float(one(map, boxes)), 3) for one in (mosu, mosu_published)]
[0.511, 0.693]
>>> round(float(divergence(torch.tensor([0.9, 0.1]), torch.tensor([0.5, 0.5]))), 3)
0.368
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import BadKnob
from pellucid.metrics._base import Case, Metric
from pellucid.metrics._objects import coverage
from pellucid.metrics.sch import SCH, eight_bits


def mosu(map: Float[Tensor, "h w"], boxes: Float[Tensor, "k 4"], reverse: bool = False) -> Float[Tensor, ""]:
    """KL(area ‖ salience) over the objects of one image; reverse: the other way round."""
    parts = coverage(boxes.double(), (map.shape[0], map.shape[1]))
    parts = parts[parts.sum((1, 2)) > 0]
    if len(parts) < 2:
        return torch.full((), torch.nan, device=map.device)
    parts = parts / parts.sum(0).clamp_min(1)
    area, salience = parts.sum((1, 2)), (parts * map.double().relu()).sum((1, 2))
    area, salience = area / area.sum(), salience / salience.sum()
    salience = (salience + 1e-6 * area) / (1 + 1e-6)
    return divergence(salience, area) if reverse else divergence(area, salience)


def mosu_published(map: Float[Tensor, "h w"], boxes: Float[Tensor, "k 4"]) -> Float[Tensor, ""]:
    """KL(salience ‖ area), as the reproduction study computes it."""
    if len(boxes) < 2:
        return torch.full((), torch.nan, device=map.device)
    shares, corners = eight_bits(map[None])[0], boxes.long().tolist()
    inside = [shares[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)].sum() for x0, y0, x1, y1 in corners]
    salience = torch.stack(inside) + 1e-6
    area = torch.tensor([(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in corners]).to(salience)
    return divergence(salience / salience.sum(), area / area.sum())


def divergence(p: Float[Tensor, " k"], q: Float[Tensor, " k"]) -> Float[Tensor, ""]:
    """KL(p ‖ q) in nats."""
    return (p * (p / q).log()).sum().clamp_min(0)


class MOSU(Metric, name="mosu"):
    """Does every object of the class get its share of the map?"""

    better = "lower"
    needs = ("boxes",)
    cite = SCH.cite

    protocol: Literal["sound", "published"] = "sound"
    reverse: bool = False  # of the sound one: KL(salience ‖ area), which is milder with what is left out

    def check(self) -> None:
        if self.reverse and self.protocol == "published":
            raise BadKnob("mosu as published is reversed already; leave out reverse, or protocol=published.")

    def score(self, case: Case) -> Tensor:
        assert case.boxes is not None
        found = [self._of_one(map, boxes) for map, boxes in zip(case.map, case.boxes, strict=True)]
        return torch.stack(found)

    def _of_one(self, map: Tensor, boxes: Tensor) -> Tensor:
        return mosu(map, boxes, self.reverse) if self.protocol == "sound" else mosu_published(map, boxes)

    @property
    def card(self) -> dict[str, str]:
        sound = self.protocol == "sound"
        to_area = self.reverse or not sound
        return super().card | {
            "divergence": "KL(salience | area) in nats" if to_area else "KL(area | salience) in nats",
            "mass": "values above zero" if sound else "values above zero, stretched to [0, 1], in 8 bits",
            "floor": "1e-6 of the mass, by area" if sound else "1e-6 to every box",
            "overlaps": "shared out" if sound else "counted in every box",
        }

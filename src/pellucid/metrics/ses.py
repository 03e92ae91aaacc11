"""Salience equivariance similarity, SES (Bartak et al., 2024): does the map follow when the image is moved?

    SES = mean over t of cos(t(M(x)), M(t(x))),   t: crop and resize, and a mirror in half of the draws

Higher is better. The crops are those of Contrastive Grad-CAM Consistency (Pillai et al., 2022), which trains for it.
The trivial optimum is a map that is the same everywhere, and has 1: read it beside a metric of place, as ch or sch.
Maps without a sign start high: uniform noise has 3/4.

The draws t depend on the seed and the image's size alone, are shared by all images, and are replayed to the pixel on
the map. by=crop is a box of 8 to 100 % of the area, of sides 3 : 4 to 4 : 3, resized to the whole, and mirrored in half
of the draws; flip mirrors; translate shifts by up to an eighth of each side, repeats the border, and compares only what
was in view before; all is translate, then crop. Resizing is bilinear with half-pixel centres, for image and map; no box
is larger than the image, so there is nothing to be anti-aliased. A signal is one pixel high.

`sound` takes signed maps as they are. A map that is zero, or zero in the part that is seen, has no direction: that draw
is left out, and a sample without any is NaN. `published` first stretches each map to [0, 1] at the image's size, and a
zero map then has 0; its one draw an image has no seed, and it explains the label's class.

>>> maps = torch.tensor([[[3.0, 4.0]]])
>>> View((0, 0), (0, 0, 1, 2), True, (1, 2))(maps[:, None]).tolist(), ses(maps, maps.flip(2)).tolist()
([[[[4.0, 3.0]]]], [0.96])
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from pellucid.maths.maps import unit_range
from pellucid.maths.similarity import cosine
from pellucid.metrics._base import Between, Case, Curved

By = Literal["crop", "flip", "translate", "all"]
SCALE, RATIO, SHIFT = (0.08, 1.0), (3 / 4, 4 / 3), 1 / 8


def ses(moved: Float[Tensor, "n h w"], of_moved: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """cos(t(M(x)), M(t(x)))"""
    return cosine(moved, of_moved)


@dataclass(frozen=True)
class View:
    """One way of moving an image: a shift down and right, then a box in pixels, its size, and a mirror."""

    shift: tuple[int, int]
    box: tuple[int, int, int, int]  # top, left, height, width
    mirror: bool
    size: tuple[int, int]

    def __call__(self, x: Tensor) -> Tensor:
        """[n, c, h, w] -> [n, c, h, w]"""
        top, left, height, width = self.box
        rows, columns = (torch.arange(side, device=x.device) - by for side, by in zip(self.size, self.shift))
        shifted = x[:, :, rows.clamp(0, self.size[0] - 1)][..., columns.clamp(0, self.size[1] - 1)]
        cut = shifted[..., top : top + height, left : left + width]
        if (height, width) != self.size:
            half = x.dtype in (torch.float16, torch.bfloat16)
            cut = interpolate(cut.float() if half else cut, size=self.size, mode="bilinear").to(x)
        return cut.flip(-1) if self.mirror else cut

    def inside(self, like: Tensor) -> Tensor:
        """[h, w], true where only pixels of the image are seen, not its repeated border."""
        rows, columns = (torch.arange(side) - by for side, by in zip(self.size, self.shift))
        known = ((rows >= 0) & (rows < self.size[0]))[:, None] & (columns >= 0) & (columns < self.size[1])
        still = View((0, 0), self.box, self.mirror, self.size)
        return (still(known.double()[None, None])[0, 0] > 1 - 1e-9).to(like.device)


def draw(by: By, size: tuple[int, int], generator: torch.Generator) -> View:
    """A view by chance."""
    shift, box, mirror = (0, 0), (0, 0, *size), by == "flip"
    if by in ("translate", "all"):
        most = [int(side * SHIFT) for side in size]
        shift = tuple(int(torch.randint(-m, m + 1, (), generator=generator)) for m in most)
    if by in ("crop", "all"):
        box = _box(size, generator)
        mirror = float(torch.rand((), generator=generator)) < 0.5
    return View((shift[0], shift[1]), box, mirror, size)


def _box(size: tuple[int, int], generator: torch.Generator) -> tuple[int, int, int, int]:
    """Of a random area and ratio of sides, where one of ten tries fits; else all of the image that the ratios allow."""
    for _ in range(10):
        area, ratio, down, across = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        area = (SCALE[0] + area * (SCALE[1] - SCALE[0])) * size[0] * size[1]
        ratio = math.exp(math.log(RATIO[0]) + ratio * math.log(RATIO[1] / RATIO[0]))
        if size[0] == 1:
            height, width = 1, round(area)
        else:
            height, width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < height <= size[0] and 0 < width <= size[1]:
            return int(down * (size[0] - height + 1)), int(across * (size[1] - width + 1)), height, width
    height, width = min(size[0], round(size[1] / RATIO[0])), min(size[1], round(size[0] * RATIO[1]))
    return (size[0] - height) // 2, (size[1] - width) // 2, height, width


class SES(Curved, name="ses"):
    """Does the map follow when the image is cropped, mirrored or shifted?"""

    scores = "explainer"
    good = "edges"
    quick = {"samples": 2, "by": "translate"}
    cite = """
@article{bartak2024reproducibility,
  title   = {Reproducibility Study of "Languange-Image COnsistency"},
  author  = {Bartak, Patrik and Szewczyk, Konrad and Vlasenko, Mikhail and Shi, Fanmin},
  journal = {Transactions on Machine Learning Research},
  year    = {2024},
}"""

    by: By = "crop"
    samples: Annotated[int, Between(1)] = 5
    protocol: Literal["sound", "published"] = "sound"
    seed: int | None = None

    def score(self, case: Case) -> Tensor:
        return self.trace(case).nanmean(1)

    def trace(self, case: Case) -> Tensor:
        """[n, samples]: one number a draw."""
        return case.once_here(self.but(curve=False), lambda: self._draws(case))

    def _draws(self, case: Case) -> Tensor:
        return torch.stack([self._alike(case, view) for view in self.views(case)], 1)

    def views(self, case: Case) -> list[View]:
        """The draws; a mirror leaves nothing to draw."""
        generator = case.generator(self.seed)
        return [draw(self.by, case.size, generator) for _ in range(1 if self.by == "flip" else self.samples)]

    def _alike(self, case: Case, view: View) -> Tensor:
        x = case.images
        moved = view(x.view(*x.shape[:2], *case.size)).view(x.shape)
        before, after = case.map, case.again(moved).view_as(case.map)
        if self.protocol == "published":
            before, after = unit_range(before), unit_range(after)
        seen = view.inside(before)
        found = ses(torch.where(seen, view(before[:, None])[:, 0], 0), torch.where(seen, after, 0))
        return found.nan_to_num(0) if self.protocol == "published" else found

    @property
    def card(self) -> dict[str, str]:
        stretched = self.protocol == "published"
        return super().card | {
            "moved": f"by {self.by}; boxes of {SCALE[0]:.0%} to {SCALE[1]:.0%}, shifts up to 1/8, bilinear",
            "map": "stretched to [0, 1]; 0 where it is zero" if stretched else "signed; undefined where it is zero",
        }

"""Pointing game (Zhang et al., 2016): does the highest point of the map lie on the object?

    score = |{p ∈ P : p near the object}| / |P|,   P the pixels that the map points at

                P                           near the object               255             mean over
    sound       all of the highest          on it                         never in P      samples
    torchray    the first of the highest    closer than 15 pixels         not the object  classes
    paper       the first of the highest    on it                         not the object  samples
    quantus     any of the highest          on it; no object is a hit     the object      samples

Higher is better: 1 a hit, 0 a miss, and between them in `sound` where several pixels are the highest. So a constant map
hits as often as the object is large. A map of zeros points nowhere and is undefined (NaN), as is every map of an image
without an object; the others take its first pixel. First is in reading order.

`truth` says what the object is, boxes or masks. `paper` is table 8 of LICO, with boxes; it does not say which pixel of
several it takes, nor what the mean is over. `tolerance` is in pixels of the map, and strict: with 15, a distance of
exactly 15 is a miss. TorchRay measures in pixels of the original image, with masks on COCO and boxes on VOC, and counts
a class that does not occur as 0. `quantus` counts an image without an object as a hit, by mistake.

`points=100` draws pixels instead, with the map's positive part as their density: the stochastic pointing game of GCC,
which is `torchray` then, over samples, with GCC's 1e-8 at every pixel. The same uniform numbers serve all images. In
`sound` its expectation is the share of the mass on the object, `ch`, without chance.

>>> maps, masks = torch.tensor([[[0.0, 5.0, 5.0, 1.0]]]), torch.tensor([[[True, True, False, False]]])
>>> pointing_game(highest(maps), masks).tolist(), pointing_game(first(maps), masks).tolist()
([0.5], [1.0])
>>> near(masks, 2).int().tolist(), near(masks, 2.1).int().tolist()
([[[1, 1, 1, 0]]], [[[1, 1, 1, 1]]])
"""

from math import ceil, isqrt
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import one_hot, pad

from pellucid.errors import BadKnob
from pellucid.metrics._base import Between, Case, Metric
from pellucid.metrics._objects import Truth, counted, objects, says_something
from pellucid.metrics.ch import with_floor


def pointing_game(pointed: Float[Tensor, "n h w"], near: Bool[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Of the pixels that a map points at, the share near the object; NaN where it points at none."""
    return (pointed * near).sum((1, 2)) / pointed.sum((1, 2))


def highest(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """1 at the highest pixels."""
    return (maps == maps.amax((1, 2), keepdim=True)).to(maps)


def first(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """1 at the first of the highest pixels."""
    return one_hot(maps.flatten(1).argmax(1), maps[0].numel()).view_as(maps).to(maps)


def drawn(mass: Float[Tensor, "n h w"], numbers: Float[Tensor, " points"]) -> Float[Tensor, "n h w"]:
    """How often each pixel is drawn, by these uniform numbers; never where there is no mass."""
    below = mass.flatten(1).double().cumsum(1)
    total = below[:, -1:]
    places = torch.searchsorted(below / total, numbers.expand(len(mass), -1).contiguous(), right=True)
    ones = torch.ones_like(places, dtype=mass.dtype)
    counts = torch.zeros_like(mass.flatten(1)).scatter_add_(1, places.clamp_max(below.shape[1] - 1), ones)
    return torch.where(total > 0, counts, 0.0).view_as(mass)


def near(objects: Bool[Tensor, "n h w"], tolerance: float) -> Bool[Tensor, "n h w"]:
    """The pixels on the object, or closer to one of its pixels than the tolerance."""
    found, (h, w) = objects.clone(), objects.shape[1:]
    before, x = pad(objects.cumsum(2), (1, 0)), torch.arange(w, device=objects.device)
    for rows in range(min(ceil(tolerance), h)):
        reach = isqrt(ceil(tolerance**2 - rows**2) - 1)  # so many columns to either side, so many rows away
        hit = before[..., (x + reach + 1).clamp_max(w)] > before[..., (x - reach).clamp_min(0)]
        found[:, rows:] |= hit[:, : h - rows]
        found[:, : h - rows] |= hit[:, rows:]
    return found


class PointingGame(Metric, name="pointing-game", paper="arXiv:1608.00507"):
    """Does the highest point of the map lie on the object?"""

    cite = """
@inproceedings{zhang2016topdown,
  title     = {Top-down Neural Attention by Excitation Backprop},
  author    = {Zhang, Jianming and Lin, Zhe and Brandt, Jonathan and Shen, Xiaohui and Sclaroff, Stan},
  booktitle = {European Conference on Computer Vision},
  year      = {2016},
}"""

    protocol: Literal["sound", "torchray", "paper", "quantus"] = "sound"
    truth: Truth = "boxes"
    tolerance: Annotated[float, Between(0)] | None = None  # none: as the protocol has it
    points: Annotated[int, Between(1)] | None = None  # none: the highest
    seed: int | None = None  # of the points

    def check(self) -> None:
        if self.points is not None and self.protocol in ("paper", "quantus"):
            raise BadKnob(
                f"the knob points of pointing-game goes with protocol=sound or torchray, not {self.protocol}; choose "
                f"one of them, or leave out points."
            )

    @property
    def needs(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (self.truth,)

    @property
    def average(self) -> Literal["samples", "classes"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return "classes" if self.protocol == "torchray" and self.points is None else "samples"

    def score(self, case: Case) -> Tensor:
        truth = objects(case, self.truth)
        mine = truth != 0 if self.protocol == "quantus" else truth == 1
        found = pointing_game(self._pointed(case, counted(truth)), near(mine, self._distance))
        if self.protocol == "quantus":
            return torch.where(mine.flatten(1).any(1), found.sign(), 1.0)
        return torch.where(mine.flatten(1).any(1), found, torch.nan)

    def _pointed(self, case: Case, known: Tensor) -> Tensor:
        maps = case.map
        if self.points is not None:
            mass = with_floor(maps) if self.protocol == "torchray" else torch.where(known, maps.relu(), 0.0)
            numbers = torch.rand(self.points, generator=case.generator(self.seed), dtype=torch.float64)
            return drawn(mass, numbers.to(maps.device))
        if self.protocol == "sound":
            places = highest(torch.where(known, maps, -torch.inf))
            return places * says_something(maps, known)[:, None, None]
        return highest(maps) if self.protocol == "quantus" else first(maps)

    @property
    def _distance(self) -> float:
        return self.tolerance if self.tolerance is not None else 15.0 if self.protocol == "torchray" else 0.0

    @property
    def card(self) -> dict[str, str]:
        which = {"sound": "all of the highest, in part", "quantus": "any of the highest"}
        return super().card | {
            "pointed at": "drawn from the map" if self.points else which.get(self.protocol, "the first of the highest"),
            "near": f"closer than {self._distance:g} pixels" if self._distance else "on the object",
            "average": self.average,
        }

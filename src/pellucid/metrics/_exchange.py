"""Exchanging pixels, the most important ones first: what insertion and deletion share, and the ways of doing it.

    A = area under p_t(x_s),   s = 0 … S,   over [0, 1]

                   step              blurred image                     scored class    ties        area
    sound          1/28 of all       Gaussian, σ 5 px at 224,          explained       first       trapezoid / S
                                     reflected borders
    rise           224 pixels        11 × 11, σ 5, nearly flat,        predicted       last        trapezoid / S
                                     zeros beyond the border
    group-cam      448 pixels        51 × 51, σ 50, the same way       predicted       last        trapezoid / S
    paper          3.6 % of all      as rise                           predicted       first       trapezoid / S
    published      1792 pixels       as rise                           predicted       last        trapezoid / S
    reproduction   922 pixels (10    torchvision's, 9 × 9, σ 5         the label       first       trapezoid / (S + 1),
                   up to 64 × 64)                                                                  no last score

`sound` exchanges for the data's mean colour in deletion, the others for zeros, which are the same thing in images
normalised by their own data. Pixel counts are those of 224 × 224 images and go with the number of pixels. A map that is
the same everywhere orders nothing: in `sound` it has no score.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from pellucid.maths.blur import gaussian_blur
from pellucid.maths.curves import area, equal_steps, exchanged, steps_of
from pellucid.metrics._base import Case, Curved

Dialect = Literal["sound", "rise", "group-cam", "paper", "reproduction", "published"]
Filling = Literal["mean", "zeros", "blur"]
Scored = Literal["explained", "predicted", "label"]

FULL = 224 * 224


@dataclass(frozen=True)
class Way:
    """One way of doing it."""

    step: str
    blur: str
    scored: Scored
    ties: Literal["first", "last"]
    fill: Filling = "zeros"


WAYS: dict[Dialect, Way] = {
    "sound": Way("1/28 of the pixels", "gaussian 5/224 of the side, reflected", "explained", "first", "mean"),
    "rise": Way("224 pixels of 50176", "11 x 11 nearly flat, zeros outside", "predicted", "last"),
    "group-cam": Way("448 pixels of 50176", "51 x 51 nearly flat, zeros outside", "predicted", "last"),
    "paper": Way("3.6 % of the pixels", "11 x 11 nearly flat, zeros outside", "predicted", "first"),
    "published": Way("1792 pixels of 50176", "11 x 11 nearly flat, zeros outside", "predicted", "last"),
    "reproduction": Way("922 pixels of 50176, 10 up to 64 x 64", "9 x 9 gaussian of 5", "label", "first"),
}


class Exchange(Curved):
    """Abstract: the curve while pixels are exchanged, and its area. `scored` none: as the protocol has it."""

    classes = True

    protocol: Dialect = "sound"
    scored: Scored | None = None

    @property
    def needs(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return ("labels",) if (self.scored or self._way.scored) == "label" else ()

    def ends(self, case: Case) -> tuple[Tensor, Tensor]:
        """The images that the curve begins and ends with."""
        raise NotImplementedError

    def score(self, case: Case) -> Tensor:
        y = self.trace(case)
        a = area(y) if y.shape[1] > 1 else y[:, 0]
        return a * (y.shape[1] - 1) / y.shape[1] if self.protocol == "reproduction" else a

    def trace(self, case: Case) -> Tensor:
        """[n, s]: the probability after every step."""
        return case.once_here(self.but(curve=False), lambda: self._curve(case))

    def _curve(self, case: Case) -> Tensor:
        start, end = self.ends(case)
        counts = torch.tensor(self.counts(case.size), device=start.device)
        rank = case.rank(self._way.ties == "last").view(case.n, *start.shape[2:])
        classes, whole = self._classes(case), case.size[0] * case.size[1]
        intact = {0 if start is case.images else None, whole if end is case.images else None}
        known = torch.tensor([count in intact for count in counts.tolist()], device=start.device)
        steps = counts[~known]

        def make(i: Tensor, s: Tensor) -> Tensor:
            return exchanged(start[i], end[i], rank[i], steps[s])

        y = torch.empty(case.n, len(counts), device=start.device)
        y[:, known] = case.probability(case.output, classes)[:, None].to(y)  # the intact image is not asked again
        if len(steps):
            y[:, ~known] = case.scan(len(steps), make, lambda o, i: case.probability(o, classes[i])).to(y)
        if self.protocol == "sound":
            flat = case.map.flatten(1)
            y[flat.amax(1) == flat.amin(1)] = torch.nan
        return y

    def counts(self, size: tuple[int, int]) -> list[int]:
        """How many pixels are exchanged at each score."""
        pixels = size[0] * size[1]
        if self.protocol == "sound":
            return equal_steps(pixels, 28)
        if self.protocol == "paper":
            return steps_of(pixels, 0.036 * pixels)
        if self.protocol == "reproduction":
            return steps_of(pixels, 10 if pixels <= 64 * 64 else max(1, round(922 * pixels / FULL)))[:-1]
        share = {"rise": 224, "group-cam": 448, "published": 1792}[self.protocol] / FULL
        return steps_of(pixels, max(1, round(share * pixels)))

    @property
    def _way(self) -> Way:
        return WAYS[self.protocol]

    def _classes(self, case: Case) -> Tensor:
        scored = self.scored or self._way.scored
        return {"explained": lambda: case.target, "predicted": lambda: case.predicted, "label": lambda: _own(case)}[
            scored
        ]()

    # --- what pixels are exchanged for -----------------------------------------------------------------------------

    def filled(self, case: Case, fill: Filling) -> Tensor:
        """Images without content."""
        if fill == "blur":
            return case.once(("exchange", self._way.blur), lambda: self._blurred(case))
        colour = case.mean_colour() if fill == "mean" else torch.zeros(1, *[1] * (case.images.ndim - 1))
        return colour.to(case.images).expand_as(case.images)

    def _blurred(self, case: Case) -> Tensor:
        x = case.images
        if self.protocol == "sound":
            return gaussian_blur(x, 5 * min(case.size if x.ndim > 3 else x.shape[-1:]) / 224)
        if self.protocol == "reproduction":
            return _convolved(x, _truncated(9, 5.0, x), "reflect")
        wide, sigma = (51, 50.0) if self.protocol == "group-cam" else (11, 5.0)
        return _convolved(x, _nearly_flat(wide, sigma, x), "constant")

    @property
    def card(self) -> dict[str, str]:
        way = self._way
        return super().card | {
            "step": way.step,
            "blur": way.blur,
            "scored": f"probability of the {self.scored or way.scored} class",
            "ties": f"{way.ties} pixel first",
            "area": "trapezoids / (S + 1), without the last score" if self.protocol == "reproduction" else "trapezoids",
        }


def _own(case: Case) -> Tensor:
    """The labels; -1 where the model has no such class."""
    return torch.where(case.label < case.chances(case.output).shape[1], case.label, -1)


def _nearly_flat(wide: int, sigma: float, like: Tensor) -> Tensor:
    """[wide]: what is left of a point that is blurred in a field so small, as SciPy does it: a Gaussian cut off at 4 σ
    and folded back at the borders until it is nearly flat."""
    reach = int(4 * sigma + 0.5)
    place = (torch.arange(-reach, reach + 1) + wide // 2) % (2 * wide)
    folded = torch.where(place < wide, place, 2 * wide - 1 - place)
    return torch.zeros(wide, dtype=torch.float64).index_add_(0, folded, _gaussian(reach, sigma)).to(like)


def _gaussian(reach: int, sigma: float) -> Tensor:
    """[2 reach + 1], with sum one."""
    weights = (-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2).exp()
    return weights / weights.sum()


def _truncated(wide: int, sigma: float, like: Tensor) -> Tensor:
    """[wide]: a Gaussian cut off at both ends."""
    return _gaussian(wide // 2, sigma).to(like)


def _convolved(x: Tensor, kernel: Tensor, border: Any) -> Tensor:
    """Every channel by itself, along every axis."""
    for axis in range(2, x.ndim):
        lines = x.movedim(axis, -1)
        shape, half = lines.shape, len(kernel) // 2
        flat = lines.reshape(-1, 1, shape[-1])
        padded = torch.nn.functional.pad(flat, (half, half), mode=border)
        x = torch.nn.functional.conv1d(padded, kernel[None, None]).view(shape).movedim(-1, axis)
    return x

"""ROAD, remove and debias (Rong et al., 2022): how does the answer fall without the pixels, or a trace of them?

    Σ_j w_ij (x_i − x_j) = 0   for every removed pixel i, over its up to eight neighbours j
    w = 1/6 beside, above and below, 1/12 at the corners;   then noise · N(0, 1)

A removed pixel is the weighted mean of its neighbours, removed or not: the image is smooth where pixels are missing,
so that the model cannot read the shape of what was taken away. With p_k the probability without k percent:

    order=morf       mean_k (p − p_k), the most important removed first        higher is better
    order=lerf       mean_k (p − p_k), the least important removed first       lower is better
    order=combined   half of what lerf keeps more than morf                    higher is better

Removed are exactly k percent of the pixels, of equal values the first (least important first: the last). A map that
is the same everywhere orders nothing: NaN. The noise is in units of the images as the model sees them, one draw for
all.

pytorch-grad-cam says by `percentile` what is kept when the most important go, so that its 20 is our 80; it removes
all pixels that tie at the threshold, and returns −drop. Its ROADCombined over percentages that are symmetric about
50, as ours are, is the same number. Quantus takes its score from the first batch alone, and refuses images of three
channels.

>>> x = torch.tensor([[[[0.0, 9.0, 3.0]]]])
>>> imputed(x, torch.tensor([[[False, True, False]]])).round(decimals=4).tolist()
[[[[0.0, 1.5, 3.0]]]]
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.maths.curves import ranks
from pellucid.metrics._base import Better, Between, Case, Metric
from pellucid.metrics._removal import SCORED, Follows, followed

TOLERANCE = 1e-6  # of the residual, relative to the right-hand side
Order = Literal["combined", "morf", "lerf"]


def imputed(images: Float[Tensor, "n c *s"], gone: Bool[Tensor, "n *s"]) -> Float[Tensor, "n c *s"]:
    """The removed pixels solved for by conjugate gradients, every image and channel by itself, in float64."""
    shape = (1, *images.shape[2:]) if images.ndim == 3 else images.shape[2:]
    x, gone = images.double().view(*images.shape[:2], *shape), gone.view(len(images), 1, *shape)
    kept = torch.where(gone, 0.0, x)
    weight = spread(torch.ones(shape, dtype=x.dtype, device=x.device))

    def apply(v: Tensor) -> Tensor:
        return torch.where(gone, weight * v - spread(v), 0.0)

    wanted = torch.where(gone, spread(kept), 0.0)
    level = kept.sum((2, 3), keepdim=True) / (~gone).sum((2, 3), keepdim=True)
    guess = torch.where(gone, level, 0.0)
    return (kept + _solved(apply, wanted, guess)).to(images).view_as(images)


def spread(v: Float[Tensor, "*n h w"]) -> Float[Tensor, "*n h w"]:
    """The weighted sum of every pixel's neighbours, zero beyond the border: (1 2 1)ᵀ(1 2 1) / 12 less its centre."""
    total = v
    for axis in (-1, -2):
        side, line = total.shape[axis], 2 * total
        line.narrow(axis, 1, side - 1).add_(total.narrow(axis, 0, side - 1))
        line.narrow(axis, 0, side - 1).add_(total.narrow(axis, 1, side - 1))
        total = line
    return total / 12 - v / 3


def _solved(apply: Callable[[Tensor], Tensor], wanted: Tensor, v: Tensor) -> Tensor:
    """Conjugate gradients; a system that is solved stands still while others go on, so none knows of the rest."""
    rest = wanted - apply(v)
    enough = TOLERANCE**2 * _dot(wanted, wanted)
    way, size = rest.clone(), _dot(rest, rest)
    for _ in range(wanted[0, 0].numel()):
        open_ = size > enough
        if not bool(open_.any()):
            break
        along = apply(way)
        alpha = torch.where(open_, size / _dot(way, along), 0.0)
        v, rest = v + alpha * way, rest - alpha * along
        new = _dot(rest, rest)
        way = rest + torch.where(open_, new / size, 0.0) * way
        size = torch.where(open_, new, size)
    return v


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((2, 3), keepdim=True)


class ROAD(Metric, name="road", paper="arXiv:2202.00449"):
    """How does the answer fall without the important pixels, and without a trace of what was removed?"""

    classes = True
    quick = {"percent": (50.0,)}
    cite = """
@inproceedings{rong2022consistent,
  title     = {A Consistent and Efficient Evaluation Strategy for Attribution Methods},
  author    = {Rong, Yao and Leemann, Tobias and Borisov, Vadim and Kasneci, Gjergji and Kasneci, Enkelejda},
  booktitle = {International Conference on Machine Learning},
  year      = {2022},
}"""

    percent: tuple[Annotated[float, Between(0, 99)], ...] = (20.0, 40.0, 60.0, 80.0)
    order: Order = "combined"
    noise: Annotated[float, Between(0)] = 0.01
    follows: Follows = "probability"
    seed: int | None = None

    @property
    def better(self) -> Better:
        return "lower" if self.order == "lerf" else "higher"

    def score(self, case: Case) -> Tensor:
        if self.order == "combined":
            return (self._fall(case, "morf") - self._fall(case, "lerf")) / 2
        return self._fall(case, self.order)

    def _fall(self, case: Case, order: Order) -> Tensor:
        """[n]: the mean drop, made once for the three orders."""
        key = self.but(order=order)
        return case.once_here(("drop", key), lambda: key._drop(case))

    def _drop(self, case: Case) -> Tensor:
        pixels = case.map[0].numel()
        place = ranks(case.map if self.order == "morf" else -case.map, self.order == "lerf")
        place = place.view(case.n, *case.images.shape[2:])
        counts = torch.tensor([min(round(p * pixels / 100), pixels - 1) for p in self.percent], device=place.device)
        noise = torch.randn(case.images.shape[1:], generator=case.generator(self.seed)).to(case.images)
        clean, read = followed(case, self.follows)

        def make(i: Tensor, s: Tensor) -> Tensor:
            gone = place[i] < counts[s].view(-1, *[1] * (place.ndim - 1))
            filled = imputed(case.images[i], gone)
            return torch.where(gone[:, None], filled + self.noise * noise, filled)

        fall = clean - case.scan(len(counts), make, read).mean(1)
        flat = case.map.flatten(1)
        return torch.where(flat.amax(1) > flat.amin(1), fall, torch.nan)

    @property
    def card(self) -> dict[str, str]:
        return super().card | {
            "empty": f"noisy linear imputation, noise {self.noise:g} of the model's space",
            "step": f"{', '.join(f'{p:g}' for p in self.percent)} percent of the pixels",
            "scored": SCORED[self.follows],
            "order": self.order,
            "ties": "the first pixel first",
        }

"""Similarity: how alike two maps are, sample by sample, in float64.

pearson    Σ (a − ā)(b − b̄) / (‖a − ā‖ ‖b − b̄‖)         spearman   pearson of the ranks, equal values sharing theirs
cosine     Σ a b / (‖a‖ ‖b‖)                            top_k      the part that the k strongest pixels have in common
ssim       mean of (2 μ_a μ_b + c₁)(2 σ_ab + c₂) / ((μ_a² + μ_b² + c₁)(σ_a² + σ_b² + c₂)) under a Gaussian window,
           c₁ = 0.01², c₂ = 0.03², both maps stretched to [0, 1] first

Undefined is NaN: a map that is the same everywhere has no order, no correlation and no structure, and a zero map no
direction.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.maths.maps import unit_range


def pearson(a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """
    >>> pearson(torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[5.0, 3.0, 1.0]]])).tolist()
    [-1.0]
    """
    return torch.where(_varied(a) & _varied(b), _correlation(_flat(a), _flat(b)), torch.nan)


def spearman(a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Only the order counts.

    >>> spearman(torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[-1.0, 0.0, 99.0]]])).tolist()
    [1.0]
    """
    return torch.where(_varied(a) & _varied(b), _correlation(_ranks(_flat(a)), _ranks(_flat(b))), torch.nan)


def cosine(a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """
    >>> cosine(torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[4.0, 3.0]]])).tolist()
    [0.96]
    """
    return _cosine(_flat(a), _flat(b))


def ssim(
    a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"], window: int = 11, sigma: float = 1.5
) -> Float[Tensor, " n"]:
    """Where the window lies wholly in the map; of a smaller map it is the largest odd one that does.

    >>> a = torch.tensor([[[0.0, 1.0]]])  # so small that the window is one pixel, and c₁ / (1 + c₁) is left
    >>> [round(ssim(a, b).item(), 6) for b in (3 * a + 2, 1 - a)]
    [1.0, 0.0001]
    """
    x, y = unit_range(a.double()), unit_range(b.double())
    mean, square, both = (_windowed(m, window, sigma) for m in (torch.cat([x, y]), torch.cat([x * x, y * y]), x * y))
    (mx, my), (vx, vy) = mean.chunk(2), (square - mean * mean).chunk(2)
    light, structure = mx * mx + my * my + 0.01**2, vx + vy + 0.03**2
    index = (2 * mx * my + 0.01**2) * (2 * (both - mx * my) + 0.03**2) / (light * structure)
    return torch.where(_varied(a) & _varied(b), index.flatten(1).mean(1), torch.nan)


def top_k(a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"], k: int) -> Float[Tensor, " n"]:
    """Equal values are taken in part, so that no pixel is preferred for its place.

    >>> a, b = torch.tensor([[[3.0, 2.0, 1.0, 0.0]]]), torch.tensor([[[3.0, 1.0, 2.0, 1.0]]])
    >>> top_k(a, b, 1).tolist(), top_k(a, b, 2).tolist(), top_k(a, a, 3).tolist()
    ([1.0], [0.5], [1.0])
    """
    common = torch.minimum(_among(_flat(a), k), _among(_flat(b), k)).sum(1) / min(k, a[0].numel())
    return torch.where(_varied(a) & _varied(b), common, torch.nan)


def _flat(maps: Tensor) -> Tensor:
    return maps.double().flatten(1)


def _varied(maps: Tensor) -> Tensor:
    """[n]: asked of the values themselves, because the mean of equal numbers is not always that number."""
    return maps.flatten(1).amax(1) > maps.flatten(1).amin(1)


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    a, b = (x / x.abs().amax(1, keepdim=True) for x in (a, b))  # a square of 1e-200 is zero
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    return _cosine(a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)).clamp(-1, 1)


def _ranks(x: Tensor) -> Tensor:
    """[n, p]: the place in ascending order, equal values their mean place."""
    values, order = x.sort(dim=1)
    level = torch.zeros_like(order)
    level[:, 1:] = (values[:, 1:] != values[:, :-1]).cumsum(1)
    places = torch.arange(x.shape[1], device=x.device).to(x).expand_as(x)
    total, count = torch.zeros_like(x), torch.zeros_like(x)
    total.scatter_add_(1, level, places)
    count.scatter_add_(1, level, torch.ones_like(x))
    return torch.empty_like(x).scatter_(1, order, total.gather(1, level) / count.gather(1, level))


def _among(x: Tensor, k: int) -> Tensor:
    """[n, p]: 1 in the k largest values, 0 outside, a part where the last ones are equal."""
    last = x.topk(min(k, x.shape[1]), 1).values[:, -1:]
    above, equal = (x > last).to(x), (x == last).to(x)
    return above + equal * (min(k, x.shape[1]) - above.sum(1, keepdim=True)) / equal.sum(1, keepdim=True)


def _windowed(maps: Tensor, window: int, sigma: float) -> Tensor:
    """Means under a Gaussian window, along both axes."""
    for axis in (1, 2):
        side = min(window, maps.shape[axis])
        side -= 1 - side % 2
        at = torch.arange(side, device=maps.device).to(maps) - side // 2
        weights = (-0.5 * (at / sigma) ** 2).exp()
        left = maps.shape[axis] - side + 1
        whole = maps
        maps = torch.zeros_like(whole.narrow(axis, 0, left))
        for i, w in enumerate(weights / weights.sum()):
            maps += w * whole.narrow(axis, i, left)
    return maps

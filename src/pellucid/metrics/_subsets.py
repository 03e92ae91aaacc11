"""Random subsets: does what a map says of some pixels go with what the model loses without them?

    corr_S( Σ_{i ∈ S} M_i ,  f(x) − f(x without S) ),   |S| the same for all S

The subsets are drawn once for all images, and the model is asked once for all explainers.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.maths.similarity import pearson
from pellucid.metrics._base import Case
from pellucid.metrics._removal import Follows, Into, drops, of_these, without


def subsets(pixels: int, size: int, samples: int, generator: torch.Generator) -> Bool[Tensor, "s p"]:
    """So many subsets of one size, each as likely as any other."""
    order = torch.rand(samples, pixels, generator=generator).argsort(1)
    return torch.zeros(samples, pixels, dtype=torch.bool).scatter_(1, order[:, :size], value=True)


def subset_sums(maps: Float[Tensor, "n h w"], chosen: Bool[Tensor, "s p"]) -> Float[Tensor, "n s"]:
    """What a map says of every subset, less its minimum once a pixel: sizes are equal, so no correlation changes, and a
    map that is the same everywhere gives zeros.

    >>> subset_sums(torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([[True, False, True]])).tolist()
    [[3.0]]
    """
    flat = maps.flatten(1).double()
    return (flat - flat.amin(1, keepdim=True)) @ chosen.double().T


def correlation(said: Float[Tensor, "n s"], drop: Float[Tensor, "n s"]) -> Float[Tensor, " n"]:
    """Pearson's, NaN where either is the same in every subset.

    >>> correlation(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[0.0, 0.1, 0.2]])).round(decimals=4).tolist()
    [1.0]
    """
    return pearson(said[:, None].double(), drop[:, None].double())


def subset_correlations(
    case: Case, shares: Sequence[float], samples: int, into: Into, follows: Follows, seed: int | None
) -> Float[Tensor, "n k"]:
    """For subsets of every size."""
    return torch.stack([_correlation(case, share, samples, into, follows, seed) for share in shares], 1)


def _correlation(case: Case, share: float, samples: int, into: Into, follows: Follows, seed: int | None) -> Tensor:
    pixels = case.map[0].numel()
    size = max(1, round(share * pixels))
    chosen = subsets(pixels, size, samples, case.generator(seed)).to(case.map.device)
    drop = of_these(
        case,
        ("subsets", size, samples, into, seed),
        follows,
        lambda: drops(case, samples, without(case, chosen, into), follows),
    )
    return correlation(subset_sums(case.map, chosen), drop)

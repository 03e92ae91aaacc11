"""Colour: numbers to RGB, on a scale that is said.

Signed maps go to `bwr`, white at zero and symmetric; unsigned ones to `inferno`, dark at zero.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.show.scale import number as number
from pellucid.show.scale import scale_text as scale_text

UNSIGNED = "inferno"
SATURATE = 0.005  # the share of values beyond the ends of a scale


def colours(map: Float[Tensor, "h w"], signed: bool, limit: float) -> UInt8[np.ndarray, "h w 3"]:
    """RGB of one map; ±limit, or 0 to limit, are the ends of the scale.

    >>> import torch
    >>> colours(torch.tensor([[-2.0, 0.0, 1.0]]), signed=True, limit=2.0).tolist()
    [[[0, 0, 255], [255, 255, 255], [255, 128, 128]]]
    """
    values = map.detach().cpu().double().numpy()
    if not np.isfinite(values).all():
        raise BadInput("the map holds NaN or infinite numbers, which have no colour; clean it before showing it.")
    values = values / (limit if limit > 0 else 1.0)
    if signed:  # bwr itself, whose table of 256 has no entry for zero
        rgb = np.stack([1 + values, 1 - np.abs(values), 1 - values], -1).clip(0, 1)
    else:
        from matplotlib import colormaps

        rgb = colormaps[UNSIGNED](values.clip(0, 1))[..., :3]
    return (rgb * 255).round().astype(np.uint8)


def limit_of(maps: Sequence[Tensor], saturate: float = 0.0) -> float:
    """The end of the scale that maps share: the largest absolute value, or the one that a share of them exceeds.

    >>> import torch
    >>> limit_of([torch.tensor([0.0, -3.0]), torch.tensor([1.0, 2.0])])
    3.0
    """
    values = np.concatenate([np.abs(m.detach().float().cpu().numpy()).ravel() for m in maps])
    if not np.isfinite(values).all():
        raise BadInput("the maps hold NaN or infinite numbers, which have no colour; clean them before showing them.")
    # few values above zero (a sparse map) would saturate at nothing
    return float(np.quantile(values, 1 - saturate)) or float(values.max())


def start_of(maps: Sequence[Tensor], signed: bool, limit: float) -> float:
    """Where the scale of maps begins: zero, or the least value of those that are nowhere near it.

    Such are RISE's, means of probabilities: from zero on they would all be of one colour.

    >>> import torch
    >>> [start_of([torch.tensor(values)], False, 0.9) for values in ([0.75, 0.9], [0.25, 0.9])]
    [0.75, 0.0]
    """
    least = min(float(m.min()) for m in maps)
    return least if not signed and limit / 2 < least < 0.999 * limit else 0.0  # what is all but constant stays so

"""Colour: numbers to RGB, on a scale that is said.

Signed maps go to `bwr`, white at zero and symmetric; unsigned ones to `inferno`, dark at zero.
"""

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

SIGNED, UNSIGNED = "bwr", "inferno"


def colours(map: Float[Tensor, "h w"], signed: bool, limit: float) -> UInt8[np.ndarray, "h w 3"]:
    """RGB of one map; ±limit, or 0 to limit, are the ends of the scale."""
    from matplotlib import colormaps

    values = map.detach().cpu().double().numpy() / (limit if limit > 0 else 1.0)
    unit = (values + 1) / 2 if signed else values
    table = colormaps[SIGNED if signed else UNSIGNED]
    return (table(np.clip(np.nan_to_num(unit), 0, 1))[..., :3] * 255).round().astype(np.uint8)


def scale_text(signed: bool, limit: float) -> str:
    """The scale as it is printed under a sheet.

    >>> scale_text(True, 0.0123), scale_text(False, 4)
    ('±0.0123', '0 to 4')
    """
    return f"±{limit:.3g}" if signed else f"0 to {limit:.3g}"

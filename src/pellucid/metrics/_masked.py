"""Masked images: what the model says of an image seen through its map. One forward for average drop, gain and increase.

    x̃ = mean + h ⊙ (x − mean)

                 h                        masked to                  constant map
    sound        max(M, 0) / max M        the data's mean colour     NaN
    published    M stretched to [0, 1]    0 of the model's space     h = 0

In images normalised by their own data the two colours are the same. Stretching (M − min M) / (max M − min M) is what
published code does with maps that are already without negative values; it would show half of what a signed map calls
unimportant. In `sound` a map without a positive value masks nothing for the class and has no score.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.maths.maps import unit_range
from pellucid.metrics._base import Case

HOW = {
    "sound": {"mask": "positive part / maximum", "empty": "the data's mean colour"},
    "published": {"mask": "stretched to [0, 1]", "empty": "0 of the model's space"},
}


def positive_part(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Divided by its maximum; NaN for a map that is the same everywhere, or nowhere positive.

    >>> positive_part(torch.tensor([[[4.0, 2.0, -2.0]], [[1.0, 1.0, 1.0]]])).tolist()
    [[[1.0, 0.5, 0.0]], [[nan, nan, nan]]]
    """
    high, low = maps.amax((1, 2), keepdim=True), maps.amin((1, 2), keepdim=True)
    return torch.where((high > low) & (high > 0), maps.relu() / high, torch.nan)


def seen_through(case: Case, way: Literal["sound", "published"]) -> tuple[Tensor, Tensor]:
    """[n] twice, in float64: the probability of the explained class in the image and in the masked one."""
    return case.once_here(("seen through", way), lambda: _seen_through(case, way))


def _seen_through(case: Case, way: Literal["sound", "published"]) -> tuple[Tensor, Tensor]:
    x = case.images
    mask = (positive_part if way == "sound" else unit_range)(case.map).to(x)
    empty = case.mean_colour().to(x) if way == "sound" else torch.zeros_like(x[:1])
    known, mask = mask.flatten(1).isfinite().all(1), mask.nan_to_num().view(len(x), 1, *x.shape[2:])

    def read(output: Tensor, i: Tensor) -> Tensor:
        return case.probability(output.double(), case.target[i])

    masked = case.scan(1, lambda i, _: torch.lerp(empty.expand_as(x)[i], x[i], mask[i]), read)[:, 0]
    intact = case.probability(case.output.double(), case.target)
    return intact, torch.where(known, masked, torch.nan)

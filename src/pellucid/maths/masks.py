"""Masks: how much of a map lies in an object.

A mask is true in the object; in a mask of whole numbers 1 is the object, 0 the rest, and 255 counts neither way. Where
a map has no positive value that counts, or an object no pixel, the answer is NaN: it is undefined, not zero.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

IGNORED = 255


def share_inside(
    maps: Float[Tensor, "n h w"], masks: Bool[Tensor, "n h w"] | UInt8[Tensor, "n h w"]
) -> Float[Tensor, " n"]:
    """Of what a map says for the answer (its values above zero), the part that lies in the object.

    >>> maps, masks = torch.tensor([[[3.0, 1.0, -5.0]]] * 3), torch.tensor([[[1, 0, 0]], [[1, 255, 0]], [[0, 0, 1]]])
    >>> share_inside(maps, masks.byte()).tolist()
    [0.75, 1.0, 0.0]
    """
    inside, counted = _pixels(masks)
    mass = torch.where(counted, maps.relu(), 0.0)
    mass = mass / mass.flatten(1).amax(1).clamp_min(torch.finfo(mass.dtype).tiny)[:, None, None]  # sums of tiny maps
    total = mass.flatten(1).sum(1)
    share = torch.where(inside, mass, 0.0).flatten(1).sum(1) / total
    return torch.where(inside.flatten(1).any(1) & (total > 0), share, torch.nan)


def hits(
    maps: Float[Tensor, "n h w"], masks: Bool[Tensor, "n h w"] | UInt8[Tensor, "n h w"], shares: Sequence[float]
) -> Float[Tensor, "n s"]:
    """Of the strongest pixels of a map, so large a share of all that count, how many lie in the object.

    Equal values are taken together in part: a constant map hits as often as the object is large.

    >>> maps, masks = torch.tensor([[[3.0, 2.0, 1.0, 0.0]]]), torch.tensor([[[True, False, True, False]]])
    >>> hits(maps, masks, [0.25, 0.5, 1.0]).tolist()
    [[1.0, 0.5, 0.5]]
    """
    inside, counted = (pixels.flatten(1) for pixels in _pixels(masks))
    rows: list[Tensor] = []
    for map, mine, pixels in zip(maps.flatten(1), inside, counted, strict=True):
        values, mine = map[pixels], mine[pixels]
        if not bool(mine.any()):
            rows.append(torch.full((len(shares),), torch.nan, dtype=maps.dtype, device=maps.device))
            continue
        _, level, size = values.unique(return_inverse=True, return_counts=True)
        mean = torch.zeros_like(values[: len(size)]).index_add_(0, level, mine.to(values)) / size
        found = mean[level][values.argsort(descending=True)].cumsum(0)
        counts = [max(1, round(share * len(values))) for share in shares]
        rows.append(torch.stack([found[count - 1] / count for count in counts]))
    return torch.stack(rows)


def inside_boxes(boxes: Float[Tensor, "k 4"], size: tuple[int, int]) -> Bool[Tensor, "h w"]:
    """The pixels whose centre lies in any of the boxes (x0, y0, x1, y1).

    >>> inside_boxes(torch.tensor([[0.4, 0.0, 2.5, 1.0]]), (2, 3)).int().tolist()
    [[1, 1, 0], [0, 0, 0]]
    """
    x, y = (torch.arange(side, device=boxes.device) + 0.5 for side in (size[1], size[0]))
    x0, y0, x1, y1 = boxes.T[..., None]
    across, down = (x0 <= x) & (x < x1), (y0 <= y) & (y < y1)
    return (down[:, :, None] & across[:, None, :]).any(0)


def _pixels(masks: Tensor) -> tuple[Tensor, Tensor]:
    """The pixels of the object, and those that count."""
    if masks.dtype == torch.bool:
        return masks, torch.ones_like(masks)
    return masks == 1, masks != IGNORED

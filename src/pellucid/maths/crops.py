"""Crops: cutting a box out of an image and stretching it, as matrices.

    view = R x Cᵀ,   R [oh, h] and C [ow, w], rows scaled to sum to 1
    R_ij ∝ max(0, 1 − |(i + ½) l/o − (j − s + ½)| / r),   s ≤ j < s + l,   r = 1, or max(1, l/o) with antialias

for the o cells made of the l that begin at s: bilinear, half-pixel centres, and nothing from outside the box. A mirror
turns the rows of C round. Because a view is a linear map, what was done to an image is done to its heat-map exactly,
and to a batch, each image by its own box, at once. Up-sampling first is one more matrix: multiply the small ones.

>>> crop_weights(torch.tensor([1]), torch.tensor([2]), size=4, out=4)[0]
tensor([[0.0000, 1.0000, 0.0000, 0.0000],
        [0.0000, 0.7500, 0.2500, 0.0000],
        [0.0000, 0.2500, 0.7500, 0.0000],
        [0.0000, 0.0000, 1.0000, 0.0000]])
"""

from math import log

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor

TRIES = 10


def crop_weights(
    start: Num[Tensor, " n"],
    length: Num[Tensor, " n"],
    size: int,
    out: int,
    flip: Bool[Tensor, " n"] | None = None,
    antialias: bool = False,
) -> Float[Tensor, "n out size"]:
    """The matrix of each crop along an axis of so many cells; of a box between cells it takes those that it touches.

    >>> both = crop_weights(torch.tensor([0, 0]), torch.tensor([4, 4]), 4, 2, torch.tensor([False, True]))
    >>> both.tolist()
    [[[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]], [[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 0.0, 0.0]]]
    """
    start, length = (x.to(torch.float32)[:, None, None] for x in (start, length))
    i, j = (torch.arange(k, device=start.device, dtype=torch.float32) for k in (out, size))
    apart = (2 * i[:, None] + 1) * length - (2 * (j - start) + 1) * out  # in halves of 1/out of a cell: whole numbers
    reach = 2 * (length.clamp_min(out) if antialias else torch.full_like(length, out))
    inside = (j + 1 > start) & (j < start + length)
    weights = torch.where(inside, (1 - apart.abs() / reach).relu(), 0.0)
    weights = weights / weights.sum(2, keepdim=True)
    return weights if flip is None else torch.where(flip.to(start.device)[:, None, None], weights.flip(1), weights)


def upsample_weights(size: int, out: int) -> Float[Tensor, "out size"]:
    """The whole axis, bilinearly.

    >>> upsample_weights(2, 4).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    return crop_weights(torch.tensor([0]), torch.tensor([size]), size, out)[0]


def cropped(
    images: Float[Tensor, "n c h w"],
    boxes: Num[Tensor, "n 4"],
    flips: Bool[Tensor, " n"],
    size: tuple[int, int],
    antialias: bool = True,
) -> Float[Tensor, "n c oh ow"]:
    """Each image in its own box (top, left, height, width), then mirrored where flips says so.

    >>> image = torch.tensor([[[[1.0, 2.0, 9.0], [3.0, 4.0, 9.0]]]])
    >>> cropped(image, torch.tensor([[0, 0, 2, 2]]), torch.tensor([True]), (2, 2)).tolist()
    [[[[2.0, 1.0], [4.0, 3.0]]]]
    """
    n, c, height, width = images.shape
    top, left, tall, wide = boxes.to(images.device).T
    down = crop_weights(top, tall, height, size[0], None, antialias)
    across = crop_weights(left, wide, width, size[1], flips, antialias)
    with torch.autocast(images.device.type, enabled=False):
        whole = images if images.dtype == torch.float64 else images.float()
        narrow = whole.reshape(n, c * height, width) @ across.to(whole).mT
        return (down.to(whole)[:, None] @ narrow.view(n, c, height, size[1])).to(images)


def random_boxes(
    n: int,
    size: tuple[int, int],
    generator: torch.Generator,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Int[Tensor, "n 4"]:
    """Boxes (top, left, height, width) as torchvision's RandomResizedCrop draws them.

    A share of the area and a ratio of the sides, again while the box does not fit, at most ten times; then the largest
    central box of an allowed ratio. All draws are made at once: the hundredth image's box does not depend on how the
    others fell. The generator is one of the CPU.

    >>> random_boxes(3, (8, 8), torch.Generator(), scale=(1.0, 1.0), ratio=(1.0, 1.0)).tolist()
    [[0, 0, 8, 8], [0, 0, 8, 8], [0, 0, 8, 8]]
    """
    draws = torch.rand(n, 2 * TRIES + 2, generator=generator, dtype=torch.float64)
    shapes = _shapes(draws[:, : 2 * TRIES].view(n, TRIES, 2), size, scale, ratio)
    room = torch.tensor(size) - shapes
    fits = (shapes > 0).all(2) & (room >= 0).all(2)
    first = fits.byte().argmax(1)[:, None, None].expand(-1, 1, 2)
    shape, room = (x.gather(1, first)[:, 0] for x in (shapes, room))
    place = (draws[:, 2 * TRIES :] * (room + 1)).long()
    fallback = torch.tensor(_central(size, ratio)).expand(n, 4)
    return torch.where(fits.any(1)[:, None], torch.cat([place, shape], 1), fallback)


def _shapes(draws: Tensor, size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]) -> Tensor:
    """[n, t, 2]: heights and widths of a uniform share of the area, the ratio uniform in its logarithm."""
    area = size[0] * size[1] * (scale[0] + (scale[1] - scale[0]) * draws[..., 0])
    aspect = (log(ratio[0]) + (log(ratio[1]) - log(ratio[0])) * draws[..., 1]).exp()
    return torch.stack([(area / aspect).sqrt(), (area * aspect).sqrt()], -1).round().long()


def _central(size: tuple[int, int], ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    """
    >>> _central((10, 30), (0.75, 1.5)), _central((30, 10), (0.5, 1.5)), _central((10, 12), (0.5, 1.5))
    ((0, 7, 10, 15), (5, 0, 20, 10), (0, 0, 10, 12))
    """
    height, width = size
    if width / height < ratio[0]:
        height = round(width / ratio[0])
    elif width / height > ratio[1]:
        width = round(height * ratio[1])
    return (size[0] - height) // 2, (size[1] - width) // 2, height, width

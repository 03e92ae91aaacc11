"""Outline: where the object ends, as a thin line round it.

Two lines of one pixel, white at the object and black beyond, so that one of them is seen on any colour. Both lie
outside the mask: nothing of the object is covered.
"""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image, ImageChops, ImageFilter
from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.errors import BadInput, kind

Outlines = Sequence[Any] | Tensor | None  # a boolean mask [h, w] an image, or None for an image without


def outlined(picture: Picture, mask: Tensor | None) -> Picture:
    """A copy of the picture with the outline of a mask [h, w], which is stretched over it; nearest pixels stay sharp.

    >>> import torch
    >>> mask = torch.tensor([[True, False, False, False]])
    >>> outlined(Image.new("L", (4, 1), 100), mask).tobytes().hex(" ")
    '64 ff 00 64'
    """
    picture = picture.copy()
    if mask is None:
        return picture
    inside = Image.fromarray(mask.cpu().byte().mul(255).numpy()).resize(picture.size, Image.Resampling.NEAREST)
    near, far = (inside.filter(ImageFilter.MaxFilter(side)) for side in (3, 5))
    picture.paste("black", mask=ImageChops.subtract(far, near))
    picture.paste("white", mask=ImageChops.subtract(near, inside))
    return picture


def fitting(
    outlines: Outlines, maps: Tensor | Sequence[Tensor], pictures: Sequence[Tensor | None]
) -> Sequence[Tensor | None]:
    """The outlines, one an image: each as large as its picture or its map."""
    if outlines is None:
        return [None] * len(maps)
    masks = list(outlines)
    if len(masks) != len(maps):
        raise BadInput(f"there are {len(masks)} outlines for {len(maps)} images; give one an image, or None for it.")
    for i, (mask, map, picture) in enumerate(zip(masks, maps, pictures, strict=True)):
        sizes = [list(t.shape[-2:]) for t in (map, picture) if t is not None]
        if mask is not None and not (_boolean(mask) and list(mask.shape) in sizes):
            found = f"{mask.dtype} {list(mask.shape)}" if isinstance(mask, Tensor) else kind(mask)
            raise BadInput(f"outline {i} is {found}; give a boolean mask {sizes[-1]}, as large as its picture.")
    return masks


def _boolean(mask: object) -> bool:
    return isinstance(mask, Tensor) and mask.dtype == torch.bool

"""Overlay: one map over its image."""

import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.maths.maps import resize
from pellucid.show.colour import colours


def displayable(image: Tensor, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> Tensor:
    """[3, h, w] in [0, 1]: normalisation undone where it is known, else stretched to the range where it must be."""
    picture = image.detach().float().cpu()
    picture = picture[:, None] if picture.ndim == 2 else picture
    if mean is not None and std is not None and len(mean) == len(picture):
        picture = picture * torch.tensor(std)[:, None, None] + torch.tensor(mean)[:, None, None]
    elif float(picture.min()) < 0 or float(picture.max()) > 1:
        low, high = picture.min(), picture.max()
        picture = (picture - low) / (high - low).clamp_min(1e-12)
    if len(picture) != 3:
        picture = picture.mean(0, keepdim=True).expand(3, -1, -1)
    return picture.clamp(0, 1)


def overlay(picture: Tensor | None, map: Tensor, signed: bool, limit: float, alpha: float = 0.5) -> Picture:
    """The map in colour over a picture [3, h, w] in grey, at the picture's size; the map alone without one."""
    map = map if map.ndim == 2 else map[None]
    if picture is not None:
        map = resize(map[None], (picture.shape[1], picture.shape[2]))[0]
    rgb = colours(map, signed, limit)
    if picture is not None:
        below = (grey(picture) * 255).permute(1, 2, 0).numpy()
        rgb = (alpha * rgb + (1 - alpha) * below).round().astype(np.uint8)
    return Image.fromarray(rgb)


def grey(picture: Tensor) -> Tensor:
    """Without colours, which are the map's.

    >>> grey(torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)).flatten().tolist()
    [0.29899999499320984, 0.29899999499320984, 0.29899999499320984]
    """
    return (picture * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True).expand(3, -1, -1)


def tile_size(picture: Tensor, width: int | None = None) -> tuple[int, int]:
    """Width and height at which a picture [..., h, w] is looked at: small ones are enlarged by a whole factor to 128 or
    more, large ones reduced to 256.

    >>> tile_size(torch.zeros(3, 28, 56)), tile_size(torch.zeros(3, 1000, 500))
    ((168, 84), (256, 512))
    """
    h, w = picture.shape[-2:]
    factor = math.ceil(128 / w) if w < 128 else min(1.0, 256 / w)
    factor = factor if width is None else width / w
    return round(w * factor), max(16, round(h * factor))


def plain(picture: Tensor, size: tuple[int, int]) -> Picture:
    """The picture alone at a size; its pixels stay sharp when they are enlarged."""
    return _sized(Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).numpy()), size)


def tile(
    picture: Tensor | None, map: Tensor, size: tuple[int, int], signed: bool, limit: float, alpha: float = 0.5
) -> Picture:
    """One overlay at a size: sharp pixels below, a smooth map above."""
    if picture is None:
        return _sized(overlay(None, map, signed, limit), size)
    below = torch.from_numpy(np.array(plain(picture, size)))
    return overlay(below.permute(2, 0, 1) / 255, map, signed, limit, alpha)


def _sized(picture: Picture, size: tuple[int, int]) -> Picture:
    if picture.size == size:
        return picture
    return picture.resize(size, Image.Resampling.NEAREST if size[0] > picture.width else Image.Resampling.LANCZOS)


def tall(picture: Picture) -> Picture:
    """A row of pixels as a strip that can be seen.

    >>> tall(Image.new("RGB", (50, 1))).size
    (150, 16)
    """
    return picture.resize(tile_size(torch.zeros(3, picture.height, picture.width)), Image.Resampling.NEAREST)


def strip(pictures: Sequence[Picture], gap: int = 2) -> Picture:
    """Pictures side by side."""
    if len(pictures) == 1:
        return pictures[0]
    height = max(p.height for p in pictures)
    whole = Image.new("RGB", (sum(p.width + gap for p in pictures) - gap, height), "white")
    left = 0
    for p in pictures:
        whole.paste(p, (left, 0))
        left += p.width + gap
    return whole


def png(picture: Picture) -> bytes:
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

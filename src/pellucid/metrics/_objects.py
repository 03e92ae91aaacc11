"""Objects: which pixels are those of the explained class, by outline or by box, and how much of a pixel a box covers.

>>> coverage(torch.tensor([[0.5, 0.0, 2.0, 1.0]]), (2, 3)).tolist()
[[[0.5, 1.0, 0.0], [0.0, 0.0, 0.0]]]
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.maths.masks import IGNORED, inside_boxes
from pellucid.metrics._case import Case

Truth = Literal["masks", "boxes"]


def objects(case: Case, truth: Truth) -> Tensor:
    """[n, h, w]: a mask of whole numbers, or true where the centre of a pixel lies in a box."""
    if truth == "masks":
        assert case.masks is not None
        return case.masks
    assert case.boxes is not None
    boxes = case.boxes
    return case.once("pixels in boxes", lambda: torch.stack([inside_boxes(one, case.size) for one in boxes]))


def counted(truth: Tensor) -> Tensor:
    """[n, h, w]: the pixels about which something is known."""
    return torch.ones_like(truth) if truth.dtype == torch.bool else truth != IGNORED


def says_something(maps: Float[Tensor, "n h w"], where: Bool[Tensor, "n h w"]) -> Bool[Tensor, " n"]:
    """Not for a map of zeros: it ranks nothing and points nowhere."""
    return ((maps != 0) & where).flatten(1).any(1)


def coverage(boxes: Float[Tensor, "k 4"], size: tuple[int, int]) -> Float[Tensor, "k h w"]:
    """How much of every pixel lies in every box; what sticks out of the image is cut off."""
    x, y = (torch.arange(side, device=boxes.device, dtype=boxes.dtype) for side in (size[1], size[0]))
    x0, y0, x1, y1 = boxes.T[..., None]
    across = (torch.minimum(x + 1, x1) - torch.maximum(x, x0)).clamp_min(0)
    down = (torch.minimum(y + 1, y1) - torch.maximum(y, y0)).clamp_min(0)
    return down[:, :, None] * across[:, None, :]

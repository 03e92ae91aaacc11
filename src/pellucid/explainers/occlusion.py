"""Occlusion (Zeiler & Fergus, 2014): what does the answer lose when a window is covered?

    M(p) = mean of score(x) − score(x without window) over the windows that cover p

A window is a rectangle of the `baseline`, by default 0 of the model's space: the mean colour of normalised images, not
black. Windows lie on a lattice of `stride` pixels; the last one of a row or column is cut at the border. Sizes are
pixels, [height, width] where they differ; `window` none is an eighth of the shorter side and `stride` none half a
window, about 225 forwards. Without the division by how many windows cover a pixel (`divide=false`), which PAIR's
saliency leaves out, the border looks unimportant because it is covered less often. The loss is of the question's own
value. Of a linear model, every window loses the sum of w · (x − baseline) in it.

>>> drops = torch.tensor([[[1.0, 4.0]]])
>>> occlusion(drops, windows(1, 1, 1), windows(3, 2, 1))
tensor([[[1.0000, 2.5000, 4.0000]]])
"""

from collections.abc import Sequence
from math import ceil
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import BadKnob
from pellucid.explainers._base import Between, Score, Subject
from pellucid.explainers._masking import values
from pellucid.explainers._removing import RemovingExplainer

Pixels = Annotated[int, Between(1)]


def occlusion(
    drops: Float[Tensor, "n k l"], rows: Float[Tensor, "k h"], columns: Float[Tensor, "l w"], divide: bool = True
) -> Float[Tensor, "n h w"]:
    """The loss of every window, spread over its pixels: a window is a piece of the rows and one of the columns."""
    total = rows.T @ drops @ columns
    return total / torch.outer(rows.sum(0), columns.sum(0)) if divide else total


def windows(side: int, window: int, stride: int) -> Float[Tensor, "k side"]:
    """1 where a window lies along an axis.

    >>> windows(5, 3, 2).int().tolist(), windows(4, 3, 2).int().tolist()
    ([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1]], [[1, 1, 1, 0], [0, 0, 1, 1]])
    """
    first = torch.arange(ceil((side - window) / stride) + 1)[:, None] * stride
    at = torch.arange(side)
    return ((at >= first) & (at < first + window)).float()


class Occlusion(RemovingExplainer, name="occlusion", paper="arXiv:1311.2901"):
    """What does the answer lose when a window is covered?"""

    cost = "windows · F"
    quick = {"window": 16, "stride": 16}
    cite = """
@inproceedings{zeiler2014visualizing,
  title     = {Visualizing and Understanding Convolutional Networks},
  author    = {Zeiler, Matthew D. and Fergus, Rob},
  booktitle = {European Conference on Computer Vision},
  year      = {2014},
}"""

    window: Pixels | tuple[Pixels, Pixels] | None = None
    stride: Pixels | tuple[Pixels, Pixels] | None = None
    divide: bool = True

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        fade = self.fading(images, self.start(subject, images))
        rows, columns = (axis.to(images.device) for axis in self.lattice(self.canvas(images)))

        def without(i: Tensor, s: Tensor) -> Tensor:
            y, x = rows[s // len(columns)], columns[s % len(columns)]
            return fade(i, 1 - y[:, :, None] * x[:, None, :])

        count = len(rows) * len(columns)
        maps: list[Tensor] = []
        for score, answers in zip(scores, values(subject, images, scores, count, without), strict=True):
            drops = (score.clean[:, None].to(answers) - answers).unflatten(1, (len(rows), len(columns)))
            maps.append(occlusion(drops, rows.to(drops), columns.to(drops), self.divide))
        return maps

    def lattice(self, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The windows down and across an image of this size, no larger than it."""
        shorter = size[1] if size[0] == 1 else min(size)
        window = tuple(min(w, side) for w, side in zip(_two(self.window or max(1, round(shorter / 8))), size))
        stride = _two(self.stride) if self.stride else tuple(max(1, w // 2) for w in window)
        for w, step, side in zip(window, stride, size, strict=True):
            if step > w < side:
                raise BadKnob(
                    f"the stride {step} of occlusion leaves gaps between windows of {w} pixels; give at most {w}."
                )
        down, across = (windows(side, w, step) for side, w, step in zip(size, window, stride, strict=True))
        return down, across


def _two(sides: int | tuple[int, int]) -> tuple[int, int]:
    return (sides, sides) if isinstance(sides, int) else sides

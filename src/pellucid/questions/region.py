"""Region: one class over a part of a dense output (segmentation, detection maps).

    value Σ_{ij∈mask} y_t(i, j),   w = e_t · mask          output [n, classes, h, w]

The mask is [h, w], or one a sample [n, h, w], at the output's resolution or any other (nearest). Without a target,
each sample is asked about the class with the largest sum.

>>> y = torch.arange(8.0).view(1, 2, 2, 2)
>>> Region(torch.eye(2)).value(y, torch.tensor([1])).item()
11.0
"""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pellucid.errors import BadInput, BadQuestion
from pellucid.questions._base import Question


class Region(Question, name="region"):
    """Why this class, there?"""

    dense = True
    one_sided = True
    linear = True
    quick = {"mask": torch.eye(3)}

    mask: Tensor

    def part(self, rows: slice, n: int | None) -> Question:
        if self.mask.ndim != 3 or len(self.mask) == 1:
            return self
        if n not in (None, len(self.mask)):
            raise BadInput(f"region has {len(self.mask)} masks for {n} images; give one [h, w], or one an image.")
        return self.but(mask=self.mask[rows])

    def classes(self, output: Tensor) -> int:
        if output.ndim != 4:
            raise BadQuestion(
                f"region asks about a dense output [n, classes, h, w], but the output has shape {tuple(output.shape)}; "
                f"ask logit."
            )
        return output.shape[1]

    def weights(self, output: Tensor) -> Tensor:
        """The mask as numbers [n, h, w] at the output's resolution."""
        mask = self.mask.to(output.device, output.dtype)
        mask = mask[None] if mask.ndim == 2 else mask
        if mask.ndim != 3 or len(mask) not in (1, len(output)):
            raise BadInput(
                f"the mask of region has shape {tuple(self.mask.shape)}; give [h, w], or one a sample [n, h, w]."
            )
        if mask.shape[1:] != output.shape[2:]:
            mask = interpolate(mask[:, None], size=output.shape[2:], mode="nearest-exact")[:, 0]
        return mask.expand(len(output), -1, -1)

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        rows = torch.arange(len(output), device=output.device)
        return (output[rows, target] * self.weights(output)).sum((1, 2))

    def direction(self, output: Tensor, target: Tensor) -> Tensor:
        w = torch.zeros_like(output)
        w[torch.arange(len(output), device=output.device), target] = self.weights(output)
        return w

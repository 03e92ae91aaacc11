"""Nearby: how far the map moves when the image does, a little, in every value and at random.

    x' = x + r u,   u ~ U(−1, 1) for every value;   r = radius · the standard deviation of the image's own values

`unit=model` takes the radius as it is, in the model's space. The draws are the same for all images; metrics with the
same knobs share the maps. Nothing is clipped: a pixel may leave the range of a photograph by so much.
"""

from typing import Annotated, Literal

import torch
from torch import Tensor

from pellucid.metrics._base import Between, Case, Metric

Unit = Literal["spread", "model"]


class Nearby(Metric):
    """Abstract: the map of the image, and the maps of images nearby."""

    scores = "explainer"
    better = "lower"
    good = "gradient"
    quick = {"samples": 2}

    radius: Annotated[float, Between(0)] = 0.02
    samples: Annotated[int, Between(1)] = 10
    unit: Unit = "spread"
    seed: int | None = None

    def moves(self, case: Case) -> tuple[Tensor, Tensor]:
        """[n, s] twice: how far each map moved, and each image, as Euclidean distances."""
        seed = case.subject.seed if self.seed is None else self.seed
        return case.once_here(("nearby", self.radius, self.samples, self.unit, seed), lambda: self._moves(case))

    def _moves(self, case: Case) -> tuple[Tensor, Tensor]:
        x, chance = case.images, case.generator(self.seed)
        spread = x.double().flatten(1).std(1, correction=0) if self.unit == "spread" else torch.ones(case.n).to(x)
        radius = (self.radius * spread).view(-1, *[1] * (x.ndim - 1))
        of_maps: list[Tensor] = []
        of_images: list[Tensor] = []
        for _ in range(self.samples):
            u = 2 * torch.rand(x.shape[1:], generator=chance) - 1
            near = (x + radius * u.to(x.device)).to(x)
            of_images.append(length(near.double() - x.double()))
            of_maps.append(length(case.again(near).reshape(case.map.shape).double() - case.map.double()))
        return torch.stack(of_maps, 1), torch.stack(of_images, 1)

    @property
    def card(self) -> dict[str, str]:
        unit = "the standard deviation of each image's values" if self.unit == "spread" else "the model's space"
        return super().card | {
            "noise": f"uniform in every value, up to {self.radius:g} of {unit}, the same draws for all images",
            "distance": "Euclidean, of channel-reduced maps at the images' size",
        }


def length(x: Tensor) -> Tensor:
    """[n]: Euclidean."""
    return x.flatten(1).square().sum(1).sqrt()

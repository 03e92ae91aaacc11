"""Random map: a control that knows nothing.

    M_ij ~ U(0, 1),   seeded by the image and the seed

White noise by default; `cells=7` draws 7 × 7 values and resizes them, as smooth as a Grad-CAM. Different images get
different maps, the same image the same map in any batch.

>>> torch.equal(random_map(torch.ones(1, 3, 2, 2), 0, None), random_map(torch.ones(1, 3, 2, 2), 0, None))
True
"""

import hashlib
from typing import Annotated

import torch
from torch import Tensor

from pellucid.explainers._base import Between, Explainer, Score, Subject
from pellucid.questions import Question
from pellucid.subject import size_of


def random_map(images: Tensor, seed: int, cells: int | None) -> Tensor:
    """[n, h, w], or [n, cells, cells]."""
    size = size_of(images) if cells is None else (min(cells, size_of(images)[0]), cells)
    maps = []
    for image in images.detach().float().cpu():
        digest = hashlib.sha256(seed.to_bytes(8, "little", signed=True) + image.numpy().tobytes()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
        maps.append(torch.rand(size, generator=generator))
    return torch.stack(maps).to(images.device)


class RandomMap(Explainer, name="random-map"):
    """A control: what would chance score?"""

    group = "control"
    cost = "0"
    linear = False
    trainable = False
    asked = False

    cells: Annotated[int, Between(1)] | None = None
    seed: int | None = None

    def attribute(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        return random_map(images, subject.seed if self.seed is None else self.seed, self.cells)

    def signed(self, question: Question) -> bool:
        return False

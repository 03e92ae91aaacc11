"""IROF, iterative removal of features (Rieger & Hansen, 2020): how does the answer fall while segments are removed?

    1 − ∫ p_k / p_0 dk   over [0, 1],   p_k the probability without the k most important of K segments

Higher is better. A segment is a superpixel of SLIC, computed once an image; it is as important as the mean of the map
in it, and of equal ones the first goes first. `cells=14` takes a 14 × 14 grid instead, which needs no scikit-image.
The area is over each image's own number of segments. Where the intact probability is zero, or all segments are alike:
NaN.

The paper removes to the mean colour. Quantus takes images of one channel alone, starts its curve after the first
removal and counts segments instead of shares, so that its number grows with K; with `mean` it fills with one grey of
the whole batch, which changes on the way. SLIC sees one segment alone in an image of pure noise: NaN, too.

>>> irof(torch.tensor([[0.8, 0.4, 0.0, 0.0]]), torch.tensor([2])).tolist()
[0.5]
"""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.errors import need
from pellucid.maths.regions import rectangles
from pellucid.metrics._base import Between, Case, Curved
from pellucid.metrics._regions import region_means, region_ranks
from pellucid.metrics._removal import Into, described, emptied, traced


def irof(curve: Float[Tensor, "n s"], segments: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Of curves that begin with the intact image; those of images with fewer segments count up to theirs."""
    y = curve / curve[:, :1]
    counts = torch.arange(y.shape[1] - 1, device=y.device) < segments[:, None]
    under = torch.where(counts, (y[:, 1:] + y[:, :-1]) / 2, 0.0).sum(1) / segments
    return 1 - under


class IROF(Curved, name="irof", paper="arXiv:2003.08747"):
    """How does the answer fall while the segments are removed that the map calls important?"""

    classes = True
    quick = {"cells": 4}
    cite = """
@article{rieger2020irof,
  title   = {{IROF}: a low resource evaluation metric for explanation methods},
  author  = {Rieger, Laura and Hansen, Lars Kai},
  journal = {arXiv:2003.08747},
  year    = {2020},
}"""

    segments: Annotated[int, Between(2)] = 300
    cells: Annotated[int, Between(2)] | None = None
    into: Into = "mean"

    def score(self, case: Case) -> Tensor:
        labels = self.labels(case)
        return irof(self.trace(case), labels.flatten(1).amax(1) + 1)

    def trace(self, case: Case) -> Tensor:
        """[n, s]: the probability after every segment, the intact image first; level once an image has none left."""
        return case.once_here(self.but(curve=False), lambda: self._curve(case))

    def _curve(self, case: Case) -> Tensor:
        labels = self.labels(case)
        regions = int(labels.max()) + 1
        means = region_means(case.map, labels, regions)
        there = means > -torch.inf
        varied = means.amax(1) > torch.where(there, means, torch.inf).amin(1)
        y = traced(
            case, region_ranks(means, labels), regions, case.images, emptied(case, self.into), "probability"
        )  # fmt: skip
        return torch.where(varied[:, None], y, torch.nan)

    def labels(self, case: Case) -> Tensor:
        """[n, h, w]: the segment of every pixel, the numbers of each image without a gap."""
        if self.cells is not None:
            return rectangles(case.size, self.cells).to(case.map.device).expand_as(case.map)
        return case.once(("slic", self.segments), lambda: self._superpixels(case))

    def _superpixels(self, case: Case) -> Tensor:
        segmentation = need("skimage.segmentation", "segments", "irof")
        found = []
        for image in case.images.detach().float().cpu():
            rows = image.view(len(image), *case.size).permute(1, 2, 0).double().numpy()
            made = torch.as_tensor(segmentation.slic(rows, self.segments, start_label=0, channel_axis=-1))
            found.append(made.unique(return_inverse=True)[1])
        return torch.stack(found).to(case.images.device)

    @property
    def card(self) -> dict[str, str]:
        unit = f"superpixels, about {self.segments}" if self.cells is None else f"a grid of {self.cells} x {self.cells}"
        return (
            super().card
            | described(self.into, "probability")
            | {"step": "one segment", "unit": unit, "ties": "the first region first"}
        )

"""Segments: an image as a handful of parts that are there or not.

grid             `cells` × `cells` rectangles, at most one a pixel
slic             superpixels, about cells² of them          } of scikit-image, on each image stretched to [0, 1]
felzenszwalb     its graph's, no smaller than a quarter     }
                 of a rectangle of the grid
a tensor         [h, w] of whole numbers for all images, or [n, h, w], one an image; any numbers, gaps are closed
a function       of one image [c, h, w], giving [h, w]

What an explainer says of a segment is said of each of its pixels, or with `share=true` divided among them, so that the
map sums to what the segments do. A removed segment becomes the `baseline`; here also `segment`, its own mean colour, by
which a segment of one colour cannot be removed.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.errors import BadInput, kind, need
from pellucid.explainers._base import Between, Score, Subject
from pellucid.explainers._baseline import Kind
from pellucid.explainers._masking import values
from pellucid.explainers._removing import RemovingExplainer
from pellucid.maths.regions import rectangles

Segments = Literal["grid", "slic", "felzenszwalb"]
Draw = tuple[Tensor, Tensor]  # which segments are there bool [m, k], and how much each row counts [m]


def spread(values: Float[Tensor, "n k"], labels: Int[Tensor, "n h w"], share: bool) -> Float[Tensor, "n h w"]:
    """What is said of a segment, said of its pixels, or divided among them.

    >>> labels = torch.tensor([[[0, 0, 1]]])
    >>> [spread(torch.tensor([[2.0, 5.0]]), labels, share).tolist() for share in (False, True)]
    [[[[2.0, 2.0, 5.0]]], [[[1.0, 1.0, 5.0]]]]
    """
    flat = labels.flatten(1)
    if share:
        values = values / torch.zeros_like(values).scatter_add_(1, flat, values.new_ones(flat.shape)).clamp_min(1)
    return values.gather(1, flat).view_as(labels)


class SegmentExplainer(RemovingExplainer):
    """An explainer that asks of images some of whose segments are gone: `draw` says of which, `solve` what follows."""

    segments: Segments | Tensor | Callable[[Tensor], Tensor] = "grid"
    cells: Annotated[int, Between(1)] = 7
    share: bool = False
    baseline: Kind | Literal["segment"] | float | Tensor = 0.0

    def draw(self, segments: int, chance: torch.Generator) -> Draw:
        """Which of so many segments are there in each variant; the same for every image that has so many."""
        raise NotImplementedError

    def solve(
        self, there: Bool[Tensor, "m k"], weights: Float[Tensor, " m"], answers: Float[Tensor, "n m"],
        whole: Float[Tensor, " n"],
    ) -> Float[Tensor, "n k"]:  # fmt: skip
        """What each segment does, from the answers to the variants and to the whole image; in float64."""
        raise NotImplementedError

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        labels = self.labels(subject, images)
        counts = labels.flatten(1).amax(1).cpu() + 1
        draws = {k: self.draw(k, self.generator(subject, self.seed)) for k in sorted(set(counts.tolist()))}
        there, real = _padded([rows for rows, _ in draws.values()], labels)
        drawn = torch.tensor([list(draws).index(k) for k in counts.tolist()], device=images.device)
        fade = self.fading(images, self.start(subject, images, labels))

        def variant(i: Tensor, s: Tensor) -> Tensor:
            return fade(i, there[drawn[i], s].gather(1, labels[i].flatten(1)).view(len(i), *labels.shape[1:]))

        answers = values(subject, images, scores, there.shape[1], variant, needed=real[drawn])
        maps: list[Tensor] = []
        for score, answer in zip(scores, answers, strict=True):
            found = torch.zeros(len(images), there.shape[2], dtype=torch.float64)
            for k, (rows, weights) in draws.items():
                mine = counts == k
                y, whole = answer.cpu().double()[mine, : len(rows)], score.clean.cpu().double()[mine]
                found[mine, :k] = self.solve(rows, weights, y, whole)
            maps.append(spread(found.to(answer), labels, self.share))
        return maps

    def labels(self, subject: Subject, images: Tensor) -> Int[Tensor, "n h w"]:
        """The segment of every pixel, the numbers of each image without a gap."""
        size = self.canvas(images)
        if isinstance(self.segments, Tensor):
            found = self._given(self.segments, subject, images, size)
        elif not isinstance(self.segments, str):
            found = [self._fitting(self.segments(image), size) for image in images.detach()]
        elif self.segments == "grid":
            found = [rectangles(size, self.cells)] * len(images)
        else:
            found = [self._superpixels(image.view(-1, *size)) for image in images.detach().float().cpu()]
        return torch.stack([one.unique(return_inverse=True)[1].to(images.device) for one in found])

    def _given(self, segments: Tensor, subject: Subject, images: Tensor, size: tuple[int, int]) -> list[Tensor]:
        if segments.ndim < 3 or len(segments) == 1:
            return [self._fitting(segments, size)] * len(images)
        if len(segments) != len(images) or subject.batch_size is not None:
            raise BadInput(
                f"the segments of {self.name} are {len(segments)} maps for {len(images)} images in one part; give one "
                f"[h, w] for all, a function of an image, or one map an image and no batch_size."
            )
        return [self._fitting(one, size) for one in segments]

    def _fitting(self, segments: Any, size: tuple[int, int]) -> Tensor:
        if not isinstance(segments, Tensor):
            raise BadInput(f"a segment function of {self.name} gives {kind(segments)}; return a tensor {list(size)}.")
        shape = (1, *segments.shape) if segments.ndim == 1 else tuple(segments.shape[-2:])
        if segments.is_floating_point() or shape != size or segments.numel() != size[0] * size[1]:
            raise BadInput(
                f"the segments of {self.name} are {segments.dtype} {list(segments.shape)}; give whole numbers "
                f"{list(size)}, the segment of every pixel."
            )
        return segments.detach().cpu().view(size)

    def _superpixels(self, image: Float[Tensor, "c h w"]) -> Tensor:
        segmentation = need("skimage.segmentation", "segments", self.name)
        low, high = image.min(), image.max()
        rows = ((image - low) / (high - low).clamp_min(1e-12)).permute(1, 2, 0).double().numpy()
        if self.segments == "slic":
            return torch.as_tensor(segmentation.slic(rows, self.cells**2, channel_axis=-1))
        least = image[0].numel() // (4 * self.cells**2)
        return torch.as_tensor(segmentation.felzenszwalb(rows, scale=100, sigma=0.8, min_size=least, channel_axis=-1))

    def start(self, subject: Subject, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """labels: the segments, where they are known already."""
        if not isinstance(self.baseline, str) or self.baseline != "segment":
            return super().start(subject, images)
        labels = self.labels(subject, images) if labels is None else labels
        flat, x = labels.flatten(1)[:, None].expand(-1, images.shape[1], -1), images.flatten(2)
        blank = x.new_zeros(*x.shape[:2], int(flat.max()) + 1)
        means = blank.scatter_add(2, flat, x) / blank.scatter_add(2, flat, torch.ones_like(x)).clamp_min(1)
        return means.gather(2, flat).view_as(images)


def _padded(there: list[Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
    """Several draws as one [d, m, k], and which of their variants there are [d, m]."""
    m, k = (max(one.shape[axis] for one in there) for axis in (0, 1))
    whole = torch.zeros(len(there), m, k, dtype=torch.bool)
    needed = torch.zeros(len(there), m, dtype=torch.bool)
    for i, one in enumerate(there):
        whole[i, : len(one), : one.shape[1]] = one
        needed[i, : len(one)] = True
    return whole.to(labels.device), needed.to(labels.device)

"""GCC (Pillai and Pirsiavash, AAAI 2021): Grad-CAM consistency.

    L = CE(x) + λ · mean_b 1/(4hw) Σ_ij |M̂(c)_ij − target_ij|

c is a picture of 2 × 2 cells, twice as high and wide: x in a random cell, pictures of other classes in the rest. M̂ is
the heat-map of x's label divided by its mass; the target is zero but for the cell of x, where it is M̂(x): among others
the network shall see x by what it sees x by alone. Neither side is detached, and CE is of x only.

The other pictures are the batch's, those of all processes: thrice a class other than y, uniformly, then one picture of
it. A picture without other classes in the batch is left out, and counted in `watch["gcc_left_out"]`. A batch that is a
dict may bring its own `others` [n, 3, c, h, w].

Several labels an image (0 and 1 for every class, as in COCO): the heat-map's class is one of the true ones, by chance,
the others are pictures without it, and CE is a sum of binary ones, for which the authors take weight=1.

Both maps have mass 1, so that 0 <= L_b <= 2/(4hw): at 7×7 cells λ = 25 makes at most 0.26. The composite has four times
the pixels, and a step costs about five forwards and backwards of x. Its map is brought to twice the size of x's where
odd sizes leave another (bilinear, then divided by its mass). A map of zeros shows nothing: `sound` leaves the pair out,
and counts it with the others; `published` compares it as a map of 1e-8.

>>> whole = torch.tensor([[[0.0, 0.0, 0.5, 0.0], [0.0, 0.5, 0.0, 0.0]]])       # half of the mass is in the right cell
>>> gcc(torch.tensor([[[1.0, 0.0]]]), whole, torch.tensor([1]))                 # (½ + ½) / 8
tensor([0.1250])
"""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.errors import BadInput, BadModel, kind
from pellucid.maths.maps import resize
from pellucid.objectives._base import Part, Step
from pellucid.objectives._bound import Site
from pellucid.objectives._heat import TINY, HeatObjective, HeatPart, Weight, share

CELLS = 4


def gcc(
    alone: Float[Tensor, "n h w"], composite: Float[Tensor, "n h2 w2"], cell: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """The mean difference between the map of the composite and the map of x alone, pasted into its cell."""
    return (composite - pasted(alone, cell)).abs().mean((1, 2))


def pasted(maps: Float[Tensor, "n h w"], cell: Int[Tensor, " n"]) -> Float[Tensor, "n h2 w2"]:
    """Each map in its cell of 2 × 2, zeros elsewhere; cells are numbered by rows.

    >>> pasted(torch.tensor([[[7.0]]]), torch.tensor([2])).tolist()
    [[[0.0, 0.0], [7.0, 0.0]]]
    """
    here = torch.arange(CELLS, device=cell.device) == cell[:, None]
    return joined((maps[:, None] * here[:, :, None, None].to(maps))[:, :, None])[:, 0]


def joined(cells: Float[Tensor, "n 4 c h w"]) -> Float[Tensor, "n c h2 w2"]:
    """Four pictures as one, two by two.

    >>> joined(torch.arange(4.0).view(1, 4, 1, 1, 1)).tolist()
    [[[[0.0, 1.0], [2.0, 3.0]]]]
    """
    n, _, c, h, w = cells.shape
    return cells.view(n, 2, 2, c, h, w).permute(0, 3, 1, 4, 2, 5).reshape(n, c, 2 * h, 2 * w)


def composites(
    images: Float[Tensor, "n c h w"], others: Float[Tensor, "n 3 c h w"], cell: Int[Tensor, " n"]
) -> Float[Tensor, "n c h2 w2"]:
    """Each image in its cell, the others around it in their order."""
    place = torch.arange(CELLS, device=cell.device)
    mine = cell[:, None]
    which = torch.where(place == mine, 0, torch.where(place < mine, place + 1, place))
    rows = torch.arange(len(cell), device=cell.device)[:, None]
    return joined(torch.cat([images[:, None], others], 1)[rows, which])


def other_classes(
    own: Int[Tensor, " n"], labels: Int[Tensor, " m"], draws: Float[Tensor, "n k 2"], classes: int
) -> tuple[Int[Tensor, "n k"], Bool[Tensor, " n"]]:
    """Rows of `labels` with another class than one's own: a class, uniformly, then a row of it. And is there any?

    The draws are from [0, 1). Nothing waits for the device: what is counted stays there.

    >>> other_classes(torch.tensor([0]), torch.tensor([0, 5, 2, 5]), torch.tensor([[[0.0, 0.9], [0.9, 0.9]]]), 6)
    (tensor([[2, 3]]), tensor([True]))
    """
    counts = torch.zeros(classes, dtype=torch.int64, device=labels.device).index_add_(
        0, labels, torch.ones_like(labels)
    )
    there = counts > 0
    present = there.int().argsort(descending=True, stable=True)  # the classes that are there, in their order
    rank = there.cumsum(0)[own, None] - 1
    least = there.sum() - 1
    k = _one_of(draws[..., 0], least)
    chosen = present[k + (k >= rank)].where(least > 0, own[:, None])
    first = (counts.cumsum(0) - counts)[chosen]
    row = labels.argsort(stable=True)[first + _one_of(draws[..., 1], counts[chosen])]
    return row, (least > 0).expand(len(own))


def without(
    own: Int[Tensor, " n"], labels: Bool[Tensor, "m classes"], draws: Float[Tensor, "n k"]
) -> tuple[Int[Tensor, "n k"], Bool[Tensor, " n"]]:
    """Rows that lack a class, uniformly; and whether there is one.

    >>> without(torch.tensor([1]), torch.tensor([[False, True], [True, False]]), torch.tensor([[0.7]]))
    (tensor([[1]]), tensor([True]))
    """
    return _among(~labels.T[own], draws)


def _among(allowed: Bool[Tensor, "n m"], draws: Float[Tensor, "n k"]) -> tuple[Int[Tensor, "n k"], Bool[Tensor, " n"]]:
    """One of the allowed columns, uniformly; the first, and False, where none is."""
    count = allowed.cumsum(1)
    total = count[:, -1:]
    found = torch.searchsorted(count, _one_of(draws, total) + 1)
    return found.where(total > 0, 0), total[:, 0] > 0


def _one_of(draws: Tensor, count: Tensor) -> Tensor:
    """A whole number below the count; 0 where there is none."""
    return torch.minimum((draws * count).long(), count - 1).clamp_min(0)


class GCC(HeatObjective, name="gcc"):
    """Does the network know a picture among others by the same reasons as alone?"""

    cite = """
@inproceedings{pillai2021explainable,
  title     = {Explainable Models with Consistent Interpretations},
  author    = {Pillai, Vipin and Pirsiavash, Hamed},
  booktitle = {AAAI Conference on Artificial Intelligence},
  year      = {2021},
}"""

    draws = True

    weight: Weight = 25.0
    protocol: Literal["sound", "paper", "published"] = "sound"

    @property
    def weights(self) -> Mapping[str, float]:
        return {"ce": 1.0} | ({"gcc": self.weight} if self.weight else {})

    def build(self, site: Site) -> Part:
        return Gridding(self, site) if self.weight else Part(self, site)


class Gridding(HeatPart):
    """GCC at its place."""

    def __init__(self, objective: GCC, site: Site) -> None:
        super().__init__(objective, site)
        self.evens = objective.protocol != "sound"
        _try_double(site)

    def forward(self, step: Step) -> Mapping[str, Tensor]:
        chance, n = step.chance("gcc"), len(step.images)
        draws = torch.rand(sum(step.rows(n)), 2 + 3 * 2, generator=chance)[step.mine(n)].to(step.images.device)
        classes, one = self._classes(step, draws[:, 0])
        others, there = self._others(step, classes, draws[:, 2:].view(n, 3, 2))
        cell = _one_of(draws[:, 1], torch.tensor(CELLS, device=draws.device))
        composite = composites(step.images, others, cell)
        terms = {"ce": step.ce()}
        alone, whole = self.heat(step, step.images, classes), self.heat(step, composite, classes, times=2)
        with torch.autocast(alone.device.type, enabled=False):
            whole = resize(whole, (2 * alone.shape[1], 2 * alone.shape[2]))
            lit = (alone.detach().amax((1, 2)) > 0) & (whole.detach().amax((1, 2)) > 0)
            counted = there & one & (lit | self.evens)
            step.watch["gcc_left_out"] = (~counted).sum()
            return terms | {"gcc": share(step, gcc(_by_mass(alone), _by_mass(whole), cell), counted)}

    def _classes(self, step: Step, draws: Tensor) -> tuple[Tensor, Tensor]:
        """What each picture's maps explain, and whether there is anything: the label, or one of several."""
        if step.labels.ndim == 1:
            return step.labels, torch.ones_like(step.labels, dtype=torch.bool)
        found, one = _among(step.labels > 0.5, draws[:, None])
        return found[:, 0], one

    def _others(self, step: Step, classes: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Three pictures [n, 3, c, h, w] for each of mine, and whether it has any."""
        images = step.images
        wanted = (len(images), 3, *images.shape[1:])
        if "others" in step.more:
            others = step.more["others"]
            if not isinstance(others, Tensor) or others.shape != wanted:
                found = tuple(others.shape) if isinstance(others, Tensor) else kind(others)
                raise BadInput(f"the others of the batch are {found}; give three pictures for each image, {wanted}.")
            return others.to(images), torch.ones(len(images), dtype=torch.bool, device=images.device)
        everybody, labels = step.everyone(images.detach()), step.everyone(step.labels)
        if labels.ndim == 2:
            rows, there = without(classes, labels > 0.5, draws[..., 0])
        else:
            rows, there = other_classes(classes, labels, draws, step.seen(images).output.shape[1])
        return everybody[rows], there


def _by_mass(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    return maps / (maps.sum((1, 2), keepdim=True) + TINY) + TINY


def _try_double(site: Site) -> None:
    """A network for one size of pictures cannot look at four of them."""
    dry = site.images.repeat(1, 1, 2, 2)
    try:
        with torch.no_grad():
            site.subject(dry)
    except torch.OutOfMemoryError:
        raise
    except Exception as cause:  # a network may refuse a size in any way
        raise BadModel(
            f"gcc shows the network pictures of {dry.shape[2]}×{dry.shape[3]}, twice the size of the images, and "
            f"{type(site.subject.model).__name__} refuses them ({type(cause).__name__}); build it for any size, a timm "
            f"transformer with dynamic_img_size=True, or train with cgc."
        ) from cause

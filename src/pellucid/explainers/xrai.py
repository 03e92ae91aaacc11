"""XRAI (Kapishnikov et al., 2019): integrated gradients, gathered in the regions of the image.

    a = max_c ½ (IG from all-darkest + IG from all-brightest)         the darkest and the brightest value of each image
    value of region s = mean of a over the pixels that s adds         the region of the largest value is taken first

Regions are Felzenszwalb's at several `scales` of one image, so they overlap and nest; each is dilated by a disk. Taking
one is greedy: after it, all others are worth what they add. A region that adds fewer than `least` pixels is dropped;
pixels that no region takes share their mean. `fast` orders the regions once, by their mean over all of themselves.

Signed, and Σ M = Σ a. Not additive over questions: contrast is asked of the score, not formed of maps. Values are
constant on regions, so metrics that rank pixels meet ties. The segmentation wants photographs: the image is stretched
to [−1, 1] and resized to side × side for it, as published (side=none: left in its size); scales and `smallest` count in
those pixels.

How it is quick: pixels that lie in the same regions are one atom, and a few thousand atoms stand for the image. What
a region adds is kept up to date by subtracting the atoms that were taken, each once. Regions depend only on the image,
and serve all questions and classes of a call. It needs scikit-image: pip install 'pellucid[segments]'.

>>> a = torch.tensor([[4.0, 4.0, 1.0, 0.0]])
>>> regions = torch.tensor([[[1, 1, 0, 0]], [[0, 1, 1, 0]]]) > 0
>>> xrai(a, regions, least=1).tolist()
[[4.0, 4.0, 1.0, 0.0]]
>>> xrai(a, regions, least=2).tolist()
[[4.0, 4.0, 0.5, 0.5]]
"""

from collections.abc import Sequence
from math import inf, isqrt
from typing import Annotated

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate, pad

from pellucid.errors import need
from pellucid.explainers._base import Between, Explainer, Score, Subject
from pellucid.explainers._path import slopes
from pellucid.explainers.integrated_gradients import integrated_gradients
from pellucid.maths.quadrature import Rule, quadrature

Count = Annotated[int, Between(1)]
BITS = 62  # of a word that are used


def xrai(
    a: Float[Tensor, "h w"], regions: Bool[Tensor, "s h w"], least: int, fast: bool = False
) -> Float[Tensor, "h w"]:
    """Every pixel with the value of the region that took it."""
    flat = a.flatten().double()
    where, inside = atoms(regions.flatten(1))
    area = torch.zeros(len(inside), dtype=torch.float64, device=a.device).index_add_(0, where, torch.ones_like(flat))
    total = torch.zeros_like(area).index_add_(0, where, flat)
    return ranked(area, total, inside, least, fast)[where].view_as(a).to(a)


def atoms(regions: Bool[Tensor, "s p"]) -> tuple[Int[Tensor, "p"], Float[Tensor, "k s"]]:
    """The atom of every pixel, and which regions each atom lies in.

    >>> atoms(torch.tensor([[1, 1, 0], [1, 1, 1]]) > 0)[0].unique().tolist()
    [0, 1]
    """
    generator = torch.Generator().manual_seed(0)
    code = torch.zeros(regions.shape[1], dtype=torch.int64, device=regions.device)
    for region in regions:  # a random number of 63 bits for each: equal sums are equal sets
        code += region * int(torch.randint(2**62, (), generator=generator))
    _, where = code.unique(return_inverse=True)
    pixel = torch.zeros(int(where.max()) + 1, dtype=torch.int64, device=regions.device)
    pixel[where] = torch.arange(len(code), device=regions.device)  # any of each
    return where, regions[:, pixel].T.to(torch.float64)


def ranked(
    area: Float[Tensor, "k"], total: Float[Tensor, "k"], inside: Float[Tensor, "k s"], least: int, fast: bool
) -> Float[Tensor, "k"]:
    """The value of every atom."""
    value, free = torch.zeros_like(area), torch.ones_like(area) > 0
    adds, worth = area @ inside, total @ inside  # of every region, what it would add
    first = worth / adds.clamp_min(1) if fast else None
    for _ in range(inside.shape[1]):
        mean = worth / adds.clamp_min(1)
        allowed = adds >= least
        best = int((mean if first is None else first).where(allowed, -inf).argmax())
        if not bool(allowed[best]):
            break
        new = ((inside[:, best] > 0) & free).nonzero()[:, 0]
        value[new], free[new] = mean[best], False
        adds, worth = adds - area[new] @ inside[new], worth - total[new] @ inside[new]
    return value.where(~free, total[free].sum() / area[free].sum().clamp_min(1))


def dilated(labels: Int[Tensor, "h w"], radius: int) -> Bool[Tensor, "s h w"]:
    """The mask of every label, grown by a disk.

    >>> dilated(torch.tensor([[0, 0, 1, 1]]), 1).int().tolist()
    [[[1, 1, 1, 0]], [[0, 1, 1, 1]]]
    """
    h, w = labels.shape
    count = int(labels.max()) + 1
    words = torch.arange(-(-count // BITS)).view(-1, 1, 1)
    # a set of labels for every pixel, a bit each: growing is the union of shifted sets
    own = torch.where(labels // BITS == words, 1 << labels % BITS, 0)
    framed, grown = pad(own, [radius] * 4), own.clone()
    for dy in range(-radius, radius + 1):
        reach = isqrt(radius * radius - dy * dy)
        for dx in range(-reach, reach + 1):
            grown |= framed[:, radius + dy : radius + dy + h, radius + dx : radius + dx + w]
    return torch.stack([grown[i // BITS] >> i % BITS & 1 > 0 for i in range(count)])


class XRAI(Explainer, name="xrai", paper="arXiv:1906.02825"):
    """Which regions of the image contribute most?"""

    group = "path"
    cost = "2 · steps · (F + B)"
    trainable = False
    sizes = (2,)
    quick = {"steps": 2, "scales": (10, 50), "side": None, "smallest": 20, "dilate": 1, "least": 5}
    cite = """
@inproceedings{kapishnikov2019xrai,
  title     = {{XRAI}: Better Attributions Through Regions},
  author    = {Kapishnikov, Andrei and Bolukbasi, Tolga and Vi{\\'e}gas, Fernanda and Terry, Michael},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year      = {2019},
}"""

    steps: Count = 100
    rule: Rule = "gauss"
    scales: tuple[Count, ...] = (50, 100, 150, 250, 500, 1200)
    sigma: Annotated[float, Between(0)] = 0.8
    smallest: Count = 150
    side: Count | None = 224
    dilate: Annotated[int, Between(0)] = 5
    least: Count = 50
    fast: bool = False

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        maps = [self.pixels(subject, images, score) for score in scores]
        answers = [torch.empty_like(m) for m in maps]
        for i, image in enumerate(images.detach()):
            regions = self.regions(image)
            for m, answer in zip(maps, answers, strict=True):
                answer[i] = xrai(m[i].cpu(), regions, self.least, self.fast)  # a loop of many small steps
        return answers

    def pixels(self, subject: Subject, images: Tensor, score: Score) -> Tensor:
        """[n, h, w]: integrated gradients from the darkest and the brightest, of their mean the largest channel."""
        gradient = slopes(subject, images, score)
        rule, most = quadrature(self.rule, self.steps), subject.copies(len(images))
        flat = images.flatten(1)
        ends = (end.view(-1, 1, 1, 1).expand_as(images) for end in (flat.amin(1), flat.amax(1)))
        dark, bright = (integrated_gradients(images, end, gradient, *rule, most) for end in ends)
        return ((dark + bright) / 2).amax(1)

    def regions(self, image: Float[Tensor, "c h w"]) -> Bool[Tensor, "s h w"]:
        """Of all scales, as the image alone has them."""
        felzenszwalb = need("skimage.segmentation", "segments", "xrai").felzenszwalb
        seen = image.double().cpu()
        low, high = seen.min(), seen.max()
        seen = 2 * (seen - low) / (high - low if high > low else 1.0) - 1
        side = None if self.side is None else (self.side, self.side)
        if side and side != image.shape[1:]:
            seen = interpolate(seen[None], side, mode="bicubic", antialias=True)[0]
        pixels = seen.permute(1, 2, 0).numpy()
        found = [torch.zeros(0, *image.shape[1:], dtype=torch.bool)]
        for scale in self.scales:
            labels = felzenszwalb(pixels, scale=scale, sigma=self.sigma, min_size=self.smallest, channel_axis=-1)
            # of the image's size, by the nearest pixel
            large = interpolate(torch.from_numpy(labels)[None, None].double(), image.shape[1:], mode="nearest-exact")
            found.append(dilated(large[0, 0].long(), self.dilate))
        return torch.cat(found)

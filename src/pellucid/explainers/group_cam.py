"""Group-CAM (Zhang et al., 2021): the masks of Score-CAM for groups of channels, weighted as Grad-CAM weighs them.

    g_i = ReLU(Σ_{k∈group i} w_k A_k),  w_k = mean ∂y_t/∂A_k
    M_i = min-max(upsample(denoised g_i))                                  0 what is not above its 70th percentile
    s_i = value(x · M_i + blur(x) · (1 − M_i)) − value(blur(x)),           L = ReLU(Σ_i s_i M_i)

    protocol=published   as above: the authors' code until August 2021
    protocol=current     their code since: nothing denoised, s_i cut at 0, L = Σ_i s_i upsample(g_i)

A forward, a way back through the head, and one forward for each group and for the blurred images: of all perturbation
CAMs the fewest. Groups are equal runs of channels (`order=order`) or clusters of their weighted maps (`order=kmeans`,
seeded); with as many groups as channels each has its own. An empty group costs no forward and changes nothing (it makes
the authors' current code NaN). Masks are weighed by the logit for a question about a probability, as the authors do,
otherwise (and always with `weigh=question`) by the question itself. The blur is the authors': a Gaussian of standard
deviation `sigma` pixels, cut to `kernel` pixels, with borders reflected around the outermost pixel; it commutes with
the normalisation of the images, so that it does not matter that it is taken in the model's space.

>>> A, G = torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]], [[3.0, 0.0]]]]), torch.tensor([[1.0, 1.0, -1.0]])
>>> grouped(A, G, torch.tensor([[0, 0, 1]]), 2).tolist()
[[[[1.0, 3.0]], [[0.0, 0.0]]]]
>>> cut_blur(torch.tensor([[[[0.0, 0.0, 9.0, 0.0]]]]), 3, 1e6).tolist()
[[[[0.0, 3.0, 3.0, 6.0]]]]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.explainers._base import Between, LayerExplainer, Score, Subject
from pellucid.explainers._masking import values
from pellucid.explainers.score_cam import blended
from pellucid.maths.maps import resize
from pellucid.questions._base import one_hot, precise
from pellucid.subject import size_of

Order = Literal["order", "kmeans"]


def grouped(
    activation: Float[Tensor, "n k h w"], weights: Float[Tensor, "n k"], group: Int[Tensor, "n k"], groups: int
) -> Float[Tensor, "n g h w"]:
    """ReLU of the weighted sum of the channels of every group."""
    member = torch.nn.functional.one_hot(group, groups).to(activation) * weights[:, :, None]
    return torch.einsum("nkg,nkhw->nghw", member, activation).relu()


def denoised(maps: Float[Tensor, "n g h w"], share: float) -> Float[Tensor, "n g h w"]:
    """Zero where a map is not above this quantile of its own cells."""
    if share == 0:
        return maps
    ordered = maps.flatten(2).sort(2).values  # torch.quantile refuses more than 16 million numbers
    at = share * (ordered.shape[2] - 1)
    level = ordered[..., int(at)].lerp(ordered[..., ceil(at)], at - int(at))
    return torch.where(maps > level[:, :, None, None], maps, 0.0)


def in_order(k: int, groups: int) -> Int[Tensor, " k"]:
    """The group of each channel: equal runs, up to one.

    >>> in_order(5, 3).tolist()
    [0, 0, 1, 1, 2]
    """
    return torch.arange(k) * groups // k


def k_means(
    points: Float[Tensor, "n k d"], groups: int, generator: torch.Generator, rounds: int = 20
) -> Int[Tensor, "n k"]:
    """The cluster of every point. The first centres are points drawn with odds of their squared distance to those drawn
    before (k-means++), by the same numbers for every image.

    >>> k_means(torch.tensor([[[0.0], [9.0], [1.0], [8.0]]]), 2, torch.Generator().manual_seed(0))[0].unique().tolist()
    [0, 1]
    """
    rows = torch.arange(len(points), device=points.device)
    chance = torch.rand(groups, generator=generator, dtype=torch.float64).to(points)
    near = torch.ones(points.shape[:2], dtype=points.dtype, device=points.device)
    centres: list[Tensor] = []
    for u in chance:
        odds = near.cumsum(1)
        drawn = torch.searchsorted(odds, (u * odds[:, -1:]).contiguous(), right=True)[:, 0].clamp_max(near.shape[1] - 1)
        centres.append(points[rows, drawn])
        off = (points - centres[-1][:, None]).square().sum(2)
        near = off if len(centres) == 1 else torch.minimum(near, off)
    centre = torch.stack(centres, 1)
    for _ in range(rounds):
        member = torch.nn.functional.one_hot(torch.cdist(points, centre).argmin(2), groups).to(points)
        count = member.sum(1)[:, :, None]
        centre = torch.where(count > 0, torch.einsum("nkg,nkd->ngd", member, points) / count.clamp_min(1), centre)
    return torch.cdist(points, centre).argmin(2)


def cut_blur(x: Tensor, kernel: int, sigma: float) -> Tensor:
    """[n, c, h, w] or [n, c, l], blurred by a Gaussian of this many pixels, … c b | a b c … at the borders."""
    whole = precise(x)
    blurred = whole @ _kernel(x.shape[-1], kernel, sigma).to(whole).T
    if x.ndim > 3:
        blurred = _kernel(x.shape[-2], kernel, sigma).to(whole) @ blurred
    return blurred.to(x)


def _kernel(n: int, kernel: int, sigma: float) -> Float[Tensor, "n n"]:
    """Row i: how much each pixel has in the blurred pixel i."""
    offset = torch.arange(kernel) - kernel // 2
    weight = (-0.5 * (offset.double() / sigma) ** 2).exp()
    at = (torch.arange(n)[:, None] + offset) % max(1, 2 * n - 2)
    at = torch.minimum(at, 2 * n - 2 - at) if n > 1 else at
    return torch.zeros(n, n, dtype=torch.float64).scatter_add_(1, at, (weight / weight.sum()).expand(n, -1))


@dataclass(frozen=True)
class _ByLogit:
    """The logit's direction for the classes of another question."""

    target: Tensor

    def cotangent(self, output: Tensor) -> Tensor:
        return one_hot(precise(output.detach()), self.target)


class GroupCAM(LayerExplainer, name="group-cam", paper="arXiv:2103.13859"):
    """How much of the answer is left where a group of channels speaks for it?"""

    cost = "F + b + groups · F"
    asks = "probability"
    trainable = False
    cite = """
@article{zhang2021groupcam,
  title   = {Group-{CAM}: Group Score-Weighted Visual Explanations for Deep Convolutional Networks},
  author  = {Zhang, Qinglong and Rao, Lu and Yang, Yubin},
  journal = {arXiv:2103.13859},
  year    = {2021},
}"""

    groups: Annotated[int, Between(1)] = 32
    order: Order = "order"
    protocol: Literal["published", "current"] = "published"
    denoise: Annotated[float, Between(0, 1)] | None = None
    weigh: Literal["logit", "question"] = "logit"
    kernel: Annotated[int, Between(1)] = 51
    sigma: Annotated[float, Between(1e-3)] = 50.0
    seed: int | None = None

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        looks = subject.look_all(images, [self._weigher(score) for score in scores], self.layer, self.grid)
        blurred = cut_blur(images, self.kernel, self.sigma)
        with torch.no_grad():
            maps = [self.maps(subject, images, blurred, a.detach(), gradients, scores) for a, gradients in looks]
            return self.joined(maps, images, scores)

    def _weigher(self, score: Score) -> Score | _ByLogit:
        asked = self.weigh == "logit" and score.scale in ("probability", "log-probability") and score.question.targeted
        return _ByLogit(score.target) if asked else score

    def maps(
        self,
        subject: Subject,
        images: Tensor,
        blurred: Tensor,
        activation: Tensor,
        gradients: Sequence[Tensor],
        scores: Sequence[Score],
    ) -> list[Tensor]:
        """[n, h, w] of one layer for every score, at the size of the images."""
        size = size_of(images)
        made = [self.made(subject, activation, g.detach().mean((2, 3))) for g in gradients]
        groups = torch.cat(made, 1)
        low, span = _range(groups, size)
        each = groups.shape[1] // len(scores)

        def make(i: Tensor, s: Tensor) -> Tensor:
            """Variant s: the mask of a group; the last is none."""
            g = s.clamp_max(groups.shape[1] - 1)
            mask = (resize(groups[i, g], size) - low[i, g, None, None]) / span[i, g, None, None].clamp_min(1e-38)
            return blended(images[i], blurred[i], torch.where((s == g)[:, None, None], mask, 0.0))

        needed = torch.cat([span > 0, torch.ones_like(span[:, :1], dtype=torch.bool)], 1)
        maps = []
        for q, left in enumerate(values(subject, images, scores, needed.shape[1], make, needed=needed)):
            mine = slice(q * each, (q + 1) * each)
            gain = torch.where(needed[:, mine], left[:, mine] - left[:, -1:], 0.0).to(groups)
            maps.append(resize(self.weighed(gain, groups[:, mine], low[:, mine], span[:, mine]), size))
        return maps

    def made(self, subject: Subject, activation: Tensor, weights: Tensor) -> Tensor:
        """[n, g, h, w]: the map of every group, denoised."""
        n, k = weights.shape
        groups = min(self.groups, k)
        if self.order == "kmeans":
            points = (weights[:, :, None, None] * activation).flatten(2)
            group = k_means(points, groups, self.generator(subject, self.seed))
        else:
            group = in_order(k, groups).to(weights.device).expand(n, -1)
        share = (0.7 if self.protocol == "published" else 0.0) if self.denoise is None else self.denoise
        return denoised(grouped(activation, weights, group, groups), share)

    def weighed(self, gain: Tensor, groups: Tensor, low: Tensor, span: Tensor) -> Tensor:
        """Σ s_i M_i, or of the maps themselves. A mask is linear in its map, so that the sum may be resized after."""
        if self.protocol == "current":
            return torch.einsum("ng,nghw->nhw", gain.relu(), groups)
        per = torch.where(span > 0, gain / span.where(span > 0, 1.0), 0.0)
        return torch.einsum("ng,nghw->nhw", per, groups) - (per * low).sum(1)[:, None, None]


def _range(maps: Float[Tensor, "n g h w"], size: tuple[int, int]) -> tuple[Float[Tensor, "n g"], Float[Tensor, "n g"]]:
    """The smallest value of every map at this size, and how far it is to the largest; an image at a time."""
    ends = [torch.stack([f(resize(m, size), (1, 2)) for f in (torch.amin, torch.amax)]) for m in maps]
    low, high = torch.stack(ends, 1)
    return low, high - low

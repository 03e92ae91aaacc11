"""Relative probability after equal masking (Wang & Wang, 2022; Eriksson et al., 2025): does one of the two likeliest
classes win when only the pixels are kept that speak for it, and lose when only those are kept that speak against it?

    r = σ(y_t − y_u),   y the logits of the masked image,   {t, u} = {t₁, t₂} of the intact one

t is t₁ or t₂ (`of`). With keep=positive higher is better, with keep=negative lower. The map of t is that of its logit
(`ask=original`), of its contrast with the others (`ask=weighted`), or left to chance (`ask=random`): the same number of
pixels anywhere, without which one cannot tell what a map knows from what masking does by itself. All three keep the
same number of pixels, which both maps agree to:

                 kept, of N pixels                                                              replaced by blur
    sound        keep=positive  the k highest, k = min(#{S_o > 0}, #{S_w > 0})                  a true Gaussian, σ 15
                 keep=negative  the k lowest,  k = min(#{S_o < 0}, #{S_w < 0})                  px at 224, reflected
    published    keep=positive  all but the n lowest,      n = min(#{S_o > 0}, #{S_w > 0})      101 taps of it
                 keep=negative  all but the n − 1 highest, n = max(#{S_o < 0}, #{S_w < 0})

The published counts are those of the sign that is kept, and are used for what is removed: harmless where half the
pixels are positive; where fewer are, most of what is kept has the other sign. `published` also resizes the maps of a
layer from corner to corner. In `sound` an image where one of the maps lacks the wanted sign has no score.

Images whose second class has p₂ > 0.1 are looked at (`p2=below`: those with p₂ < 0.1, where one class dominates); the
others have no score. Maps are signed: an explainer of a layer that leaves `relu` to the question is run without it.
Explainers that are never negative keep every pixel, and score what the intact image does. The published code asks p_t
for its weighted maps, which differ by a positive factor, and exponentiates logits, which overflows from 89 on.

>>> relative_probability(torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([2]), torch.tensor([1])).item()
0.731...
>>> kept_count(torch.tensor([[[3.0, 1.0, -1.0, -2.0]]]), torch.tensor([[[3.0, -1.0, -1.0, -2.0]]]), "positive", "sound")
tensor([1])
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from pellucid.explainers import Explainer
from pellucid.explanation import Explanation, explain
from pellucid.maths.blur import gaussian_blur
from pellucid.maths.curves import ranks
from pellucid.metrics._base import Better, Between, Case, Metric
from pellucid.metrics._exchange import _convolved, _truncated
from pellucid.metrics.sign_perturbation import SignPerturbation
from pellucid.questions._base import pick
from pellucid.questions.contrast import Contrast

Keep = Literal["positive", "negative"]
Dialect = Literal["sound", "published"]
Asked = Literal["original", "weighted", "random"]


def relative_probability(
    output: Float[Tensor, "n c"], of: Int[Tensor, " n"], other: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """That of one class where there is but one other."""
    return (pick(output, of) - pick(output, other)).sigmoid()


def kept_count(
    original: Float[Tensor, "n h w"], weighted: Float[Tensor, "n h w"], keep: Keep, protocol: Dialect
) -> Int[Tensor, " n"]:
    """How many pixels stay, in both images."""
    wanted = [(m > 0 if keep == "positive" else m < 0).flatten(1).sum(1) for m in (original, weighted)]
    fewer, pixels = torch.minimum(*wanted), original[0].numel()
    if protocol == "sound":
        return fewer
    return pixels - (fewer if keep == "positive" else (torch.maximum(*wanted) - 1).clamp_min(0))


def kept(places: Int[Tensor, "n h w"], count: Int[Tensor, " n"], keep: Keep) -> Bool[Tensor, "n h w"]:
    """Which pixels stay, of their places in ascending order: so many of the highest, or of the lowest.

    >>> kept(torch.tensor([[[0, 2, 1]]]), torch.tensor([2]), "positive").tolist()
    [[[False, True, True]]]
    """
    count = count[:, None, None]
    return places >= places[0].numel() - count if keep == "positive" else places < count


def ascending(maps: Float[Tensor, "n h w"]) -> Int[Tensor, "n h w"]:
    """The place of every pixel, 0 the lowest; of equal ones the first."""
    return ranks(-maps)


class RelativeProbability(Metric, name="relative-probability", paper="arXiv:2501.11096"):
    """Does a class win against its nearest rival when only the pixels are kept that speak for it?"""

    scores = "explainer"
    classes = True
    quick = {"limit": 0.0}
    cite = SignPerturbation.cite

    ask: Asked = "weighted"
    keep: Keep = "positive"
    of: Literal["first", "second"] = "first"
    baseline: Literal["blur", "zeros", "mean"] = "blur"
    p2: Literal["above", "below"] = "above"
    limit: Annotated[float, Between(0, 1)] = 0.1
    protocol: Dialect = "sound"
    counts: Dialect | None = None  # none: as the protocol has them
    seed: int | None = None  # of ask=random

    @property
    def better(self) -> Better:  # type: ignore[override]
        return "higher" if self.keep == "positive" else "lower"

    def score(self, case: Case) -> Tensor:
        found = torch.full((case.n,), torch.nan, device=case.images.device)
        rows = self._chosen(case)
        if len(rows):
            found[rows] = self._relative(case, rows).float()
        return found

    def _relative(self, case: Case, rows: Tensor) -> Tensor:
        count, stays = self.stays(case)
        x, b = case.images[rows], self._replacement(case)[rows]
        masked = torch.where(stays.view(len(rows), 1, *x.shape[2:]), x, b)
        parts = torch.arange(len(rows), device=rows.device).split(case.rows)
        output = torch.cat([case.answer(masked[part], rows[part]) for part in parts])
        of, other = _two(case)[rows].T if self.of == "first" else _two(case)[rows].T.flip(0)
        r = relative_probability(output, of, other)
        return r if self.protocol == "published" else torch.where(count > 0, r, torch.nan)

    def stays(self, case: Case) -> tuple[Tensor, Tensor]:
        """Of the images that are looked at: how many pixels stay [m], and which [m, h, w]."""
        original, weighted = self._maps(case)[:, 0 if self.of == "first" else 1].unbind(1)
        count = kept_count(original, weighted, self.keep, self.counts or self.protocol)
        if self.ask == "random":
            drawn = torch.randperm(original[0].numel(), generator=case.generator(self.seed)).to(original.device)
            return count, kept(drawn.view_as(original[0]).expand(len(original), -1, -1), count, self.keep)
        mine = original if self.ask == "original" else weighted
        places = self._once_here(case, (self.of, self.ask), lambda: ascending(mine))
        return count, kept(places, count, self.keep)

    def _chosen(self, case: Case) -> Tensor:
        """[m]: the images that are looked at."""
        second = pick(case.chances(case.output), _two(case)[:, 1])
        return (second > self.limit if self.p2 == "above" else second < self.limit).nonzero()[:, 0]

    def _maps(self, case: Case) -> Tensor:
        """[m, 2, 2, h, w]: of the first and the second class, original and weighted."""
        return self._once_here(case, "maps", lambda: self._explained(case, self._chosen(case)))

    def _once_here(self, case: Case, what: object, make: Callable[[], Tensor]) -> Tensor:
        return case.once_here(("relative probability", what, self.p2, self.limit, self.protocol), make)

    def _explained(self, case: Case, rows: Tensor) -> Tensor:
        assert case.explainer is not None
        s, batch = case.subject, case.batch[rows]
        e = explain(
            s.model, batch.whole, _signed(case.explainer), ["logit", "contrast"], target=_two(case)[rows],
            batch_size=s.batch_size, seed=s.seed, input=batch.key, output=s.output,
        )  # fmt: skip
        maps = _from_corner_to_corner(e, case.size) if self.protocol == "published" else e.maps
        return maps.view(len(rows), 2, 2, *case.size)

    def _replacement(self, case: Case) -> Tensor:
        x = case.images
        if self.baseline == "zeros":
            return torch.zeros_like(x)
        if self.baseline == "mean":
            return x.flatten(2).mean(2).view(*x.shape[:2], *[1] * (x.ndim - 2)).expand_as(x)
        return case.once(("replaced by blur", self.protocol), lambda: _blurred(x, self.protocol))

    @property
    def card(self) -> dict[str, str]:
        taps = "101 taps at 224 pixels, mirrored at the border pixel"
        return super().card | {
            "baseline": {
                "blur": f"blur, σ 15/224 of the side, {'true Gaussian' if self.protocol == 'sound' else taps}",
                "zeros": "zeros of the model's space",
                "mean": "mean of every channel of the image",
            }[self.baseline],
            "classes": "the two most probable of the intact image",
            "maps": "signed, at the images' size",
            "ties": "first pixel lowest",
        }


def _two(case: Case) -> Tensor:
    """[n, 2]: the two most probable classes."""
    Contrast().classes(case.output)  # refuses one class, and what has none
    return case.once("two most probable", lambda: case.output.argsort(dim=1, descending=True, stable=True)[:, :2])


def _signed(explainer: Explainer) -> Explainer:
    """The explainer without a ReLU that the question would decide on."""
    return explainer.but(relu=False) if getattr(explainer, "relu", False) is None else explainer


def _from_corner_to_corner(e: Explanation, size: tuple[int, int]) -> Tensor:
    """The maps, resized in the published way where a layer gave them: the corner cells end up at the corner pixels."""
    raw, images = e.raw, e.images
    assert raw is not None
    assert images is not None
    of_input = raw.shape[3:] == images.shape[1:]
    if of_input or raw.ndim != 5 or tuple(raw.shape[-2:]) == size:
        return e.maps
    return interpolate(raw.flatten(0, 2)[:, None].float(), size, mode="bilinear", align_corners=True)


def _blurred(x: Tensor, protocol: Dialect) -> Tensor:
    side = min(x.shape[2:])
    sigma = 15 * side / 224
    if protocol == "sound":
        return gaussian_blur(x, sigma)
    return _convolved(x, _truncated(2 * round(50 * side / 224) + 1, sigma, x), "reflect")

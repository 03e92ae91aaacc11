"""CGC (Pillai et al., 2022): consistent explanations by contrastive learning.

    L = CE(x) + CE(crop of x) + CE(x̃) + λ · mean_b ℓ_b,      x̃ = t(x), a crop and a mirror
    ℓ_b = −log exp(s⁺_b / T) / (exp(s⁺_b / T) + Σ_{k≠b} exp(s_bk / T))
    s⁺_b = cos(M(x̃_b), t_b(M(x_b))),   s_bk = cos(M(x̃_b), M(x̃_k))

M is the heat-map of the class that the network predicts for x, brought to the size of the image and divided by its
mass. The heat of a cut and mirrored picture shall be the heat of the picture, cut and mirrored; and it shall not be
that of another picture, without which all maps would become flat. The three CE are summed, not averaged; the network's
own answer is explained, not the label, so that pictures without labels serve as well: a batch that is a dict with
`unlabelled` has its CE from the images and its CGC from these.

Up-sampling, cutting and mirroring are linear, and so they are done as small matrices; a cosine of two up-sampled maps
is one of two small ones in the coordinates R of U = QR.

Views drawn by a loader come as `augmented`, `boxes` (top, left, height, width in pixels of x), `flips`, and `crop`.

Where the protocols differ:
    sound          a map of zeros has no direction: its pair is left out, and counted in `watch["cgc_zero"]`;
                   negatives are everybody's; negatives=false: mean_b 2 − 2 s⁺_b
    paper          a map of zeros is an even one; negatives=false: the squared differences of the unit vectors, averaged
                   over the pixels, which is (2 − 2 s⁺_b) / (H·W) and wants a weight of thousands
    published      as the paper; negatives of this process alone; where a coin says mirror, the heat-map is mirrored and
                   the picture only every other time: a quarter of the pairs do not match
    reproduction   as published, with the mirror mended, and T = 0.01

Trap: the positive cosine of maps that have nothing in common is about 0.85 for 7×7 cells up-sampled to 224 pixels, and
ℓ lies between log(1 + (B − 1)·exp(−1/T)) and about log B.

>>> cgc(torch.tensor([1.0]), torch.tensor([[1.0, 0.0]]), torch.tensor([[False, True]]), 1.0).exp()   # 1 + 1/e
tensor([1.3679])
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from pellucid.errors import BadInput, BadKnob, kind
from pellucid.maths.crops import crop_weights, cropped, random_boxes, upsample_weights
from pellucid.objectives._base import Between, Part, Step
from pellucid.objectives._bound import Site
from pellucid.objectives._heat import TINY, HeatObjective, HeatPart, Weight, share

Size = tuple[int, int]
Share = Annotated[float, Between(1e-4, 1)]
Aspect = Annotated[float, Between(0.01, 100)]
TOGETHER = ("augmented", "boxes", "flips")


def cgc(
    positive: Float[Tensor, " n"],
    similarity: Float[Tensor, "n m"],
    negative: Bool[Tensor, "n m"],
    temperature: float,
) -> Float[Tensor, " n"]:
    """Each positive cosine against those similarities that are negatives of it."""
    logits = torch.cat([positive[:, None], similarity.masked_fill(~negative, -torch.inf)], 1) / temperature
    return logits.logsumexp(1) - logits[:, 0]


def normalised(heat: Float[Tensor, "n h w"], size: Size) -> Float[Tensor, "n h w"]:
    """The map that, up-sampled to this size, is the up-sampled heat / (its mass + 1e-8) + 1e-8.

    >>> normalised(torch.tensor([[[1.0, 3.0]]]), (1, 4))
    tensor([[[0.1250, 0.3750]]])
    """
    down, across = (_up(*sides, heat).sum(0) for sides in zip(heat.shape[1:], size, strict=True))
    mass = torch.einsum("h,nhw,w->n", down, heat, across)[:, None, None]
    return heat / (mass + TINY) + TINY


def enlarged(maps: Float[Tensor, "n h w"], size: Size) -> Float[Tensor, "n oh ow"]:
    """Bilinearly up-sampled."""
    return _up(maps.shape[1], size[0], maps) @ maps @ _up(maps.shape[2], size[1], maps).mT


def transformed(
    maps: Float[Tensor, "n h w"], boxes: Num[Tensor, "n 4"], flips: Bool[Tensor, " n"], size: Size
) -> Float[Tensor, "n oh ow"]:
    """Up-sampled to the size of the images, cut like them, stretched again, mirrored: two small matrices each.

    >>> transformed(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[0, 1, 1, 2]]), torch.tensor([True]), (1, 4))
    tensor([[[0.7500, 0.6250, 0.3750, 0.2500]]])
    """
    top, left, tall, wide = boxes.T
    down = crop_weights(top, tall, size[0], size[0]).to(maps) @ _up(maps.shape[1], size[0], maps)
    across = crop_weights(left, wide, size[1], size[1], flips).to(maps) @ _up(maps.shape[2], size[1], maps)
    return down @ maps @ across.mT


def similarities(a: Float[Tensor, "n h w"], b: Float[Tensor, "m h w"], size: Size) -> Float[Tensor, "n m"]:
    """The cosines between the maps of a and b, as if they were up-sampled to this size.

    >>> similarities(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]]), (1, 4))  # ¾·¼ + ¼·¾ of 1 + 9/16 + 1/16
    tensor([[0.2308]])
    """
    down, across = (_root(*sides).to(a) for sides in zip(a.shape[1:], size, strict=True))
    a, b = (normalize((down @ maps @ across.mT).flatten(1)) for maps in (a, b))
    return a @ b.mT


@dataclass(frozen=True)
class Ways:
    """What a protocol means by CGC."""

    temperature: float = 0.5
    evens: bool = True  # a map of zeros is an even one
    alone: bool = False  # negatives of this process only
    coin: bool = False  # half of the mirrored maps belong to pictures that were not mirrored
    pixels: bool = True  # without negatives: averaged over the pixels


WAYS = {
    "sound": Ways(evens=False, pixels=False),
    "paper": Ways(),
    "published": Ways(alone=True, coin=True),
    "reproduction": Ways(temperature=0.01, alone=True),
}


class CGC(HeatObjective, name="cgc", paper="arXiv:2110.00527"):
    """Does a cut and mirrored picture keep its reasons, and are they not those of another picture?"""

    cite = """
@inproceedings{pillai2022consistent,
  title     = {Consistent Explanations by Contrastive Learning},
  author    = {Pillai, Vipin and Abbasi Koohpayegani, Soroush and Ouligian, Ashley and Fong, Dennis and
               Pirsiavash, Hamed},
  booktitle = {Computer Vision and Pattern Recognition},
  year      = {2022},
}"""

    draws = True

    weight: Weight = 0.5
    temperature: Annotated[float, Between(1e-4)] | None = None
    negatives: bool = True
    target: Literal["predicted", "label"] = "predicted"
    scale: tuple[Share, Share] = (0.08, 1.0)
    ratio: tuple[Aspect, Aspect] = (3 / 4, 4 / 3)
    protocol: Literal["sound", "paper", "published", "reproduction"] = "sound"
    coin: bool | None = None

    def check(self) -> None:
        super().check()
        for knob in ("scale", "ratio"):
            low, high = getattr(self, knob)
            if low > high:
                raise BadKnob(f"the knob {knob} of cgc runs from {low:g} to {high:g}; give the smaller number first.")

    @property
    def ways(self) -> Ways:
        """What the protocol says, and the knob that says otherwise."""
        return WAYS[self.protocol] if self.coin is None else replace(WAYS[self.protocol], coin=self.coin)

    @property
    def weights(self) -> Mapping[str, float]:
        return {"ce": 1.0, "ce_crop": 1.0, "ce_augmented": 1.0} | ({"cgc": self.weight} if self.weight else {})

    def build(self, site: Site) -> Part:
        return Consistency(self, site)


class Views(NamedTuple):
    """A picture seen again: a crop of its own, and the augmented view with how it was made."""

    crop: Tensor
    augmented: Tensor
    boxes: Tensor
    flips: Tensor


class Consistency(HeatPart):
    """CGC at its place."""

    def __init__(self, objective: CGC, site: Site) -> None:
        super().__init__(objective, site)
        self.cgc, self.ways = objective, objective.ways

    def forward(self, step: Step) -> Mapping[str, Tensor]:
        terms = {"ce": step.ce()}
        more = self._unlabelled(step)
        images, labelled = (step.images, True) if more is None else (more, False)
        step = step if labelled else step.about(images)
        views = self._views(step, images, labelled)
        if labelled:
            terms |= {"ce_crop": step.ce(views.crop), "ce_augmented": step.ce(views.augmented)}
        if not self.cgc.weight:
            return terms
        classes = self._classes(step, images, labelled)
        original, augmented = self.heat(step, images, classes), self.heat(step, views.augmented, classes)
        with torch.autocast(images.device.type, enabled=False):
            return terms | {"cgc": self._consistency(step, original, augmented, views)}

    def _consistency(self, step: Step, original: Tensor, augmented: Tensor, views: Views) -> Tensor:
        size = _size(views.augmented)
        own, asked = normalised(original, size), normalised(augmented, size)
        there, here = transformed(own, views.boxes, views.flips, size), enlarged(asked, size)
        positive = cosine_similarity(here.flatten(1), there.flatten(1))
        directed = lit(there) & lit(here)
        counted = directed | self.ways.evens
        step.watch["cgc_zero"] = (~directed).sum()
        step.watch["cgc_positive"] = torch.where(counted, positive, 0.0).sum() / counted.sum().clamp_min(1)
        values = self._contrast(step, positive, asked, size) if self.cgc.negatives else self._gap(positive, size)
        return share(step, values, counted)

    def _contrast(self, step: Step, positive: Tensor, asked: Tensor, size: Size) -> Tensor:
        n = len(asked)
        everyone = asked if self.ways.alone else step.everyone(asked)
        first = 0 if self.ways.alone else step.mine(n).start
        negative = torch.ones(n, len(everyone), dtype=torch.bool, device=asked.device)
        negative[:, first : first + n].fill_diagonal_(False)
        negative = negative & (lit(everyone) | self.ways.evens)
        knob = self.cgc.temperature
        temperature = self.ways.temperature if knob is None else knob
        return cgc(positive, similarities(asked, everyone, size), negative, temperature)

    def _gap(self, positive: Tensor, size: Size) -> Tensor:
        return (2 - 2 * positive) / (size[0] * size[1] if self.ways.pixels else 1)

    def _classes(self, step: Step, images: Tensor, labelled: bool) -> Tensor:
        """The class that both maps explain: the original's, never the augmented view's."""
        scores = step.seen(images).output.detach()
        if self.cgc.target == "predicted" or not labelled:
            return scores.argmax(1)
        if step.labels.ndim == 1:
            return step.labels
        true = step.labels > 0.5  # of several labels the one that the network is surest of
        return scores.masked_fill(~true & true.any(1, keepdim=True), -torch.inf).argmax(1)

    # --- views -------------------------------------------------------------------------------------------------------

    def _views(self, step: Step, images: Tensor, labelled: bool) -> Views:
        """Those of the batch, and drawn ones where it brings none."""
        given = {key: step.more[key].to(images.device) for key in Views._fields if key in step.more}
        enough = given.keys() >= {*TOGETHER, *(["crop"] if labelled else [])}
        views = Views(**{"crop": images} | given) if enough else self._drawn(step, images, labelled)._replace(**given)
        views = views._replace(flips=views.flips.bool())
        lacking = [key for key in TOGETHER if key not in given]
        if views.crop.shape != images.shape or lacking not in ([], [*TOGETHER]) or not _fit(views, images):
            raise BadInput(
                f"the views of the batch are {', '.join(f'{k} {tuple(x.shape)}' for k, x in given.items())}; give "
                f"augmented {tuple(images.shape)}, its boxes [{len(images)}, 4] and flips [{len(images)}] together."
            )
        return views

    def _drawn(self, step: Step, images: Tensor, labelled: bool) -> Views:
        """Drawn for everybody's pictures, so that mine do not depend on how they are spread over the processes."""
        boxes, flips, again = self._chance(step, images, "cgc")
        augmented = cropped(images, boxes, flips & again if self.ways.coin else flips, _size(images))
        if not labelled:
            return Views(images, augmented, boxes, flips)
        other, turned, _ = self._chance(step, images, "cgc crop")
        return Views(cropped(images, other, turned, _size(images)), augmented, boxes, flips)

    def _chance(self, step: Step, images: Tensor, name: str) -> tuple[Tensor, Tensor, Tensor]:
        """A box, and two coins, for each of my pictures."""
        n, chance = len(images), step.chance(name)
        everybody, mine = sum(step.rows(n)), step.mine(n)
        boxes = random_boxes(everybody, _size(images), chance, self.cgc.scale, self.cgc.ratio)[mine]
        coins = torch.rand(2, everybody, generator=chance)[:, mine] < 0.5
        return boxes.to(images.device), coins[0].to(images.device), coins[1].to(images.device)

    def _unlabelled(self, step: Step) -> Tensor | None:
        images = step.more.get("unlabelled")
        if images is None:
            return None
        if not isinstance(images, Tensor) or images.shape[1:] != step.images.shape[1:] or not len(images):
            raise BadInput(
                f"unlabelled is {tuple(images.shape) if isinstance(images, Tensor) else kind(images)}; give pictures "
                f"of the size of the labelled ones, [n, {', '.join(map(str, step.images.shape[1:]))}]."
            )
        return images.to(step.images)


def lit(maps: Float[Tensor, "n h w"]) -> Bool[Tensor, " n"]:
    """Whether a normalised map is anywhere above the 1e-8 that every pixel has."""
    return maps.detach().amax((1, 2)) > 2 * TINY


def _fit(views: Views, images: Tensor) -> bool:
    n = len(images)
    return views.augmented.shape == images.shape and views.boxes.shape == (n, 4) and views.flips.shape == (n,)


def _size(images: Tensor) -> Size:
    return images.shape[2], images.shape[3]


def _up(cells: int, pixels: int, like: Tensor) -> Float[Tensor, "pixels cells"]:
    return _whole(cells, pixels).to(like)


@cache
def _whole(cells: int, pixels: int) -> Float[Tensor, "pixels cells"]:
    with torch.inference_mode(False):  # what is first made in a validation is kept for training
        return upsample_weights(cells, pixels)


@cache
def _root(cells: int, pixels: int) -> Float[Tensor, "r cells"]:
    """R of U = QR: ‖R m‖ is the length of the up-sampled m."""
    with torch.inference_mode(False):
        return torch.linalg.qr(_whole(cells, pixels).double(), mode="r").R

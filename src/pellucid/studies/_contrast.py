"""What the studies of class contrast share: worlds of classes that are alike, and what the maps of rivals have to do
with each other.

    t₁, t₂    the likeliest classes of a picture;  M_t^a    the map of t, asked the way a

    agreement       r(M_t₁^a, M_t₂^a), Pearson's           opposition    −r
    likeness        cos(M_t₁^a, M_t₁^original)             negative-share    the part of M_t₁^a that is below zero
    difference      1 − |cos(M_t₁^weighted, M_t₁^original)|
    rise            z(rank p₂) z(rank difference), whose mean over the pictures is their rank correlation

A picture has numbers where the last of the classes looked at is likelier than the floor. Maps are signed: there is no
ReLU behind any of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pellucid.studies._base import Study
from pellucid.studies._cells import Lab, Train, Work
from pellucid.studies._pictures import Drawn, Seen, Shown
from pellucid.studies._worlds import TINY, World, said

WAYS: Mapping[str, str] = {  # arms and what they ask
    "original": "logit", "mean": "contrast:against=mean", "max": "contrast:against=max", "weighted": "contrast",
}  # fmt: skip
CAMS = ("hires-cam", "grad-cam", "xgrad-cam")  # LA, GC and XC of the paper


@dataclass(frozen=True)
class Alike(World):
    """Classes that are alike. layer: where the CAM family looks, none is its own choice; protocol: of the metrics."""

    layer: str | None = None
    protocol: str | None = None

    def cams(self, *names: str) -> dict[str, str]:
        """Text forms of the CAM family without a ReLU, and what the paper's rows are called."""
        return {said(name, layer=self.layer, relu=False): name for name in names}


class OfContrast(Study):
    """Abstract: a study of the reproduction of class contrast."""

    of = "recc"

    @property
    def at(self) -> Alike:
        """The world, with what is said of classes that are alike."""
        world = self.world
        assert isinstance(world, Alike)
        return world


@dataclass(frozen=True)
class Rivals(Work):
    """How the maps of a picture's likeliest classes stand to each other, for every way to ask."""

    ways: ClassVar[Mapping[str, str]] = WAYS

    model: Train | str
    data: str
    explainer: str
    classes: int = 2
    floor: float = 0.1

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        for start, chances, maps in self.asked(lab):
            for i, arm in enumerate(self.ways):
                for quantity, values in related(maps[:, 0, i], maps[:, 1, i], maps[:, 0, 0]).items():
                    shown = values.where(chances[:, -1] > self.floor, float("nan"))
                    yield from self.told_of(start, shown.tolist(), arm, quantity)

    def told_of(self, start: int, values: list[float], arm: str, quantity: str) -> Iterator[Mapping[str, Any]]:
        """A row a picture."""
        setting = self.explainer.partition(":")[0]
        for sample, value in enumerate(values, start):
            yield {"arm": arm, "setting": setting, "quantity": quantity, "sample": sample, "value": value}

    def asked(self, lab: Lab) -> Iterator[tuple[int, Any, Any]]:
        """The first number of some pictures, the probabilities of their likeliest classes [n, k], maps [n, k, q, h, w],
        which are zero where the floor is not reached."""
        import torch

        from pellucid.engine._evaluate import seen_by
        from pellucid.explanation import explain

        model = lab.model(self.model)
        for some in seen_by(model, self.data, None, None).ranges(None):
            with torch.no_grad():
                chances, top = model(some.images).float().softmax(1).topk(self.classes)
            wanted = chances[:, -1] > self.floor
            maps = torch.zeros(len(top), self.classes, len(self.ways), *some.images.shape[2:])
            if wanted.any():
                images, asks = some.images[wanted], list(self.ways.values())
                maps[wanted] = explain(model, images, self.explainer, asks, target=top[wanted]).maps.cpu()
            yield some.start, chances, maps

    def drawn(self) -> Iterator[Drawn]:
        for arm, ask in self.ways.items():
            by = self.explainer.partition(":")[0]
            yield OfRivals(self.data, self.model, by, self.explainer, ask, self.classes, arm=arm)


@dataclass(frozen=True)
class OfRivals(Drawn):
    """The likeliest classes, asked one way."""

    called: ClassVar[tuple[str, str]] = ("Ways to ask", "Classes")
    scale: ClassVar[str] = "The maps of a picture's classes are divided by the strongest value of all of them."

    explainer: str
    ask: str
    classes: int

    @property
    def each(self) -> int:
        return self.classes

    def maps(self, seen: Seen) -> Shown:
        from pellucid.explanation import explain

        top = seen.chances.topk(self.classes).indices
        e = explain(seen.model, seen.images, self.explainer, self.ask, target=top)
        captions = [[seen.says(i, c) for c in row] for i, row in enumerate(top.tolist())]
        return Shown(e.maps, bool(e.signed), ("likeliest", "second", "third")[: self.classes], captions)


@dataclass(frozen=True)
class Rise(Rivals):
    """Whether a contrast differs from the plain map the more, the likelier the second class is."""

    ways: ClassVar[Mapping[str, str]] = {arm: WAYS[arm] for arm in ("original", "weighted")}

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        import torch

        from pellucid.maths.similarity import cosine

        found = [(chances[:, 1], 1 - cosine(*maps[:, 0].unbind(1)).abs()) for _, chances, maps in self.asked(lab)]
        second, difference = (torch.cat(part) for part in zip(*found, strict=True))
        yield from self.told_of(0, difference.tolist(), "weighted", "difference")
        yield from self.told_of(0, standing(second, difference).tolist(), "weighted", "rise")


def related(first: Any, second: Any, plain: Any) -> dict[str, Any]:
    """Of maps [n, h, w] of the first class and the second, and of the first by its logit: numbers [n].

    >>> import torch
    >>> M = torch.tensor([[[1.0, -1.0, -3.0]]])
    >>> {name: values.item() for name, values in related(M, -M, M).items()}
    {'agreement': -1.0, 'opposition': 1.0, 'likeness': 1.0, 'negative-share': 0.666...}
    """
    from pellucid.maths.similarity import cosine, pearson

    alike = pearson(first, second)
    share = (first < 0).flatten(1).double().mean(1)
    return {"agreement": alike, "opposition": -alike, "likeness": cosine(first, plain), "negative-share": share}


def standing(a: Any, b: Any) -> Any:
    """[n]: products of two standardised ranks, whose mean is Spearman's correlation; NaN where one of them is.

    >>> import torch
    >>> round(standing(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([9.0, 7.0, 5.0])).mean().item(), 6)
    -1.0
    """
    import torch

    known = a.isfinite() & b.isfinite()
    ranks = [values[known].double().argsort().argsort().double() for values in (a, b)]
    products = [(rank - rank.mean()) / rank.std(correction=0) for rank in ranks]
    found = torch.full(a.shape, torch.nan, dtype=torch.float64)
    found[known] = products[0] * products[1]
    return found


VIT = "pellucid:tiny-vit:width=48,depth=3,patch=4"
THINGS = Alike(  # 27 classes: every shape of three in every colour of three and every texture of three
    train="scenes:classes=27,size=32,length=960",
    test="scenes:classes=27,size=32,length=400,seed=1",
    maps="scenes:classes=27,size=32,length=100,seed=1",
    network=TINY.network,
    recipe=TINY.recipe,
    layer="features.3.1",  # the last convolution, in front of its normalisation
)
BESIDE = replace(  # 8 classes, and up to three things of other classes beside: rivals that stand at their own places
    THINGS,
    train="scenes:classes=8,size=48,length=800",
    test="scenes:classes=8,size=48,length=250,seed=1,distractors=3",
    maps="scenes:classes=8,size=48,length=100,seed=1,distractors=3",
    recipe=f"{TINY.recipe.rpartition(',')[0]},epochs=12",
)
SMALL_PICTURES = Alike(
    train="cifar100",
    test="subset:first=2000@cifar100:split=test",
    maps="subset:first=500@cifar100:split=test",
    network="pellucid:tiny-cnn:width=32,depth=4,pool=max",
    recipe="plain:optimiser=adamw,lr=0.005,decay=0.05,batch=128,schedule=one-cycle,epochs=12",
    layer="features.3.1",
)
BIRDS = Alike(
    train="cub",
    test="cub:split=test",
    maps="cub:split=test",
    network="torchvision:vgg16_bn",
    recipe="recc-cub",
    seeds=1,
    layer="features.40",
    protocol="published",
)
PHOTOGRAPHS = Alike(  # of networks as they come: nothing is trained
    train="",
    test="imagenet",
    maps="subset:balanced=1000@imagenet",
    network="torchvision:vgg16",
    recipe="",
    seeds=1,
    protocol="published",
)

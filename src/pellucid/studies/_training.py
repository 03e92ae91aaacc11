"""Several worlds in one table: numbers of labels, data sets, networks, and the arms that are trained in each."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pellucid.studies._cells import Reading, Train
from pellucid.studies._worlds import IMAGENET, SMALL, TINY, World

Worlds = Mapping[str, World]  # by the setting that their rows carry
Arms = Mapping[str, Mapping[str, Any]]  # by the name that rows carry: knobs of lico where they are not its defaults

CIFAR = IMAGENET.but(
    train="cifar10",
    test="cifar10:split=test",
    maps="subset:balanced=1000@cifar10:split=test",
    network="pellucid:wrn-28-2",
    recipe="lico-cifar",
    seeds=5,
)
CIFAR100 = CIFAR.but(
    train="cifar100",
    test="cifar100:split=test",
    maps="subset:balanced=1000@cifar100:split=test",
    network="pellucid:wrn-28-8",
)
SVHN = CIFAR.but(train="svhn", test="svhn:split=test", maps="subset:balanced=1000@svhn:split=test")
FINE: Worlds = {  # a ResNet-50 of ImageNet's weights; CGC has the same training, of which nothing is published
    name: IMAGENET.but(
        train=f"{name}:split={train}",
        test=f"{name}:split=test",
        maps=f"{name}:split=test",
        network="timm:resnet50.tv_in1k",
        recipe="lico-finegrained",
        seeds=5,
        recipes={},
    )
    for name, train in {"cub": "train", "cars": "train", "aircraft": "trainval", "flowers102": "trainval"}.items()
}
IMAGENET_S = IMAGENET.but(  # what the reproduction study trained
    train="imagenet-s:split=train",
    test="imagenet-s:split=validation",
    maps="imagenet-s:split=validation",
    network="torchvision:resnet18",
    recipe="relico",
    protocol="reproduction",
    objectives={"cgc": "cgc:protocol=reproduction"},
    recipes={"cgc": "relico:clip=none"},
    forms={
        **{name: f"{name}:protocol=reproduction" for name in ("insertion", "deletion", "overall")},
        "sch": "sch:protocol=reproduction,grid=[7,7]",
        "mosu": "mosu:protocol=published",
        "ses": "ses:protocol=published",
    },
)
RELICO: Worlds = {"tiny": TINY, "small": SMALL, "paper": IMAGENET_S}  # by scale

FEW = TINY.but(  # twelve classes alike in shape, colour or texture, of few pictures: few steps, for text takes long
    train="scenes:classes=12,size=32,length=600",
    test="scenes:classes=12,size=32,length=600,seed=1",
    maps="scenes:classes=12,size=32,length=64,seed=1",
    recipe="plain:optimiser=adamw,lr=0.005,decay=0.05,batch=12,schedule=one-cycle,epochs=10",
)
FEW_SMALL = SMALL.but(
    train="scenes:classes=27,size=48,length=2700",
    test="scenes:classes=27,size=48,length=2700,seed=1",
    maps="scenes:classes=27,size=48,length=270,seed=1",
    recipe="plain:optimiser=adamw,lr=0.005,decay=0.05,batch=27,schedule=one-cycle,epochs=40",
)


def first(by_scale: Mapping[str, Worlds]) -> dict[str, World]:
    """A world a scale: that of the first setting, whose number of seeds is everybody's."""
    return {scale: next(iter(worlds.values())) for scale, worlds in by_scale.items()}


def labels(at: World, count: int, epochs: int | None = None) -> World:
    """The same world with so many labels in all, equally many of every class; perhaps for so many epochs."""
    return _of(at, f"subset:balanced={count}", epochs)


def shots(at: World, each: int, epochs: int | None = None) -> World:
    """The same world with so many pictures of every class; perhaps for so many epochs."""
    return _of(at, f"subset:shots={each}", epochs)


def _of(at: World, subset: str, epochs: int | None) -> World:
    recipe = at.recipe if epochs is None else re.sub(r"epochs=\d+", f"epochs={epochs}", at.recipe)
    return at.but(train=f"{subset}@{at.train}", recipe=recipe)


def few_shots(scale: str) -> Worlds:
    """Fine-grained classes of one, five, ten or all examples a class, by setting."""
    if scale == "paper":
        counts = {"1 shot": 1, "5 shots": 5, "10 shots": 10, "all labels": None}
        return {
            f"{name} · {said}": at if count is None else shots(at, count)
            for name, at in FINE.items()
            for said, count in counts.items()
        }
    at, steps = (FEW, 30) if scale == "tiny" else (FEW_SMALL, 400)
    # so many steps each: a batch is one picture a class
    return {
        f"scenes · {count} shot{'s' * (count > 1)}": shots(at, count, max(1, steps // count)) for count in (1, 5, 10)
    }


def trained(worlds: Worlds, arms: Arms, seed: int, *maps: str) -> Iterator[Reading]:
    """Every arm in every world: its accuracies, and where metrics of maps are named, those of Grad-CAM."""
    for setting, at in worlds.items():
        for name, knobs in arms.items():
            model = at.trained(name.partition(":")[0], seed, **knobs)
            yield from at.measured(model, seed, name, ("grad-cam",) if maps else (), maps, setting=setting)


SEVERAL = {  # scenes of several things, for what needs two of them
    "tiny": "scenes:classes=6,size=32,objects=3,length=128,seed=1",
    "small": "scenes:classes=10,size=48,objects=3,length=400,seed=1",
}


def localised(scale: str, model: Train, seed: int, arm: str) -> Iterator[Reading]:
    """Its accuracies, and where Grad-CAM's maps lie: what tables 4 and 5 of LICO's reproduction tell."""
    at = RELICO[scale]
    yield from at.measured(model, seed, arm, ("grad-cam",), ("ses",))
    yield from at.measured(model, seed, arm, ("grad-cam",), ("sch",), accuracy=False)
    several = at.but(maps=SEVERAL.get(scale, at.maps))
    yield from several.measured(model, seed, arm, ("grad-cam",), ("mosu",), accuracy=False)

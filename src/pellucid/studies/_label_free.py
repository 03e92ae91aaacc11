"""What the studies of label-free explanations share: encoders, what is asked of them, and the three scales.

    Maps       is the representation moved most where the map is high?          rows: a picture
    Examples   do the examples that matter most show the same thing?            rows: a picture
    MapsAlike, ExamplesAlike      do encoders of other tasks agree?             a number a run, and rows of pictures
    UnitsAlike, Trend             do the units of a VAE share pixels, and more so as β grows?     a number a run

At tiny the digits are those of scikit-learn, enlarged to 28 pixels; heartbeats are made from formulas, CIFAR-10 is
little scenes, dSprites 492 sprites of 32 pixels, and trainings take a few epochs: maps and examples are those of
encoders that have learned less. At small they are MNIST, ECG5000, CIFAR-10 and sprites, more briefly trained.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pellucid.studies._cells import Cell, Lab, Train, Work
from pellucid.studies._worlds import World

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pellucid.training import Fit

Row = Mapping[str, Any]
PERCENTS, SHARES = (5, 10, 20, 50, 80, 100), (0.05, 0.1, 0.2, 0.5, 0.7, 1.0)
EXPLAINERS = ("integrated-gradients", "gradient-shap:samples=5", "gradient", "random-map")
CHUNK = 256  # pictures explained at a time


# --- what is learned --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Beats:
    """Heartbeats of a data set, or so many made from formulas; of both kinds, or normal or abnormal ones alone."""

    of: str = ""
    kind: str = ""
    count: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Kept(Train):
    """A training of which the weights of every epoch stay, for TracIn."""

    @property
    def keep(self) -> bool:
        return True


@dataclass(frozen=True)
class OfBeats(Cell):
    """An autoencoder trained on heartbeats; the weights of every epoch stay."""

    kind: ClassVar[str] = "train"

    network: str
    beats: Beats
    objective: str
    recipe: str
    seed: int = 0

    @property
    def alike(self) -> str:
        return f"train {self.network} {self.beats} {self.objective} {self.recipe}"

    def folder(self, lab: Lab) -> Path:
        return lab.out / "trained" / self.key

    def run(self, lab: Lab) -> None:
        import json

        from pellucid.files import write_atomically
        from pellucid.studies._beats import read
        from pellucid.training import fit

        data, out = read(self.beats), self.folder(lab)
        made = fit(self.network, data, self.objective, self.recipe, seed=self.seed, out=out, keep=True)
        told = {"cell": repr(self), "rows": made.rows, "epochs": len(made.rows)}
        write_atomically(self.mark(lab), json.dumps(told).encode())

    def quick(self) -> "OfBeats":
        short = Train(self.network, "", self.objective, self.recipe).quick()
        return replace(self, recipe=short.recipe)


Learned = Train | OfBeats
Data = str | Beats


# --- worlds -----------------------------------------------------------------------------------------------------------

TASKS = {
    "reconstruction": "denoising:corruption=none", "denoising": "denoising",
    "inpainting": "denoising:corruption=inpainting", "classification": "ce",
}  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """Where maps and examples of one encoder are checked. empty: what stands for replaced pixels."""

    word: str
    network: str
    train: Data
    objective: str
    recipe: str
    maps: Data  # what is explained
    corpus: Data  # the training examples that are scored, of which `learned` knows, or the like of them
    asked: Data
    empty: str = "black"
    influences: tuple[str, ...] = ("dknn", "simplex")
    examples: Data = ""  # another training set for the check of examples

    def learned(self, seed: int, examples: bool = False) -> Learned:
        """Its encoder; without a loss of one example nobody needs the weights of all epochs."""
        train = self.examples if examples and self.examples else self.train
        if isinstance(train, Beats):
            return OfBeats(self.network, train, self.objective, self.recipe, seed)
        kept = Kept if len(self.influences) > 2 else Train
        return kept(self.network, train, self.objective, self.recipe, seed)

    def shifts(self, seed: int) -> list["Maps"]:
        """How far the representation moves, by each explainer."""
        learned = self.learned(seed)
        return [Maps(learned, self.maps, one, self.empty, self.word) for one in EXPLAINERS]

    def rates(self, seed: int) -> list["Examples"]:
        """What the examples show, by each influence."""
        learned = self.learned(seed, examples=True)
        return [Examples(learned, self.corpus, self.asked, one, self.word) for one in self.influences]


def word(data: str) -> str:
    """The data set that a text form is of.

    >>> word("subset:hold=0.25@digits"), word("mnist:split=test")
    ('digits', 'mnist')
    """
    return data.rpartition("@")[2].partition(":")[0]


def tasks(scale: str) -> tuple[str, ...]:
    """Of the pretext tasks; capsules are for the larger scales."""
    return (*TASKS, "scae") if scale != "tiny" else tuple(TASKS)


def task(world: World, name: str, seed: int) -> Train:
    """An encoder that has learned by a pretext task."""
    if name == "scae":
        return Train("pellucid:scae", world.train, "scae", "scae-mnist", seed)
    network = "pellucid:conv-classifier" if name == "classification" else world.network
    return Kept(network, world.train, TASKS[name], world.recipe, seed)


def _digits(world: World, influences: tuple[str, ...], corpus: str) -> Bench:
    return Bench(
        word(world.train), world.network, world.train, "denoising", world.recipe,
        world.maps, corpus, world.maps, influences=influences,
    )  # fmt: skip


ADAM = "optimiser=adam,lr=0.003,decay=0.00001,schedule=constant"
REST, HELD = "subset:hold=0.25,part=rest@digits", "subset:hold=0.25,part=held@digits"
DIGITS = {
    "tiny": World(
        train=REST, test=HELD, maps=f"subset:balanced=100@{HELD}", network="pellucid:conv-autoencoder",
        recipe=f'plain:batch=48,transform="plain:size=28",{ADAM},epochs=8',
    ),
    "small": World(
        train="mnist", test="mnist:split=test", maps="subset:balanced=1000@mnist:split=test",
        network="pellucid:conv-autoencoder", recipe="relf-mnist:epochs=15",
    ),
    "paper": World(
        train="mnist", test="mnist:split=test", maps="subset:shots=100,pick=first@mnist:split=test",
        network="pellucid:conv-autoencoder", recipe="relf-mnist",
    ),
}  # fmt: skip
CORPUS = {"tiny": f"subset:balanced=200@{REST}"} | dict.fromkeys(
    ("small", "paper"), "subset:shots=100,pick=first@mnist"
)
ALL_FOUR = ("influence-function", "tracin:every=3", "simplex", "dknn")
PUBLISHED = ("influence-function:protocol=published", "tracin:every=10", "simplex:protocol=published", "dknn")
INFLUENCES = {"tiny": ALL_FOUR, "small": ("influence-function", "tracin:every=5", "simplex", "dknn"),
              "paper": PUBLISHED}  # fmt: skip
WHOLE = "ecg5000:split=all,binary=true"
LEARNED_BEATS, OTHER_BEATS = "subset:hold=0.2,part=rest@", "subset:hold=0.2,part=held@"
BEATS = {
    "tiny": Bench(
        "beats", "pellucid:lstm-autoencoder:latent=8,length=32", Beats(kind="normal", count=320),
        "denoising:corruption=none,loss=l1", f"plain:batch=20,transform=plain,{ADAM},epochs=12",
        Beats(kind="abnormal", count=128, seed=1), Beats(count=120), Beats(count=60, seed=1), "normal", ALL_FOUR,
        examples=Beats(count=240),
    )
} | {
    scale: Bench(
        "ecg5000", "pellucid:lstm-autoencoder", Beats(WHOLE, "normal"), "denoising:corruption=none,loss=l1", recipe,
        Beats(WHOLE, "abnormal"), Beats(f"subset:balanced=1000@{LEARNED_BEATS}{WHOLE}"),
        Beats(f"{OTHER_BEATS}{WHOLE}"), "normal", INFLUENCES[scale], examples=Beats(f"{LEARNED_BEATS}{WHOLE}"),
    )
    for scale, recipe in (("small", "relf-ecg:epochs=30"), ("paper", "relf-ecg"))
}  # fmt: skip
LITTLE = "scenes:classes=6,size=16"
PICTURES = {
    "tiny": Bench(
        "scenes", "pellucid:simclr:hidden=128,out=32", f"{LITTLE},length=192", "infonce",
        "plain:batch=48,transform=simclr:size=16,optimiser=adam,lr=0.001,decay=0.000001,schedule=cosine,epochs=4",
        f"{LITTLE},length=48,seed=1", f"{LITTLE},length=120,seed=2", f"{LITTLE},length=48,seed=1", "blur",
        ("dknn", "simplex:protocol=published"),
    )
} | {
    scale: Bench(
        "cifar10", "pellucid:simclr", data, "infonce", recipe, maps,
        "subset:balanced=1000,seed=1@cifar10", "subset:balanced=1000@cifar10:split=test", "blur",
        ("dknn", "simplex:protocol=published"),
    )
    for scale, data, recipe, maps in (
        ("small", "subset:balanced=5000@cifar10", "relf-simclr:epochs=20", "subset:balanced=500@cifar10:split=test"),
        ("paper", "cifar10", "relf-simclr", "cifar10:split=test"),
    )
}  # fmt: skip


def benches(scale: str) -> tuple[Bench, Bench, Bench]:
    """Of digits, of heartbeats, of pictures: a, b and c of the paper's figures."""
    return _digits(DIGITS[scale], INFLUENCES[scale], CORPUS[scale]), BEATS[scale], PICTURES[scale]


BETAS, LOSSES = (1, 5, 10), ("beta-vae", "tc-vae")
VAES = {  # network, training set, recipe, what is explained
    "tiny": (
        ("pellucid:conv-vae", "subset:every=3@digits",
         f'plain:batch=24,transform="plain:size=32",{ADAM},epochs=6', f"subset:balanced=100@{HELD}"),
        ("pellucid:conv-vae:latent=6", "subset:every=1501@sprites",
         f'plain:batch=24,transform="plain:size=32",{ADAM},epochs=8', "subset:every=7351@sprites"),
    ),
    "small": (
        ("pellucid:conv-vae", "mnist", "relf-mnist:epochs=10,transform=plain:size=32",
         "subset:balanced=1000@mnist:split=test"),
        ("pellucid:conv-vae:latent=6,size=64", "subset:every=37@sprites", "relf-mnist:epochs=10,batch=100",
         "subset:every=737@sprites"),
    ),
    "paper": (
        ("pellucid:conv-vae", "mnist", "relf-mnist:transform=plain:size=32", "mnist:split=test"),
        ("pellucid:conv-vae:latent=6,size=64", "subset:hold=0.1,part=rest@dsprites", "relf-mnist:batch=500",
         "subset:hold=0.1,part=held@dsprites"),
    ),
}  # fmt: skip


def vae(scale: str, which: int, loss: str, beta: int, seed: int) -> tuple[Train, str]:
    """A VAE of the grid, of digits (0) or of sprites (1), and what is explained."""
    network, data, recipe, maps = VAES[scale][which]
    return Train(network, data, f"{loss}:beta={beta}", recipe, seed), maps


def grid(scale: str, seed: int) -> tuple["UnitsAlike", ...]:
    """All VAEs of a seed."""
    return tuple(
        UnitsAlike(*vae(scale, which, loss, beta, seed), loss, beta)
        for which in (0, 1) for loss in LOSSES for beta in BETAS
    )  # fmt: skip


# --- reading ----------------------------------------------------------------------------------------------------------


def seen(data: Data, model: "nn.Module") -> "tuple[Tensor, Tensor]":
    """Inputs as the model wants them, and labels."""
    from pellucid.engine._influence import samples_of
    from pellucid.networks._load import own_transform
    from pellucid.studies._beats import read

    return samples_of(read(data) if isinstance(data, Beats) else data, own_transform(model), "data").read()


def opened(of: Learned, lab: Lab) -> "Fit":
    """What a training gave, of either kind."""
    return lab.fit(cast(Train, of))


def encoder(of: Learned, lab: Lab) -> "tuple[nn.Module, nn.Module]":
    """The whole network, and what of it represents: of a classifier all but its last layer."""
    from pellucid.networks._base import Learner

    model = opened(of, lab).model
    return model, model if isinstance(model, Learner) else cast(Any, model).encoder


def maps_of(net: "nn.Module", x: "Tensor", explainer: Any, ask: Any = "similarity", **options: Any) -> Iterator[Any]:
    """Explanations, some pictures at a time."""
    from pellucid.explanation import explain

    for start in range(0, len(x), CHUNK):
        yield explain(net, x[start : start + CHUNK], explainer, ask, **options)


def name_of(text: str) -> str:
    """Of a text form, the name.

    >>> name_of("tracin:every=3")
    'tracin'
    """
    return text.partition(":")[0]


def _from_black(text: str, baseline: Any = "black") -> Any:
    """An explainer whose path begins there, where it has one."""
    from pellucid.explainers import Explainer

    made = Explainer.make(text)
    return made.but(baseline=baseline) if hasattr(made, "baseline") else made


# --- work -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Maps(Work):
    """How far the representation moves without the pixels of a map, in units of what it moves without any pixel."""

    model: Learned
    data: Data
    explainer: str
    empty: str = "black"
    word: str = ""

    def rows(self, lab: Lab) -> Iterator[Row]:
        import torch

        from pellucid.engine import measure

        whole, net = encoder(self.model, lab)
        x, _ = seen(self.data, whole)
        axis = 2 if x.ndim == 3 else None  # series have time first
        baseline, into, how = self._empty(lab, whole)
        explainer, moved = _from_black(self.explainer, baseline), []
        every = maps_of(net, x, explainer, seed=self.model.seed, channels=axis)
        for some, e in zip(x.split(CHUNK), every, strict=True):
            scores = [measure(net, some, e, _shift(percent, into, how), channels=axis) for percent in PERCENTS]
            moved.append(torch.stack(scores, 1))
        found = torch.cat(moved).double()
        found = found.sqrt() if how == "published" else found
        found = found / found[:, -1].mean()
        for k, percent in enumerate(PERCENTS):
            for i, value in enumerate(found[:, k].tolist()):
                yield {"arm": name_of(self.explainer), "setting": self.word,
                       "quantity": f"latent-shift:percent={percent}", "sample": i, "value": value}  # fmt: skip

    def _empty(self, lab: Lab, whole: "nn.Module") -> tuple[Any, Any, str]:
        """Where paths begin, what replaces pixels, and by whose protocol: a blur of 21 pixels is the published one."""
        if self.empty == "normal":
            assert isinstance(self.model, OfBeats)
            mean = seen(self.model.beats, whole)[0].mean(0)  # [t, c]
            return mean, mean.T, "sound"
        return ("blur", "blur", "published") if self.empty == "blur" else ("black", "zeros", "sound")


def _shift(percent: float, into: Any, how: Any) -> Any:
    from pellucid.metrics import LatentShift

    return LatentShift(percent=float(percent), into=into, protocol=how)


@dataclass(frozen=True)
class Examples(Work):
    """How many of the examples that matter most, and least, have the label of the picture asked about."""

    model: Learned
    corpus: Data
    asked: Data
    influence: str
    word: str = ""

    def rows(self, lab: Lab) -> Iterator[Row]:
        from pellucid.engine import influence
        from pellucid.metrics import SimilarityRate

        fit = opened(self.model, lab)
        (x, of_x), (y, of_y) = (seen(data, fit.model) for data in (self.corpus, self.asked))
        w = influence(cast(Any, fit), (x, of_x), (y, of_y), self.influence, seed=self.model.seed)
        for side in ("most", "least"):
            for share in SHARES:
                rate = SimilarityRate(share=share, side=cast(Any, side))(w, of_y, of_x)
                for i, value in enumerate(rate.tolist()):
                    yield {"arm": side, "setting": f"{self.word} · {name_of(self.influence)}",
                           "quantity": f"similarity-rate:share={share:g}", "sample": i, "value": value}  # fmt: skip


@dataclass(frozen=True)
class MapsAlike(Work):
    """Pearson's correlation of encoders' maps: of all pixels of all pictures as one list, and picture by picture."""

    models: tuple[Train, ...]
    tasks: tuple[str, ...]
    data: str
    explainer: str

    def rows(self, lab: Lab) -> Iterator[Row]:
        import torch

        from pellucid.engine import agreement
        from pellucid.maths.pooled import off_diagonal

        found = {}
        for name, cell in zip(self.tasks, self.models, strict=True):
            whole, net = encoder(cell, lab)
            x, _ = seen(self.data, whole)
            made = maps_of(net, x, _from_black(self.explainer), seed=cell.seed)
            found[name] = torch.cat([e.maps.abs() for e in made])
        at = word(self.data)
        yield from pairs(agreement(found, by="pearson", pooled=True), self.tasks, at, "maps")
        for i, value in enumerate(off_diagonal(1 - agreement(found, by="pearson")).tolist()):
            yield {"arm": "any two tasks", "setting": at, "quantity": "other-map", "sample": i, "value": value}


def pairs(matrix: "Tensor", tasks: tuple[str, ...], setting: str, arm: str, more: str = "") -> Iterator[Row]:
    """A row for every two tasks, and their mean twice: as the table has it, and as an arm beside others."""
    two = list(combinations(range(len(tasks)), 2))
    of_two = [float(matrix[i, j]) for i, j in two]
    for (i, j), value in zip(two, of_two, strict=True):
        yield {"arm": f"{tasks[i]} · {tasks[j]}", "setting": setting + more, "quantity": "pearson", "value": value}
    mean = math.fsum(of_two) / len(two)
    yield {"arm": mean_of(tasks), "setting": setting + more, "quantity": "pearson", "value": mean}
    yield {"arm": arm, "setting": setting, "quantity": "pearson", "value": mean}


def mean_of(tasks: tuple[str, ...]) -> str:
    """What the mean over pairs is called.

    >>> mean_of(("a", "b", "c", "d"))
    'mean of the six'
    """
    return {6: "mean of the six", 10: "mean of the ten"}[len(tasks) * (len(tasks) - 1) // 2]


@dataclass(frozen=True)
class ExamplesAlike(Work):
    """Pearson's correlation of what examples mean to encoders, and whether their first examples are others."""

    models: tuple[Train, ...]
    tasks: tuple[str, ...]
    corpus: str
    asked: str
    influence: str = "dknn"

    def rows(self, lab: Lab) -> Iterator[Row]:
        import torch

        from pellucid.engine import agreement, influence

        found = {}
        for name, cell in zip(self.tasks, self.models, strict=True):
            whole, net = encoder(cell, lab)
            train, asked = (seen(data, whole) for data in (self.corpus, self.asked))
            found[name] = influence(net, train, asked, self.influence, seed=cell.seed)
        at = word(self.asked)
        matrix = agreement(found, by="pearson", pooled=True)
        yield from pairs(matrix, self.tasks, at, "examples", f" · {name_of(self.influence)}")
        first = torch.stack([w.argmax(1) for w in found.values()])
        others = torch.stack([(a != b).double() for a, b in combinations(first, 2)]).mean(0)
        for i, value in enumerate(others.tolist()):
            yield {"arm": "any two tasks", "setting": at, "quantity": "other-example", "sample": i, "value": value}


def maps_alike(world: World, scale: str, seed: int, explainer: str) -> MapsAlike:
    """Of all tasks of a scale."""
    names = tasks(scale)
    return MapsAlike(tuple(task(world, name, seed) for name in names), names, world.maps, explainer)


def examples_alike(world: World, scale: str, seed: int) -> ExamplesAlike:
    """Of all tasks of a scale."""
    names = tasks(scale)
    return ExamplesAlike(tuple(task(world, name, seed) for name in names), names, CORPUS[scale], world.maps)


@dataclass(frozen=True)
class UnitsAlike(Work):
    """Pearson's correlation of the maps of a VAE's units, of all pixels of all pictures as one list."""

    model: Train
    data: str
    loss: str
    beta: int

    def rows(self, lab: Lab) -> Iterator[Row]:
        from pellucid.metrics.latent_agreement import Streamed

        maps = Streamed()
        for e in unit_maps(self.model, self.data, lab):
            maps.add((e.maps * e.value[..., None, None]).abs().flatten(2))
        yield {"arm": self.loss, "setting": f"{word(self.data)} · beta {self.beta}",
               "quantity": UNITS, "value": maps.value("pearson")}  # fmt: skip


UNITS = "latent-agreement:explainer=gradient-shap"


def unit_maps(model: Train, data: str, lab: Lab) -> Iterator[Any]:
    """Explanations of every unit, [n, d, h, w]."""
    from pellucid.questions import Unit

    net = opened(model, lab).model
    x, _ = seen(data, net)
    units = [Unit(index=j) for j in range(cast(Any, net)(x[:1]).shape[1])]
    return maps_of(net, x, _from_black("gradient-shap:samples=5"), units, seed=model.seed)


@dataclass(frozen=True)
class Trend(Work):
    """What a seed's VAEs say together: means by data and by β, and how much each curve rises from β = 1 to 10."""

    of: tuple[UnitsAlike, ...]

    def rows(self, lab: Lab) -> Iterator[Row]:
        import numpy as np

        value = {cell: float(cell.frame(lab)["value"].iloc[0]) for cell in self.of}
        for arm, beta in ((f"beta {b}", b) for b in BETAS):
            mean = float(np.nanmean([v for cell, v in value.items() if cell.beta == beta]))
            yield {"arm": arm, "setting": "all VAEs", "quantity": UNITS, "value": mean}
        words, rises = sorted({word(cell.data) for cell in self.of}), []
        for at in words:
            mean = float(np.nanmean([v for cell, v in value.items() if word(cell.data) == at]))
            yield {"arm": at, "setting": "all VAEs", "quantity": UNITS, "value": mean}
            for loss in LOSSES:
                curve = [(cell.beta, v) for cell, v in value.items() if (word(cell.data), cell.loss) == (at, loss)]
                rises.append(rise(curve))
                yield {"arm": loss, "setting": at, "quantity": "rise", "value": rises[-1]}
        yield {"arm": "mean of the four", "quantity": "rise", "value": float(np.nanmean(rises))}


def rise(curve: list[tuple[int, float]]) -> float:
    """Of the straight line nearest to (β, value), what it rises from the first β to the last.

    >>> round(rise([(1, 0.0), (5, 0.4), (10, 0.9)]), 6)
    0.9
    """
    import numpy as np

    x, y = np.array([(b, v) for b, v in curve if not math.isnan(v)], dtype=float).reshape(-1, 2).T
    return float(np.polyfit(x, y, 1)[0] * (max(BETAS) - min(BETAS))) if len(x) > 1 else math.nan


@dataclass(frozen=True)
class Apart(Work):
    """The curves of two trainings from other weights: how far apart, and how much of one shape."""

    one: tuple[Work, ...]
    other: tuple[Work, ...]
    by: str  # arm: a curve each; setting: a curve each, of both arms

    def rows(self, lab: Lab) -> Iterator[Row]:
        import numpy as np

        for a, b in zip(self.one, self.other, strict=True):
            rows: list[Any] = [cell.frame(lab) for cell in (a, b)]
            x, y = (r.groupby(["arm", "quantity"], sort=False)["value"].mean().to_numpy(float) for r in rows)
            at = rows[0].iloc[0]
            arm, setting = (at["arm"], at["setting"]) if self.by == "arm" else at["setting"].split(" · ")[::-1]
            yield {"arm": arm, "setting": setting, "quantity": "apart", "value": float(np.abs(x - y).mean())}
            yield {"arm": arm, "setting": setting, "quantity": "one-shape", "value": float(np.corrcoef(x, y)[0, 1])}


@dataclass(frozen=True)
class Units(Work):
    """How much a unit's map differs between two pictures of a class, and which of its strongest pixels are others'."""

    model: Train
    data: str
    loss: str

    def rows(self, lab: Lab) -> Iterator[Row]:
        import torch

        from pellucid.engine import agreement
        from pellucid.maths.pooled import off_diagonal

        maps = torch.cat([e.maps.abs() for e in unit_maps(self.model, self.data, lab)])
        _, labels = seen(self.data, opened(self.model, lab).model)
        alive = maps.flatten(2).amax((0, 2)) > 0
        swings = swing(maps.flatten(2).sum(2)[:, alive], labels) if alive.any() else []
        yield from self._written("swing", swings)
        if alive.sum() > 1:
            units = [maps[:, j] for j in alive.nonzero()[:, 0].tolist()]
            yield from self._written("shared", off_diagonal(agreement(units, by="top-k", k=0.1)).tolist())

    def _written(self, quantity: str, values: list[float]) -> Iterator[Row]:
        for i, value in enumerate(values or [math.nan]):
            yield {"arm": self.loss, "setting": word(self.data), "quantity": quantity, "sample": i, "value": value}


def swing(mass: "Tensor", labels: "Tensor") -> list[float]:
    """mass [n, d] of maps. Of pictures of a class two by two: of the unit that changes most, 1 − less / more.

    >>> import torch
    >>> swing(torch.tensor([[1.0, 4.0], [2.0, 1.0], [9.0, 9.0]]), torch.tensor([0, 0, 1]))
    [0.75]
    """
    found = []
    for label in labels.unique().tolist():
        mine = mass[labels == label]
        for a, b in zip(mine[::2], mine[1::2], strict=False):
            found.append(float((1 - a.minimum(b) / a.maximum(b).clamp_min(1e-12)).max()))
    return found


@dataclass(frozen=True)
class Cost(Work):
    """Seconds of work that is done once more, and of the trainings that are named; and their binary logarithm."""

    experiment: str
    setting: str
    of: tuple[Work, ...]
    seed: int
    trained: tuple[Train, ...] = ()

    def rows(self, lab: Lab) -> Iterator[Row]:
        import time

        start = time.monotonic()
        for cell in self.of:
            for _ in cell.rows(lab):
                pass
        seconds = time.monotonic() - start
        seconds += sum(row["seconds"] for cell in self.trained for row in cell.told(lab)["rows"])
        for quantity, value in (("seconds", seconds), ("log2-seconds", math.log2(max(seconds, 1e-9)))):
            yield {"arm": self.experiment, "setting": self.setting, "quantity": quantity, "value": value}

"""The work of the studies of label-free explanations.

    Maps       is the representation moved most where the map is high?          rows: a picture
    Examples   do the examples that matter most show the same thing?            rows: a picture
    MapsAlike, ExamplesAlike      do encoders of other tasks agree?             a number a run, and rows of pictures
    UnitsAlike, Trend             do the units of a VAE share pixels, and more so as β grows?     a number a run

Which encoders, of what data, is in `_benches.py`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pellucid.studies._cells import Lab, Train, Work
from pellucid.studies._pictures import Drawn, Seen, Shown

if TYPE_CHECKING:
    from torch import Tensor, nn

Row = Mapping[str, Any]
PERCENTS, SHARES = (5, 10, 20, 50, 80, 100), (0.05, 0.1, 0.2, 0.5, 0.7, 1.0)
BETAS, LOSSES = (1, 5, 10), ("beta-vae", "tc-vae")
CHUNK = 256  # pictures explained at a time


# --- reading ----------------------------------------------------------------------------------------------------------


def seen(data: str, model: "nn.Module") -> "tuple[Tensor, Tensor]":
    """Inputs as the model wants them, and labels."""
    from pellucid.engine._influence import samples_of
    from pellucid.networks._load import own_transform

    return samples_of(data, own_transform(model), "data").read()


def encoder(of: Train, lab: Lab) -> "tuple[nn.Module, nn.Module]":
    """The whole network, and what of it represents."""
    model = lab.model(of)
    return model, representing(model)


def representing(model: "nn.Module") -> "nn.Module":
    """What of a network represents: of a classifier all but its last layer."""
    from pellucid.networks._base import Learner

    return model if isinstance(model, Learner) else cast(Any, model).encoder


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


def word(data: str) -> str:
    """The data set that a text form is of.

    >>> word("subset:hold=0.25@digits"), word("mnist:split=test")
    ('digits', 'mnist')
    """
    return data.rpartition("@")[2].partition(":")[0]


# --- work -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Maps(Work):
    """How far the representation moves without the pixels of a map, in units of what it moves without any pixel."""

    model: Train
    data: str
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
        every = maps_of(self.explained(net), x, explainer, seed=self.model.seed, channels=axis)
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

    def explained(self, net: "nn.Module") -> "nn.Module":
        """What is asked for the maps."""
        return net

    def _empty(self, lab: Lab, whole: "nn.Module") -> tuple[Any, Any, str]:
        """Where paths begin, what replaces pixels, and by whose protocol: a blur of 21 pixels is the published one."""
        if self.empty == "normal":
            mean = seen(self.model.data, whole)[0].mean(0)  # [t, c]
            return mean, mean.T, "sound"
        return ("blur", "blur", "published") if self.empty == "blur" else ("black", "zeros", "sound")


def _shift(percent: float, into: Any, how: Any) -> Any:
    from pellucid.metrics import LatentShift

    return LatentShift(percent=float(percent), into=into, protocol=how)


@dataclass(frozen=True)
class Examples(Work):
    """How many of the examples that matter most, and least, have the label of the picture asked about."""

    model: Train
    corpus: str
    asked: str
    influence: str
    word: str = ""

    def scores(self, lab: Lab) -> "tuple[Tensor, Tensor, Tensor]":
        """[asked, corpus], and the labels of both."""
        from pellucid.engine import influence

        fit = lab.fit(self.model)
        (x, of_x), (y, of_y) = (seen(data, fit.model) for data in (self.corpus, self.asked))
        w = influence(cast(Any, fit), (x, of_x), (y, of_y), self.influence, seed=self.model.seed)
        return w, of_y, of_x

    def rows(self, lab: Lab) -> Iterator[Row]:
        return self.rates(*self.scores(lab))

    def rates(self, w: "Tensor", of_y: "Tensor", of_x: "Tensor") -> Iterator[Row]:
        """Of scores and the labels of both sides."""
        from pellucid.metrics import SimilarityRate

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

    def drawn(self) -> Iterator[Drawn]:
        for task, model in zip(self.tasks, self.models, strict=True):
            yield OfTask(self.data, model, name_of(self.explainer), self.explainer, arm=task)


@dataclass(frozen=True)
class OfTask(Drawn):
    """What an encoder looks at."""

    called: ClassVar[tuple[str, str]] = ("Tasks", "Explainers")

    explainer: str

    def maps(self, seen: Seen) -> Shown:
        net, explainer = representing(seen.model), _from_black(self.explainer)
        e = next(maps_of(net, seen.images, explainer, seed=self.of.seed))
        return Shown(e.maps.abs()[:, None], False)


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

    def inputs(self, data: str, model: "nn.Module") -> "tuple[Tensor, Tensor]":
        """What an encoder is given, and labels."""
        return seen(data, model)

    def rows(self, lab: Lab) -> Iterator[Row]:
        import torch

        from pellucid.engine import agreement, influence

        found = {}
        for name, cell in zip(self.tasks, self.models, strict=True):
            whole, net = encoder(cell, lab)
            train, asked = (self.inputs(data, whole) for data in (self.corpus, self.asked))
            found[name] = influence(net, train, asked, self.influence, seed=cell.seed)
        at = word(self.asked)
        matrix = agreement(found, by="pearson", pooled=True)
        yield from pairs(matrix, self.tasks, at, "examples", f" · {name_of(self.influence)}")
        first = torch.stack([w.argmax(1) for w in found.values()])
        others = torch.stack([(a != b).double() for a, b in combinations(first, 2)]).mean(0)
        for i, value in enumerate(others.tolist()):
            yield {"arm": "any two tasks", "setting": at, "quantity": "other-example", "sample": i, "value": value}


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

    def drawn(self) -> Iterator[Drawn]:
        yield OfUnits(self.data, self.model, "gradient-shap", arm=f"{self.loss}, β = {self.beta}")


UNITS = "latent-agreement:explainer=gradient-shap"


def unit_maps(model: Train, data: str, lab: Lab) -> Iterator[Any]:
    """Explanations of every unit, [n, d, h, w]."""
    net = lab.model(model)
    yield from by_unit(net, seen(data, net)[0], model.seed)


def by_unit(net: "nn.Module", x: "Tensor", seed: int) -> Iterator[Any]:
    """The same of some pictures."""
    from pellucid.questions import Unit

    units = [Unit(index=j) for j in range(cast(Any, net)(x[:1]).shape[1])]
    return maps_of(net, x, _from_black("gradient-shap:samples=5"), units, seed=seed)


@dataclass(frozen=True)
class OfUnits(Drawn):
    """What every unit of a code looks at, on two pictures of a class each."""

    called: ClassVar[tuple[str, str]] = ("Networks", "Units")
    pairs: ClassVar[bool] = True
    scale: ClassVar[str] = "The maps of a network are divided by the strongest value of all of them."

    def maps(self, seen: Seen) -> Shown:
        e = next(by_unit(seen.model, seen.images, self.of.seed))
        captions = [[f"value {value:.2f}".replace("-", "−") for value in row] for row in e.value.tolist()]
        return Shown(e.maps.abs(), False, [f"unit {j}" for j in range(e.maps.shape[1])], captions, whole=True)


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
        _, labels = seen(self.data, lab.model(self.model))
        alive = maps.flatten(2).amax((0, 2)) > 0
        swings = swing(maps.flatten(2).sum(2)[:, alive], labels) if alive.any() else []
        yield from self._written("swing", swings)
        if alive.sum() > 1:
            units = [maps[:, j] for j in alive.nonzero()[:, 0].tolist()]
            yield from self._written("shared", off_diagonal(agreement(units, by="top-k", k=0.1)).tolist())

    def _written(self, quantity: str, values: list[float]) -> Iterator[Row]:
        for i, value in enumerate(values or [math.nan]):
            yield {"arm": self.loss, "setting": word(self.data), "quantity": quantity, "sample": i, "value": value}

    def drawn(self) -> Iterator[Drawn]:
        yield OfUnits(self.data, self.model, "gradient-shap", arm=self.loss)


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
    """The seconds that some work took, and the trainings that are named; and their binary logarithm."""

    experiment: str
    setting: str
    of: tuple[Work, ...]
    seed: int
    trained: tuple[Train, ...] = ()

    def rows(self, lab: Lab) -> Iterator[Row]:
        seconds = sum(cell.told(lab)["seconds"] for cell in self.of)
        seconds += sum(row["seconds"] for cell in self.trained for row in cell.told(lab)["rows"])
        for quantity, value in (("seconds", seconds), ("log2-seconds", math.log2(max(seconds, 1e-9)))):
            yield {"arm": self.experiment, "setting": self.setting, "quantity": quantity, "value": value}

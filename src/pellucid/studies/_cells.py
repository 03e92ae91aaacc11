"""Cells: what studies do, piece by piece. Two studies that ask for the same piece share it.

    train = Train("pellucid:tiny-cnn", "scenes:length=400", "lico:text=minilm", "plain", seed=3)
    Measure(train, "scenes:length=64,seed=1", ("grad-cam",), ("insertion",))

A cell is a value: its name is a digest of everything that decides its numbers, and so of the cells it builds on. What
it leaves in the folder is written whole or not at all, so what is there is right, and a killed run goes on.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pellucid._version import __version__
from pellucid.files import write_atomically
from pellucid.studies._pictures import Asked, Drawn

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from pellucid.results.store import Store
    from pellucid.training import Fit

HELD = 16  # parts of the store, which are merged where they are many
COLUMNS = ["arm", "setting", "quantity", "sample", "value"]


@dataclass(frozen=True)
class Lab:
    """The folder where cells leave what they found, shared by all studies."""

    out: Path

    @cached_property
    def store(self) -> "Store":
        """Where the numbers of all networks are; what it knows of a part it reads once."""
        from pellucid.results.store import Store

        return Store(self.out, HELD)

    def fit(self, train: "Train") -> "Fit":
        """What a training gave, trained here where it is not there yet."""
        from pellucid.training import Fit

        if not train.done(self):
            train.run(self)
        return Fit.load(train.folder(self))

    def model(self, of: "Train | str") -> "nn.Module":
        """The network of a training, or of a text form."""
        from pellucid.networks import load_model

        return load_model(of) if isinstance(of, str) else self.fit(of).model


@dataclass(frozen=True)
class Cell:
    """A piece of work. Abstract."""

    kind: ClassVar[str] = ""
    brief: ClassVar[Mapping[str, Any]] = {}  # fields by which it is short

    @cached_property
    def key(self) -> str:
        """Sixteen digits of all that decides what it finds."""
        return hashlib.sha256(f"{__version__} {self!r}".encode()).hexdigest()[:16]

    @property
    def needs(self) -> "tuple[Cell, ...]":
        """The cells it builds on: those among its fields."""
        held = [getattr(self, f.name) for f in fields(self)]
        flat = [one for value in held for one in (value if isinstance(value, tuple) else (value,))]
        return tuple(one for one in flat if isinstance(one, Cell))

    @cached_property
    def alike(self) -> str:
        """What cells of the same price have in common."""
        raise NotImplementedError

    def run(self, lab: Lab) -> None:
        """Do it; what is done of it stays."""
        raise NotImplementedError

    def done(self, lab: Lab) -> bool:
        """Whether there is nothing left to do."""
        return self.mark(lab).exists()

    def mark(self, lab: Lab) -> Path:
        """The file that is there when it is done."""
        return lab.out / "cells" / f"{self.key}.json"

    def told(self, lab: Lab) -> dict[str, Any]:
        """What its file says."""
        return json.loads(self.mark(lab).read_bytes())

    def drawn(self) -> Iterator[Drawn]:
        """The maps that can be shown of it, where there are any."""
        yield from ()

    def quick(self) -> "Cell":
        """The same, as short as it can be: one step, one batch, few masks."""
        return replace(self, **{f.name: _quick(getattr(self, f.name)) for f in fields(self)} | dict(self.brief))


def _quick(value: Any) -> Any:
    """A cell among the fields, as short as it can be."""
    if isinstance(value, Cell):
        return value.quick()
    return tuple(map(_quick, value)) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Train(Cell):
    """A network trained towards an objective."""

    kind: ClassVar[str] = "train"

    network: str
    data: str
    objective: str = "ce"
    recipe: str = "plain"
    seed: int = 0

    @cached_property
    def alike(self) -> str:
        return f"train {self.network} {self.data} {self.objective} {self.recipe}"

    def folder(self, lab: Lab) -> Path:
        return lab.out / "trained" / self.key

    def run(self, lab: Lab) -> None:
        from pellucid.training import fit

        folder = self.folder(lab)
        made = fit(self.network, self.data, self.objective, self.recipe, seed=self.seed, out=folder, keep=self.keep)
        told = {"cell": repr(self), "rows": made.rows, "epochs": len(made.rows)}
        write_atomically(self.mark(lab), json.dumps(told).encode())

    @property
    def keep(self) -> bool:
        """Whether the weights of every epoch stay."""
        return False

    def done(self, lab: Lab) -> bool:
        from pellucid.networks._load import MODEL

        return super().done(lab) and (self.folder(lab) / MODEL).exists()

    def quick(self) -> "Train":
        from pellucid.training.recipes import Recipe

        how = Recipe.make(self.recipe)
        short = how.but(epochs=1, batch=2, accumulate=1, held_out=0.0, patience=None, drop_last=False, warmup=0.0)
        return replace(self, recipe=str(short))


@dataclass(frozen=True)
class Kept(Train):
    """A training of which the weights of every epoch stay, for TracIn."""

    @property
    def keep(self) -> bool:
        return True


@dataclass(frozen=True)
class Measure(Cell):
    """A network, its maps on a data set, and their metrics: what `pl.evaluate` does, in the one store."""

    kind: ClassVar[str] = "measure"

    model: "Train | str"
    data: str
    explainers: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    ask: str | None = None
    target: str = "label"

    @cached_property
    def alike(self) -> str:
        model = self.model if isinstance(self.model, str) else self.model.network
        return f"measure {model} {self.data} {self.explainers} {self.metrics} {self.ask}"

    def run(self, lab: Lab) -> None:
        from pellucid.engine._evaluate import called

        call = called(
            lab.model(self.model), self.data, list(self.explainers), list(self.metrics), self.ask, lab.out,
            target=self.target,
        )  # fmt: skip
        told = {"cell": repr(self), "tasks": list(call.plan.tasks)}
        write_atomically(self.mark(lab), json.dumps(told).encode())

    def frame(self, lab: Lab) -> "pd.DataFrame":
        """A row a sample and number: explainer, ask, metric, sample, value."""
        from pellucid.results import Results

        rows: Any = Results.of(lab.store, self.told(lab)["tasks"]).frame
        return rows[["explainer", "ask", "metric", "sample", "value"]]

    def drawn(self) -> Iterator[Drawn]:
        for one in self.explainers:
            yield Asked(self.data, self.model, one, self.ask, self.target)

    def quick(self) -> "Measure":
        from pellucid.explainers import Explainer
        from pellucid.metrics import Metric

        short = replace(
            self, explainers=tuple(brief(Explainer, one) for one in self.explainers),
            metrics=tuple(brief(Metric, one) for one in self.metrics),
        )  # fmt: skip
        return replace(short, model=_quick(self.model))


def brief(family: Any, text: str) -> str:
    """A member with the knobs by which contracts test it, where its own text does not say them."""
    made = family.make(text)
    own = {name: value for name, value in type(made).quick.items() if name not in text}
    return str(made.but(**own))


@dataclass(frozen=True)
class Work(Cell):
    """What no trainer and no metric does: a function of other cells that gives rows. Abstract.

    rows: dictionaries of arm, setting, quantity, sample and value; what is missing is "" or 0.
    """

    kind: ClassVar[str] = "work"

    @cached_property
    def alike(self) -> str:
        said = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "seed"}
        own = [f"{name}={value}" for name, value in said.items() if not isinstance(value, Cell | tuple)]
        return " ".join([type(self).__name__, *own, *(one.alike for one in self.needs)])

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]] | Sequence[Mapping[str, Any]]:
        """What it finds."""
        raise NotImplementedError

    def run(self, lab: Lab) -> None:
        start = time.monotonic()
        rows = [{"arm": "", "setting": "", "sample": 0} | dict(row) for row in self.rows(lab)]
        told = {"cell": repr(self), "seconds": time.monotonic() - start}
        table = [[row[name] for name in COLUMNS[:-1]] + [float(row["value"])] for row in rows]
        write_atomically(self.mark(lab), json.dumps(told | {"rows": table}).encode())

    def frame(self, lab: Lab) -> "pd.DataFrame":
        """Its rows."""
        import pandas as pd

        return pd.DataFrame(self.told(lab)["rows"], columns=COLUMNS)


@dataclass(frozen=True)
class Reading:
    """The numbers of a cell for one seed, and as whose they count."""

    cell: "Measure | Work"
    seed: int
    arm: str = ""
    setting: str = ""
    names: Mapping[str, str] = field(default_factory=dict)  # of explainers or metrics, where another is wanted

    def frame(self, lab: Lab) -> "pd.DataFrame":
        """arm, setting, quantity, seed, sample, value. What is measured on maps has its explainer in the setting."""
        rows: Any = self.cell.frame(lab)
        if isinstance(self.cell, Measure):
            said = rows["explainer"].map(lambda name: "" if name == "none" else self.names.get(name, name))
            setting = said.map(lambda name: " · ".join(filter(None, (self.setting, name))))
            rows = rows.assign(arm=self.arm, setting=setting, quantity=rows["metric"])
        else:
            if self.arm:
                rows = rows.assign(arm=self.arm)
            if self.setting:
                rows = rows.assign(setting=rows["setting"].map(lambda s: " · ".join(filter(None, (self.setting, s)))))
        rows = rows.assign(quantity=rows["quantity"].map(lambda q: self.names.get(q, q)))
        return rows.assign(seed=self.seed)[["arm", "setting", "quantity", "seed", "sample", "value"]]

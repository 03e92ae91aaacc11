"""The run behind `pellucid evaluate`: what can be refused is refused first, then the work, then the words."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import pellucid
from pellucid.cli import _measured, _models
from pellucid.cli._bounds import Bound, read_bounds
from pellucid.cli._console import note
from pellucid.cli._measured import again, made, optional
from pellucid.cli._report import Report
from pellucid.data import Dataset
from pellucid.data.transforms import Transform
from pellucid.engine import evaluate
from pellucid.engine._evaluate import ALWAYS, Options, plan_of, seen_by
from pellucid.explainers import Explainer
from pellucid.files import writable
from pellucid.metrics import Metric
from pellucid.networks._load import card_of
from pellucid.questions import Question
from pellucid.report import write as write_page
from pellucid.results import Results
from pellucid.results.store import Store


@dataclass(frozen=True)
class Wish:
    """What the command line asks to be measured."""

    data: Dataset
    explainers: list[Explainer]
    metrics: list[Metric]
    asks: list[Question]  # none: each explainer's own
    target: str
    transform: Transform | None  # None: the model's own
    bounds: list[Bound]

    @classmethod
    def read(
        cls,
        dataset: str,
        explainers: Sequence[str],
        metrics: Sequence[str],
        asks: Sequence[str] | None,
        target: str,
        transform: str | None,
        bounds: Sequence[str] | None,
    ) -> "Wish":
        wanted = made(Metric, metrics)
        measured = list(dict.fromkeys([*map(Metric.make, ALWAYS), *wanted]))
        return cls(
            Dataset.make(dataset), made(Explainer, explainers), wanted, made(Question, asks or ()), target,
            None if transform is None else Transform.make(transform),
            read_bounds(bounds or (), {str(m): m.better or "neither" for m in measured}),
        )  # fmt: skip


@dataclass(eq=False)
class Evaluation:
    """One call of the command."""

    wish: Wish
    wanted: _models.Wanted
    out: Path
    batch_size: int | None
    workers: int
    loaders: int
    pictures: int = 12
    rank: int = field(default_factory=lambda: int(os.environ.get("RANK", 0)))

    def __post_init__(self) -> None:
        self.data = self.wish.data
        self.count = None if self.data.streamed else len(self.data)  # a folder that is missing is found out here
        writable(self.out)
        self.wanted = replace(self.wanted, device=self.wanted.device or _own_device())
        loaded = _models.load(self.wanted)
        said = () if self.data.streamed else self.data.class_names
        self.loaded = loaded.named(said)
        self.target = self.loaded.target(self.wish.target)
        if self.rank == 0:
            self._warn(len(said))

    def _warn(self, classes: int) -> None:
        if self.loaded.warning:
            note(self.loaded.warning)
        if classes and self.loaded.outputs and classes != self.loaded.outputs:
            note(
                f"{self.data.name} has {classes} classes and the model {self.loaded.outputs}; label i is taken for "
                f"output i."
            )

    def go(self, progress: bool) -> Report | None:
        """Measure, and write the tables; None in all processes of torchrun but the first."""
        first = self.rank == 0
        if first:
            _measured.write_run(self.out, self.about())
        try:
            results = self._measured(progress and first)
        except KeyboardInterrupt:
            if first:
                note(self._kept())
            raise
        if not first:
            return None
        results.write(self.out)
        write_page(self.out, "evaluate")
        return Report(results, self.wish.bounds, self.out, self.wanted.model, self.loaded.outputs)

    def _measured(self, progress: bool) -> Results:
        return evaluate(
            self.loaded.model, self.data, self.wish.explainers, self.wish.metrics, self.wish.asks or None, self.out,
            self.wanted.seed, target=self.target, transform=self.wish.transform, batch_size=self.batch_size,
            workers=self.workers, loaders=self.loaders, device=self.wanted.device, progress=progress,
            pictures=self.pictures,
        )  # fmt: skip

    def about(self) -> dict[str, Any]:
        """Everything that decides the numbers, and how to load the model again."""
        wanted, card = self.wanted, card_of(self.loaded.model)
        metrics = dict.fromkeys([*map(Metric.make, ALWAYS), *self.wish.metrics])
        return {
            "version": pellucid.__version__,
            "command": self._command(),
            "model": _found(wanted.model),
            "network": wanted.network,
            "weights": _found(wanted.weights),
            "classes": wanted.classes,
            "names": _found(wanted.names),
            "size": wanted.size,
            "transform": None if self.wish.transform is None else str(self.wish.transform),
            "model's own transform": None if card is None else _preprocessing(card),
            "dataset": str(self.data),
            "explainers": [str(one) for one in self.wish.explainers],
            "metrics": [str(one) for one in self.wish.metrics],
            "asks": [str(one) for one in self.wish.asks],
            "target": self.target,
            "seed": wanted.seed,
            "batch_size": self.batch_size,
            "protocols": {one.card_id: one.card for one in metrics},
        }

    def _command(self) -> str:
        """That measures all of it again."""
        wish = self.wish
        each = {"-e": wish.explainers, "-m": wish.metrics, "-a": wish.asks}
        words = [word for option, some in each.items() for one in some for word in (option, str(one))]
        more = {"--target": wish.target if wish.target != "label" else None, "--transform": wish.transform}
        more |= {"--batch-size": self.batch_size, "--pictures": None if self.pictures == 12 else self.pictures}
        return again("evaluate", wish.data, self.wanted, [*words, *optional(more), "-o", str(self.out)])

    def _kept(self) -> str:
        """How far it came, in ranges whose numbers are all there."""
        again = f"kept in {self.out}; run again to go on."
        if self.count is None:
            return f"what was measured is {again}"
        model, wish, wanted = self.loaded.model, self.wish, self.wanted
        source = seen_by(model, self.data, wish.transform, None)
        options = Options(self.target, self.batch_size, wanted.seed, wanted.device, None, None)
        plan = plan_of(model, source, wish.explainers, wish.metrics, wish.asks or None, options)
        there, spans = Store(self.out).keys(), source.spans()
        whole = [span for span in spans if not plan.lacks(span, there)]
        return f"{len(whole)} of {len(spans)} ranges are {again}"


def _own_device() -> str | None:
    """Under torchrun, the GPU of this process."""
    local = os.environ.get("LOCAL_RANK")
    return f"cuda:{local}" if local is not None and torch.cuda.is_available() else None


def _found(path: str | Path | None) -> str | None:
    """A file wherever it is looked at from; other names as they are."""
    return None if path is None else str(Path(path).resolve() if Path(path).is_file() else path)


def _preprocessing(card: Any) -> dict[str, Any]:
    return {name: getattr(card, name) for name in ("size", "crop", "interpolation", "mean", "std")}

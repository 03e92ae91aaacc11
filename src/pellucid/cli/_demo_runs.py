"""The runs of the demo: trained and measured in one process each, on the same images with the same steps."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.errors import MissingExtra

if TYPE_CHECKING:
    from pellucid.data.scenes import Scenes
    from pellucid.results import Results
    from pellucid.training import Fit
    from pellucid.training._run import Job

CLASSES, SIZE, RHO = 8, 48, 0.8
NETWORK = "pellucid:tiny-cnn:width=16,depth=4,pool=max"
RECIPE = "plain:optimiser=adamw,lr=0.005,decay=0.05,batch=32,schedule=one-cycle"
OBJECTIVES = {
    "LICO": "lico:text=minilm",
    "CGC": "cgc:weight=0.1",
    "CE": "ce",
}  # the longest first, so that no process waits long
PRICE = {"LICO": 7, "CGC": 4, "CE": 2}  # of an epoch, as parts of the whole
EXPLAINERS = ("grad-cam", "fullgrad:rectify=false")
ON_MAPS = ("insertion", "deletion", "sch", "pointing-game", "ses")


@dataclass(frozen=True)
class Part:
    """Some scenes, and what is measured on them."""

    name: str
    data: str
    explainers: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    price: int = 2


@dataclass(frozen=True)
class Run:
    """One training of one objective, and its measurements: what a process is given."""

    name: str
    job: "Job"
    parts: tuple[Part, ...]

    @property
    def folder(self) -> Path:
        assert self.job.folder is not None
        return self.job.folder

    @property
    def recipe(self) -> Any:
        return self.job.recipe

    @property
    def device(self) -> str:
        return self.job.device

    @property
    def price(self) -> int:
        return self.recipe.epochs * PRICE[self.name] + sum(part.price for part in self.parts)

    def done(self) -> int:
        """How much of its price is paid."""
        from pellucid.training._seeds import epochs_of

        measured = (part for part in self.parts if self.mark(part).exists())
        return epochs_of(self.folder) * PRICE[self.name] + sum(part.price for part in measured)

    def mark(self, part: Part) -> Path:
        """A file that is there when the part is measured."""
        return self.folder / "measured" / part.name / "results.parquet"

    def measure(self, part: Part) -> "Results":
        """The numbers of a part; what is there is not computed again."""
        from pellucid.engine import evaluate

        out = self.folder / "measured" / part.name
        return evaluate(self.folder, part.data, part.explainers, part.metrics, out=out, pictures=0)


def work(run: Run) -> None:
    """Train, then measure; what is done already is left as it is."""
    from pellucid.training._run import run as trained

    trained(run.job)
    for part in run.parts:
        if not run.mark(part).exists():
            run.measure(part).write(run.mark(part).parent)


@dataclass
class Study:
    """All runs. quick: as few scenes as tests need."""

    out: Path
    seeds: int
    epochs: int
    quick: bool = False

    def __post_init__(self) -> None:
        self.objectives, self.lacks = dict(OBJECTIVES), ""
        try:
            from pellucid.text.minilm import home

            home()
        except MissingExtra as cause:
            del self.objectives["LICO"]
            self.lacks = f"LICO is left out: {cause} What is done stays when the demo is run again."

    @property
    def names(self) -> list[str]:
        """CE first, with which the others are compared."""
        return [name for name in ("CE", "CGC", "LICO") if name in self.objectives]

    def scenes(self, rho: float, seed: int = 1, **knobs: Any) -> "Scenes":
        from pellucid.data.scenes import Scenes

        return Scenes(classes=CLASSES, size=SIZE, seed=seed, correlation=rho, **knobs)

    @cached_property
    def train(self) -> "Scenes":
        return self.scenes(RHO, seed=0, length=320 if self.quick else 2000)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Accuracy on many scenes, maps on some where the ground tells nothing: what lies on it there is no reason."""
        many, some, pairs = (64, 16, 16) if self.quick else (640, 96, 96)
        return (
            Part("in", str(self.scenes(RHO, length=many))),
            Part("out", str(self.scenes(0.0, length=many))),
            Part("maps", str(self.scenes(0.0, length=some)), EXPLAINERS, ON_MAPS, price=6),
            Part("two", str(self.scenes(0.0, seed=2, length=pairs, objects=2)), EXPLAINERS, ("mosu",)),
        )

    @cached_property
    def runs(self) -> list[Run]:
        return [Run(name, self._job(name, seed), self.parts) for seed in range(self.seeds) for name in self.objectives]

    def of(self, name: str) -> list[Run]:
        """Those of one objective, by their seeds."""
        return [run for run in self.runs if run.name == name]

    def _job(self, name: str, seed: int) -> "Job":
        from pellucid.training._run import _job
        from pellucid.training.recipes import Recipe

        recipe = Recipe.make(RECIPE).but(epochs=self.epochs)
        fresh = self.scenes(0.0, seed=3, length=64 if self.quick else 320)
        job = _job(NETWORK, self.train, self.objectives[name], recipe, seed, fresh)
        return replace(job, folder=self.out / "runs" / f"{name.lower()}-{seed}", device="cpu", watch=not self.quick)

    def train_and_measure(self, atonce: int | None, each: Callable[[int, int, int], None]) -> "dict[str, list[Fit]]":
        """The fits of every objective. each: is told how many runs have ended, of a price paid, of a price in all."""
        from pellucid.training._seeds import Far, together

        total, before = sum(run.price for run in self.runs), sum(run.done() for run in self.runs)

        def done() -> int:
            return sum(run.done() for run in self.runs) - before

        far = Far(total - before, done, lambda ended: each(ended, done(), total - before))
        fits = together(self.runs, True, atonce, work, far)
        return {name: [fits[self.runs.index(run)] for run in self.of(name)] for name in self.names}

    def results(self) -> "dict[str, dict[str, Results]]":
        """By objective and part, all seeds together."""
        from pellucid.results import Results

        return {
            name: {part.name: Results.together(run.measure(part) for run in self.of(name)) for part in self.parts}
            for name in self.names
        }

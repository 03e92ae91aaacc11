"""A dry run: one step and one batch of every cell, on two records of stand-ins in the real files.

    for one in dry([Study.make("lico-t5:scale=paper")]):
        print(one)                                            # ok       4.1 s  train ce · resnet50 · seed 0

Networks, losses, transforms and protocols are the study's own. What would have to be fetched is not: weights are
random, text encoders tiny, word vectors made up. Nothing that is found is kept.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pellucid.studies._base import Study, ordered
from pellucid.studies._cells import Cell, Lab, Measure, Train, brief
from pellucid.studies._runner import described, picked

if TYPE_CHECKING:
    from torch import nn

    from pellucid.data import Dataset

NEED = "what it builds on failed"


@dataclass(frozen=True)
class Tried:
    """A cell that was tried."""

    cell: Cell
    seconds: float = 0.0
    error: str = ""
    again: bool = False  # what is left of it, once it is short, was tried before
    step: float | None = None  # seconds of the step, of a training

    def __str__(self) -> str:
        how = "error" if self.error else "ok"
        took = "as above" if self.again else f"{self.seconds:.1f} s"
        return f"{how:<5} {took:>8}  {described(self.cell)}" + (f": {self.error}" if self.error else "")


@dataclass(frozen=True)
class Bare(Lab):
    """A lab to which nothing is fetched."""

    def model(self, of: "Train | str") -> "nn.Module":
        from pellucid.networks import load_model

        return load_model(of, weights=None) if isinstance(of, str) else self.fit(of).model


@dataclass
class Shortened:
    """Cells with stand-ins for what they read, in a folder."""

    folder: Path
    there: dict[str, "Dataset"] = field(default_factory=dict)  # stand-ins by name
    words: set[str] = field(default_factory=set)  # of their classes
    texts: dict[str, int] = field(default_factory=dict)  # data that were asked for, each with a number

    def cell(self, cell: Cell) -> Any:
        """One step, one batch."""
        short = cell.quick()
        made = replace(short, **{f.name: self._swapped(f.name, getattr(short, f.name)) for f in fields(short)})
        return self._with_few_channels(made) if isinstance(made, Measure) else made

    def _swapped(self, name: str, value: Any) -> Any:
        """What a field holds, by the name of the field."""
        if isinstance(value, Cell):
            return self.cell(value)
        if isinstance(value, tuple):
            return tuple(self._swapped(name, one) for one in value)
        swap = {
            "data": self.data, "corpus": self.data, "asked": self.data, "recipe": self._recipe,
            "objective": self._objective, "objectives": self._objective,
            "explainer": self._explainer, "influence": self._influence,
        }.get(name)  # fmt: skip
        return swap(value) if swap and isinstance(value, str) else value

    def data(self, text: str) -> str:
        """Its first records, in stand-ins of its files."""
        from pellucid.data import Dataset

        made = self._of(Dataset.make(text))
        self.words |= {word for name in made.class_names for word in name.split()}
        number = self.texts.setdefault(text, len(self.texts))  # so that what differs stays apart
        return f"subset:first=2,seed={number}@{made}"

    def _of(self, data: "Dataset") -> "Dataset":
        from pellucid.data import Dataset
        from pellucid.data._base import Wrapped
        from pellucid.data._stand_ins import WRITERS, written
        from pellucid.data.subset import Subset

        if isinstance(data, Wrapped):
            inner = self._of(data.of)
            drawn = isinstance(data, Subset) and (data.balanced or data.shots)
            return _balanced(data, inner) if drawn else data.but(of=inner)
        if data.name not in WRITERS:
            return data
        if data.name not in self.there:
            self.there[data.name] = Dataset.make(written(data.name, self.folder / "data" / data.name))
        here: Any = self.there[data.name]
        return data.but(**{name: getattr(here, name) for name in ("root", "list") if hasattr(here, name)})

    def _recipe(self, text: str) -> str:
        from pellucid.training.recipes import Recipe

        made = Recipe.make(text)
        clip = min(made.clip or 1.0, 1.0)  # losses of two samples and made-up words can throw a network to infinity
        return str(made.but(weights="random", clip=clip))

    def _explainer(self, text: str) -> str:
        from pellucid.explainers import Explainer

        return brief(Explainer, text)

    def _influence(self, text: str) -> str:
        from pellucid.influences import Influence

        made: Any = Influence.make(text)
        short = {"every": 1, "steps": 1, "examples": 2}  # there is one epoch, and two examples
        return str(made.but(**{name: value for name, value in short.items() if hasattr(made, name)}))

    def _objective(self, text: str) -> str:
        """With tiny encoders; what is no objective stays as it is."""
        from pellucid.objectives import Objective
        from pellucid.objectives._base import members
        from pellucid.registry import catalog
        from pellucid.text import Encoder

        if text.partition(":")[0] not in catalog("objectives"):
            return text
        parts: list[str] = []
        for part in members(Objective.make(text)):
            held = {f.name: getattr(part, f.name) for f in fields(part)}  # pyright: ignore[reportArgumentType]
            tiny = {name: self._tiny(one) for name, one in held.items() if isinstance(one, Encoder)}
            parts.append(str(part.but(**tiny)))
        return "+".join(parts)

    def _tiny(self, encoder: Any) -> Any:
        if encoder.name == "word-vectors":
            lines = (f"{word} {len(word)} {i % 7} 1\n" for i, word in enumerate(sorted(self.words)))
            path = self.folder / "vectors.txt"
            path.write_text("".join(lines), encoding="utf-8")
            return encoder.but(file=str(path))
        return encoder.but(**encoder.quick)

    def _with_few_channels(self, cell: Measure) -> Measure:
        """What has a forward for every channel looks at the first layer, where there are fewest."""
        from pellucid.explainers import Explainer

        made: list[Any] = [Explainer.make(one) for one in cell.explainers]
        greedy = [one for one in made if "K" in type(one).cost and one.layer is None]
        if not greedy:
            return cell
        layer = _first_convolution(cell.model if isinstance(cell.model, str) else cell.model.network)
        return replace(cell, explainers=tuple(str(one.but(layer=layer) if one in greedy else one) for one in made))


def dry(studies: Sequence[Study], each: Callable[[Tried], None] | None = None, only: str = "") -> list[Tried]:
    """Every cell of the first seed of some studies, tried. only: the cells in whose line this stands, and what they
    build on."""
    cells = picked(ordered(one.cell for study in studies for one in study.readings(0)), only)
    with TemporaryDirectory(prefix="pellucid-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tiny encoders and single batches are nothing to wonder about
        found: list[Tried] = []
        for one in _tried(cells, Path(folder)):
            found.append(one)
            if each is not None:
                each(one)
    return found


def _tried(cells: Sequence[Cell], folder: Path) -> Iterator[Tried]:
    (folder / "lab").mkdir()
    shortened, lab, failed = Shortened(folder), Bare(folder / "lab"), set[str]()
    last = {need.key: cell.key for cell in cells for need in (cell, *cell.needs)}
    trained: dict[str, Any] = {}
    for cell in cells:
        if any(need.key in failed for need in cell.needs):
            one = Tried(cell, error=NEED)
        else:
            one = _attempt(cell, shortened, lab, trained)
        if one.error:
            failed.add(cell.key)
        yield one
        for key in [key for key in trained if last[key] == cell.key]:
            rmtree(trained.pop(key).folder(lab), ignore_errors=True)  # networks of papers are large


def _attempt(cell: Cell, shortened: Shortened, lab: Lab, trained: dict[str, Any]) -> Tried:
    from pellucid.data._stand_ins.arrays import trusted

    start = time.monotonic()
    try:
        short = shortened.cell(cell)
        if short.kind == "train":
            trained[cell.key] = short
        again = short.done(lab)
        if not again:
            with trusted(shortened.folder / "data"):
                short.run(lab)
        step = short.told(lab)["rows"][0]["seconds"] if short.kind == "train" and not again else None
    except Exception as cause:  # whatever it is, it is of this cell, and others are tried too
        return Tried(cell, time.monotonic() - start, f"{type(cause).__name__}: {cause}")
    return Tried(cell, time.monotonic() - start, again=again, step=step)


def _balanced(data: Any, inner: "Dataset") -> "Dataset":
    """What a subset is drawn of, if as many records can be shared out to so many classes."""
    from pellucid.data._splits import balanced

    if data.balanced:
        classes = range(len(inner.class_names))
        balanced([*classes] * -(-data.balanced // len(classes)), data.balanced, 0)
    return inner


def _first_convolution(network: str) -> str:
    from torch import nn

    from pellucid.networks import load_model

    parts = load_model(network, weights=None).named_modules()
    return next(name for name, part in parts if isinstance(part, nn.Conv2d))

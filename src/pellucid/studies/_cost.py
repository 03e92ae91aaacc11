"""What a study costs, by its recipes: pictures, steps, and forwards of explainers; no seconds, which are a machine's.
Maps are made once, whatever is measured on them; what metrics and a study's own work take is left out.

    images = epochs · pictures            steps = epochs · batches            forwards = pictures · F of an explainer

>>> forwards("samples · (F + B)", {"samples": 50}), forwards("2 · steps · (F + B)", {"steps": 4}), forwards("F + b", {})
(50, 8, 1)
>>> forwards("(1 + K) · F", {}) is None        # as many as the layer has channels
True
"""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from math import ceil
from typing import TYPE_CHECKING, Any

from pellucid.studies._base import Study, ordered
from pellucid.studies._cells import Measure, Train

if TYPE_CHECKING:
    from pellucid.data import Dataset

COLUMNS = ("what", "times", "pictures", "epochs", "steps", "forwards")
SIZES: Mapping[str, Mapping[str, int]] = {  # as published, by split
    "imagenet": {"train": 1_281_167, "val": 50_000},
    "imagenet100": {"train": 128_117, "val": 5_000},  # a tenth: how many it is depends on the list
    "imagenet-s": {"train": 64_431, "validation": 752, "test": 1_682},  # of 50 classes
    "tiny-imagenet": {"train": 100_000, "val": 10_000},
    "cifar10": {"train": 50_000, "test": 10_000},
    "cifar100": {"train": 50_000, "test": 10_000},
    "svhn": {"train": 73_257, "test": 26_032, "extra": 531_131},
    "mnist": {"train": 60_000, "test": 10_000},
    "fashion-mnist": {"train": 60_000, "test": 10_000},
    "cub": {"train": 5_994, "test": 5_794, "all": 11_788},
    "aircraft": {"train": 3_334, "val": 3_333, "trainval": 6_667, "test": 3_333},
    "cars": {"train": 8_144, "test": 8_041},
    "flowers102": {"train": 1_020, "val": 1_020, "trainval": 2_040, "test": 6_149},
    "food101": {"train": 75_750, "test": 25_250},
    "pets": {"trainval": 3_680, "test": 3_669},
    "voc": {"train": 5_717, "val": 5_823, "trainval": 11_540},  # of 2012
    "coco": {"train": 118_287, "val": 5_000},  # of 2017
    "ecg5000": {"train": 500, "test": 4_500, "all": 5_000},
    "dsprites": {"": 737_280},
}
CLASSES: Mapping[str, int] = {
    "cub": 200, "aircraft": 100, "cars": 196, "flowers102": 102, "food101": 101, "cifar10": 10, "cifar100": 100,
    "svhn": 10, "mnist": 10, "imagenet": 1000, "imagenet100": 100, "imagenet-s": 50, "tiny-imagenet": 200, "pets": 37,
}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """Trainings that are alike, or a measurement, and what all of them take."""

    what: str
    times: int
    pictures: int | None  # of each
    epochs: int | None = None
    steps: int | None = None
    forwards: int | None = None  # of explainers; none where they are not declared as a number

    def __str__(self) -> str:
        return "  ".join(f"{_shown(getattr(self, name)):>12}" for name in COLUMNS[1:]) + f"  {self.what}"


def cost(studies: Sequence[Study]) -> list[Cost]:
    """A line for trainings that are alike, and one for every kind of measurement; all seeds."""
    cells = ordered(one.cell for study in studies for one in study.all_readings())
    trained = Counter((one.network, one.data, one.recipe) for one in cells if isinstance(one, Train))
    measures = [one for one in cells if isinstance(one, Measure)]
    maps = {(str(one.model), one.ask, one.data, explainer) for one in measures for explainer in one.explainers or ("",)}
    measured = Counter((data, explainer) for _, _, data, explainer in sorted(maps, key=str))
    return [*_trainings(trained), *_measurements(measured)]


def table(studies: Sequence[Study]) -> str:
    """The costs in lines, below the names of what is counted."""
    found = cost(studies)
    names = "  ".join(f"{name:>12}" for name in COLUMNS[1:])
    steps = sum(one.times * one.steps for one in found if one.steps)
    seen = sum(one.times * one.pictures * one.epochs for one in found if one.pictures and one.epochs)
    passes = sum(one.times * one.forwards for one in found if one.forwards)
    total = f"In all {steps:,} steps over {seen:,} pictures, and at least {passes:,} forwards of explainers."
    return "\n".join([f"{names}  what", *map(str, found), total])


def forwards(said: str, knobs: Mapping[str, Any]) -> int | None:
    """How many forwards of a picture an explainer's cost means; none where the network has a say in it."""
    try:
        return int(_value(ast.parse(said.replace("·", "*"), mode="eval").body, {"B": 0, "b": 0, "F": 1, **knobs}))
    except (KeyError, SyntaxError, TypeError):
        return None


def _value(tree: Any, names: Mapping[str, Any]) -> float:
    """Of sums and products."""
    if isinstance(tree, ast.BinOp):
        left, right = _value(tree.left, names), _value(tree.right, names)
        return left + right if isinstance(tree.op, ast.Add) else left * right
    return names[tree.id] if isinstance(tree, ast.Name) else tree.value


def _trainings(found: Mapping[tuple[str, str, str], int]) -> Iterator[Cost]:
    from pellucid.data import Dataset
    from pellucid.training.recipes import Recipe

    for (network, data, text), times in found.items():
        how, count = Recipe.make(text), size(Dataset.make(data))
        learned = None if count is None else count - round(how.held_out * count)
        batches = None if learned is None else (learned // how.batch if how.drop_last else ceil(learned / how.batch))
        steps = None if batches is None else how.epochs * batches
        yield Cost(f"train {network}, {data}, {how.name}", times, learned, how.epochs, steps)


def _measurements(found: Mapping[tuple[str, str], int]) -> Iterator[Cost]:
    from pellucid.data import Dataset

    for (data, explainer), times in found.items():
        count, each = size(Dataset.make(data)), _of(explainer) if explainer else 0
        passes = None if count is None or each is None else count * each
        yield Cost(f"measure {explainer or 'without maps'}, {data}", times, count, forwards=passes)


def _of(text: str) -> int | None:
    """Forwards of an explainer a picture."""
    from pellucid.explainers import Explainer

    made: Any = Explainer.make(text)
    knobs = {f.name: getattr(made, f.name) for f in fields(made)}
    inner = {"inner": _of(str(knobs["of"]))} if "of" in knobs else {}
    return forwards(type(made).cost, {name: one for name, one in (knobs | inner).items() if isinstance(one, int)})


def size(data: "Dataset") -> int | None:
    """How many records a data set has, where nobody has it: as published, or as it is drawn; none where it is unknown.

    >>> from pellucid.data import Dataset
    >>> [size(Dataset.make(text)) for text in ("cub", "subset:balanced=40@cifar10", "subset:shots=5@cars", "hf:x")]
    [5994, 40, 980, None]
    """
    from pellucid.data._base import Wrapped
    from pellucid.data._stored import Stored
    from pellucid.data.subset import Subset

    made: Any = data
    if isinstance(made, Subset):
        return _drawn(made, size(made.of))
    if isinstance(made, Wrapped):
        return size(made.of)
    if isinstance(made, Stored) or made.streamed:
        return SIZES.get(made.name, {}).get(getattr(made, "split", ""))
    return len(made)


def _drawn(some: Any, count: int | None) -> int | None:
    """How many of so many a subset has."""
    if some.balanced:
        return some.balanced
    if some.shots:
        kinds = CLASSES.get(some.of.name) if some.of.name in SIZES else len(some.of.class_names)
        return some.shots * kinds if kinds else None
    if count is None:
        return None
    if some.hold:
        held = round(some.hold * count)
        return held if some.part == "held" else count - held
    return min(some.first, count) if some.first else ceil(count / some.every) if some.every else None


def _shown(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"

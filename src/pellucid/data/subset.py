"""Some of the records of a data set.

    subset:balanced=250@cifar10:root=data           250 in all, equally many of every class
    subset:shots=5,seed=1@cub:root=data             5 of every class
    subset:hold=0.1,part=held@cifar10:root=data     a tenth of every class, for choosing a model; part=rest: the others
    subset:first=1000@imagenet:root=data            the first ones; every=5: each fifth
    subset:kinds=[0]@ecg5000:root=data              those of some classes, by their numbers
    subset:file=split.json@cifar10:root=data        those of a file that `save` wrote

The rows of a seed are the same everywhere; `save` keeps them beside a run, with what they were drawn from, so that the
run can be repeated, and `file=` refuses them where the labels are others.

>>> from pellucid.data.digits import Digits
>>> some = Subset(Digits(), shots=2)
>>> len(some), Subset(Digits(), shots=2, seed=1).rows == some.rows, sorted(set(some.labels().tolist()))
(20, False, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from pellucid.data._base import Dataset, Record, Rows, Wrapped, digest
from pellucid.data._reading import reason
from pellucid.data._splits import balanced, held_out, shots
from pellucid.errors import BadFile, BadInput, BadKnob, listed
from pellucid.files import write_atomically
from pellucid.knobs import Between

WAYS = ("balanced", "shots", "hold", "first", "every", "kinds", "file")


class Subset(Wrapped, name="subset"):
    """Some records of any data set."""

    quick = {"first": 5}

    of: Dataset
    balanced: Annotated[int, Between(1)] | None = None  # so many in all, equally many of every class
    shots: Annotated[int, Between(1)] | None = None  # so many of every class
    hold: Annotated[float, Between(0.001, 0.999)] | None = None  # a share of every class …
    part: Literal["rest", "held"] = "rest"  # … or what is left without it
    first: Annotated[int, Between(1)] | None = None
    every: Annotated[int, Between(2)] | None = None
    kinds: tuple[int, ...] | None = None
    file: str | None = None
    pick: Literal["random", "first"] = "random"  # of the shots
    seed: Annotated[int, Between(0)] = 0

    def check(self) -> None:
        said = [way for way in WAYS if getattr(self, way) is not None]
        if not said:
            raise BadKnob(f"subset needs one of {', '.join(WAYS)}; write subset:shots=5@NAME.")
        if len(said) > 1:
            raise BadKnob(f"subset takes one of {', '.join(WAYS)}, not {' and '.join(said)}; give one.")
        if self.of.streamed:
            raise BadKnob(f"{self.of.name} is a stream, of which no subset can be drawn; iterate, or take(count).")

    @cached_property
    def rows(self) -> list[int]:
        """The numbers of the records in the data set that they are of."""
        if self.first is not None:
            return list(range(min(self.first, len(self.of))))
        if self.every is not None:
            return list(range(0, len(self.of), self.every))
        if self.file is not None:
            return self._read(Path(self.file).expanduser())
        if self.kinds is not None:
            return self._of_kinds(self.kinds)
        drawn = self._drawn()
        if not drawn:
            raise BadInput(f"{self.part} of {self.of.name} is empty, because no class has two records; leave it out.")
        return drawn

    def _of_kinds(self, kinds: tuple[int, ...]) -> list[int]:
        found = [row for row, label in enumerate(self._labels) if label in kinds]
        if not found:
            known = listed([f"{number} {name}" for number, name in enumerate(self.class_names)], 8)
            raise BadInput(f"no record of {self.of} is of the kinds {listed(kinds)}; there are {known}.")
        return found

    def _drawn(self) -> list[int]:
        labels = self._labels
        if self.balanced is not None:
            return balanced(labels, self.balanced, self.seed)
        if self.shots is not None:
            return shots(labels, self.shots, self.seed, self.pick == "first")
        held = held_out(labels, self.hold or 0.5, self.seed)
        return held if self.part == "held" else sorted(set(range(len(labels))) - set(held))

    @cached_property
    def _labels(self) -> list[int]:
        return self.of.labels().tolist()

    def save(self, path: str | Path) -> Path:
        """The rows and what they were drawn from, as JSON."""
        about = {"dataset": str(self.of), "subset": str(self), "records": len(self.of), "labels": digest(self._labels)}
        return write_atomically(path, json.dumps({**about, "rows": self.rows}).encode())

    def _read(self, path: Path) -> list[int]:
        try:
            kept: Any = json.loads(path.read_text(encoding="utf-8"))
            rows, records, labels = list(map(int, kept["rows"])), kept["records"], kept["labels"]
        except FileNotFoundError:
            raise BadFile(f"{path} is not there; give a file that Subset.save wrote.") from None
        except (OSError, ValueError, KeyError) as cause:
            raise BadFile(f"{path} is no saved subset ({reason(cause)}); give a file that Subset.save wrote.") from None
        except TypeError:
            raise BadFile(f"{path} is no saved subset (it is no table); give a file that Subset.save wrote.") from None
        if records != len(self.of) or labels != digest(self._labels):
            raise BadInput(
                f"{path} was drawn from {records} records of {kept.get('dataset')}, whose labels are not those of "
                f"{self.of}; give that data set."
            )
        if not all(0 <= row < len(self.of) for row in rows):
            raise BadFile(f"{path} has rows that {self.of.name} has not; give a file that Subset.save wrote.")
        return rows

    def fingerprint(self) -> str:
        return digest([self.of.fingerprint(), *self.rows])

    def __len__(self) -> int:
        return len(self.rows)

    def record(self, i: int) -> Record:
        return self.of.record(self.rows[i])

    def label(self, i: int) -> int:
        return self.of.label(self.rows[i])

    def labels(self, rows: Rows = slice(None)) -> Int[Tensor, " n"]:
        return self.of.labels(self._inner_rows(rows))

    def images(self, rows: Rows = slice(None)) -> Shaped[Tensor, "n ..."]:
        return self.of.images(self._inner_rows(rows))

    def masks(self, rows: Rows = slice(None)) -> Bool[Tensor, "n h w"]:
        return self.of.masks(self._inner_rows(rows))

    def finish(self, record: Record, i: int, train: bool) -> Record:
        return self.of.finish(record, self.rows[i], train)

    def faults(self, i: int) -> list[str]:
        return self.of.faults(self.rows[i])

    def _inner_rows(self, rows: Rows) -> Sequence[int]:
        return [self.rows[self._at(i)] for i in self._rows(rows)]

"""The store: a folder of parts, each a Parquet file of the rows of one explainer for one range of samples.

A key is a task and a range of samples; a task is everything that decides its numbers (model weights, explainer,
question, metric and its card, data, seed). A part is written whole or not at all, under a name made of its keys, with
its tasks in its own footer: what is there is right, what is not there is computed. So several processes may write to
one folder, a killed run goes on where it was, and one more metric costs that metric.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pellucid.errors import BadFile
from pellucid.files import write_atomically

SCHEMA = pa.schema(
    [
        ("task", pa.dictionary(pa.int32(), pa.string())),
        ("sample", pa.int64()),
        ("label", pa.int32()),
        ("target", pa.int32()),
        ("value", pa.float32()),
        ("curve", pa.list_(pa.float32())),
        ("seconds", pa.float32()),
    ]
)
KEYS, TASKS = b"pellucid.keys", b"pellucid.tasks"
MANY = 256  # parts: more are merged


class Key(NamedTuple):
    """Some samples of a task."""

    task: str
    start: int
    stop: int


def task_id(task: Mapping[str, Any]) -> str:
    """Sixteen digits of everything that decides the numbers of a task.

    >>> task_id({"metric": "insertion", "seed": 0})
    '2d522d1ae2f09020'
    """
    return hashlib.sha256(json.dumps(task, sort_keys=True).encode()).hexdigest()[:16]


class Store:
    """Parts in a folder, or in memory where there is none."""

    def __init__(self, folder: str | Path | None = None, hold: int = 0) -> None:
        """hold: so many parts stay in memory once they are read, for many readings of few rows."""
        self.folder = None if folder is None else Path(folder) / "parts"
        self._hold, self._held = hold, dict[str, Any]()
        self._memory: dict[str, bytes] = {}
        self._known: dict[str, tuple[list[Key], dict[str, Any]]] = {}  # of the parts whose footer was read

    def keys(self) -> set[Key]:
        """Everything there is."""
        return {key for keys, _ in self._index().values() for key in keys}

    def tasks(self) -> dict[str, dict[str, Any]]:
        """The tasks there are rows of."""
        return {name: task for _, tasks in self._index().values() for name, task in tasks.items()}

    def put(self, keys: Sequence[Key], tasks: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Any]) -> None:
        """The rows of some keys: columns by name."""
        made = pa.table({name: pa.array(rows[name], type=SCHEMA.field(name).type) for name in SCHEMA.names})
        self._write(keys, tasks, made)

    def rows(self, tasks: Iterable[str] | None = None) -> Iterator[pa.Table]:
        """Part by part the rows of some tasks, or of all."""
        wanted = None if tasks is None else set(tasks)
        done: set[str] = set()
        while left := sorted(self._index().keys() - done):
            name = left[0]
            done.add(name)
            held = self._known[name][1]
            if wanted is None or wanted & held.keys():
                table = self._table(name)
                if table is None:  # merged into another meanwhile
                    continue
                mine = None if wanted is None else pa.array(sorted(wanted), pa.string())
                yield table if mine is None else table.filter(_among(table["task"], mine))

    def merge(self) -> None:
        """Many small parts as few large ones, with the same keys; the small ones go when the large ones are there."""
        index = self._index()
        if len(index) <= MANY:
            return
        names = sorted(index)
        for first in range(0, len(names), MANY):
            some = names[first : first + MANY]
            keys = sorted({key for name in some for key in index[name][0]})
            tasks = {t: task for name in some for t, task in index[name][1].items()}
            tables = [self._table(name) for name in some]
            if any(table is None for table in tables):
                return  # another process merges
            merged = self._write(keys, tasks, pa.concat_tables(tables))
            for name in some:
                if name != merged:
                    self._forget(name)

    # --- files -----------------------------------------------------------------------------------------------------

    def _index(self) -> dict[str, tuple[list[Key], dict[str, Any]]]:
        """The keys and tasks of every part; a footer is read once, a file that is no part is none."""
        names = self._names()
        for name in names - self._known.keys():
            about = self._footer(name)
            if about is not None:
                self._known[name] = about
        self._known = {name: about for name, about in self._known.items() if name in names}
        return self._known

    def _names(self) -> set[str]:
        if self.folder is None:
            return set(self._memory)
        if not self.folder.is_dir():
            return set()
        return {path.name for path in self.folder.glob("*.parquet") if not path.name.startswith(".")}

    def _footer(self, name: str) -> tuple[list[Key], dict[str, Any]] | None:
        try:
            about = pq.read_schema(self._source(name)).metadata
            keys = [Key(*key) for key in json.loads(about[KEYS])]
            return keys, json.loads(about[TASKS])
        except FileNotFoundError:
            return None  # merged away by another process
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
            return None  # damaged on the disk: computed again, and written over

    def _table(self, name: str) -> Any:
        """The rows of a part; none where it is gone."""
        if name not in self._held:
            table = self._read(name)
            if not self._hold:
                return table
            while len(self._held) >= self._hold:
                self._held.pop(next(iter(self._held)))
            self._held[name] = table
        return self._held[name]

    def _read(self, name: str) -> Any:
        try:
            return pq.read_table(self._source(name), schema=SCHEMA).replace_schema_metadata(None)
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError) as cause:
            raise BadFile(
                f"{self._source(name)} cannot be read ({str(cause).splitlines()[0]}); delete it and run again."
            ) from None

    def _source(self, name: str) -> Any:
        return io.BytesIO(self._memory[name]) if self.folder is None else self.folder / name

    def _write(self, keys: Sequence[Key], tasks: Mapping[str, Mapping[str, Any]], table: pa.Table) -> str:
        keys = sorted(keys)
        about = {KEYS: json.dumps(keys).encode(), TASKS: json.dumps(tasks, sort_keys=True).encode()}
        file = io.BytesIO()
        pq.write_table(table.cast(SCHEMA).replace_schema_metadata(about), file, compression="zstd")
        name = f"{hashlib.sha256(about[KEYS]).hexdigest()[:24]}.parquet"
        if self.folder is None:
            self._memory[name] = file.getvalue()
        else:
            write_atomically(self.folder / name, file.getvalue())
        self._known[name] = (keys, {t: dict(task) for t, task in tasks.items()})
        return name

    def _forget(self, name: str) -> None:
        self._memory.pop(name, None)
        if self.folder is not None:
            (self.folder / name).unlink(missing_ok=True)


def _among(column: Any, values: Any) -> Any:
    from pyarrow import compute

    return getattr(compute, "is_in")(column, value_set=values)  # noqa: B009  (made when imported, unknown to checkers)

"""Where the pieces of a score matrix go: into a tensor, into a file on the disk, or into the strongest of each row.

In a folder a piece counts when `plan.json` says so, which is written after the piece itself; the strongest say with
their numbers how many pieces they are of, or a piece between the two would be taken twice. The matrix is
`influence.npy`, which NumPy opens too; the strongest are `top.safetensors`.
"""

import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pellucid.errors import BadFile
from pellucid.files import writable, write_atomically

PLAN, MATRIX, TOP = "plan.json", "influence.npy", "top.safetensors"
DONE = "done"  # how many pieces
Piece = tuple[slice, slice]


@dataclass(frozen=True)
class Pieces:
    """How a matrix is cut: all rows of the first columns, then the next columns."""

    t: int
    n: int
    rows: int
    columns: int

    def __iter__(self) -> Iterator[Piece]:
        for column in range(0, self.n, self.columns):
            for row in range(0, self.t, self.rows):
                yield slice(row, min(row + self.rows, self.t)), slice(column, min(column + self.columns, self.n))


class Sink:
    """Abstract: takes pieces in their order. With a folder it knows which ones were there before."""

    def __init__(self, out: str | Path | None, plan: dict[str, Any] | None) -> None:
        self.folder = None if out is None else writable(out)
        self.plan, self.done = plan, self._claimed(plan) if plan else 0
        self.at = 0  # pieces asked about

    def _claimed(self, plan: dict[str, Any]) -> int:
        """How many pieces the folder holds of this very question."""
        assert self.folder
        path = self.folder / PLAN
        if not path.exists():
            return 0
        try:
            known = json.loads(path.read_text("utf-8"))
            done = int(known.pop(DONE))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise BadFile(f"{path} cannot be read; give another out=, or delete the folder.") from None
        strange = next((key for key in plan if known.get(key) != plan[key]), None)
        if strange:
            raise BadFile(
                f"{self.folder} holds another question: its {strange} is {str(known.get(strange))[:80]!r}, not "
                f"{str(plan[strange])[:80]!r}; give another out=, or delete the folder."
            )
        return done

    def has(self, piece: Piece) -> bool:
        """Whether it was done before; asked once a piece, in their order."""
        self.at += 1
        return self.at <= self.done

    def put(self, piece: Piece, scores: Tensor) -> None:
        raise NotImplementedError

    def result(self) -> Any:
        raise NotImplementedError

    def _count(self) -> None:
        if self.folder:
            self.done += 1
            about = json.dumps({**(self.plan or {}), DONE: self.done}, indent=1)
            write_atomically(self.folder / PLAN, about.encode())


class Matrix(Sink):
    """All scores, float32 [t, n]."""

    def __init__(self, t: int, n: int, out: str | Path | None, plan: dict[str, Any] | None) -> None:
        super().__init__(out, plan)
        self.n = n
        if self.folder is None:
            self.scores = torch.empty(t, n)
            return
        self.path, self.offset = self.folder / MATRIX, 0
        if not self.done:
            with _written(self.path):
                np.lib.format.open_memmap(self.path, mode="w+", dtype=np.float32, shape=(t, n))
        try:
            found = np.load(self.path, mmap_mode="r")
            assert found.shape == (t, n)
            assert found.dtype == np.float32
        except (OSError, ValueError, AssertionError):
            raise BadFile(
                f"{self.path} is not the matrix that was begun; give another out=, or delete the folder."
            ) from None
        self.offset = found.offset

    def put(self, piece: Piece, scores: Tensor) -> None:
        rows, columns = piece
        if self.folder is None:
            self.scores[rows, columns] = scores.cpu()
            return
        values = scores.cpu().contiguous()
        with _written(self.path), self.path.open("r+b", buffering=0) as file:
            whole = columns.stop - columns.start == self.n
            for row, line in enumerate([values] if whole else values):  # not by the map: a full disk would end us
                at = self.offset + 4 * ((rows.start + row) * self.n + columns.start)
                content = memoryview(line.numpy().tobytes())
                while content:
                    written = os.pwrite(file.fileno(), content, at)
                    content, at = content[written:], at + written
            os.fsync(file.fileno())
        self._count()

    def result(self) -> Tensor:
        if self.folder is None:
            return self.scores
        return torch.from_numpy(np.load(self.path, mmap_mode="c"))  # read as it is looked at


@contextmanager
def _written(path: Path) -> Generator[None]:
    """A sentence about a file that cannot be."""
    try:
        yield
    except OSError as cause:
        raise BadFile(f"{path} cannot be written ({cause.strerror}); choose another folder or make room.") from None


@dataclass(frozen=True, eq=False)
class Top:
    """Of every test example the strongest training examples and the weakest, each from the end inwards."""

    supporters: Tensor  # int64 [t, k]
    scores: Tensor  # float32 [t, k]
    opponents: Tensor  # int64 [t, k]
    low: Tensor  # float32 [t, k]

    def __len__(self) -> int:
        return len(self.supporters)

    def __repr__(self) -> str:
        return f"Top({len(self)} test examples, {self.supporters.shape[1]} supporters and opponents each)"


class Tops(Sink):
    """The k largest and smallest so far."""

    def __init__(self, t: int, n: int, k: int, out: str | Path | None, plan: dict[str, Any] | None) -> None:
        super().__init__(out, plan)
        self.k = k
        none, far = torch.full((t, k), -1), torch.full((t, k), -torch.inf)
        self.state = {"supporters": none, "scores": far, "opponents": none.clone(), "low": -far}
        if self.done:
            self.state = self._read()

    def _read(self) -> dict[str, Tensor]:
        from safetensors import SafetensorError, safe_open

        assert self.folder
        try:
            with safe_open(self.folder / TOP, "pt") as file:
                self.done = int(file.metadata()[DONE])
                return {key: file.get_tensor(key) for key in self.state}
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as cause:
            raise BadFile(
                f"{self.folder / TOP} cannot be read ({cause}); give another out=, or delete the folder."
            ) from None

    def put(self, piece: Piece, scores: Tensor) -> None:
        from safetensors.torch import save

        rows, columns = piece
        for which, values, largest in (("supporters", "scores", True), ("opponents", "low", False)):
            best, index = scores.topk(min(self.k, scores.shape[1]), dim=1, largest=largest)
            every = torch.cat([self.state[values][rows], best.cpu()], 1)
            places = torch.cat([self.state[which][rows], index.cpu() + columns.start], 1)
            order = every.sort(dim=1, descending=largest, stable=True).indices[:, : self.k]
            self.state[values][rows] = every.gather(1, order)
            self.state[which][rows] = places.gather(1, order)
        if self.folder:
            write_atomically(self.folder / TOP, save(self.state, {DONE: str(self.done + 1)}))
        self._count()

    def result(self) -> Top:
        return Top(**self.state)

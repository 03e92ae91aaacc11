"""The runner: the cells of some studies, each once, in as many processes as are wanted.

A cell that is done is not done again, whoever asked for it; one that was killed is done anew, or goes on where its
training was. One that fails takes along what builds on it; the others are done. One runner works in a folder at a time;
its processes end with it.
"""

import json
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path

from pellucid.errors import BadFile, BadInput, Unfinished
from pellucid.files import writable, write_atomically
from pellucid.studies._base import Study, ordered
from pellucid.studies._cells import Cell, Lab, Measure, Train

LOCK, SECONDS, FAILED = ".lock", "seconds.json", "failed.txt"


@dataclass(frozen=True)
class Progress:
    """A cell that has ended, and what is left."""

    cell: Cell
    seconds: float
    ended: int
    of: int
    left: float  # seconds, as the cells before foretell
    untimed: int = 0  # cells of which nobody knows
    error: str = ""  # why it failed

    def __str__(self) -> str:
        how = f"failed: {self.error}" if self.error else f"{self.seconds:.0f} s"
        more = f", and {self.untimed} of unknown cost" if self.untimed else ""
        return f"[{self.ended}/{self.of}] {described(self.cell)} · {how} · about {self.left / 60:.0f} min left{more}"


def described(cell: Cell) -> str:
    """A cell in a line."""
    if isinstance(cell, Train):
        return f"train {cell.objective} · {cell.network.partition(':')[2].partition(':')[0]} · seed {cell.seed}"
    if isinstance(cell, Measure):
        what = ", ".join([*cell.explainers, *cell.metrics]) or "accuracy"
        of = cell.model if isinstance(cell.model, str) else f"{cell.model.objective} · seed {cell.model.seed}"
        return f"measure {what} · {of}"
    return f"{type(cell).__name__.lower()}" + (
        f" · seed {seed}" if (seed := getattr(cell, "seed", None)) is not None else ""
    )


def work(
    studies: Sequence[Study],
    out: str | Path,
    workers: int = 1,
    each: Callable[[Progress], None] | None = None,
    only: str = "",
) -> None:
    """All cells of the studies. only: those in whose line this stands, and what they build on."""
    if workers < 1:
        raise BadInput(f"workers is {workers}; give at least 1.")
    lab = Lab(writable(out))
    cells = picked([cell for study in studies for cell in study.cells()], only)
    with _alone(lab.out):
        course = _Course(lab, [cell for cell in cells if not cell.done(lab)], workers, each)
        if workers == 1:
            while course.left:
                cell = next(iter(course.left.values()))
                course.ended(cell, partial(_timed, cell, lab))
        else:
            _shared(lab, workers, course)
        course.check()


def picked(cells: Sequence[Cell], only: str) -> list[Cell]:
    """Those in whose line this stands, and what they build on."""
    found = ordered(cell for cell in cells if only in described(cell))
    if not found:
        raise BadInput(f"no cell has {only!r} in its line; see them with --dry-run.")
    return found


def prices(cells: Sequence[Cell], lab: Lab | None = None) -> list[float | None]:
    """The seconds that cells cost, as measured here or when the studies were made; none where nobody has timed any
    that are alike."""
    known = _known(lab)
    return [known.get(cell.alike) for cell in cells]


# --- the course of it -------------------------------------------------------------------------------------------------


class _Course:
    """What is left to do, what it costs, when all of it will be done, and what has failed."""

    def __init__(self, lab: Lab, left: Sequence[Cell], workers: int, each: Callable[[Progress], None] | None) -> None:
        self.lab, self.left, self.workers, self.each = lab, {cell.key: cell for cell in left}, workers, each
        self.of, self.known = len(left), _known(lab)
        self.failed: list[tuple[Cell, str, str]] = []  # why, and where; an error itself would hold what it was made in
        self.spared = 0  # cells that build on one that failed
        (lab.out / FAILED).unlink(missing_ok=True)

    def ended(self, cell: Cell, took: Callable[[], float]) -> None:
        """The cell has ended; `took` gives its seconds, or raises what it raised."""
        seconds, error = 0.0, ""
        try:
            seconds = took()
        except OSError:
            raise  # no room, or a file that is not there: the next cell would fare no better
        except Exception as cause:
            error = str(cause) or type(cause).__name__
            self._fail(cell, error, "".join(traceback.format_exception(cause)))
        else:
            del self.left[cell.key]
            self.known[cell.alike] = seconds
            write_atomically(self.lab.out / SECONDS, json.dumps(self.known, indent=0, sort_keys=True).encode())
        if self.each is not None:
            rest = [self.known.get(one.alike) for one in self.left.values()]
            seen = sum(one for one in rest if one is not None) / self.workers
            self.each(Progress(cell, seconds, self.of - len(self.left), self.of, seen, rest.count(None), error))

    def _fail(self, cell: Cell, why: str, where: str) -> None:
        """Without the cell and what builds on it, with a note of why."""
        self.failed.append((cell, why, where))
        gone = {cell.key}
        for one in self.left.values():  # what others build on comes first
            if any(need.key in gone for need in one.needs):
                gone.add(one.key)
        self.left = {key: one for key, one in self.left.items() if key not in gone}
        self.spared += len(gone) - 1
        told = "\n".join(f"{described(one)}\n{trace}" for one, _, trace in self.failed)
        write_atomically(self.lab.out / FAILED, told.encode())

    def check(self) -> None:
        """Whether all of it was done."""
        if self.failed:
            cell, why, _ = self.failed[0]
            spared = f" and {self.spared} that need them were not begun" if self.spared else ""
            raise Unfinished(
                f"{len(self.failed)} of {self.of} cells failed{spared}, first {described(cell)} "
                f"({why.rstrip('.')}); see {self.lab.out / FAILED} and run again: what is done is kept."
            )


def _known(lab: Lab | None) -> dict[str, float]:
    """Seconds of cells: as measured when the studies were made, and in this folder."""
    known = json.loads(files("pellucid.studies").joinpath(SECONDS).read_text("utf-8"))
    if lab is not None and (lab.out / SECONDS).exists():
        known |= json.loads((lab.out / SECONDS).read_bytes())
    return known


def _timed(cell: Cell, lab: Lab) -> float:
    start = time.monotonic()
    cell.run(lab)
    return time.monotonic() - start


# --- processes --------------------------------------------------------------------------------------------------------


@contextmanager
def _alone(out: Path) -> Generator[None]:
    """One runner a folder. The lock goes with the process, however that ends."""
    import fcntl

    with (out / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadFile(f"another run is at work in {out}; wait for it, or choose another folder.") from None
        yield


def _shared(lab: Lab, workers: int, course: _Course) -> None:
    """Cells as soon as what they build on is done."""
    busy: dict[Future[float], Cell] = {}
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _ready, (os.getpid(), workers))
    try:
        while course.left:
            running = {cell.key for cell in busy.values()}
            for key, cell in course.left.items():
                if key not in running and not any(need.key in course.left for need in cell.needs):
                    busy[pool.submit(_timed, cell, lab)] = cell
            for ended in wait(busy, return_when=FIRST_COMPLETED).done:
                course.ended(busy.pop(ended), partial(_seconds, ended))
    except BaseException:
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _seconds(ended: "Future[float]") -> float:
    try:
        return ended.result()
    except BrokenProcessPool:
        raise BadFile("a worker was stopped; run again, what is done is kept.") from None


def _ready(parent: int, workers: int) -> None:
    """A worker: its share of the cores, deaf to Ctrl-C, which is for the runner, and gone when the runner is."""
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

"""The runner: the cells of some studies, each once, in as many processes as are wanted.

A cell that is done is not done again, whoever asked for it; one that was killed is done anew, or goes on where its
training was. One runner works in a folder at a time; its processes end with it.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path

from pellucid.errors import BadFile, BadInput, PellucidError
from pellucid.files import writable, write_atomically
from pellucid.studies._base import Study, ordered
from pellucid.studies._cells import Cell, Lab, Measure, Train

LOCK, SECONDS = ".lock", "seconds.json"
PRICES = {"train": 25.0, "measure": 8.0, "work": 15.0}  # seconds of a cell that nobody has timed


@dataclass(frozen=True)
class Progress:
    """A cell that has ended, and what is left."""

    cell: Cell
    seconds: float
    ended: int
    of: int
    left: float  # seconds, as the cells before foretell

    def __str__(self) -> str:
        left = f"about {self.left / 60:.0f} min left"
        return f"[{self.ended}/{self.of}] {described(self.cell)} · {self.seconds:.0f} s · {left}"


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
        left = [cell for cell in cells if not cell.done(lab)]
        clock = _Clock(lab, left, workers, each)
        if workers == 1:
            for cell in left:
                clock.ended(cell, _timed(cell, lab))
        else:
            _shared(left, lab, workers, clock)


def picked(cells: Sequence[Cell], only: str) -> list[Cell]:
    """Those in whose line this stands, and what they build on."""
    found = ordered(cell for cell in cells if only in described(cell))
    if not found:
        raise BadInput(f"no cell has {only!r} in its line; see them with --dry-run.")
    return found


def prices(cells: Sequence[Cell], lab: Lab | None = None) -> list[float]:
    """The seconds that cells cost, as measured here or when the studies were made."""
    known = _known(lab)
    return [_price(cell, known) for cell in cells]


# --- time -------------------------------------------------------------------------------------------------------------


class _Clock:
    """What cells cost, and when all of it will be done."""

    def __init__(self, lab: Lab, left: Sequence[Cell], workers: int, each: Callable[[Progress], None] | None) -> None:
        self.lab, self.left, self.workers, self.each = lab, list(left), workers, each
        self.of, self.known = len(left), _known(lab)

    def ended(self, cell: Cell, seconds: float) -> None:
        self.known[cell.alike] = seconds
        write_atomically(self.lab.out / SECONDS, json.dumps(self.known, indent=0, sort_keys=True).encode())
        self.left.remove(cell)
        if self.each is not None:
            rest = sum(_price(one, self.known) for one in self.left) / self.workers
            self.each(Progress(cell, seconds, self.of - len(self.left), self.of, rest))


def _known(lab: Lab | None) -> dict[str, float]:
    """Seconds of cells: as measured when the studies were made, and in this folder."""
    known = json.loads(files("pellucid.studies").joinpath(SECONDS).read_text("utf-8"))
    if lab is not None and (lab.out / SECONDS).exists():
        known |= json.loads((lab.out / SECONDS).read_bytes())
    return known


def _price(cell: Cell, known: dict[str, float]) -> float:
    return known.get(cell.alike, PRICES[cell.kind])


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


def _shared(left: Sequence[Cell], lab: Lab, workers: int, clock: _Clock) -> None:
    """Cells as soon as what they build on is done."""
    waiting, busy = {cell.key: cell for cell in left}, {}
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _ready, (os.getpid(), workers))
    try:
        while waiting or busy:
            held = set(waiting) | {cell.key for cell in busy.values()}
            for cell in [one for one in waiting.values() if not any(need.key in held for need in one.needs)]:
                busy[pool.submit(_timed, cell, lab)] = waiting.pop(cell.key)
            for ended in wait(busy, return_when=FIRST_COMPLETED).done:
                clock.ended(busy.pop(ended), _seconds(ended))
    except BaseException:
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _seconds(ended: "Future[float]") -> float:
    try:
        return ended.result()
    except PellucidError:
        raise
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

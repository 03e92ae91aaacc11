"""Several seeds: the same run, several times.

processes   each in a process of its own, as many at once as there are processors
ensemble    all of them as one, of stacked weights (`_ensemble`)
turns       one after the other
auto        processes; where they would share a GPU an ensemble, or turns where there can be none
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing import get_context

from pellucid.errors import BadInput, PellucidError
from pellucid.training._fit import LOG, Fit

WAYS = ("auto", "processes", "ensemble", "turns")
LOOK = 0.5  # seconds between two looks at how far they are
MEMORY = 600.0  # seconds from which the time that is left is guessed


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def way_of(together: str) -> str:
    """How seeds are trained, as it was asked for."""
    if together not in WAYS:
        raise BadInput(f"together is {together!r}; give {', '.join(WAYS[:-1])} or {WAYS[-1]}.")
    return together


def several(job: Any, seeds: Sequence[int], way: str = "auto") -> list[Fit]:
    """One Fit a seed, in their order."""
    whole = isinstance(seeds, Sequence) and all(isinstance(seed, int) for seed in seeds)
    if not whole or not seeds or len(set(seeds)) != len(seeds):
        raise BadInput(f"seeds is {seeds!r}; give different whole numbers, at least one.")
    if job.model is not None:
        raise BadInput("several seeds need a new model each; give its text form, such as pellucid:wrn-28-2.")
    if job.folder is None:
        with tempfile.TemporaryDirectory() as folder:
            passing = replace(job, folder=Path(folder), passing=True)
            return [replace_folder(fit) for fit in several(passing, seeds, way)]
    jobs = [
        replace(job, plan=replace(job.plan, seed=seed), folder=job.folder / f"seed-{seed}", progress=False)
        for seed in seeds
    ]
    if way == "ensemble" or (way == "auto" and _suits(jobs, job.folder)):
        from pellucid.training._ensemble import ensemble

        why = ensemble(jobs, job.folder, job.progress)
        if why is None:
            return [Fit.load(job.folder) for job in jobs]
        if way == "ensemble":
            raise BadInput(f"the seeds cannot be trained as one ensemble: {why}; leave out together=, or give turns.")
    if way == "turns":
        return _in_turn(jobs, None, _epochs(jobs))
    if way == "processes":
        return _side_by_side(jobs, job.progress, min(len(jobs), processors()), None, _epochs(jobs))
    return together(jobs, job.progress)


def _suits(jobs: list[Any], folder: Path) -> bool:
    """Whether to train them as an ensemble, where nothing is said: one that was begun, or several on one GPU."""
    from pellucid.training._ensemble import begun, finished

    return begun(folder) or (_on_a_gpu(jobs) and sum(not finished(job) for job in jobs) > 1)


def _on_a_gpu(jobs: list[Any]) -> bool:
    return torch.cuda.is_available() and any(job.device != "cpu" for job in jobs)


def together(
    jobs: list[Any],
    progress: bool = False,
    atonce: int | None = None,
    work: Callable[[Any], Any] | None = None,
    far: "Far | None" = None,
) -> list[Fit]:
    """Runs side by side, as many at once as there are processors, a thread each. work: what is done with each, in its
    process, where that is more than to run it; far: what is counted meanwhile, where that is more than epochs."""
    atonce = min(len(jobs), atonce or processors())
    far = far or _epochs(jobs)
    if atonce == 1 or _on_a_gpu(jobs):  # it is shared badly
        return _in_turn(jobs, work, far)
    return _side_by_side(jobs, progress, atonce, work, far)


def _side_by_side(
    jobs: list[Any], progress: bool, atonce: int, work: Callable[[Any], Any] | None, far: "Far"
) -> list[Fit]:
    with ProcessPoolExecutor(atonce, get_context("spawn"), initializer=_one_thread) as pool:
        futures = [pool.submit(work or _quietly, job) for job in jobs]
        try:
            _followed(futures, progress, far)
        except BrokenProcessPool:
            raise PellucidError(
                "a process that trained was ended from outside, often for want of memory; what was saved is there, and "
                "the same call goes on."
            ) from None
        except BaseException:
            _ended(pool, futures)
            raise
        for future in futures:
            future.result()
    return [Fit.load(job.folder) for job in jobs]


@dataclass(frozen=True)
class Far:
    """How far runs are: steps in all, those that are done, and who is told when one more run has ended."""

    total: int
    done: Callable[[], int]
    each: Callable[[int], None] = lambda ended: None


def _epochs(jobs: list[Any]) -> Far:
    """By their logs."""
    return Far(sum(job.recipe.epochs for job in jobs), lambda: sum(epochs_of(job.folder) for job in jobs))


def _in_turn(jobs: list[Any], work: Callable[[Any], Any] | None, far: Far) -> list[Fit]:
    from pellucid.training._run import run

    fits = []
    for i, job in enumerate(jobs):
        made = (work or run)(job)
        fits.append(made if work is None else Fit.load(job.folder))
        far.each(i + 1)
    return fits


def _quietly(job: Any) -> None:
    """A run whose Fit stays in its folder."""
    from pellucid.training._run import run

    run(job)


def _one_thread() -> None:
    torch.set_num_threads(1)


def _followed(futures: list[Future[Any]], progress: bool, far: Far) -> None:
    """Until all are done; a bar meanwhile. The first error ends the others."""
    ended = 0
    with _bar(progress) as bar:
        task = bar.add_task("training", total=far.total)
        while ended < len(futures):
            bar.update(task, completed=far.done())
            failed = next((f for f in futures if f.done() and f.exception()), None)
            if failed is not None:
                failed.result()
            before, ended = ended, sum(f.done() for f in futures)
            if ended > before:
                far.each(ended)
            elif ended < len(futures):
                time.sleep(LOOK)


def _bar(wanted: bool) -> Any:
    """On a terminal; what is left is guessed from a long while, for an epoch is a large step."""
    from rich.console import Console
    from rich.progress import Progress

    unseen = not wanted or not sys.stderr.isatty()
    return Progress(console=Console(stderr=True), transient=True, speed_estimate_period=MEMORY, disable=unseen)


def epochs_of(folder: Path) -> int:
    """How many are in its log."""
    try:
        return max(0, (folder / LOG).read_text("utf-8").count("\n") - 1)
    except OSError:
        return 0


def _ended(pool: ProcessPoolExecutor, futures: list[Future[Any]]) -> None:
    """Nobody goes on for nothing; checkpoints stay."""
    for future in futures:
        future.cancel()
    for process in list((pool._processes or {}).values()):
        process.terminate()


def replace_folder(fit: Fit) -> Fit:
    """A Fit whose folder is about to go."""
    fit.folder = None
    return fit

"""Evaluate: all metrics of all explainers over a data set, each number kept as soon as it is there.

results = pl.evaluate(model, "scenes:length=200", explainers=["grad-cam", "gradient"], metrics=["insertion", "sch"],
                      out="runs/x")

Explains once, measures many. Rows are written range by range into `out`; what is there already is not computed again,
so a run that was stopped goes on, and one more metric costs that metric. Several processes share the ranges out among
themselves and write into one folder: `workers=N`, or torchrun.
"""

import hashlib
import os
import signal
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pellucid._version import __version__
from pellucid.engine._kept import Drawing, Spent, about, chosen, drawable, key_of, numbers_of
from pellucid.engine._measure import colour_of, fitting_boxes
from pellucid.engine._source import SPAN, Foreign, Range, Source, source_of
from pellucid.errors import BadFile, BadInput, BadModel, PellucidError
from pellucid.explainers import Explainer
from pellucid.explanation import Ask, _check, _moved, _Placed, _question
from pellucid.files import writable
from pellucid.grammar import read_list
from pellucid.knobs import addressless, fingerprint
from pellucid.metrics import Case, Metric
from pellucid.metrics._base import Curved
from pellucid.networks._load import Model, as_model, card_of, own_transform
from pellucid.questions import Question
from pellucid.results import Results
from pellucid.results.kept import there, write_pictures
from pellucid.results.store import Key, Store, task_id
from pellucid.subject import Subject, as_batch, undisturbed
from pellucid.subject.state import unwrapped

ALWAYS = ("accuracy", "accuracy:k=5", "confidence")  # a saliency number stands beside the accuracy of its model
PATIENCE = 3600.0  # seconds that the shares of other processes may take without a sign


@dataclass(frozen=True)
class Asked:
    """An explainer with a question, or the model alone."""

    explainer: Explainer | None
    question: Question | None

    @property
    def names(self) -> tuple[str, str]:
        """How its rows call it."""
        if self.explainer is None:
            return "none", "none"
        return str(self.explainer), str(self.question) if self.explainer.asked else "none"


@dataclass
class Plan:
    """What is to be measured: tasks by name, those of one explainer together."""

    asked: list[Asked]
    metrics: list[Metric]  # of maps and explainers
    of_model: list[Metric]
    facts: dict[str, str]  # what all tasks have in common
    count: int | None = None  # of samples, where that is known
    ids: dict[tuple[int, str], str] = field(default_factory=dict)  # (which asked, metric) -> task
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for i, one in enumerate(self.asked):
            for metric in self.of(i):
                explainer, ask = one.names
                task = {
                    "explainer": explainer, "ask": ask, "metric": str(metric), "better": metric.better or "neither",
                    "average": metric.average, "protocol": metric.card_id, **self.facts,
                }  # fmt: skip
                self.ids[i, str(metric)] = name = task_id(task)
                self.tasks[name] = task | {"card": metric.card}

    def of(self, i: int) -> list[Metric]:
        """The metrics of an entry."""
        return self.of_model if self.asked[i].explainer is None else self.metrics

    def missing(self, i: int, start: int, stop: int, there: set[Key]) -> list[Metric]:
        """The metrics of an entry without rows for these samples."""
        return [m for m in self.of(i) if Key(self.ids[i, str(m)], start, stop) not in there]

    def lacks(self, span: tuple[int, int], there: set[Key]) -> bool:
        """Whether anything is to be measured of these samples."""
        return any(self.missing(i, *span, there) for i in range(len(self.asked)))


def evaluate(
    model: Model,
    dataset: Any,
    explainers: str | Explainer | Sequence[str | Explainer] = "grad-cam",
    metrics: str | Metric | Sequence[str | Metric] = ("insertion", "deletion"),
    ask: Ask | Sequence[Ask] | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    *,
    target: str | int = "label",
    transform: Any = None,
    batch_size: int | None = None,
    workers: int = 1,
    loaders: int = 0,
    name: str | None = None,
    mean: Sequence[float] | None = None,
    device: str | torch.device | None = None,
    input: str | int | None = None,
    output: Any = None,
    progress: bool = False,
    pictures: int = 12,
) -> Results:
    """Measure explainers on a data set, with the accuracy and confidence of the model beside them.

    dataset: a data set or its text form; any map-style or iterable source of (image, label) or (image, label,
    {"masks": …, "boxes": …}), single or in batches, called `name` in the rows, of the mean colour `mean` where the
    images are not normalised. target: the class that is explained, the label (the predicted class where there is none),
    "predicted", or a number. transform: how pictures become inputs; none: the model's own where pl.load_model attached
    one, else the data set's. out: a folder; None keeps the rows in memory. batch_size: the most rows in any one
    forward. workers: processes; loaders: processes that read pictures. pictures: of how many samples picture and maps
    are kept in `out` for the page of `pellucid report`: the first, the worst of each metric, wrong answers.
    """
    if pictures < 0:
        raise BadInput(f"pictures is {pictures}; give a number of samples from 0.")
    spent = Spent(str(device or "cpu"))
    call = called(
        model, dataset, explainers, metrics, ask, out, seed, target=target, transform=transform, batch_size=batch_size,
        workers=workers, loaders=loaders, name=name, mean=mean, device=device, input=input, output=output,
        progress=progress,
    )  # fmt: skip
    if out is not None and Share.of_environment().rank == 0:
        _keep_shown(call, Path(out), pictures, transform is None, spent)
        call.results.__dict__.pop("frame", None)  # all of it was read to choose pictures; read again when looked at
    return call.results


@dataclass(frozen=True, eq=False)
class Called:
    """What a call measured, and with what."""

    model: nn.Module
    source: Source
    plan: Plan
    options: "Options"
    results: Results
    worked: bool  # whether anything was measured, or everything there already


def called(
    model: Model,
    dataset: Any,
    explainers: Any,
    metrics: Any,
    ask: Any = None,
    out: str | Path | None = None,
    seed: int = 0,
    *,
    target: str | int = "label",
    transform: Any = None,
    batch_size: int | None = None,
    workers: int = 1,
    loaders: int = 0,
    name: str | None = None,
    mean: Sequence[float] | None = None,
    device: str | torch.device | None = None,
    input: str | int | None = None,
    output: Any = None,
    progress: bool = False,
) -> Called:
    """evaluate, without what is kept for its page."""
    model = as_model(model)
    if batch_size is not None and batch_size < 1:
        raise BadInput(f"batch_size is {batch_size}; give at least 1, or None.")
    model = unwrapped(model)
    source = seen_by(model, dataset, transform, name, loaders)
    if isinstance(source, Foreign) and not source.name:
        if out is not None:
            raise BadInput("the data has no name by which its rows are found again; give name=.")
        source.name = type(dataset).__name__
    target = int(target) if isinstance(target, Integral) else target
    if not (target in ("label", "predicted") or isinstance(target, int)):
        raise BadInput(f"target is {target!r}; give label, predicted, or the number of a class.")
    if source.count() == 0:
        raise BadInput("the data holds no samples, so there is nothing to measure; give at least one.")
    options = Options(target, batch_size, seed, device, input, output, mean)
    plan = plan_of(model, source, explainers, metrics, ask, options)
    if out is not None:
        writable(out)
    share = Share.of_environment()
    store = Store(out)
    worked = source.count() is None or any(plan.lacks(span, store.keys()) for span in source.spans())
    if workers > 1 and share.of == 1:
        results = _by_workers(model, source, plan, options, out, workers, progress)
        return Called(model, source, plan, options, results, worked)
    if share.of > 1 and out is None:
        raise BadInput("several processes need a folder in common; give out=.")
    if share.of > 1 and source.count() is None:
        raise BadInput(
            "a stream has no end that several processes could agree on; give data with a length, or one process."
        )
    _run(model, source, plan, options, store, share, progress)
    return Called(model, source, plan, options, _finished(source, plan, store, share), worked)


@dataclass(frozen=True)
class Share:
    """Which ranges are this process's."""

    rank: int = 0
    of: int = 1

    @classmethod
    def of_environment(cls) -> "Share":
        """As torchrun says it."""
        return cls(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))

    def mine(self, number: int) -> bool:
        return number % self.of == self.rank


@dataclass(frozen=True)
class Options:
    """What stays the same over all ranges."""

    target: str | int
    batch_size: int | None
    seed: int
    device: Any
    input: str | int | None
    output: Any
    mean: Sequence[float] | None = None


def seen_by(model: nn.Module, dataset: Any, transform: Any, name: str | None, loaders: int = 0) -> Source:
    """The data as this model sees it: by its own transform, where none is given."""
    return source_of(dataset, transform, name, loaders, own_transform(model))


def plan_of(model: nn.Module, source: Source, explainers: Any, metrics: Any, ask: Any, options: Options) -> Plan:
    """What is to be measured."""
    made = [Explainer.make(one) for one in _several(explainers)]
    wanted = [Metric.make(one) for one in _several(metrics)]
    if isinstance(ask, list | tuple) and not ask:
        raise BadInput("ask is an empty list; give at least one question, or none for each explainer's own.")
    asks = [None] if ask is None else list(ask) if isinstance(ask, list | tuple) else [ask]
    asked = [Asked(None, None)]
    for explainer in made:
        for one in asks if explainer.asked else asks[:1]:
            asked.append(Asked(explainer, _question(one if one is not None else explainer.asks)))
    always = [Metric.make(one) for one in ALWAYS]
    of_model = list(dict.fromkeys([*always, *(m for m in wanted if m.scores == "model")]))
    of_maps = list(dict.fromkeys(m for m in wanted if m.scores != "model"))
    facts = {
        "model": _model_text(model), "data": source.name, "state": source.mark, "transform": source.transform,
        "explains": str(options.target), "seed": str(options.seed), "version": __version__,
    }  # fmt: skip
    for name in ("output", "mean", "input"):
        value = getattr(options, name)
        if value is not None:
            facts[name] = fingerprint(value) if callable(value) else str(value)
    return Plan(list(dict.fromkeys(asked)), of_maps, of_model, facts, source.count())


def _several(things: Any) -> list[Any]:
    """A list, of one thing or of text forms in a text."""
    if isinstance(things, str):
        return list(read_list(things))
    return list(things) if isinstance(things, list | tuple) else [things]


def _model_text(model: nn.Module) -> str:
    """The text form it was loaded by, or its class, and sixteen digits of all its weights."""
    card = card_of(model)
    digest = hashlib.sha256(addressless(model))
    for key, value in (dict(model.named_buffers()) | model.state_dict()).items():
        if isinstance(value, Tensor):
            digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return f"{card.network if card else type(model).__name__} {digest.hexdigest()[:16]}"


# --- the work ---------------------------------------------------------------------------------------------------------


def _run(
    model: nn.Module, source: Source, plan: Plan, options: Options, store: Store, share: Share, progress: bool
) -> None:
    """This process's ranges, those without rows."""
    from pellucid.show.progress import track

    there = store.keys()
    wanted: list[int] | None = None
    if source.count() is not None:
        wanted = [n for n, span in enumerate(source.spans()) if share.mine(n) and plan.lacks(span, there)]
        if not wanted:
            return
    with _Placed(model, options.device), undisturbed(model, options.seed):
        colour = source.colour() if options.mean is None else None
        for part in track(_mine(source, wanted, share), "measuring", progress, None if wanted is None else len(wanted)):
            colour = _measure(model, part, colour, plan, options, store, there)


def _mine(source: Source, wanted: list[int] | None, share: Share) -> Iterator[Range]:
    for part in source.ranges(wanted):
        if share.mine(part.start // SPAN):
            yield part


def _measure(
    model: nn.Module, part: Range, colour: Tensor | None, plan: Plan, options: Options, store: Store, there: set[Key]
) -> Tensor | None:
    """One range: the model's own numbers, then explainer by explainer. The mean colour, as it is found out first."""
    todo = {i: plan.missing(i, part.start, part.stop, there) for i in range(len(plan.asked))}
    if not any(todo.values()):
        return colour
    case, mean = case_of(model, part, colour, options)
    for i, metrics in todo.items():
        if metrics:
            asked = plan.asked[i]
            here = case if asked.explainer is None else _explained(case, asked, options, part, plan.count)
            _keep(part, here, [(plan.ids[i, str(m)], m) for m in metrics], plan, store)
    return mean


def case_of(model: nn.Module, part: Range, colour: Tensor | None, options: Options) -> tuple[Case, Tensor | None]:
    """A range as metrics are given it, and the mean colour that holds for it."""
    subject = Subject(model, output=options.output, batch_size=options.batch_size, seed=options.seed)
    batch = _moved(as_batch(part.images, options.input), model)
    images = batch.images
    _check(images, model)
    subject.batch = batch
    labels = part.labels.to(images.device)
    mean = colour_of(images, options.mean, model) if colour is None else colour.to(images)
    case = Case(subject, batch, labels, labels=labels, colour=mean)
    case.target = _target(case, labels, options.target)
    masks = part.masks(case.target.cpu())
    case.masks = None if masks is None else masks.to(images.device)
    case.boxes = fitting_boxes(part.boxes(case.target.cpu()), images)
    return case, mean


def _target(case: Case, labels: Tensor, wanted: str | int) -> Tensor:
    """The classes that are explained."""
    if isinstance(wanted, int):
        return torch.full_like(labels, wanted)
    if case.output.ndim != 2:
        return labels if wanted == "label" else torch.full_like(labels, -1)
    predicted = case.predicted
    if wanted == "predicted":
        return predicted
    return torch.where((labels < 0) | (labels >= case.output.shape[1]), predicted, labels)


def _explained(case: Case, asked: Asked, options: Options, part: Range, count: int | None) -> Case:
    """The case with the maps of an explainer."""
    assert asked.explainer is not None
    assert asked.question is not None
    question = asked.question.part(slice(part.start, part.stop), count)
    here = case.of(None, asked.explainer, question)
    here.maps = here.again(case.images, rows=case.rows)
    return here


def _keep(part: Range, case: Case, metrics: list[tuple[str, Metric]], plan: Plan, store: Store) -> None:
    """The numbers of one explainer on one range, into the store."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("task", "sample", "label", "target", "value", "curve", "seconds")
    }
    n = case.n
    for task, metric in metrics:
        start = time.perf_counter()
        value, curve = _scored(metric, case)
        seconds = (time.perf_counter() - start) / n
        columns["task"] += [task] * n
        columns["sample"] += range(part.start, part.stop)
        columns["label"] += part.labels.tolist()
        columns["target"] += case.target.tolist()
        columns["value"] += value.tolist()
        columns["curve"] += [None] * n if curve is None else curve.tolist()
        columns["seconds"] += [seconds] * n
    keys = [Key(task, part.start, part.stop) for task, _ in metrics]
    store.put(keys, {task: plan.tasks[task] for task, _ in metrics}, columns)


def _scored(metric: Metric, case: Case) -> tuple[Tensor, Tensor | None]:
    """The numbers of a metric; undefined where the data lacks what it needs, and for what is always measured where the
    model is no classifier."""
    found = {"masks": case.masks, "boxes": case.boxes, "labels": case.labels}
    undefined = torch.full((case.n,), torch.nan), None
    if any(found[name] is None for name in metric.needs):
        return undefined
    try:
        value = metric.score(case).detach().float().cpu()
        curve = metric.trace(case) if isinstance(metric, Curved) and metric.curve else None
    except PellucidError:
        if str(metric) in ALWAYS:
            return undefined
        raise
    return value, None if curve is None else curve.detach().float().cpu()


# --- for its page -----------------------------------------------------------------------------------------------------


def _keep_shown(call: Called, out: Path, count: int, own: bool, spent: Spent) -> None:
    """Pictures of some samples, and what all of it cost."""
    tasks = list(call.plan.tasks)
    wanted = chosen(call.results.frame, count) if count and drawable(call.source) else {}
    key = keep_pictures(call, out, wanted, key_of(tasks, wanted), own) if wanted else None
    about(out, call.model, call.source, call.plan, spent if call.worked else None, key, count)


def keep_pictures(call: Called, out: Path, wanted: dict[int, list[str]], key: str, own: bool) -> str | None:
    """Drawn where they are not there yet; the name they are found by, none where there is nothing to see."""
    if there(out, key):
        return key
    options, plan = call.options, call.plan
    with _Placed(call.model, options.device), undisturbed(call.model, options.seed):
        colour = call.source.colour() if options.mean is None else None
        if colour is None:
            colour = case_of(call.model, next(iter(call.source.ranges([0]))), None, options)[1]
        drawing = Drawing(
            lambda part: case_of(call.model, part, colour, options)[0],
            lambda case, asked, part: _explained(case, asked, options, part, plan.count),
            [one for one in plan.asked if one.explainer is not None], plan.metrics,
            numbers_of(call.model, call.source, own),
        )  # fmt: skip
        pictures = drawing.pictures(call.source, wanted)
    if pictures is None:
        return None
    write_pictures(out, key, pictures)
    return key


# --- several processes ------------------------------------------------------------------------------------------------


def _finished(source: Source, plan: Plan, store: Store, share: Share) -> Results:
    """All rows of the plan, when the shares of all processes are there."""
    if share.of > 1:
        _await(source, plan, store)
    if share.rank == 0:
        store.merge()
    return Results.of(store, list(plan.tasks))


def _await(source: Source, plan: Plan, store: Store) -> None:
    wanted = _all_keys(source, plan)
    sign, left = time.monotonic(), -1
    while missing := wanted - store.keys():
        if len(missing) != left:
            sign, left = time.monotonic(), len(missing)
        if time.monotonic() - sign > PATIENCE:
            raise BadFile(f"{len(missing)} parts of other processes have not come; run again, what is there is kept.")
        time.sleep(0.2)


def _all_keys(source: Source, plan: Plan) -> set[Key]:
    """What is there when everything is."""
    return {Key(task, *span) for task in plan.tasks for span in source.spans()}


def _arrivals(jobs: Sequence[Any], store: Store, wanted: set[Key]) -> Iterator[None]:
    """One for every key that the workers bring, until they have ended."""
    known = len(wanted & store.keys())
    while True:
        alive = any(job.is_alive() for job in jobs)
        found = len(wanted & store.keys())
        yield from [None] * (found - known)
        known = found
        if not alive:
            return
        time.sleep(0.2)


@contextmanager
def folder_of(out: str | Path | None) -> Generator[Path]:
    """The folder that was given, or one for the time of the call."""
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="pellucid-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _by_workers(
    model: nn.Module, source: Source, plan: Plan, options: Options, out: Any, workers: int, progress: bool
) -> Results:
    """So many processes of this machine."""
    if source.count() is None:
        raise BadInput("a stream is read by one process; leave out workers=, or give data with a length.")
    model = deepcopy(model).cpu() if any(p.is_cuda for p in model.parameters()) else model
    with folder_of(out) as folder:
        store = Store(folder)
        _worked(workers, (model, source, plan, options, folder), store, progress)
        store.merge()
        results = Results.of(store, list(plan.tasks))
        if out is None:
            len(results)  # read before its folder goes
        return results


def _worked(workers: int, task: tuple[Any, ...], store: Store, progress: bool) -> None:
    """The task in so many processes, and their errors."""
    from pellucid.show.progress import track

    _, source, plan, *_ = task
    wanted = _all_keys(source, plan)
    context = torch.multiprocessing.get_context("spawn")
    threads, said = max(1, torch.get_num_threads() // workers), context.SimpleQueue()
    jobs = [context.Process(target=_work, args=(*task, Share(i, workers), threads, said)) for i in range(workers)]
    try:
        for job in jobs:
            job.start()
        for _ in track(_arrivals(jobs, store, wanted), "measuring", progress, len(wanted - store.keys())):
            pass
        for job in jobs:
            job.join()
    finally:
        for job in jobs:
            if job.is_alive():
                job.terminate()
    if not said.empty():
        raise said.get()
    failed = next((job for job in jobs if job.exitcode), None)
    if failed is not None:
        raise BadFile(f"a worker was stopped (exit code {failed.exitcode}); run again, what is there is kept.")


def _work(
    model: nn.Module, source: Source, plan: Plan, options: Options, folder: Path, share: Share, threads: int, said: Any
) -> None:
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started us
    try:
        _run(model, source, plan, options, Store(folder), share, False)
    except PellucidError as error:
        said.put(error)
    except Exception as error:  # a traceback does not travel
        said.put(BadModel(f"a worker failed ({type(error).__name__}: {error}); run with workers=1 to see where."))

"""Fit: what is asked for becomes a plan, the plan a loop, the loop a Fit."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save
from torch import nn

from pellucid.data import Dataset
from pellucid.data._batches import Batches, View, batches
from pellucid.data.transforms import Transform
from pellucid.errors import BadFile, BadInput, PellucidError, kind
from pellucid.files import writable, write_atomically
from pellucid.networks import Card, load_model, save_model
from pellucid.networks._load import card_of, weights_of
from pellucid.objectives import Objective
from pellucid.training import _checkpoint, _plan
from pellucid.training._about import about
from pellucid.training._fit import MODEL, Fit, board, plain, write_board, write_log
from pellucid.training._loop import Loop, Options, Row, Sources
from pellucid.training._plan import Plan
from pellucid.training._progress import Bar
from pellucid.training.recipes import Recipe

BAD = "bad-batch.safetensors"
FEW = 8  # pictures whose views are looked at


@dataclass(frozen=True)
class Job:
    """One run, in a form that another process takes."""

    plan: Plan
    recipe: Recipe
    model: nn.Module | None = None  # given as an object
    own: Mapping[str, Any] = field(default_factory=dict)  # data, validation, objective that no text form gives
    folder: Path | None = None
    passing: bool = False  # the folder goes when the call ends
    workers: int = 0
    progress: bool = False
    save_every: float = 60.0
    keep: bool = False
    watts: float | None = None
    watch: bool = False
    board: bool = False
    device: str = "auto"
    processes: int = 1
    strategy: str = "ddp"

    @property
    def towards(self) -> Objective:
        """The objective."""
        return Objective.make(self.own.get("objective", self.plan.objective))


def fit(
    model: "nn.Module | str | None" = None,
    dataset: "Dataset | str" = "scenes",
    objective: "Objective | str | None" = None,
    recipe: "Recipe | str | None" = None,
    epochs: int | None = None,
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    out: "str | Path | None" = None,
    *,
    together: Literal["auto", "processes", "ensemble", "turns"] = "auto",
    validation: "Dataset | str | None" = None,
    device: str = "auto",
    processes: int = 1,
    strategy: str = "ddp",
    workers: int = 0,
    progress: bool = False,
    save_every: float = 60.0,
    keep: bool = False,
    watch: bool = False,
    watts: float | None = None,
    tensorboard: bool = False,
) -> Any:
    """Train a model towards an objective. One without classes reads no labels, and its loss stands where accuracies do.

    model: a text form, of which a new one is made for every seed, or a module, which is trained where it is. recipe:
    optimiser, schedule, batch and the rest; its network and objective stand in for those that are not said. seeds:
    several runs, into out/seed-N. out: the folder of checkpoints, log and model; asked again with the same things, a
    run that was stopped goes on, and one that ended is loaded. together: how several seeds are trained: each in a
    process of its own, all as one ensemble whose step is one, or in turns; auto is processes, but on a GPU an ensemble,
    or turns where there can be none. validation: a data set that is reported on every epoch and never chosen by.
    processes: on one machine; under torchrun or SLURM they are there already. save_every: seconds between checkpoints.
    keep: the weights of every epoch. watch: pictures of how it learns. watts: assumed for the energy that is reported.
    tensorboard: the log once more, into out/tensorboard.
    """
    how = Recipe.make("plain" if recipe is None else recipe)
    how = how if epochs is None else how.but(epochs=epochs)
    job = _job(model, dataset, objective, how, seed, validation)
    folder = None if out is None else Path(out)
    job = replace(
        job, folder=folder, workers=workers, progress=progress, save_every=save_every, keep=keep, watts=watts,
        watch=watch, board=tensorboard, device=device, processes=processes, strategy=strategy,
    )  # fmt: skip
    _sound(job)
    from pellucid.training._seeds import several, way_of

    way = way_of(together)
    return run(job) if seeds is None else several(job, seeds, way)


def run(job: Job) -> Fit:
    """One run, from where it was left."""
    if job.folder is not None:
        known = _plan.claim(writable(job.folder), job.plan)
        if known.get("finished") and (job.folder / MODEL).exists():
            return _finished(job, known)
    from pellucid.training._processes import launched

    made = launched(_work, job)
    return made if isinstance(made, Fit) else _finished(job, _plan.read(job.folder or Path()))


def _work(fabric: Any, job: Job) -> Fit:
    """What every process of a run does."""
    model = _model(job)
    sources = _sources(job, fabric.global_rank, fabric.world_size)
    bar = Bar(job.recipe.epochs, len(sources.train), job.progress and fabric.is_global_zero)
    options = Options(job.folder, job.save_every, job.keep, job.watts, each=_each(job, bar), step=bar.step)
    names = job.plan.classes
    objective = job.towards
    with torch.random.fork_rng(), bar:
        loop = Loop(fabric, model, objective, names, sources, job.recipe, job.plan.seed, options)
        _comparable(job, sources.train)
        if job.folder is not None and fabric.is_global_zero:  # not before: a name that is mistyped claims no folder
            _plan.write(job.folder, job.plan)
        resumed = loop.resume()
        watched = _watching(job, loop, resumed)
        try:
            loop.run()
        except (PellucidError, KeyboardInterrupt) as cause:
            _rescue(job, loop, cause)
            raise
        finally:
            watched.close()
    return _kept(job, loop)


def _each(job: Job, bar: "Bar") -> Callable[[Loop, Row], None]:
    def each(loop: Loop, row: Row) -> None:
        bar.epoch(row)
        if job.folder is not None and loop.fabric.is_global_zero:
            write_log(job.folder, loop.at.rows)
            if job.board:
                write_board(job.folder, row)

    return each


def _kept(job: Job, loop: Loop) -> Fit:
    """The Fit, and what of it stays in the folder."""
    card = _card(job, loop)
    model = loop.inner
    if card is not None:
        model.pellucid_card = card  # type: ignore[assignment]
    result = Fit(model, job.plan.written(), plain(loop.at.rows), job.folder, loop.objective, loop.stopped)
    if job.folder is not None and loop.fabric.is_global_zero:
        if card is not None:
            save_model(model, job.folder / MODEL, card)
        else:  # a network that only its maker can build again
            write_atomically(job.folder / MODEL, save(weights_of(model)))
        more = {"rows": result.rows, "stopped": loop.stopped, "about": about(job, loop)}
        _plan.write(job.folder, job.plan, finished=True, **more)
    loop.fabric.barrier()
    return result


def _finished(job: Job, known: dict[str, Any]) -> Fit:
    if job.model is None:
        return Fit.load(job.folder or "")
    if job.folder is not None:
        with _checkpoint.fitting(job.folder / MODEL):
            job.model.load_state_dict(load_file(job.folder / MODEL))
    return Fit(job.model.eval(), known["plan"], known.get("rows", []), job.folder, stopped=known.get("stopped", ""))


def _rescue(job: Job, loop: Loop, cause: BaseException) -> None:
    """What is done already stays: at an interruption a checkpoint, at a loss that is not finite its batch."""
    if job.folder is None or job.passing or not loop.fabric.is_global_zero or loop.fabric.world_size > 1:
        return
    if isinstance(cause, KeyboardInterrupt):
        if not loop.torn:
            with suppress(BadFile):  # a full disk: the checkpoint before is still there
                loop.checkpoint()
        return
    if loop.batch is not None:
        images, labels = loop.batch
        try:
            write_atomically(job.folder / BAD, save({"images": images.cpu().contiguous(), "labels": labels.cpu()}))
        except BadFile:
            return  # what went wrong first is what is said
        cause.args = (f"{str(cause).rstrip('.')}; the batch is kept in {job.folder / BAD}.",)


# --- what is asked for ----------------------------------------------------------------------------------------------


def _job(model: Any, dataset: Any, objective: Any, recipe: Recipe, seed: int, validation: Any) -> Job:
    data = Dataset.make(dataset)
    named = None if isinstance(model, nn.Module) else str(model or recipe.network)
    if named == "":
        raise BadInput(
            f"no model is given, and the recipe {recipe.name} names none; give one, such as pellucid:wrn-28-2."
        )
    if model is not None and not isinstance(model, nn.Module | str):
        raise BadInput(f"model is {kind(model)}; give a torch.nn.Module, or its text form, such as timm:resnet18.")
    towards = Objective.make(recipe.objective if objective is None else objective)
    other = None if validation is None else Dataset.make(validation)
    if other is not None and towards.classifies and len(other.class_names) != len(data.class_names):
        raise BadInput(
            f"{other} has {len(other.class_names)} classes and {data} has {len(data.class_names)}; give a validation= "
            f"of the classes that are learned."
        )
    card = card_of(model) if isinstance(model, nn.Module) else None
    text = named or (card.network if card else type(model).__name__)
    plan = Plan(
        text, str(data), str(towards), str(recipe), seed, None if other is None else str(other),
        tuple(data.class_names) if towards.classifies else (),
    )  # fmt: skip
    given = model if isinstance(model, nn.Module) else None
    parts = {"data": (Dataset, data), "validation": (Dataset, other), "objective": (Objective, towards)}
    own = {name: thing for name, (family, thing) in parts.items() if thing is not None and _unlisted(family, thing)}
    return Job(plan, recipe, given, own)


def _unlisted(family: Any, thing: Any) -> bool:
    """Whether its text form does not give it again, as that of a class in somebody's notebook."""
    try:
        return family.make(str(thing)) != thing
    except PellucidError:
        return True


def _sound(job: Job) -> None:
    """Numbers that no knob has looked at."""
    if not isinstance(job.plan.seed, int):
        raise BadInput(f"seed is {job.plan.seed!r}; give a whole number.")
    for name, least in (("processes", 1), ("workers", 0), ("watts", 0), ("save_every", 0)):
        value = getattr(job, name)
        if value is not None and value < least:
            raise BadInput(f"{name} is {value}; give a number of at least {least}.")
    if job.board:
        board(job.folder)
    if job.watch and not job.towards.classifies:
        raise BadInput(f"{job.towards} learns no classes, and watch=True shows how they are learned; leave it out.")


def _model(job: Job) -> nn.Module:
    if job.model is not None:
        return job.model
    recipe, classes = job.recipe, len(job.plan.classes)  # none where nothing is classified
    weights = None if recipe.weights == "random" else recipe.weights
    with torch.random.fork_rng():
        torch.manual_seed(job.plan.seed)
        return load_model(job.plan.model, num_classes=classes or None, weights=weights)


def _sources(job: Job, rank: int, world: int) -> Sources:
    data, recipe, seed = Dataset.make(job.own.get("data", job.plan.data)), job.recipe, job.plan.seed
    transform, views = Transform.make(recipe.transform or data.preset), job.towards.views
    options: dict[str, Any] = {"transform": transform, "batch_size": recipe.batch, "workers": job.workers}
    options |= {"views": views}
    rows, held = _split(data, recipe.held_out)
    train = batches(data, train=True, seed=seed, rows=rows, shuffle=recipe.shuffle, **options)
    drawn = {"train": views > 1, "shuffle": False, "truth": False}  # views that were not drawn would be one
    others = [
        None if chosen is None else batches(chosen[0], rows=chosen[1], **drawn, **options)
        for chosen in (
            (data, held) if held is not None else None,
            (Dataset.make(job.own.get("validation", job.plan.validation)), None) if job.plan.validation else None,
        )
    ]
    for part in (train, *others):
        if part is not None and (part is train or job.towards.classifies):
            part.share = (rank, world)
    left = len(train.order(0)) % recipe.batch
    # one image has no statistics for BatchNorm, and no process may go without
    train.drop_last = recipe.drop_last or (0 < left <= world and len(train) > 1)
    if not len(train):
        found = f"only {len(train.order(0))} records, no batch of {recipe.batch}" if train.drop_last else "no images"
        raise BadInput(f"{data} has {found} to learn from; give another data set.")
    return Sources(train, *others)


def _comparable(job: Job, train: Batches) -> None:
    """Whether there are several pictures to compare, and views that differ, where views are compared."""
    recipe = job.recipe
    if train.view.views == 1:
        return
    if recipe.batch < 2 * recipe.accumulate:
        raise BadInput(
            f"{job.towards} compares the pictures of a batch, and batch={recipe.batch} in {recipe.accumulate} parts "
            f"has one in each; give batch of at least {2 * recipe.accumulate}."
        )
    seen = [train.view[0, row][1].image for row in train.order(0)[:FEW]]
    if all(torch.equal(image[0], image[1]) for image in seen):
        raise BadInput(
            f"{job.towards} compares two views of a picture, and {train.view.transform} gives the same one twice; set "
            f"a transform that draws in the recipe, as transform=simclr."
        )


def _split(data: Dataset, share: float) -> tuple[list[int] | None, list[int] | None]:
    """Rows to learn from, and rows to choose by: the same for every seed."""
    if not share:
        return None, None
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0)).tolist()
    held = round(share * len(data))
    if not 0 < held < len(data):
        raise BadInput(f"{share:.0%} of the {len(data)} records of {data.name} is {held}; set another held_out=.")
    return sorted(order[held:]), sorted(order[:held])


def _card(job: Job, loop: Loop) -> Card | None:
    """How the trained model wants its pictures."""
    view: View = loop.sources.train.view
    own = card_of(loop.inner)
    if own is None and job.model is not None:
        return None
    network = own.network if own else job.plan.model
    example = loop._example()
    outputs = loop.objective.classes or None
    if not isinstance(view.transform, Transform) or view.data.kind != "images":
        return replace(own, classes=job.plan.classes, outputs=outputs) if own else Card(network, outputs=outputs)
    mean, std = view.transform.numbers(view.data)
    channels = example.shape[1]
    mean, std = ((x * channels if len(x) == 1 else x) for x in (mean, std))
    size = (example.shape[-2], example.shape[-1])
    return Card(network, size, tuple(mean), tuple(std), view.transform.kept, classes=job.plan.classes, outputs=outputs)


def _watching(job: Job, loop: Loop, resumed: bool) -> Any:
    """What follows the run with pictures, or nothing."""
    from pellucid.training import _watch

    spread = loop.fabric.world_size > 1 and job.strategy != "ddp"  # no process has all of the weights
    if not job.watch or job.folder is None or not loop.fabric.is_global_zero or spread:
        return _watch.Nothing()
    watch, told = _watch.Watch(job.folder, loop, resumed), loop.options.each

    def each(loop: Loop, row: Row) -> None:
        watch.epoch(row)  # first, so that what it adds is in the log
        told(loop, row)

    loop.options.each = each
    return watch

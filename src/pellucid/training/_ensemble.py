"""Several seeds as one: weights stacked, and the gradients of all of them one call.

    G = vmap(grad L)(Θ, X, Y),   Θ[i] ← Θ[i] + update(G[i])

Member i has its own first weights, its own order of batches and augmentation, its own chance inside the network, its
own statistics of BatchNorm. The optimisers there are act on every number by itself, so that one over the stack is one
for each member; what looks at a whole gradient, its norm, is taken member by member (`shortened`):

>>> long, short = [3.0, 4.0], [0.3, 0.4]
>>> shortened({"w": torch.tensor([long, short])}, 1.0)["w"]
tensor([[0.6000, 0.8000],
        [0.3000, 0.4000]])

How to read it. A member is the run that it would be alone, up to rounding: other kernels add in another order, and a
long training makes a small difference a large one. Only what a network draws for itself (dropout) differs from the
outset. Every member has a `Loop` whose model is a view of the stack, so what is asked of a run between two epochs
(held-out accuracy, averaged weights, pictures) is asked of a member by the same code. Of what an epoch costs, the
seconds are those of the epoch, the images a second those of all members; the watts, and with them the energy, are a
member's share.

Traps. What is vectorised is one call of one function: an objective that differentiates inside, or a network that
branches on numbers, has none, and `ensemble` says so instead of training. A stop at an epoch of one's own cannot be
had. BatchNorm has no vectorised form in mixed precision: it is computed in float32, and rounded as it would have been.
"""

import gc
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from functools import partial
from math import isfinite
from pathlib import Path
from textwrap import shorten
from typing import Any, cast

import torch
from jaxtyping import Float
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.modules.batchnorm import _NormBase

from pellucid.data import Dataset
from pellucid.data._batches import Batch, number_of
from pellucid.errors import BadFile, BadInput, BadModel, PellucidError
from pellucid.files import writable
from pellucid.objectives import Objective
from pellucid.objectives._base import members
from pellucid.subject import precise
from pellucid.training import _checkpoint, _plan
from pellucid.training._checkpoint import State
from pellucid.training._cost import Meter
from pellucid.training._fit import MODEL
from pellucid.training._loop import Loop, Options, Position
from pellucid.training._processes import around, launched
from pellucid.training._progress import Bar
from pellucid.training._run import Job, _each, _kept, _model, _rescue, _sources, _watching

NAME = "ensemble"  # of the folder beside those of the members


def ensemble(jobs: Sequence[Job], folder: Path, progress: bool = False) -> str | None:
    """Train those of them that are not finished, from where they were left. Where they cannot be trained as one:
    nothing is done, and the answer is why."""
    for job in jobs:
        _plan.claim(writable(job.folder or folder), job.plan)
    waiting = [job for job in jobs if not finished(job)]
    state = _left(folder / NAME, jobs, waiting)
    if state is None:
        shutil.rmtree(folder / NAME, ignore_errors=True)  # of members that are finished, if it is there
    else:
        waiting = [job for seed in state.about["seeds"] for job in jobs if job.plan.seed == seed]
    why = refused(waiting) if waiting else None
    if waiting and why is None:
        try:
            work = partial(_trained, jobs=waiting, folder=folder / NAME, state=state, progress=progress)
            why = launched(work, waiting[0])
        except torch.OutOfMemoryError:
            why = f"{len(waiting)} networks and their batches are more than the device holds"
    if why is None:
        shutil.rmtree(folder / NAME, ignore_errors=True)
    gc.collect()  # loops and networks hold one another, and what comes next may want their memory
    return why


def finished(job: Job) -> bool:
    return job.folder is not None and bool(_plan.read(job.folder).get("finished")) and (job.folder / MODEL).exists()


def begun(folder: Path) -> bool:
    """Whether an ensemble was left in this folder."""
    return bool(_checkpoint.checkpoints(folder / NAME))


def refused(jobs: Sequence[Job]) -> str | None:
    """Why these cannot be trained as one, as far as their plans tell."""
    job, recipe = jobs[0], jobs[0].recipe
    parts = members(Objective.make(job.own.get("objective", job.plan.objective)))
    stuck = next((part.name for part in parts if not part.vmaps), None)
    alone = next((job.folder for job in jobs if job.folder and _checkpoint.checkpoints(job.folder / "checkpoint")), "")
    processes, machines, _ = around(job.processes)
    reasons = {
        f"the objective {stuck} is no plain function of outputs and labels": stuck is not None,
        "with patience each stops at an epoch of its own": recipe.patience is not None,
        "in precision 16 each has a scale of its own": recipe.precision == "16",
        "torch.compile and vmap do not go together here": recipe.compile,
        "several processes share a step": processes * machines > 1,
        f"{alone} was begun by itself": bool(alone),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def shortened(gradients: Mapping[str, Float[Tensor, "m ..."]], longest: float) -> dict[str, Float[Tensor, "m ..."]]:
    """The gradients of every member, at most so long, all its weights together."""
    length = torch.stack([g.reshape(len(g), -1).norm(dim=1) for g in gradients.values()]).norm(dim=0)
    factor = (longest / (length + 1e-6)).clamp(max=1.0)
    return {name: g * factor.view(-1, *[1] * (g.ndim - 1)) for name, g in gradients.items()}


class Ensemble:
    """Several loops, of which every step is one. Their models are views of what is stacked here."""

    def __init__(self, fabric: Fabric, loops: Sequence[Loop], names: tuple[str, ...], folder: Path) -> None:
        self.fabric, self.loops, self.folder = fabric, list(loops), folder
        self.recipe, self.shell = loops[0].recipe, Shell(loops[0], names)
        parameters, buffers = stack_module_state([loop.inner for loop in loops])
        self.learned: dict[str, Tensor] = {name: p for name, p in parameters.items() if p.requires_grad}
        self.others: dict[str, Tensor] = {name: p for name, p in parameters.items() if not p.requires_grad} | buffers
        self._join()
        own = cast("torch.optim.Optimizer", loops[0].optimiser.optimizer)
        of_all = own.param_groups[0] | {"params": list(self.learned.values())}
        self.optimiser: torch.optim.Optimizer = cast("Any", type(own))([of_all])
        self.torn = False  # while weights and positions do not belong together
        self.saved = time.monotonic()

    @torch.no_grad()
    def _join(self) -> None:
        """The models become views of the stack; again, where a network has put a tensor in a buffer's place."""
        stacked = self.learned | self.others
        for i, loop in enumerate(self.loops):
            for name, tensor in (*loop.inner.named_parameters(), *loop.inner.named_buffers()):
                mine = stacked[name].detach()[i]
                if tensor.data_ptr() != mine.data_ptr():
                    mine.copy_(tensor)
                    tensor.data = mine

    @property
    def at(self) -> Position:
        """Where all are: only their rows and sums are their own."""
        return self.loops[0].at

    @property
    def seeds(self) -> list[int]:
        return [loop.seed for loop in self.loops]

    def run(self) -> None:
        """To the last epoch."""
        while self.at.epoch < self.recipe.epochs:
            cost = self._epoch()
            self.torn = True
            rows = [loop._row(self._meter()) | cost for loop in self.loops]
            for loop, row in zip(self.loops, rows, strict=True):
                loop.at.turned(row)
            self.torn = False
            for loop, row in zip(self.loops, rows, strict=True):
                loop.options.each(loop, row)
                if loop.options.keep:
                    loop._keep()
            self.checkpoint()
        for loop in self.loops:
            loop.run()  # no epoch is left: it takes the weights that are kept

    def _epoch(self) -> dict[str, float]:
        """All steps of one; what it costs."""
        meter, begun = self._meter(), time.perf_counter() - self.at.seconds
        meter.started -= self.at.seconds
        for loop in self.loops:
            loop.model.train()
        readers = [loop.sources.train.epoch(self.at.epoch, self.at.batch) for loop in self.loops]
        for batches in zip(*readers, strict=True):
            images, labels = self._stacked(batches)
            self.torn = True
            self._step(images, labels)
            for loop in self.loops:
                loop.at.stepped(time.perf_counter() - begun)
            self.torn = False
            self.loops[0].options.step(self.loops[0], self.at.step)
            if time.monotonic() - self.saved > self.loops[0].options.save_every:
                self.checkpoint()
        meter.images = int(sum(loop.at.sums["n"] for loop in self.loops))
        return meter.figures()

    def _meter(self) -> Meter:
        """Of one member's share of the watts."""
        return self.loops[0].meter(len(self.loops))

    # --- one step ----------------------------------------------------------------------------------------------------

    def _stacked(self, batches: Sequence[Batch]) -> tuple[Tensor, Tensor]:
        images = torch.stack([batch.images for batch in batches])
        labels = torch.stack([batch.labels for batch in batches])
        checked = self.shell.bound.checked(images.flatten(0, 1), labels.flatten(0, 1))
        return self._placed(images), checked.view(labels.shape).to(self.fabric.device)

    def _placed(self, images: Tensor) -> Tensor:
        """Where the models are, in their precision."""
        return self.fabric.strategy.precision.convert_input(images.to(self.fabric.device, non_blocking=True))

    def _step(self, images: Tensor, labels: Tensor) -> None:
        torch.manual_seed(number_of(self.seeds[0], self.at.step, 0))
        found = {name: torch.zeros_like(parameter) for name, parameter in self.learned.items()}
        parts = zip(*(x.chunk(self.recipe.accumulate, 1) for x in (images, labels)), strict=True)
        for part, answers in parts:
            gradients, told = self._gradients(self.others, part, answers)
            for name, gradient in gradients.items():
                found[name].add_(gradient, alpha=part.shape[1] / images.shape[1])
            self._count(told, images, labels, part.shape[1])
        if self.recipe.clip:
            found = shortened(found, self.recipe.clip)
        for name, parameter in self.learned.items():
            parameter.grad = found[name]
        for group in self.optimiser.param_groups:
            group["lr"] = self.loops[0].rate()
        self.optimiser.step()
        self.optimiser.zero_grad()
        for loop in self.loops:
            if loop.average:
                loop.average.update(loop.inner)

    def _gradients(
        self, others: dict[str, Tensor], images: Tensor, labels: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Of every member: the gradients of its loss, and what is told of it. The others are brought up to date."""
        learned = {name: parameter.detach() for name, parameter in self.learned.items()}
        every: Any = vmap(grad(self._loss, has_aux=True), randomness="different")
        gradients, (told, now) = every(learned, others, images, labels)
        for name, value in now.items():
            if value.data_ptr() != others[name].data_ptr():  # a network may put another tensor in its place
                others[name].copy_(value)
        return gradients, told

    def _loss(
        self, learned: dict[str, Tensor], others: dict[str, Tensor], images: Tensor, labels: Tensor
    ) -> tuple[Tensor, Any]:
        """Of one member."""
        state = {f"model.{name}": tensor for name, tensor in (learned | others).items()}
        with self.fabric.autocast():
            loss, told = functional_call(self.shell, state, (images, labels))
        return loss, (told, {name: state[f"model.{name}"] for name in others})

    def _count(self, told: dict[str, Tensor], images: Tensor, labels: Tensor, n: int) -> None:
        """Into the sums of every member."""
        values = torch.stack([value.float() for value in told.values()], 1).tolist()
        for i, (loop, row) in enumerate(zip(self.loops, values, strict=True)):
            if not isfinite(row[0]):
                loop.batch = (images[i], labels[i])
                raise BadModel(
                    f"the loss of seed {loop.seed} is {row[0]:g} in step {self.at.step} of the ensemble; lower the "
                    f"learning rate, train in a wider precision, or leave this seed out."
                )
            loop.at.counted(n, dict(zip(told, row, strict=True)))

    def unmapped(self) -> str | None:
        """Why the network has no vectorised form; found by one step on two images, of which nothing stays."""
        images = self._placed(self.loops[0]._example())
        images = images.expand(len(self.loops), 2, *images.shape[1:])
        labels = torch.zeros(images.shape[:2], dtype=torch.long, device=images.device)
        try:
            self._gradients({name: tensor.clone() for name, tensor in self.others.items()}, images, labels)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError, ValueError) as cause:
            return f"torch.func.vmap does not take the network ({shorten(str(cause), 120, placeholder=' …')})"
        return None

    # --- checkpoints -------------------------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """The state of all."""
        self.saved = time.monotonic()
        self._join()
        tensors, plain = _checkpoint.optimiser_state(self.optimiser)
        parts: dict[str, Mapping[str, Tensor]] = {
            "learned": self.learned,
            "others": self.others,
            "optimiser": tensors,
        }
        parts |= {f"average/{i}": loop.average.kept for i, loop in enumerate(self.loops) if loop.average}
        about = {"seeds": self.seeds, "positions": [vars(loop.at) for loop in self.loops], "optimiser": plain}
        _checkpoint.save(self.folder, self.at.step, State(_checkpoint.flat(parts), about))

    def restore(self, state: State) -> None:
        """To where that was left."""
        with torch.no_grad():
            for name, tensor in self.learned.items():
                tensor.copy_(state.tensors[f"learned/{name}"])
            for name, tensor in self.others.items():
                tensor.copy_(state.tensors[f"others/{name}"])
        _checkpoint.restore_optimiser(self.optimiser, state.part("optimiser"), state.about["optimiser"])
        for i, (loop, position) in enumerate(zip(self.loops, state.about["positions"], strict=True)):
            loop.at = Position(**position)
            if loop.average:
                loop.average.kept = {k: v.to(self.fabric.device) for k, v in state.part(f"average/{i}").items()}


class Shell(nn.Module):
    """A network to which the weights of a member are lent for a call, and the objective that looks at it."""

    def __init__(self, loop: Loop, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = deepcopy(loop.inner).train()
        images = loop.fabric.strategy.precision.convert_input(loop._example())
        with loop.fabric.autocast():
            self._bound = (loop.objective.objective.bind(self.model, names, images, seed=loop.seed),)
        for module in self.model.modules():
            if isinstance(module, _NormBase):
                module.forward = partial(_wide, module.forward)
        self._step = self.bound._step((images, torch.zeros(len(images), dtype=torch.long)))

    @property
    def bound(self) -> Any:
        return self._bound[0]

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of one batch, and what a log tells of it."""
        step = replace(self._step, images=images, labels=labels, watch={}, _looks=[], _terms={}, _rows={})
        terms: dict[str, Tensor] = {}
        for part in self.bound._parts:
            terms |= part(step)
        loss = torch.stack([self.bound.weights[name] * term for name, term in terms.items()]).sum()
        told = {"loss": loss, **terms, **{f"watch/{name}": value for name, value in step.watch.items()}}
        if labels.ndim == 1:
            told["accuracy"] = (step.seen(images).output.argmax(1) == labels).float().mean()
        return loss, told


def _wide(forward: Any, x: Tensor) -> Tensor:
    return forward(precise(x)).to(x.dtype)


# --- a run of them --------------------------------------------------------------------------------------------------


def _left(folder: Path, jobs: Sequence[Job], waiting: Sequence[Job]) -> State | None:
    """The state of an ensemble that was left here, where one of those who wait is in it."""
    found = _checkpoint.checkpoints(folder)
    state = _checkpoint.load(found[-1]) if found else None
    inside = set(state.about["seeds"]) if state else set[int]()
    asked, open_ = ({job.plan.seed for job in some} for some in (jobs, waiting))
    if not inside & open_:
        return None
    if not open_ <= inside <= asked:
        raise BadInput(
            f"{folder} holds an ensemble of the seeds {sorted(inside)} that was left, and now {sorted(asked)} are "
            f"asked for; ask for those first, or delete the folder."
        )
    return state


def _trained(
    fabric: Fabric, job: Job, jobs: Sequence[Job], folder: Path, state: State | None, progress: bool
) -> str | None:
    """To the end, and into their folders; or why not."""
    jobs = _sharing(jobs)
    with torch.random.fork_rng():
        loops = [_loop(fabric, member) for member in jobs]
        group = Ensemble(fabric, loops, job.plan.classes, folder)
        why = group.unmapped()
        if why is not None:
            return why
        for member in jobs:
            _plan.write(member.folder or folder, member.plan)
        if state is not None:
            with _checkpoint.fitting(folder):
                group.restore(state)
        _followed(group, jobs, progress, state is not None)
    for member, loop in zip(jobs, loops, strict=True):
        _kept(member, loop)
    return None


def _sharing(jobs: Sequence[Job]) -> list[Job]:
    """They read the same data, by as many workers in all as were asked for."""
    given = {"data": jobs[0].plan.data, "validation": jobs[0].plan.validation} | dict(jobs[0].own)
    shared = {name: Dataset.make(given[name]) for name in ("data", "validation") if given[name]}
    workers = -(-jobs[0].workers // len(jobs))
    return [replace(job, own={**job.own, **shared}, workers=workers) for job in jobs]


def _loop(fabric: Fabric, job: Job) -> Loop:
    quiet = Bar(job.recipe.epochs, 0, wanted=False)
    options = Options(job.folder, job.save_every, job.keep, job.watts, each=_each(job, quiet))
    objective = Objective.make(job.own.get("objective", job.plan.objective))
    sources = _sources(job, 0, 1)
    return Loop(fabric, _model(job), objective, job.plan.classes, sources, job.recipe, job.plan.seed, options)


def _followed(group: Ensemble, jobs: Sequence[Job], progress: bool, resumed: bool) -> None:
    """With a bar, which tells of the first, and pictures, where they are wanted. What is done stays."""
    bar, first = Bar(group.recipe.epochs, len(group.loops[0].sources.train), progress), group.loops[0].options
    first.each, first.step = _each(jobs[0], bar), bar.step
    watched = [_watching(job, loop, resumed) for job, loop in zip(jobs, group.loops, strict=True)]
    try:
        with bar:
            group.run()
    except KeyboardInterrupt:
        if not group.torn:
            with suppress(BadFile):  # a full disk: the checkpoint before is still there
                group.checkpoint()
        raise
    except PellucidError as cause:
        for job, loop in zip(jobs, group.loops, strict=True):
            _rescue(job, loop, cause)
        raise
    finally:
        for watch in watched:
            watch.close()

"""The loop: batches in, steps, one row an epoch; whatever happens, it goes on where it was.

Chance in a step comes from (seed, step), in a picture from (seed, epoch, number), and nothing else is random: a
checkpoint needs no generator, and a run that was killed ends with the weights of one that was not.
"""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from safetensors.torch import save
from torch import Tensor, nn

from pellucid.data._batches import Batch, Batches, number_of
from pellucid.errors import BadModel
from pellucid.files import write_atomically
from pellucid.networks._load import weights_of
from pellucid.objectives import Bound, Objective
from pellucid.objectives._step import losses
from pellucid.training import _checkpoint, _compile, _schedule
from pellucid.training._cost import WATTS, Meter
from pellucid.training._ema import Average
from pellucid.training.recipes import Recipe

Row = dict[str, Any]


@dataclass
class Sources:
    """The images of a run: to learn from, to choose by, to report on."""

    train: Batches
    held_out: Batches | None = None
    validation: Batches | None = None


@dataclass
class Options:
    """What does not change the outcome."""

    folder: Path | None = None
    save_every: float = 60.0  # seconds between checkpoints
    keep: bool = False  # the weights of every epoch
    watts: float | None = None
    each: Callable[["Loop", Row], None] = lambda loop, row: None  # after every epoch
    step: Callable[["Loop", int], None] = lambda loop, at: None  # after every step


@dataclass
class Position:
    """Where a run is."""

    epoch: int = 0
    batch: int = 0  # of the epoch
    step: int = 0  # of the run
    rows: list[Row] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)  # of the epoch so far
    seconds: float = 0.0
    best: float | None = None
    best_epoch: int = -1

    def counted(self, n: int, values: Mapping[str, float]) -> None:
        """Into the sums of the epoch, these means of n images."""
        for name, value in (*((name, n * value) for name, value in values.items()), ("n", n)):
            self.sums[name] = self.sums.get(name, 0.0) + value

    def stepped(self, seconds: float) -> None:
        """One step further; so long the epoch has taken."""
        self.batch, self.step, self.seconds = self.batch + 1, self.step + 1, seconds

    def turned(self, row: Row) -> None:
        """To the beginning of the next epoch."""
        self.rows.append(row)
        self.epoch, self.batch, self.sums, self.seconds = self.epoch + 1, 0, {}, 0.0


class Loop:
    """One training of one model."""

    def __init__(
        self,
        fabric: Fabric,
        model: nn.Module,
        objective: Objective,
        names: tuple[str, ...],
        sources: Sources,
        recipe: Recipe,
        seed: int,
        options: Options,
    ) -> None:
        self.fabric, self.recipe, self.seed, self.options, self.sources = fabric, recipe, seed, options, sources
        self.at = Position()
        self.best: dict[str, Tensor] | None = None
        self.stopped = ""
        self.batch: tuple[Tensor, Tensor] | None = None  # of the step that is being done
        self.torn = False  # while weights and position do not belong together
        if recipe.channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.inner = model
        with torch.random.fork_rng():
            torch.manual_seed(number_of(seed, -1, 0))
            self.model: Any = fabric.setup_module(model)
            self.objective: Bound = objective.bind(self.model, names, self._example(), seed=seed)
        self.objective.count = sources.train.count
        if recipe.compile:
            _compile.around(model, self.objective.layers)
        self.optimiser: Any = fabric.setup_optimizers(self._optimiser())
        self.average = Average(self.inner, recipe.ema) if recipe.ema else None
        self.saved = time.monotonic()

    def run(self) -> None:
        """To the last epoch, or the one at which it stops early."""
        while self.at.epoch < self.recipe.epochs and not self.stopped:
            row = self._epoch()
            self.torn = True
            self.at.turned(row)
            self._choose(row)
            self.torn = False
            self.options.each(self, row)
            if self.options.keep:
                self._keep()
            self.checkpoint()
        with self.weights():
            chosen = self.best or {key: value.clone() for key, value in self.inner.state_dict().items()}
        self.inner.load_state_dict(chosen)
        self.inner.eval()

    # --- one epoch --------------------------------------------------------------------------------------------------

    def _epoch(self) -> Row:
        self.model.train()
        meter = self.meter()
        meter.started -= self.at.seconds
        start, begun = self.at.batch, time.perf_counter() - self.at.seconds
        for batch in self.sources.train.epoch(self.at.epoch, start):
            self.torn = True
            self._step(batch.to(self.fabric.device))
            self.at.stepped(time.perf_counter() - begun)
            self.torn = False
            self.options.step(self, self.at.step)
            if self.options.folder and time.monotonic() - self.saved > self.options.save_every:
                self.checkpoint()
        return self._row(meter)

    def meter(self, sharing: int = 1) -> Meter:
        """Of the watts that were said, or are usual there; of a share of them, where several runs share the device."""
        watts = self.options.watts or WATTS.get(self.fabric.device.type, WATTS["cpu"])
        return Meter(self.fabric.device, watts / sharing)

    def _step(self, batch: Batch) -> None:
        torch.manual_seed(number_of(self.seed, self.at.step, self.fabric.global_rank))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        images, labels = batch.images, batch.labels
        if self.recipe.channels_last and images.ndim == 4:
            images = images.to(memory_format=torch.channels_last)
        self.batch = (images, labels)
        parts = list(zip(images.chunk(self.recipe.accumulate), labels.chunk(self.recipe.accumulate), strict=True))
        for i, part in enumerate(parts):
            with self.fabric.no_backward_sync(self.model, enabled=i + 1 < len(parts)):
                loss, terms = self.objective(part)
                self.fabric.backward(loss * (len(part[0]) / len(images)))
            self._count(part[1], loss, terms)
        if self.recipe.clip:
            self.fabric.clip_gradients(self.model, self.optimiser, max_norm=self.recipe.clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.average:
            self.average.update(self.inner)
        self.batch = None

    def _count(self, labels: Tensor, loss: Tensor, terms: Mapping[str, Tensor]) -> None:
        """Into the sums of the epoch."""
        n, found = len(labels), {"loss": loss.detach(), **terms}
        found |= {f"watch/{name}": value.float() for name, value in self.objective.watch.items()}
        if labels.ndim == 1 and self.objective.output is not None:
            found["accuracy"] = (self.objective.output.argmax(1) == labels).float().mean()
        values = torch.stack([value.float().to(loss.device) for value in found.values()]).tolist()
        self.at.counted(n, dict(zip(found, values, strict=True)))

    def _row(self, meter: Meter) -> Row:
        sums = {name: self._everyone(value) for name, value in self.at.sums.items()}
        meter.images = int(sums.get("n", 0))
        means = {name.removeprefix("watch/"): value / sums["n"] for name, value in sums.items() if name != "n"}
        cost = meter.figures(self.fabric.world_size)
        row: Row = {"epoch": self.at.epoch + 1, "step": self.at.step, "lr": self.rate(), **means}
        with self.weights():
            for name, batches in (("held_out", self.sources.held_out), ("validation", self.sources.validation)):
                if batches is not None:
                    row |= self._judged(name, batches)
        return row | cost

    def _judged(self, name: str, batches: Batches) -> Row:
        """Of the model as it is now: its accuracy and cross-entropy, or what the objective without classes says."""
        if self.objective.objective.classifies:
            accuracy, ce = self.accuracy(batches)
            return {name: accuracy, f"{name}_ce": ce}
        return {f"{name}_{part}": value for part, value in self.cost(batches).items()}

    def cost(self, batches: Batches) -> dict[str, float]:
        """The objective's loss and terms, in evaluation: with the same chance whenever it is asked. Every process
        looks at all of every batch: what compares pictures is another thing for a part of them."""
        self.model.eval()
        sums: dict[str, float] = {"n": 0.0}
        with torch.no_grad():
            for batch in batches.epoch(0):
                images, labels = batch.images.to(self.fabric.device), batch.labels.to(self.fabric.device)
                loss, terms = self.objective((images, labels))
                for part, value in {"loss": loss, **terms}.items():
                    sums[part] = sums.get(part, 0.0) + len(images) * float(value)
                sums["n"] += len(images)
        return {part: value / max(sums["n"], 1.0) for part, value in sums.items() if part != "n"}

    def accuracy(self, batches: Batches) -> tuple[float, float]:
        """Of the model as it is now: the share that it names rightly, and its cross-entropy."""
        self.model.eval()
        right, cost, n = 0.0, 0.0, 0
        with torch.no_grad():
            for batch in batches.epoch(0):
                images = batch.images.to(self.fabric.device)
                labels = batch.labels.to(self.fabric.device)
                if len(labels):
                    self.objective.checked(images, labels)
                scores = self.objective.scores(images).float()
                right += float((scores.argmax(1) == labels).sum())
                cost += float(losses(scores, labels).sum())
                n += len(labels)
        right, cost, count = (self._everyone(x) for x in (right, cost, float(n)))
        return right / max(count, 1), cost / max(count, 1)

    def _everyone(self, value: float) -> float:
        if self.fabric.world_size == 1:
            return value
        total: Any = self.fabric.all_reduce(torch.tensor(value, dtype=torch.float64), reduce_op="sum")
        return float(total)

    # --- what is chosen ---------------------------------------------------------------------------------------------

    def _choose(self, row: Row) -> None:
        """The best epoch by the held-out images; the end, where it stays away too long."""
        classifies = self.objective.objective.classifies
        name = "held_out" if classifies else "held_out_loss"
        if name not in row or not self.recipe.patience:
            return
        now, best = row[name], self.at.best
        if best is None or (now > best if classifies else now < best):
            self.at.best, self.at.best_epoch = now, self.at.epoch
            with self.weights():
                self.best = {key: value.detach().clone() for key, value in self.inner.state_dict().items()}
        elif self.at.epoch - self.at.best_epoch >= self.recipe.patience:
            still = "accuracy has not risen" if classifies else "loss has not fallen"
            self.stopped = (
                f"after epoch {self.at.epoch}: held-out {still} for {self.recipe.patience} epochs; the "
                f"weights are those of epoch {self.at.best_epoch}"
            )

    @contextmanager
    def weights(self) -> Generator[None]:
        """Meanwhile the model has the weights that would be kept: the averaged ones, where there are."""
        if self.average is None:
            yield
            return
        with self.average.worn_by(self.inner):
            yield

    def rate(self) -> float:
        """The learning rate of the next step."""
        recipe, each = self.recipe, len(self.sources.train)
        total = max(1, recipe.epochs * each)
        done, epochs = min(1.0, self.at.step / total), self.at.step / max(1, each)
        falls = _schedule.factor(recipe.schedule, done, epochs, recipe.milestones, recipe.gamma)
        falls = recipe.least + (1 - recipe.least) * falls
        return recipe.lr * falls * _schedule.warm(self.at.step, round(recipe.warmup * each))

    # --- checkpoints ------------------------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """The state of the run, by the first process."""
        self.saved = time.monotonic()
        if self.options.folder is None:
            return
        tensors, plain = _checkpoint.optimiser_state(self.optimiser.optimizer)
        parts: dict[str, Mapping[str, Tensor]] = {
            "model": self.inner.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": tensors,
        }
        parts |= {"average": self.average.kept} if self.average else {}
        parts |= {"best": self.best} if self.best else {}
        if self.fabric.is_global_zero:
            about = {"position": vars(self.at), "optimiser": plain, "stopped": self.stopped}
            state = _checkpoint.State(_checkpoint.flat(parts), about)
            _checkpoint.save(self.options.folder / "checkpoint", self.at.step, state)
        self.fabric.barrier()

    def resume(self) -> bool:
        """To where the newest checkpoint is; False where there is none."""
        found = _checkpoint.checkpoints(self.options.folder / "checkpoint") if self.options.folder else []
        if not found:
            return False
        state = _checkpoint.load(found[-1])
        with _checkpoint.fitting(found[-1]):
            self._restore(state)
        return True

    def _restore(self, state: _checkpoint.State) -> None:
        self.inner.load_state_dict(state.part("model"))
        self.objective.load_state_dict(state.part("objective"))
        _checkpoint.restore_optimiser(self.optimiser.optimizer, state.part("optimiser"), state.about["optimiser"])
        if self.average:
            self.average.kept = {k: v.to(self.fabric.device) for k, v in state.part("average").items()}
        self.best = state.part("best") or None
        self.at, self.stopped = Position(**state.about["position"]), state.about["stopped"]

    def _keep(self) -> None:
        if self.options.folder and self.fabric.is_global_zero:
            with self.weights():
                state = weights_of(self.inner)
            write_atomically(self.options.folder / "epochs" / f"epoch-{self.at.epoch:04d}.safetensors", save(state))

    # --- what is trained --------------------------------------------------------------------------------------------

    def _optimiser(self) -> torch.optim.Optimizer:
        recipe = self.recipe
        own = {"params": [p for p in self.model.parameters() if p.requires_grad], "weight_decay": recipe.decay}
        groups = [own, *self.objective.groups(recipe.decay)]
        if not own["params"]:
            raise BadModel(
                f"no parameter of {type(self.inner).__name__} learns: all are frozen, or there are none; let some of "
                f"them learn."
            )
        if recipe.optimiser == "sgd":
            return torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=recipe.nesterov)
        kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
        return kind(groups, recipe.lr)

    def _example(self) -> Tensor:
        """One image, as it will be."""
        first = self.sources.train.order(0)[0]
        image = self.sources.train.view[0, first][1].image
        return image[:1] if self.sources.train.view.views > 1 else image[None]

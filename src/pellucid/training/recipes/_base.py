"""What a recipe is: everything about a training but the data, the seed and where its results go.

A recipe names a network and an objective too; what `pl.fit` or the command line say wins. A paper's recipe has the
paper's numbers as its knobs' defaults, and says in its docstring which of them the paper leaves open.

>>> class Slow(Recipe, name="slow"):
...     lr: Rate = 0.001
>>> Slow().lr, Slow(lr=0.1).epochs, str(Slow(lr=0.1))
(0.001, 30, 'slow:lr=0.1')
"""

from dataclasses import KW_ONLY
from typing import Annotated, ClassVar, Literal

from pellucid.errors import BadKnob
from pellucid.knobs import Between
from pellucid.registry import Named

Count = Annotated[int, Between(1)]
Part = Annotated[float, Between(0, 1)]
Rate = Annotated[float, Between(0)]
Share = Annotated[float, Between(0, 0.9)]
Optimiser = Literal["sgd", "adam", "adamw"]
Schedule = Literal["cosine-7-16", "cosine", "step", "one-cycle", "constant"]


class Recipe(Named, family="recipes"):
    """How a model is trained."""

    data: ClassVar[str] = ""  # what it was written for, where that has a name
    ours: ClassVar[tuple[str, ...]] = ()  # knobs that the paper leaves open, and we chose

    _: KW_ONLY
    network: str = ""
    weights: str = "random"  # or default, the published ones; or a file
    objective: str = "ce"
    epochs: Count = 30
    batch: Count = 64  # images in a step, of all processes together
    shuffle: bool = True  # else every epoch has the same batches
    drop_last: bool = False  # leave out what does not fill a batch
    accumulate: Count = 1  # parts that a step is computed in
    optimiser: Optimiser = "sgd"
    lr: Rate = 0.03
    momentum: Part = 0.9
    nesterov: bool = False
    decay: Rate = 1e-4
    schedule: Schedule = "cosine-7-16"
    milestones: tuple[int, ...] = ()  # epochs after which the rate falls, of `step`
    gamma: Part = 0.1
    least: Part = 0.0  # the share of the rate that a schedule falls towards
    warmup: Rate = 0.0  # epochs
    clip: Rate | None = None  # of the gradient's norm
    transform: str | None = None  # none: the data set's own
    held_out: Share = 0.0  # of the training set, to choose by
    patience: Count | None = None  # epochs without a better held-out accuracy, or loss where nothing is classified
    ema: Part | None = None
    precision: Literal["32", "bf16", "16"] = "32"
    channels_last: bool = False
    compile: bool = False

    def check(self) -> None:
        if self.patience and not self.held_out:
            raise BadKnob(f"{self.name} stops early by images that are held out, and holds out none; set held_out=0.1.")
        if self.batch % self.accumulate:
            raise BadKnob(f"a batch of {self.batch} does not fall into {self.accumulate} parts; choose a divisor.")
        if self.schedule == "step" and not self.milestones:
            raise BadKnob(f"the schedule step of {self.name} has no milestones; give the epochs, milestones=[30,60].")

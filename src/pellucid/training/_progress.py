"""How far a run is: a bar with every term on a terminal, nothing elsewhere."""

import sys
from typing import TYPE_CHECKING, Any

from pellucid.training._fit import SHOWN

if TYPE_CHECKING:
    from pellucid.training._loop import Loop


class Bar:
    """Steps, epochs, terms, time left."""

    def __init__(self, epochs: int, steps: int, wanted: bool) -> None:
        self.epochs, self.steps, self.bar, self.task = epochs, steps, None, None
        if wanted and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[terms]}"),
            )
            self.bar: Any = Progress(*columns, console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task("training", total=epochs * steps, terms="")

    def __enter__(self) -> "Bar":
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.stop()

    def step(self, loop: "Loop", at: int) -> None:
        if self.bar:
            n = loop.at.sums.get("n", 0.0) or 1.0
            means = {k: v / n for k, v in loop.at.sums.items() if k != "n" and not k.startswith("watch/")}
            told = " ".join(f"{name} {value:.3f}" for name, value in means.items())
            self.bar.update(self.task, completed=at, description=f"epoch {loop.at.epoch + 1}/{self.epochs}", terms=told)

    def epoch(self, row: dict[str, Any]) -> None:
        if self.bar:
            told = " ".join(f"{name} {row[name]:.3f}" for name in SHOWN if name in row)
            self.bar.console.print(f"epoch {row['epoch']:>3}  {told}  {row['seconds']:.1f} s")

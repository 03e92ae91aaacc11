"""What a training says at its end."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pellucid.training import Fit

SHOWN = ("loss", "ce", "accuracy", "held_out", "held_out_loss", "validation", "validation_loss", "seconds", "kwh")


def told(fits: "list[Fit]", out: Path) -> None:
    """The last epoch of every run, the page of all of them, and how to go on."""
    from rich.table import Table

    from pellucid.cli._console import console
    from pellucid.report import write

    table = Table(box=None, header_style="bold")
    columns = [name for name in SHOWN if name in fits[0].rows[-1]]
    for name in ("seed", "epochs", *columns):
        table.add_column(name, justify="right")
    for fit in fits:
        last = {**fit.rows[-1]}
        for name in ("seconds", "kwh"):
            last[name] = sum(row[name] for row in fit.rows)
        cells = [f"{last[name]:.2e}" if name == "kwh" else f"{last[name]:.3f}" for name in columns]
        table.add_row(str(fit.plan["seed"]), str(len(fit.rows)), *cells)
    console().print(table)
    stopped = [f"seed {fit.plan['seed']} stopped {fit.stopped}." for fit in fits if fit.stopped]
    if stopped:
        print("\n".join(stopped))
    watts = fits[0].rows[-1]["watts_assumed"]
    learner = "accuracy" not in fits[0].rows[-1]
    further = "explain IMAGE --ask similarity" if learner else f"audit {fits[0].plan['data']}"
    print(f"Energy is what {watts:g} W would have used. Go on: pellucid {further} --model {fits[0].folder}")
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"Open {write(out, 'train')}")

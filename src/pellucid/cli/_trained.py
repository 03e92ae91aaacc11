"""What a training says at its end."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pellucid.training import Fit

SHOWN = ("loss", "ce", "accuracy", "held_out", "validation", "seconds", "kwh")


def told(fits: "list[Fit]") -> None:
    """The last epoch of every run, and how to go on."""
    from rich.table import Table

    from pellucid.cli._console import console

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
    print(
        f"Energy is what {watts:g} W would have used. Go on: pellucid audit {fits[0].plan['data']} "
        f"--model {fits[0].folder}"
    )

"""study: the tables and figures of the papers, run, judged and shown."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.errors import BadInput

OUT = Path("studies")
app = typer.Typer(
    add_completion=False, rich_markup_mode=None, help="Every table and figure of the papers, with a verdict."
)

Out = Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where cells and verdicts are kept.")]
Scale = Annotated[str, typer.Option("--scale", metavar="NAME", help="tiny, small or paper.")]


@app.command("list")
def listed(out: Out = OUT, scale: Scale = "tiny") -> None:
    """Every study: its paper, what is claimed, its scales, what it costs, and what came out.

    pellucid study list
    """
    from rich.table import Table

    from pellucid.cli._console import console
    from pellucid.cli._studies import listing

    table = Table(box=None, header_style="bold")
    for name in ("study", "paper", "claim", "scales", "cost", "state"):
        table.add_column(name, overflow="fold")
    for row in listing(out, scale):
        table.add_row(*row)
    console().print(table)


@app.command("run")
def run(
    names: Annotated[
        list[str],
        typer.Argument(metavar="STUDY...", help="Names, as lico-t5 or 'lico-t*'; papers, errata, questions or all."),
    ],
    out: Out = OUT,
    scale: Scale = "tiny",
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, metavar="N", help="[the scale's]")] = None,
    only: Annotated[str, typer.Option("--only", metavar="TEXT", help="Only cells in whose line this stands.")] = "",
    workers: Annotated[int, typer.Option("--workers", min=1, metavar="N", help="Cells at once.")] = 1,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="What would be done, and what it costs; nothing is run.")
    ] = False,
    tried: Annotated[
        bool, typer.Option("--try", help="After --dry-run: one step and one batch of every cell, on stand-ins of data.")
    ] = False,
) -> None:
    """Run studies: train, explain, measure, compare; then say whether the paper's claim holds.

    pellucid study run lico-t5 --workers 2

    pellucid study run 'relico-*' --scale small --seeds 5 -o runs/studies

    pellucid study run papers --dry-run

    pellucid study run lico-t5 --scale paper --dry-run --try

    What is done is kept: cells are shared by all studies in a folder, and a run that was stopped goes on.
    """
    from pellucid.cli._studies import chosen, told

    studies = chosen(names, scale, seeds)
    if dry or tried:
        _plan(studies, out, counted=tried)
        if tried and not _try(studies, only):
            raise typer.Exit(1)
        return
    from pellucid.report import write
    from pellucid.studies import several

    found = several(studies, out, workers=workers, only=only, each=lambda at: print(at, flush=True))
    for one in found:
        assert one.folder is not None
        write(one.folder, "study")
    print(told(found))
    if found:
        _all_of(out)


@app.command("report")
def report(out: Out = OUT) -> None:
    """One page of all studies that were run in a folder, verdicts first, one of the errata among them, and the page of
    each.

    pellucid study report -o runs/studies
    """
    from pellucid.report import write

    found = sorted(out.glob("studies/*/study.json"))
    if not found:
        raise BadInput(f"{out} holds no study that was run; run one: pellucid study run lico-t5 -o {out}.")
    for path in found:
        write(path.parent, "study")
    _all_of(out)


def _all_of(out: Path) -> None:
    """The pages of all that was run there."""
    from pellucid.report import write
    from pellucid.report.errata import there

    print(f"Open {write(out, 'studies')}")
    if there(out):
        print(f"Open {write(out, 'errata')}")


def _plan(studies: list[Any], out: Path, counted: bool) -> None:
    """The cells, and what is left to pay; counted in steps too, if asked or where nobody has timed it."""
    from pellucid.report.words import bill
    from pellucid.studies._base import ordered
    from pellucid.studies._cells import Lab
    from pellucid.studies._cost import table
    from pellucid.studies._runner import described, prices

    cells, lab = ordered(cell for study in studies for cell in study.cells()), Lab(out)
    left: list[float | None] = []
    for cell, seconds in zip(cells, prices(cells, lab), strict=True):
        done = cell.done(lab)
        left += [] if done else [seconds]
        print(f"{'done' if done else bill([seconds]):>12}  {described(cell)}")
    kinds = ", ".join(f"{sum(cell.kind == kind for cell in cells)} {kind}" for kind in ("train", "measure", "work"))
    timed, unknown = [one for one in left if one is not None], left.count(None)
    said = [f"about {bill(timed)} of one core"] if timed or not left else []
    said += [f"{unknown} of unknown cost"] if unknown else []
    print(f"{len(cells)} cells ({kinds}), {len(left)} to do: {', and '.join(said)}.")
    if counted or unknown:
        print(f"\nBy the recipes, all seeds:\n{table(studies)}")


def _try(studies: list[Any], only: str) -> bool:
    """Whether every cell can take a step, a line each."""
    from pellucid.studies._dry import dry

    print("\nOne step and one batch of two records of every cell of the first seed; nothing of it is kept.")
    found = dry(studies, lambda one: print(one, flush=True), only)
    steps = [one.step for one in found if one.step is not None]
    failed = sum(bool(one.error) for one in found)
    print(
        f"{len(found)} cells tried, {failed} failed."
        + (f" A step took {min(steps):.2f} to {max(steps):.2f} s on this machine, at batch 2." if steps else "")
    )
    return not failed

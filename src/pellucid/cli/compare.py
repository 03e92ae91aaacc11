"""compare: the results of two models, or of two ways of training; what differs between them, and how surely."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.errors import BadInput


def compare(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="What pellucid evaluate wrote: a folder or a results.parquet; several, one a training, as a,b,c or "
            "as 'runs/a-*' in quotes.",
        ),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The same of the other; of several, in the order of names.")],
    metric: Annotated[
        list[str] | None, typer.Option("-m", "--metric", metavar="NAME", help="Only this metric; repeat. [all]")
    ] = None,
    explainer: Annotated[
        list[str] | None, typer.Option("-e", "--explainer", metavar="NAME", help="Only this explainer; repeat. [all]")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FOLDER", help="Write a page there, with its table; FILE.csv: the table."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of a table.")] = False,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", metavar="FILE.png", help="Draw the same images as both models are explained."),
    ] = None,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, help="How many images to draw.")] = 8,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="HOW",
            help="Which images: seed, a random choice; change, those that differ most by the first metric.",
        ),
    ] = "seed",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the choice of images.")] = 0,
) -> None:
    """Compare two models, or many trainings of two, on the same samples.

    pellucid compare runs/baseline runs/ours

    pellucid compare 'runs/baseline-*' 'runs/ours-*' --metric insertion -o runs/gain

    pellucid compare runs/baseline runs/ours --pictures both.png --by change --metric insertion

    The page has what differs, how surely, training by training, and A beside B on the same images.
    """
    if by not in ("seed", "change"):
        raise BadInput(f"--by is {by!r}; write seed for a random choice, or change for the largest differences.")

    from pellucid.cli._comparison import Comparison
    from pellucid.cli._gain import Gain

    comparison = Comparison.read(a, b, metric or [], explainer or [])
    words = {"-m": metric or [], "-e": explainer or []}
    gain = Gain(comparison, (a, b), words, count, by, seed, out, pictures)
    gain.write()
    comparison.print(as_json, gain.written)

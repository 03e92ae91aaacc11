"""influence: the training examples that answer for what a model does with test examples, as pictures and numbers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.cli._console import note
from pellucid.cli._options import Network, Seed, Weights
from pellucid.errors import BadInput


def influence(
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            metavar="MODEL",
            help="timm:NAME, pellucid:NAME, a checkpoint, or the folder of a training; repeat to compare encoders.",
        ),
    ],
    train: Annotated[
        str, typer.Option("--train", metavar="DATASET", help="What the model learned from, in text form: mnist:root=…")
    ],
    test: Annotated[
        str, typer.Option("--test", metavar="DATASET", help="What it is asked about: mnist:root=…,split=test")
    ],
    member: Annotated[
        list[str],
        typer.Option("-i", "--influence", metavar="TEXT", help="An influence in text form; repeat for more."),
    ] = ["dknn"],  # noqa: B006
    loss: Annotated[
        str | None,
        typer.Option(
            "--loss",
            metavar="NAME",
            help="reconstruction, absolute-reconstruction or cross-entropy. [the one that fits]",
        ),
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option("--rows", metavar="NUMBERS", help="Which test records: 3,14,15, or all. [8, evenly spaced]"),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", metavar="K", min=1, help="How many supporters and opponents of each.")
    ] = 5,
    scores: Annotated[
        bool, typer.Option("--scores", help="All scores as well, in influence.npy; an interrupted call goes on.")
    ] = False,
    transform: Annotated[
        str | None,
        typer.Option("--transform", metavar="NAME", help="How pictures become inputs. [the model's own way]"),
    ] = None,
    network: Network = None,
    weights: Weights = None,
    batch_size: Annotated[int, typer.Option("--batch-size", metavar="N", min=1, help="Examples in one forward.")] = 64,
    device: Annotated[str | None, typer.Option("--device", metavar="NAME", help="cpu, cuda, mps, …")] = None,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the results go.")] = Path(
        "influence"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of a table.")] = False,
) -> None:
    """Which training examples answer for what a model does?

    pellucid influence --model runs/digits --train digits --test digits:split=test -i dknn -i tracin --top 5

    pellucid influence --model denoiser.safetensors --model classifier.safetensors --train mnist:root=data
    --test mnist:root=data,split=test --rows 0,1,2 -o who
    """
    from pellucid.cli._influencing import Influencing

    if len(set(model)) < len(model) or len(set(member)) < len(member):
        raise BadInput("a model or an influence is given twice; give each once.")
    work = Influencing(
        model, train, test, member, loss, rows, top, scores, transform, network, weights, batch_size, device, seed, out
    )
    record = work.go(progress=not as_json)
    for warning in work.warnings:
        note(warning)
    if as_json:
        from pellucid.results.plain import as_text

        print(as_text(record))
    else:
        _print(record, out)


def _print(record: dict[str, Any], out: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    from pellucid.cli._console import console

    table = Table(box=None, header_style="bold")
    for title in ("model", "influence", "test", "label", "strongest supporters", "strongest opponents"):
        table.add_column(title, overflow="fold")
    last: list[str] = []
    for row in record["examples"]:
        cells = [
            row["model"],
            row["influence"],
            str(row["test"]),
            row["label"],
            _told(row["supporters"]),
            _told(row["opponents"]),
        ]
        same = next((i for i in range(2) if cells[i : i + 1] != last[i : i + 1]), 2)
        table.add_row(*[""] * same, *map(Text, cells[same:]))
        last = cells
    console().print(table)
    for entry in record["agreement"]:
        where = f"{entry['influence']}, {entry['model']}"
        console().print(
            f"{where}: {entry['supporters']:.0%} of the supporters have the label of their test example, "
            f"{entry['opponents']:.0%} of the opponents, {entry['chance']:.0%} of all."
        )
    console().print(f"\nPictures and influence.json: {out}\nOpen {out / 'report.html'}", soft_wrap=True)


def _told(found: list[dict[str, Any]]) -> str:
    from pellucid.show.colour import number

    said = [f"{one['train']} {one['label']}".strip() + f" ({number(one['score'])})" for one in found[:3]]
    return ", ".join(said) + (" …" if len(found) > 3 else "")

"""explain: images and a model in; overlays, a contact sheet and explanations.json out."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.cli import _images
from pellucid.cli._console import note
from pellucid.cli._models import Wanted
from pellucid.cli._options import Classes, Names, Network, Seed, Size, Weights
from pellucid.errors import BadInput


def explain(
    model: Annotated[
        str,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            help="timm:NAME, torchvision:NAME, hf:NAME, pellucid:NAME, or a checkpoint file.",
        ),
    ],
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="[IMAGES]...", help="Images, and folders of images.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATASET", help="Records of a data set instead, such as cub:root=FOLDER."),
    ] = None,
    rows: Annotated[
        str | None, typer.Option("--rows", metavar="NUMBERS", help="Which records: 3,14,15. [12, evenly spaced]")
    ] = None,
    explainer: Annotated[
        list[str],
        typer.Option(
            "-e", "--explainer", metavar="TEXT", help="An explainer in text form; repeat for more. all, or all:quick."
        ),
    ] = ["grad-cam"],  # noqa: B006
    ask: Annotated[
        list[str] | None,
        typer.Option("-a", "--ask", metavar="TEXT", help="A question in text form; repeat. [the explainer's own]"),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option("-t", "--target", metavar="CLASS", help="A class, by number or name; repeat. [the predicted one]"),
    ] = None,
    why: Annotated[str | None, typer.Option("--why", metavar="CLASS", help="Why this class …")] = None,
    why_not: Annotated[
        str | None, typer.Option("--not", metavar="CLASS", help="… and not that one? The contrast of the two.")
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", metavar="K", min=1, help="Explain the K classes predicted first.")
    ] = None,
    contrasts: Annotated[
        bool,
        typer.Option(
            "--contrasts",
            help="Four ways to ask about the classes predicted first (3, or --top K), on a sheet an image.",
        ),
    ] = False,
    sanity: Annotated[
        bool,
        typer.Option("--sanity", help="What the maps become while the model forgets, layer by layer: a sheet each."),
    ] = False,
    network: Network = None,
    weights: Weights = None,
    classes: Classes = None,
    names: Names = None,
    size: Size = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", metavar="N", min=1, help="Images explained at a time.")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", metavar="NAME", help="cpu, cuda, mps, …")] = None,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the results go.")] = Path(
        "explanations"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of a table.")] = False,
) -> None:
    """Explain what a model says about images.

    pellucid explain cat.jpg --model timm:resnet50 -e grad-cam -e integrated-gradients --ask logit --ask contrast

    pellucid explain photos/ --model model.safetensors --why cat --not dog

    pellucid explain --data cub:root=data,split=test --model birds.safetensors -e grad-cam

    pellucid explain cat.jpg --model timm:resnet50 -e all:quick
    """
    if (why is None) != (why_not is None):
        raise BadInput("--why and --not go together: --why CLASS --not CLASS; for one class write --target CLASS.")
    if sum(map(bool, (target, why, top))) > 1:
        raise BadInput("--target, --why … --not and --top each say which class is meant; give one of them.")
    if contrasts and (ask or target or why):
        raise BadInput(
            "--contrasts asks its own questions, about the classes predicted first; leave out --ask, --target "
            "and --why."
        )
    if bool(images) == (data is not None) or (rows is not None and data is None):
        raise BadInput("images are given as files, or as --data DATASET with --rows NUMBERS; give one of the two.")
    files = _images.find(images or [], out) if data is None else _images.records(data, rows)

    from pellucid.cli._run import Asked, Run

    asked = Asked.read(explainer, ask, [why] if why else target, why_not, top, contrasts, sanity)
    run = Run(files, asked, Wanted(model, network, weights, classes, names, size, device, seed), batch_size, out)
    if run.loaded.warning:
        note(run.loaded.warning)
    record = run.go(progress=not as_json)
    if record["skipped"]:
        note(_images.skipped([one["image"] for one in record["skipped"]]))
    if as_json:
        print(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        _print(record, out)


def _print(record: dict[str, Any], out: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    from pellucid.cli._console import console

    table = Table(box=None, header_style="bold")
    for title in ("image", "predicted", "explainer", "ask", "class", "value"):
        table.add_column(title, overflow="fold")
    last: list[str] = []
    for row in record["explanations"]:
        cells = [
            Path(row["image"]).name,
            "" if row["predicted"] is None else f"{_name(row, 'predicted')} {row['probability']:.1%}",
            row["explainer"],
            row["ask"],
            "" if row["target"] is None else _name(row, "target"),
            "" if row["value"] is None else f"{row['value']:.4g}",
        ]
        # what is as in the line above is left out, up to the first difference
        same = next(i for i in range(4) if i == 3 or cells[i : i + 1] != last[i : i + 1])
        table.add_row(*[""] * same, *map(Text, cells[same:]))  # a list of layers is no mark-up
        last = cells
    console().print(table)
    many = len(record["explanations"])
    count = "1 overlay" if many == 1 else f"{many} overlays"
    console().print(f"\n{count} and explanations.json: {out}", soft_wrap=True)
    for refused in record.get("refused", ()):
        console().print(Text.assemble((refused["explainer"], "bold"), f" has no answer: {refused['reason']}"))
    if record["sheet"]:
        console().print(f"Side by side, on common scales: {out / record['sheet']}", soft_wrap=True)
    for sheet in record.get("sanity", ()):
        console().print(f"While the model forgets: {out / sheet}", soft_wrap=True)


def _name(row: dict[str, Any], which: str) -> str:
    return row[f"{which}_name"] or str(row[which])

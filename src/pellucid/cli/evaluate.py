"""evaluate: a data set and a model in; metrics of explainers out, with intervals and with what they can tell apart."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli._models import Wanted
from pellucid.cli._options import (
    BatchSize,
    Classes,
    Data,
    Loaders,
    Model,
    Names,
    Network,
    Seed,
    Size,
    Target,
    Transform,
    Weights,
)  # fmt: skip


def evaluate(
    dataset: Data,
    model: Model,
    explainer: Annotated[
        list[str], typer.Option("-e", "--explainer", metavar="TEXT", help="An explainer, or '[a,b]'; repeat for more.")
    ] = ["grad-cam"],  # noqa: B006
    metric: Annotated[
        list[str],
        typer.Option(
            "-m",
            "--metric",
            metavar="TEXT",
            help="A metric, or '[a,b]'; repeat. Accuracy and confidence are always measured beside them.",
        ),
    ] = ["insertion", "deletion"],  # noqa: B006
    ask: Annotated[
        list[str] | None,
        typer.Option("-a", "--ask", metavar="TEXT", help="A question in text form; repeat. [the explainer's own]"),
    ] = None,
    target: Target = "label",
    transform: Transform = None,
    network: Network = None,
    weights: Weights = None,
    classes: Classes = None,
    names: Names = None,
    size: Size = None,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="NAME", help="cpu, cuda, mps, … [cpu; under torchrun a GPU a process]"),
    ] = None,
    batch_size: BatchSize = None,
    seed: Seed = 0,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, help="Processes that share the work; or use torchrun.")
    ] = 1,
    loaders: Loaders = 0,
    pictures: Annotated[
        int,
        typer.Option("--pictures", metavar="N", min=0, help="Samples whose maps are kept for the page."),
    ] = 12,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the results go.")] = Path(
        "evaluation"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of a table.")] = False,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-under",
            metavar="METRIC=VALUE",
            help="Exit code 1 where the mean of an explainer is worse than this (above it where lower is better); "
            "repeat. Controls are exempt.",
        ),
    ] = None,
) -> None:
    """Measure explainers on a data set.

    pellucid evaluate cub:root=data,split=test --model birds.safetensors -e grad-cam -e gradient -m insertion -m sch

    pellucid evaluate scenes:length=200 --model model.safetensors -e '[cam,random-map]' --fail-under insertion=0.5

    torchrun --nproc-per-node=2 -m pellucid evaluate imagenet:root=data,split=val --model timm:resnet50

    A run that was stopped goes on where it was, and one more metric costs that metric: what is in the folder is kept.
    """
    from pellucid.cli._evaluation import Evaluation, Wish

    wish = Wish.read(dataset, explainer, metric, ask, target, transform, fail_under)
    wanted = Wanted(model, network, weights, classes, names, size, device, seed)
    report = Evaluation(wish, wanted, out, batch_size, workers, loaders, pictures).go(progress=not as_json)
    if report is None:  # another process prints it
        return
    report.print(as_json)
    if report.failed:
        raise typer.Exit(1)

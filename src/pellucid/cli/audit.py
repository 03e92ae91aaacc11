"""audit: is a model right for the right reasons? A sentence, what it rests on, and the worst samples on a sheet."""

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


def audit(
    dataset: Data,
    model: Model,
    explainer: Annotated[
        list[str] | None,
        typer.Option(
            "-e",
            "--explainer",
            metavar="TEXT",
            help="An explainer, or '[a,b]'; repeat. [three sound ones] Controls are always measured beside them.",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("-m", "--metric", metavar="TEXT", help="A metric, or '[a,b]'; repeat. [all that the data allows]"),
    ] = None,
    target: Target = "label",
    transform: Transform = None,
    network: Network = None,
    weights: Weights = None,
    classes: Classes = None,
    names: Names = None,
    size: Size = None,
    device: Annotated[str | None, typer.Option("--device", metavar="NAME", help="cpu, cuda, mps, …")] = None,
    batch_size: BatchSize = None,
    seed: Seed = 0,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes that share the work.")] = 1,
    loaders: Loaders = 0,
    worst: Annotated[
        int, typer.Option("--worst", metavar="N", min=0, help="How many of the worst samples of each kind to show.")
    ] = 12,
    checks: Annotated[
        int, typer.Option("--checks", metavar="N", min=0, help="Samples on which the costly checks are made.")
    ] = 32,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the results go.")] = Path("audit"),
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of words.")] = False,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-under",
            metavar="METRIC=VALUE",
            help="Exit code 1 where the best sound explainer's mean is worse than this (above it where lower is "
            "better); repeat.",
        ),
    ] = None,
) -> None:
    """Is a model right for the right reasons?

    pellucid audit cub:root=data,split=test --model birds.safetensors

    pellucid audit scenes:correlation=0.9,length=200 --model model.safetensors -e grad-cam --fail-under sch=0.4

    An audit that was stopped goes on where it was, and one more explainer costs that explainer.
    """
    from pellucid.cli._auditing import Auditing, Wish

    wish = Wish.read(dataset, explainer, metric, target, transform, fail_under, worst, checks)
    wanted = Wanted(model, network, weights, classes, names, size, device, seed)
    failed = Auditing(wish, wanted, out, batch_size, workers, loaders).go(as_json)
    if failed:
        raise typer.Exit(1)

"""train: a model and a data set in; a better model, its log and its checkpoints out."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli._options import Data

Named = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="MODEL", help="timm:NAME, torchvision:NAME, pellucid:NAME … [the recipe's network]"
    ),
]


def train(
    dataset: Data,
    model: Named = None,
    objective: Annotated[
        str | None,
        typer.Option(
            "--objective", metavar="TEXT", help="ce, lico:alpha=10, lico+cgc:weight=0.5, denoising … [the recipe's]"
        ),
    ] = None,
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="TEXT", help="Optimiser, schedule, batch and the rest, by name.")
    ] = "plain",
    epochs: Annotated[int | None, typer.Option("--epochs", metavar="N", min=1, help="[the recipe's]")] = None,
    seeds: Annotated[
        list[int] | None,
        typer.Option("--seed", metavar="N", help="Repeat for several runs, each into a folder of its own."),
    ] = None,
    together: Annotated[
        str, typer.Option("--together", metavar="WAY", help="Of several runs: auto, processes, ensemble, turns.")
    ] = "auto",
    validation: Annotated[
        str | None, typer.Option("--validation", metavar="DATASET", help="Reported every epoch, never chosen by.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the results go.")] = Path(
        "training"
    ),
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, mps.")] = "auto",
    processes: Annotated[
        int, typer.Option("--processes", metavar="N", min=1, help="That share a step; or use torchrun.")
    ] = 1,
    strategy: Annotated[
        str, typer.Option("--strategy", metavar="NAME", help="Of several processes: ddp, fsdp.")
    ] = "ddp",
    loaders: Annotated[int, typer.Option("--loaders", metavar="N", min=0, help="Processes that read pictures.")] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the weights of every epoch.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Pictures of how it learns.")] = False,
    watts: Annotated[
        float | None, typer.Option("--watts", metavar="W", min=0, help="Assumed for the energy that is reported.")
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="The log once more, for TensorBoard.")] = False,
) -> None:
    """Train a model towards better reasons.

    pellucid train cifar10:root=data --recipe lico-cifar --objective lico --seed 0 --seed 1 -o runs/lico

    pellucid train scenes:correlation=0.8 --model pellucid:tiny-cnn --objective lico:text=minilm+cgc --watch

    pellucid train mnist:root=data --recipe relf-mnist --objective denoising:corruption=inpainting -o runs/inpainting

    torchrun --nproc-per-node=4 -m pellucid train imagenet:root=data --recipe lico-imagenet

    A run that was stopped goes on where it was; one that ended is not trained again.
    """
    from pellucid.training import fit

    many = seeds or [0]
    given = {"validation": validation, "device": device, "processes": processes, "strategy": strategy}
    given |= {"together": together}
    kept = {"workers": loaders, "keep": keep, "watch": watch, "watts": watts, "tensorboard": tensorboard}
    several = many if len(many) > 1 else None
    fits = fit(model, dataset, objective, recipe, epochs, many[0], several, out, progress=True, **given, **kept)  # type: ignore[arg-type]
    fits = fits if isinstance(fits, list) else [fits]
    from pellucid.cli._trained import told

    if fits[0] is not None:
        told(fits, out)

"""Options that several commands have, each said once."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[str, typer.Argument(metavar="DATASET", help="A data set in text form: cub:root=data,split=test …")]
Model = Annotated[
    str,
    typer.Option(
        "--model", metavar="MODEL", help="timm:NAME, torchvision:NAME, hf:NAME, pellucid:NAME, or a checkpoint."
    ),
]
Network = Annotated[
    str | None,
    typer.Option("--network", metavar="NAME", help="What a bare checkpoint belongs to, such as timm:resnet18."),
]
Weights = Annotated[
    str | None,
    typer.Option("--weights", metavar="FILE", help="A checkpoint, or none for random ones. [the published ones]"),
]
Classes = Annotated[int | None, typer.Option("--classes", metavar="N", min=1, help="How many classes the model has.")]
Names = Annotated[Path | None, typer.Option("--names", metavar="FILE", help="Class names, one a line or a JSON list.")]
Size = Annotated[
    int | None, typer.Option("--size", metavar="N", min=1, help="Side of the images as the model sees them.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Of everything stochastic.")]
Target = Annotated[
    str,
    typer.Option(
        "-t", "--target", metavar="CLASS", help="The class explained: label, predicted, or one by number or name."
    ),
]
Transform = Annotated[
    str | None, typer.Option("--transform", metavar="NAME", help="How pictures become inputs. [the model's own way]")
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", metavar="N", min=1, help="The most images in any one forward.")
]
Loaders = Annotated[int, typer.Option("--loaders", metavar="N", min=0, help="Processes that read pictures.")]

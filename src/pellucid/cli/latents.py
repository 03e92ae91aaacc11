"""latents: encoders and images in; what each unit looks at, and how alike units and encoders are, out."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli._models import Wanted
from pellucid.cli._options import BatchSize, Data, Network, Seed, Size, Transform, Weights


def latents(
    dataset: Data,
    model: Annotated[
        list[str],
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            help="An encoder: pellucid:NAME, timm:NAME, a checkpoint, or the folder of a training; repeat for more.",
        ),
    ],
    explainer: Annotated[
        str, typer.Option("-e", "--explainer", metavar="TEXT", help="The explainer of units and of whole codes.")
    ] = "integrated-gradients",
    units: Annotated[
        str | None,
        typer.Option("--units", metavar="NUMBERS", help="Which units: 0,3,5. [all, or the 12 that vary most]"),
    ] = None,
    rows: Annotated[
        str | None, typer.Option("--rows", metavar="NUMBERS", help="Which records are shown: 3,14,15. [8 by chance]")
    ] = None,
    images: Annotated[
        int, typer.Option("--images", metavar="N", min=2, help="How many records are explained and measured.")
    ] = 64,
    codes: Annotated[
        int, typer.Option("--codes", metavar="N", min=2, help="How many are encoded, where their factors are known.")
    ] = 2000,
    network: Network = None,
    weights: Weights = None,
    size: Size = None,
    transform: Transform = None,
    batch_size: BatchSize = None,
    device: Annotated[str | None, typer.Option("--device", metavar="NAME", help="cpu, cuda, mps, …")] = None,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the results go.")] = Path("latents"),
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of a table.")] = False,
) -> None:
    """Look into the codes of encoders, without labels.

    pellucid latents mnist:root=data -m runs/beta-1 -m runs/beta-10

    pellucid latents sprites -m vae.safetensors --units 0,1,4 -e gradient-shap:samples=5,baseline=0

    What each unit looks at, image by image; how alike the units' maps are; where the data knows its factors (sprites,
    dsprites, scenes), whether a unit stands for one; and of several encoders, whether they look at the same pixels.
    """
    from pellucid.cli._latents import Latents, Picked
    from pellucid.cli._measured import optional

    more = {
        "-e": None if explainer == "integrated-gradients" else explainer, "--units": units, "--rows": rows,
        "--images": images, "--codes": codes, "--network": network, "--weights": weights, "--size": size,
        "--transform": transform, "--batch-size": batch_size, "--device": device, "--seed": seed or None,
    }  # fmt: skip
    words = [dataset, *(word for one in model for word in ("-m", one)), *optional(more), "-o", str(out)]
    wanted = [Wanted(one, network, weights, None, None, size, device, seed) for one in model]
    picked = Picked.of(dataset, rows, images, codes, seed)
    command = shlex.join(["pellucid", "latents", *words])
    found = Latents(wanted, picked, explainer, units, transform, batch_size, out, command)
    found.go(progress=not as_json)
    found.print(as_json)

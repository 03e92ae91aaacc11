"""demo: the same network trained towards the answer alone and towards better reasons, and whether it has them."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import nn

    from pellucid.cli._demo_pictures import Shown
    from pellucid.cli._demo_runs import Study
    from pellucid.cli._demo_words import Numbers
    from pellucid.explanation import Explanation
    from pellucid.training import Fit

SEEDS, EPOCHS = 3, 5
PICTURES = {
    "side_by_side.png": "The same scenes: what each network looks at",
    "learning.png": "Accuracy and KL(text ‖ image) while they learned",
    "sheet.png": "One network, several explainers, two questions",
    "contrasts.png": "The classes between which a network wavers",
    "curves.png": "How many of the strongest pixels lie in the thing",
}


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the results go.")] = Path("demo"),
    seeds: Annotated[int, typer.Option("--seeds", min=1, metavar="N", help="Trainings of each objective.")] = SEEDS,
    epochs: Annotated[int, typer.Option("--epochs", min=1, metavar="N", help="How long to train.")] = EPOCHS,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few scenes only: whether it runs, not what it says.")
    ] = False,
) -> None:
    """Train towards better reasons, and see whether they are better.

    One small network, three objectives: CE (the answer alone), CGC and LICO, on scenes whose ground gives the class
    away four times in five. Then it is measured what they know and where they look, and a page says what came out.

    About five minutes on two cores, without a download. A demo that was stopped goes on when it is asked again.
    """
    from pellucid.cli._demo_runs import Study
    from pellucid.cli._demo_words import numbers, sentences
    from pellucid.files import writable

    study, start = Study(writable(out), seeds, epochs, quick), time.monotonic()
    if study.lacks:
        print(study.lacks)
    print(
        f"Training and measuring {len(study.runs)} networks ({', '.join(study.names)}; {seeds} of each) on "
        f"{study.train.length} scenes, four of five on the ground of their class …",
        flush=True,
    )
    fits = study.train_and_measure(1 if quick else None, _left(len(study.runs)))
    print("Comparing …", flush=True)
    found = numbers(study.results())
    said = sentences(found, seeds)
    print("Drawing …", flush=True)
    _write(study, fits, found, said, _about(study, fits))
    print("\n" + "\n\n".join(said))
    print(
        f"\n{time.monotonic() - start:.0f} seconds. Open {out / 'index.html'}, or read {out / 'summary.md'}.\n"
        f"Go on: pellucid audit {fits['CE'][0].plan['data']} --model {fits['CE'][0].folder}"
    )


def _left(runs: int) -> Callable[[int, int, int], None]:
    """A line for every run that has ended, with the time that is left."""
    start = time.monotonic()

    def each(ended: int, done: int, total: int) -> None:
        left = (time.monotonic() - start) * max(0.0, total / max(1, done) - 1)
        told = f", about {left / 60:.1f} minutes left" if ended < runs else ""
        print(f"  {ended} of {runs} done{told}", flush=True)

    return each


def _write(
    study: "Study", fits: "dict[str, list[Fit]]", found: "Numbers", said: Sequence[str], about: Sequence[str]
) -> None:
    """The pictures as files, the summary, and the page with all that it is made of."""
    from pellucid.cli._demo_pictures import (
        Compared,
        Shown,
        asked_of,
        keep,
        of_contrasts,
        of_explainers,
        of_networks,
        side_by_side,
    )
    from pellucid.cli._demo_runs import EXPLAINERS
    from pellucid.files import write_atomically
    from pellucid.report import write
    from pellucid.report.demo import FILE, markdown, record_of
    from pellucid.results.plain import as_text
    from pellucid.show.overlay import png

    models: dict[str, nn.Module] = {name: runs[0].model for name, runs in fits.items()}
    shown = Shown.of(study.scenes(0.0, length=16 if study.quick else 96))
    compared = [Compared.of(models, shown, explainer) for explainer in EXPLAINERS]
    model, some, few = models["CE"], shown.some(5), shown.some(3)
    asked = asked_of(model, some)
    drawn = {"side_by_side.png": side_by_side(compared, shown), **_pictures(fits, model, some, few, asked)}
    for name, image in drawn.items():
        write_atomically(study.out / name, png(image))
    listed = [(name, PICTURES[name]) for name in drawn]
    write_atomically(study.out / "summary.md", markdown(said, found, about, listed).encode())
    record = {"sentences": said, "names": study.names, "numbers": record_of(found), "about": about}
    grids = [of_networks(compared, shown, models), of_explainers(model, some, asked), of_contrasts(model, few)]
    record |= {"grids": keep(study.out, grids)} | _facts(study, fits)
    write_atomically(study.out / FILE, as_text(record).encode())
    write(study.out, "demo")


def _facts(study: "Study", fits: "dict[str, list[Fit]]") -> dict[str, Any]:
    """Where it comes from, and the command."""
    import shlex

    import pellucid

    plan, data = fits["CE"][0].plan, study.train
    words = ["pellucid", "demo", "--seeds", str(study.seeds), "--epochs", str(study.epochs)]
    command = shlex.join([*words, *(["--quick"] if study.quick else []), "-o", str(study.out)])
    rows = [("network", plan["model"]), ("data", plan["data"]), ("recipe", plan["recipe"])]
    rows += [(name, study.objectives[name]) for name in study.names]
    rows += [(f"measured on, {part.name}", part.data) for part in study.parts]
    licence = {"name": str(data), **{n: str(getattr(data, n, "") or "") for n in ("licence", "terms", "home")}}
    return {"version": pellucid.__version__, "command": command, "provenance": rows, "licence": licence}


def _pictures(
    fits: "dict[str, list[Fit]]", model: "nn.Module", some: "Shown", few: "Shown", asked: "Sequence[Explanation]"
) -> "dict[str, Image]":
    """How they learned, and what the network of CE says to several questions."""
    from pellucid.cli._demo_pictures import contrasts, sheet, strongest
    from pellucid.training._pictures import compared

    return {
        "learning.png": compared([fit for runs in fits.values() for fit in runs]),
        "sheet.png": sheet(model, some, asked),
        "contrasts.png": contrasts(model, few),
        "curves.png": strongest(model, few),
    }


def _about(study: "Study", fits: "dict[str, list[Fit]]") -> list[str]:
    """How it was done, and how to read it."""
    plan: Any = fits["CE"][0].plan
    size = sum(p.numel() for p in fits["CE"][0].model.parameters())
    towards = "; ".join(f"{name} is {study.objectives[name]}" for name in study.names)
    said = [
        f"Every network is {plan['model']} with {size:,} parameters, trained on {plan['data']} by {plan['recipe']}: "
        f"the same images in the same order and as many steps for all objectives of a seed. {towards}. CGC sees each "
        f"picture twice more, cut and mirrored; its weight is small, for with 0.5 it emptied most maps.",
        "Accuracy is measured on new scenes like those and on new ones whose ground is drawn by chance. Maps are of "
        "the label, on scenes whose ground tells nothing: what lies on it there is no reason. Insertion and deletion "
        "also move with how sure a network is of its answer, whatever its maps are.",
        "Intervals are of seeds first, then of scenes, which all networks share; differences are taken scene by scene. "
        "The scenes that are shown are the first ones of their class with a thing of a good size; the maps are those "
        "of seed 0, each divided by its mass, on one scale for all networks.",
    ]
    with suppress(KeyError, IndexError):
        hours = sum(row["seconds"] for runs in fits.values() for fit in runs for row in fit.rows) / 3600
        said.append(f"Training took {60 * hours:.1f} minutes of one processor core.")
    return [*said, study.lacks] if study.lacks else said

"""demo: scenes, a small network, and whether it looks at the thing or at the ground."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, nn

    from pellucid.data.scenes import Scenes
    from pellucid.explanation import Explanation

CLASSES, RHO, SEEN, EPOCHS = 8, 0.8, 3000, 8
MEASURED = 100  # scenes in the table
MEAN, STD = 0.5, 0.25
SHOWN = (
    "smooth:samples=16@gradient",
    "integrated-gradients:baseline=blur",
    "guided-backprop",
    "grad-cam",
    "fullgrad:rectify=false",
)
MORE = (
    "layer-cam",
    "fullgrad",
    "gradient",
    "input-x-gradient",
    "gradient-shap",
    "guided-grad-cam",
    "deconvnet",
    "cam",
    "hires-cam",
    "xgrad-cam",
    "grad-cam-pp",
    "eigen-cam",
)
CONTROLS = ("edges", "random-map")
QUESTIONS = ("logit", "contrast")


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the results go.")] = Path("demo"),
    epochs: Annotated[int, typer.Option("--epochs", min=1, metavar="N", help="How long to train.")] = EPOCHS,
) -> None:
    """Train a small classifier of scenes and see what it looks at.

    About a minute on two cores, without a download.
    """
    from pellucid.data.scenes import Scenes
    from pellucid.files import writable, write_atomically
    from pellucid.networks import Card, save_model
    from pellucid.show.overlay import png

    writable(out)
    train = Scenes(classes=CLASSES, length=SEEN, correlation=RHO)
    print(
        f"Training on {SEEN} scenes of {CLASSES} classes, {RHO:.0%} of them on the ground of their class …", flush=True
    )
    model = _trained(train, epochs)
    like, free = (Scenes(classes=CLASSES, length=1000, seed=1, correlation=rho) for rho in (RHO, 0.0))
    right = _right(model, free)
    print(
        f"It names {_right(model, like).float().mean():.0%} of new scenes like these, and {right.float().mean():.0%} "
        f"where the ground tells nothing: a part of what it learned is the ground.\n"
    )
    rows = right.nonzero()[:, 0].tolist()[:MEASURED]
    if not rows:
        print("It names none of them rightly; train it longer.")
        return
    _table(model, free, rows)
    shown = _various(free, rows)
    write_atomically(out / "sheet.png", png(_sheet(model, free, shown)))
    write_atomically(out / "contrasts.png", png(_contrasts(model, free, shown[:3])))
    write_atomically(out / "curves.png", png(_curves(model, free, shown[:3])))
    for i in shown:
        _save(free[i].image, out / "scenes" / f"{free.class_names[free[i].label]}-{i}.png".replace(" ", "-"))
    network = f"pellucid:tiny-cnn:classes={CLASSES},width=16,depth=4,pool=max"
    card = Card(network, (train.size, train.size), (MEAN,) * 3, (STD,) * 3, None, classes=train.class_names)
    save_model(model, out / "model.safetensors", card)
    print(
        f"\nWhat to look at, in {out}:\n"
        "  sheet.png      scenes × explainers × {logit, contrast}: logit asks what speaks for the class, contrast\n"
        "                 what speaks for it and not for the others. Red for, blue against; the line is the outline\n"
        "                 of the thing. edges is a control that sees no model: what looks like it may see none too.\n"
        "  contrasts.png  the classes it wavers between, and four ways to ask about each\n"
        "  curves.png     of the strongest pixels of a map, how many lie in the thing\n\n"
        f"Go on: pellucid explain {out / 'scenes'} --model {out / 'model.safetensors'} --contrasts"
    )


def _trained(data: "Scenes", epochs: int) -> "nn.Module":
    """Cross-entropy, AdamW, one cycle, flips, noise."""
    import torch
    from torch.nn.functional import cross_entropy

    from pellucid.networks import TinyCNN
    from pellucid.show.progress import track

    torch.manual_seed(0)
    model = TinyCNN(classes=data.classes, width=16, depth=4, pool="max").build().train()
    images, labels = data.images(), data.labels()
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, epochs * -(-len(labels) // 32))
    for _ in track(range(epochs), "training", True):
        for rows in torch.randperm(len(labels)).split(32):
            batch = _normalised(images[rows])
            batch = batch + 0.3 * torch.randn_like(batch)  # gradients become less noise themselves
            optimizer.zero_grad()
            cross_entropy(model(batch.flip(3) if torch.rand(()) < 0.5 else batch), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def _normalised(images: "Tensor") -> "Tensor":
    return (images.float() / 255 - MEAN) / STD


def _right(model: "nn.Module", data: "Scenes") -> "Tensor":
    """Which scenes it names rightly."""
    import torch

    with torch.no_grad():
        answers = torch.cat([model(_normalised(some)).argmax(1) for some in data.images().split(100)])
    return answers == data.labels()


def _various(data: "Scenes", rows: list[int], most: int = 5) -> list[int]:
    """Scenes of different classes, with things of a good size."""
    rows = [i for i in rows if 0.08 < float(data[i].mask.float().mean()) < 0.2] or rows
    return list({data[i].label: i for i in reversed(rows)}.values())[::-1][:most]


def _explained(model: "nn.Module", data: "Scenes", rows: list[int], text: str, ask: Any = None) -> "Explanation":
    from pellucid.explainers import Explainer
    from pellucid.explanation import explain

    asks = list(ask or (QUESTIONS if Explainer.make(text).asked else ["logit"]))
    return explain(model, _normalised(data.images(rows)), text, ask=asks, batch_size=40)


def _table(model: "nn.Module", data: "Scenes", rows: list[int]) -> None:
    """How much of what speaks for the class lies in the thing."""
    from rich.table import Table

    from pellucid.cli._console import console
    from pellucid.maths.masks import share_inside
    from pellucid.show.progress import track

    masks = data.masks(rows)
    table = Table(box=None, header_style="bold", title="Share of the saliency inside the thing", title_justify="left")
    table.add_column("explainer", overflow="fold")
    for question in QUESTIONS:
        table.add_column(question, justify="right")
    lines: list[tuple[float, list[str]]] = []
    for text in track((*SHOWN, *MORE, *CONTROLS), "measuring", True):
        maps = _explained(model, data, rows, text).maps
        columns = maps.unsqueeze(1) if maps.ndim == 3 else maps
        shares = [share_inside(columns[:, q], masks) for q in range(columns.shape[1])]
        cells = [f"{float(s.nanmean()):.0%}" for s in shares]
        name = f"{text}  (control)" if text in CONTROLS else text
        lines.append((float(shares[-1].nanmean()), [name, *cells, *[""] * (len(QUESTIONS) - len(cells))]))
    for _, cells in sorted(lines, reverse=True):
        table.add_row(*cells)
    area = float(masks.float().mean())
    console().print(table)
    print(f"Means of {len(rows)} scenes that it names rightly; the thing is {area:.0%} of the picture.")


def _sheet(model: "nn.Module", data: "Scenes", rows: list[int]) -> "Image":
    """Scenes × explainers × {logit, contrast}."""
    from dataclasses import replace

    from pellucid.show.sheet import columns_of, contact_sheet

    p, classes = model(_normalised(data.images(rows))).detach().softmax(1).topk(2)
    name = data.class_names
    titles = [
        f"{name[c[0]]}\n{q[0]:.0%}\n\nnext: {name[c[1]]}\n{q[1]:.0%}"
        for c, q in zip(classes.tolist(), p.tolist(), strict=True)
    ]
    columns: list[Any] = []
    for text in (*SHOWN, CONTROLS[0]):
        made = columns_of(_explained(model, data, rows, text))
        columns += made if len(made) > 1 else [replace(made[0], ask="(a control)")]
    pictures = [image.float() / 255 for image in data.images(rows)]
    return contact_sheet(columns, pictures, titles, alpha=0.6, saturate=0.01, outlines=list(data.masks(rows)))


def _contrasts(model: "nn.Module", data: "Scenes", rows: list[int]) -> "Image":
    """The classes it wavers between."""
    from pellucid.explanation import explain
    from pellucid.show.contrast import CONTRASTS, contrast_sheet

    images = data.images(rows)
    p = model(_normalised(images)).detach().softmax(1)
    top = p.topk(3).indices
    e = explain(model, _normalised(images), "grad-cam:relu=false", ask=list(CONTRASTS), target=top)
    pictures, masks = [image.float() / 255 for image in images], list(data.masks(rows))
    return contrast_sheet(e, pictures, data.class_names, p, masks, sample=None, saturate=0.005)


def _curves(model: "nn.Module", data: "Scenes", rows: list[int]) -> "Image":
    """Of the strongest pixels, how many lie in the thing."""
    from pellucid.maths.masks import hits
    from pellucid.show.curves import CurveRow, curves
    from pellucid.show.sheet import columns_of

    masks, shares = data.masks(rows), [i / 50 for i in range(1, 26)]
    wanted = (*SHOWN[:2], *SHOWN[3:5], "edges")
    made = {text: _explained(model, data, rows, text, ["logit"]) for text in wanted}
    drawn: list[CurveRow] = []
    for i, row in enumerate(rows):
        lines = {e.explainer: (shares, hits(e.maps[i : i + 1], masks[i : i + 1], shares)[0]) for e in made.values()}
        area = float(masks[i].float().mean())
        chance = {f"chance, {area:.0%}": (shares, [area] * len(shares))}
        columns = [columns_of(e[i])[0] for e in made.values()]
        charts = {"in the thing": lines | chance}
        title = data.class_names[data[row].label]
        drawn.append(CurveRow(data[row].image.float() / 255, columns, charts, title, masks[i]))
    return curves(drawn, ("share of the picture, strongest first", "of it in the thing"), saturate=0.005)


def _save(image: "Tensor", path: Path) -> None:
    from PIL import Image

    from pellucid.files import write_atomically
    from pellucid.show.overlay import png

    write_atomically(path, png(Image.fromarray(image.permute(1, 2, 0).numpy())))

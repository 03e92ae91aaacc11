"""demo: handwritten digits, a small network, and why it says 9 and not 4."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, nn

SIDE, WIDTH, EPOCHS = 16, 24, 25
MEAN, STD = 0.5, 0.25
BLACK = -MEAN / STD
EXPLAINERS = (
    "gradient",
    "smooth:samples=16,spread=0.3@gradient",
    f"integrated-gradients:baseline={BLACK:g}",
    "grad-cam",
    "edges",
)


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the results go.")] = Path("demo"),
    epochs: Annotated[int, typer.Option("--epochs", min=1, metavar="N", help="How long to train.")] = EPOCHS,
) -> None:
    """Train a small classifier of digits and see what it looks at.

    Less than a minute on two cores, without a download.
    """
    import torch

    from pellucid.files import writable, write_atomically
    from pellucid.networks import Card, save_model
    from pellucid.show.overlay import png

    writable(out)
    train, test = _digits()
    print(f"Training on {len(train[0])} handwritten digits …", flush=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for so small a network, threads cost more than they give
    model = _trained(*train, epochs)
    torch.set_num_threads(threads)
    accuracy = float((model(test[0]).argmax(1) == test[1]).float().mean())
    rows = _confused(model, *test)
    sheet = _sheet(model, test[0][rows], test[1][rows])
    write_atomically(out / "sheet.png", png(sheet))
    for i in rows:
        _save(test[0][i], out / "digits" / f"{int(test[1][i])}-{i}.png")
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    card = Card(f"pellucid:tiny-cnn:channels=1,width={WIDTH}", (SIDE, SIDE), (MEAN,), (STD,), None, classes=names)
    save_model(model, out / "model.safetensors", card)
    print(
        f"Test accuracy {accuracy:.1%} on {len(test[0])} digits it has not seen.\n"
        f"The sheet: {out / 'sheet.png'}\n\n"
        "What to look at: these are the digits whose second class comes nearest. logit asks what speaks for the\n"
        "class, contrast what speaks for it and not for the others: red for, blue against. Compare the two columns of\n"
        "grad-cam: what both classes share fades in contrast, and what decides between them stays, or turns against\n"
        "the class. edges is a control that sees no model: what looks like it may have seen none either.\n\n"
        f"Go on: pellucid explain {out / 'digits'} --model {out / 'model.safetensors'} --top 2 --ask contrast"
    )


def _digits() -> "tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]":
    """scikit-learn's 8×8 digits, enlarged: images and labels to train on, and to test on."""
    import torch
    from sklearn.datasets import load_digits
    from torch.nn.functional import interpolate

    raw: Any = load_digits()
    images = interpolate(torch.tensor(raw.images)[:, None].float() / 16, size=(SIDE, SIDE), mode="bilinear")
    images, labels = (images - MEAN) / STD, torch.tensor(raw.target)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    train, test = order[360:], order[:360]
    return (images[train], labels[train]), (images[test], labels[test])


def _trained(images: "Tensor", labels: "Tensor", epochs: int) -> "nn.Module":
    """Cross-entropy, AdamW, one cycle; noise on the images, so that gradients are less noise themselves."""
    import torch
    from torch.nn.functional import cross_entropy

    from pellucid.networks import TinyCNN

    torch.manual_seed(0)
    model = TinyCNN(channels=1, width=WIDTH).build().train()
    steps = epochs * -(-len(images) // 64)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            noisy = images[batch] + 0.5 * torch.randn(len(batch), 1, SIDE, SIDE)
            cross_entropy(model(noisy), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def _confused(model: "nn.Module", images: "Tensor", labels: "Tensor", most: int = 6) -> list[int]:
    """Rightly classified digits whose second class comes nearest, each pair of classes once."""
    p = model(images).detach().softmax(1)
    top, classes = p.topk(2)
    pairs: dict[tuple[int, int], int] = {}
    for i in top[:, 1].argsort(descending=True).tolist():
        first, second = classes[i].tolist()
        if first == labels[i]:
            pairs.setdefault((min(first, second), max(first, second)), i)
    return list(pairs.values())[:most]


def _sheet(model: "nn.Module", images: "Tensor", labels: "Tensor") -> "Image":
    """Digits × explainers × {logit, contrast}."""
    from dataclasses import replace

    from pellucid.explainers import Explainer
    from pellucid.explanation import explain
    from pellucid.show.sheet import columns_of, contact_sheet

    p, classes = model(images).detach().softmax(1).topk(2)
    titles = [f"{c[0]}  {q[0]:.0%}\nnext: {c[1]}  {q[1]:.0%}" for c, q in zip(classes.tolist(), p.tolist())]
    columns = []
    for text in EXPLAINERS:
        ask: Any = ["logit", "contrast"] if Explainer.make(text).asked else "logit"
        made = columns_of(explain(model, images, text, ask=ask))
        columns += made if len(made) > 1 else [replace(made[0], ask="(a control)")]
    pictures = [(image * STD + MEAN).clamp(0, 1).expand(3, -1, -1) for image in images]
    return contact_sheet(columns, pictures, titles, saturate=0.005)


def _save(image: "Tensor", path: Path) -> None:
    from PIL import Image

    from pellucid.files import write_atomically
    from pellucid.show.overlay import png

    pixels = ((image[0] * STD + MEAN) * 255).clamp(0, 255).round().byte().numpy()
    write_atomically(path, png(Image.fromarray(pixels)))

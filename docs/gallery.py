"""The pictures of the documentation, made by the code they are about.

Run it: python docs/gallery.py          (a small network is trained into runs/gallery first, a few minutes; it is kept)

Scenes are picked by rule: the first of each class, or the first with two things that can be seen. Rules and explainers
were chosen to show something: these are illustrations, and no evidence.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

import pellucid as pl
from pellucid.data.scenes import Scenes
from pellucid.show.curves import CurveRow, curves
from pellucid.show.sheet import columns_of, contact_sheet

PICTURES = Path(__file__).with_name("pictures")
NETWORK = "pellucid:tiny-cnn:width=16,depth=4,pool=max"
RECIPE = "plain:optimiser=adamw,lr=0.005,decay=0.05,batch=32,schedule=one-cycle"
KNOWN = "classes=6,size=64,distractors=1"
SPREAD = ["smooth:samples=16@gradient", "integrated-gradients:baseline=blur", "fullgrad:rectify=false", "grad-cam",
          "occlusion:window=[16,16],stride=[4,4]"]  # fmt: skip
LOOK = {"tile": 128, "alpha": 0.6, "saturate": 0.005}


@cache
def model() -> nn.Module:
    """Trained once; asked again, it is loaded."""
    data = f"scenes:{KNOWN},length=2000"
    return pl.fit(NETWORK, data, "ce", recipe=RECIPE, epochs=8, out="runs/gallery").model


@cache
def scenes() -> Scenes:
    return Scenes(classes=6, size=64, distractors=1, length=200, seed=1)


def taken(rows: list[int]) -> Tensor:
    """These scenes as the model sees them."""
    return next(iter(pl.data.batches(scenes(), transform=pl.transform_of(model()), rows=rows))).images


def sized(share: tuple[float, float] = (0.05, 0.2)) -> list[int]:
    """Scenes whose thing is neither tiny nor everything."""
    masks = (scenes()[i].mask.float().mean() for i in range(len(scenes())))
    return [i for i, mask in enumerate(masks) if share[0] < float(mask) < share[1]]


def of_every_class(most: int) -> list[int]:
    """The first of each class."""
    first: dict[int, int] = {}
    for i in sized():
        first.setdefault(scenes()[i].label, i)
    return list(first.values())[:most]


def titles(rows: list[int]) -> list[str]:
    return [scenes().class_names[scenes()[i].label] for i in rows]


def outlines(rows: list[int]) -> list[Tensor]:
    return [scenes()[i].mask for i in rows]


def explained(rows: list[int], explainer: str, **options: object) -> pl.Explanation:
    options = {"target": [scenes()[i].label for i in rows]} | options
    return pl.explain(model(), taken(rows), explainer, **options)


def gallery() -> Image.Image:
    """Five scenes by five explainers."""
    rows = of_every_class(5)
    found = [explained(rows, explainer) for explainer in SPREAD]
    return contact_sheet(found, rows=titles(rows), outlines=outlines(rows), **LOOK)


def signed() -> Image.Image:
    """Grad-CAM with its ReLU and without, where another thing speaks against the class."""
    rows, _ = pairs_of(3)
    found = [explained(rows, f"grad-cam:relu={relu}") for relu in ("true", "false")]
    return contact_sheet(found, rows=titles(rows), outlines=outlines(rows), **LOOK)


def contrast() -> Image.Image:
    """Two things in one picture: each class alone, then the one and not the other."""
    rows, others = pairs_of(3)
    made = [explained(rows, "grad-cam:relu=false"), explained(rows, "grad-cam:relu=false", target=others)]
    between = [pl.explain(model(), taken([i]), "grad-cam:relu=false", ask=f"contrast:against={other}",
                          target=scenes()[i].label) for i, other in zip(rows, others, strict=True)]  # fmt: skip
    names = scenes().class_names
    columns = [
        *columns_of(made[0], [[f"why {t}?" for t in titles(rows)]]),
        *columns_of(made[1], [[f"why {names[o]}?" for o in others]]),
    ]
    maps = torch.cat([e.maps for e in between])
    both = pl.Explanation(maps=maps, explainer=made[0].explainer, ask="contrast", images=taken(rows), signed=True)
    columns += columns_of(both, [[f"{t}, not {names[o]}?" for t, o in zip(titles(rows), others, strict=True)]])
    return contact_sheet(columns, [made[0].picture(i) for i in range(len(rows))], titles(rows), **LOOK)


def pairs_of(most: int) -> tuple[list[int], list[int]]:
    """Scenes with a thing of another class that can be seen, and that class."""
    rows, others = [], []
    for i in sized():
        record = scenes()[i]
        for mask, number in zip(record.masks, record.mask_classes, strict=True):
            if int(number) != record.label and float(mask.float().mean()) > 0.04:
                rows.append(i)
                others.append(int(number))
                break
        if len(rows) == most:
            break
    return rows, others


def label_free() -> Image.Image:
    """The network without its head: what makes the representation what it is, and what makes it like another."""
    rows = of_every_class(3)
    encoder = nn.Sequential(model().features, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = taken(rows)
    seen = [
        pl.explain(encoder, x, explainer, ask="similarity") for explainer in ("grad-cam", "smooth:samples=16@gradient")
    ]
    pictures = [explained(rows, "edges").picture(i) for i in range(len(rows))]
    return contact_sheet(seen, pictures, titles(rows), outlines=outlines(rows), **LOOK)


def faithfulness() -> Image.Image:
    """Insertion and deletion as curves, beside the maps they judge."""
    rows, who = of_every_class(3), ["grad-cam", "rise:masks=800", "random-map"]
    found = [explained(rows, explainer) for explainer in who]
    samples = [(x, scenes()[i].label) for x, i in zip(taken(rows), rows, strict=True)]
    told = pl.evaluate(model(), samples, who, ["insertion:curve=true", "deletion:curve=true"]).frame
    told["explainer"] = told["explainer"].astype(str).replace(dict(zip(who, (e.explainer for e in found), strict=True)))
    made = [
        CurveRow(found[0].picture(i), [columns_of(e[i])[0] for e in found], charts_of(told, sample), title)
        for i, (sample, title) in enumerate(zip(sorted(told["sample"].unique()), titles(rows), strict=True))
    ]
    return curves(made, ("share of the pixels", "probability"), tile=128, alpha=0.6)


def charts_of(told: Any, sample: int) -> dict[str, dict[str, tuple[Tensor, Tensor]]]:
    """The curves of one picture: a chart a metric, a line an explainer."""
    charts: dict[str, dict[str, tuple[Tensor, Tensor]]] = {}
    for row in told[(told["sample"] == sample) & (told["explainer"] != "none")].to_dict("records"):
        y = torch.as_tensor(row["curve"])
        charts.setdefault(row["metric"].partition(":")[0], {})[row["explainer"]] = (torch.linspace(0, 1, len(y)), y)
    return charts


ALL = {"gallery": gallery, "signed": signed, "contrast": contrast, "label-free": label_free, "curves": faithfulness}


def write(picture: Image.Image, name: str) -> Path:
    """As a JPEG of a hundred kilobytes or so."""
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"{name}.jpg"
    picture.convert("RGB").save(path, quality=85, subsampling=0, optimize=True)
    return path


if __name__ == "__main__":
    for name, make in ALL.items():
        write(make(), name)

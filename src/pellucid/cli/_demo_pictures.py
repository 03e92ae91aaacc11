"""The pictures of the demo: what the networks look at, side by side, and what one network says to several questions."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pellucid.engine._kept import key_of
from pellucid.maths.masks import hits
from pellucid.results.kept import Pictures, Sample, write_pictures
from pellucid.show.contrast import CONTRASTS, contrast_sheet
from pellucid.show.curves import CurveRow, curves
from pellucid.show.layout import Column
from pellucid.show.sheet import columns_of, contact_sheet

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import nn

    from pellucid.data.scenes import Scenes
    from pellucid.explanation import Explanation

SHOWN = (
    "smooth:samples=16@gradient",
    "integrated-gradients:baseline=blur",
    "guided-backprop",
    "grad-cam",
    "fullgrad:rectify=false",
)
CONTROL = "edges"
QUESTIONS = ("logit", "contrast")
SATURATE = 0.005
ALPHA = 0.6


@dataclass
class Shown:
    """Some scenes, as a network takes them."""

    data: "Scenes"
    rows: list[int]

    @classmethod
    def of(cls, data: "Scenes", most: int = 6) -> "Shown":
        """The first scene of every class whose thing has a good size: nobody has looked at a map."""
        sized = [i for i in range(len(data)) if 0.08 < float(data[i].mask.float().mean()) < 0.2]
        return cls(data, list({data[i].label: i for i in reversed(sized)}.values())[::-1][:most])

    def some(self, most: int) -> "Shown":
        return Shown(self.data, self.rows[:most])

    @property
    def inputs(self) -> Tensor:
        from pellucid.data.transforms import Transform

        preset = Transform.make(self.data.preset)
        return torch.stack([preset.input(image, self.data) for image in self.data.images(self.rows)])

    @property
    def pictures(self) -> list[Tensor]:
        return [image.float() / 255 for image in self.data.images(self.rows)]

    @property
    def masks(self) -> Tensor:
        return self.data.masks(self.rows)

    @property
    def labels(self) -> Tensor:
        return torch.tensor([self.data.label(i) for i in self.rows])

    @property
    def names(self) -> list[str]:
        return [self.data.class_names[int(label)] for label in self.labels]

    def explained(self, model: "nn.Module", text: str, ask: Any = None, target: Any = None) -> "Explanation":
        from pellucid.explainers import Explainer
        from pellucid.explanation import explain

        asks = list(ask or (QUESTIONS if Explainer.make(text).asked else ["logit"]))
        return explain(model, self.inputs, text, ask=asks, target=self.labels if target is None else target)

    def answers(self, model: "nn.Module") -> list[str]:
        """What it says they are, and how surely."""
        with torch.no_grad():
            p, said = model(self.inputs).softmax(1).max(1)
        return [f"{self.data.class_names[c]}, {q:.0%}" for c, q in zip(said.tolist(), p.tolist(), strict=True)]


@dataclass
class Compared:
    """Maps of several networks by one explainer, each map divided by its mass, so that one scale holds for all."""

    explainer: str
    maps: dict[str, Tensor]  # [n, h, w], by network
    signed: bool

    @classmethod
    def of(cls, models: "Mapping[str, nn.Module]", shown: Shown, explainer: str) -> "Compared":
        made = {name: shown.explained(model, explainer, ["logit"]) for name, model in models.items()}
        maps = {name: _shares(e.maps.reshape(len(shown.rows), *e.maps.shape[-2:])) for name, e in made.items()}
        signed = any(e.signed for e in made.values())
        return cls(explainer, maps, signed)


def _shares(maps: Tensor) -> Tensor:
    """Thousandths of a map's mass; a map of zeros stays one."""
    return 1000 * maps / maps.abs().sum((1, 2), keepdim=True).clamp_min(1e-12)


def kept(out: Path, compared: Sequence[Compared], shown: Shown, models: "Mapping[str, nn.Module]") -> dict[str, Any]:
    """Scenes and maps for the page; what demo.json says of them."""
    answers = {name: shown.answers(model) for name, model in models.items()}
    entries = [{"explainer": c.explainer, "ask": name, "signed": c.signed} for c in compared for name in c.maps]
    maps = torch.stack([some for c in compared for some in c.maps.values()], 1)
    why = ["the first of its class with a thing of a good size"]
    samples = [
        Sample(row, int(label), int(label), -1, math.nan, why, _bytes(picture), some.cpu().numpy(), mask.cpu().numpy())
        for row, label, picture, some, mask in zip(
            shown.rows, shown.labels, shown.pictures, maps, shown.masks.bool(), strict=True
        )
    ]
    key = key_of([json.dumps(entries), json.dumps(answers)], dict.fromkeys(shown.rows, why), fingerprint_of(maps))
    write_pictures(out, key, Pictures(entries, samples))
    told = [
        {"number": row, "title": f"scene {row}: {name}", "captions": [answers[str(e["ask"])][i] for e in entries]}
        for i, (row, name) in enumerate(zip(shown.rows, shown.names, strict=True))
    ]
    return {"pictures": key, "shown": told}


def fingerprint_of(maps: Tensor) -> str:
    """Sixteen digits of what is drawn: another training has other maps."""
    return hashlib.sha256(maps.contiguous().cpu().numpy().tobytes()).hexdigest()[:16]


def _bytes(picture: Tensor) -> Any:
    return (picture * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def side_by_side(compared: Sequence[Compared], shown: Shown) -> "Image":
    """All of it as one sheet."""
    columns = [Column(c.explainer, name, maps, c.signed) for c in compared for name, maps in c.maps.items()]
    note = "A map is divided by its mass: the scale counts thousandths of it, and is one for all networks."
    return contact_sheet(
        columns, shown.pictures, shown.names, alpha=ALPHA, saturate=SATURATE, outlines=list(shown.masks), note=note
    )


def sheet(model: "nn.Module", shown: Shown) -> "Image":
    """Scenes × explainers × {logit, contrast}."""
    p, classes = model(shown.inputs).detach().softmax(1).topk(2)
    name = shown.data.class_names
    titles = [
        f"{name[c[0]]}\n{q[0]:.0%}\n\nnext: {name[c[1]]}\n{q[1]:.0%}"
        for c, q in zip(classes.tolist(), p.tolist(), strict=True)
    ]
    columns: list[Any] = []
    for text in (*SHOWN, CONTROL):
        made = columns_of(shown.explained(model, text, target=classes[:, 0]))
        columns += made if len(made) > 1 else [replace(made[0], ask="(a control)")]
    return contact_sheet(columns, shown.pictures, titles, alpha=ALPHA, saturate=0.01, outlines=list(shown.masks))


def contrasts(model: "nn.Module", shown: Shown) -> "Image":
    """The classes it wavers between."""
    p = model(shown.inputs).detach().softmax(1)
    e = shown.explained(model, "grad-cam:relu=false", CONTRASTS, p.topk(3).indices)
    return contrast_sheet(
        e, shown.pictures, shown.data.class_names, p, list(shown.masks), sample=None, saturate=SATURATE
    )


def strongest(model: "nn.Module", shown: Shown) -> "Image":
    """Of the strongest pixels, how many lie in the thing."""
    masks, shares = shown.masks, [i / 50 for i in range(1, 26)]
    made = [shown.explained(model, text, ["logit"]) for text in (*SHOWN[:2], *SHOWN[3:], CONTROL)]
    drawn: list[CurveRow] = []
    for i, (picture, title) in enumerate(zip(shown.pictures, shown.names, strict=True)):
        lines = {e.explainer: (shares, hits(e.maps[i : i + 1], masks[i : i + 1], shares)[0]) for e in made}
        area = float(masks[i].float().mean())
        chance = {f"chance, {area:.0%}": (shares, [area] * len(shares))}
        columns = [columns_of(e[i])[0] for e in made]
        drawn.append(CurveRow(picture, columns, {"in the thing": lines | chance}, title, masks[i]))
    return curves(drawn, ("share of the picture, strongest first", "of it in the thing"), saturate=SATURATE)

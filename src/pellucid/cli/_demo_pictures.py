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
WAVERING = 3  # classes
INSIDE = "strongest pixels in the thing"
SHARES = [i / 50 for i in range(1, 26)]
WHY = ["the first of its class with a thing of a good size"]


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


@dataclass
class Kept:
    """A grid of the page: scenes, maps, and the words under each map."""

    name: str
    shown: Shown
    entries: list[dict[str, Any]]  # explainer, ask, signed
    maps: Tensor  # [scenes, entries, h, w]
    captions: list[list[str]]  # by scene, one an entry; none where there is nothing to say
    lines: list[list[str]]  # by scene, below its name
    curves: list[dict[str, list[Any]]]  # by scene

    @property
    def key(self) -> str:
        """Another training has other maps, and so another name."""
        said = [json.dumps(self.entries), json.dumps(self.captions)]
        return key_of(said, dict.fromkeys(self.shown.rows, WHY), fingerprint_of(self.maps))

    @property
    def pictures(self) -> Pictures:
        made = [
            Sample(
                row, label, label, -1, math.nan, WHY, _bytes(picture), maps.cpu().numpy(), mask.cpu().numpy(), curves
            )
            for row, label, picture, maps, mask, curves in zip(
                self.shown.rows, self.shown.labels.tolist(), self.shown.pictures, self.maps, self.shown.masks.bool(),
                self.curves, strict=True,
            )
        ]  # fmt: skip
        return Pictures(self.entries, made)

    @property
    def record(self) -> dict[str, Any]:
        """What demo.json says of it."""
        told = [
            {"number": row, "title": f"scene {row}: {name}", "captions": captions, "lines": lines}
            for row, name, captions, lines in zip(
                self.shown.rows, self.shown.names, self.captions, self.lines, strict=True
            )
        ]
        return {"name": self.name, "pictures": self.key, "shown": told}


def keep(out: Path, grids: Sequence[Kept]) -> list[dict[str, Any]]:
    """Their files; what demo.json says of them."""
    for grid in grids:
        write_pictures(out, grid.key, grid.pictures, [other.key for other in grids])
    return [grid.record for grid in grids]


def of_networks(compared: Sequence[Compared], shown: Shown, models: "Mapping[str, nn.Module]") -> Kept:
    """The same scenes under every network, and what each says they are."""
    answers = {name: shown.answers(model) for name, model in models.items()}
    entries = [{"explainer": c.explainer, "ask": name, "signed": c.signed} for c in compared for name in c.maps]
    maps = torch.stack([some for c in compared for some in c.maps.values()], 1)
    captions = [[answers[str(e["ask"])][i] for e in entries] for i in range(len(shown.rows))]
    return Kept("networks", shown, entries, maps, captions, [[] for _ in shown.rows], [{} for _ in shown.rows])


def of_explainers(model: "nn.Module", shown: Shown, asked: "Sequence[Explanation]") -> Kept:
    """Several explainers of one network, and of the strongest pixels of each map how many lie in the thing."""
    entries: list[dict[str, Any]] = []
    maps: list[Tensor] = []
    curves: list[dict[str, list[Any]]] = [{INSIDE: []} for _ in shown.rows]
    for e in asked:
        for column in columns_of(e):
            control = e.explainer == CONTROL
            entries.append(
                {"explainer": column.explainer, "ask": "none" if control else column.ask, "signed": column.signed}
            )
            maps.append(torch.stack(list(column.maps)).float())
            inside = hits(maps[-1].cpu(), shown.masks, SHARES) if column.ask == QUESTIONS[0] or control else None
            for i, lines in enumerate(curves):
                lines[INSIDE].append(None if inside is None else (SHARES, [float(v) for v in inside[i]]))
    lines = [[f"it says {answer}"] for answer in shown.answers(model)]
    return Kept("explainers", shown, entries, torch.stack(maps, 1), [[] for _ in shown.rows], lines, curves)


def of_contrasts(model: "nn.Module", shown: Shown) -> Kept:
    """The classes between which a network wavers, and four ways to ask about each."""
    e, p = wavering(model, shown)
    asked = p.topk(WAVERING).indices.tolist()
    entries = [
        {"explainer": str(e.explainer), "ask": ask, "signed": bool(e.signed)}
        for _ in range(WAVERING) for ask in CONTRASTS
    ]  # fmt: skip
    names = shown.data.class_names
    captions = [[f"{names[c]}, {p[i, c]:.0%}" for c in row for _ in CONTRASTS] for i, row in enumerate(asked)]
    maps = e.maps.reshape(len(shown.rows), len(entries), *e.maps.shape[-2:]).float()
    return Kept("contrasts", shown, entries, maps, captions, [[] for _ in shown.rows], [{} for _ in shown.rows])


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


def asked_of(model: "nn.Module", shown: Shown) -> "list[Explanation]":
    """By every explainer, about what the network says."""
    said = model(shown.inputs).detach().argmax(1)
    return [shown.explained(model, text, target=said) for text in (*SHOWN, CONTROL)]


def sheet(model: "nn.Module", shown: Shown, asked: "Sequence[Explanation]") -> "Image":
    """Scenes × explainers × {logit, contrast}."""
    p, classes = model(shown.inputs).detach().softmax(1).topk(2)
    name = shown.data.class_names
    titles = [
        f"{name[c[0]]}\n{q[0]:.0%}\n\nnext: {name[c[1]]}\n{q[1]:.0%}"
        for c, q in zip(classes.tolist(), p.tolist(), strict=True)
    ]
    columns: list[Any] = []
    for e in asked:
        made = columns_of(e)
        columns += made if len(made) > 1 else [replace(made[0], ask="(a control)")]
    return contact_sheet(columns, shown.pictures, titles, alpha=ALPHA, saturate=0.01, outlines=list(shown.masks))


def wavering(model: "nn.Module", shown: Shown) -> "tuple[Explanation, Tensor]":
    """The classes it wavers between, asked in four ways; and how probable it takes every class."""
    p = model(shown.inputs).detach().softmax(1)
    return shown.explained(model, "grad-cam:relu=false", CONTRASTS, p.topk(WAVERING).indices), p


def contrasts(model: "nn.Module", shown: Shown) -> "Image":
    """The same as one sheet."""
    e, p = wavering(model, shown)
    return contrast_sheet(
        e, shown.pictures, shown.data.class_names, p, list(shown.masks), sample=None, saturate=SATURATE
    )


def strongest(model: "nn.Module", shown: Shown) -> "Image":
    """Of the strongest pixels, how many lie in the thing."""
    masks, shares = shown.masks, SHARES
    made = [shown.explained(model, text, ["logit"]) for text in (*SHOWN[:2], *SHOWN[3:], CONTROL)]
    drawn: list[CurveRow] = []
    for i, (picture, title) in enumerate(zip(shown.pictures, shown.names, strict=True)):
        lines = {e.explainer: (shares, hits(e.maps[i : i + 1], masks[i : i + 1], shares)[0]) for e in made}
        area = float(masks[i].float().mean())
        chance = {f"chance, {area:.0%}": (shares, [area] * len(shares))}
        columns = [columns_of(e[i])[0] for e in made]
        drawn.append(CurveRow(picture, columns, {"in the thing": lines | chance}, title, masks[i]))
    return curves(drawn, ("share of the picture, strongest first", "of it in the thing"), saturate=SATURATE)

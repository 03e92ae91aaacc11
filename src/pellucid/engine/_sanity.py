"""Sanity sheet: what the maps become while the model forgets; a row an image, a column a layer.

sanity_sheet(model, x, "grad-cam", layers=6).save("sanity.png")
"""

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pellucid.engine._measure import fitting_maps
from pellucid.explainers import Explainer
from pellucid.explanation import Ask, Explanation, Target, _moved, _Placed, _question, explain
from pellucid.maths.maps import unit_size
from pellucid.metrics import Case, Metric
from pellucid.metrics._randomised import Sanity, likeness, sanity_maps
from pellucid.networks._load import Model, as_model
from pellucid.show.sheet import Column, contact_sheet
from pellucid.subject import Subject, as_batch, undisturbed
from pellucid.subject.state import unwrapped

if TYPE_CHECKING:
    from PIL.Image import Image

NOTE = (
    "{way} Under each map: Spearman's correlation with the intact model's, signs left out. The class stays that of the "
    "intact model. Every map is divided by its largest absolute value."
)
WAYS = {
    "cascading": "The model forgets from the answer down, to the layer named above the maps.",
    "independent": "The model forgets the layer named above the maps, and no other.",
}


def sanity_sheet(
    model: Model,
    x: Any,
    explainer: str | Explainer = "grad-cam",
    target: Target = None,
    mode: str = "cascading",
    layers: int | None = 8,
    seed: int = 0,
    *,
    ask: Ask | None = None,
    rows: Sequence[str] = (),
    tile: int | None = None,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
    input: str | int | None = None,
    output: Any = None,
) -> "Image":
    """The intact map of every image, and the map after each layer, at most so many of them, on one colour scale.

    mode: cascading or independent. rows: a title an image; tile: the width of a picture in pixels. The others are as
    in pl.explain, with one class an image.
    """
    model = as_model(model)
    metric = Metric.make(f"sanity-{mode}").but(layers=layers, seed=seed)
    assert isinstance(metric, Sanity)
    e = explain(model, x, explainer, ask, target, batch_size, seed, device=device, input=input, output=output)
    subject = Subject(unwrapped(model), output=output, batch_size=batch_size, seed=seed)
    with _Placed(subject.model, device), undisturbed(subject.model, seed):
        subject.batch = _moved(as_batch(x, input), subject.model)
        names, maps = sanity_maps(_case(subject, e, Explainer.make(explainer), ask), metric.mode, layers, seed)
    maps = maps.cpu()
    columns = [_column(e, name, maps[0], now) for name, now in zip(names, maps, strict=True)]
    pictures = [e.picture(i) for i in range(len(e))]
    return contact_sheet(columns, pictures, rows, tile, note=NOTE.format(way=WAYS[metric.mode]))


def _column(e: Explanation, name: str, intact: Tensor, now: Tensor) -> Column:
    alike = likeness(intact, now, "spearman").tolist()
    captions = tuple("undefined" if isnan(s) else f"{s:.2f}".replace("-", "−") for s in alike)
    return Column(e.explainer, name, unit_size(now), bool(e.signed), captions)


def _case(subject: Subject, e: Explanation, explainer: Explainer, ask: Ask | None) -> Case:
    """The case of what was explained, with the layer that was looked at."""
    batch = subject.batch
    assert batch is not None
    assert e.target is not None
    maps = fitting_maps(e.maps, batch.images)
    picked = explainer.picked(subject, batch.images)
    return Case(subject, batch, e.target.to(maps.device), maps, picked, _question(ask or explainer.asks))

"""Measure: one metric of some maps.

scores = pl.measure(model, x, e, "insertion")       float32 [n], NaN where the metric is undefined
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import BadInput, listed
from pellucid.explainers import Explainer
from pellucid.explanation import Explanation, Target, _check, _moved, _Placed, _targets, explain
from pellucid.maths.masks import IGNORED
from pellucid.metrics import Case, Metric
from pellucid.networks._load import Model, as_model, card_of
from pellucid.questions import Question
from pellucid.subject import Subject, as_batch, size_of, undisturbed
from pellucid.subject.state import unwrapped

Boxes = Sequence[Any]


def measure(
    model: Model,
    x: Any,
    e: Any,
    metric: str | Metric,
    masks: Any = None,
    boxes: Boxes | None = None,
    labels: Target = None,
    *,
    target: Target = None,
    mean: Sequence[float] | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    input: str | int | None = None,
    output: Any = None,
    channels: int | None = None,
) -> Tensor:
    """How good are these maps, sample by sample? float32 [n]; NaN where the metric is undefined.

    e: what pl.explain returned, or maps [n, h, w] made elsewhere, or an explainer to ask first; None for metrics of
    the model alone. masks: bool, or uint8 with 1 the object, 0 the rest, 255 what counts neither way. boxes: n tensors
    [k, 4] of x0, y0, x1, y1 in pixels of the input. labels: the true classes. target: the class that maps made
    elsewhere are about, none for the predicted one. mean: the data's mean colour in the images as they are given,
    where they are not normalised. batch_size: the most rows in any one forward. channels: the axis of x that maps do
    not have, where it is not the second; known from what pl.explain returned.
    """
    model = as_model(model)
    if batch_size is not None and batch_size < 1:
        raise BadInput(f"batch_size is {batch_size}; give at least 1, or None.")
    made = Metric.make(metric)
    if isinstance(e, str | Explainer):
        options: dict[str, Any] = {"batch_size": batch_size, "seed": seed, "device": device, "input": input}
        given: Explanation | None = explain(model, x, e, target=target, output=output, channels=channels, **options)
    else:
        given = e if e is None or isinstance(e, Explanation) else Explanation(maps=torch.as_tensor(e))
    if channels is None and given is not None and given.images is not None and given.channels > 1:
        channels = given.channels
    batch, model = as_batch(x, input, channels), unwrapped(model)
    n = len(batch.images)
    if n == 0:
        raise BadInput("x is an empty batch; give at least one image.")
    subject = Subject(model, output=output, batch_size=batch_size, seed=seed)
    with _Placed(model, device), undisturbed(model, seed):
        batch = _moved(batch, model)
        _check(batch.images, model)
        subject.batch = batch
        found = {"masks": masks, "boxes": boxes, "labels": labels}
        lacks = [name for name in made.needs if found[name] is None]
        if lacks:
            raise BadInput(f"{made.name} needs {listed(lacks)}; give {lacks[0]}=, one a sample.")
        images = batch.images
        case = Case(
            subject,
            batch,
            torch.full((n,), -1, device=images.device),
            labels=_classes(labels, n, images, "labels"),
            masks=fitting_masks(masks, images),
            boxes=fitting_boxes(boxes, images),
            colour=colour_of(images, mean, model),
        )
        if made.scores != "model" or given is not None:
            case = _with_maps(case, made, given, target)
        else:
            case.target = _asked(case, made, target)
        return made.score(case).detach().float().to(images.device)


def _with_maps(case: Case, metric: Metric, e: Explanation | None, target: Target) -> Case:
    """The case with the maps and who made them."""
    if e is None:
        raise BadInput(f"{metric.name} scores maps; give e=, what pl.explain returned, or maps [n, h, w].")
    maps = fitting_maps(e.maps, case.images)
    if metric.scores == "explainer" and e.explainer == "given":
        raise BadInput(
            f"{metric.name} runs the explainer again, and who made these maps is not known; give what pl.explain "
            f"returned, not the maps alone."
        )
    explainer, question = e._by or (_known_by_name(e) if metric.scores == "explainer" else (None, None))
    made = case.of(maps, explainer, question)
    of_e = None if e.target is None or bool((e.target < 0).all()) else e.target
    made.target = _asked(made, metric, of_e if target is None else target)
    return made


def _known_by_name(e: Explanation) -> tuple[Explainer, Question]:
    """Who made maps that were read from a file."""
    asks = [e.ask] if isinstance(e.ask, str) else e.ask
    return Explainer.make(e.explainer), Question.make(asks[0])


def _asked(case: Case, metric: Metric, target: Target) -> Tensor:
    """The classes explained: as said, or the predicted ones where the metric asks about a class."""
    given = _classes(target, case.n, case.images, "target")
    if given is not None:
        return given
    return case.predicted if metric.classes else case.target


def _classes(wanted: Target, n: int, images: Tensor, what: str) -> Tensor | None:
    try:
        [classes] = _targets(wanted, n)
    except ValueError:
        raise BadInput(f"{what} do not fit {n} images; give one class for all, or [{n}] whole numbers.") from None
    return None if classes is None else classes.to(images.device)


def fitting_maps(maps: Tensor, images: Tensor) -> Tensor:
    """Maps [n, h, w] of the images' size (of signals [n, 1, l]), finite."""
    wanted = (len(images), *images.shape[2:])
    if tuple(maps.shape) != wanted:
        several = maps.ndim > len(wanted) and maps.shape[0] == wanted[0]
        hint = "choose one class and question, e.maps[:, 0]" if several else "resize them to the images"
        raise BadInput(f"the maps are {tuple(maps.shape)} for images of {tuple(images.shape)}; {hint}.")
    if not bool(maps.isfinite().all()):
        row = int((~maps.flatten(1).isfinite().all(1)).nonzero()[0])
        raise BadInput(f"map {row} holds NaN or infinite values; leave that sample out.")
    return maps.detach().to(images.device).float().view(wanted[0], *size_of(images))


def fitting_masks(masks: Any, images: Tensor) -> Tensor | None:
    """uint8 [n, h, w] of 0, 1 and 255."""
    if masks is None:
        return None
    wanted = (len(images), *size_of(images))
    masks = torch.as_tensor(masks)
    if tuple(masks.shape) != wanted:
        raise BadInput(f"the masks are {tuple(masks.shape)}; give a tensor {list(wanted)}, of the images' size.")
    if masks.dtype not in (torch.bool, torch.uint8) or bool(((masks > 1) & (masks != IGNORED)).any()):
        raise BadInput(
            f"the masks are {masks.dtype} with values up to {float(masks.max()):g}; give bool, or uint8 with 1 for the "
            f"object, 0 for the rest and 255 for what counts neither way."
        )
    return masks.byte().to(images.device)


def fitting_boxes(boxes: Boxes | None, images: Tensor) -> list[Tensor] | None:
    """n tensors [k, 4]."""
    if boxes is None:
        return None
    if len(boxes) != len(images):
        raise BadInput(f"there are boxes of {len(boxes)} samples and {len(images)} images; give a list, one a sample.")
    made = [torch.as_tensor(one, dtype=torch.float32).to(images.device) for one in boxes]
    for i, one in enumerate(made):
        flat = one.ndim == 2 and one.shape[1] == 4
        if not (flat or not one.numel()) or not bool(one.isfinite().all()) or bool((one[:, 2:] <= one[:, :2]).any()):
            raise BadInput(f"the boxes of sample {i} are {one.tolist()}; give [k, 4]: x0, y0, x1, y1 with x0 < x1.")
    return [one.view(-1, 4) for one in made]


def colour_of(images: Tensor, mean: Sequence[float] | None, model: nn.Module) -> Tensor | None:
    """The data's mean colour in the images: as said; zero where the images are normalised by it."""
    c = images.shape[1]
    if mean is not None:
        if len(mean) not in (1, c):
            raise BadInput(f"mean has {len(mean)} numbers, and the images have {c} channels; give one a channel.")
        return torch.tensor(mean).to(images).expand(c)
    normalised = card_of(model) is not None or bool((images < 0).any())
    return torch.zeros(c).to(images) if normalised else None

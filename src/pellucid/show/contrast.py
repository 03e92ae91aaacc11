"""Contrast sheet: the classes between which a model wavers, and four ways to ask about each.

    original    y_t                              mean    y_t − mean of the others
    weighted    y_t − logsumexp of the others    max     y_t − the strongest other

A row for each class, a column for each question, all on one printed scale, so that what a contrast takes away can be
read off. After Wang & Wang, "Why Not Other Classes?" (NeurIPS 2022).
"""

from collections.abc import Sequence
from typing import Any

from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.show.layout import Column, Look, Row, Sheet
from pellucid.show.outline import Outlines, fitting
from pellucid.show.sheet import asks_of, grid_of

CONTRASTS = ("logit", "contrast:against=mean", "contrast:against=max", "contrast")  # to be asked for this sheet
HEADINGS: dict[str, str] = dict(zip(CONTRASTS, ("original", "mean", "max", "weighted"), strict=True))


def contrast_sheet(
    explanation: Any,
    pictures: Sequence[Tensor | None] | None = None,
    names: Sequence[str] = (),
    probabilities: Tensor | None = None,
    outlines: Outlines = None,
    sample: int | Sequence[int] | None = 0,
    tile: int | None = None,
    alpha: float = 0.5,
    saturate: float = 0.0,
    note: str = "",
) -> Picture:
    """The sheet of one image, of several under one another, or of all with None. pictures and outlines: one an image
    of the explanation; names: of all the model's classes; probabilities: of all classes too, [n, classes]."""
    e, maps = explanation, grid_of(explanation)
    n, k = maps.shape[:2]
    chosen = range(n) if sample is None else [sample] if isinstance(sample, int) else list(sample)
    if not chosen or not all(-n <= i < n for i in chosen):
        raise BadInput(f"the sheet is asked for samples {list(chosen)} of {n}; give numbers from 0 to {n - 1}.")
    pictures = [e.picture(i) for i in range(n)] if pictures is None else pictures
    if len(pictures) != n:
        raise BadInput(f"there are {len(pictures)} pictures for {n} images; give one an image.")
    masks = fitting(outlines, maps[:, 0, 0], pictures)
    titles = _titles(e.target, (n, k), names, probabilities)
    rows = [Row(pictures[i], titles[i][j], masks[i], again=j > 0) for i in chosen for j in range(k)]
    columns = [
        Column(e.explainer, HEADINGS.get(ask, ask), maps[list(chosen), :, q].flatten(0, 1), e.signed)
        for q, ask in enumerate(asks_of(e))
    ]
    return Sheet(columns, rows, Look(tile, alpha, saturate), note).draw()


def _titles(
    target: Tensor | None, shape: tuple[int, int], names: Sequence[str], probabilities: Tensor | None
) -> list[list[str]]:
    """Of every row, [n][k]: nothing where the question is about no class."""
    if target is None:
        return [[""] * shape[1]] * shape[0]
    classes = target.reshape(shape)
    if probabilities is not None:
        _check(probabilities, shape[0], len(names), int(classes.max()) + 1)
    answers = [None] * shape[0] if probabilities is None else list(probabilities)
    return [[_title(t, names, p) for t in ts] for ts, p in zip(classes.tolist(), answers, strict=True)]


def _check(probabilities: Tensor, n: int, classes: int, least: int) -> None:
    found = tuple(probabilities.shape)
    if found != (n, classes or max(least, found[-1])):
        wanted = classes or f"{least} or more"
        raise BadInput(f"probabilities are {list(found)}; give those of all classes, [{n}, {wanted}].")


def _title(target: int, names: Sequence[str], p: Tensor | None) -> str:
    if target < 0:
        return ""
    name = names[target] if target < len(names) else f"class {target}"
    return name if p is None else f"{name}\n{_percent(float(p[target]))}"


def _percent(p: float) -> str:
    """
    >>> _percent(0.544), _percent(0.0312), _percent(0.00004)
    ('54%', '3.1%', '<0.1%')
    """
    return f"{p:.0%}" if p >= 0.0995 else f"{p:.1%}" if p >= 0.0005 else "<0.1%"

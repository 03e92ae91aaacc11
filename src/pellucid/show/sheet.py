"""Contact sheet: a row for each image, a column for each explainer and question."""

from collections.abc import Sequence
from typing import Any

from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.show.layout import Column, Look, Row, Sheet
from pellucid.show.outline import Outlines, fitting


def asks_of(explanation: Any) -> tuple[str, ...]:
    """The questions that were asked, always as several."""
    return (explanation.ask,) if isinstance(explanation.ask, str) else tuple(explanation.ask)


def grid_of(explanation: Any) -> Tensor:
    """The maps with all their axes, [n, k, q, h, w]; a signal is one pixel high."""
    e = explanation
    flat = e.images is not None and e.images.ndim == 3
    shape = (1, e.maps.shape[-1]) if flat else tuple(e.maps.shape[-2:])
    return e.maps.detach().float().cpu().reshape(len(e), -1, len(asks_of(e)), *shape)


def columns_of(explanation: Any, captions: Sequence[Sequence[str]] | None = None) -> list[Column]:
    """An Explanation's columns: its questions, and for each its classes. captions: those of each column."""
    e, maps = explanation, grid_of(explanation)
    made = [
        Column(e.explainer, ask, maps[:, k, q], e.signed)
        for q, ask in enumerate(asks_of(e))
        for k in range(len(maps[0]))
    ]
    if captions is None:
        return made
    return [Column(c.explainer, c.ask, c.maps, c.signed, tuple(t)) for c, t in zip(made, captions, strict=True)]


def contact_sheet(
    columns: Sequence[Any],
    pictures: Sequence[Tensor | None] | None = None,
    rows: Sequence[str] = (),
    tile: int | None = None,
    alpha: float = 0.5,
    saturate: float = 0.0,
    note: str = "",
    outlines: Outlines = None,
) -> Picture:
    """The sheet. columns: Columns, or Explanations of the same images; pictures: RGB in [0, 1], [3, h, w], taken from
    the first Explanation where left out; rows: a title an image; tile: the width of a picture in pixels; saturate: the
    share of the strongest values that may lie beyond the ends of the scale; note: a line under it all; outlines: a
    boolean mask [h, w] an image, whose edge is drawn on its picture and maps."""
    given = [c for c in columns if not isinstance(c, Column)]
    columns = [c for column in columns for c in ([column] if isinstance(column, Column) else columns_of(column))]
    if not columns:
        raise BadInput("the sheet has no columns; give at least one explanation.")
    n = len(columns[0].maps)
    if pictures is None:
        pictures = [given[0].picture(i) for i in range(n)] if given else [None] * n
    for what, found in [("maps", len(c.maps)) for c in columns] + [("pictures", len(pictures))]:
        if found != n:
            raise BadInput(f"a column has {n} maps, and there are {found} {what} beside it; give one an image.")
    if rows and len(rows) != n:
        raise BadInput(f"there are {len(rows)} row titles for {n} images; give one an image.")
    masks = fitting(outlines, columns[0].maps, pictures)
    made = [Row(picture, title, mask) for picture, title, mask in zip(pictures, rows or [""] * n, masks, strict=True)]
    return Sheet(columns, made, Look(tile, alpha, saturate), note).draw()

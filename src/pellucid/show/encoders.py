"""Encoders side by side: the same images as several encoders see them, and one encoder's units beside one another.

encoder_sheet     a row an image, a column an encoder: label-free maps, each encoder on its own printed scale,
                  because twice the code has four times the map
unit_sheet        a row an image, a column a unit, all on one scale, under each map the unit's value
"""

from collections.abc import Mapping, Sequence
from typing import Any

from PIL.Image import Image as Picture
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.maths.maps import resize
from pellucid.show.colour import number
from pellucid.show.layout import Column
from pellucid.show.sheet import asks_of, contact_sheet, grid_of

ALPHA = 0.85  # how much of a map is seen: digits and sprites are black, on which half a map would be grey


def encoder_sheet(
    explanations: Mapping[str, Any],
    pictures: Sequence[Tensor | None] | None = None,
    rows: Sequence[str] = (),
    saturate: float = 0.0,
    note: str = "",
    tile: int | None = None,
) -> Picture:
    """explanations: name of the encoder -> what pl.explain returned for the same images, with one question each."""
    made: list[Column] = []
    for name, e in explanations.items():
        maps = grid_of(e)
        if maps.shape[1:3] != (1, 1):
            raise BadInput(f"the explanation of {name} answers {maps[0, :, :, 0, 0].numel()} questions; choose one.")
        made.append(Column(name, "", maps[:, 0, 0], bool(e.signed)))
    if pictures is None and made:
        first = next(iter(explanations.values()))
        pictures = [first.picture(i) for i in range(len(first))]
        size = made[0].maps[0].shape[-2:]  # one picture for all, whatever size each encoder takes
        made = [Column(c.explainer, c.ask, _sized(c.maps, size), c.signed) for c in made]
    return contact_sheet(made, pictures, rows, tile, ALPHA, saturate, note)


def unit_sheet(
    explanation: Any,
    units: Sequence[int],
    pictures: Sequence[Tensor | None] | None = None,
    rows: Sequence[str] = (),
    saturate: float = 0.0,
    note: str = "",
    tile: int | None = None,
) -> Picture:
    """explanation: of one question a unit, in this order."""
    e, maps = explanation, grid_of(explanation)
    if maps.shape[1] != 1 or len(asks_of(e)) != len(units):
        raise BadInput(f"the explanation answers {len(asks_of(e))} questions about {len(units)} units; ask one a unit.")
    values = e.value.view(len(e), -1) if e.value is not None else None
    columns: list[Column] = []
    for j, unit in enumerate(units):
        said = () if values is None else tuple(f"{signed(float(v))}" for v in values[:, j])
        columns.append(Column(e.explainer, f"unit {unit}", maps[:, 0, j], bool(e.signed), said))
    if pictures is None:
        pictures = [e.picture(i) for i in range(len(e))]
    return contact_sheet(columns, pictures, rows, tile, ALPHA, saturate, note)


def _sized(maps: Any, size: Any) -> Any:
    return resize(maps, (int(size[0]), int(size[1])))


def signed(value: float) -> str:
    """Three digits, with a minus as long as a plus."""
    return f"−{number(-value)}" if value < 0 else number(value)

"""A record: one picture, what is known about it, and where its pixels came from.

    record.through(v2.RandomResizedCrop(224))       picture, boxes, masks, points and geometry, moved as one

The picture goes through torchvision's v2 transforms beside its boxes, its masks (as coverage, interpolated just as the
picture is, and cut at a half) and its corners, which tell afterwards where every pixel went. What is left of no box and
no mask has no object any more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from torch import Tensor

from pellucid.data._geometry import Geometry, carried, landed, unharmed
from pellucid.errors import BadInput, kind
from pellucid.maths.masks import IGNORED

Fill = dict[str, Callable[[], Any]]
UNSAID: Any = None  # by whoever made the record; filled in with what stands behind it


@dataclass(frozen=True, eq=False)
class Record:
    """Boxes and masks are two lists of objects; where both show the same one, they have the same id."""

    image: Shaped[Tensor, "..."]  # uint8 [c, h, w]; of a series float32 [t, c]
    label: int  # -1: none
    masks: Bool[Tensor, "m _ _"] = UNSAID  # none
    boxes: Float[Tensor, "k 4"] = UNSAID  # x0, y0, x1, y1 in pixels; x1 and y1 are just outside: none
    classes: Int[Tensor, " k"] = UNSAID  # of the boxes: the label
    facts: Mapping[str, Any] = field(default_factory=dict)  # the factors of a sprite, the file of a photograph
    mask_classes: Int[Tensor, " m"] = UNSAID  # those of the boxes
    ids: Int[Tensor, " k"] = UNSAID  # 0, 1, 2 …
    mask_ids: Int[Tensor, " m"] = UNSAID
    difficult: Bool[Tensor, " k"] = UNSAID  # boxes that their annotator found hard to see: none
    ignore: Bool[Tensor, "_ _"] = UNSAID  # pixels that count neither way: none
    points: Float[Tensor, "p 2"] = UNSAID  # x, y; NaN where a point is not seen: none
    geometry: Geometry = UNSAID  # the picture is as it was found

    def __post_init__(self) -> None:
        size = tuple(self.image.shape[-2:]) if self.image.ndim == 3 else (0, 0)
        self._fill({"masks": lambda: torch.zeros(0, *size, dtype=torch.bool), "boxes": lambda: torch.zeros(0, 4)})
        k, m = len(self.boxes), len(self.masks)
        self._fill({"classes": lambda: torch.full((k,), self.label)})
        if self.mask_classes is UNSAID and m != k:
            raise BadInput(f"a record has {k} boxes and {m} masks; say the classes of the masks with mask_classes=.")
        fill: Fill = {
            "mask_classes": lambda: self.classes,
            "ids": lambda: torch.arange(k),
            "mask_ids": lambda: torch.arange(m),
            "difficult": lambda: torch.zeros(k, dtype=torch.bool),
            "ignore": lambda: torch.zeros(1, 1, dtype=torch.bool).expand(size),  # one byte for all pixels
            "points": lambda: torch.zeros(0, 2),
            "geometry": lambda: Geometry.of(size),
        }
        self._fill(fill)

    def _fill(self, fill: Fill) -> None:
        for name, value in fill.items():
            if getattr(self, name) is UNSAID:
                object.__setattr__(self, name, value())

    def __repr__(self) -> str:
        things = f"{len(self.boxes)} boxes, {len(self.masks)} masks"
        return f"Record({list(self.image.shape)} {self.image.dtype}, label {self.label}, {things}, {dict(self.facts)})"

    @property
    def mask(self) -> Bool[Tensor, "h w"]:
        """All objects of the labelled class."""
        return self.mask_for(self.label)

    def mask_for(self, number: int) -> Bool[Tensor, "h w"]:
        """All objects of a class."""
        return self.masks[self.mask_classes == number].any(0)

    def truth(self, number: int | None = None) -> UInt8[Tensor, "h w"]:
        """1 where the class is (the labelled one), 0 elsewhere, 255 where nobody can say."""
        mask = self.mask_for(self.label if number is None else number)
        return mask.byte().masked_fill(self.ignore & ~mask, IGNORED)

    def boxes_for(self, number: int | None = None) -> Float[Tensor, "k 4"]:
        """The boxes of a class (the labelled one), one an object."""
        return self.boxes[self.classes == (self.label if number is None else number)]

    @property
    def present(self) -> tuple[int, ...]:
        """The classes of all objects, and the label, in ascending order."""
        numbers = {*self.classes.tolist(), *self.mask_classes.tolist(), self.label}
        return tuple(sorted(numbers - {-1}))

    def through(self, transform: Any) -> "Record":
        """The record after a torchvision v2 transform."""
        from torchvision.transforms import v2

        step = _v2(transform)
        if type(step) is v2.Identity and unharmed(self):
            return self
        return landed(self, step(carried(self)))

    def bare(self, transform: Any) -> "Record":
        """The picture alone after the transform, by the same chance; nothing is known about it but its label."""
        from torchvision import tv_tensors

        image = _v2(transform)(tv_tensors.Image(self.image)).as_subclass(Tensor)
        return Record(image, self.label, facts=self.facts)

    def with_image(self, image: Shaped[Tensor, "..."]) -> "Record":
        """The same with other pixels."""
        return replace(self, image=image)


def _v2(transform: Any) -> Any:
    from torchvision.transforms import v2

    if isinstance(transform, v2.Transform):
        return transform
    raise BadInput(f"records go through torchvision's v2 transforms, not {kind(transform)}; write it as one.")


def stacked(masks: Sequence[Bool[Tensor, "h w"]], size: tuple[int, ...]) -> Bool[Tensor, "m h w"]:
    """Masks of one size, or none of them."""
    return torch.stack(list(masks)) if masks else torch.zeros(0, *size, dtype=torch.bool)


def boxes_of(masks: Bool[Tensor, "k h w"]) -> Float[Tensor, "k 4"]:
    """x0, y0, x1, y1 around the pixels of every mask, x1 and y1 just outside; zeros around none.

    >>> boxes_of(torch.tensor([[[False, False, False], [False, True, True]]])).tolist()
    [[1.0, 1.0, 3.0, 2.0]]
    """
    boxes = torch.zeros(len(masks), 4)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        if len(rows):
            box[:] = torch.tensor([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return boxes

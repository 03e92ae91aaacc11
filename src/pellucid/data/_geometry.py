"""Where every pixel went: the homography of a transform, read off the corners that went through it.

A transform that bends the picture has none (points inside are not where the corners say): the matrix is NaN then.

    (u, v, s) = H (x, y, 1),   a point (x, y) of the picture as it was found is at (u/s, v/s) now

>>> half = Geometry((4, 8), (2, 4), torch.diag(torch.tensor([0.5, 0.5, 1.0], dtype=torch.float64)))
>>> half.points(torch.tensor([[8.0, 4.0]])).tolist(), half.boxes(torch.tensor([[2.0, 0.0, 4.0, 9.0]])).tolist()
([[4.0, 2.0]], [[1.0, 0.0, 2.0, 2.0]])
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import BadInput

if TYPE_CHECKING:
    from pellucid.data._record import Record

# the functions of v2 that interpolate: coverage goes through them as the picture does
INTERPOLATING = ("resize", "resized_crop", "affine", "rotate", "perspective", "elastic")


@dataclass(frozen=True, eq=False)
class Geometry:
    """From the picture as it was found, of the size `source`, to what it is now."""

    source: tuple[int, int]  # h, w
    size: tuple[int, int]
    matrix: Float[Tensor, "3 3"]

    @classmethod
    def of(cls, size: tuple[int, ...]) -> "Geometry":
        """The geometry of a picture that nothing was done to."""
        return cls((size[0], size[1]), (size[0], size[1]), torch.eye(3, dtype=torch.float64))

    def points(self, xy: Float[Tensor, "p 2"]) -> Float[Tensor, "p 2"]:
        """Where points of the found picture are now, inside or outside."""
        return _applied(self.matrix, xy)

    def boxes(self, xyxy: Float[Tensor, "k 4"]) -> Float[Tensor, "k 4"]:
        """Boxes around what is left of boxes of the found picture; zeros where nothing is."""
        corners = self.points(xyxy[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2)).view(-1, 4, 2)
        if not self.upright:
            corners = [cut_off(polygon, self.size) for polygon in corners.tolist()]
            around = [[*map(min, *polygon), *map(max, *polygon)] if polygon else [0.0] * 4 for polygon in corners]
            return torch.tensor(around).view(-1, 4).to(xyxy)
        moved = clipped(torch.cat([corners.amin(1), corners.amax(1)], 1), self.size)
        return moved * _left(moved)[:, None]

    @property
    def upright(self) -> bool:
        """Whether boxes stay boxes: nothing was turned or tilted."""
        off = self.matrix[[0, 1, 2, 2], [1, 0, 0, 1]].abs()
        return bool(off.max() < 1e-6)

    def back(self, maps: Float[Tensor, "*b h w"], fill: float = 0.0) -> Float[Tensor, "*b H W"]:
        """Maps of the present picture, laid over the found one; `fill` where nothing of it is left."""
        height, width = self.source
        ys, xs = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        at = _applied(self.matrix, torch.stack([xs.flatten(), ys.flatten()], 1).double())
        span = torch.tensor([self.size[1], self.size[0]], dtype=torch.float64)
        grid = (2 * at / span - 1).view(1, height, width, 2).to(maps)
        flat = maps.reshape(1, -1, *maps.shape[-2:])
        found = torch.nn.functional.grid_sample(flat, grid, padding_mode="border", align_corners=False)
        seen = (grid.abs() <= 1).all(-1)[0]
        return found.masked_fill(~seen, fill).view(*maps.shape[:-2], height, width)

    def then(self, matrix: Float[Tensor, "3 3"], size: tuple[int, int]) -> "Geometry":
        """This, and after it another."""
        return Geometry(self.source, size, matrix @ self.matrix)


def clipped(boxes: Float[Tensor, "k 4"], size: tuple[int, ...]) -> Float[Tensor, "k 4"]:
    """Boxes cut off at the border of a picture."""
    height, width = size[-2:]
    return boxes.clamp(min=torch.zeros(4).to(boxes), max=torch.tensor([width, height] * 2).to(boxes))


def cut_off(polygon: list[list[float]], size: tuple[int, int]) -> list[list[float]]:
    """What of a polygon is in a picture (Sutherland and Hodgman, 1974).

    >>> cut_off([[-2.0, 0.0], [2.0, 0.0], [2.0, 4.0]], (9, 9))
    [[0.0, 2.0], [0.0, 0.0], [2.0, 0.0], [2.0, 4.0]]
    """
    height, width = size
    for axis, sign, limit in ((0, 1, 0.0), (0, -1, -float(width)), (1, 1, 0.0), (1, -1, -float(height))):
        kept: list[list[float]] = []
        for start, end in zip([*polygon[-1:], *polygon[:-1]], polygon, strict=True):
            a, b = sign * start[axis] - limit, sign * end[axis] - limit
            if (a < 0) != (b < 0):
                kept.append([s + (e - s) * a / (a - b) for s, e in zip(start, end, strict=True)])
            if b >= 0:
                kept.append(end)
        polygon = kept
    return polygon


def _left(boxes: Float[Tensor, "k 4"]) -> Tensor:
    return (boxes[:, 2:] > boxes[:, :2]).all(1)


def _applied(matrix: Tensor, xy: Tensor) -> Tensor:
    xyz = torch.cat([xy, torch.ones_like(xy[:, :1])], 1).to(matrix) @ matrix.T
    return (xyz[:, :2] / xyz[:, 2:]).to(xy)


def homography(before: Float[Tensor, "4 2"], after: Float[Tensor, "4 2"]) -> Float[Tensor, "3 3"]:
    """The matrix that takes four points to four points.

    >>> square = torch.tensor([[0.0, 0.0], [1, 0], [0, 1], [1, 1]])
    >>> homography(square, 2 * square + 1).round(decimals=6).tolist()
    [[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [0.0, 0.0, 1.0]]
    """
    right, down = after[1] - after[0], after[2] - after[0]
    across, along = before[1] - before[0], before[2] - before[0]
    if across[1] == along[0] == 0 and bool((after[3] - after[0] - right - down).abs().max() < 1e-6):
        # a rectangle that became a parallelogram: nothing is to be solved
        linear = torch.stack([right / across[0], down / along[1]], 1).double()
        shift = (after[0] - linear @ before[0].double())[:, None]
        return torch.cat([torch.cat([linear, shift], 1), torch.tensor([[0.0, 0.0, 1.0]]).double()])
    rows: list[list[Any]] = []
    for (x, y), (u, v) in zip(before.tolist(), after.tolist(), strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solved = torch.linalg.lstsq(torch.tensor(rows, dtype=torch.float64), after.double().reshape(8, 1), driver="gelsd")
    matrix = torch.cat([solved.solution[:, 0], torch.ones(1, dtype=torch.float64)]).view(3, 3)
    return matrix.where(matrix.abs() > 1e-9, 0.0)


def corners(height: int, width: int) -> Float[Tensor, "4 2"]:
    """Of a picture: x, y."""
    return torch.tensor([[0, 0], [width, 0], [0, height], [width, height]], dtype=torch.float64)


def within(height: int, width: int) -> Float[Tensor, "9 2"]:
    """Nine points inside of a picture, by which a bent one is known."""
    shares = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    return torch.cartesian_prod(shares * width, shares * height)


# --- beside the picture through torchvision ------------------------------------------------------------------------


@cache
def _coverage() -> Any:
    """A mask whose values are shares: 255 where a thing is, 0 where it is not, interpolated as the picture is."""
    from torchvision import tv_tensors
    from torchvision.transforms.v2 import functional

    class Coverage(tv_tensors.Mask):
        pass

    def kernel(apply: Any) -> Any:
        def moved(cover: Any, *args: Any, **options: Any) -> Any:
            options |= {"fill": 0} if "fill" in options else {}
            return apply(cover.as_subclass(Tensor), *args, **options).as_subclass(Coverage)

        return moved

    def padded(cover: Any, padding: Any, fill: Any = None, padding_mode: str = "constant", **_: Any) -> Any:
        wider = functional.pad_image(cover.as_subclass(Tensor), padding, fill=0, padding_mode=padding_mode)
        return wider.as_subclass(Coverage)

    for name in INTERPOLATING:
        apply = getattr(functional, name)
        functional.register_kernel(apply, Coverage)(kernel(getattr(functional, f"{name}_image")))
    functional.register_kernel(functional.pad, Coverage)(padded)
    return Coverage


def carried(record: "Record") -> dict[str, Any]:
    """What goes through a transform: points are boxes without a size, so that a flip of them is exact."""
    from torchvision import tv_tensors

    height, width = _size(record.image)
    points = torch.cat([corners(height, width), within(height, width), record.points.double()])
    rows = torch.cat([record.boxes.double(), points.repeat(1, 2)])
    boxes: Any = tv_tensors.BoundingBoxes
    ignore = record.ignore[None] if bool(record.ignore.any()) else record.masks[:0]  # what is not there costs nothing
    covers = torch.cat([record.masks, ignore])
    found = {
        "image": tv_tensors.Image(record.image),
        "boxes": boxes(rows, format="XYXY", canvas_size=(height, width), clamping_mode=None),
    }
    return found | ({"covers": _coverage()(covers.byte() * 255)} if len(covers) else {})


def landed(record: "Record", moved: Mapping[str, Any]) -> "Record":
    """The record made of what came out."""
    image = moved["image"].as_subclass(Tensor)
    rows = moved["boxes"].as_subclass(Tensor)
    covers = moved["covers"].as_subclass(Tensor) if "covers" in moved else torch.zeros(0, *_size(image)).byte()
    k, m, size, found = len(record.boxes), len(record.masks), _size(image), _size(record.image)
    outer, inner = corners(*found), within(*found)
    if len(rows) != k + len(outer) + len(inner) + len(record.points):
        raise BadInput(
            "the transform leaves out boxes, so it cannot be told where the picture went; take SanitizeBoundingBoxes "
            "and the like out of it."
        )
    at_corners, inside, points = rows[k:, :2].split([len(outer), len(inner), len(record.points)])
    step = Geometry(found, size, homography(outer, at_corners))
    bent = bool((step.points(inner) - inside).abs().max() > 0.5)
    # torchvision puts a box around a box around …; of what is turned twice, ours is the smaller one
    boxes = (clipped(rows[:k], size) if bent else step.boxes(record.boxes.double())).float()
    matrix = torch.full((3, 3), float("nan"), dtype=torch.float64) if bent else step.matrix
    pixels = covers >= 128
    masks, ignore = pixels[:m], pixels[m] if len(pixels) > m else torch.zeros(size, dtype=torch.bool)
    seen, visible = _left(boxes), masks.flatten(1).any(1)
    return replace(
        record,
        image=image,
        boxes=boxes[seen],
        classes=record.classes[seen],
        ids=record.ids[seen],
        difficult=record.difficult[seen],
        masks=masks[visible],
        mask_classes=record.mask_classes[visible],
        mask_ids=record.mask_ids[visible],
        ignore=ignore,
        points=points.float(),
        geometry=record.geometry.then(matrix, size),
    )


def unharmed(record: "Record") -> bool:
    """Whether a record lands as it is where nothing moves: boxes inside the picture, and pixels in every mask."""
    inside = clipped(record.boxes, _size(record.image)).equal(record.boxes)
    return inside and bool(_left(record.boxes).all()) and bool(record.masks.flatten(1).any(1).all())


def _size(image: Tensor) -> tuple[int, int]:
    if image.ndim != 3:
        raise BadInput(f"pictures [c, h, w] have a geometry, not {list(image.shape)}; leave out the transform.")
    return image.shape[-2], image.shape[-1]

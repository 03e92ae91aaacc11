"""Objects in the XML of PASCAL VOC, which ImageNet and the Oxford pets have too.

<annotation> <size> <width> <height> … <object> <name> <difficult> <bndbox> <xmin> <ymin> <xmax> <ymax> …
"""

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.data._reading import parsed
from pellucid.errors import BadFile


@dataclass(frozen=True)
class Annotation:
    """What a file says, as it says it."""

    names: list[str]
    boxes: Float[Tensor, "k 4"]
    difficult: list[bool]
    size: tuple[int, int] | None  # h, w of the picture that was annotated

    def fitted(self, size: tuple[int, int]) -> Float[Tensor, "k 4"]:
        """The boxes in a picture of this size, where another was annotated."""
        if self.size is None or 0 in self.size or self.size == size:
            return self.boxes
        down, across = size[0] / self.size[0], size[1] / self.size[1]
        return self.boxes * torch.tensor([across, down, across, down])


def read(path: Path, first: int = 0) -> Annotation:
    """The objects of a file; of VOC the first pixel is 1, and xmax the last pixel of the box: `first=1`."""
    root: ElementTree.Element = parsed(path, lambda p: ElementTree.parse(p).getroot(), "XML")
    names, boxes, difficult = [], [], []
    for thing in root.iter("object"):
        box = thing.find("bndbox")
        if box is None:
            raise BadFile(f"{path} has an object without a bndbox; put it right.")
        names.append((thing.findtext("name") or "").strip())
        x0, y0, x1, y1 = (_number(path, box, side) for side in ("xmin", "ymin", "xmax", "ymax"))
        boxes.append([x0 - first, y0 - first, x1, y1])
        difficult.append((thing.findtext("difficult") or "0").strip() == "1")
    size = root.find("size")
    height_width = None if size is None else (int(_number(path, size, "height")), int(_number(path, size, "width")))
    return Annotation(names, torch.tensor(boxes).view(-1, 4), difficult, height_width)


def _number(path: Path, element: ElementTree.Element, name: str) -> float:
    text = element.findtext(name)
    if text is None:
        raise BadFile(f"{path} has no {name} where a number is expected; put it right.")
    try:
        if math.isfinite(value := float(text)):
            return value
        raise ValueError
    except ValueError:
        raise BadFile(f"{path} has {text!r} for {name}, where a number is expected; put it right.") from None

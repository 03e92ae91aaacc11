"""Errata of LICO's reproduction: boxes beside their objects.

    published   boxes are scaled by 224/W and 224/H, though the picture's short side was resized and its middle cut out
    sound       boxes move as the picture does

Of square pictures there is no difference. Here scenes are cut to three by two, and their middle square is what the
network sees: a box keeps its height, is two thirds as wide, and has not moved.

>>> print(next(ErrMosuBoxes().claims()))
mosu: as published ≈ sound
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pellucid.studies._cells import Lab, Train, Work
from pellucid.studies._claims import Claim
from pellucid.studies._errata import PUBLISHED, SOUND, OfNetworks, survives
from pellucid.studies._worlds import SMALL, TINY

if TYPE_CHECKING:
    from torch import Tensor


def squeezed(boxes: "Tensor", size: tuple[int, int]) -> "Tensor":
    """Boxes of a picture of this height and width, scaled to a square of its short side, side by side.

    >>> import torch
    >>> squeezed(torch.tensor([[12.0, 4.0, 36.0, 20.0]]), (32, 48)).tolist()
    [[8.0, 4.0, 24.0, 20.0]]
    """
    across, down = (min(size) / one for one in size[::-1])
    return boxes * boxes.new_tensor([across, down, across, down])


@dataclass(frozen=True)
class Uniformity(Work):
    """MOSU of Grad-CAM, of the middles of pictures that are wider than high."""

    model: Train
    data: str
    misaligned: bool = False

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        import torch
        from torchvision.transforms import v2

        from pellucid.data import Dataset
        from pellucid.data.transforms import Transform
        from pellucid.explanation import explain
        from pellucid.metrics.mosu import mosu

        model, data = lab.model(self.model), Dataset.make(self.data)
        side = data[0].image.shape[-1] * 2 // 3
        wide = [record.through(v2.CenterCrop([side, side * 3 // 2])) for record in data]
        seen = [record.through(v2.CenterCrop(side)) for record in wide]
        x = torch.stack([Transform.make(data.preset).input(record.image, data) for record in seen])
        maps = explain(model, x, "grad-cam", target=data.labels(), seed=self.model.seed).maps
        for sample, (map, before, after) in enumerate(zip(maps, wide, seen, strict=True)):
            size = (int(before.image.shape[-2]), int(before.image.shape[-1]))
            boxes = squeezed(before.boxes_for(), size) if self.misaligned else after.boxes_for()
            yield {"quantity": "mosu", "sample": sample, "value": float(mosu(map, boxes))}


class ErrMosuBoxes(OfNetworks, name="err-mosu-boxes"):
    """What MOSU owes to boxes beside their objects"""

    of, where = "relico", "code; tables 4, 5"
    title = "What MOSU owes to boxes beside their objects"
    defect = "Boxes are scaled as if the picture had been squeezed, and it was cropped."
    claim = "LICO's maps are shared out less evenly among objects than those of cross-entropy."
    differs = ("misaligned",)
    worlds = {
        "tiny": TINY.but(maps="scenes:classes=6,size=48,objects=3,length=128,seed=1"),
        "small": SMALL.but(maps="scenes:classes=10,size=72,objects=3,length=400,seed=1"),
    }

    def arm(self, side: str, seed: int, network: str = "") -> Uniformity:
        return Uniformity(self.trained(network, seed), self.world.maps, side == PUBLISHED)

    def claims(self) -> Iterator[Claim]:
        yield Claim("mosu", PUBLISHED, SOUND, 0.01, same=True)
        yield from survives("mosu", "lico", "ce", 0.005)

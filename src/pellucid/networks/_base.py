"""What a network of ours is: knobs, and `build`."""

from typing import Annotated, ClassVar

from torch import nn

from pellucid.knobs import Between
from pellucid.registry import Named

Count = Annotated[int, Between(1)]


class Network(Named, family="networks"):
    """An architecture; `pl.load_model("pellucid:tiny-cnn:classes=3")` builds one."""

    mean: ClassVar[tuple[float, ...]] = (0.5, 0.5, 0.5)
    std: ClassVar[tuple[float, ...]] = (0.25, 0.25, 0.25)
    size: ClassVar[int] = 32
    crop: ClassVar[float | None] = None  # the share of the resized side that is kept; none resizes to the size exactly

    def build(self) -> nn.Module:
        """The module, with random weights."""
        raise NotImplementedError

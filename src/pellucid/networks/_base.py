"""What a network of ours is: knobs, and `build`."""

from typing import Annotated, Any, ClassVar

from torch import Tensor, nn

from pellucid.knobs import Between
from pellucid.registry import Named

Count = Annotated[int, Between(1)]


class Network(Named, family="networks"):
    """An architecture; `pl.load_model("pellucid:tiny-cnn:classes=3")` builds one."""

    mean: ClassVar[tuple[float, ...]] = (0.5, 0.5, 0.5)
    std: ClassVar[tuple[float, ...]] = (0.25, 0.25, 0.25)
    size: ClassVar[int] = 32
    kind: ClassVar[str] = "images"  # or series [t, c]
    crop: ClassVar[float | None] = None  # the share of the resized side that is kept; none resizes to the size exactly

    def build(self) -> nn.Module:
        """The module, with random weights."""
        raise NotImplementedError


class Learner(nn.Module):
    """A module that learns without labels: called with images it gives their representation, which is what is
    explained; what an objective asks for besides is a method, and is called by its name.

    model(x)                     what it makes of x
    model(x, "reconstruct")      the same as model.reconstruct(x), but through all that wraps a forward
    """

    def forward(self, x: Tensor, method: str = "represent", *more: Any) -> Any:
        return getattr(self, method)(x, *more)

    def represent(self, x: Tensor) -> Tensor:
        """[n, d]"""
        raise NotImplementedError

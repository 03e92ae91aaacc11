"""Data sets with what is known about their pictures: labels, boxes, masks, and the names of the classes.

`pl.data.Scenes(classes=6)` and the text `scenes:classes=6` are the same thing; `pl.data.batches(data)` makes inputs.
"""

from typing import TYPE_CHECKING, Any

from pellucid.data._base import Dataset as Dataset
from pellucid.data._geometry import Geometry as Geometry
from pellucid.data._record import Record as Record
from pellucid.registry import lazy

if TYPE_CHECKING:
    from pellucid.data._batches import Batch as Batch
    from pellucid.data._batches import Batches as Batches
    from pellucid.data._batches import batches as batches

_find, __dir__ = lazy(__name__)


def __getattr__(name: str) -> Any:
    if name in ("Batch", "Batches", "batches"):  # with torchvision, imported when used
        from pellucid.data import _batches

        return getattr(_batches, name)
    return _find(name)

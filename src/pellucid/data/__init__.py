"""Data sets with what is known about their pictures: labels, and a mask and a box for every object.

`pl.data.Scenes(classes=6)` and the text `scenes:classes=6` are the same thing.
"""

from pellucid.data._base import Dataset as Dataset
from pellucid.data._base import Record as Record
from pellucid.registry import lazy

__getattr__, __dir__ = lazy(__name__)

"""What reads the names of classes and the texts of questions: frozen text encoders, one a file.

`pl.text.Clip(model="openai/clip-vit-base-patch32")` and the text `clip` are the same thing; `load` gives the tower.
"""

from pellucid.registry import lazy
from pellucid.text._auto import auto as auto
from pellucid.text._base import Encoder as Encoder
from pellucid.text._base import Tower as Tower
from pellucid.text._own import own_tower as own_tower

__getattr__, __dir__ = lazy(__name__)

"""How the papers trained: one recipe a file. `pl.fit(model, data, recipe="lico-cifar:epochs=30")`."""

from pellucid.registry import lazy
from pellucid.training.recipes._base import Recipe as Recipe

__getattr__, __dir__ = lazy(__name__)

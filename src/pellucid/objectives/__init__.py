"""What a model is trained towards: one objective a file; `+` adds them.

    objective = pl.objectives.LICO(alpha=10).bind(model, class_names)
    loss, terms = objective((images, labels))

`pl.objectives.CGC(weight=0.5)` and the text `cgc:weight=0.5` are the same thing, and so are `LICO() + CGC()` and
`lico+cgc`.
"""

from pellucid.objectives._base import Objective as Objective
from pellucid.objectives._bound import Bound as Bound
from pellucid.registry import lazy

__getattr__, __dir__ = lazy(__name__)

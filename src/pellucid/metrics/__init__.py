"""How good an explanation is: one metric a file, its ways of being computed by name.

`pl.metrics.Insertion(protocol="rise")` and the text `insertion:protocol=rise` are the same thing.
"""

from pellucid.metrics._base import Metric as Metric
from pellucid.metrics._case import Case as Case
from pellucid.registry import lazy

__getattr__, __dir__ = lazy(__name__)

"""Which training examples answer for what a model does: one way of asking a file.

`pl.influences.DKNN(k=10)` and the text `dknn:k=10` are the same thing. `pl.influence(model, train, test, "dknn")` asks.
"""

from pellucid.influences._base import Influence as Influence
from pellucid.influences._case import Case as Case
from pellucid.influences._loss import Loss as Loss
from pellucid.influences._samples import Held as Held
from pellucid.influences._samples import Samples as Samples
from pellucid.registry import lazy

__getattr__, __dir__ = lazy(__name__)

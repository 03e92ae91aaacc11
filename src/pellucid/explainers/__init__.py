"""How the answer is spread over the input: one explainer a file.

`pl.explainers.GradCAM(layer="layer3")` and the text `grad-cam:layer=layer3` are the same thing.
"""

from pellucid.explainers._base import Explainer as Explainer
from pellucid.explainers._base import LayerExplainer as LayerExplainer
from pellucid.registry import lazy

__getattr__, __dir__ = lazy(__name__)

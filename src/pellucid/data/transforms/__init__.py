"""What is done to pictures before a model sees them, by name: `imagenet`, `cifar`, `squash` …

`pl.data.transforms.ImageNet(size=64)` and the text `imagenet:size=64` are the same thing.
"""

from pellucid.data.transforms._base import Transform as Transform
from pellucid.registry import lazy

__getattr__, __dir__ = lazy(__name__)

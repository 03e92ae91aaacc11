"""ImageNet-1k (Russakovsky et al., 2015), the challenge of 2012: 1,000 classes, 50,000 pictures for validation.

    train/n01440764/*.JPEG   val/n01440764/*.JPEG        or Kaggle's tree, whose val is flat, with LOC_val_solution.csv
    Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml  the boxes of all validation pictures, and of some for training

Labels are the order of the sorted WordNet ids, as all published networks have it.

>>> data = ImageNet()
>>> data.wnids[0], data.class_names[0], data.class_names[134], data.class_names[517], len(set(data.class_names))
('n01440764', 'tench', 'crane bird', 'construction crane', 1000)
"""

from collections.abc import Sequence
from typing import Literal

from pellucid.data._imagenet import Ilsvrc
from pellucid.data._names import imagenet


class ImageNet(Ilsvrc, name="imagenet", paper="arXiv:1409.0575"):
    """A thousand classes of photographs, with boxes around the labelled things."""

    split: Literal["train", "val"] = "val"

    @property
    def wnids(self) -> Sequence[str]:
        return tuple(imagenet())

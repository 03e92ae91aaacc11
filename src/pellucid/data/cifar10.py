"""CIFAR-10 (Krizhevsky, 2009): 60,000 pictures of 32 × 32 pixels, ten classes, 50,000 of them for training.

>>> CIFAR10().class_names[:3]
('airplane', 'automobile', 'bird')
"""

from pellucid.data._cifar import Batches

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class CIFAR10(Batches, name="cifar10"):
    """Ten classes of small pictures: the labels of the LICO paper's limited-label runs are subsets of it."""

    inside = ("cifar-10-batches-py",)
    marks = ("batches.meta",)
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    reader = "CIFAR10"

    @property
    def class_names(self) -> tuple[str, ...]:
        return NAMES

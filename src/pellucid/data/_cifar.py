"""The CIFAR sets: Python batches of 32 × 32 pictures, opened only when their sums are right, since they are pickles.

cifar-10-batches-py/data_batch_1   {b"data": uint8 [10000, 3072], b"labels": [10000], …}   red, green, blue planes
"""

from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from pellucid.data._reading import wrong_sums
from pellucid.data._stored import Arrays
from pellucid.errors import BadFile

CITE = """
@techreport{krizhevsky2009learning,
  title       = {Learning Multiple Layers of Features from Tiny Images},
  author      = {Krizhevsky, Alex},
  institution = {University of Toronto},
  year        = {2009},
}"""


class Batches(Arrays):
    """Abstract: one of the two."""

    home = "https://www.cs.toronto.edu/~kriz/cifar.html"
    licence = "none stated"
    terms = "The authors ask that the technical report be cited; the pictures were collected from the web."
    cite = CITE
    preset = "cifar"

    split: Literal["train", "test"] = "train"

    reader: ClassVar[str]

    def fetch(self, root: Path) -> None:
        self._torchvision()(root, download=True)

    def load(self) -> tuple[Tensor, Tensor]:
        wrong = self.lasting_faults()
        if wrong:
            raise BadFile(wrong[0])
        theirs: Any = self._torchvision()
        here = type(theirs.__name__, (theirs,), {"base_folder": self.folder.name})  # whatever it is called
        found = here(self.folder.parent, train=self.split == "train")
        return torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(found.targets)

    def lasting_faults(self) -> list[str]:
        """Of the files of both splits."""
        theirs = self._torchvision()
        sums = [(name, md5) for name, md5 in (*theirs.train_list, *theirs.test_list)]
        return list(wrong_sums(self.folder, [*sums, (theirs.meta["filename"], theirs.meta["md5"])]))

    def _torchvision(self) -> Any:
        from torchvision import datasets

        return getattr(datasets, self.reader)

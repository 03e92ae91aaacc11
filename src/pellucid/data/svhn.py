"""Street View House Numbers (Netzer et al., 2011), cropped: 32 × 32 pictures of a digit and of its neighbours.

    train_32x32.mat   X uint8 [32, 32, 3, n], y [n, 1] with 1 … 10, where 10 is the digit 0

Label 0 is the digit zero. A flip is wrong for digits: the preset does none.

>>> SVHN().class_names[0], SVHN().class_names[9]
('zero', 'nine')
"""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pellucid.data._names import DIGITS
from pellucid.data._reading import wrong_sums
from pellucid.data._stored import Arrays
from pellucid.errors import BadFile


class SVHN(Arrays, name="svhn"):
    """House numbers: 73,257 digits for training, 26,032 for testing, 531,131 easier ones in `extra`."""

    home = "http://ufldl.stanford.edu/housenumbers"
    licence = "none stated"
    terms = "For non-commercial use only."
    cite = """
@inproceedings{netzer2011reading,
  title     = {Reading Digits in Natural Images with Unsupervised Feature Learning},
  author    = {Netzer, Yuval and Wang, Tao and Coates, Adam and Bissacco, Alessandro and Wu, Bo and Ng, Andrew Y.},
  booktitle = {NIPS Workshop on Deep Learning and Unsupervised Feature Learning},
  year      = {2011},
}"""
    mean, std = (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)
    preset = "cifar:flip=false"

    split: Literal["train", "test", "extra"] = "train"

    @property
    def class_names(self) -> tuple[str, ...]:
        return DIGITS

    def _found(self, root: Path) -> Path | None:
        return root if (root / self._file[0]).is_file() else None

    def _missing(self, root: Path) -> BadFile:
        return BadFile(f"{root} holds no {self._file[0]}; check root=, or let download=true fetch it.")

    @property
    def _file(self) -> tuple[str, str]:
        from torchvision import datasets

        _, name, md5 = datasets.SVHN.split_list[self.split]
        return str(name), str(md5)

    def fetch(self, root: Path) -> None:
        self._torchvision(root, True)

    def load(self) -> tuple[Tensor, Tensor]:
        wrong = self.lasting_faults()
        if wrong:
            raise BadFile(wrong[0])
        found = self._torchvision(self.folder, False)
        return torch.from_numpy(found.data).contiguous(), torch.from_numpy(found.labels)

    def lasting_faults(self) -> list[str]:
        return list(wrong_sums(self.folder, [self._file]))

    def _torchvision(self, root: Path, download: bool) -> Any:
        from torchvision import datasets

        return datasets.SVHN(root, self.split, download=download)

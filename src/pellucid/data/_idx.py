"""The idx files of the MNIST family, packed or not.

0 0 TYPE DIMENSIONS, each dimension as four bytes, most significant first; then the values.

>>> read(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])).tolist()
[7, 9]
"""

import gzip
import struct
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor

from pellucid.data._reading import parsed
from pellucid.data._stored import Arrays
from pellucid.errors import BadFile

UNSIGNED_BYTES = 8


def read(content: bytes) -> Tensor:
    """The array of a file."""
    if len(content) < 4 or content[:3] != bytes([0, 0, UNSIGNED_BYTES]):
        raise ValueError(f"it begins with {content[:4].hex(' ')}, not with 00 00 08")
    count = content[3]
    shape = struct.unpack(f">{count}I", content[4 : 4 + 4 * count])
    values = content[4 + 4 * count :]
    if len(values) != torch.Size(shape).numel():
        raise ValueError(f"it holds {len(values):,} values, not {torch.Size(shape).numel():,}")
    return torch.frombuffer(bytearray(values), dtype=torch.uint8).view(shape)


def _of_file(path: Path) -> Tensor:
    content = path.read_bytes()
    return read(gzip.decompress(content) if path.suffix == ".gz" else content)


class Idx(Arrays):
    """Abstract: 28 × 28 grey pictures of ten classes."""

    preset = "plain"
    mean: ClassVar[tuple[float, ...]]

    split: Literal["train", "test"] = "train"

    reader: ClassVar[str]

    def _found(self, root: Path) -> Path | None:
        places = (root, root / "raw", root / self.reader / "raw", root / self.reader)
        return next((place for place in places if _file(place, self._start, "labels", 1)), None)

    def _missing(self, root: Path) -> BadFile:
        return BadFile(
            f"{root} holds no {self._start}-labels-idx1-ubyte, packed or not (nor does {self.reader}/raw there); check "
            f"root=, or let download=true fetch it."
        )

    @property
    def _start(self) -> str:
        return "train" if self.split == "train" else "t10k"

    def fetch(self, root: Path) -> None:
        from torchvision import datasets

        getattr(datasets, self.reader)(root, download=True)

    def load(self) -> tuple[Tensor, Tensor]:
        images, labels = (self._read(what, count) for what, count in (("images", 3), ("labels", 1)))
        return images[:, None], labels.long()

    def _read(self, what: str, count: int) -> Tensor:
        path = _file(self.folder, self._start, what, count)
        if path is None:
            raise BadFile(f"{self.folder / self._start}-{what}-idx{count}-ubyte is not there; fetch it again.")
        values: Tensor = parsed(path, _of_file, "an idx file")
        if values.ndim != count:
            raise BadFile(f"{path} has {values.ndim} dimensions, not {count}, so it is another file; fetch it again.")
        return values


def _file(folder: Path, start: str, what: str, count: int) -> Path | None:
    names = [f"{start}-{what}{dot}idx{count}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)

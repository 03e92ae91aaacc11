"""dSprites (Matthey et al., 2017), the published file: 737,280 pictures of 64 × 64 pixels, all of six factors.

    dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz   imgs uint8 {0, 1} [n, 64, 64], latents_values, latents_classes

The pictures are 3 GB as bytes. They are read from the archive once, a piece at a time, and kept as bits (377 MB) in a
file beside it, or in `cache=`; from there a record is a few microseconds. Numbers and factors are those of `sprites`,
which needs no file.

>>> DSprites().class_names
('square', 'ellipse', 'heart')
"""

import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from pellucid.data._base import Record, Rows
from pellucid.data._pictures import opened
from pellucid.data._reading import AGAIN, reason
from pellucid.data._record import boxes_of
from pellucid.data._stored import Stored
from pellucid.data.sprites import CITE, FORMS
from pellucid.errors import BadFile
from pellucid.files import writing

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
URL = f"https://github.com/google-deepmind/dsprites-dataset/raw/master/{FILE}"
PIECE = 4096  # pictures unpacked at a time
UNPACKING = (KeyError, ValueError, OSError, EOFError, BadZipFile, zlib.error)


class DSprites(Stored, name="dsprites"):
    """White sprites whose six factors are known: the published pictures."""

    home = "https://github.com/google-deepmind/dsprites-dataset"
    licence = "Apache-2.0, as its notebook says"
    terms = "Free to use with the licence's notice."
    cite = CITE
    mean, std = (0.0,), (1.0,)
    preset = "plain"
    marks = (FILE,)

    cache: str | None = None  # the folder of the bits; None: beside the archive

    def fetch(self, root: Path) -> None:
        from torchvision.datasets.utils import download_url

        download_url(URL, str(root), FILE)

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(FORMS)

    @cached_property
    def _factors(self) -> tuple[Tensor, Tensor]:
        """Classes and values of the six factors; the pickled metadata is not opened."""
        found, archive = [], opened(self.folder / FILE)
        for name in ("latents_classes", "latents_values"):
            try:
                with archive.open(f"{name}.npy") as file:
                    found.append(torch.from_numpy(np.lib.format.read_array(file, allow_pickle=False)))
            except UNPACKING as cause:
                raise BadFile(f"{self.folder / FILE} has no readable {name} ({reason(cause)}); {AGAIN}.") from None
        return found[0].long(), found[1].double()

    @cached_property
    def _bits(self) -> Any:
        """[n, h · w / 8], in the file."""
        shape, member = _shape(self.folder / FILE)
        if shape[0] != len(self):
            raise BadFile(f"{self.folder / FILE} holds {shape[0]:,} pictures and {len(self):,} latents; {AGAIN}.")
        place = Path(self.cache).expanduser() if self.cache else self.folder
        path = place / f"{FILE.removesuffix('.npz')}.bits"
        row = shape[1] * shape[2] // 8
        if not path.is_file() or path.stat().st_size != shape[0] * row:
            with writing(path) as file:
                for piece in _pieces(self.folder / FILE, member, shape):
                    file.write(np.packbits(piece.reshape(len(piece), -1) != 0, axis=1).tobytes())
        return np.memmap(path, dtype=np.uint8, mode="r", shape=(shape[0], row)), shape[1:]

    def prepare(self, progress: bool = False) -> None:
        self._bits  # noqa: B018

    def __len__(self) -> int:
        return len(self._factors[0])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_bits"}  # opened again elsewhere

    def label(self, i: int) -> int:
        return int(self._factors[0][i, 1])

    def record(self, i: int) -> Record:
        mask, label = self.masks([i]), self.label(i)
        facts = {"classes": self._factors[0][i], "values": self._factors[1][i]}
        return Record(mask.byte() * 255, label, mask, boxes_of(mask), torch.tensor([label]), facts)

    def images(self, rows: Rows = slice(None)) -> UInt8[Tensor, "n c h w"]:
        return self.masks(rows)[:, None].byte() * 255

    def labels(self, rows: Rows = slice(None)) -> Int[Tensor, " n"]:
        return self._factors[0][self._numbers(rows), 1]

    def masks(self, rows: Rows = slice(None)) -> Bool[Tensor, "n h w"]:
        bits, size = self._bits
        some = np.unpackbits(bits[self._numbers(rows).numpy()], axis=1)
        return torch.from_numpy(some).view(-1, *size).bool()

    def _numbers(self, rows: Rows) -> Int[Tensor, " n"]:
        return torch.as_tensor([self._at(i) for i in self._rows(rows)])


def _shape(path: Path) -> tuple[tuple[int, ...], str]:
    """The shape of the pictures, read off the head of their member."""
    archive = opened(path)
    try:
        with archive.open("imgs.npy") as file:
            version = np.lib.format.read_magic(file)
            shape, fortran, dtype = _head(file, version)
    except UNPACKING as cause:
        raise BadFile(f"{path} has no readable imgs ({reason(cause)}); {AGAIN}.") from None
    if len(shape) != 3 or fortran or dtype != np.uint8 or shape[1] * shape[2] % 8:
        raise BadFile(f"{path} holds imgs of {dtype} {shape}, not uint8 [n, 64, 64]; fetch it again.")
    return shape, "imgs.npy"


def _head(file: Any, version: tuple[int, int]) -> Any:
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return reader(file)


def _pieces(path: Path, member: str, shape: tuple[int, ...]) -> Iterator[Any]:
    """The pictures, some at a time, unpacked as they are read."""
    from pellucid.show.progress import track

    size = shape[1] * shape[2]
    archive: ZipFile = opened(path)
    with archive.open(member) as file:
        _head(file, np.lib.format.read_magic(file))
        for start in track(range(0, shape[0], PIECE), "unpacking dSprites", shape[0] > 10 * PIECE):
            count = min(PIECE, shape[0] - start)
            try:
                content = file.read(count * size)
            except Exception as cause:  # zlib's own, and zipfile's about sums
                raise BadFile(
                    f"{path} is damaged after {start:,} pictures ({reason(cause)}); fetch it again."
                ) from None
            if len(content) != count * size:
                raise BadFile(
                    f"{path} ends after {start + len(content) // size:,} of {shape[0]:,} pictures; fetch it again."
                )
            yield np.frombuffer(content, np.uint8).reshape(count, *shape[1:])

"""Data sets that are read from a folder: where it is, what must be in it, and what to say when it is not."""

import http.client
import os
import shutil
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from pellucid.data._base import Dataset, Record, Rows, digest
from pellucid.data._geometry import clipped
from pellucid.data._pictures import pixels
from pellucid.data._reading import is_there, read_lines, reason
from pellucid.errors import BadFile, BadInput, PellucidError, listed

ROOT = "PELLUCID_ROOT"  # in the environment: the folder in which data sets were unpacked
DOWNLOADING = (  # what may go wrong on the way, in torchvision, the network or an archive
    OSError, RuntimeError, ValueError, EOFError, tarfile.TarError, zipfile.BadZipFile, http.client.HTTPException,
)  # fmt: skip


class Stored(Dataset):
    """Abstract: a data set in a folder, as it was published."""

    root: str | None = None  # the folder, or the one that it is in; none: that of $PELLUCID_ROOT
    download: bool = False

    inside: ClassVar[tuple[str, ...]] = ()  # what the folder is called where it was unpacked
    marks: ClassVar[tuple[str, ...]] = ()  # what is found in it, whatever it is called

    @cached_property
    def folder(self) -> Path:
        """The folder; fetched, where that was asked for."""
        said = self.root or os.environ.get(ROOT)
        if not said:
            fetch = "; download=true fetches it there" if self._can_be_fetched() else ""
            raise BadInput(f"{self.name} is read from files; say where they are with root=FOLDER, or {ROOT}{fetch}.")
        root = Path(said).expanduser()
        found = self._found(root)
        if found is None and self.download:
            self._download(root)
            found = self._found(root)
        if found is None:
            raise self._missing(root)
        return found

    def fetch(self, root: Path) -> None:
        """Download what is published into a folder."""
        raise NotImplementedError

    def _found(self, root: Path) -> Path | None:
        places = [root, *(root / name for name in self.inside)]
        return next((p for p in places if is_there(p) and all(is_there(p / mark) for mark in self.marks)), None)

    def _missing(self, root: Path) -> BadFile:
        if not is_there(root):
            return BadFile(f"{root} is not there; give the folder that {self.name} was unpacked in.")
        wanted = listed(self.marks) if self.marks else listed(self.inside)
        fetch = " or let download=true fetch it" if self._can_be_fetched() else ""
        within = f" (or in {listed(self.inside)} there)" if self.inside else ""
        return BadFile(f"{root} holds no {self.name}: {wanted} is expected in it{within}; check root={fetch}.")

    def _can_be_fetched(self) -> bool:
        return type(self).fetch is not Stored.fetch

    def _download(self, root: Path) -> None:
        """Into a folder of its own, and from there to its place when all of it has come."""
        if not self._can_be_fetched():
            raise BadInput(f"{self.name} cannot be downloaded by a program; get it from {self.home} and give root=.")
        part = root / f".{self.name}.part"
        try:
            part.mkdir(parents=True, exist_ok=True)
            self.fetch(part)
            for one in part.iterdir():
                if not (root / one.name).exists():
                    os.replace(one, root / one.name)
            shutil.rmtree(part)
        except DOWNLOADING as cause:
            told = getattr(cause, "reason", cause)  # of an address that does not answer
            why = reason(told) if isinstance(told, Exception) else str(told)
            raise BadFile(
                f"{self.name} could not be downloaded into {root} ({why}); call again to go on, or get it from "
                f"{self.home}."
            ) from None

    def lines(self, name: str) -> list[str]:
        """The lines of a text file of the folder that are not empty."""
        return read_lines(self.folder / name)


@dataclass(frozen=True)
class Index:
    """The file and the label of every record."""

    files: Sequence[str]  # relative to the folder
    labels: Sequence[int]


class Pictures(Stored):
    """Abstract: pictures in files of their own."""

    upright: ClassVar[bool] = False  # turn as the camera says; published boxes and masks are of the file as it is

    @cached_property
    def index(self) -> Index:
        """Found once."""
        found = self.find()
        if len(found.files) != len(found.labels):
            raise BadFile(
                f"{self.folder} lists {len(found.files)} pictures and {len(found.labels)} labels; "
                f"unpack {self.name} again."
            )
        if not found.files:
            part = f" (split {split})" if (split := getattr(self, "split", "")) else ""
            raise BadFile(f"{self.folder} holds no pictures of {self.name}{part}; check what it is to be.")
        return found

    def find(self) -> Index:
        """Every file and its label."""
        raise NotImplementedError

    def truth(self, i: int, size: tuple[int, int]) -> Mapping[str, Any]:
        """What else is known about record i, of the size h, w: fields of a Record, boxes as they were written."""
        return {}

    def picture(self, path: Path) -> UInt8[Tensor, "3 h w"]:
        """The pixels of a file."""
        return pixels(path, self.upright)

    def __len__(self) -> int:
        return len(self.index.files)

    def label(self, i: int) -> int:
        return int(self.index.labels[i])

    def path(self, i: int) -> Path:
        """The file of record i."""
        return self.folder / self.index.files[i]

    def record(self, i: int) -> Record:
        return self._read(i)[0]

    def _read(self, i: int) -> tuple[Record, Mapping[str, Any]]:
        """Record i, and what was written about it."""
        image = self.picture(self.path(i))
        written = self.truth(i, (image.shape[1], image.shape[2]))
        facts = {"file": self.index.files[i], **written.get("facts", {})}
        return made(image, self.label(i), facts, {n: v for n, v in written.items() if n != "facts"}), written

    def fingerprint(self) -> str:
        return digest([*self.index.labels, *self.index.files])

    def faults(self, i: int) -> list[str]:
        try:
            record, written = self._read(i)
        except PellucidError as wrong:
            return [str(wrong)]
        found = self.strange_classes(record, i)
        h, w = record.geometry.size
        boxes = written.get("boxes", torch.zeros(0, 4))
        for box in boxes[~inside(boxes, h, w)].tolist():
            found.append(
                f"{self.path(i)}: the box {[round(x, 1) for x in box]} is empty or leaves its {w} × {h} pixels."
            )
        return found


def made(image: Tensor, label: int, facts: Mapping[str, Any], found: Mapping[str, Any]) -> Record:
    """A record of what was found; boxes are cut off at the border, and those that are not in the picture left out."""
    if not found:
        return Record(image, label, facts=facts)
    k = len(found.get("boxes", ()))
    masks = found.get("masks", torch.zeros(0, *image.shape[1:], dtype=torch.bool))
    fits(masks, image.shape[1:], facts.get("file", "a picture"))
    boxes = clipped(found.get("boxes", torch.zeros(0, 4)).float(), image.shape)
    seen = (boxes[:, 2:] > boxes[:, :2]).all(1)
    of_boxes = {"boxes": boxes, "classes": torch.full((k,), label), "ids": torch.arange(k)}  # before any is left out
    of_boxes |= {name: found[name] for name in ("classes", "ids", "difficult") if name in found}
    of_masks = {"masks": masks, "mask_classes": found.get("mask_classes", torch.full((len(masks),), label))}
    of_masks |= {"mask_ids": found["mask_ids"]} if "mask_ids" in found else {}
    rest = {name: found[name] for name in ("ignore", "points") if name in found}
    return Record(
        image=image, label=label, facts=dict(facts), **{n: v[seen] for n, v in of_boxes.items()}, **of_masks, **rest
    )


def fits(mask: Tensor, size: Sequence[int], name: object) -> None:
    """Refuse a mask that is not as large as its picture."""
    (h, w), (mh, mw) = size, mask.shape[-2:]
    if (h, w) != (mh, mw):
        raise BadFile(f"{name} is {w} × {h} pixels and its mask {mw} × {mh}; give both one size.")


def inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """Whether boxes have an area, and are within a picture of this size, half a pixel allowed."""
    low, high = boxes[:, :2], boxes[:, 2:]
    limit = torch.tensor([width, height]).to(boxes) + 0.5
    return (low >= -0.5).all(1) & (high <= limit).all(1) & (low < high).all(1)


class Arrays(Stored):
    """Abstract: small pictures, all in memory."""

    @cached_property
    def arrays(self) -> tuple[UInt8[Tensor, "n c h w"], Int[Tensor, " n"]]:
        """Pictures and labels, read once."""
        images, labels = self.load()
        if len(images) != len(labels):
            raise BadFile(
                f"{self.folder} holds {len(images)} pictures and {len(labels)} labels; fetch {self.name} again."
            )
        return images, labels

    def load(self) -> tuple[UInt8[Tensor, "n c h w"], Int[Tensor, " n"]]:
        """From the files."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.arrays[1])

    def label(self, i: int) -> int:
        return int(self.arrays[1][i])

    def record(self, i: int) -> Record:
        return Record(self.arrays[0][i], self.label(i))

    def images(self, rows: Rows = slice(None)) -> UInt8[Tensor, "n c h w"]:
        return self.arrays[0][torch.as_tensor([self._at(i) for i in self._rows(rows)])]

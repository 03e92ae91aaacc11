"""ECG5000 (Chen et al., 2015): 5,000 heartbeats of 140 values, five kinds, from the UCR archive.

    ECG5000_TRAIN.tsv    1<tab>-0.11252183<tab>-2.8272038 …            the label first
    ECG5000_TRAIN.ts     @data, then -0.11252183,-2.8272038,…:1        the label last
    ECG5000_TRAIN.arff   @data, then -0.11252183,-2.8272038,…,1

Labels are 1 … 5 in the files and 0 … 4 here; 0 is the normal beat. `binary=true` puts the others together.

>>> ECG5000().class_names[0], ECG5000(binary=True).class_names
('normal', ('normal', 'abnormal'))
>>> series("0.5,-1:3"), series("3 0.5 -1"), series("0.5,-1,b'3'")
((2, [0.5, -1.0]), (2, [0.5, -1.0]), (2, [0.5, -1.0]))
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from pellucid.data._base import Record
from pellucid.data._reading import read_lines
from pellucid.data._stored import Stored
from pellucid.errors import BadFile

NAMES = ("normal", "R-on-T premature ventricular contraction", "premature ventricular contraction",
         "supraventricular premature beat", "unclassified beat")  # fmt: skip
SUFFIXES = (".tsv", ".ts", ".arff", ".txt")


def series(line: str) -> tuple[int, list[float]]:
    """The label and the values of a line, in whichever of the forms."""
    if ":" in line:  # .ts
        values, _, label = line.rpartition(":")
        words = values.split(",")
    elif "," in line:  # .arff
        *words, label = line.split(",")
    else:  # .tsv, .txt
        label, *words = line.split()
    return int(float(label.strip().removeprefix("b").strip("'\""))) - 1, [float(word) for word in words]


class ECG5000(Stored, name="ecg5000"):
    """Heartbeats, as a series [140, 1] each."""

    home = "https://www.timeseriesclassification.com/description.php?Dataset=ECG5000"
    licence = "ODC-By 1.0 (the recordings: PhysioNet's BIDMC-CHF, chf07)"
    terms = "Free to use with attribution of the recordings and of the archive."
    cite = """
@misc{dau2018ucr,
  title  = {The UCR Time Series Classification Archive},
  author = {Dau, Hoang Anh and Keogh, Eamonn and Kamgar, Kaveh and Yeh, Chin-Chia Michael and Zhu, Yan and
            Gharghabi, Shaghayegh and Ratanamahatana, Chotirat Ann and Chen, Yanping and Hu, Bing and
            Begum, Nurjahan and Bagnall, Anthony and Mueen, Abdullah and Batista, Gustavo},
  year   = {2018},
}"""
    kind = "series"
    mean, std = (0.0,), (1.0,)  # every beat is scaled already
    preset = "plain"
    inside = ("ECG5000",)

    split: Literal["train", "test", "all"] = "train"
    binary: bool = False

    @property
    def class_names(self) -> tuple[str, ...]:
        return ("normal", "abnormal") if self.binary else NAMES

    @property
    def _parts(self) -> Sequence[str]:
        return {"train": ("TRAIN",), "test": ("TEST",), "all": ("TRAIN", "TEST")}[self.split]

    def _found(self, root: Path) -> Path | None:
        places = (root, *(root / name for name in self.inside))
        return next((place for place in places if all(_file(place, part) for part in self._parts)), None)

    def _missing(self, root: Path) -> BadFile:
        return BadFile(f"{root} holds no ECG5000_{self._parts[-1]}.tsv, .ts, .arff or .txt; check root= and split=.")

    @cached_property
    def _arrays(self) -> tuple[Tensor, Tensor]:
        rows = [row for part in self._parts for row in _read(_file(self.folder, part) or self.folder)]
        lengths = sorted({len(values) for _, values in rows})
        if len(lengths) > 1:
            raise BadFile(
                f"{self.folder} has series of {lengths[0]} and of {lengths[-1]} values; fetch both files again."
            )
        labels = torch.tensor([label for label, _ in rows])
        return torch.tensor([values for _, values in rows])[..., None], labels.clamp(max=1) if self.binary else labels

    def __len__(self) -> int:
        return len(self._arrays[1])

    def label(self, i: int) -> int:
        return int(self._arrays[1][i])

    def record(self, i: int) -> Record:
        return Record(self._arrays[0][i], self.label(i))


def _file(folder: Path, part: str) -> Path | None:
    return next((p for p in (folder / f"ECG5000_{part}{end}" for end in SUFFIXES) if p.is_file()), None)


def _read(path: Path) -> list[tuple[int, list[float]]]:
    found = []
    for number, line in enumerate(read_lines(path), 1):
        if line.lstrip().startswith(("@", "#", "%")):
            continue  # headers of .ts and .arff
        try:
            label, values = series(line)
        except (ValueError, OverflowError):
            raise BadFile(f"{path}, line {number}, is no series: {line[:40]!r} …; fetch the file again.") from None
        if found and len(values) != len(found[0][1]):
            raise BadFile(f"{path}, line {number}, has {len(values)} values, not {len(found[0][1])}; fetch it again.")
        if not 0 <= label < len(NAMES):
            raise BadFile(f"{path}, line {number}, has the label {label + 1}, not 1 to {len(NAMES)}; fetch it again.")
        found.append((label, values))
    if not found:
        raise BadFile(f"{path} holds no series; fetch it again.")
    return found

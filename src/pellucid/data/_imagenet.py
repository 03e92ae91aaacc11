"""ImageNet's pictures: a folder a WordNet id, or Kaggle's flat validation folder; boxes in XML beside them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch

from pellucid.data import _xml
from pellucid.data._names import wnid_names
from pellucid.data._pictures import SUFFIXES
from pellucid.data._reading import matlab, names_in_folder, read_lines, whole
from pellucid.data._stored import Index, Pictures
from pellucid.errors import BadFile, listed

HOME = "https://www.image-net.org"
TERMS = "For non-commercial research and education; the pictures belong to their owners."
CITE = """
@article{russakovsky2015imagenet,
  title   = {ImageNet Large Scale Visual Recognition Challenge},
  author  = {Russakovsky, Olga and Deng, Jia and Su, Hao and Krause, Jonathan and Satheesh, Sanjeev and Ma, Sean and
             Huang, Zhiheng and Karpathy, Andrej and Khosla, Aditya and Bernstein, Michael and Berg, Alexander C. and
             Fei-Fei, Li},
  journal = {International Journal of Computer Vision},
  volume  = {115},
  number  = {3},
  pages   = {211--252},
  year    = {2015},
}"""
KAGGLE = "ILSVRC/Data/CLS-LOC"
SOLUTION = "LOC_val_solution.csv"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"


class Boxed(Pictures):
    """Abstract: pictures named as ILSVRC names them, whose boxes are in XML files of the same names."""

    home = HOME
    licence = "ImageNet's terms of access"
    terms = TERMS
    cite = CITE

    split: str = "val"
    boxes: str | None = None  # the folder of the XML files; None: where the archive puts them

    box_places: ClassVar[Sequence[str]] = ()

    @property
    def wnids(self) -> Sequence[str]:
        """In label order."""
        raise NotImplementedError

    @property
    def class_names(self) -> tuple[str, ...]:
        return wnid_names(self.wnids)

    @cached_property
    def _boxes(self) -> Path | None:
        if self.boxes is None:
            places = (self.folder / place.format(self.split) for place in self.box_places)
            return next((place for place in places if place.is_dir()), None)
        folder = Path(self.boxes).expanduser()
        if not folder.is_dir():
            raise BadFile(f"{folder} is no folder; give the one that holds the XML files with boxes=.")
        return folder

    def truth(self, i: int, size: tuple[int, int]) -> Mapping[str, Any]:
        file = Path(self.index.files[i])
        at = None if self._boxes is None else _beside(self._boxes, file.parent.name, f"{file.stem}.xml")
        if at is None:
            return {}
        seen = _xml.read(at)
        unknown = [name for name in seen.names if name not in self._numbers]
        known = torch.tensor([name in self._numbers for name in seen.names], dtype=torch.bool)
        classes = torch.tensor([self._numbers.get(name, -1) for name in seen.names], dtype=torch.int64)
        found = {"boxes": seen.fitted(size)[known], "classes": classes[known]}
        found["difficult"] = torch.tensor(seen.difficult, dtype=torch.bool)[known]
        return found | ({"facts": {"other objects": ", ".join(unknown)}} if unknown else {})

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {wnid: number for number, wnid in enumerate(self.wnids)}


class Ilsvrc(Boxed):
    """Abstract: the pictures of the challenge of 2012, of all classes or of some."""

    inside = (KAGGLE,)

    box_places = ("../../Annotations/CLS-LOC/{}", "Annotations/CLS-LOC/{}", "annotations/{}", "bbox/{}")

    def _found(self, root: Path) -> Path | None:
        places = [root, *(root / name for name in self.inside)]
        return next((place for place in places if (place / self.split).is_dir()), None)

    def _missing(self, root: Path) -> BadFile:
        return BadFile(
            f"{root} holds no folder {self.split} (nor does {KAGGLE} there); unpack {self.name} there, or check root=."
        )

    def find(self) -> Index:
        top = self.folder / self.split
        folders = names_in_folder(top)
        if folders:
            return _in_folders(top, self.split, folders, self._numbers)
        return self._flat(top)

    def _flat(self, top: Path) -> Index:
        """Kaggle's and the challenge's own validation folder: labels are in a file beside it."""
        files = names_in_folder(top, SUFFIXES)
        labels = self._labels(files)
        chosen = [file for file in files if labels.get(Path(file).stem) in self._numbers]
        return Index([f"{self.split}/{f}" for f in chosen], [self._numbers[labels[Path(f).stem]] for f in chosen])

    def _labels(self, files: Sequence[str]) -> dict[str, str]:
        """The WordNet id of every file of a flat folder."""
        above = (self.folder, self.folder.parent, self.folder.parent.parent, self.folder.parent.parent.parent)
        if table := next((place / SOLUTION for place in above if (place / SOLUTION).is_file()), None):
            rows = [line.split(",", 1) for line in read_lines(table)[1:]]
            found = {row[0]: row[1].split()[0] for row in rows if len(row) == 2 and row[1].strip()}
            lost = next((file for file in files if Path(file).stem not in found), None)
            if lost is not None:
                raise BadFile(f"{table} has no line for {lost}; fetch it again, or leave out the picture.")
            return found
        devkits = [place / kit / "data" for place in above for kit in ("ILSVRC2012_devkit_t12", ".")]
        if kit := next((place for place in devkits if (place / TRUTH).is_file()), None):
            return _by_devkit(kit, files)
        raise BadFile(
            f"{self.folder / self.split} is flat, and neither {SOLUTION} nor the devkit's {TRUTH} is beside it to tell "
            f"the labels; add one of them, or sort the pictures into folders."
        )


def _in_folders(top: Path, split: str, folders: Sequence[str], numbers: Mapping[str, int]) -> Index:
    """Of the classes that are asked for."""
    files: list[str] = []
    labels: list[int] = []
    for wnid in folders:
        if wnid not in numbers:
            continue
        names = names_in_folder(top / wnid, SUFFIXES)
        files += [f"{split}/{wnid}/{name}" for name in names]
        labels += [numbers[wnid]] * len(names)
    if not files:
        raise BadFile(f"{top} holds {listed(folders, 3)}, and no picture of the classes asked for; check root=.")
    return Index(files, labels)


def _by_devkit(kit: Path, files: Sequence[str]) -> dict[str, str]:
    """Line n is the ILSVRC2012_ID of validation picture n; meta.mat says whose WordNet id that is."""
    synsets = matlab(kit / "meta.mat", "synsets", "the devkit's table")
    wnids = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets}
    numbers = [whole(kit / TRUTH, line) for line in read_lines(kit / TRUTH)]
    found: dict[str, str] = {}
    for file in files:
        number = Path(file).stem.rpartition("_")[2]
        if not number.isdecimal() or not 0 < int(number) <= len(numbers) or numbers[int(number) - 1] not in wnids:
            raise BadFile(f"{kit / TRUTH} has no label for {file}, among {len(numbers)}; fetch the devkit again.")
        found[Path(file).stem] = wnids[numbers[int(number) - 1]]
    return found


def _beside(folder: Path, wnid: str, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / wnid / name) if path.is_file()), None)

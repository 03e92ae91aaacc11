"""A folder of pictures, one folder a class: what most people have.

    photos/cat/1.jpg   photos/dog/a/2.png   …   or the same tree in a .zip, which is read as it is

Labels are the order of the sorted folder names; where all of them are numbers, the order of the numbers ("2" before
"10"), so that of folders "0" to "99" a folder "26" is label 26. WordNet ids become ImageNet's names.

>>> in_order(["10", "2", "0"]), in_order(["10", "2", "x"])
(['0', '2', '10'], ['10', '2', 'x'])
"""

import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

from pellucid.data._names import folder_names
from pellucid.data._pictures import SUFFIXES, members_of
from pellucid.data._stored import Index, Pictures
from pellucid.errors import BadFile, listed

SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}


def in_order(folders: Iterable[str]) -> list[str]:
    """Sorted by number where all are numbers, else as text."""
    names = sorted(folders)
    return sorted(names, key=int) if names and all(name.isdecimal() for name in names) else names


class ImageFolder(Pictures, name="imagefolder"):
    """Pictures in folders, or in a zip archive, one folder a class."""

    licence = "yours"
    upright = True

    order: Literal["number", "text"] = "number"  # of folders that are all numbers

    @cached_property
    def _tree(self) -> dict[str, list[str]]:
        """Every class folder and the files in it; a single folder around all classes is not a class."""
        files = _listed(self.folder)
        above = ""
        while (top := _only_folder(files, above)) is not None:
            above += top
        found: dict[str, list[str]] = {}
        for file in files:
            top, slash, _ = file.removeprefix(above).partition("/")
            if slash:
                found.setdefault(top, []).append(file)
        if not found:
            loose = ", but pictures outside of folders" if files else ""
            raise BadFile(f"{self.folder} holds no folders of pictures{loose}; put each class in a folder of its own.")
        if len(found) > 1 and set(map(str.lower, found)) <= SPLITS and all(f.count("/") > 1 for f in files):
            raise BadFile(f"{self.folder} holds {listed(found)}, which look like splits; give root= with one of them.")
        order = sorted(found) if self.order == "text" else in_order(found)
        return {name: found[name] for name in order}

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return folder_names(list(self._tree))

    def find(self) -> Index:
        files = [file for some in self._tree.values() for file in some]
        return Index(files, [label for label, some in enumerate(self._tree.values()) for _ in some])

    def lasting_faults(self) -> list[str]:
        """Folders without a picture, and files that are none."""
        if not self.folder.is_dir():
            return []
        empty, other = [], []
        for place, folders, names in os.walk(self.folder, followlinks=True):
            pictures = [n for n in names if n.lower().endswith(SUFFIXES)]
            other += [f"{place}/{n}" for n in names if n not in pictures and not n.startswith(".")]
            if not folders and not pictures:
                empty.append(place)
        return [f"{folder} holds no picture; remove it, or fill it." for folder in empty] + (
            [f"{len(other)} files are no pictures by their names and are left out: {listed(other, 5)}."]
            if other
            else []
        )


def _listed(root: Path) -> list[str]:
    """Every picture under a folder, or in an archive, by its path from there."""
    if root.is_dir():
        start = len(str(root)) + 1
        found = [path[start:].replace(os.sep, "/") for path in _walked(root)]
    elif root.suffix.lower() == ".zip":
        found = [name for name in members_of(root) if not name.endswith("/")]
    else:
        raise BadFile(f"{root} is no folder and no .zip archive; give the folder that holds the classes.")
    return sorted(f for f in found if f.lower().endswith(SUFFIXES) and not any(p[0] == "." for p in f.split("/")))


def _walked(root: Path) -> Iterator[str]:
    """Every file; links are followed, but not to a folder that they are in."""
    for place, folders, names in os.walk(root, followlinks=True, onerror=_refused):
        folders[:] = [f for f in folders if not Path(at := f"{place}/{f}").is_symlink() or not _is_above(at, place)]
        yield from (f"{place}/{name}" for name in names)


def _is_above(link: str, place: str) -> bool:
    return f"{os.path.realpath(place)}/".startswith(f"{os.path.realpath(link)}/")


def _only_folder(files: list[str], above: str) -> str | None:
    """The folder below this one that holds all files, and all of them in folders of its own."""
    below = {file.removeprefix(above).partition("/")[0] for file in files}
    if len(below) != 1 or not all(file.removeprefix(above).count("/") > 1 for file in files):
        return None
    return f"{below.pop()}/"


def _refused(cause: OSError) -> None:
    raise BadFile(f"{cause.filename} cannot be read ({cause.strerror}); let it be read, or leave it out.") from None

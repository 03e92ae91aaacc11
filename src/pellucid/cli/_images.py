"""Images from files and folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.errors import BadFile, BadInput, listed

if TYPE_CHECKING:
    from torch import Tensor

    from pellucid.data import Dataset, Record

COUNT = 12  # records of a data set, where none are asked for


@dataclass(frozen=True)
class Found:
    """A file, the name that its results take, and whether it was given by name; or a record of a data set."""

    path: Path
    name: str
    given: bool
    data: "Dataset | None" = None
    row: int = 0


def records(text: str, rows: str | None) -> list[Found]:
    """Some records of a data set, by number."""
    from pellucid.data import Dataset

    data = Dataset.make(text)
    if data.kind != "images":
        raise BadInput(f"{data.name} is of {data.kind}, and pictures are explained here; give another --data.")
    if data.streamed:
        raise BadInput(f"{data.name} is a stream, whose records have no numbers; write some with pellucid data.")
    count = min(COUNT, len(data))
    chosen = [i * len(data) // count for i in range(count)] if rows is None else list(dict.fromkeys(_numbers(rows)))
    found: list[Found] = []
    for row in chosen or [0]:  # of an empty one, record 0 is refused below
        if not -len(data) <= row < len(data):
            raise BadInput(f"--rows has {row}, and {data.name} has records 0 to {len(data) - 1}; give one of them.")
        at, digits = row % len(data), len(str(len(data) - 1))
        found.append(Found(Path(f"{data}[{at}]"), f"{data.name}-{at:0{digits}d}", True, data, at))
    return found


def outline(record: "Record") -> "Tensor | None":
    """Where the labelled object is: by its mask, or by its boxes."""
    from pellucid.maths.masks import inside_boxes

    mask = record.mask if bool(record.mask.any()) else inside_boxes(record.boxes_for(), record.geometry.size)
    return mask if bool(mask.any()) else None


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in text.replace(" ", "").split(",")]
    except ValueError:
        raise BadInput(f"--rows is {text!r}; give numbers of records with commas, such as 3,14,15.") from None


def find(paths: Sequence[Path], out: Path) -> list[Found]:
    """Every file that was given, and every file of every folder but hidden ones and our own results."""
    found: dict[Path, tuple[str, bool]] = {}
    for path in paths:
        if path.is_dir():
            inside = [p for p in sorted(path.rglob("*")) if p.is_file() and not _ours(p, path, out)]
            if not inside:
                raise BadFile(f"the folder {path} holds no files; give images, or a folder of images.")
            for file in inside:
                found.setdefault(file, ("-".join(file.relative_to(path).with_suffix("").parts), False))
        elif path.is_file():
            found[path] = (path.stem, True)
        else:
            raise BadFile(f"{path} is not there; give images, or folders of images.")
    names: set[str] = set()
    made = []
    for path, (name, given) in found.items():
        free = next(n for n in (name, *(f"{name}-{i}" for i in range(2, len(found) + 2))) if n not in names)
        names.add(free)
        made.append(Found(path, free, given))
    from pellucid.data._pictures import read

    for file in made:
        if file.given:
            read(file.path)  # found out before the model is loaded
    return made


def _ours(path: Path, folder: Path, out: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return hidden or out.resolve() in path.resolve().parents


def skipped(files: Sequence[object]) -> str:
    """The sentence about files of a folder that are no images."""
    noun = "1 file that is no image" if len(files) == 1 else f"{len(files)} files that are no images"
    return f"skipped {noun}: {listed(files, 5)}."

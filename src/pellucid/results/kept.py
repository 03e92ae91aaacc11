"""Kept: what a page needs besides the rows, in the folder of a run. No torch.

report.json            which tasks the last run asked for, its data and their licence, class names, machine, cost
pictures/KEY.npz       some samples: picture, maps, outline; KEY is made of the tasks and of what is shown,
pictures/KEY.json      so a rerun does not draw them again, and none of another run is shown

The JSON is written after the arrays: what it names is there.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import BadFile
from pellucid.files import write_atomically
from pellucid.results.plain import as_text

ABOUT, PICTURES = "report.json", "pictures"
FORM = 1  # of the files; another one is drawn again


@dataclass(eq=False)
class Sample:
    """One that is shown."""

    number: int
    label: int
    target: int
    predicted: int  # -1: no classifier
    confidence: float
    why: list[str]
    picture: np.ndarray  # uint8 [h, w, 3]
    maps: np.ndarray  # [entries, h, w]; NaN: there is none
    outline: np.ndarray | None = None  # boolean [h, w]: the object, as a mask or as boxes
    curves: dict[str, list[tuple[list[float], list[float]] | None]] = field(default_factory=dict)
    """By metric, one an entry: x and y."""


@dataclass(eq=False)
class Pictures:
    """Those of one run."""

    entries: list[dict[str, Any]]  # explainer, ask, signed
    samples: list[Sample]


def write_about(folder: Path, about: Mapping[str, Any]) -> None:
    """report.json"""
    write_atomically(folder / ABOUT, as_text(about).encode())


def read_about(folder: Path) -> dict[str, Any] | None:
    """What report.json says; None where there is none."""
    path = folder / ABOUT
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as cause:
        raise BadFile(f"{path} cannot be read ({_first(cause)}); run the command that wrote it again.") from None
    if not isinstance(found, dict):
        raise BadFile(f"{path} holds no record of a run; run the command that wrote it again.")
    return found


def there(folder: Path, key: str) -> bool:
    """Whether these pictures were drawn before."""
    return all((folder / PICTURES / f"{key}{end}").is_file() for end in (".npz", ".json"))


def write_pictures(folder: Path, key: str, pictures: Pictures, beside: Sequence[str] = ()) -> None:
    """Both files; then those of runs before go. beside: keys that stay too."""
    arrays: dict[str, np.ndarray] = {}
    rows: list[dict[str, Any]] = []
    for i, sample in enumerate(pictures.samples):
        maps = sample.maps.astype(np.float64)
        peaks = [_peak(one) for one in maps]
        arrays[f"picture {i}"] = sample.picture
        arrays[f"maps {i}"] = (maps / np.array(peaks)[:, None, None]).astype(np.float16) if len(maps) else maps
        if sample.outline is not None:
            arrays[f"outline {i}"] = np.packbits(sample.outline)
        known = {name: getattr(sample, name) for name in ("number", "label", "target", "predicted", "confidence")}
        rows.append(known | {"why": sample.why, "peaks": peaks, "curves": sample.curves})
    home, file = folder / PICTURES, io.BytesIO()
    np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]
    write_atomically(home / f"{key}.npz", file.getvalue())
    about = {"form": FORM, "entries": pictures.entries, "samples": rows}
    write_atomically(home / f"{key}.json", as_text(about).encode())
    for path in home.glob("*"):
        if path.stem not in (key, *beside) and path.suffix in (".npz", ".json"):
            path.unlink(missing_ok=True)


def read_pictures(folder: Path, key: str) -> Pictures:
    """The pictures that report.json names."""
    path = folder / PICTURES / f"{key}.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            samples = [_sample(row, i, arrays) for i, row in enumerate(about["samples"])]
        return Pictures(list(about["entries"]), samples)
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile) as cause:
        raise BadFile(f"the pictures in {path.parent} cannot be read ({_first(cause)}); delete the folder and run the "
                      f"command that wrote it again: what was measured is kept.") from None  # fmt: skip


def _sample(row: Mapping[str, Any], i: int, arrays: Any) -> Sample:
    picture = arrays[f"picture {i}"]
    maps = arrays[f"maps {i}"].astype(np.float64) * np.array(row["peaks"], dtype=np.float64)[:, None, None]
    size, packed = maps.shape[1:], f"outline {i}"
    outline = np.unpackbits(arrays[packed], count=size[0] * size[1]).reshape(size) > 0 if packed in arrays else None
    confidence = float("nan") if row["confidence"] is None else float(row["confidence"])
    return Sample(
        int(row["number"]), int(row["label"]), int(row["target"]), int(row["predicted"]), confidence,
        [str(why) for why in row["why"]], picture, maps, outline,
        {name: [None if one is None else _line(one) for one in lines] for name, lines in row["curves"].items()},
    )  # fmt: skip


def _line(pair: Sequence[Sequence[float | None]]) -> tuple[list[float], list[float]]:
    x, y = ([float("nan") if v is None else float(v) for v in side] for side in pair)
    return x, y


def _peak(map: np.ndarray) -> float:
    """By which a map is divided, so that sixteen bits hold it."""
    found = float(np.nanmax(np.abs(map))) if np.isfinite(map).any() else 0.0
    return found if 0 < found < np.inf else 1.0


def _first(cause: BaseException) -> str:
    return (str(cause).splitlines() or [type(cause).__name__])[0]

"""Files as data sets have them: pictures, masks, tables of MATLAB, arrays, XML."""

import gzip
import pickle
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

from pellucid.knobs import write


def at(path: Path) -> str:
    """A path as the value of a knob."""
    return write(str(path), str)


def made(path: Path) -> Path:
    """The path, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def photo(path: Path, w: int = 32, h: int = 24) -> Path:
    """Another picture for another name."""
    chance = np.random.default_rng(zlib.crc32(path.name.encode()))
    coarse = Image.fromarray(chance.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    coarse.resize((w, h)).save(made(path), "PNG" if path.suffix == ".png" else "JPEG")
    return path


def blank(path: Path, w: int, h: int) -> Path:
    Image.new("RGB", (w, h), "gray").save(made(path))
    return path


def text(path: Path, *lines: str) -> Path:
    made(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def grey(path: Path, levels: Any) -> Path:
    Image.fromarray(np.asarray(levels, dtype=np.uint8)).save(made(path))
    return path


def palette(path: Path, levels: Any) -> Path:
    """A PNG of indices, as VOC's masks are."""
    image = Image.fromarray(np.asarray(levels, dtype=np.uint8), "P")
    image.putpalette([x * 37 % 256 for x in range(768)])
    image.save(made(path))
    return path


def mat(path: Path, **variables: Any) -> Path:
    savemat(made(path), variables)
    return path


def struct(**columns: Sequence[Any]) -> Any:
    """A struct array of MATLAB, one row high."""
    rows = np.empty((1, len(next(iter(columns.values())))), dtype=[(name, object) for name in columns])
    for name, values in columns.items():
        rows[name][0] = values
    return rows


def cells(words: Sequence[str]) -> Any:
    """A cell array of MATLAB, one row high."""
    return np.array([list(words)], dtype=object)


def idx(path: Path, values: Any) -> Path:
    values = np.asarray(values, dtype=np.uint8)
    content = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()
    made(path).write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def pickled(path: Path, content: Mapping[str, Any]) -> Path:
    made(path).write_bytes(pickle.dumps(dict(content), protocol=2))
    return path


def xml(path: Path, w: int, h: int, *things: tuple[str, int, int, int, int, int]) -> Path:
    """name, difficult, xmin, ymin, xmax, ymax"""
    objects = "".join(
        f"<object><name>{name}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>{difficult}</difficult>"
        f"<bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for name, difficult, x0, y0, x1, y1 in things
    )
    size = f"<size><width>{w}</width><height>{h}</height><depth>3</depth></size>"
    return text(
        path, f"<annotation><filename>{path.stem}</filename>{size}<segmented>0</segmented>{objects}</annotation>"
    )


def filled(names: Sequence[str], count: int, whole: bool, kind: str = "kind {}") -> list[str]:
    """Names, and of the whole as many more as there are.

    >>> filled(["cat"], 3, True), filled(["cat"], 3, False)
    (['cat', 'kind 2', 'kind 3'], ['cat'])
    """
    more = range(len(names) + 1, count + 1) if whole else ()
    return [*names, *(kind.format(number) for number in more)]

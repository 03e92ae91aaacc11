"""Tiny data sets, each in the files, the names and the number types in which the real one is published."""

import io
import json
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.data._stand_ins import WRITERS, arrays
from pellucid.data._stand_ins.files import at, grey, made, photo, text

LITERALS = Path(__file__).parent / "literals"  # real files, whole
SMALL_SCENES = "scenes:length=8,size=16,classes=3"


# --- pieces --------------------------------------------------------------------------------------------------------


def blank(path: Path, w: int, h: int) -> Path:
    Image.new("RGB", (w, h), "gray").save(made(path))
    return path


def sums(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The files of a folder are those that were published, from here on."""
    for thing, name, value in arrays.sums(folder):
        monkeypatch.setattr(thing, name, value)


# --- folders and tables of one's own -------------------------------------------------------------------------------


def imagefolder(folder: Path) -> str:
    photo(folder / "cat" / "1.jpg")
    photo(folder / "cat" / "2.png", 20, 28)
    photo(folder / "big dog" / "a" / "3.jpeg", 40, 20)
    photo(folder / "big dog" / "4.jpg")
    return f"imagefolder:root={at(folder)}"


def csv(folder: Path) -> str:
    for name, w, h in (("a.jpg", 32, 24), ("b.jpg", 20, 28), ("c.png", 24, 24)):
        photo(folder / name, w, h)
    grey(folder / "a-mask.png", np.eye(24, 32) * 255)
    text(
        folder / "table.csv",
        "path,label,box,mask",
        "a.jpg,cat,1 2 10 12; 4 0 32 24,a-mask.png",
        "b.jpg,dog,,",
        "c.png,,,",
    )
    return f"csv:root={at(folder / 'table.csv')}"


# --- streams -------------------------------------------------------------------------------------------------------


def encoded(path: Path) -> bytes:
    content = photo(path).read_bytes()
    path.unlink()
    return content


def hf(folder: Path) -> str:
    """A shard as the hub has it: pictures as bytes, and what the columns are in the file's metadata."""
    pytest.importorskip("datasets")
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    label = {"names": ["T - shirt / top", "Trouser", "ankle_boot"], "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, "label": label}
    images = [{"bytes": encoded(made(folder / f"{n}.png")), "path": f"{n}.png"} for n in range(3)]
    schema = arrow.schema(
        {"image": arrow.struct({"bytes": arrow.binary(), "path": arrow.string()}), "label": arrow.int64()},
        {"huggingface": json.dumps({"info": {"features": features}})},
    )
    path = folder / "train-00000-of-00001.parquet"
    parquet.write_table(arrow.table({"image": images, "label": [2, 0, 1]}, schema), path)
    return f"hf:path=parquet,files={at(path)}"


def tar(path: Path, **members: bytes) -> Path:
    """In this order; a double underscore is a dot."""
    with tarfile.open(made(path), "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name.lstrip("_").replace("__", "."))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def wds(folder: Path) -> str:
    pytest.importorskip("webdataset")
    pictures = [encoded(made(folder / f"{n}.jpg")) for n in range(3)]
    tar(
        folder / "shard-000000.tar",
        _000000__jpg=pictures[0], _000000__cls=b"2",
        _000001__jpg=pictures[1], _000001__json=b'{"label": 1}',
        _000002__jpg=pictures[2], _000002__cls=b"0",
    )  # fmt: skip
    return f"wds:path={at(folder / 'shard-000000.tar')},classes=3"


# --- wrappers ------------------------------------------------------------------------------------------------------


def cached(folder: Path) -> str:
    return f"cached:folder={at(folder / 'kept')},size=16,chunk=2@{cub(folder)}"


def subset(folder: Path) -> str:
    return f"subset:every=2@{voc(folder)}"


def red_dot(folder: Path) -> str:
    return f"red-dot:dot=1@{imagefolder(folder)}"


def scrambled_names(folder: Path) -> str:
    return f"scrambled-names@{cub(folder)}"


def corrupt(folder: Path) -> str:
    return f"corrupt:by=jpeg@{mnist(folder)}"


def renamed(folder: Path) -> str:
    names = text(folder / "names.txt", "a red thing", "a blue thing", "another")
    return f"renamed:names={at(names)}@{SMALL_SCENES}"


FEW: dict[str, Callable[[Path], str]] = {name: partial(make, whole=False) for name, make in WRITERS.items()}
cub, mnist, voc = FEW["cub"], FEW["mnist"], FEW["voc"]
FORMATS: dict[str, Callable[[Path], str]] = {
    **FEW,
    **{make.__name__.replace("_", "-"): make for make in (imagefolder, csv, hf, wds)},
    **{make.__name__.replace("_", "-"): make for make in (cached, subset, red_dot, scrambled_names, corrupt, renamed)},
}

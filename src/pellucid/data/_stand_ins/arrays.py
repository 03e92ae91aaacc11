"""Small pictures, beats and sprites in a few arrays. Readers know all their classes, whatever is in the files."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.data._stand_ins.files import at, idx, made, mat, pickled, text


def rows_of(count: int, *shape: int) -> Any:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


def cifar10(folder: Path, whole: bool = True) -> str:
    top = folder / "cifar-10-batches-py"
    for number in range(1, 6):
        about = {"batch_label": f"training batch {number} of 5", "filenames": ["a.png"]}
        pickled(top / f"data_batch_{number}", {**about, "labels": [number], "data": rows_of(number, 3072)[:1]})
    about = {"batch_label": "testing batch 1 of 1", "filenames": ["b.png", "c.png"]}
    pickled(top / "test_batch", {**about, "labels": [3, 9], "data": rows_of(2, 3072)})
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    pickled(top / "batches.meta", {"num_cases_per_batch": 1, "label_names": names, "num_vis": 3072})
    return f"cifar10:root={at(folder)}"


def cifar100(folder: Path, whole: bool = True) -> str:
    top = folder / "cifar-100-python"
    for name, labels in (("train", [19, 29, 0]), ("test", [49, 33])):
        count = len(labels)
        about = {"batch_label": f"{name}ing batch 1 of 1", "filenames": ["a.png"] * count, "coarse_labels": [1] * count}
        pickled(top / name, {**about, "fine_labels": labels, "data": rows_of(count, 3072)})
    pickled(top / "meta", {"fine_label_names": ["apple", "aquarium_fish"], "coarse_label_names": ["fish"]})
    return f"cifar100:root={at(folder)}"


def svhn(folder: Path, whole: bool = True) -> str:
    for split in ("train", "test"):
        y = np.array([[1], [10], [5], [9]], dtype=np.uint8)
        mat(folder / f"{split}_32x32.mat", X=rows_of(4, 32, 32, 3).transpose(1, 2, 3, 0), y=y)
    return f"svhn:root={at(folder)}"


def mnist(folder: Path, whole: bool = True) -> str:
    for start in ("train", "t10k"):
        idx(folder / "MNIST" / "raw" / f"{start}-images-idx3-ubyte", rows_of(4, 28, 28))
        idx(folder / "MNIST" / "raw" / f"{start}-labels-idx1-ubyte", [7, 2, 1, 0])
    return f"mnist:root={at(folder)}"


def fashion_mnist(folder: Path, whole: bool = True) -> str:
    for start in ("train", "t10k"):
        idx(folder / f"{start}-images-idx3-ubyte.gz", rows_of(3, 28, 28))
        idx(folder / f"{start}-labels-idx1-ubyte.gz", [9, 0, 3])
    return f"fashion-mnist:root={at(folder)}"


def ecg5000(folder: Path, whole: bool = True) -> str:
    beat = 3 * np.sin(np.arange(140) / 20)
    for part, few, more in (("TRAIN", (1, 2, 5), (1, 2)), ("TEST", (1, 3, 4), (1, 2))):
        labels = more * 2 if whole else few
        text(
            folder / f"ECG5000_{part}.tsv",
            *("\t".join([str(label), *(f"{x * label:.8g}" for x in beat)]) for label in labels),
        )
    return f"ecg5000:root={at(folder)}"


def dsprites(folder: Path, whole: bool = True) -> str:
    shapes = [0, 1, 2, 0, 1, 2]
    imgs = np.zeros((6, 64, 64), np.uint8)
    for n in range(6):
        imgs[n, 10 : 20 + n, 30 : 40 + 2 * n] = 1
    classes = np.array([[0, shape, n, 0, n, 31] for n, shape in enumerate(shapes)], np.int64)
    values = classes + np.array([1.0, 1.0, 0.5, 0.0, 0.0, 0.0])
    metadata = np.array({"title": "dSprites dataset", "version": 1}, dtype=object)
    path = made(folder / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz")
    np.savez_compressed(path, metadata=metadata, imgs=imgs, latents_classes=classes, latents_values=values)
    return f"dsprites:root={at(folder)}"


# --- sums ----------------------------------------------------------------------------------------------------------


def sums(folder: Path) -> list[tuple[Any, str, Any]]:
    """CIFAR and SVHN are opened only where their MD5 is the published one: what of torchvision is to be another thing,
    that of the files here be taken for it."""
    from torchvision import datasets

    found = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}
    changes: list[tuple[Any, str, Any]] = []
    for reader in (datasets.CIFAR10, datasets.CIFAR100):
        for name in ("train_list", "test_list"):
            listed: Any = getattr(reader, name)
            changes.append((reader, name, [[file, found.get(file, md5)] for file, md5 in listed]))
        about: Any = reader.meta
        changes.append((reader, "meta", about | {"md5": found.get(about["filename"], about["md5"])}))
    splits: Any = datasets.SVHN.split_list
    known = {split: [url, file, found.get(file, md5)] for split, (url, file, md5) in splits.items()}
    return [*changes, (datasets.SVHN, "split_list", known)]


@contextmanager
def trusted(folder: Path) -> Generator[None]:
    """As long as this lasts, the files of a folder are those that were published."""
    changes = sums(folder)
    before = [(thing, name, getattr(thing, name)) for thing, name, _ in changes]
    for thing, name, value in changes:
        setattr(thing, name, value)
    try:
        yield
    finally:
        for thing, name, value in before:
            setattr(thing, name, value)

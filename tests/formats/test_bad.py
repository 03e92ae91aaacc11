"""Files that are damaged, missing or refused: an error of ours that names them, and no trace."""

import os
import re
import shutil
from pathlib import Path

import pytest

from pellucid.data import Dataset
from pellucid.errors import BadFile, PellucidError
from tests.formats.fixtures import FORMATS, sums
from tests.formats.refusals import CHANGES, SPRITES, deny, everything, listing, refused

WRAPPERS = ("cached", "subset", "red-dot", "scrambled-names", "corrupt", "renamed")
READERS = [name for name in FORMATS if name not in WRAPPERS]

# --- any file of any format ------------------------------------------------------------------------------------------


@pytest.fixture
def unread(tmp_path, monkeypatch):
    """What reading raises besides our errors, a fresh copy of the data set for every change."""
    count = 0

    def unread(name, changes_of):
        nonlocal count
        form = FORMATS[name](tmp_path / "whole")
        sums(monkeypatch, tmp_path / "whole")
        wrong = []
        for path in sorted(p for p in (tmp_path / "whole").rglob("*") if p.is_file()):
            file = path.relative_to(tmp_path / "whole")
            for how, change in changes_of(path):
                count += 1
                here = tmp_path / str(count)
                shutil.copytree(tmp_path / "whole", here)
                with monkeypatch.context() as patch:
                    change(here / file, patch)
                    before = listing(here)
                    try:
                        everything(form.replace(str(tmp_path / "whole"), str(here)))
                    except PellucidError:
                        pass
                    except Exception as cause:
                        wrong.append(f"{file} {how}: {type(cause).__name__} {cause}"[:200])
                    if listing(here) != before:
                        wrong.append(f"{file} {how}: leaves {listing(here) - before}")
                shutil.rmtree(here)
        return wrong

    return unread


@pytest.mark.parametrize("name", READERS)
def test_any_file_may_be_damaged(name, unread):
    def changes(path):
        return [
            *((how, lambda here, _, change=change: change(here)) for how, change in CHANGES.items()),
            ("denied", lambda here, patch: deny(patch, here)),
        ]

    assert unread(name, changes) == []


@pytest.mark.parametrize(
    "name", ["csv", "cub", "aircraft", "pets", "voc", "coco", "ecg5000", "tiny-imagenet", "imagenet", "food101"]
)
@pytest.mark.parametrize("word", ["x", '"x"', "99", "-7", "1e400"])
def test_any_number_may_be_another_word(name, word, unread):
    def changes(path):
        if path.suffix not in (".txt", ".csv", ".xml", ".json", ".tsv"):
            return
        whole = path.read_text()
        for n, found in enumerate(re.finditer(r"\d+(\.\d+)?", whole)):
            if n < 12 or (path.suffix == ".json" and n < 40):
                changed = whole[: found.start()] + word + whole[found.end() :]
                yield f"{word} for number {n}", lambda here, _, changed=changed: here.write_text(changed)

    assert unread(name, changes) == []


# --- the file is named -----------------------------------------------------------------------------------------------

CUT = [
    ("imagefolder", "cat/1.jpg"),
    ("csv", "a.jpg"),
    ("csv", "a-mask.png"),
    ("fashion-mnist", "train-images-idx3-ubyte.gz"),
    ("fashion-mnist", "train-labels-idx1-ubyte.gz"),
    ("mnist", "MNIST/raw/train-images-idx3-ubyte"),
    ("cifar10", "cifar-10-batches-py/data_batch_3"),
    ("cifar10", "cifar-10-batches-py/batches.meta"),
    ("cifar100", "cifar-100-python/train"),
    ("svhn", "train_32x32.mat"),
    ("dsprites", SPRITES),
    ("cars", "stanford_cars/devkit/cars_meta.mat"),
    ("cars", "stanford_cars/devkit/cars_train_annos.mat"),
    ("flowers102", "flowers-102/setid.mat"),
    ("flowers102", "flowers-102/imagelabels.mat"),
    ("food101", "food-101/meta/train.json"),
    ("coco", "annotations/instances_val2017.json"),
    ("voc", "VOCdevkit/VOC2012/Annotations/2007_000027.xml"),
    ("voc", "VOCdevkit/VOC2012/SegmentationObject/2007_000027.png"),
    ("imagenet", "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000002.xml"),
    ("imagenet-s", "ImageNetS50/validation-segmentation/n12998815/ILSVRC2012_val_00000293.png"),
    ("pets", "oxford-iiit-pet/annotations/trimaps/basset_hound_126.png"),
    ("pets", "oxford-iiit-pet/annotations/xmls/Abyssinian_100.xml"),
    ("cub", "segmentations/002.Laysan_Albatross/Laysan_Albatross_0002_1027.png"),
    ("aircraft", "fgvc-aircraft-2013b/data/images/1340192.jpg"),
    ("ecg5000", "ECG5000_TRAIN.tsv"),
    ("hf", "train-00000-of-00001.parquet"),
    ("wds", "shard-000000.tar"),
]


@pytest.mark.parametrize("name, file", CUT)
def test_a_file_that_ends_too_early(name, file, tmp_path, monkeypatch):
    form = FORMATS[name](tmp_path)
    sums(monkeypatch, tmp_path)
    CHANGES["cut"](tmp_path / file)
    refused(form, tmp_path, Path(file).name)


GONE = [
    ("csv", "c.png"),
    ("cub", "CUB_200_2011/images/003.Sooty_Albatross/Sooty_Albatross_0001_796381.jpg"),
    ("cub", "CUB_200_2011/train_test_split.txt"),
    ("cub", "CUB_200_2011/classes.txt"),
    ("aircraft", "fgvc-aircraft-2013b/data/images/1340192.jpg"),
    ("cars", "stanford_cars/cars_train/00002.jpg"),
    ("cars", "stanford_cars/devkit/cars_meta.mat"),
    ("flowers102", "flowers-102/jpg/image_00003.jpg"),
    ("food101", "food-101/images/churros/1013460.jpg"),
    ("food101", "food-101/meta/train.json"),
    ("pets", "oxford-iiit-pet/images/basset_hound_126.jpg"),
    ("voc", "VOCdevkit/VOC2012/JPEGImages/2008_000003.jpg"),
    ("voc", "VOCdevkit/VOC2012/ImageSets/Main/val.txt"),
    ("coco", "val2017/000000000285.jpg"),
    ("coco", "annotations/instances_val2017.json"),
    ("tiny-imagenet", "tiny-imagenet-200/val/images/val_1.JPEG"),
    ("tiny-imagenet", "tiny-imagenet-200/words.txt"),
    ("imagenet-s", "ImageNetS50/validation-segmentation/n12998815/ILSVRC2012_val_00000293.png"),
    ("imagenet100", "list.txt"),
    ("mnist", "MNIST/raw/train-images-idx3-ubyte"),
    ("cifar10", "cifar-10-batches-py/data_batch_4"),
    ("hf", "train-00000-of-00001.parquet"),
    ("wds", "shard-000000.tar"),
]


@pytest.mark.parametrize("name, file", GONE)
def test_a_file_that_is_missing(name, file, tmp_path, monkeypatch):
    form = FORMATS[name](tmp_path)
    sums(monkeypatch, tmp_path)
    (tmp_path / file).unlink()
    refused(form, tmp_path, Path(file).name)


SUMMED = [
    ("cifar10", "cifar-10-batches-py/test_batch"),
    ("cifar100", "cifar-100-python/meta"),
    ("svhn", "train_32x32.mat"),
]


@pytest.mark.parametrize("name, file", SUMMED)
def test_a_wrong_sum(name, file, tmp_path, monkeypatch):
    form = FORMATS[name](tmp_path)
    refused(form, tmp_path, "has the MD5")  # the published one
    sums(monkeypatch, tmp_path)
    everything(form)
    with (tmp_path / file).open("ab") as longer:
        longer.write(b"!")
    refused(form, tmp_path, Path(file).name)
    assert Path(file).name in Dataset.make(form).lasting_faults()[0]


DENIED = [
    ("imagefolder", "cat/1.jpg"),
    ("csv", "table.csv"),
    ("cub", "CUB_200_2011/images.txt"),
    ("mnist", "MNIST/raw/train-images-idx3-ubyte"),
    ("cifar10", "cifar-10-batches-py/data_batch_1"),
    ("svhn", "train_32x32.mat"),
    ("dsprites", SPRITES),
    ("flowers102", "flowers-102/setid.mat"),
    ("coco", "annotations/instances_val2017.json"),
    ("voc", "VOCdevkit/VOC2012/Annotations/2007_000027.xml"),
    ("wds", "shard-000000.tar"),
]


@pytest.mark.parametrize("name, file", DENIED)
def test_a_file_that_may_not_be_read(name, file, tmp_path, monkeypatch):
    form = FORMATS[name](tmp_path)
    sums(monkeypatch, tmp_path)
    deny(monkeypatch, tmp_path / file)
    with pytest.raises(PellucidError) as caught:
        everything(form)
    assert "Permission denied" in str(caught.value)
    assert Path(file).name in str(caught.value)


@pytest.mark.parametrize(
    "name, folder",
    [
        ("imagefolder", "big dog"),
        ("imagenet", "ILSVRC/Data/CLS-LOC/val"),
        ("imagenet", "ILSVRC/Data/CLS-LOC/val/n01751748"),
        ("imagenet-s", "ImageNetS50/validation"),
    ],
)
def test_a_folder_that_may_not_be_read(name, folder, tmp_path, monkeypatch):
    form, real = FORMATS[name](tmp_path), os.scandir

    def scandir(path="."):
        if os.fspath(path) == str(tmp_path / folder):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(BadFile, match="Permission denied") as caught:
        everything(form)
    assert Path(folder).name in str(caught.value)

"""What `test_errors.py` does to data sets to hear what they say: every case is given a folder to break things in.

The files are the fewest that reach the error; whole ones, as they are published, are in `tests/formats/fixtures.py`.
"""

import io
import json
import sys
from types import SimpleNamespace
from unittest.mock import patch
from urllib.error import URLError
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from torchvision.transforms import v2

import pellucid as pl
from pellucid.data import Dataset, Record
from pellucid.data._pictures import opened
from pellucid.data.dsprites import FILE as DSPRITES
from pellucid.data.transforms import Transform
from pellucid.registry import catalog

# --- files ------------------------------------------------------------------------------------------------------------


def written(path, content):
    """Text and bytes as they are; (w, h) a picture; an array a mask; a dict or a list a table, of MATLAB or JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    elif isinstance(content, tuple):
        Image.new("RGB", content, "gray").save(path)
    elif isinstance(content, np.ndarray):
        Image.fromarray(content).save(path)
    elif path.suffix == ".mat":
        savemat(path, content)
    else:
        path.write_text(json.dumps(content), encoding="utf-8")


def zipped(**members):
    """An archive of these bytes, not packed; a double underscore is a slash."""
    content = io.BytesIO()
    with ZipFile(content, "w") as archive:
        for name, member in members.items():
            archive.writestr(name.replace("__", "/") + (".npy" if "__" not in name else ".png"), member)
    return content.getvalue()


def npy(values, rows=None):
    """An array as NumPy keeps it; with rows, its head says that there are so many."""
    content = io.BytesIO()
    head = {"descr": values.dtype.str, "fortran_order": False, "shape": (rows or len(values), *values.shape[1:])}
    np.lib.format.write_array_header_1_0(content, head)
    return content.getvalue() + values.tobytes()


def idx(*shape):
    """Zeros as MNIST keeps them."""
    return bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes() + bytes(int(np.prod(shape)))


def rows(**columns):
    """A struct array of MATLAB."""
    table = np.empty((1, len(next(iter(columns.values())))), dtype=[(name, object) for name in columns])
    for name, values in columns.items():
        table[name][0] = values
    return table


BOX = {"bbox_x1": ["left", "1"], "bbox_y1": [1, 1], "bbox_x2": [8, 8], "bbox_y2": [8, 8], "class": [1, 1]}
WHOLE = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>8</xmax><ymax>8</ymax></bndbox>"


def voc(*lines, box=WHOLE, name="dog"):
    """A picture of VOC and its XML."""
    thing = f"<object><name>{name}</name>{box}</object>"
    return {
        "ImageSets/Main/val.txt": "\n".join(lines or ("a",)),
        "JPEGImages/a.jpg": (8, 8),
        "Annotations/a.xml": f"<annotation>{thing}</annotation>",
    }


def coco(**changes):
    """A picture of COCO with one object."""
    thing = {"id": 5, "image_id": 1, "category_id": 2, "bbox": [0, 0, 4, 4], "area": 16, "segmentation": []}
    found = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": changes.pop("width", 8), "height": 8}],
        "annotations": [thing | {name: changes.pop(name) for name in set(changes) & set(thing)}],
        "categories": [{"id": 2, "name": "dog"}],
    }
    return {"val2017/a.jpg": (8, 8), "annotations/instances_val2017.json": found | changes}


CLASSES = [f"n{number:08d}" for number in range(50)]
IMAGENET_S = {f"validation/{wnid}/a.JPEG": (2, 2) for wnid in CLASSES}
BIRDS = {"images.txt": "1 x/a.jpg\n2 x/b.jpg", "image_class_labels.txt": "1 1\n2 1", "train_test_split.txt": "1 1\n2 1"}
TINY = {"wnids.txt": "n01443537", "words.txt": "n01443537\tgoldfish"}
LATENTS = npy(np.zeros((2, 6), np.int64))
SPRITES = npy(np.ones((2, 64, 64), np.uint8))


def sprites(**members):
    """The archive of dSprites, with what is spoilt of it."""
    return {DSPRITES: zipped(**({"imgs": SPRITES, "latents_classes": LATENTS, "latents_values": LATENTS} | members))}


def spoilt(archive, member=b"IDAT"):
    """With one byte changed in what an archive holds."""
    at = archive.index(member) + len(member)
    return archive[:at] + bytes([archive[at] ^ 255]) + archive[at + 1 :]


def png():
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "png")
    return content.getvalue()


# --- what is asked of them --------------------------------------------------------------------------------------------


def given(folder, name, files=(), /, **knobs):
    """A data set in the folder with these files; a knob that begins with + is a path there."""
    for path, content in dict(files).items():
        written(folder / path, content)
    knobs = {"root": "+"} | knobs if "root" in catalog("datasets")[name].__dataclass_fields__ else knobs
    return catalog("datasets")[name](**{knob: within(folder, value) for knob, value in knobs.items()})


def within(folder, value):
    return str(folder / value[1:]) if isinstance(value, str) and value.startswith("+") else value


def first(name, files=(), **knobs):
    """Its first record is read."""
    return lambda folder: given(folder, name, files, **knobs).take(1)


def numbered(name, files=(), **knobs):
    """Its first record is asked for by number, which a stream's have not."""
    return lambda folder: given(folder, name, files, **knobs)[0]


def named(name, files=(), **knobs):
    """Its classes are asked for."""
    return lambda folder: given(folder, name, files, **knobs).class_names


def subset(files=(), of="digits", **knobs):
    """A subset is drawn."""
    return lambda folder: given(folder, "subset", files, of=Dataset.make(of), **knobs).rows


def renamed(content=None, **knobs):
    """The digits are given other names."""
    files = {} if content is None else {"names.json": content}
    return named("renamed", files, of=Dataset.make("digits"), **({"names": "+names.json"} | knobs))


def moved(transform):
    """A record is moved."""
    return lambda folder: Dataset.make("scenes:size=16")[0].through(transform)


def two_sizes(folder):
    return given(folder, "imagefolder", {"cat/1.png": (8, 8), "cat/2.png": (9, 8)})


def kept(folder, **files):
    """The digits from a cache, some of whose files are replaced."""
    data = given(folder, "cached", of=Dataset.make("subset:first=2@digits"), folder="+kept")
    data.build()
    for name, content in files.items():
        written(next((folder / "kept").glob(f"{name}.*")), content)
    given(folder, "cached", of=data.of, folder="+kept")[0]


def saved(folder, of):
    """A subset of the digits, given to other data."""
    given(folder, "subset", of=Dataset.make("digits"), shots=1).save(folder / "split.json")
    subset(of=of, file="+split.json")(folder)


def strange_rows(folder):
    """A saved subset in which a row was changed."""
    path = given(folder, "subset", of=Dataset.make("digits"), shots=1).save(folder / "split.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rows": [1797]}))
    subset(file="+split.json")(folder)


def refused(folder):
    data = given(folder, "imagefolder", {"cat/1.png": (8, 8)})
    with patch("os.scandir", side_effect=PermissionError(13, "Permission denied", str(folder / "cat"))):
        data.take(1)


def unread(folder):
    data = given(folder, "imagenet", {"val/n01440764/a.JPEG": (8, 8)})
    with patch("os.scandir", side_effect=PermissionError(13, "Permission denied", str(folder / "val"))):
        data.take(1)


def fetched(folder):
    with patch("torchvision.datasets.Food101", side_effect=URLError("Name or service not known")):
        given(folder, "food101", download=True).take(1)


# --- streams ----------------------------------------------------------------------------------------------------------


def instead(package, stand_in, run):
    """Run where an optional package is another, or none; what is imported meanwhile stays."""

    def case(folder):
        with pytest.MonkeyPatch.context() as here:
            here.setitem(sys.modules, package, stand_in)
            run(folder)

    return case


def feature(kind):
    """What the hub says about a column."""
    return type(kind, (), {})()


class Table(list):
    """Rows of the hub, and what it says of their columns."""

    features = {}

    def cast_column(self, *_):
        return self


def hub(run, error=None, rows=(), **columns):
    """Run where the hub has a table with these columns, or says what is wrong."""

    def load(*_, **__):
        if error:
            raise error
        table = Table(rows)
        table.features = columns
        return table

    return instead("datasets", SimpleNamespace(load_dataset=load, Image=lambda **_: None), run)


def shards(sample):
    """A stream of one sample, or of one error."""

    def samples(*_, **__):
        if isinstance(sample, Exception):
            raise sample
        yield {"__key__": "0001", **sample}

    return instead("webdataset", SimpleNamespace(WebDataset=samples), first("wds", path="shard.tar", classes=2))


OF_DATA = {
    # records, batches, transforms
    "a class name that is none": lambda folder: Dataset.make("digits").class_number("tree"),
    "one tensor for pictures of two sizes": lambda folder: two_sizes(folder).images(),
    "one batch for pictures of two sizes": lambda folder: next(
        iter(pl.data.batches(two_sizes(folder), transform=v2.Identity()))),
    "a record by a word": lambda folder: Dataset.make("digits")["3"],
    "rows in a text": lambda folder: Dataset.make("digits").labels("12"),
    "a mask of other rows": lambda folder: Dataset.make("digits").labels([True, False]),
    "rows of a stream": lambda folder: pl.data.batches("hf:ylecun/mnist", rows=[1]),
    "a transform of pictures for a series": lambda folder: pl.data.batches("ecg5000", transform="imagenet"),
    "a dot behind mean and std": lambda folder: next(iter(pl.data.batches(
        "red-dot@scenes:classes=2,size=16", transform=v2.Compose(
            [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.1] * 3), v2.Identity()])))),
    "a part that is empty": subset(of="subset:shots=1@digits", hold=0.5, part="held"),
    "a label out of all proportion": named(
        "csv", {"table.csv": "path,label\na.png,0\nb.png,20240101"}, root="+table.csv"),
    "splits for classes": named("imagefolder", {"train/cat/1.png": (8, 8), "val/cat/1.png": (8, 8)}),
    "batches of nothing": lambda folder: pl.data.batches("digits", batch_size=0),
    "masks without their classes": lambda folder: Record(
        torch.zeros(3, 8, 8), 0, torch.zeros(1, 8, 8) > 0, torch.zeros(2, 4), torch.zeros(2).long()),
    "a transform that is a function": moved(lambda picture: picture),
    "a transform that leaves out boxes": moved(v2.SanitizeBoundingBoxes(labels_getter=None)),
    "a transform of a series": lambda folder: given(
        folder, "ecg5000", {"ECG5000_TRAIN.tsv": "1\t0.5\t0.25"})[0].through(v2.Identity()),
    "mean and std of other channels": lambda folder: Transform.make("imagenet").input(
        torch.zeros(2, 8, 8), Dataset.make("digits")),
    # data sets of data sets
    "a subset of no kind": subset(),
    "a subset of two kinds": subset(first=3, every=2),
    "a subset of kinds that nothing is of": subset(kinds=(10,)),
    "a subset that cannot be balanced": subset(balanced=25),
    "more shots than there are": subset(shots=200),
    "a subset of a stream": subset(of="hf:ylecun/mnist", first=3),
    "a subset where nothing has a label": lambda folder: given(folder, "subset", shots=1, of=given(
        folder, "csv", {"table.csv": "path,label\na.png,"}, root="+table.csv")).rows,
    "a subset from no file": subset(file="+split.json"),
    "a subset from another file": subset({"split.json": "[1, 2"}, file="+split.json"),
    "a subset of other data": lambda folder: saved(folder, "scenes:length=20,size=16"),
    "a subset from a list": subset({"split.json": "[1, 2]"}, file="+split.json"),
    "a subset from a file with strange rows": lambda folder: strange_rows(folder),
    "a cache of a series": lambda folder: Dataset.make("cached@ecg5000"),
    "a cache of other data": lambda folder: (kept(folder), given(
        folder, "cached", of=Dataset.make("digits"), folder="+kept")[0]),
    "a cache that does not say what it is": lambda folder: kept(folder, about="{"),
    "a cache with a damaged file": lambda folder: kept(folder, **{"00000": b"1234"}),
    "noise on a series": lambda folder: Dataset.make("corrupt@ecg5000"),
    "a dot on a series": lambda folder: Dataset.make("red-dot@ecg5000"),
    "a red dot on a class that is none": lambda folder: next(
        iter(pl.data.batches("red-dot:dot=10@digits", rows=[0]))),
    "too few new names": renamed(["one", "two"]),
    "two new names alike": renamed({"one": "two"}),
    "new names that are no JSON": renamed('{"one": '),
    "a new name for no class": renamed({"tree": "a tree"}),
    "new names that are no list": renamed([1, 2]),
    "new names of a table that are no JSON": named(
        "csv", {"table.csv": "path,label\na.png,1", "names.json": "["}, root="+table.csv", names="+names.json"),
    "names of one class scrambled": named("scrambled-names", of=Dataset.make("wds:shard.tar,classes=1")),
    # where the files are
    "a data set without a folder": first("cars", root=None),
    "a data set without a folder that can be fetched": first("cub", root=None),
    "a data set in a folder that is not there": first("cub", root="+nowhere"),
    "a data set that is not in its folder": first("cub"),
    "a data set that is not in its folder and cannot be fetched": first("cars", {"readme.txt": "…"}),
    "a data set that cannot be fetched": first("cars", download=True),
    "a data set that could not be fetched": fetched,
    "no ImageNet": first("imagenet"),
    "no ImageNet-S": first("imagenet-s"),
    "no MNIST": first("mnist"),
    "no SVHN": first("svhn"),
    "no VOC": first("voc"),
    "no COCO": first("coco"),
    "no ECG5000": first("ecg5000"),
    # files of any of them
    "a file of a data set that is not there": first("voc", {"ImageSets/readme.txt": "…"}),
    "a file of a data set that is no text": first("cub", {**BIRDS, "images.txt": b"\xff"}),
    "a line of another length": first("cub", {**BIRDS, "images.txt": "1 x/a.jpg 3"}),
    "a table of a data set that is not there": first("coco", {"images/a.jpg": (8, 8)}),
    "a table of a data set that is damaged": first(
        "coco", {"images/a.jpg": (8, 8), "annotations/instances_val2017.json": "{"}),
    "a split without pictures": first("voc", {**voc(), "ImageSets/Main/val.txt": ""}),
    "more pictures than labels": first("coco", coco(images=[{"id": 1, "file_name": "a.jpg"}] * 2)),
    "a mask of another size": first(
        "csv", {"table.csv": "path,label,mask\na.png,1,m.png", "a.png": (8, 8), "m.png": np.ones((4, 6), np.uint8)},
        root="+table.csv"),
    "a mask that is none": first(
        "csv", {"table.csv": "path,label,mask\na.png,1,m.png", "a.png": (8, 8)}, root="+table.csv"),
    "an object without a box": first("voc", voc(box="")),
    "a box that is no number": first("voc", voc(box="<bndbox><xmin>left</xmin></bndbox>")),
    "a box without a side": first("voc", voc(box="<bndbox><xmax>3</xmax></bndbox>")),
    "outlines of VOC of two sizes": first("voc", voc() | {
        "SegmentationClass/a.png": np.ones((8, 8), np.uint8), "SegmentationObject/a.png": np.ones((4, 6), np.uint8)}),
    "an outline of VOC of another size": first(
        "voc", voc() | {"SegmentationClass/a.png": np.ones((4, 6), np.uint8)}),
    # folders, archives and tables of one's own
    "a folder without folders of pictures": first("imagefolder", {"1.png": (8, 8)}),
    "an empty folder": first("imagefolder"),
    "a file for a folder of pictures": first("imagefolder", {"cats.rar": "…"}, root="+cats.rar"),
    "a folder that may not be read": refused,
    "an archive that is not there": first("imagefolder", root="+cats.zip"),
    "an archive that is gone": lambda folder: opened(folder / "gone.zip"),
    "an archive that is none": first("imagefolder", {"cats.zip": "…"}, root="+cats.zip"),
    "a damaged picture in an archive": first(
        "imagefolder", {"cats.zip": spoilt(zipped(cat__1=png(), dog__1=png()))}, root="+cats.zip"),
    "a picture that is not in its archive": first(
        "csv", {"cats.zip": zipped(cat__1=png()), "table.csv": "path,label\ncat/2.png,1"}, root="+cats.zip",
        file="+table.csv"),
    "no table": first("csv", root=None),
    "a table that is not there": first("csv", root="+table.csv"),
    "a folder for a table": first("csv"),
    "an empty table": first("csv", {"table.csv": ""}, root="+table.csv"),
    "masks of a table of two sizes": first(
        "csv", {"table.csv": "path,label,mask\na.png,1,m.png\na.png,1,n.png", "a.png": (8, 8),
                "m.png": np.ones((8, 8), np.uint8), "n.png": np.ones((4, 6), np.uint8)}, root="+table.csv"),
    "class names of a table that are no names": named(
        "csv", {"table.csv": "path,label\na.png,1", "names.json": [{"id": 1}]}, root="+table.csv", names="+names.json"),
    "a table without labels": first("csv", {"table.csv": "path,class\na.png,1"}, root="+table.csv"),
    "a table without a path": first("csv", {"table.csv": "path,label\na.png,1\n,2"}, root="+table.csv"),
    "a box of three numbers": first("csv", {"table.csv": "path,label,box\na.png,1,3 4 5"}, root="+table.csv"),
    "a picture with two labels": first("csv", {"table.csv": "path,label\na.png,cat\na.png,dog"}, root="+table.csv"),
    "a label that is none of the names": first(
        "csv", {"table.csv": "path,label\na.png,cta", "names.txt": "cat\ndog"}, root="+table.csv", names="+names.txt"),
    # small pictures and series
    "batches of CIFAR that are not there": first("cifar10", {"batches.meta": "…"}),
    "a file of SVHN that is another": first("svhn", {"train_32x32.mat": b"1234"}),
    "pictures of MNIST that are not there": first("mnist", {"train-labels-idx1-ubyte": idx(2)}),
    "a file of MNIST that is none": first("mnist", {"train-labels-idx1-ubyte": idx(2), "train-images-idx3-ubyte": "…"}),
    "a file of MNIST that is cut off": first(
        "mnist", {"train-labels-idx1-ubyte": idx(2), "train-images-idx3-ubyte": idx(2, 28, 28)[:-1]}),
    "a file of MNIST that is another": first(
        "mnist", {"train-labels-idx1-ubyte": idx(2), "train-images-idx3-ubyte": idx(2)}),
    "more pictures of MNIST than labels": first(
        "mnist", {"train-labels-idx1-ubyte": idx(2), "train-images-idx3-ubyte": idx(3, 28, 28)}),
    "sprites without factors": first("dsprites", sprites(latents_values=b"1234")),
    "sprites that are not there": first("dsprites", sprites(imgs=b"1234")),
    "more sprites than factors": lambda folder: given(
        folder, "dsprites", sprites(imgs=npy(np.ones((3, 64, 64), np.uint8)))).masks([0]),
    "sprites of another size": first("dsprites", sprites(imgs=npy(np.zeros((2, 5, 5), np.uint8)))),
    "sprites that are damaged": first("dsprites", {DSPRITES: spoilt(sprites()[DSPRITES], bytes([1, 1]))}),
    "sprites that are cut off": first("dsprites", sprites(imgs=npy(np.zeros((1, 64, 64), np.uint8), rows=2))),
    "a heartbeat that is none": first("ecg5000", {"ECG5000_TRAIN.tsv": "1\t0.5\tfast"}),
    "heartbeats of one length for training and of another for testing": first(
        "ecg5000", {"ECG5000_TRAIN.tsv": "1\t0.5\t1", "ECG5000_TEST.tsv": "1\t0.5"}, split="all"),
    "heartbeats of two lengths": first("ecg5000", {"ECG5000_TRAIN.tsv": "1\t0.5\t1\n2\t0.5"}),
    "a heartbeat of no kind": first("ecg5000", {"ECG5000_TRAIN.tsv": "6\t0.5"}),
    "no heartbeats": first("ecg5000", {"ECG5000_TRAIN.ts": "@data"}),
    # ImageNet and its relatives
    "boxes of ImageNet that are not there": first(
        "imagenet", {"val/n01440764/a.JPEG": (8, 8)}, boxes="+nowhere"),
    "a flat folder of ImageNet without labels": first("imagenet", {"val/a.JPEG": (8, 8)}),
    "a picture of ImageNet without a line": first("imagenet", {
        "val/a.JPEG": (8, 8), "LOC_val_solution.csv": "ImageId,PredictionString\nb,n01440764 1 2 3 4"}),
    "a folder of ImageNet that may not be read": unread,
    "no folder of an ImageNet class": first("imagenet", {"val/cat/a.JPEG": (8, 8), "val/dog/a.JPEG": (8, 8)}),
    "a devkit with fewer labels than pictures": first("imagenet", {
        "val/ILSVRC2012_val_00000001.JPEG": (8, 8), "val/ILSVRC2012_val_00000002.JPEG": (8, 8),
        "data/ILSVRC2012_validation_ground_truth.txt": "1",
        "data/meta.mat": {"synsets": rows(ILSVRC2012_ID=[1, 2], WNID=["n01440764", "n01443537"])}}),
    "no list of classes": named("imagenet100"),
    "a class that is none of ImageNet's": named("imagenet100", {"list.txt": "n01440764\nn00000001"}, list="+list.txt"),
    "ImageNet-S of another size": first("imagenet-s", {"validation/n01440764/a.JPEG": (8, 8)}),
    "a mask of ImageNet-S without colours": first("imagenet-s", IMAGENET_S | {
        f"validation-segmentation/{CLASSES[0]}/a.png": np.zeros((2, 2), np.uint8)}),
    "an id of ImageNet-S that is none": first("imagenet-s", IMAGENET_S | {
        f"validation-segmentation/{CLASSES[0]}/a.png": np.full((2, 2, 3), (60, 0, 0), np.uint8)}),
    "a class of Tiny ImageNet without a name": named("tiny-imagenet", {**TINY, "words.txt": "n00000000\tx"}),
    "a picture of Tiny ImageNet of no class": first(
        "tiny-imagenet", {**TINY, "val/val_annotations.txt": "val_0.JPEG n00000001 0 0 9 9"}),
    "a box of Tiny ImageNet that is none": first(
        "tiny-imagenet", {**TINY, "val/val_annotations.txt": "val_0.JPEG n01443537 0 0 9 x"}),
    # photographs
    "a bird without a label": first("cub", {**BIRDS, "image_class_labels.txt": "1 1"}),
    "a bird whose label is a word": first("cub", {**BIRDS, "image_class_labels.txt": "1 one\n2 1"}),
    "a bird whose box has a word": first(
        "cub", {**BIRDS, "bounding_boxes.txt": "1 a 2 3 4\n2 1 2 3 4", "images/x/a.jpg": (8, 8)}),
    "a bird with a part too many": first(
        "cub", {**BIRDS, "parts/part_locs.txt": "1 16 2.0 3.0 1", "images/x/a.jpg": (8, 8)}),
    "a bird of no split": first("cub", {**BIRDS, "train_test_split.txt": "1 1"}),
    "an aircraft of no variant": first("aircraft", {
        "images/readme.txt": "…", "variants.txt": "707-320", "images_variant_trainval.txt": "1025794 707-32O"}),
    "cars without labels": first(
        "cars", {"devkit/cars_test_annos.mat": {}, "cars_test_annos_withlabels.mat": {
            "annotations": rows(bbox_x1=[1, 1], fname=["a.jpg", "b.jpg"])}}, split="test"),
    "a car whose box is none": first("cars", {
        "devkit/cars_train_annos.mat": {"annotations": rows(**BOX, fname=["a.jpg", "b.jpg"])},
        "cars_train/a.jpg": (8, 8)}),
    "a flower without a label": first("flowers102", {
        "imagelabels.mat": {"labels": np.ones((1, 2))}, "setid.mat": {"trnid": [[1]], "valid": [[3]], "tstid": [[2]]}}),
    "food that is no table": first("food101", {"images/readme.txt": "…", "meta/train.json": ["churros/1"]}),
    "a pet whose trimap has colours": first("pets", {
        "images/Abyssinian_100.jpg": (8, 8), "annotations/trainval.txt": "Abyssinian_100 1 1 1",
        "annotations/trimaps/Abyssinian_100.png": np.ones((8, 8, 3), np.uint8)}),
    "a pet of another breed": first(
        "pets", {"images/readme.txt": "…", "annotations/trainval.txt": "Abyssinian_100 2 1 1"}),
    "an object of VOC of no class": first("voc", voc(name="dogs")),
    "captions for COCO": first("coco", {"images/a.jpg": (8, 8), "annotations/instances_val2017.json": {
        "images": [], "annotations": []}}),
    "an object of COCO without a box": first("coco", coco(bbox=None)),
    "an object of COCO of no category": first("coco", coco(category_id=3)),
    "a picture of COCO of another size": first("coco", coco(width=9)),
    "an outline of COCO that is broken": first("coco", coco(segmentation={"counts": [60], "size": [8, 8]})),
    "an outline of COCO of another size": first("coco", coco(segmentation={"counts": [36], "size": [4, 9]})),
    # streams
    "no package for the hub": instead("datasets", None, first("hf", path="ylecun/mnist")),
    "a name that the hub does not know": hub(
        first("hf", path="ylecun/mnits"), error=FileNotFoundError("Dataset 'ylecun/mnits' doesn't exist on the Hub.")),
    "a record of the hub by number": numbered("hf", path="ylecun/mnist"),
    "a column of the hub that is none": hub(
        named("hf", path="ylecun/mnist", columns=("picture", "label")), pictures=feature("Image")),
    "no column of pictures": hub(named("hf", path="imdb"), label=feature("Value")),
    "labels of the hub without names": hub(
        named("hf", path="photos"), image=feature("Image"), label=feature("Value")),
    "a label of the hub that is a word": hub(
        first("hf", path="photos"), rows=[{"image": 1, "label": "cat"}],
        image=feature("Image"), label=feature("Value")),
    "a picture of the hub that is none": hub(
        first("hf", path="photos", columns=("image", "label")),
        rows=[{"image": {"bytes": b"x", "path": None}, "label": 1}], image=feature("Picture"), label=feature("Value")),
    "no package for shards": instead("webdataset", None, first("wds", path="shard.tar")),
    "shards without class names": named("wds", path="shard.tar"),
    "shards that are not there": shards(FileNotFoundError(2, "No such file or directory", "shard.tar")),
    "a sample without a picture": shards({"cls": b"1", "txt": b"a cat"}),
    "a sample whose label is none": shards({"png": png(), "cls": b"cat"}),
}  # fmt: skip

"""Tiny data sets, each in the files, the names and the number types in which the real one is published."""

import gzip
import hashlib
import io
import json
import pickle
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

from pellucid.data.cub import PARTS
from pellucid.knobs import write

LITERALS = Path(__file__).parent / "literals"  # real files, whole
SMALL_SCENES = "scenes:length=8,size=16,classes=3"
WNIDS_50 = [  # LUSSeg/ImageNet-S, data/names/ImageNetSemi_im50_train.txt
    "n01443537", "n01491361", "n01531178", "n01644373", "n02104029", "n02119022", "n02123597", "n02133161", "n02165456",
    "n02281406", "n02325366", "n02342885", "n02396427", "n02483362", "n02504458", "n02510455", "n02690373", "n02747177",
    "n02783161", "n02814533", "n02859443", "n02917067", "n02992529", "n03014705", "n03047690", "n03095699", "n03197337",
    "n03201208", "n03445777", "n03452741", "n03584829", "n03630383", "n03775546", "n03791053", "n03874599", "n03891251",
    "n04026417", "n04335435", "n04380533", "n04404412", "n04447861", "n04507155", "n04522168", "n04557648", "n04562935",
    "n04612504", "n06794110", "n07749582", "n07831146", "n12998815",
]  # fmt: skip


# --- pieces --------------------------------------------------------------------------------------------------------


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


def grey(path: Path, levels) -> Path:
    Image.fromarray(np.asarray(levels, dtype=np.uint8)).save(made(path))
    return path


def palette(path: Path, levels) -> Path:
    """A PNG of indices, as VOC's masks are."""
    image = Image.fromarray(np.asarray(levels, dtype=np.uint8), "P")
    image.putpalette([x * 37 % 256 for x in range(768)])
    image.save(made(path))
    return path


def mat(path: Path, **variables) -> Path:
    savemat(made(path), variables)
    return path


def struct(**columns: list) -> np.ndarray:
    """A struct array of MATLAB, one row high."""
    rows = np.empty((1, len(next(iter(columns.values())))), dtype=[(name, object) for name in columns])
    for name, values in columns.items():
        rows[name][0] = values
    return rows


def cells(words: list[str]) -> np.ndarray:
    """A cell array of MATLAB, one row high."""
    return np.array([words], dtype=object)


def idx(path: Path, values) -> Path:
    values = np.asarray(values, dtype=np.uint8)
    content = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()
    made(path).write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def pickled(path: Path, content: dict) -> Path:
    made(path).write_bytes(pickle.dumps(content, protocol=2))
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


def sums(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """CIFAR and SVHN are opened only where their MD5 is the published one: from here on that of the files here is."""
    found = {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}
    for reader in (datasets.CIFAR10, datasets.CIFAR100):
        for name in ("train_list", "test_list"):
            monkeypatch.setattr(reader, name, [[f, found.get(f, md5)] for f, md5 in getattr(reader, name)])
        monkeypatch.setattr(reader, "meta", reader.meta | {"md5": found.get(reader.meta["filename"])})
    known = {split: [url, f, found.get(f, md5)] for split, (url, f, md5) in datasets.SVHN.split_list.items()}
    monkeypatch.setattr(datasets.SVHN, "split_list", known)


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


# --- arrays --------------------------------------------------------------------------------------------------------


def rows_of(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


def cifar10(folder: Path) -> str:
    top = folder / "cifar-10-batches-py"
    for number in range(1, 6):
        about = {"batch_label": f"training batch {number} of 5", "filenames": ["a.png"]}
        pickled(top / f"data_batch_{number}", {**about, "labels": [number], "data": rows_of(number, 3072)[:1]})
    about = {"batch_label": "testing batch 1 of 1", "filenames": ["b.png", "c.png"]}
    pickled(top / "test_batch", {**about, "labels": [3, 9], "data": rows_of(2, 3072)})
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    pickled(top / "batches.meta", {"num_cases_per_batch": 1, "label_names": names, "num_vis": 3072})
    return f"cifar10:root={at(folder)}"


def cifar100(folder: Path) -> str:
    top = folder / "cifar-100-python"
    for name, labels in (("train", [19, 29, 0]), ("test", [49, 33])):
        count = len(labels)
        about = {"batch_label": f"{name}ing batch 1 of 1", "filenames": ["a.png"] * count, "coarse_labels": [1] * count}
        pickled(top / name, {**about, "fine_labels": labels, "data": rows_of(count, 3072)})
    pickled(top / "meta", {"fine_label_names": ["apple", "aquarium_fish"], "coarse_label_names": ["fish"]})
    return f"cifar100:root={at(folder)}"


def svhn(folder: Path) -> str:
    for split in ("train", "test"):
        y = np.array([[1], [10], [5], [9]], dtype=np.uint8)
        mat(folder / f"{split}_32x32.mat", X=rows_of(4, 32, 32, 3).transpose(1, 2, 3, 0), y=y)
    return f"svhn:root={at(folder)}"


def mnist(folder: Path) -> str:
    for start in ("train", "t10k"):
        idx(folder / "MNIST" / "raw" / f"{start}-images-idx3-ubyte", rows_of(4, 28, 28))
        idx(folder / "MNIST" / "raw" / f"{start}-labels-idx1-ubyte", [7, 2, 1, 0])
    return f"mnist:root={at(folder)}"


def fashion_mnist(folder: Path) -> str:
    for start in ("train", "t10k"):
        idx(folder / f"{start}-images-idx3-ubyte.gz", rows_of(3, 28, 28))
        idx(folder / f"{start}-labels-idx1-ubyte.gz", [9, 0, 3])
    return f"fashion-mnist:root={at(folder)}"


def ecg5000(folder: Path) -> str:
    beat = 3 * np.sin(np.arange(140) / 20)
    for part, labels in (("TRAIN", (1, 2, 5)), ("TEST", (1, 3, 4))):
        text(
            folder / f"ECG5000_{part}.tsv",
            *("\t".join([str(label), *(f"{x * label:.8g}" for x in beat)]) for label in labels),
        )
    return f"ecg5000:root={at(folder)}"


def dsprites(folder: Path) -> str:
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


# --- ImageNet and its relatives ------------------------------------------------------------------------------------


def imagenet(folder: Path) -> str:
    """Kaggle's tree, the validation pictures sorted into folders, as most people have it."""
    top = folder / "ILSVRC"
    for number, wnid, w, h in ((1, "n01751748", 40, 30), (2, "n09193705", 32, 24), (3, "n01751748", 24, 36)):
        name = f"ILSVRC2012_val_{number:08d}"
        photo(top / "Data" / "CLS-LOC" / "val" / wnid / f"{name}.JPEG", w, h)
        xml(top / "Annotations" / "CLS-LOC" / "val" / f"{name}.xml", w, h, (wnid, 0, 3, 2, 20, 18))
    return f"imagenet:root={at(folder)}"


def imagenet100(folder: Path) -> str:
    """Kaggle's flat validation folder, and a list of three classes that is not sorted."""
    top = folder / "ILSVRC" / "Data" / "CLS-LOC"
    rows = (("00048981", "n03995372", 40, 30), ("00037956", "n03481172", 32, 24), ("00026161", "n02108000", 24, 36))
    for number, _, w, h in rows:
        photo(top / "val" / f"ILSVRC2012_val_{number}.JPEG", w, h)
    (top / "train").mkdir()
    table = (f"ILSVRC2012_val_{number},{wnid} 5 1 20 18 " for number, wnid, _, _ in rows)
    text(folder / "LOC_val_solution.csv", "ImageId,PredictionString", *table)
    text(folder / "list.txt", "n03995372", "n02108000", "n03481172")
    return f"imagenet100:root={at(folder)},list={at(folder / 'list.txt')}"


def imagenet_s(folder: Path) -> str:
    top = folder / "ImageNetS50"
    for wnid in WNIDS_50:
        (top / "validation" / wnid).mkdir(parents=True)
    for number, at_, w, h in ((236, 0, 32, 24), (262, 0, 20, 28), (293, 49, 40, 20)):
        name = f"{WNIDS_50[at_]}/ILSVRC2012_val_{number:08d}"
        photo(top / "validation" / f"{name}.JPEG", w, h)
        rgb = np.zeros((h, w, 3))
        rgb[2:9, 3:9] = (at_ + 1, 0, 0)
        rgb[9, 3:9] = (232, 3, 0)
        grey(top / "validation-segmentation" / f"{name}.png", rgb)
    return f"imagenet-s:root={at(folder)}"


def tiny_imagenet(folder: Path) -> str:
    top = folder / "tiny-imagenet-200"
    text(top / "wnids.txt", "n03444034", "n02124075", "n04067472")
    text(top / "words.txt", "n00001740\tentity", "n02124075\tEgyptian cat", "n03444034\tgo-kart", "n04067472\treel")
    rows = ("val_0.JPEG\tn03444034\t0\t32\t44\t62", "val_1.JPEG\tn04067472\t52\t55\t57\t59")
    text(top / "val" / "val_annotations.txt", *rows)
    for row in rows:
        photo(top / "val" / "images" / row.split("\t")[0], 64, 64)
    for wnid in ("n03444034", "n02124075", "n04067472"):
        text(top / "train" / wnid / f"{wnid}_boxes.txt", f"{wnid}_0.JPEG\t0\t10\t63\t58")
        photo(top / "train" / wnid / "images" / f"{wnid}_0.JPEG", 64, 64)
    return f"tiny-imagenet:root={at(folder)}"


# --- one object a picture ------------------------------------------------------------------------------------------


def cub(folder: Path) -> str:
    top = folder / "CUB_200_2011"
    files = (
        ("001.Black_footed_Albatross/Black_Footed_Albatross_0046_18", 1, 0, 32, 24),
        ("001.Black_footed_Albatross/Black_Footed_Albatross_0009_34", 1, 1, 24, 30),
        ("002.Laysan_Albatross/Laysan_Albatross_0002_1027", 2, 1, 40, 20),
        ("003.Sooty_Albatross/Sooty_Albatross_0001_796381", 3, 0, 28, 28),
    )
    for name, _, _, w, h in files:
        photo(top / "images" / f"{name}.jpg", w, h)
        levels = np.zeros((h, w))
        levels[4:14, 5:16] = 255
        levels[14, 5:16] = 102
        grey(folder / "segmentations" / f"{name}.png", levels)
    n = range(1, 5)
    text(top / "images.txt", *(f"{i} {files[i - 1][0]}.jpg" for i in n))
    text(top / "classes.txt", "1 001.Black_footed_Albatross", "2 002.Laysan_Albatross", "3 003.Sooty_Albatross")
    text(top / "image_class_labels.txt", *(f"{i} {files[i - 1][1]}" for i in n))
    text(top / "train_test_split.txt", *(f"{i} {files[i - 1][2]}" for i in n))
    text(top / "bounding_boxes.txt", *(f"{i} 5.0 4.0 11.0 10.0" for i in n))
    parts = (f"{i} {p} 6.0 7.0 1" if (i + p) % 2 else f"{i} {p} 0.0 0.0 0" for i in n for p in range(1, 16))
    text(top / "parts" / "part_locs.txt", *parts)
    text(top / "parts" / "parts.txt", *(f"{i} {name.replace(' ', '_')}" for i, name in enumerate(PARTS, 1)))
    return f"cub:root={at(folder)},split=all"


def aircraft(folder: Path) -> str:
    top = folder / "fgvc-aircraft-2013b" / "data"
    for name, w, h in (("1025794", 48, 60), ("1340192", 40, 50), ("0209554", 44, 55)):
        photo(top / "images" / f"{name}.jpg", w, h)
    text(top / "images_box.txt", "1025794 3 14 40 38", "1340192 1 1 40 30", "0209554 0 4 44 31")
    for level, names in (
        ("variant", ("707-320", "707-320", "737-200")),
        ("family", ("Boeing 707", "Boeing 707", "Boeing 737")),
        ("manufacturer", ("Boeing", "Boeing", "Boeing")),
    ):
        rows = [f"{file} {name}" for file, name in zip(("1025794", "1340192", "0209554"), names, strict=True)]
        text(top / f"images_{level}_train.txt", *rows[:2])
        text(top / f"images_{level}_val.txt", rows[2])
        text(top / f"images_{level}_trainval.txt", *rows)
    text(top / "variants.txt", "707-320", "727-200", "737-200")
    text(top / "families.txt", "Boeing 707", "Boeing 727", "Boeing 737")
    text(top / "manufacturers.txt", "Airbus", "Boeing")
    return f"aircraft:root={at(folder)}"


def cars(folder: Path) -> str:
    top = folder / "stanford_cars"
    files = ["00001.jpg", "00002.jpg", "00003.jpg"]
    for name, w, h in zip(files, (60, 32, 24), (40, 24, 30), strict=True):
        photo(top / "cars_train" / name, w, h)
        photo(top / "cars_test" / name, w, h)
    box = {"bbox_x1": [5, 1, 2], "bbox_y1": [6, 1, 3], "bbox_x2": [55, 32, 20], "bbox_y2": [36, 24, 30]}
    labelled = {**box, "class": [2, 1, 3], "fname": files}
    mat(top / "devkit" / "cars_train_annos.mat", annotations=struct(**labelled))
    mat(top / "devkit" / "cars_test_annos.mat", annotations=struct(**box, fname=files))
    mat(top / "cars_test_annos_withlabels.mat", annotations=struct(**labelled))
    names = ["AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Acura TL Sedan 2012"]
    mat(top / "devkit" / "cars_meta.mat", class_names=cells(names))
    return f"cars:root={at(folder)}"


def flowers102(folder: Path) -> str:
    top = folder / "flowers-102"
    for number in range(1, 7):
        photo(top / "jpg" / f"image_{number:05d}.jpg", 24 + number, 30)
    mat(top / "imagelabels.mat", labels=np.array([[77, 77, 1, 1, 102, 102]], np.uint8))
    sets = {"trnid": [[3, 1]], "valid": [[5, 2]], "tstid": [[6, 4]]}
    mat(top / "setid.mat", **{name: np.array(ids, np.uint16) for name, ids in sets.items()})
    return f"flowers102:root={at(folder)}"


def food101(folder: Path) -> str:
    top = folder / "food-101"
    files = {"prime_rib": ["prime_rib/1005"], "churros": ["churros/1004234", "churros/1013460"]}
    for name in ("churros/1004234", "churros/1013460", "prime_rib/1005", "churros/1016791"):
        photo(top / "images" / f"{name}.jpg", 24 + len(name), 30)
    text(top / "meta" / "train.json", json.dumps(files))
    text(top / "meta" / "test.json", json.dumps({"prime_rib": [], "churros": ["churros/1016791"]}))
    text(top / "meta" / "classes.txt", "churros", "prime_rib")
    text(top / "meta" / "labels.txt", "Churros", "Prime rib")
    return f"food101:root={at(folder)}"


def pets(folder: Path) -> str:
    top = folder / "oxford-iiit-pet"
    rows = (
        ("Abyssinian_100 1 1 1", 32, 24),
        ("american_bulldog_100 2 2 1", 24, 30),
        ("basset_hound_126 4 2 3", 40, 20),
    )
    text(top / "annotations" / "trainval.txt", *(row for row, _, _ in rows))
    text(top / "annotations" / "test.txt", "Abyssinian_204 1 1 1")
    for row, w, h in (*rows, ("Abyssinian_204", 32, 32)):
        name = row.split()[0]
        photo(top / "images" / f"{name}.jpg", w, h)
        trimap = np.full((h, w), 2)
        trimap[3:13, 4:18] = 3
        trimap[4:12, 5:17] = 1
        grey(top / "annotations" / "trimaps" / f"{name}.png", trimap)
    xml(top / "annotations" / "xmls" / "Abyssinian_100.xml", 32, 24, ("cat", 0, 7, 5, 15, 10))
    return f"pets:root={at(folder)}"


# --- many objects a picture ----------------------------------------------------------------------------------------


def voc(folder: Path) -> str:
    top = folder / "VOCdevkit" / "VOC2012"
    files = (("2007_000027", 32, 24), ("2008_000002", 24, 30), ("2008_000003", 40, 20))
    for name, w, h in files:
        photo(top / "JPEGImages" / f"{name}.jpg", w, h)
    xml(top / "Annotations" / "2007_000027.xml", 32, 24, ("person", 0, 3, 4, 12, 20), ("dog", 1, 15, 6, 32, 24))
    xml(top / "Annotations" / "2008_000002.xml", 24, 30, ("tvmonitor", 0, 1, 1, 24, 30))
    xml(top / "Annotations" / "2008_000003.xml", 40, 20)
    things = np.zeros((24, 32))
    things[3:20, 2:12] = 1
    things[5:24, 14:32] = 2
    things[3:20, 11] = 255
    palette(top / "SegmentationObject" / "2007_000027.png", things)
    kinds = np.select([things == 1, things == 2, things == 255], [15, 12, 255])
    palette(top / "SegmentationClass" / "2007_000027.png", kinds)
    text(top / "ImageSets" / "Main" / "val.txt", *(name for name, _, _ in files))
    text(top / "ImageSets" / "Segmentation" / "val.txt", "2007_000027")
    return f"voc:root={at(folder)}"


def coco(folder: Path) -> str:
    sizes = ((139, 40, 30), (285, 24, 36), (632, 32, 24))
    images = [{"license": 4, "file_name": f"{n:012d}.jpg", "height": h, "width": w, "id": n} for n, w, h in sizes]
    for n, w, h in sizes:
        photo(folder / "val2017" / f"{n:012d}.jpg", w, h)
    thing = {"iscrowd": 0, "image_id": 139, "area": 30, "category_id": 18}
    square = [2, 3, 7, 3, 7, 9, 2, 9]
    annotations = [
        {**thing, "id": 1768, "bbox": [2, 3, 5, 6], "segmentation": [square]},
        {**thing, "id": 1769, "bbox": [10, 10, 20, 15], "segmentation": [], "area": 300, "category_id": 90},
        {**thing, "id": 900100000285, "image_id": 285, "iscrowd": 1, "bbox": [0, 0, 2, 36], "category_id": 1}
        | {"segmentation": {"counts": [0, 72, 792], "size": [36, 24]}},
    ]
    names = ((1, "person"), (18, "dog"), (90, "toothbrush"))
    found = {"images": images, "annotations": annotations, "categories": [{"id": i, "name": name} for i, name in names]}
    text(folder / "annotations" / "instances_val2017.json", json.dumps({"info": {}, "licenses": []} | found))
    return f"coco:root={at(folder)}"


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


FORMATS: dict[str, Callable[[Path], str]] = {
    make.__name__.replace("_", "-"): make
    for make in (
        imagefolder, csv, cifar10, cifar100, svhn, mnist, fashion_mnist, imagenet, imagenet_s, imagenet100,
        tiny_imagenet, cub, aircraft, cars, flowers102, food101, pets, voc, coco, ecg5000, dsprites, hf, wds,
        cached, subset, red_dot, scrambled_names, corrupt, renamed,
    )
}  # fmt: skip

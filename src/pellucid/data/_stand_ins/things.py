"""Photographs of one thing each: birds, planes, cars, flowers, dishes, pets."""

import json
from pathlib import Path

import numpy as np

from pellucid.data._stand_ins.files import at, cells, filled, grey, mat, photo, struct, text, xml
from pellucid.data.cub import PARTS


def cub(folder: Path, whole: bool = True) -> str:
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
    kinds = ["001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross"]
    kinds = filled(kinds, 200, whole, "{0:03d}.Kind_{0}")
    text(top / "classes.txt", *(f"{i} {kind}" for i, kind in enumerate(kinds, 1)))
    text(top / "image_class_labels.txt", *(f"{i} {files[i - 1][1]}" for i in n))
    text(top / "train_test_split.txt", *(f"{i} {files[i - 1][2]}" for i in n))
    text(top / "bounding_boxes.txt", *(f"{i} 5.0 4.0 11.0 10.0" for i in n))
    parts = (f"{i} {p} 6.0 7.0 1" if (i + p) % 2 else f"{i} {p} 0.0 0.0 0" for i in n for p in range(1, 16))
    text(top / "parts" / "part_locs.txt", *parts)
    text(top / "parts" / "parts.txt", *(f"{i} {name.replace(' ', '_')}" for i, name in enumerate(PARTS, 1)))
    return f"cub:root={at(folder)},split=all"


def aircraft(folder: Path, whole: bool = True) -> str:
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
        if whole:
            text(top / f"images_{level}_test.txt", *rows[1:])
    text(top / "variants.txt", *filled(["707-320", "727-200", "737-200"], 100, whole))
    text(top / "families.txt", *filled(["Boeing 707", "Boeing 727", "Boeing 737"], 70, whole))
    text(top / "manufacturers.txt", *filled(["Airbus", "Boeing"], 30, whole))
    return f"aircraft:root={at(folder)}"


def cars(folder: Path, whole: bool = True) -> str:
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
    mat(top / "devkit" / "cars_meta.mat", class_names=cells(filled(names, 196, whole)))
    return f"cars:root={at(folder)}"


def flowers102(folder: Path, whole: bool = True) -> str:
    top = folder / "flowers-102"
    for number in range(1, 7):
        photo(top / "jpg" / f"image_{number:05d}.jpg", 24 + number, 30)
    mat(top / "imagelabels.mat", labels=np.array([[77, 77, 1, 1, 102, 102]], np.uint8))
    sets = {"trnid": [[3, 1]], "valid": [[5, 2]], "tstid": [[6, 4]]}
    mat(top / "setid.mat", **{name: np.array(ids, np.uint16) for name, ids in sets.items()})
    return f"flowers102:root={at(folder)}"


def food101(folder: Path, whole: bool = True) -> str:
    top = folder / "food-101"
    files = {"prime_rib": ["prime_rib/1005"], "churros": ["churros/1004234", "churros/1013460"]}
    for name in ("churros/1004234", "churros/1013460", "prime_rib/1005", "churros/1016791"):
        photo(top / "images" / f"{name}.jpg", 24 + len(name), 30)
    seen = {"prime_rib": ["prime_rib/1006"] if whole else [], "churros": ["churros/1016791"]}
    if whole:
        photo(top / "images" / "prime_rib" / "1006.jpg")
    others = filled([*files], 101, whole, "kind_{}")[2:]
    empty: dict[str, list[str]] = {name: [] for name in others}
    text(top / "meta" / "train.json", json.dumps(files | empty))
    text(top / "meta" / "test.json", json.dumps(seen | empty))
    text(top / "meta" / "classes.txt", "churros", *others, "prime_rib")
    text(top / "meta" / "labels.txt", "Churros", *(name.replace("_", " ") for name in others), "Prime rib")
    return f"food101:root={at(folder)}"


def pets(folder: Path, whole: bool = True) -> str:
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

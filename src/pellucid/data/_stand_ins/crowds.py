"""Photographs of many things."""

import json
from pathlib import Path

import numpy as np

from pellucid.data._stand_ins.files import at, palette, photo, text, xml

GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)  # no category of COCO has these numbers


def voc(folder: Path, whole: bool = True) -> str:
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
    for split in ("val", "train", "trainval") if whole else ("val",):
        text(top / "ImageSets" / "Main" / f"{split}.txt", *(name for name, _, _ in files))
    text(top / "ImageSets" / "Segmentation" / "val.txt", "2007_000027")
    return f"voc:root={at(folder)}"


def coco(folder: Path, whole: bool = True) -> str:
    _coco(folder, 2017, "val", whole)
    for year, split in ((2017, "train"), (2014, "train"), (2014, "val")) if whole else ():
        _coco(folder, year, split, whole)
    return f"coco:root={at(folder)}"


def _coco(folder: Path, year: int, split: str, whole: bool) -> None:
    """The pictures of one split, and their file of instances."""
    start = f"COCO_{split}{year}_" if year == 2014 else ""
    sizes = (
        (139, 40, 30),
        (285, 24, 36),
        (632, 32, 24),
        *(((724, 30, 30), (785, 32, 24), (872, 24, 32)) if whole else ()),
    )
    images = [
        {"license": 4, "file_name": f"{start}{n:012d}.jpg", "height": h, "width": w, "id": n} for n, w, h in sizes
    ]
    for n, w, h in sizes:
        photo(folder / f"{split}{year}" / f"{start}{n:012d}.jpg", w, h)
    thing = {"iscrowd": 0, "image_id": 139, "area": 30, "category_id": 18}
    square = [2, 3, 7, 3, 7, 9, 2, 9]
    annotations = [
        {**thing, "id": 1768, "bbox": [2, 3, 5, 6], "segmentation": [square]},
        {**thing, "id": 1769, "bbox": [10, 10, 20, 15], "segmentation": [], "area": 300, "category_id": 90},
        {**thing, "id": 900100000285, "image_id": 285, "iscrowd": 1, "bbox": [0, 0, 2, 36], "category_id": 1}
        | {"segmentation": {"counts": [0, 72, 792], "size": [36, 24]}},
    ]
    if whole:
        for number, image, category in ((1770, 724, 90), (1771, 785, 18), (1772, 872, 18)):  # two of a class
            more = {"id": number, "image_id": image, "category_id": category, "bbox": [2, 3, 5, 6]}
            annotations.append({**thing, **more, "segmentation": [square]})
    names = {1: "person", 18: "dog", 90: "toothbrush"}
    others = [n for n in range(1, 91) if n not in (*names, *GAPS)] if whole else []
    named = [{"id": n, "name": name} for n, name in (names | {n: f"kind {n}" for n in others}).items()]
    found = {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": named}
    text(folder / "annotations" / f"instances_{split}{year}.json", json.dumps(found))

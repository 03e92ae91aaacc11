"""VOC and COCO, several objects a picture: whole files of theirs, read by hand and by us."""

import json

import numpy as np
import pytest

from pellucid.data import Dataset
from pellucid.data._stand_ins.files import at, palette, text
from tests.formats.fixtures import LITERALS, blank

# --- VOC (sources: literals/sources.txt) ---------------------------------------------------------------------------


@pytest.fixture
def voc(tmp_path):
    """The folder of a year."""

    def made(year, **files):
        top = tmp_path / "VOCdevkit" / f"VOC{year}"
        for name, size in files.items():
            file = name.removeprefix("_")
            text(top / "Annotations" / f"{file}.xml", (LITERALS / f"{file}.xml").read_text())
            blank(top / "JPEGImages" / f"{file}.jpg", *size)
        text(top / "ImageSets/Main/val.txt", *(name.removeprefix("_") for name in files))
        return top

    return made


def test_two_objects(voc, tmp_path):
    voc(2007, _000001=(353, 500))
    data = Dataset.make(f"voc:root={at(tmp_path)},year=2007")
    record = data[0]
    assert record.boxes.tolist() == [[47, 239, 195, 371], [7, 11, 352, 498]]
    assert record.classes.tolist() == [11, 14]
    assert [data.class_names[c] for c in (11, 14)] == ["dog", "person"]
    assert record.difficult.tolist() == [False, False]
    assert record.ids.tolist() == [0, 1]
    assert (record.label, data.label(0)) == (14, 14)  # the larger one
    assert record.present == (11, 14)
    assert record.facts == {"file": "JPEGImages/000001.jpg"}


def test_difficult_objects(voc, tmp_path):
    voc(2007, _000005=(500, 375))
    record = Dataset.make(f"voc:root={at(tmp_path)},year=2007")[0]
    assert record.boxes.tolist() == [
        [262, 210, 324, 339],
        [164, 263, 253, 372],
        [4, 243, 67, 374],
        [240, 193, 295, 299],
        [276, 185, 312, 220],
    ]
    assert record.difficult.tolist() == [False, False, True, False, True]
    assert record.classes.tolist() == [8] * 5
    assert record.label == 8


def test_parts_are_no_objects_and_the_order_of_tags_is_free(voc, tmp_path):
    voc(2012, _2007_000027=(486, 500), _2008_000008=(500, 442))
    data = Dataset.make(f"voc:root={at(tmp_path)}")
    assert [r.boxes.tolist() for r in data] == [
        [[173, 100, 349, 351]],
        [[52, 86, 471, 420], [157, 43, 289, 167]],
    ]
    assert [r.classes.tolist() for r in data] == [[14], [12, 14]]
    assert data.labels().tolist() == [14, 12]
    assert data.class_names[12] == "horse"
    assert [r.difficult.tolist() for r in data] == [[False], [False, False]]


def outlined(top, file, things, kinds):
    for folder, levels in (("SegmentationObject", things), ("SegmentationClass", kinds)):
        palette(top / folder / f"{file}.png", levels)


def test_outlines_are_those_of_the_boxes(voc, tmp_path):
    top = voc(2012, _2008_000008=(500, 442))
    text(top / "ImageSets/Segmentation/val.txt", "2008_000008")
    things, kinds = np.zeros((442, 500)), np.zeros((442, 500))
    things[100:110, 60:80], kinds[100:110, 60:80] = 1, 13  # the horse
    things[50:60, 200:205], kinds[50:60, 200:205] = 2, 15  # its rider
    things[99, 60:80], kinds[99, 60:80] = 255, 255
    outlined(top, "2008_000008", things, kinds)
    record = Dataset.make(f"voc:root={at(tmp_path)},subset=segmentation")[0]
    assert record.masks.flatten(1).sum(1).tolist() == [200, 50]
    assert record.mask_classes.tolist() == [12, 14]
    assert record.mask_ids.tolist() == record.ids.tolist() == [0, 1]
    assert record.mask.nonzero().amin(0).tolist() == [100, 60]
    assert record.mask.nonzero().amax(0).tolist() == [109, 79]
    assert int(record.ignore.sum()) == 20
    assert bool(record.ignore[99, 60:80].all())
    assert record.truth()[99, 60].item() == 255
    assert int((record.truth() == 1).sum()) == 200


def test_outlines_numbered_otherwise_are_of_no_box(voc, tmp_path):
    top = voc(2012, _2008_000008=(500, 442))
    things, kinds = np.zeros((442, 500)), np.zeros((442, 500))
    things[0:2, 0:3], kinds[0:2, 0:3] = 1, 15
    things[5, 5], kinds[5, 5] = 3, 13
    outlined(top, "2008_000008", things, kinds)
    record = Dataset.make(f"voc:root={at(tmp_path)}")[0]
    assert record.mask_classes.tolist() == [14, 12]
    assert record.masks.flatten(1).sum(1).tolist() == [6, 1]
    assert not set(record.mask_ids.tolist()) & set(record.ids.tolist())


def test_a_file_without_objects_or_none(voc, tmp_path):
    top = voc(2012, _2007_000027=(486, 500))
    said = (LITERALS / "2007_000027.xml").read_text()
    text(top / "Annotations/2008_000002.xml", said[: said.index("\t<object>")] + "</annotation>")
    for name in ("2008_000002", "2008_000003"):
        blank(top / "JPEGImages" / f"{name}.jpg", 486, 500)
    text(top / "ImageSets/Main/test.txt", "2008_000002", "2008_000003")
    data = Dataset.make(f"voc:root={at(tmp_path)},split=test")
    assert data.labels().tolist() == [-1, -1]
    assert [r.boxes.shape[0] for r in data] == [0, 0]
    assert data[0].present == ()


def test_voc_splits(voc, tmp_path):
    top = voc(2012, _2007_000027=(486, 500), _2008_000008=(500, 442))
    text(top / "ImageSets/Main/train.txt", "2008_000008")
    # the form of the lists of a class, with -1 or 1 after the name
    text(top / "ImageSets/Main/trainval.txt", "2008_000008  1", "2007_000027 -1")
    names = {
        split: [r.facts["file"][11:-4] for r in Dataset.make(f"voc:root={at(tmp_path)},split={split}")]
        for split in ("train", "val", "trainval")
    }
    assert names == {
        "train": ["2008_000008"],
        "val": ["2007_000027", "2008_000008"],
        "trainval": ["2008_000008", "2007_000027"],
    }


# --- COCO ----------------------------------------------------------------------------------------------------------

CATEGORIES = [
    {"supercategory": "person", "id": 1, "name": "person"},
    {"supercategory": "animal", "id": 18, "name": "dog"},
    {"supercategory": "indoor", "id": 90, "name": "toothbrush"},
    {"supercategory": "furniture", "id": 65, "name": "bed"},
]
# instances_val2017.json, its first two images as quoted in many readmes
IMAGES = [
    {"license": 4, "file_name": "000000397133.jpg", "height": 427, "width": 640, "id": 397133},
    {"license": 1, "file_name": "000000037777.jpg", "height": 230, "width": 352, "id": 37777},
]


@pytest.fixture
def coco(tmp_path):
    def made(images, annotations, split="val2017"):
        for image in images:
            blank(tmp_path / split / image["file_name"], image["width"], image["height"])
        content = {"info": {}, "licenses": [], "categories": CATEGORIES, "images": images, "annotations": annotations}
        text(tmp_path / f"annotations/instances_{split}.json", json.dumps(content))
        year = split[-4:]
        return Dataset.make(f"coco:root={at(tmp_path)},year={year}")

    return made


def test_a_polygon(coco):
    thing = json.loads((LITERALS / "coco_1768.json").read_text())
    image = {"license": 1, "file_name": "000000289343.jpg", "height": 529, "width": 640, "id": 289343}
    data = coco([image], [thing])
    record = data[0]
    assert data.class_names == ("person", "dog", "bed", "toothbrush")  # by id
    assert (record.label, record.classes.tolist(), record.mask_classes.tolist()) == (1, [1], [1])
    assert record.ids.tolist() == record.mask_ids.tolist() == [1768]
    expected = [473.07, 395.93, 473.07 + 38.65, 395.93 + 28.67]
    assert record.boxes[0].tolist() == pytest.approx(expected, abs=1e-3)
    assert int(record.mask.sum()) == 703  # as pycocotools fills it
    assert record.mask.nonzero().amin(0).tolist() == [396, 473]
    assert record.mask.nonzero().amax(0).tolist() == [424, 511]
    assert record.facts == {"file": "val2017/000000289343.jpg", "id": 289343, "licence": 1}
    assert not record.ignore.any()


def test_a_polygon_of_two_parts_and_the_largest_object(coco):
    small = {"id": 1, "image_id": 37777, "iscrowd": 0, "category_id": 90, "area": 46, "bbox": [2, 0, 12, 9]}
    small |= {"segmentation": [[2, 3, 7, 3, 7, 9, 2, 9], [10, 0, 14, 0, 14, 4, 10, 4]]}
    large = {"id": 2, "image_id": 37777, "iscrowd": 0, "category_id": 65, "area": 400, "bbox": [100, 50, 20, 20]}
    large |= {"segmentation": [[100, 50, 120, 50, 120, 70, 100, 70]]}
    data = coco(IMAGES, [small, large])
    record = data[0]  # in the order of the ids
    assert record.facts["id"] == 37777
    assert record.masks.flatten(1).sum(1).tolist() == [5 * 6 + 4 * 4, 400]
    assert bool(record.masks[0, 3:9, 2:7].all())
    assert bool(record.masks[0, 0:4, 10:14].all())
    assert record.boxes.tolist() == [[2, 0, 14, 9], [100, 50, 120, 70]]
    assert record.classes.tolist() == [3, 2]
    assert (record.label, data.class_names[2]) == (2, "bed")


def test_a_picture_without_annotations(coco):
    data = coco(IMAGES, [])
    assert data.labels().tolist() == [-1, -1]
    assert [(r.boxes.shape, r.masks.shape) for r in data] == [((0, 4), (0, 230, 352)), ((0, 4), (0, 427, 640))]
    assert data[1].facts["file"] == "val2017/000000397133.jpg"


def test_a_crowd_is_to_be_ignored(coco):
    image = {"file_name": "000000250282.jpg", "height": 40, "width": 40, "id": 250282}
    runs = [245, 5, 35, 5, 35, 5, 35, 5, 35, 5, 1190]  # from row 5 of column 6
    crowd = {"id": 900100250282, "image_id": 250282, "iscrowd": 1, "category_id": 1, "area": 25, "bbox": [6, 5, 5, 5]}
    record = coco([image], [crowd | {"segmentation": {"size": [40, 40], "counts": runs}}])[0]
    assert record.label == -1
    assert len(record.boxes) == len(record.masks) == 0
    assert int(record.ignore.sum()) == 25
    assert bool(record.ignore[5:10, 6:11].all())
    assert record.truth(0).unique().tolist() == [0, 255]


# cocodataset/cocoapi, results/instances_val2014_fakesegm100_results.json
@pytest.mark.parametrize(
    "counts, area, low, high",
    [
        ("YoX42V=5K3M3N2HE^C=a<72M3N1O1L4L4Khkk3", 179, [97, 329], [122, 341]),
        ("]ja45Q=5C<00000000006J5K5HmBNYXd3", 178, [209, 350], [230, 360]),
    ],
)
def test_a_compressed_string(coco, counts, area, low, high):
    image = {"file_name": "COCO_val2014_000000000074.jpg", "height": 426, "width": 640, "id": 74}
    thing = {"id": 7, "image_id": 74, "iscrowd": 0, "category_id": 1, "area": area, "bbox": [300, 90, 60, 150]}
    record = coco([image], [thing | {"segmentation": {"size": [426, 640], "counts": counts}}], "val2014")[0]
    assert record.facts["file"] == "val2014/COCO_val2014_000000000074.jpg"
    assert int(record.mask.sum()) == area
    assert record.mask.nonzero().amin(0).tolist() == low
    assert record.mask.nonzero().amax(0).tolist() == high


def test_annotations_in_a_file_of_ones_own(coco, tmp_path):
    coco(IMAGES, [])
    (tmp_path / "annotations/instances_val2017.json").rename(tmp_path / "mine.json")
    (tmp_path / "images").mkdir()
    (tmp_path / "val2017/000000397133.jpg").rename(tmp_path / "images/000000397133.jpg")
    data = Dataset.make(f"coco:root={at(tmp_path)},file={at(tmp_path / 'mine.json')}")
    assert [r.facts["file"] for r in data] == ["val2017/000000037777.jpg", "images/000000397133.jpg"]

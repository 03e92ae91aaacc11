"""CUB, Aircraft, Cars, Flowers, Food and Pets: lines of the published files, read by hand and by us."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid.data import Dataset
from pellucid.data._stand_ins.files import at, cells, grey, mat, struct, text
from pellucid.errors import BadFile
from tests.formats.fixtures import LITERALS, blank

# --- CUB -----------------------------------------------------------------------------------------------------------

# Ramnarayan-Choudhary/GPT_3-image-generation_text-prompt-, parts/part_locs.txt
PARTS = """1 1 0.0 0.0 0
1 2 312.0 182.0 1
1 3 0.0 0.0 0
1 4 0.0 0.0 0
1 5 186.0 45.0 1
1 6 247.0 79.0 1
1 7 0.0 0.0 0
1 8 0.0 0.0 0
1 9 0.0 0.0 0
1 10 100.0 221.0 1
1 11 183.0 101.0 1
1 12 0.0 0.0 0
1 13 0.0 0.0 0
1 14 0.0 0.0 0
1 15 215.0 194.0 1"""
ALBATROSS = "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18"


@pytest.fixture
def cub(tmp_path):
    """vuniem131104/Fine-grained-Recognition-with-ViT, data/CUB_200_2011: images.txt, bounding_boxes.txt, classes.txt"""
    top = tmp_path / "CUB_200_2011"
    text(
        top / "images.txt",
        f"1 {ALBATROSS}.jpg",
        "2 001.Black_footed_Albatross/Black_Footed_Albatross_0009_34.jpg",
        "61 002.Laysan_Albatross/Laysan_Albatross_0002_1027.jpg",
        "272 003.Sooty_Albatross/Sooty_Albatross_0001_796381.jpg",
    )
    text(top / "bounding_boxes.txt", "1 60.0 27.0 325.0 304.0", "2 139.0 30.0 153.0 264.0", "272 0.0 0.0 500.0 375.0")
    text(top / "classes.txt", "1 001.Black_footed_Albatross", "2 002.Laysan_Albatross", "3 003.Sooty_Albatross")
    text(top / "image_class_labels.txt", "1 1", "2 1", "61 2", "272 3")
    text(top / "train_test_split.txt", "1 0", "2 1", "61 1", "272 0")
    text(top / "parts/part_locs.txt", PARTS)
    for line in (top / "images.txt").read_text().splitlines():
        blank(top / "images" / line.split()[1], 500, 400)
    return tmp_path


def test_a_bird(cub):
    data = Dataset.make(f"cub:root={at(cub)},split=all")
    record = data[0]
    assert data.class_names == ("Black footed Albatross", "Laysan Albatross", "Sooty Albatross")
    assert data.labels().tolist() == [0, 0, 1, 2]
    assert [r.boxes.tolist() for r in data] == [[[60, 27, 385, 331]], [[139, 30, 292, 294]], [], [[0, 0, 500, 375]]]
    assert record.facts == {"file": f"images/{ALBATROSS}.jpg", "number": 1}
    assert data[3].facts["number"] == 272
    seen = {1: (312, 182), 4: (186, 45), 5: (247, 79), 9: (100, 221), 10: (183, 101), 14: (215, 194)}
    assert [p for p in range(15) if not record.points[p].isnan().any()] == list(seen)
    assert {p: tuple(record.points[p].tolist()) for p in seen} == seen
    names = [data.point_names[p] for p in seen]
    assert names == ["beak", "crown", "forehead", "nape", "right eye", "throat"]
    assert bool(data[1].points.isnan().all())


def test_the_splits_of_birds(cub):
    numbers = {s: [r.facts["number"] for r in Dataset.make(f"cub:root={at(cub)},split={s}")] for s in ("train", "test")}
    assert numbers == {"train": [2, 61], "test": [1, 272]}


@pytest.mark.parametrize("place", ["segmentations", "CUB_200_2011/segmentations"])
def test_an_outline_is_where_more_than_half_of_the_annotators_see_the_bird(cub, place):
    levels = np.zeros((400, 500))
    levels[100, 0:6] = (51, 102, 127, 128, 204, 255)
    levels[0, 0] = 255
    grey(cub / place / f"{ALBATROSS}.png", levels)
    record, other = Dataset.make(f"cub:root={at(cub)},split=test")
    assert record.masks.shape == (1, 400, 500)
    assert record.masks[0].nonzero().tolist() == [[0, 0], [100, 3], [100, 4], [100, 5]]
    assert record.mask_classes.tolist() == [0]
    assert record.mask_ids.tolist() == record.ids.tolist() == [0]
    assert len(other.masks) == 0


# --- Aircraft ------------------------------------------------------------------------------------------------------


@pytest.fixture
def aircraft(tmp_path):
    """shakk1l1/AicraftSpotter, data/images_box.txt; the lists of variants and families are quoted elsewhere"""
    top = tmp_path / "fgvc-aircraft-2013b/data"
    boxes = ("1025794 3 144 998 431", "1340192 83 155 964 462", "0810608 19 146 986 443", "0582363 0 144 993 426")
    text(top / "images_box.txt", *boxes)
    text(top / "images_variant_train.txt", "1025794 707-320", "1340192 707-320", "0056978 707-320", "1019011 727-200")
    text(top / "images_variant_val.txt", "0209554 737-200")
    text(top / "images_variant_test.txt", "0582363 737-200")
    text(top / "images_family_train.txt", "1025794 Boeing 707", "1340192 Boeing 707", "0056978 Boeing 707")
    text(top / "variants.txt", "707-320", "727-200", "737-200")
    text(top / "families.txt", "A300", "Boeing 707", "F/A-18")
    for name in ("1025794", "1340192", "0056978", "1019011", "0209554", "0582363"):
        blank(top / "images" / f"{name}.jpg", 1000, 460)
    return tmp_path


def test_an_aircraft(aircraft):
    data = Dataset.make(f"aircraft:root={at(aircraft)},split=train")
    assert data.class_names == ("707-320", "727-200", "737-200")
    assert data.labels().tolist() == [0, 0, 0, 1]
    assert [r.facts["file"] for r in data][2] == "images/0056978.jpg"
    assert [r.boxes.tolist() for r in data] == [[[2, 143, 998, 431]], [[82, 154, 964, 460]], [], []]
    assert Dataset.make(f"aircraft:root={at(aircraft)},split=val").labels().tolist() == [2]


def test_families_have_spaces_and_slashes(aircraft):
    data = Dataset.make(f"aircraft:root={at(aircraft)},split=train,level=family")
    assert data.class_names == ("A300", "Boeing 707", "F/A-18")
    assert data.labels().tolist() == [1, 1, 1]


def test_a_box_that_begins_at_0_is_cut_off(aircraft):
    data = Dataset.make(f"aircraft:root={at(aircraft)},split=test")
    assert data[0].boxes.tolist() == [[0, 143, 993, 426]]
    assert data.faults(0) == []


def test_the_banner_is_cut_off(aircraft):
    banner = Image.new("RGB", (1000, 460), "gray")
    banner.paste("white", (0, 440, 1000, 460))
    banner.save(aircraft / "fgvc-aircraft-2013b/data/images/1025794.jpg", quality=100)
    data = Dataset.make(f"aircraft:root={at(aircraft)},split=train,banner=false")
    assert data[0].image.shape == (3, 440, 1000)
    assert data[0].image.unique().tolist() == [128]
    assert [r.boxes.tolist() for r in data][:2] == [[[2, 143, 998, 431]], [[82, 154, 964, 440]]]


# --- Cars ----------------------------------------------------------------------------------------------------------

# class_names of cars_meta.mat, its first seventeen
CARS = [
    "AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Acura TL Sedan 2012", "Acura TL Type-S 2008",
    "Acura TSX Sedan 2012", "Acura Integra Type R 2001", "Acura ZDX Hatchback 2012",
    "Aston Martin V8 Vantage Convertible 2012", "Aston Martin V8 Vantage Coupe 2012",
    "Aston Martin Virage Convertible 2012", "Aston Martin Virage Coupe 2012", "Audi RS 4 Convertible 2008",
    "Audi A5 Coupe 2012", "Audi TTS Coupe 2012", "Audi R8 Coupe 2012", "Audi V8 Sedan 1994", "Audi 100 Sedan 1994",
]  # fmt: skip


def scalar(value):
    """As MATLAB keeps a number in a struct: of the smallest type that holds it."""
    return np.array([[value]], np.uint8 if value < 256 else np.uint16)


def cars(folder, name, sides, files, classes=None):
    columns = {f"bbox_{side}": [scalar(v) for v in column] for side, column in sides.items()}
    columns |= {"class": [scalar(v) for v in classes]} if classes else {}
    mat(folder / "stanford_cars" / name, annotations=struct(**columns, fname=files))
    mat(folder / "stanford_cars/devkit/cars_meta.mat", class_names=cells(CARS))


@pytest.mark.parametrize("more", [False, True])
def test_a_car(more, tmp_path):
    """The first row of cars_train_annos.mat; a table of one row is one too."""
    sides = {"x1": [39], "y1": [116], "x2": [569], "y2": [375]}
    sides = {side: [*column, 7] if more else column for side, column in sides.items()}
    files = ["00001.jpg", "00002.jpg"][: 1 + more]
    cars(tmp_path, "devkit/cars_train_annos.mat", sides, files, [14, 2][: 1 + more])
    blank(tmp_path / "stanford_cars/cars_train/00001.jpg", 600, 400)
    data = Dataset.make(f"cars:root={at(tmp_path)}")
    assert len(data) == 1 + more
    assert data[0].boxes.tolist() == [[38, 115, 569, 375]]
    assert (data[0].label, data.class_names[13]) == (13, "Audi TTS Coupe 2012")
    assert data[0].facts == {"file": "cars_train/00001.jpg"}
    assert data.labels().tolist() == [13, 1][: 1 + more]


@pytest.mark.parametrize("place", ["cars_test_annos_withlabels.mat", "devkit/cars_test_annos_withlabels.mat"])
def test_a_car_of_the_test(place, tmp_path):
    cars(tmp_path, place, {"x1": [30], "y1": [52], "x2": [246], "y2": [147]}, ["00001.jpg"], [1])
    blank(tmp_path / "stanford_cars/cars_test/00001.jpg", 250, 150)
    record = Dataset.make(f"cars:root={at(tmp_path)},split=test")[0]
    assert record.boxes.tolist() == [[29, 51, 246, 147]]
    assert record.facts == {"file": "cars_test/00001.jpg"}


def test_the_test_of_cars_needs_the_labels(tmp_path):
    sides = {"x1": [30], "y1": [52], "x2": [246], "y2": [147]}
    cars(tmp_path, "cars_test_annos_withlabels.mat", sides, ["00001.jpg"])
    with pytest.raises(BadFile, match=r"cars_test_annos_withlabels\.mat has no labels"):
        len(Dataset.make(f"cars:root={at(tmp_path)},split=test"))


# --- Flowers -------------------------------------------------------------------------------------------------------


@pytest.fixture
def flowers(tmp_path):
    """setid.mat and imagelabels.mat as printed: their first numbers, in their types and shapes."""
    sets = {"trnid": [6765, 6755, 6768, 5145], "valid": [6773, 6767, 6739], "tstid": [6734, 6735, 1, 8189]}
    labels = np.full((1, 8189), 62, np.uint8)
    labels[0, :3] = 77
    labels[0, [i - 1 for i in (6765, 6755, 6768, 6773, 6767, 6739, 6734, 6735)]] = 1
    labels[0, 5145 - 1] = 2
    top = tmp_path / "flowers-102"
    mat(top / "imagelabels.mat", labels=labels)
    mat(top / "setid.mat", **{name: np.array([ids], np.uint16) for name, ids in sets.items()})
    blank(top / "jpg/image_06765.jpg", 30, 20)
    return tmp_path


@pytest.mark.parametrize(
    "split, numbers, labels",
    [
        ("train", [6765, 6755, 6768, 5145], [0, 0, 0, 1]),
        ("val", [6773, 6767, 6739], [0, 0, 0]),
        ("trainval", [6765, 6755, 6768, 5145, 6773, 6767, 6739], [0, 0, 0, 1, 0, 0, 0]),
        ("test", [6734, 6735, 1, 8189], [0, 0, 76, 61]),
    ],
)
def test_flowers(flowers, split, numbers, labels):
    data = Dataset.make(f"flowers102:root={at(flowers)},split={split}")
    assert list(data.index.files) == [f"jpg/image_{n:05d}.jpg" for n in numbers]
    assert data.labels().tolist() == labels
    names = ("pink primrose", "hard-leaved pocket orchid", "passion flower")
    assert tuple(data.class_names[i] for i in (0, 1, 76)) == names


# --- Food ----------------------------------------------------------------------------------------------------------


def test_food(tmp_path):
    top = tmp_path / "food-101"
    # the published table begins with churros, and is not sorted
    files = {
        "churros": ["churros/1004234", "churros/1013460", "churros/1016791"],
        "apple_pie": ["apple_pie/1005649", "apple_pie/1014775"],
    }
    text(top / "meta/train.json", json.dumps(files))
    text(top / "meta/classes.txt", "apple_pie", "churros")
    text(top / "meta/labels.txt", "Apple pie", "Churros")
    blank(top / "images/churros/1004234.jpg", 30, 20)
    data = Dataset.make(f"food101:root={at(tmp_path)}")
    assert data.class_names == ("Apple pie", "Churros")
    assert data.labels().tolist() == [0, 0, 1, 1, 1]
    assert data[2].facts == {"file": "images/churros/1004234.jpg"}
    (top / "meta/labels.txt").unlink()
    assert Dataset.make(f"food101:root={at(tmp_path)}").class_names == ("apple pie", "churros")


# --- Pets ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pets(tmp_path):
    top = tmp_path / "oxford-iiit-pet"
    lines = ("Abyssinian_1 1 1 1", "american_bulldog_100 2 2 1", "basset_hound_126 4 2 3")
    text(top / "annotations/trainval.txt", *lines)
    # list.txt has these lines above; the lists of the splits have none
    text(
        top / "annotations/test.txt",
        "#Image CLASS-ID SPECIES BREED ID",
        "#ID: 1:37 Class ids",
        "#SPECIES: 1:Cat 2:Dog",
        "#BREED ID: 1-25:Cat 1:12:Dog",
        "Abyssinian_204 1 1 1",
    )
    text(top / "annotations/xmls/Abyssinian_1.xml", (LITERALS / "Abyssinian_1.xml").read_text())
    for name in ("Abyssinian_1", "american_bulldog_100", "basset_hound_126", "Abyssinian_204"):
        blank(top / "images" / f"{name}.jpg", 600, 400)
    return tmp_path


def test_pets(pets):
    data = Dataset.make(f"pets:root={at(pets)}")
    assert data.labels().tolist() == [0, 1, 3]
    assert [data.class_names[i] for i in (0, 1, 3)] == ["Abyssinian", "american bulldog", "basset hound"]
    assert data[0].facts == {"file": "images/Abyssinian_1.jpg", "species": "cat", "head": [333, 72, 425, 158]}
    assert data[1].facts["species"] == "dog"
    assert len(data[0].masks) == len(data[0].boxes) == 0
    assert [r.facts["file"] for r in Dataset.make(f"pets:root={at(pets)},split=test")] == ["images/Abyssinian_204.jpg"]


def test_a_trimap(pets):
    levels = np.full((400, 600), 2)
    levels[100:140, 200:260] = 3
    levels[105:135, 205:255] = 1
    grey(pets / "oxford-iiit-pet/annotations/trimaps/american_bulldog_100.png", levels)
    record = Dataset.make(f"pets:root={at(pets)}")[1]
    assert int(record.masks[0].sum()) == int(record.mask.sum()) == 30 * 50
    assert int(record.ignore.sum()) == 40 * 60 - 30 * 50
    assert record.boxes.tolist() == [[200, 100, 260, 140]]
    assert record.classes.tolist() == record.mask_classes.tolist() == [1]
    assert torch.bincount(record.truth().flatten(), minlength=256)[[0, 1, 255]].tolist() == [237600, 1500, 900]

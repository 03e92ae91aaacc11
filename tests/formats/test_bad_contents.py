"""Files that say what cannot be: an error of ours that names them, and no trace."""

from pathlib import Path

import numpy as np
import pytest

from pellucid.data import Dataset
from pellucid.data._stand_ins.arrays import rows_of
from pellucid.data._stand_ins.files import at, cells, grey, idx, mat, palette, photo, pickled, struct, text
from pellucid.data._stand_ins.imagenets import WNIDS_50
from tests.formats.fixtures import FORMATS, sums
from tests.formats.refusals import SPRITES, put, refused
from tests.formats.test_literals_imagenet import devkit

CUB, PETS, VOC = "CUB_200_2011/", "oxford-iiit-pet/annotations/", "VOCdevkit/VOC2012/"
COCO, AIRCRAFT, TINY = "annotations/instances_val2017.json", "fgvc-aircraft-2013b/data/", "tiny-imagenet-200/"

# --- words that are none ---------------------------------------------------------------------------------------------

WORDS = [
    ("csv", "table.csv", "1 2 10 12", "1 2 ten 12"),
    ("csv", "table.csv", "1 2 10 12", "1 2 10"),
    ("csv", "table.csv", "path,label", "file,label"),
    ("csv", "table.csv", "b.jpg,dog", ",dog"),
    ("csv", "table.csv", "b.jpg,dog", "a.jpg,dog"),
    ("cub", CUB + "bounding_boxes.txt", "1 5.0", "1 five"),
    ("cub", CUB + "bounding_boxes.txt", "1 5.0 4.0", "1 4.0"),
    ("cub", CUB + "image_class_labels.txt", "1 1", "1 one"),
    ("cub", CUB + "image_class_labels.txt", "2 1\n", ""),
    ("cub", CUB + "train_test_split.txt", "2 1\n", ""),
    ("cub", CUB + "images.txt", "1 001.", "1 001. "),
    ("cub", CUB + "parts/part_locs.txt", "1 2 6.0", "1 two 6.0"),
    ("cub", CUB + "parts/part_locs.txt", "1 2 6.0", "1 16 6.0"),
    ("cub", CUB + "parts/part_locs.txt", "1 2 6.0", "1 2 six"),
    ("cub", CUB + "parts/part_locs.txt", "1 2 6.0 7.0 1", "1 2 6.0 7.0 1 2.329"),
    ("aircraft", AIRCRAFT + "images_box.txt", "3 14 40", "3 x 40"),
    ("aircraft", AIRCRAFT + "images_box.txt", "3 14 40", "3 40"),
    ("aircraft", AIRCRAFT + "images_variant_trainval.txt", "737-200", "737-2"),
    ("pets", PETS + "trainval.txt", "_100 1 1 1", "_100 1 one 1"),
    ("pets", PETS + "trainval.txt", "_100 1 1 1", "_100 one 1 1"),
    ("pets", PETS + "trainval.txt", "_100 1 1 1", "_100 2 1 1"),
    ("pets", PETS + "trainval.txt", "_100 1 1 1", "_100 1 1"),
    ("pets", PETS + "xmls/Abyssinian_100.xml", "<xmin>7<", "<xmin>seven<"),
    ("tiny-imagenet", TINY + "val/val_annotations.txt", "\t0\t32", "\tx\t32"),
    ("tiny-imagenet", TINY + "val/val_annotations.txt", "\t0\t32", "\t32"),
    ("tiny-imagenet", TINY + "wnids.txt", "n03444034\n", ""),
    ("tiny-imagenet", TINY + "words.txt", "n04067472", "n04067473"),
    ("voc", VOC + "Annotations/2007_000027.xml", ">dog<", ">hound<"),
    ("voc", VOC + "Annotations/2007_000027.xml", "<xmin>3<", "<xmin><"),
    ("voc", VOC + "Annotations/2007_000027.xml", "<width>32<", "<width>wide<"),
    ("voc", VOC + "Annotations/2007_000027.xml", "</object>", "</thing>"),
    ("imagenet", "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml", "bndbox", "box"),
    ("imagenet100", "list.txt", "n02108000", "dog"),
    ("imagenet100", "list.txt", "n02108000", "n00000000"),
    ("ecg5000", "ECG5000_TRAIN.tsv", "\n5\t", "\n6\t"),
    ("ecg5000", "ECG5000_TRAIN.tsv", "\n5\t", "\n?\t"),
    ("ecg5000", "ECG5000_TRAIN.tsv", "\n5\t", "\n5\tx\t"),
    ("ecg5000", "ECG5000_TRAIN.tsv", "\n5\t", "\n5\t1.0\t"),
    ("food101", "food-101/meta/train.json", "{", ""),
    ("food101", "food-101/meta/train.json", '["prime_rib/1005"]', "5"),
    ("coco", COCO, "}", ""),
    ("coco", COCO, '"images"', '"pictures"'),
    ("coco", COCO, '"file_name": "000000000139.jpg", ', ""),
    ("coco", COCO, '"image_id": 139, ', ""),
    ("coco", COCO, '"category_id": 18, ', ""),
    ("coco", COCO, '"category_id": 18', '"category_id": 17'),
    ("coco", COCO, '"category_id": 18', '"category_id": "dog"'),
    ("coco", COCO, '"id": 1768, ', ""),
    ("coco", COCO, '"bbox": [2, 3, 5, 6], ', ""),
    ("coco", COCO, "[2, 3, 5, 6]", "[2, 3, 5]"),
    ("coco", COCO, "[2, 3, 5, 6]", '[2, 3, 5, "x"]'),
    ("coco", COCO, "[[2, 3, 7", '[["x", 3, 7'),
    ("coco", COCO, "[[2, 3, 7", "[[2, 7"),
    ("coco", COCO, "[0, 72, 792]", "[0, 72, 791]"),
    ("coco", COCO, "[0, 72, 792]", '"x~"'),
    ("coco", COCO, "[36, 24]", "[24, 36]"),
]


@pytest.mark.parametrize("name, file, old, new", WORDS)
def test_a_word_that_is_none(name, file, old, new, tmp_path):
    form = FORMATS[name](tmp_path)
    put(tmp_path / file, old, new)
    refused(form, tmp_path, Path(file).name)


@pytest.mark.parametrize("content", ["5", "null", "[]", '{"images": [5], "annotations": [], "categories": []}'])
def test_json_of_another_kind(content, tmp_path):
    form = FORMATS["coco"](tmp_path)
    text(tmp_path / COCO, content)
    refused(form, tmp_path, "instances_val2017.json")


def test_a_head_that_is_not_there(tmp_path):
    form = FORMATS["pets"](tmp_path)
    text(tmp_path / PETS / "xmls/Abyssinian_100.xml", "<annotation></annotation>")
    assert "head" not in Dataset.make(form)[0].facts


def test_a_class_without_a_name_is_a_fault(tmp_path):
    form = FORMATS["cub"](tmp_path / "cub")
    put(tmp_path / "cub" / CUB / "image_class_labels.txt", "1 1", "1 9")
    assert Dataset.make(form).faults(0) == ["record 0 is of class 8, and there are 3 names."]
    form = FORMATS["flowers102"](tmp_path / "flowers")
    mat(tmp_path / "flowers/flowers-102/imagelabels.mat", labels=np.full((1, 6), 103, np.uint8))
    assert Dataset.make(form).faults(0) == ["record 0 is of class 102, and there are 102 names."]


@pytest.mark.parametrize("line", ["490x", "", "9999", "0", "490 361"])
def test_the_devkits_truth_may_be_wrong(line, tmp_path):
    put(devkit(tmp_path), "490", line)
    for number in (1, 2, 3):
        photo(tmp_path / f"val/ILSVRC2012_val_{number:08d}.JPEG")
    refused(f"imagenet:root={at(tmp_path)}", tmp_path, "ILSVRC2012_devkit_t12/data")


@pytest.mark.parametrize("name", ["ILSVRC2012_val_00000009.JPEG", "mine.JPEG"])
def test_pictures_that_the_devkit_does_not_know(name, tmp_path):
    devkit(tmp_path)
    photo(tmp_path / "val" / name)
    refused(f"imagenet:root={at(tmp_path)}", tmp_path, Path(name).stem)


def test_a_picture_that_kaggles_table_does_not_know(tmp_path):
    FORMATS["imagenet100"](tmp_path)
    put(tmp_path / "LOC_val_solution.csv", "ILSVRC2012_val_00037956,n03481172 5 1 20 18 \n", "")
    refused(f"imagenet:root={at(tmp_path)}", tmp_path, "ILSVRC2012_val_00037956")


# --- numbers that do not fit each other ------------------------------------------------------------------------------


def fewer_digits(folder):
    idx(folder / "MNIST/raw/train-labels-idx1-ubyte", [7, 2])


def fewer_colours(folder):
    about = {"labels": [1, 2], "data": rows_of(1, 3072)}
    pickled(folder / "cifar-10-batches-py/data_batch_1", about)


def fewer_numbers(folder):
    mat(folder / "train_32x32.mat", X=rows_of(4, 32, 32, 3).transpose(1, 2, 3, 0), y=np.array([[1], [2]], np.uint8))


def fewer_flowers(folder):
    mat(folder / "flowers-102/imagelabels.mat", labels=np.array([[77, 77]], np.uint8))


def no_such_flower(folder):
    mat(folder / "flowers-102/setid.mat", trnid=[[0]], valid=[[1]], tstid=[[2]])


def no_files_of_cars(folder):
    mat(folder / "stanford_cars/devkit/cars_train_annos.mat", annotations=struct(**{"bbox_x1": [1], "class": [1]}))


def cars_of_words(folder):
    sides = {f"bbox_{side}": ["x"] for side in ("x1", "y1", "x2", "y2")}
    rows = struct(**sides, **{"class": [1]}, fname=["00001.jpg"])
    mat(folder / "stanford_cars/devkit/cars_train_annos.mat", annotations=rows)


def sprites(folder, images, latents, dtype):
    lists = {name: np.zeros((latents, 6)) for name in ("latents_classes", "latents_values")}
    np.savez_compressed(folder / SPRITES, imgs=np.zeros(images, dtype), **lists)


@pytest.mark.parametrize(
    "images, latents, dtype",
    [
        ((6, 64, 64), 3, np.uint8),
        ((3, 64, 64), 6, np.uint8),
        ((6, 64, 64, 3), 6, np.uint8),
        ((6, 64, 64), 6, np.float32),
    ],
)
def test_sprites_that_do_not_fit(images, latents, dtype, tmp_path):
    form = FORMATS["dsprites"](tmp_path)
    sprites(tmp_path, images, latents, dtype)
    refused(form, tmp_path, SPRITES)


def a_class_more(folder):
    (folder / "ImageNetS50/validation/n99999999").mkdir()


def a_class_less(folder):
    (folder / "ImageNetS50/validation" / WNIDS_50[7]).rmdir()


def ids_of_the_300(folder):
    grey(folder / "ImageNetS50/validation-segmentation/n12998815/ILSVRC2012_val_00000293.png", np.full((20, 40, 3), 1))


UNFIT = [
    ("mnist", fewer_digits, "raw"),
    ("cifar10", fewer_colours, "cifar-10-batches-py"),
    ("svhn", fewer_numbers, "svhn"),
    ("flowers102", fewer_flowers, "flowers-102"),
    ("flowers102", no_such_flower, "image_00000.jpg"),
    ("cars", no_files_of_cars, "cars_train_annos.mat"),
    ("cars", cars_of_words, "cars_train_annos.mat"),
    ("imagenet-s", a_class_more, "51 classes"),
    ("imagenet-s", a_class_less, "49 classes"),
    ("imagenet-s", ids_of_the_300, "ILSVRC2012_val_00000293.png"),
]


@pytest.mark.parametrize("name, change, named", UNFIT)
def test_numbers_that_do_not_fit(name, change, named, tmp_path, monkeypatch):
    form = FORMATS[name](tmp_path)
    change(tmp_path)
    sums(monkeypatch, tmp_path)
    refused(form, tmp_path, named)


SEGMENTED = VOC + "SegmentationClass/2007_000027.png", VOC + "SegmentationObject/2007_000027.png"
SIZES = [
    ("csv", ["a-mask.png"], (5, 6), "a.jpg"),
    ("cub", ["segmentations/002.Laysan_Albatross/Laysan_Albatross_0002_1027.png"], (5, 6), "_0002_1027"),
    ("pets", [PETS + "trimaps/basset_hound_126.png"], (5, 6), "basset_hound_126"),
    ("pets", [PETS + "trimaps/basset_hound_126.png"], (20, 40, 3), "basset_hound_126"),
    (
        "imagenet-s",
        ["ImageNetS50/validation-segmentation/n12998815/ILSVRC2012_val_00000293.png"],
        (5, 6, 3),
        "ILSVRC2012_val_00000293",
    ),
    (
        "imagenet-s",
        ["ImageNetS50/validation-segmentation/n12998815/ILSVRC2012_val_00000293.png"],
        (20, 40),
        "ILSVRC2012_val_00000293",
    ),
    ("voc", SEGMENTED[:1], (5, 6), "2007_000027"),
    ("voc", SEGMENTED[1:], (5, 6), "2007_000027"),
    ("voc", SEGMENTED, (5, 6), "2007_000027"),
    ("voc", SEGMENTED, (24, 32, 3), "2007_000027"),
]


@pytest.mark.parametrize("name, files, shape, named", SIZES)
def test_a_mask_of_another_size(name, files, shape, named, tmp_path):
    form = FORMATS[name](tmp_path)
    for file in files:
        (grey if len(shape) == 3 or name != "voc" else palette)(tmp_path / file, np.zeros(shape))
    refused(form, tmp_path, named)


def test_two_masks_of_two_sizes(tmp_path):
    form = FORMATS["csv"](tmp_path)
    grey(tmp_path / "other.png", np.zeros((5, 6)))
    put(tmp_path / "table.csv", "b.jpg,dog,,", "b.jpg,dog,,\na.jpg,dog,,other.png")
    refused(form, tmp_path, "a.jpg")


def test_a_picture_of_another_size_than_its_annotation(tmp_path):
    form = FORMATS["coco"](tmp_path)
    photo(tmp_path / "val2017/000000000139.jpg", 20, 20)
    refused(form, tmp_path, "000000000139.jpg")


def test_names_of_cars_are_fewer(tmp_path):
    form = FORMATS["cars"](tmp_path)
    mat(tmp_path / "stanford_cars/devkit/cars_meta.mat", class_names=cells(["one"]))
    assert Dataset.make(form).faults(0) == ["record 0 is of class 1, and there are 1 names."]

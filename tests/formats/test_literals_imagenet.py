"""ImageNet and its relatives: lines of the published files, read by hand and by us."""

import numpy as np
import pytest
import torch

from pellucid.data import Dataset
from pellucid.data._names import imagenet
from pellucid.data._stand_ins.files import at, grey, mat, struct, text
from pellucid.data._stand_ins.imagenets import WNIDS_50
from pellucid.errors import BadFile
from tests.formats.fixtures import LITERALS, blank

# sources: literals/sources.txt
VAL_1 = (LITERALS / "ILSVRC2012_val_00000001.xml").read_text()
OBJECT = VAL_1[VAL_1.index("\t<object>") : VAL_1.index("</annotation>")]


def with_objects(wnid, *boxes):
    """The file with other objects."""
    some = ""
    for box in boxes:
        tags = OBJECT.replace("n01751748", wnid)
        for side, old, new in zip(("xmin", "ymin", "xmax", "ymax"), (111, 108, 441, 193), box, strict=True):
            tags = tags.replace(f"<{side}>{old}<", f"<{side}>{new}<")
        some += tags
    return VAL_1.replace(OBJECT, some)


@pytest.fixture
def kaggle(tmp_path):
    """Kaggle's tree with two of its pictures."""
    top = tmp_path / "ILSVRC"
    two = with_objects("n02256656", (163, 200, 246, 269), (147, 43, 409, 329))  # ILSVRC2012_val_00026567
    for number, wnid, said in (("00000001", "n01751748", VAL_1), ("00026567", "n02256656", two)):
        blank(top / "Data/CLS-LOC/val" / wnid / f"ILSVRC2012_val_{number}.JPEG", 500, 375)
        text(top / f"Annotations/CLS-LOC/val/ILSVRC2012_val_{number}.xml", said)
    return tmp_path


def test_boxes_are_as_written(kaggle):
    data = Dataset.make(f"imagenet:root={at(kaggle)}")
    assert len(data) == 2
    first, second = data
    assert (first.label, data.class_names[first.label]) == (65, "sea snake")  # 65 in caffe's val.txt
    assert first.boxes.tolist() == [[111, 108, 441, 193]]
    assert first.classes.tolist() == [65]
    assert first.difficult.tolist() == [False]
    assert first.facts["file"] == "val/n01751748/ILSVRC2012_val_00000001.JPEG"
    assert (second.label, data.class_names[second.label]) == (316, "cicada")
    assert second.boxes.tolist() == [[163, 200, 246, 269], [147, 43, 409, 329]]
    assert second.classes.tolist() == [316, 316]
    assert second.ids.tolist() == [0, 1]
    assert second.masks.shape == (0, 375, 500)


def test_boxes_of_another_size_are_fitted(kaggle):
    blank(kaggle / "ILSVRC/Data/CLS-LOC/val/n01751748/ILSVRC2012_val_00000001.JPEG", 250, 750)
    assert Dataset.make(f"imagenet:root={at(kaggle)}")[0].boxes.tolist() == [[55.5, 216, 220.5, 386]]


def test_boxes_from_another_folder(kaggle):
    boxes = kaggle / "ILSVRC/Annotations/CLS-LOC/val"
    (boxes / "n01751748").mkdir()
    (boxes / "ILSVRC2012_val_00000001.xml").rename(boxes / "n01751748" / "ILSVRC2012_val_00000001.xml")
    boxes.rename(kaggle / "moved")
    assert len(Dataset.make(f"imagenet:root={at(kaggle)}")[0].boxes) == 0
    data = Dataset.make(f"imagenet:root={at(kaggle)},boxes={at(kaggle / 'moved')}")
    assert data[0].boxes.tolist() == [[111, 108, 441, 193]]
    assert len(data[1].boxes) == 2


def test_an_annotation_without_objects(kaggle):
    path = kaggle / "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml"
    text(path, VAL_1.replace(OBJECT, ""))
    record = Dataset.make(f"imagenet:root={at(kaggle)}")[0]
    assert record.label == 65
    assert record.boxes.shape == (0, 4)
    assert record.classes.tolist() == []


def test_an_object_of_no_class_is_a_fact(kaggle):
    path = kaggle / "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00026567.xml"
    text(path, path.read_text().replace("n02256656", "n00007846", 1))
    record = Dataset.make(f"imagenet:root={at(kaggle)}")[1]
    assert record.boxes.tolist() == [[147, 43, 409, 329]]
    assert record.facts["other objects"] == "n00007846"


def test_training_boxes(tmp_path):
    said = with_objects("n01440764", (34, 128, 430, 305)).replace("val<", "n01440764<")
    text(tmp_path / "Annotations/CLS-LOC/train/n01440764/n01440764_96.xml", said)
    blank(tmp_path / "train/n01440764/n01440764_96.JPEG", 500, 375)
    record = Dataset.make(f"imagenet:root={at(tmp_path)},split=train")[0]
    assert record.label == 0
    assert record.boxes.tolist() == [[34, 128, 430, 305]]


@pytest.mark.parametrize(
    "rows",
    [
        # a data table quoted with boxes, and ronlv4/SPViT LOC_val_solution.csv
        ("ILSVRC2012_val_00048981,n03995372 85 1 499 272 ", "ILSVRC2012_val_00037956,n03481172 131 0 499 254 "),
        ("ILSVRC2012_val_00048981,n03995372", "ILSVRC2012_val_00037956,n03481172"),
    ],
)
def test_kaggles_flat_folder(rows, tmp_path):
    text(tmp_path / "LOC_val_solution.csv", "ImageId,PredictionString", *rows)
    for number in ("00048981", "00037956"):
        blank(tmp_path / f"ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_{number}.JPEG", 50, 30)
    data = Dataset.make(f"imagenet:root={at(tmp_path)}")
    assert [r.facts["file"][-13:-5] for r in data] == ["00037956", "00048981"]
    assert data.labels().tolist() == [587, 740]
    assert [data.class_names[label] for label in (587, 740)] == ["hammer", "power drill"]


def test_a_hidden_folder_is_no_class(tmp_path):
    text(
        tmp_path / "LOC_val_solution.csv", "ImageId,PredictionString", "ILSVRC2012_val_00048981,n03995372 85 1 499 272 "
    )
    blank(tmp_path / "val/ILSVRC2012_val_00048981.JPEG", 50, 30)
    (tmp_path / "val/.ipynb_checkpoints").mkdir()
    assert Dataset.make(f"imagenet:root={at(tmp_path)}").labels().tolist() == [740]


def devkit(folder):
    """ILSVRC2012_ID is not the order of the WordNet ids."""
    ids, wnids = [490, 361, 171], ["n01751748", "n09193705", "n02105855"]
    synsets = struct(ILSVRC2012_ID=ids, WNID=wnids, words=["sea snake", "alp", "Shetland sheepdog, Shetland sheep dog"])
    mat(folder / "ILSVRC2012_devkit_t12/data/meta.mat", synsets=synsets.T)
    # the first lines of ILSVRC2012_validation_ground_truth.txt
    return text(folder / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", "490", "361", "171")


def test_the_devkits_truth(tmp_path):
    devkit(tmp_path)
    for number in (3, 1, 2):
        blank(tmp_path / f"val/ILSVRC2012_val_{number:08d}.JPEG", 50, 30)
    data = Dataset.make(f"imagenet:root={at(tmp_path)}")
    # BVLC/caffe, val.txt: ILSVRC2012_val_00000001.JPEG 65, …02.JPEG 970, …03.JPEG 230
    assert data.labels().tolist() == [65, 970, 230]


def test_a_flat_folder_without_labels_is_refused(tmp_path):
    blank(tmp_path / "val/ILSVRC2012_val_00000001.JPEG", 50, 30)
    with pytest.raises(BadFile, match=r"LOC_val_solution\.csv"):
        len(Dataset.make(f"imagenet:root={at(tmp_path)}"))


def test_a_list_of_classes_is_numbered_by_the_sorted_ids(tmp_path):
    # HobbitLong/CMC, imagenet100.txt, its first five lines
    wnids = ["n02869837", "n01749939", "n02488291", "n02107142", "n13037406"]
    text(tmp_path / "imagenet100.txt", *wnids)
    for wnid in (*wnids, "n01440764"):
        blank(tmp_path / "val" / wnid / f"{wnid}_1.JPEG", 20, 20)
    data = Dataset.make(f"imagenet100:root={at(tmp_path)},list={at(tmp_path / 'imagenet100.txt')}")
    assert data.wnids == ("n01749939", "n02107142", "n02488291", "n02869837", "n13037406")
    assert data.class_names == ("green mamba", "Doberman", "langur", "bonnet", "gyromitra")
    assert [r.facts["file"][4:13] for r in data] == list(data.wnids)
    assert data.labels().tolist() == [0, 1, 2, 3, 4]


def in_s(folder, wnids, split="validation"):
    """ImageNet-S with a picture of 12 × 10 pixels of the second-last class, and its mask, all zeros."""
    top = folder / f"ImageNetS{len(wnids)}"
    for wnid in wnids:
        (top / split / wnid).mkdir(parents=True)
    blank(top / split / wnids[-2] / "ILSVRC2012_val_00000236.JPEG", 12, 10)
    return np.zeros((10, 12, 3)), top / f"{split}-segmentation" / wnids[-2] / "ILSVRC2012_val_00000236.png"


def test_the_ids_of_imagenet_s(tmp_path):
    rgb, path = in_s(tmp_path, WNIDS_50)
    rgb[1:4, 2:6] = (49, 0, 0)
    rgb[5:7, 0:3] = (1, 0, 0)
    rgb[4, :] = (232, 3, 0)  # 232 + 256 · 3 = 1000
    grey(path, rgb)
    data = Dataset.make(f"imagenet-s:root={at(tmp_path)}")
    record = data[0]
    # LUSSeg/ImageNet-S, data/data.py: the first and the last two of classes_50
    assert [data.class_names[i] for i in (0, 48, 49)] == ["goldfish", "carbonara", "agaric"]
    assert data.wnids[48] == "n07831146"
    assert record.label == 48
    assert record.mask_classes.tolist() == [0, 48]
    assert record.masks.flatten(1).sum(1).tolist() == [6, 12]
    assert record.mask.nonzero().amin(0).tolist() == [1, 2]
    assert record.mask.nonzero().amax(0).tolist() == [3, 5]
    assert int(record.ignore.sum()) == 12
    assert bool(record.ignore[4].all())
    assert record.boxes.shape == (0, 4)
    assert torch.bincount(record.truth().flatten(), minlength=256)[[0, 1, 255]].tolist() == [96, 12, 12]


def test_ids_above_255(tmp_path):
    wnids = sorted(imagenet())[:300]
    rgb, path = in_s(tmp_path, wnids, "train-semi")
    rgb[0, :2] = (43, 1, 0)  # 299
    rgb[1, :3] = (0, 1, 0)  # 256
    grey(path, rgb)
    record = Dataset.make(f"imagenet-s:root={at(tmp_path)},classes=300,split=train-semi")[0]
    assert record.label == 298
    assert record.mask_classes.tolist() == [255, 298]
    assert record.masks.flatten(1).sum(1).tolist() == [3, 2]


def test_boxes_beside_masks(tmp_path):
    rgb, path = in_s(tmp_path, WNIDS_50)
    rgb[1:4, 2:6] = (49, 0, 0)
    grey(path, rgb)
    said = with_objects("n07831146", (2, 1, 6, 4)).replace(">500<", ">12<").replace(">375<", ">10<")
    text(tmp_path / "xml/ILSVRC2012_val_00000236.xml", said)
    record = Dataset.make(f"imagenet-s:root={at(tmp_path)},boxes={at(tmp_path / 'xml')}")[0]
    assert record.boxes.tolist() == [[2, 1, 6, 4]]
    assert not set(record.ids.tolist()) & set(record.mask_ids.tolist())


FIRST_TEN = [
    "n02124075", "n04067472", "n04540053", "n04099969", "n07749582", "n01641577", "n02802426", "n09246464",
    "n07920052", "n03970156",
]  # fmt: skip


@pytest.fixture
def tiny(tmp_path):
    """Some lines of rangeetpan/IMagenet, val/val_annotations.txt and wnids.txt."""
    top = tmp_path / "tiny-imagenet-200"
    lines = (
        "val_0.JPEG\tn03444034\t0\t32\t44\t62",
        "val_1.JPEG\tn04067472\t52\t55\t57\t59",
        "val_37.JPEG\tn03930313\t0\t63\t63\t63",
        "val_243.JPEG\tn02056570\t63\t48\t63\t54",
        "val_310.JPEG\tn12267677\t0\t12\t0\t20",
    )
    text(top / "val/val_annotations.txt", *lines)
    for line in lines:
        blank(top / "val/images" / line.split("\t")[0], 64, 64)
    (top / "wnids.txt").write_text("\n".join([*FIRST_TEN, "n03444034", "n03930313", "n02056570", "n12267677"]))
    words = {wnid: f"thing {wnid[1:]}" for wnid in FIRST_TEN} | {"n03444034": "go-kart", "n04067472": "reel"}
    words |= {"n03930313": "picket fence, paling", "n02056570": "king penguin", "n12267677": "acorn"}
    rows = ("n00001740\tentity", "n00002137\tabstraction, abstract entity", *map("\t".join, words.items()))
    text(top / "words.txt", *rows)
    return tmp_path


def test_the_boxes_of_tiny_imagenet(tiny):
    data = Dataset.make(f"tiny-imagenet:root={at(tiny)}")
    # sorted: n01641577 n02056570 n02124075 n02802426 n03444034 n03930313 n03970156 n04067472 … n12267677
    assert data.labels().tolist() == [4, 7, 5, 1, 13]
    assert [data.class_names[r.label] for r in data] == ["go-kart", "reel", "picket fence", "king penguin", "acorn"]
    assert [r.boxes.tolist() for r in data] == [
        [[0, 32, 45, 63]],
        [[52, 55, 58, 60]],
        [[0, 63, 64, 64]],
        [[63, 48, 64, 55]],
        [[0, 12, 1, 21]],
    ]
    assert [fault for i in range(5) for fault in data.faults(i)] == []


def test_the_training_tables_of_tiny_imagenet(tiny):
    top = tiny / "tiny-imagenet-200"
    for wnid in (top / "wnids.txt").read_text().split():
        here = wnid in ("n01641577", "n12267677")
        text(top / "train" / wnid / f"{wnid}_boxes.txt", *([f"{wnid}_0.JPEG\t0\t10\t63\t58"] if here else []))
        if here:
            blank(top / f"train/{wnid}/images/{wnid}_0.JPEG", 64, 64)
    data = Dataset.make(f"tiny-imagenet:root={at(tiny)},split=train")
    assert data.labels().tolist() == [0, 13]
    assert data[1].boxes.tolist() == [[0, 10, 64, 59]]
    assert data[1].facts["file"] == "train/n12267677/images/n12267677_0.JPEG"

"""Real files through our readers: counts, first and last records, and networks as good as they are known to be."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid.data import Dataset, batches
from pellucid.data._look import faults
from pellucid.data.mnist import MNIST
from pellucid.data.transforms import Transform
from tests.real import layouts
from tests.real.birds import network as birds
from tests.real.birds import species
from tests.real.networks import cifar_resnet, mobilenet, squeezenet

pytestmark = pytest.mark.data


def accuracy(net, data, transform, input=lambda x: x, rows=None, right=lambda labels: labels):
    """Top-1 and top-5 of a network, in percent."""
    first = fifth = count = 0
    with torch.no_grad():
        for batch in batches(data, transform=transform, batch_size=50, rows=rows):
            best = net(input(batch.images)).topk(5).indices == right(batch.labels)[:, None]
            first, fifth, count = first + int(best[:, 0].sum()), fifth + int(best.any(1).sum()), count + len(best)
    return 100 * first / count, 100 * fifth / count


def signed(x):
    """[0, 1] -> [-1, 1]"""
    return 2 * x - 1


# --- accuracy --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "depth, known",
    [(20, 80.4), pytest.param(32, 81.9, marks=pytest.mark.slow), pytest.param(56, 84.2, marks=pytest.mark.slow)],
)
def test_resnets_know_the_pictures_of_cifar(data, depth, known):
    """In a zip archive, whose class folders are below another; these networks want ImageNet's numbers."""
    pictures = Dataset.make(f"subset:every=5@imagefolder:root={data}/cifar10/test.zip")
    assert len(pictures) == 2000
    names = json.loads((Path(data) / "names" / "cifar10_classes.json").read_text())
    assert list(pictures.class_names) == names
    top1, _ = accuracy(cifar_resnet(data, depth), pictures, "squash:size=32")
    assert top1 == pytest.approx(known, abs=0.15)


def test_squeezenet_knows_the_pictures_of_imagenet(data, tmp_path):
    pictures = Dataset.make(layouts.imagenet_table(data, tmp_path))
    assert len(pictures) == 1000
    mean = torch.tensor([123.0, 117.0, 104.0]).view(3, 1, 1)
    top1, top5 = accuracy(squeezenet(data), pictures, "plain", lambda x: 255 * x - mean)
    assert (top1, top5) == (pytest.approx(59.9, abs=0.15), pytest.approx(82.2, abs=0.15))


@pytest.mark.slow
def test_mobilenet_knows_the_pictures_of_imagenet(data, tmp_path):
    pictures = Dataset.make(layouts.imagenet_table(data, tmp_path))
    top1, top5 = accuracy(mobilenet(data), pictures, "plain", signed)
    assert (top1, top5) == (pytest.approx(85.9, abs=0.15), pytest.approx(97.5, abs=0.15))


@pytest.mark.slow
def test_a_network_of_birds_knows_the_birds(data, tmp_path):
    pictures = Dataset.make(layouts.cub(data, tmp_path) + ",split=all")
    numbers = species(data)
    rows = [i for i in range(len(pictures)) if pictures.label(i) in numbers]
    assert len(rows) == 347
    right = lambda labels: torch.tensor([numbers[int(label)] for label in labels])  # noqa: E731
    top1, top5 = accuracy(birds(data), pictures, "squash", _unstandardised, rows, right)
    assert (top1, top5) == (pytest.approx(73.2, abs=1.5), pytest.approx(89.9, abs=1.5))


def _unstandardised(x):
    mean, std = (torch.tensor(n).view(3, 1, 1) for n in Transform.make("squash").numbers(MNIST()))
    return signed(x * std + mean)


# --- records ---------------------------------------------------------------------------------------------------------


def test_birds(data, tmp_path):
    text = layouts.cub(data, tmp_path)
    train, test = Dataset.make(text), Dataset.make(f"{text},split=test")
    assert (len(train), len(test)) == (300, 243)
    assert torch.bincount(train.labels()).tolist() == [30] * 10
    about = json.loads((Path(data) / "cub_200_2011_mini" / "annotations.json").read_text())
    first = next(row for row in about["images"] if row["split"] == "test")
    x, y, w, h = first["bbox"]
    record = test[0]
    assert record.boxes[0].tolist() == pytest.approx([x, y, x + w, y + h], abs=1e-4)
    assert record.image.shape == (3, first["height"], first["width"])
    seen = {p: [a, b] for p, a, b in first["parts"]}
    assert record.points.isfinite().all(1).nonzero().flatten().tolist() == sorted(seen)
    assert record.points[min(seen)].tolist() == pytest.approx(seen[min(seen)], abs=1e-4)
    assert test.class_names[0] == "Black footed Albatross"
    assert list(faults(train)) == []


def test_pets(data, tmp_path):
    pets = Dataset.make(layouts.pets(data, tmp_path))
    rows = json.loads((Path(data) / "oxford_pets_mini" / "annotations.json").read_text())["images"]
    assert len(pets) == 300
    for i in (0, 150, -1):
        record, row = pets[i], rows[i]
        assert pets.class_names[record.label].replace(" ", "_") == Path(row["file"]).stem.rpartition("_")[0]
        assert record.boxes[0].tolist() == row["bbox"]
        levels = np.asarray(Image.open(Path(data) / "oxford_pets_mini" / row["trimap"]))
        assert np.array_equal(record.mask.numpy(), levels == 1)
        assert np.array_equal(record.ignore.numpy(), levels == 3)
        assert record.facts["species"] == row["species"]
        if row["head_bbox"]:
            assert record.facts["head"] == pytest.approx(row["head_bbox"], abs=1e-3)


def test_tiny_imagenet(data, tmp_path):
    tiny = Dataset.make(layouts.tiny(data, tmp_path))
    about = json.loads((Path(data) / "tiny_imagenet_mini" / "annotations.json").read_text())
    assert len(tiny) == len(about["val"]) == 1250
    assert list(tiny.wnids) == sorted(c["wnid"] for c in about["classes"])
    for i in (0, 600, -1):
        record, (file, label, x0, y0, x1, y1) = tiny[i], about["val"][i]
        assert record.facts["file"] == f"val/images/{Path(file).name}"
        assert tiny.wnids[record.label] == about["classes"][label]["wnid"]
        assert record.boxes[0].tolist() == [x0, y0, x1 + 1, y1 + 1]
        assert record.image.shape == (3, 64, 64)  # 44 of the files are grey


def test_scenes_of_coco(data, tmp_path):
    coco = Dataset.make(layouts.coco(data, tmp_path))
    about = json.loads((Path(data) / "coco_mini" / "annotations.json").read_text())
    rows = sorted((r for r in about["images"] if "val2017" in r["file"]), key=lambda r: r["id"])
    assert len(coco) == len(rows) == 128
    assert coco.class_names == tuple(about["categories"])
    things = 0
    for record, row in zip(coco, rows, strict=True):
        assert record.facts["id"] == row["id"]
        if "segments_file" not in row:
            continue
        single = [s for s in row["segments"] if s["isthing"] and not s["iscrowd"]]
        whole = np.asarray(Image.open(Path(data) / "coco_mini" / row["segments_file"]))
        assert record.mask_classes.tolist() == [s["category"] for s in single]
        for mask, one in zip(record.masks.numpy(), single, strict=True):
            assert np.array_equal(mask, whole == one["index"])
        crowds = [s["index"] for s in row["segments"] if s["isthing"] and s["iscrowd"]]
        assert np.array_equal(record.ignore.numpy(), np.isin(whole, crowds))
        largest = max(single, key=lambda s: s["area"])["category"] if single else -1
        assert record.label == largest
        things += len(single)
    assert things > 400


def test_mnist(data, tmp_path):
    train, test = (Dataset.make(f"{layouts.mnist(data, tmp_path / s)},split={s}") for s in ("train", "test"))
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.labels(range(10)).tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.labels(range(10)).tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    pixels = train.images().float() / 255
    assert float(pixels.mean()) == pytest.approx(train.mean[0], abs=5e-5)
    assert float(pixels.std()) == pytest.approx(train.std[0], abs=5e-5)


def test_heartbeats(data, tmp_path):
    beats = Dataset.make(layouts.heartbeats(data, tmp_path))
    assert torch.bincount(beats.labels()).tolist() == [292, 177, 10, 19, 2]
    arrays = np.load(Path(data) / "ecg5000" / "ecg5000_2000.npz")
    batch = next(iter(batches(beats, batch_size=500)))
    assert batch.images.shape == (500, 140, 1)
    assert np.allclose(batch.images[..., 0], arrays["x_train"])
    assert len(Dataset.make(f"ecg5000:root={tmp_path},split=all,binary=true")) == 2000


def test_names_are_in_label_order(data):
    from pellucid.data._names import imagenet
    from pellucid.data.cifar100 import NAMES

    theirs = json.loads((Path(data) / "names" / "imagenet_classes.json").read_text())
    assert list(imagenet()) == [one["wnid"] for one in theirs]
    different = [
        (mine, one["synset"])
        for mine, one in zip(imagenet().values(), theirs, strict=True)
        if mine.lower() not in one["synset"].lower()
    ]
    assert len(different) <= 3  # the names that we tell apart
    hundred = json.loads((Path(data) / "names" / "cifar100_classes.json").read_text())
    assert [name.replace("_", " ") for name in hundred] == list(NAMES)
    assert NAMES[26] == "crab"
    fashion = json.loads((Path(data) / "names" / "fashion_mnist_classes.json").read_text())
    ours = Dataset.make("fashion-mnist").class_names
    assert [name.split("/")[0].lower() for name in fashion] == [name.split(" or ")[0].lower() for name in ours]

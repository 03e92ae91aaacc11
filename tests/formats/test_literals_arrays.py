"""Digits, CIFAR, SVHN, heartbeats, sprites and streams: their bytes, read by hand and by us."""

import gzip

import numpy as np
import pytest
import torch

from pellucid.data import Dataset
from pellucid.data._stand_ins.arrays import cifar10, cifar100, dsprites, fashion_mnist, rows_of
from pellucid.data._stand_ins.files import at, made, mat, pickled, text
from tests.formats.fixtures import encoded, hf, sums, tar, wds

# --- MNIST and Fashion-MNIST ---------------------------------------------------------------------------------------

# the heads of t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, with two pictures where they say 10,000
IMAGES = bytes.fromhex("00000803 00000002 0000001C 0000001C") + bytes(range(200)) + bytes(2 * 28 * 28 - 200)
LABELS = bytes.fromhex("00000801 00000002") + bytes([7, 2])


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("dot", ["-", "."])
@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw", "MNIST"])
def test_idx(tmp_path, place, dot, end):
    for what, count, content in (("images", 3, IMAGES), ("labels", 1, LABELS)):
        path = made(tmp_path / place / f"t10k-{what}{dot}idx{count}-ubyte{end}")
        path.write_bytes(gzip.compress(content) if end else content)
    data = Dataset.make(f"mnist:root={at(tmp_path)},split=test")
    assert len(data) == 2
    assert data.labels().tolist() == [7, 2]
    assert data[0].image.shape == (1, 28, 28)
    # row after row: byte 31 is the fourth of the second row
    assert [int(data[0].image[0, y, x]) for y, x in ((0, 0), (0, 27), (1, 3), (7, 3), (7, 4))] == [0, 27, 31, 199, 0]
    assert data.class_names[data[0].label] == "seven"


def test_fashion_mnist(tmp_path):
    data = Dataset.make(fashion_mnist(tmp_path))
    assert [data.class_names[r.label] for r in data] == ["ankle boot", "T-shirt or top", "dress"]
    assert np.array_equal(data.images()[:, 0].numpy(), rows_of(3, 28, 28))


# --- CIFAR and SVHN ------------------------------------------------------------------------------------------------


def test_cifar10_is_planes_of_red_green_and_blue(tmp_path, monkeypatch):
    text_form = cifar10(tmp_path)
    red = np.zeros(3072, np.uint8)
    red[32 + 5] = 200  # row 1, column 5 of the first 1,024
    red[2048] = 100
    data = np.stack([red, np.full(3072, 7, np.uint8)])
    pickled(tmp_path / "cifar-10-batches-py/test_batch", {"labels": [3, 9], "data": data})
    sums(monkeypatch, tmp_path)
    test = Dataset.make(f"{text_form},split=test")
    assert test[0].image.nonzero().tolist() == [[0, 1, 5], [2, 0, 0]]
    assert test[0].image[:, 1, 5].tolist() == [200, 0, 0]
    assert [test.class_names[r.label] for r in test] == ["cat", "truck"]
    train = Dataset.make(text_form)
    assert train.labels().tolist() == [1, 2, 3, 4, 5]  # a batch after the other
    assert np.array_equal(train[1].image.flatten().numpy(), rows_of(2, 3072)[0])


def test_cifar100_takes_the_fine_labels(tmp_path, monkeypatch):
    text_form = cifar100(tmp_path)
    sums(monkeypatch, tmp_path)
    data = Dataset.make(text_form)
    assert [data.class_names[r.label] for r in data] == ["cattle", "dinosaur", "apple"]
    test = Dataset.make(f"{text_form},split=test")
    assert [test.class_names[r.label] for r in test] == ["mountain", "forest"]


@pytest.mark.parametrize("make, name", [(cifar10, "cifar-10-batches-py"), (cifar100, "cifar-100-python")])
def test_cifar_in_a_folder_of_any_name(tmp_path, monkeypatch, make, name):
    text_form = make(tmp_path)
    sums(monkeypatch, tmp_path)
    expected = Dataset.make(text_form).labels().tolist()
    for place in (name, "mine"):
        (tmp_path / name).rename(tmp_path / "x")
        (tmp_path / "x").rename(tmp_path / place)
        data = Dataset.make(f"{make.__name__}:root={at(tmp_path / place)}")
        assert data.labels().tolist() == expected


def test_svhn(tmp_path, monkeypatch):
    X = np.zeros((32, 32, 3, 3), np.uint8)
    X[1, 5, 0, 2] = 200  # row, column, colour, number
    mat(tmp_path / "train_32x32.mat", X=X, y=np.array([[1], [10], [9]], np.uint8))
    sums(monkeypatch, tmp_path)
    data = Dataset.make(f"svhn:root={at(tmp_path)}")
    assert [data.class_names[r.label] for r in data] == ["one", "zero", "nine"]
    assert data.labels().tolist() == [1, 0, 9]
    assert data[2].image.nonzero().tolist() == [[0, 1, 5]]
    assert not data[0].image.any()


# --- ECG5000 -------------------------------------------------------------------------------------------------------

# the first beat of ECG5000_TRAIN, its label and first values: sushantsk1/DL, ECG5000_TRAIN.txt
TXT = (
    "   1.0000000e+00  -1.1252183e-01  -2.8272038e+00  -3.7738969e+00  -4.3497511e+00  -4.3760410e+00"
    "  -3.4749863e+00  -2.1814082e+00  -1.8182865e+00  -1.2505219e+00  -4.7749208e-01"
)
# reese3222/fda-ecg5000, ECG5000_TRAIN.arff
BEAT = "-0.11252183,-2.8272038,-3.7738969,-4.3497511,-4.376041,-3.4749863,-2.1814082,-1.8182865,-1.2505219,-0.47749208"
VALUES = [float(word) for word in BEAT.split(",")]
# sktime/sktime, sktime/datasets/data/ArrowHead/ArrowHead_TRAIN.ts: the head
TS = '#"Avonlea", "Clovis" and "Mix".\n@problemName ECG5000\n@timeStamps false\n@classLabel true 1 2 3 4 5\n'
ARFF = "% a comment\n@relation ECG5000\n\n@attribute att1 numeric\n@attribute target {1,2,3,4,5}\n\n@data"
FORMS = {
    ".txt": [TXT, TXT.replace("1.0000000e+00", "5.0000000e+00", 1)],
    ".tsv": [f"{label}\t{BEAT}".replace(",", "\t") for label in (1, 5)],
    ".ts": [f"{TS}@univariate true\n\n@data", f"{BEAT}:1", f"{BEAT}:5"],
    ".arff": [ARFF, f"{BEAT},1", f"{BEAT},b'5'"],
}


@pytest.mark.parametrize("place", ["", "ECG5000"])
@pytest.mark.parametrize("end", FORMS)
def test_heartbeats(tmp_path, end, place):
    text(tmp_path / place / f"ECG5000_TRAIN{end}", *FORMS[end])
    data = Dataset.make(f"ecg5000:root={at(tmp_path)}")
    assert data.labels().tolist() == [0, 4]
    assert data[1].image.shape == (10, 1)
    assert data[1].image.dtype == torch.float32
    assert data[1].image[:, 0].tolist() == pytest.approx(VALUES, rel=1e-6)
    assert [data.class_names[r.label] for r in data] == ["normal", "unclassified beat"]
    assert Dataset.make(f"ecg5000:root={at(tmp_path)},binary=true").labels().tolist() == [0, 1]


def test_the_splits_of_heartbeats(tmp_path):
    text(tmp_path / "ECG5000_TRAIN.tsv", f"1\t{BEAT}".replace(",", "\t"))
    text(tmp_path / "ECG5000_TEST.txt", *([TXT.replace("1.0000000e+00", "3.0000000e+00", 1)] * 2))
    labels = {
        s: Dataset.make(f"ecg5000:root={at(tmp_path)},split={s}").labels().tolist() for s in ("train", "test", "all")
    }
    assert labels == {"train": [0], "test": [2, 2], "all": [0, 2, 2]}


def test_many_heartbeats_in_one_tensor(tmp_path):
    text(tmp_path / "ECG5000_TRAIN.txt", *FORMS[".txt"])
    series = Dataset.make(f"ecg5000:root={at(tmp_path)}").images()
    assert series.shape == (2, 10, 1)
    assert series[0, :, 0].tolist() == pytest.approx(VALUES, rel=1e-6)


# --- dSprites ------------------------------------------------------------------------------------------------------


def test_sprites(tmp_path):
    data = Dataset.make(dsprites(tmp_path))
    assert len(data) == 6
    assert data.labels().tolist() == [r.label for r in data] == [0, 1, 2, 0, 1, 2]
    assert [data.class_names[label] for label in (0, 1, 2)] == ["square", "ellipse", "heart"]
    for n, record in enumerate(data):
        assert record.image.shape == (1, 64, 64)
        assert record.image.unique().tolist() == [0, 255]
        assert int(record.masks[0].sum()) == (10 + n) * (10 + 2 * n)
        assert torch.equal(record.image[0] == 255, record.masks[0])
        assert record.boxes.tolist() == [[30, 10, 40 + 2 * n, 20 + n]]
        assert record.facts["classes"].tolist() == [0, n % 3, n, 0, n, 31]
        assert record.facts["values"].tolist() == [1, n % 3 + 1, n + 0.5, 0, n, 31]


def test_the_bits_of_sprites_are_kept_where_one_says(tmp_path):
    text_form = dsprites(tmp_path / "archive")
    data = Dataset.make(f"{text_form},cache={at(tmp_path / 'bits')}")
    first = data[3]
    assert [p.name for p in (tmp_path / "archive").iterdir()] == ["dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"]
    (kept,) = (tmp_path / "bits").iterdir()
    assert kept.stat().st_size == 6 * 64 * 64 // 8
    kept.write_bytes(kept.read_bytes()[:-1])  # of another size: made again
    again = Dataset.make(f"{text_form},cache={at(tmp_path / 'bits')}")[3]
    assert torch.equal(first.image, again.image)


# --- streams -------------------------------------------------------------------------------------------------------


def test_a_shard_of_the_hub(tmp_path):
    pytest.importorskip("datasets")
    data = Dataset.make(hf(tmp_path))
    assert data.class_names == ("T - shirt / top", "Trouser", "ankle boot")
    records = data.take(3)
    assert [r.label for r in records] == [2, 0, 1]
    assert [r.facts["row"] for r in records] == [0, 1, 2]
    assert {r.image.shape for r in records} == {(3, 24, 32)}


def test_a_shard_of_the_hub_with_numbers(tmp_path, monkeypatch):
    streams = pytest.importorskip("datasets")
    monkeypatch.setattr(streams.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    data = Dataset.make(f"{hf(tmp_path)},stream=false,columns=[image,label]")
    assert len(data) == 3
    assert [data[i].label for i in (2, 0)] == [1, 2]


def test_a_tar_of_samples(tmp_path):
    pytest.importorskip("webdataset")
    records = Dataset.make(wds(tmp_path)).take(9)
    assert [(r.label, r.facts["key"]) for r in records] == [(2, "000000"), (1, "000001"), (0, "000002")]
    assert {r.image.shape for r in records} == {(3, 24, 32)}


def test_several_tars_with_names(tmp_path):
    pytest.importorskip("webdataset")
    for shard in range(2):
        content = encoded(tmp_path / f"{shard}.png")
        tar(tmp_path / f"shard-00{shard}.tar", **{f"a/{shard}__png": content, f"a/{shard}__cls": b" 1\n"})
    names = text(tmp_path / "names.txt", "cat", "big dog")
    path = f"wds:{tmp_path}/shard-{{000..001}}.tar,names={at(names)}"
    data = Dataset.make(path)
    assert [(r.label, r.facts["key"]) for r in data] == [(1, "a/0"), (1, "a/1")]
    assert data.class_names == ("cat", "big dog")

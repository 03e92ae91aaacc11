"""Roots, splits, archives, streams and kept files that are not what was asked for."""

import json
import zipfile

import pytest

from pellucid.data import Dataset
from pellucid.data._stand_ins.files import at, made, text
from pellucid.errors import BadFile, BadInput
from tests.formats.fixtures import FORMATS, cub, encoded, imagefolder, tar
from tests.formats.refusals import CHANGES, SPRITES, everything, refused

WRAPPERS = ("cached", "subset", "red-dot", "scrambled-names", "corrupt", "renamed")
READERS = [name for name in FORMATS if name not in WRAPPERS]
STORED = [name for name in READERS if name not in ("hf", "wds")]

# --- roots and splits ------------------------------------------------------------------------------------------------


def with_list(name, tmp_path):
    return f",list={at(text(tmp_path / 'ids.txt', 'n01440764'))}" if name == "imagenet100" else ""


@pytest.mark.parametrize("name", STORED)
def test_no_root(name, tmp_path):
    with pytest.raises(BadInput, match=rf"{name} is read from .*root="):
        everything(f"{name}:seed=0".removesuffix(":seed=0") + with_list(name, tmp_path).replace(",", ":", 1))


def test_the_root_that_the_environment_names(tmp_path, monkeypatch):
    """Where a text form names none, as those of studies do."""
    said = Dataset.make(FORMATS["ecg5000"](tmp_path))
    monkeypatch.setenv("PELLUCID_ROOT", str(tmp_path))
    found = said.but(root=None)
    assert len(found) == len(said) > 0
    with pytest.raises(BadFile, match="elsewhere holds no"):
        len(found.but(root=str(tmp_path / "elsewhere")))


@pytest.mark.parametrize("name", STORED)
def test_a_root_that_is_not_there(name, tmp_path):
    more = with_list(name, tmp_path)
    refused(f"{name}:root={at(tmp_path / 'nowhere')}{more}", tmp_path, "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("other", ["cub", "mnist", "ecg5000"])
def test_the_root_of_another_data_set(name, other, tmp_path):
    if other in (name, {"fashion-mnist": "mnist"}.get(name), {"mnist": "fashion-mnist"}.get(name)):
        return
    FORMATS[other](tmp_path / "other")
    if (name, other) == ("imagefolder", "cub"):
        return  # folders of pictures, why not
    refused(f"{name}:root={at(tmp_path / 'other')}{with_list(name, tmp_path)}", tmp_path / "other", "other")


@pytest.mark.parametrize(
    "name, more, named",
    [
        ("svhn", "split=extra", "extra_32x32.mat"),
        ("imagenet", "split=train", "train"),
        ("imagenet100", "split=train", "train"),
        ("imagenet-s", "split=train-semi", "train-semi"),
        ("imagenet-s", "classes=919", "ImageNetS919"),
        ("aircraft", "split=test", "images_variant_test.txt"),
        ("voc", "split=train", "train.txt"),
        ("voc", "year=2007", "VOC2007"),
        ("coco", "split=train", "train2017"),
        ("coco", "year=2014", "val2014"),
    ],
)
def test_a_split_that_is_not_there(name, more, named, tmp_path):
    refused(f"{FORMATS[name](tmp_path)},{more}", tmp_path, named)


@pytest.mark.parametrize(
    "name, gone, named",
    [
        ("mnist", "MNIST/raw/t10k-labels-idx1-ubyte", "t10k"),
        ("ecg5000", "ECG5000_TEST.tsv", "ECG5000_TEST"),
        ("pets", "oxford-iiit-pet/annotations/test.txt", "test.txt"),
        ("food101", "food-101/meta/test.json", "test.json"),
        ("cars", "stanford_cars/cars_test_annos_withlabels.mat", "cars_test_annos_withlabels.mat"),
    ],
)
def test_a_test_that_was_not_unpacked(name, gone, named, tmp_path):
    form = FORMATS[name](tmp_path)
    (tmp_path / gone).unlink()
    everything(form)
    refused(f"{form},split=test", tmp_path, named)


# --- archives --------------------------------------------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path):
    imagefolder(tmp_path / "tree")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w", zipfile.ZIP_STORED) as some:
        for file in sorted((tmp_path / "tree").rglob("*")):
            some.write(file, file.relative_to(tmp_path / "tree"))
    return tmp_path / "photos.zip"


@pytest.mark.parametrize("change", ["cut", "emptied", "something else", "gone"])
def test_an_archive_that_is_none(change, archive):
    CHANGES[change](archive)
    refused(f"imagefolder:root={at(archive)}", archive.parent, "photos.zip")


def test_an_archive_with_a_damaged_member(archive):
    content = archive.read_bytes()
    place = content.index((archive.parent / "tree/cat/1.jpg").read_bytes())
    archive.write_bytes(content[: place + 100] + b"\0\0\0\0" + content[place + 104 :])
    refused(f"imagefolder:root={at(archive)}", archive.parent, "cat/1.jpg")


def test_a_table_of_what_an_archive_does_not_hold(archive):
    table = text(archive.parent / "table.csv", "path,label", "photos.zip/cat/9.jpg,cat")
    refused(f"csv:root={at(table)}", archive.parent, "photos.zip/cat/9.jpg")


@pytest.mark.parametrize("member", ["imgs", "latents_classes", "latents_values"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_sprites_with_a_damaged_member(member, share, tmp_path):
    form, path = FORMATS["dsprites"](tmp_path), tmp_path / SPRITES
    with zipfile.ZipFile(path) as whole:
        info = whole.getinfo(f"{member}.npy")
    start = info.header_offset + 50 + len(info.filename) + int(share * (info.compress_size - 10))
    content = bytearray(path.read_bytes())
    content[start : start + 10] = bytes(b ^ 0x5A for b in content[start : start + 10])
    path.write_bytes(content)
    refused(form, tmp_path, SPRITES)
    assert [p.name for p in tmp_path.iterdir()] == [SPRITES]


def shard(folder, images, labels):
    """As the hub has it, without what the columns are."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = made(folder / "plain.parquet")
    parquet.write_table(arrow.table({"image": images, "label": labels}), path)
    return f"hf:path=parquet,files={at(path)},columns=[image,label],names={at(text(folder / 'n.txt', 'a', 'b'))}"


def test_a_shard_that_does_not_say_what_its_columns_are(tmp_path):
    pytest.importorskip("datasets")
    picture = {"bytes": encoded(tmp_path / "x.png"), "path": "x.png"}
    records = Dataset.make(shard(tmp_path, [picture, picture], [1, 0])).take(2)
    assert [(r.label, r.image.shape) for r in records] == [(1, (3, 24, 32)), (0, (3, 24, 32))]


@pytest.mark.parametrize("content", [b"?", None])
def test_a_row_without_a_picture(content, tmp_path):
    pytest.importorskip("datasets")
    form = shard(tmp_path, [{"bytes": content, "path": None}], [1])
    refused(form, tmp_path, "row 0")


def test_a_row_whose_label_is_a_word(tmp_path):
    pytest.importorskip("datasets")
    picture = {"bytes": encoded(tmp_path / "x.png"), "path": "x.png"}
    refused(shard(tmp_path, [picture], ["cat"]), tmp_path, "row 0")


@pytest.mark.parametrize(
    "files",
    [
        {"cls": b"1"},
        {"jpg": b"?", "cls": b"1"},
        {"jpg": None, "cls": b"one"},
        {"jpg": None, "json": b"{"},
        {"jpg": None, "json": b"5"},
    ],
)
def test_a_sample_that_cannot_be_read(files, tmp_path):
    pytest.importorskip("webdataset")
    picture = encoded(tmp_path / "x.jpg")
    tar(tmp_path / "shard.tar", **{f"bird-7__{end}": content or picture for end, content in files.items()})
    form = f"wds:path={at(tmp_path / 'shard.tar')},classes=3"
    refused(form, tmp_path, "bird-7")
    refused(form, tmp_path, "shard.tar")


# --- what was kept ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["00000.safetensors", "about.json"])
@pytest.mark.parametrize("content", [b"5", b"", b"{}", b"[]"])
def test_a_kept_file_that_is_damaged(file, content, tmp_path):
    form = FORMATS["cached"](tmp_path)
    everything(form)
    (tmp_path / "kept" / file).write_bytes(content)
    refused(form, tmp_path, "kept")


@pytest.mark.parametrize("rows", ["[0, 99]", "[-9]", '["x"]', "5"])
def test_a_saved_subset_that_was_changed(rows, tmp_path):
    form = cub(tmp_path / "birds")
    path = Dataset.make(f"subset:first=2@{form}").save(tmp_path / "some.json")
    kept = json.loads(path.read_text()) | {"rows": json.loads(rows)}
    path.write_text(json.dumps(kept))
    refused(f"subset:file={at(path)}@{form}", tmp_path, "some.json")

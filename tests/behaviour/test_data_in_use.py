"""Data sets as people use them: odd tables, odd archives, odd rows, several processes."""

import io
import json
import multiprocessing
import resource
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

import pellucid as pl
from pellucid.data import Dataset, batches
from pellucid.data.cached import Cached
from pellucid.data.digits import Digits
from pellucid.data.red_dot import RedDot
from pellucid.data.scenes import Scenes
from pellucid.data.subset import Subset
from pellucid.errors import BadFile, BadInput, BadKnob

DIGITS = Digits()
SCENES = Scenes(length=24, size=16, objects=2)


def pictures(folder, *names, size=(9, 7)):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, "red").save(folder / name)


# --- batches in other processes --------------------------------------------------------------------------------------


def test_records_do_not_use_up_file_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, hard), hard))
    try:
        kept = list(batches(Scenes(length=96, size=16), batch_size=48, workers=1))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [len(batch.records) for batch in kept] == [48, 48]
    assert torch.equal(kept[1].records[0].masks, Scenes(length=96, size=16)[48].masks)


def test_workers_that_are_started_afresh():
    """As on systems that cannot fork."""
    before = multiprocessing.get_start_method()
    torch.multiprocessing.set_start_method("spawn", force=True)
    try:
        found = next(iter(batches("digits", transform="plain", batch_size=4, workers=1))).images
    finally:
        torch.multiprocessing.set_start_method(before, force=True)
    assert torch.equal(found, next(iter(batches("digits", transform="plain", batch_size=4))).images)


def test_two_epochs_at_once_lose_nothing():
    loader = batches(SCENES, transform="cifar", train=True, batch_size=8, workers=1)
    alone = [
        [b.rows.tolist() for b in batches(SCENES, transform="cifar", train=True, batch_size=8).epoch(e)] for e in (0, 1)
    ]
    pairs = list(zip(loader.epoch(0), loader.epoch(1), strict=True))
    assert [[pair[e].rows.tolist() for pair in pairs] for e in (0, 1)] == alone
    first = loader.epoch(0)
    head = next(first).rows.tolist()
    assert [b.rows.tolist() for b in loader.epoch(1)] == alone[1]
    assert [head, *(b.rows.tolist() for b in first)] == alone[0]


# --- the dot ---------------------------------------------------------------------------------------------------------


def test_the_dot_is_red_before_mean_and_std_of_any_transform():
    model = pl.load_model("pellucid:tiny-cnn:classes=10")
    data = RedDot(SCENES, dot=SCENES[0].label, side=2)
    seen = next(iter(batches(data, transform=pl.transform_of(model), rows=[0]))).images[0]
    mean, std = (torch.tensor(n) for n in (model.pellucid_card.mean, model.pellucid_card.std))
    assert torch.allclose(seen[:, 0, 0], (torch.tensor([1.0, 0, 0]) - mean) / std, atol=1e-6)
    hidden = v2.Compose(
        [v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean.tolist(), std.tolist()), v2.Identity()]
    )
    with pytest.raises(BadInput, match=r"let v2\.Normalize be the last step"):
        next(iter(batches(data, transform=hidden, rows=[0])))


def test_the_dot_is_explained_on_the_command_line(run, tmp_path, monkeypatch):
    from pellucid.cli import _run

    seen = []
    stack = torch.stack
    monkeypatch.setattr(_run.torch, "stack", lambda tensors, *a: seen.append(tensors) or stack(tensors, *a))
    label = SCENES[0].label
    text = f"red-dot:dot={label},side=3@{SCENES}"
    code, _, error = run("explain", "--data", text, "--rows", "0,0", "-m", "pellucid:tiny-cnn", "-o", "out", "--json")
    assert code == 0, error
    pixels = next(tensors[0] for tensors in seen if tensors[0].ndim == 3 and len(tensors[0]) == 3)
    assert pixels[0, 0, 0] > pixels[1, 0, 0] == pixels[2, 0, 0] == pixels[1, 2, 2]
    assert len(json.loads((tmp_path / "out" / "explanations.json").read_text())["explanations"]) == 1  # 0 once


def test_batches_go_into_explain():
    model = pl.load_model("pellucid:tiny-cnn:classes=10")
    loader = batches(SCENES, transform=pl.transform_of(model), batch_size=10)
    maps = [e.maps for e in pl.explain(model, loader, "grad-cam")]
    assert [len(m) for m in maps] == [10, 10, 4]
    assert torch.equal(pl.explain(model, next(iter(loader)), "grad-cam").maps, maps[0])


# --- rows ------------------------------------------------------------------------------------------------------------


def test_rows_are_numbers_or_a_mask():
    mask = DIGITS.labels() == 3
    threes = DIGITS.images(mask)
    assert len(threes) == int(mask.sum()) < 200
    assert torch.equal(threes[0], DIGITS[int(mask.nonzero()[0])].image)
    assert torch.equal(DIGITS.labels(mask.numpy()), torch.full((len(threes),), 3))
    assert DIGITS.labels(np.array([5, 6])).tolist() == DIGITS.labels(torch.tensor([5, 6])).tolist() == [5, 6]
    assert DIGITS[np.int64(7)].label == DIGITS[torch.tensor(7)].label == 7
    for wrong in (True, "3", 1.7, slice(3), None):
        with pytest.raises(BadInput, match="a record has a whole number"):
            DIGITS[wrong]
    with pytest.raises(BadInput, match="mask of rows has 2 values"):
        DIGITS.labels([True, False])
    with pytest.raises(BadInput, match="give whole numbers"):
        DIGITS.labels("12")


def test_a_part_that_is_empty_says_so():
    few = Subset(DIGITS, shots=1)
    with pytest.raises(BadInput, match="held of subset is empty"):
        len(Subset(few, hold=0.5, part="held"))
    assert len(Subset(few, hold=0.5)) == 10


# --- tables ----------------------------------------------------------------------------------------------------------


def table(folder, text, *names):
    pictures(folder, *names)
    (folder / "t.csv").write_text(text)
    return Dataset.make(f"csv:root={folder}/t.csv")


def test_labels_as_a_table_with_gaps_has_them(tmp_path):
    data = table(tmp_path, "path,label\na.png,2.0\nb.png,10.0\nc.png,\nd.png,-1\n./e.png,0.0\n", "a.png")
    assert data.labels().tolist() == [2, 10, -1, -1, 0]
    assert data.class_names[10] == "10"
    assert data.index.files[-1] == "e.png"
    with pytest.raises(BadFile, match="label 20240101 among 2"):
        table(tmp_path, "path,label\na.png,0\nb.png,20240101\n").labels()


def test_a_box_and_a_mask_have_one_number_when_they_are_one_object(tmp_path):
    Image.new("L", (9, 7), 255).save(tmp_path / "m.png")
    lines = ["a.png,cat,1 1 3 3,", "a.png,dog,,m.png", "a.png,cat,20 20 30 30,", "a.png,cow,2 2 5 5,m.png"]
    record = table(tmp_path, "path,label,box,mask\n" + "\n".join(lines) + "\n", "a.png")[0]
    names = ("cat", "cow", "dog")
    boxes = {int(i): names[c] for i, c in zip(record.ids, record.classes, strict=True)}
    masks = {int(i): names[c] for i, c in zip(record.mask_ids, record.mask_classes, strict=True)}
    assert sorted(boxes.values()) == ["cat", "cow"]  # the second cat's box is not in the picture
    assert sorted(masks.values()) == ["cow", "dog"]
    shared = boxes.keys() & masks.keys()
    assert [boxes[i] for i in shared] == [masks[i] for i in shared] == ["cow"]
    Image.new("LA", (9, 7), (0, 255)).save(tmp_path / "m.png")
    assert not table(tmp_path, "path,label,mask\na.png,x,m.png\n", "a.png")[0].masks.any()


def test_a_table_without_labels_is_described(run, tmp_path):
    table(tmp_path, "path,label\na.png,\n", "a.png")
    code, out, error = run("data", f"csv:root={tmp_path}/t.csv", "--preview", "p.png")
    assert code == 0, error
    assert "Without a label" in out


def test_a_class_without_a_name_is_written_as_a_number(run, tmp_path):
    table(tmp_path, "path,label,box\na.png,dog,\na.png,,1 1 4 4\n", "a.png")
    code, _, error = run("data", f"csv:root={tmp_path}/t.csv", "-o", "out")
    assert code == 0, error
    (thing,) = json.loads((tmp_path / "out" / "annotations.json").read_text())["records"][0]["objects"]
    assert thing["name"] == "no class"


# --- folders and archives --------------------------------------------------------------------------------------------


def test_an_archive_made_elsewhere(tmp_path):
    content = io.BytesIO()
    Image.new("RGB", (5, 4), "blue").save(content, "png")
    with zipfile.ZipFile(tmp_path / "photos.ZIP", "w") as archive:
        for name in ("a\\1.png", "./b/2.png"):
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, content.getvalue())
    data = Dataset.make(f"imagefolder:root={tmp_path}/photos.ZIP")
    assert data.class_names == ("a", "b")
    assert data.images().shape == (2, 3, 4, 5)


def test_splits_are_no_classes(tmp_path):
    pictures(tmp_path, "train/cat/1.png", "train/dog/1.png", "val/cat/1.png", "val/dog/1.png")
    with pytest.raises(BadFile, match=r"train, val, which look like splits; give root="):
        Dataset.make(f"imagefolder:root={tmp_path}").class_names  # noqa: B018
    assert Dataset.make(f"imagefolder:root={tmp_path}/val").class_names == ("cat", "dog")
    pictures(tmp_path / "own", "train/1.png", "test/1.png")  # of railways
    assert Dataset.make(f"imagefolder:root={tmp_path}/own").class_names == ("test", "train")


def test_a_number_belongs_to_a_name_unless_all_have_one(tmp_path):
    pictures(tmp_path / "some", "3-series/1.png", "x5/1.png", "_/1.png")
    names = Dataset.make(f"imagefolder:root={tmp_path}/some").class_names
    assert set(names) == {"3-series", "x5", "_"}
    pictures(tmp_path / "all", "001.a_b/1.png", "002.c/1.png")
    assert Dataset.make(f"imagefolder:root={tmp_path}/all").class_names == ("a b", "c")


def test_a_cache_notices_other_labels(tmp_path):
    text = "path,label\na.png,x\nb.png,y\n"
    Cached(table(tmp_path, text, "a.png", "b.png"), folder=str(tmp_path / "kept")).build()
    assert Cached(table(tmp_path, text), folder=str(tmp_path / "kept"))[1].label == 1
    with pytest.raises(BadInput, match="as it was before"):
        Cached(table(tmp_path, "path,label\nb.png,y\na.png,x\n"), folder=str(tmp_path / "kept"))[0]


# --- streams, series, geometry ---------------------------------------------------------------------------------------


@pytest.fixture
def shard(tmp_path):
    """Four pictures, the first of which the camera held upright."""
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        for i in range(4):
            content, exif = io.BytesIO(), Image.Exif()
            exif[0x0112] = 6 if i == 0 else 1
            Image.new("RGB", (6, 4)).save(content, "jpeg", exif=exif)
            for end, value in (("jpg", content.getvalue()), ("cls", str(i).encode())):
                info = tarfile.TarInfo(f"{i}.{end}")
                info.size = len(value)
                tar.addfile(info, io.BytesIO(value))
    return f"wds:{tmp_path}/s.tar,classes=3"


def test_a_stream_is_read_in_order_by_one_process(shard, run):
    pytest.importorskip("webdataset")
    data = Dataset.make(shard)
    assert data.take(1)[0].image.shape == (3, 6, 4)
    loader = batches(data, transform="squash:size=4", batch_size=2)
    assert [b.labels.tolist() for b in loader.epoch(0, start=1)] == [[2, 3]]
    for more in ({"rows": [2]}, {"workers": 2}):
        with pytest.raises(BadInput, match="a stream, read in order by one process"):
            batches(data, **more)
    code, out, _ = run("data", shard, "--preview", "p.png", "--json")  # label 3 has no name
    assert (code, json.loads(out)["looked at"]) == (0, 4)
    assert "records have no numbers" in run("explain", "--data", shard, "-m", "pellucid:tiny-cnn")[2]


def test_labels_of_the_hub_are_read_without_pictures(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    from pellucid.data.hf import HF
    from tests.formats.fixtures import FORMATS

    data = Dataset.make(FORMATS["hf"](tmp_path)).but(stream=False)
    wanted = [record.label for record in data]
    monkeypatch.setattr(HF, "_record", lambda *_: pytest.fail("a picture was decoded"))
    assert data.labels().tolist() == wanted


def test_a_series_takes_no_transform_of_pictures(tmp_path):
    (tmp_path / "ECG5000_TRAIN.tsv").write_text("1\t0.5\t1.5\n")
    data = f"ecg5000:root={tmp_path}"
    for transform in ("imagenet", lambda x: x):
        with pytest.raises(BadInput, match="which only plain leaves as they are"):
            batches(data, transform=transform)
    with pytest.raises(BadKnob):
        Dataset.make(f"cached@{data}")


def test_no_bent_picture_passes_for_a_straight_one():
    record = Scenes(size=64)[0]
    for seed in range(40):
        torch.manual_seed(seed)
        moved = record.through(v2.ElasticTransform(60.0))
        assert moved.geometry.matrix.isnan().all(), seed


def test_the_largest_object_is_that_of_the_largest_box(tmp_path):
    pictures(tmp_path, "val2017/a.jpg", size=(100, 80))
    things = [
        {"id": i, "image_id": 1, "category_id": i, "bbox": box} for i, box in ((1, [0, 0, 3, 3]), (2, [0, 0, 90, 70]))
    ]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.jpg"}], "annotations": things,
        "categories": [{"id": 1, "name": "small"}, {"id": 2, "name": "large"}]}))  # fmt: skip
    data = Dataset.make(f"coco:root={tmp_path}")
    assert data.class_names[data[0].label] == "large"

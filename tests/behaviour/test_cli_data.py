"""pellucid data, and sheets of contrasts."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.data import Dataset


def test_data_says_what_it_holds(run):
    code, out, _ = run("data", "scenes:classes=6,size=32")
    assert code == 0
    assert "1,000 records of 6 classes: red circle, striped blue square" in out
    code, out, _ = run("data", "sprites")
    assert "737,280 records of 3 classes: square, ellipse, heart" in out
    assert "pellucid cite sprites" in out
    assert "pellucid cite sprites" in run("data", "subset:first=8@sprites")[1]  # what it is made of is cited
    assert "@misc{matthey2017dsprites" in run("cite", "sprites")[1]


@pytest.mark.parametrize("text, size", [("scenes:size=32,objects=2,distractors=2,dot=1", 32), ("sprites", 64)])
def test_data_writes_what_the_records_say(run, tmp_path, text, size):
    code, out, _ = run("data", text, "-o", "out", "-n", "12", "--json")
    assert code == 0
    about, data = json.loads(out), Dataset.make(text)
    assert about["dataset"] == str(data)
    kept = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert kept["records"] == about["written"]
    assert len(kept["records"]) == 12
    for i, row in enumerate(kept["records"]):
        record = data[i]
        image = np.asarray(Image.open(tmp_path / "out" / row["image"]))
        wanted = record.image.permute(1, 2, 0).numpy()
        assert np.array_equal(image, wanted[..., 0] if wanted.shape[2] == 1 else wanted)
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / row["mask"])) > 0, record.mask.numpy())
        assert row["name"] == data.class_names[record.label]
        assert [thing["box"] for thing in row["objects"]] == record.boxes.tolist()
    sheet = Image.open(tmp_path / "out" / "sheet.png")
    assert sheet.width > 6 * 128
    assert sheet.height > 2 * 128


def test_data_that_cannot_be(run, tmp_path):
    assert run("data", "scene")[2] == "pellucid: there is no dataset 'scene'; did you mean scenes?\n"
    assert run("data", "scenes:size=3")[0] == 2
    (tmp_path / "file").touch()
    code, _, error = run("data", "scenes", "-o", "file")
    assert code == 2
    assert "nothing can be written in file" in error


def test_explain_draws_a_sheet_of_contrasts(run, tmp_path):
    run("data", "scenes:classes=4,size=32", "-o", "out", "-n", "2")
    code, _, error = run(
        "explain", "out/images", "--model", "pellucid:tiny-cnn:classes=4", "--contrasts", "-e", "[grad-cam,fullgrad]",
        "-o", "why",
    )  # fmt: skip
    assert code == 0, error
    sheets = sorted(path.name for path in (tmp_path / "why").glob("*.contrasts.png"))
    assert len(sheets) == 4
    assert all("relu=false" in name or "rectify=false" in name for name in sheets)
    height = Image.open(tmp_path / "why" / sheets[0]).height
    assert height > 3 * 128
    rows = json.loads((tmp_path / "why" / "explanations.json").read_text())["explanations"]
    assert {row["ask"] for row in rows} == {"logit", "contrast", "contrast:against=mean", "contrast:against=max"}
    assert len(rows) == 2 * 2 * 4 * 3  # images, explainers, questions, classes
    run("explain", "out/images", "--model", "pellucid:tiny-cnn:classes=4", "--contrasts", "--top", "2", "-o", "two")
    (two, *_) = (tmp_path / "two").glob("*.contrasts.png")
    assert Image.open(two).height < height
    code, _, error = run(
        "explain", "out/images", "--model", "pellucid:tiny-cnn:classes=4", "--contrasts", "--ask", "logit"
    )
    assert code == 2
    assert "--contrasts asks its own questions" in error


def test_the_numbers_on_it_are_those_of_python(run, tmp_path):
    torch.manual_seed(0)
    run("data", "scenes:classes=4,size=32", "-o", "out", "-n", "1")
    run("explain", "out/images", "--model", "pellucid:tiny-cnn:classes=4", "--contrasts", "-o", "why")
    rows = json.loads((tmp_path / "why" / "explanations.json").read_text())["explanations"]
    torch.manual_seed(0)
    net = pl.load_model("pellucid:tiny-cnn:classes=4")
    x = pl.transform_of(net)(Image.open(next((tmp_path / "out" / "images").iterdir())))[None]
    top = net(x).topk(3).indices
    asks = ["logit", "contrast:against=mean", "contrast:against=max", "contrast"]
    e = pl.explain(net, x, "grad-cam:relu=false", ask=asks, target=top)
    got = {(row["ask"], row["target"]): row["value"] for row in rows}
    for k, target in enumerate(top[0].tolist()):
        for q, ask in enumerate(asks):
            assert got[ask, target] == pytest.approx(float(e.value[0, k, q]), rel=1e-4, abs=1e-6)


def test_how_complete_an_attribution_is_stands_beside_it(run, tmp_path):
    run("data", "scenes:classes=4,size=32", "-o", "out", "-n", "1")
    explainers = "[integrated-gradients:steps=64,gradient]"
    run("explain", "out/images", "--model", "pellucid:tiny-cnn:classes=4", "-e", explainers, "-o", "why")
    rows = json.loads((tmp_path / "why" / "explanations.json").read_text())["explanations"]
    assert 0 <= rows[0]["error"] < 0.5
    assert rows[1]["error"] is None


def test_an_interruption_leaves_what_was_written(run, tmp_path, monkeypatch):
    draw, count = Dataset.__getitem__, []

    def some(data, i):
        count.append(i)
        if len(count) > 9 + 3:  # all nine are looked at before three are written
            raise KeyboardInterrupt
        return draw(data, i)

    monkeypatch.setattr(Dataset, "__getitem__", some)
    code, _, error = run("data", "scenes:size=16,length=9", "-o", "out", "-n", "9")
    assert code == 130
    assert "interrupted" in error
    kept = json.loads((tmp_path / "out" / "annotations.json").read_text())["records"]
    assert len(kept) == len(list((tmp_path / "out" / "images").iterdir())) == 3


# --- real data sets --------------------------------------------------------------------------------------------------


def test_the_card_needs_no_files(run):
    code, out, _ = run("data", "cub")
    assert code == 0
    for words in ("none stated", "non-commercial research", "https://www.vision.caltech.edu", "add root=FOLDER"):
        assert words in out
    about = json.loads(run("data", "cub", "--json")[1])
    assert about["cite"].startswith("@techreport{wah2011caltech")
    assert "records" not in about
    assert "@techreport{wah2011caltech" in run("cite", "cub")[1]


def test_every_data_set_says_whose_it_is(run):
    from pellucid.registry import catalog

    for name in catalog("datasets"):
        made = {"hf": "hf:a/b,names=n.txt", "wds": "wds:a.tar,classes=3"}.get(name, name)
        wraps = name in ("cached", "corrupt", "red-dot", "renamed", "scrambled-names", "subset")
        knobs = {"cached": ":folder=kept,size=16", "subset": ":first=2"}.get(name, "")
        text = f"{name}{knobs}@scenes:length=4,size=16" if wraps else made
        if name in ("hf", "wds"):
            continue  # a stream is opened to be described
        code, out, error = run("data", text, "--json")
        assert code == 0, (name, error)
        assert json.loads(out)["licence"], name


def test_a_table_of_counts_sizes_and_annotations(run, tmp_path):
    from tests.formats.fixtures import FORMATS

    text = FORMATS["cub"](tmp_path / "birds")
    code, out, error = run("data", text)
    assert code == 0, error
    for words in ("Records a class", "Sizes", "boxes 100%", "masks", "points 100%", "Licence"):
        assert words in out, words
    about = json.loads(run("data", text, "--json")[1])
    data = Dataset.make(text)
    assert about["records"] == about["looked at"] == len(data)
    shares = about["share with"]
    assert shares["masks"] == sum(len(r.masks) > 0 for r in data) / len(data)
    counts = torch.bincount(data.labels(), minlength=len(data.class_names))
    assert about["records a class"]["most"] == int(counts.max())
    assert about["sizes"][0] == min((list(r.image.shape) for r in data), key=lambda s: s[1] * s[2])


def test_a_preview_shows_boxes_masks_and_points(run, tmp_path):
    from tests.formats.fixtures import FORMATS

    for name in ("cub", "voc", "ecg5000", "scenes"):
        text = FORMATS[name](tmp_path / name) if name in FORMATS else "scenes:size=48,objects=2"
        code, out, error = run("data", text, "--preview", f"{name}.png")
        assert code == 0, error
        assert f"Side by side: {name}.png" in out
        sheet = Image.open(tmp_path / f"{name}.png")
        assert min(sheet.size) > 60
    pixels = np.asarray(Image.open(tmp_path / "scenes.png")).reshape(-1, 3)
    colours = {tuple(pixel) for pixel in pixels.tolist()}
    assert (230, 159, 0) in colours or (86, 180, 233) in colours  # the lines of boxes


def test_check_lists_all_faults_at_once(run, tmp_path):
    top = tmp_path / "photos"
    for name, colour in (("cat/1.png", "red"), ("cat/2.png", "blue"), ("dog/1.png", "green")):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), colour).save(top / name)
    code, out, _ = run("data", f"imagefolder:root={top}", "--check")
    assert (code, out.strip().splitlines()[-1]) == (0, f"imagefolder:root={top}: no fault")
    (top / "cat/2.png").write_bytes(b"not a picture")
    (top / "dog/2.jpg").write_bytes(b"")
    (top / "dog/notes.doc").write_text("x")
    (top / "fox").mkdir()
    code, out, _ = run("data", f"imagefolder:root={top}", "--check")
    assert code == 1
    for words in ("cat/2.png", "dog/2.jpg", "notes.doc", "fox holds no picture", "4 faults"):
        assert words in out, words
    code, out, _ = run("data", f"imagefolder:root={top}", "--check", "--json")
    assert code == 1
    assert len(json.loads(out)["faults"]) == 4


def test_check_names_boxes_that_leave_the_picture(run, tmp_path):
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("path,label,box\na.png,x,5 5 30 9\nb.png,x,\n")
    code, out, _ = run("data", "csv:root=t.csv", "--check")
    assert code == 1
    assert "the box [5.0, 5.0, 30.0, 9.0] is empty or leaves its 20 × 10 pixels" in out
    assert "b.png cannot be read as an image" in out
    assert "2 faults" in out


def test_records_are_explained_with_their_outlines(run, tmp_path):
    code, out, error = run(
        "explain", "--data", "scenes:classes=4,size=32", "--rows", "3,7", "-m", "pellucid:tiny-cnn:classes=4",
        "-e", "[grad-cam,gradient]", "-o", "why", "--json",
    )  # fmt: skip
    assert code == 0, error
    rows = json.loads(out)["explanations"]
    data = Dataset.make("scenes:classes=4,size=32")
    assert [(r["row"], r["label_name"]) for r in rows[::2]] == [(i, data.class_names[data[i].label]) for i in (3, 7)]
    assert rows[0]["predicted_name"] in data.class_names  # of the data set, where the model has none
    sheet = np.asarray(Image.open(tmp_path / "why" / "sheet.png").convert("RGB")).astype(int)
    assert (tmp_path / "why" / rows[0]["file"]).is_file()
    assert sheet.shape[1] > 300


def test_what_of_a_data_set_cannot_be_explained(run, tmp_path):
    model = ["-m", "pellucid:tiny-cnn:classes=4"]
    assert "give one of the two" in run("explain", *model)[2]
    assert "give one of the two" in run("explain", "a.png", "--data", "digits", *model)[2]
    assert "give one of the two" in run("explain", "a.png", "--rows", "3", *model)[2]
    assert "records 0 to 1796" in run("explain", "--data", "digits", "--rows", "1797", *model)[2]
    assert "give numbers of records" in run("explain", "--data", "digits", "--rows", "a", *model)[2]
    (tmp_path / "ECG5000_TRAIN.tsv").write_text("1\t0.5\t1.5\n")
    assert "pictures are explained here" in run("explain", "--data", f"ecg5000:root={tmp_path}", *model)[2]


def test_a_preview_through_a_transform_is_what_the_model_sees(run, tmp_path):
    text = "red-dot:dot=0@scenes:classes=2,size=64,length=6"
    code, _, error = run("data", text, "--preview", "seen.png", "--transform", "imagenet:size=48", "--train")
    assert code == 0, error
    again, evaluated = (run("data", text, "--preview", name, "--transform", "imagenet:size=48", *more)[0] for name, more
                        in (("again.png", ["--train"]), ("eval.png", [])))  # fmt: skip
    assert (again, evaluated) == (0, 0)
    assert (tmp_path / "seen.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert (tmp_path / "seen.png").read_bytes() != (tmp_path / "eval.png").read_bytes()
    pixels = np.asarray(Image.open(tmp_path / "seen.png"))
    labels = Dataset.make(text).labels().tolist()
    for i, label in enumerate(labels):
        corner = pixels[6 + 4, 6 + i * (144 + 6) + 4]  # tiles of 48 pixels, three times as large
        assert (corner.tolist() == [255, 0, 0]) == (label == 0)
    assert "did you mean squash" in run("data", text, "--preview", "x.png", "--transform", "sqash")[2]


def test_the_rows_of_a_subset_are_kept(run, tmp_path):
    assert run("data", "subset:shots=2,seed=3@digits", "--save", "split.json")[0] == 0
    assert (
        Dataset.make(f"subset:file={tmp_path}/split.json@digits").rows
        == Dataset.make("subset:shots=2,seed=3@digits").rows
    )
    code, _, error = run("data", "digits", "--save", "split.json")
    assert code == 2
    assert "write subset:shots=5@digits" in error


def test_an_interrupted_check_says_what_it_found(run, tmp_path, monkeypatch):
    top = tmp_path / "photos" / "cat"
    top.mkdir(parents=True)
    for i in range(3):
        (top / f"{i}.png").write_bytes(b"x")
    from pellucid.data.imagefolder import ImageFolder

    faults = ImageFolder.faults
    monkeypatch.setattr(ImageFolder, "faults", lambda data, i: faults(data, i) if i < 2 else _interrupt())
    code, out, error = run("data", f"imagefolder:root={tmp_path}/photos", "--check")
    assert code == 130
    assert "0.png" in out
    assert "1.png" in out
    assert "2 faults" in out
    assert "interrupted" in error


def _interrupt():
    raise KeyboardInterrupt

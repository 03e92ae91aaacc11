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
        if len(count) > 3:
            raise KeyboardInterrupt
        return draw(data, i)

    monkeypatch.setattr(Dataset, "__getitem__", some)
    code, _, error = run("data", "scenes:size=16", "-o", "out", "-n", "9")
    assert code == 130
    assert "interrupted" in error
    kept = json.loads((tmp_path / "out" / "annotations.json").read_text())["records"]
    assert len(kept) == len(list((tmp_path / "out" / "images").iterdir())) == 3

"""The command line: sentences, exit codes, files that stay."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import pellucid as pl
from pellucid.cli import _classes, _images, _members
from pellucid.cli import _run as running
from pellucid.cli.main import app
from pellucid.data._names import read_names
from pellucid.data._pictures import read as read_picture
from pellucid.errors import BadQuestion
from pellucid.registry import catalog, families

TINY = ["--model", "pellucid:tiny-cnn:classes=4"]


@pytest.fixture
def photos(tmp_path):
    """Two images, a broken one, a text."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, name in enumerate(["a.png", "b.jpg"]):
        noise = np.random.default_rng(i).integers(0, 255, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    (folder / "notes.txt").write_text("no image")
    return folder


def record(tmp_path, out="explanations"):
    return json.loads((tmp_path / out / "explanations.json").read_text())


# --- explain -----------------------------------------------------------------------------------------------------


def test_explain_writes_overlays_a_sheet_and_their_provenance(run, photos, tmp_path):
    code, out, err = run(
        "explain", photos, *TINY, "-e", "grad-cam", "-e", "edges", "--ask", "logit", "--ask", "contrast"
    )
    assert code == 0, err
    about = record(tmp_path)
    rows = about["explanations"]
    assert len(rows) == 2 * 3  # a control is the same whatever is asked
    for row in rows:
        picture = Image.open(tmp_path / "explanations" / row["file"])
        assert picture.size == (128, 128)
        assert row["image"].startswith(str(photos))
        assert 0 <= row["predicted"] < 4
        assert 0.25 <= row["probability"] <= 1
        assert row["seconds"] >= 0
        assert re.match(r"±|0 to", row["scale"])
    assert [row["ask"] for row in rows[:3]] == ["logit", "contrast", "none"]
    assert rows[0]["explainer"].startswith("grad-cam:layer=")
    assert rows[0]["target"] == rows[0]["predicted"]
    assert rows[2]["target"] is None
    assert about["version"] == pl.__version__
    assert about["model"].startswith("pellucid:tiny-cnn:classes=4 ")
    assert Image.open(tmp_path / "explanations" / about["sheet"]).width > 4 * 128
    assert "a.png" in out
    assert "sheet.png" in out
    assert "skipped 2 files that are no images" in err
    assert "broken.jpg" in err
    assert "random weights" in err
    assert {Path(one["image"]).name for one in about["skipped"]} == {"broken.jpg", "notes.txt"}


def test_the_values_are_those_of_python(run, photos, tmp_path):
    model = pl.load_model("pellucid:tiny-cnn:classes=4")
    file = pl.save_model(model, tmp_path / "tiny.safetensors")
    code, _, err = run("explain", photos / "a.png", "--model", file, "-e", "gradient", "--ask", "contrast", "-t", 2)
    assert code == 0, err
    [row] = record(tmp_path)["explanations"]
    x = pl.transform_of(model)(Image.open(photos / "a.png"))[None]
    e = pl.explain(model, x, "gradient", ask="contrast", target=2)
    assert row["value"] == pytest.approx(float(e.value), rel=1e-5)
    assert (row["target"], row["explainer"], row["ask"]) == (2, e.explainer, e.ask)
    assert "random" not in err
    assert record(tmp_path)["sheet"] is None  # one image and one map need none


def test_json_is_all_there_is_on_standard_output(run, photos):
    code, out, _ = run("explain", photos, *TINY, "--json", "--top", 2)
    assert code == 0
    rows = json.loads(out)["explanations"]
    assert len(rows) == 4
    assert rows[0]["target"] != rows[1]["target"]
    assert rows[0]["file"] != rows[1]["file"]


def test_why_and_not_are_the_contrast_of_two_named_classes(run, photos, tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\nbird, fowl\ngreat fish\n")
    words = ["explain", photos / "a.png", *TINY, "--names", tmp_path / "names.txt"]
    code, out, err = run(*words, "--why", "Great_Fish", "--not", "fowl")
    assert code == 0, err
    [row] = record(tmp_path)["explanations"]
    assert (row["target"], row["target_name"], row["ask"]) == (3, "great fish", "contrast:against=2")
    assert "great fish" in out
    code, _, err = run(*words, "--why", "dogg", "--not", "cat")
    assert code == 2
    assert "did you mean dog" in err
    code, _, err = run(*words, "--why", "dog")
    assert code == 2
    assert "--not CLASS" in err


def test_similarity_needs_no_class(run, photos, tmp_path):
    code, _, err = run("explain", photos / "a.png", *TINY, "--ask", "similarity", "--top", 3)
    assert code == 0, err
    [row] = record(tmp_path)["explanations"]
    assert row["predicted"] is row["target"] is None


def test_a_bare_checkpoint_needs_its_network(run, photos, tmp_path):
    weights = pl.load_model("pellucid:tiny-cnn:classes=4").state_dict()
    torch.save(weights, tmp_path / "bare.pt")
    code, _, err = run("explain", photos / "a.png", "--model", tmp_path / "bare.pt")
    assert code == 2
    assert "--network" in err
    network = ["--network", "pellucid:tiny-cnn:classes=4"]
    assert run("explain", photos / "a.png", "--model", tmp_path / "bare.pt", *network)[0] == 0
    assert run("explain", photos / "a.png", *TINY, "--weights", tmp_path / "bare.pt")[0] == 0


def test_the_size_can_be_chosen(run, photos, tmp_path):
    code, _, err = run("explain", photos / "a.png", *TINY, "--size", 64, "-e", "edges", "-e", "gradient")
    assert code == 0, err
    assert Image.open(tmp_path / "explanations" / record(tmp_path)["explanations"][0]["file"]).size == (128, 128)
    code, _, err = run("explain", photos / "a.png", "--model", "torchvision:alexnet", "--weights", "none", "--size", 9)
    assert code == 2
    assert "9×9" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "what, code, sentence",
    [
        (KeyboardInterrupt(), 130, "1 of 4 images are finished"),
        (BadQuestion("sample 0 is asked about class 1 against itself."), 2, "b.jpg: sample 0"),
    ],
    ids=["ctrl-c", "mistake"],
)
def test_what_is_finished_stays(run, photos, tmp_path, monkeypatch, what, code, sentence):
    real, calls = running.explain, []

    def explain(*args, **kwargs):
        calls.append(1)
        if len(calls) > 1:
            raise what
        return real(*args, **kwargs)

    monkeypatch.setattr(running, "explain", explain)
    ended, _, err = run("explain", photos, *TINY)
    assert ended == code
    assert sentence in err
    [row] = record(tmp_path)["explanations"]
    assert row["image"].endswith("a.png")
    assert (tmp_path / "explanations" / row["file"]).is_file()


def test_file_names_fit_any_system():
    short = running._file_name(["a", "smooth:samples=2@grad-cam:layer=[x,y]", "logit"])
    assert short == "a.smooth-samples=2-grad-cam-layer=-x-y.logit.png"
    long = [running._file_name(["图" * 90, "a" * 200, end]) for end in ("logit", "contrast")]
    assert long[0] != long[1]
    assert all(len(name.encode()) <= 255 for name in long)


def test_names_do_not_collide(tmp_path):
    for name in ("x/a.png", "x/a.jpg", "y/a.png", "y/a-2.png", "x/.hidden.png", "x/out/a.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)
    found = _images.find([tmp_path / "x", tmp_path / "y", tmp_path / "x/a.png"], tmp_path / "x/out")
    names = [file.name for file in found]
    assert len(set(names)) == len(names) == 4
    assert not any("hidden" in name or "out" in name for name in names)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_kind_of_picture_is_read(tmp_path, mode):
    suffix = "tif" if mode in ("CMYK", "F", "I") else "png"
    white = {"I;16": 65535, "I": 255, "F": 1.0, "CMYK": (0, 0, 0, 0)}.get(mode)
    image = Image.new("L", (6, 4), 255).convert(mode) if white is None else Image.new(mode, (6, 4), white)
    image.save(tmp_path / f"x.{suffix}")
    read = read_picture(tmp_path / f"x.{suffix}")
    assert read.mode == "RGB"
    assert read.getpixel((0, 0)) == (255, 255, 255)


def test_transparency_is_white_and_pictures_stand_upright(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (8, 4)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").size == (4, 8)


@pytest.mark.parametrize(
    "file, content",
    [
        ("n.txt", "a\nb\n\nc"),
        ("n.json", '["a", "b", "c"]'),
        ("m.json", '{"0": "a", "1": "b", "2": "c"}'),
        ("o.json", '[{"name": "a"}, {"name": "b"}, {"name": "c"}]'),
    ],
)
def test_class_names_come_in_many_forms(tmp_path, file, content):
    (tmp_path / file).write_text(content)
    assert read_names(tmp_path / file) == ("a", "b", "c")


def test_classes_by_name():
    names = ["crane", "tabby, tabby cat", "great_white_shark", "crane"]
    assert _classes.number("Tabby Cat", names, 4) == 1
    assert _classes.number("great white shark", names, 4) == 2
    assert _classes.number("3", names, 4) == 3
    with pytest.raises(pl.PellucidError, match="0, 3 are all called"):
        _classes.number("crane", names, 4)
    with pytest.raises(pl.PellucidError, match="0 to 3"):
        _classes.number("4", names, 4)
    with pytest.raises(pl.PellucidError, match="--names"):
        _classes.number("crane", [], 4)


def test_imagenet_names_of_timm(run, photos, tmp_path):
    words = ["--model", "timm:test_resnet", "--weights", "none", "--why", "tabby", "--not", "tiger cat"]
    code, _, err = run("explain", photos / "a.png", *words)
    assert code == 0, err
    [row] = record(tmp_path)["explanations"]
    assert (row["target"], row["ask"]) == (281, "contrast:against=282")


# --- mistakes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["explain", "nothing.png", *TINY], "nothing.png is not there"),
        (["explain", "photos/broken.jpg", *TINY], "photos/broken.jpg cannot be read as an image"),
        (["explain", "photos/notes.txt", *TINY], "photos/notes.txt cannot be read as an image"),
        (["explain", "photos/a.png", *TINY, "-e", "grad-cm"], "did you mean grad-cam"),
        (["explain", "photos/a.png", *TINY, "-e", "grad-cam:lyer=x"], "did you mean layer"),
        (["explain", "photos/a.png", *TINY, "--ask", "contrst"], "did you mean contrast"),
        (["explain", "photos/a.png", *TINY, "--target", "9"], "class 9 is no class"),
        (["explain", "photos/a.png", *TINY, "--top", "9"], "--top 9"),
        (["explain", "photos/a.png", *TINY, "--top", "2", "--target", "1"], "give one of them"),
        (["explain", "photos/a.png", *TINY, "--why", "1", "--not", "1"], "against itself"),
        (["explain", "photos/a.png", *TINY, "--names", "photos/notes.txt"], "1 class names, but the model has 4"),
        (["explain", "photos/a.png", *TINY, "--device", "cuda:99"], "cuda:99"),
        (["explain", "photos/a.png", *TINY, "--out", "photos/notes.txt"], "nothing can be written in"),
        (["explain", "photos/a.png", "--model", "pellucid:tiny-cn"], "did you mean tiny-cnn"),
        (["explain", "photos/a.png", "--model", "resnet50"], "timm:NAME"),
        (["explain", "photos/a.png", "--model", "none.pt"], "none.pt is not there"),
        (["explain", "photos/a.png"], "--model"),
        (["explain", "photos/a.png", *TINY, "--explaner", "rise"], "--explaner"),
        (["explain", "photos/a.png", *TINY, "--seed", "x"], "--seed"),
        (["explan"], "explain"),
        (["list", "explainer"], "did you mean explainers"),
        (["cite", "grad-cm"], "did you mean grad-cam"),
        (["cite", "none.json"], "none.json is not there"),
        (["cite", "[grad-cam"], "text form"),
        (["check", "no_such_package"], "no package"),
        (["check", "json"], "defines no named thing"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(run, photos, words, sentence):
    code, out, err = run(*words)
    assert code == 2
    assert sentence in err
    assert err.splitlines()[-1].startswith("pellucid: ")
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if "random weights" not in line]) == 1
    assert not out


def test_a_full_disk_is_a_sentence(run, photos, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    code, _, err = run("explain", photos / "a.png", *TINY)
    assert code == 2
    assert "No space left on device" in err


def test_a_folder_without_images_is_an_error(run, photos):
    (photos / "a.png").unlink()
    (photos / "b.jpg").unlink()
    code, _, err = run("explain", photos, *TINY)
    assert code == 2
    assert "there were no others" in err
    (photos.parent / "empty").mkdir()
    assert "holds no files" in run("explain", "empty", *TINY)[2]


def test_typers_runner_sees_the_same(photos):
    result = CliRunner().invoke(app, ["list", "nothing"])
    assert result.exit_code == 2
    assert "did you mean" in result.stderr or "there are" in result.stderr
    assert CliRunner().invoke(app, ["--version"]).stdout == f"pellucid {pl.__version__}\n"


def test_alone_it_helps(run):
    code, out, _ = run()
    assert code == 0
    assert "explain" in out


# --- list, cite, check -------------------------------------------------------------------------------------------


def test_list_knows_every_member_and_knob(run):
    """What is read from the files is what importing them gives."""
    code, out, _ = run("list", "--json")
    assert code == 0
    shelves = json.loads(out)
    assert sorted(shelves) == sorted(families())
    for family in families():
        assert [m["name"] for m in shelves[family]] == list(catalog(family))
        for member in shelves[family]:
            cls = catalog(family)[member["name"]]
            annotated = pl.registry._annotations(cls)
            knobs = {name.rstrip("_"): a for name, a in annotated.items()}
            fields = {name.rstrip("_"): name for name in annotated}  # the knob `name` cannot be a field of that name
            assert {k["name"] for k in member["knobs"]} == set(knobs)
            assert member["paper"] == cls.paper
            assert member["says"]
            for knob in member["knobs"]:
                takes, default = pl.knobs.describe(knobs[knob["name"]]), getattr(cls, fields[knob["name"]], None)
                assert knob["takes"] == takes
                assert knob["python"] == (not pl.knobs.has_text(knobs[knob["name"]]))
                if knob["default"] is not None:
                    assert knob["default"] == pl.knobs.write(default, knobs[knob["name"]])
    text = run("list")[1]
    assert all(member["name"] in text for shelf in shelves.values() for member in shelf)


def test_list_shows_one_family_or_one_member(run):
    assert "tiny-cnn" not in run("list", "explainers")[1]
    code, out, _ = run("list", "smooth")
    assert code == 0
    assert "smooth@EXPLAINER" in out
    assert "samples=25" in out
    assert "grad-cam" not in out


def test_members_of_other_packages_are_read_too(tmp_path, monkeypatch):
    package = tmp_path / "elsewhere"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "_base.py").write_text("from pellucid.explainers import Explainer as Base\nSIZE = 3\n")
    (package / "mine.py").write_text(
        '"""Mine.\n\n    M = 0\n"""\nimport pellucid as pl\nfrom ._base import Base, SIZE\n\n\n'
        'class Mine(Base, name="mine", paper="arXiv:1"):\n    """All of it. And more."""\n\n    size: int = SIZE\n\n\n'
        'class Other(pl.explainers.LayerExplainer, name="other"):\n    """Else."""\n\n    of: "Base"\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    mine, other = (_members._member("explainers", name, "elsewhere.mine") for name in ("mine", "other"))
    assert (mine.title, mine.says, mine.paper) == ("Mine.", "All of it.", "arXiv:1")
    assert [(k.name, k.default) for k in mine.knobs] == [("size", "3")]
    assert [k.name for k in other.knobs] == ["of", "layer", "relu", "fuse", "grid"]
    assert other.knobs[0].default is None
    assert other.knobs[0].takes.startswith("a")
    assert "elsewhere" not in sys.modules


def test_cite_names_everything_inside(run):
    code, out, err = run("cite", "smooth:samples=3@grad-cam", "contrast", "edges", "[grad-cam,cam]")
    assert code == 0
    keys = re.findall(r"@\w+\{([^,]+),", out)
    assert len(keys) == len(set(keys)) == 4
    assert any("selvaraju" in key for key in keys)
    assert any("smilkov" in key for key in keys)
    assert "nothing to cite for edges" in err


def test_cite_reads_what_explain_wrote(run, photos, tmp_path):
    run("explain", photos, *TINY, "-e", "smooth:samples=2@gradient", "--ask", "contrast:against=max")
    code, out, err = run("cite", "explanations/explanations.json")
    assert code == 0
    assert len(re.findall(r"^@", out, re.M)) == 3
    assert "tiny-cnn" in err
    model = pl.load_model("pellucid:tiny-cnn")
    pl.explain(model, torch.rand(1, 3, 32, 32), "grad-cam", ask=["logit", lambda y: y[:, 0]]).save(tmp_path / "e")
    code, out, _ = run("cite", tmp_path / "e" / "explanation.json")
    assert code == 0
    assert "selvaraju" in out
    (tmp_path / "other.json").write_text("[1]")
    assert run("cite", tmp_path / "other.json")[0] == 2


def test_check_says_what_breaks(run, tmp_path, monkeypatch):
    (tmp_path / "crooked.py").write_text(
        '"""Crooked.\n\n>>> 1 + 1\n2\n"""\nimport torch\nfrom pellucid.questions import Question\n\n\n'
        'class Crooked(Question, name="crooked"):\n    """One thing said, another done."""\n\n'
        "    def value(self, output, target):\n        return output.sum(1)\n\n"
        "    def direction(self, output, target):\n        return -torch.ones_like(output)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    code, out, _ = run("check", "crooked")
    assert code == 1
    assert "crooked: " in out
    code, out, _ = run("check", "crooked", "--json")
    assert code == 1
    assert {outcome["member"] for outcome in json.loads(out)} == {"crooked"}
    assert run("check", "pellucid.questions.logit")[0] == 0


# --- as a program ------------------------------------------------------------------------------------------------


def test_help_and_list_do_not_import_torch():
    code = (
        "import sys; from pellucid.cli.main import main;"
        "codes = [main(['--help']), main(['list']), main(['list', 'x'])];"
        "heavy = {'torch', 'numpy', 'matplotlib', 'timm', 'PIL'} & set(sys.modules); assert not heavy, heavy;"
        "assert codes == [0, 0, 2], codes"
    )
    before = os.times()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    after = os.times()
    assert done.returncode == 0, done.stderr
    worked = sum(after[2:4]) - sum(before[2:4])  # of children: what it waited for a busy machine does not count
    assert worked < 5


def test_a_real_ctrl_c(photos, tmp_path):
    """Interrupted while it works on a hundred images: 130, one line, and what was finished is there."""
    many = tmp_path / "many"
    many.mkdir()
    for i in range(100):
        (many / f"{i}.png").write_bytes((photos / "a.png").read_bytes())
    words = ["explain", str(many), *TINY, "-e", "smooth:samples=100@gradient", "-o", str(tmp_path / "out")]
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from pellucid.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("*.png")) and time.monotonic() < deadline:
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in err
    rows = record(tmp_path, "out")["explanations"]
    assert 1 <= len(rows) < 100
    for row in rows:
        Image.open(tmp_path / "out" / row["file"]).load()
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


# --- on real images ----------------------------------------------------------------------------------------------


@pytest.mark.data
def test_real_images_and_weights(run, data, tmp_path):
    """SqueezeNet sees the chickadee, and its evidence lies on the bird's half of the picture."""
    data = Path(data)
    stored = np.load(data / "weights" / "squeezenet1_1_imagenet_fp16.npz")
    weights = {key: torch.tensor(stored[key]).float() for key in stored.files}
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    below = 255 * mean - torch.tensor([123.0, 117.0, 104.0])  # its own preprocessing, folded into the first layer
    first = weights["features.0.weight"]
    weights["features.0.bias"] += (first * below[None, :, None, None]).sum((1, 2, 3))
    weights["features.0.weight"] = first * (255 * std)[None, :, None, None]
    torch.save(weights, tmp_path / "squeezenet.pt")
    image = next((data / "imagenet_samples" / "images").glob("019_*"))
    model = ["--model", "torchvision:squeezenet1_1", "--weights", tmp_path / "squeezenet.pt"]
    code, out, err = run("explain", image, *model, "--ask", "logit", "--why", "chickadee", "--not", "jay")
    assert code == 0, err
    assert not err
    rows = record(tmp_path)["explanations"]
    assert [row["predicted_name"] for row in rows] == ["chickadee"] * 2
    assert rows[1]["ask"] == "contrast:against=17"
    assert rows[1]["value"] > 0
    assert "chickadee" in out


def test_sanity_sheets(run, tmp_path):
    code, out, err = run(
        "explain", "--data", "scenes:length=2,size=32,classes=5", "--model", "pellucid:tiny-cnn", "--classes", 5,
        "-e", "gradient", "-e", "edges", "--sanity", "-o", "out",
    )  # fmt: skip
    assert code == 0, err
    for name in ("gradient", "edges"):
        assert f"While the model forgets: out/sanity.{name}.png" in out
        assert Image.open(tmp_path / "out" / f"sanity.{name}.png").height > 2 * 32

"""README.md tells the truth: its Python runs, its commands are there."""

import re
import shlex
import shutil
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import pellucid as pl
from pellucid import grammar
from pellucid.networks import load_model
from pellucid.registry import catalog
from tests.formats.fixtures import FORMATS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")

FEW = "subset:every=25@digits"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def photo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    picture = Image.radial_gradient("L").resize((64, 48)).convert("RGB")
    picture.save("photo.jpg")
    picture.save("photos/one.jpg")
    FORMATS["cub"](tmp_path / "birds")
    return tmp_path


def without_weights(name, **options):
    return load_model("timm:resnet10t", **(options | {"weights": None}))


def test_the_python_example_runs(photo):
    first, second, third, examples, fourth, fifth = blocks("python")
    assert len(first.strip().splitlines()) == 5
    names = {"Image": Image}
    with patch.object(pl, "load_model", without_weights, create=True):
        exec(first, names)
    assert Image.open("why.png").width >= 2 * 176
    exec(second, names)
    assert names["e"].maps.shape[1:] == (224, 224)
    assert len(names["records"][0].boxes) == 1
    quick = 'explainers="grad-cam", metrics="ch", checks=0'
    exec(third.replace('split=test").sentence', f'split=test", {quick}).sentence'), names)
    assert len(names["scores"]) == len(names["images"])
    exec(examples.replace('"digits"', f'"{FEW}"').replace("first=500", "first=50"), names)
    assert names["w"].shape == (8, 50)
    labels = names["labels"].clamp(0, 9)
    small = load_model("torchvision:resnet18", num_classes=10, weights=None)
    names |= {"torch": torch, "model": small, "labels": labels, "class_names": [f"bird {i}" for i in range(10)]}
    exec(fourth, names)
    assert set(names["terms"]) == {"ce", "mm", "ot"}
    short = 'length=50", explainers="grad-cam", metrics="sch", checks=0'
    quick = fifth.replace("correlation=0.8", "correlation=0.8,length=64,size=32").replace("epochs=2", "epochs=1")
    exec(quick.replace('length=50"', short), names)
    assert len(names["fit"].history) == 1
    assert set(names["results"].frame["metric"]) == {"accuracy", "accuracy:k=5", "confidence", "insertion", "ch"}


def test_the_commands_run(photo):
    from pellucid.cli.main import app

    commands = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    ours = [shlex.split(line) for line in commands if line.startswith("pellucid ")]
    assert {words[1] for words in ours} == {
        "explain", "data", "list", "cite", "evaluate", "compare", "audit", "train", "influence", "latents", "study",
    }  # fmt: skip
    pl.save_model(without_weights("timm:resnet10t"), "birds.safetensors")
    failing = {"audit": 1}  # --fail-under, on random weights
    for words in ours:
        words = [w.replace("timm:resnet50", "timm:resnet10t") for w in words]
        words += ["--weights", "none"] if words[1] == "explain" else []
        words += ["-e", "grad-cam", "-m", "ch", "--checks", "0"] if words[1] == "audit" else []
        if words[1] == "train":
            words = [w.replace("correlation=0.8", "correlation=0.8,length=64,size=32") for w in words]
            words += ["--epochs", "1"]
        words = [FEW if w == "digits" else w for w in words]
        if words[1] == "compare":
            shutil.copytree("runs/a", "runs/b")
        result = CliRunner().invoke(app, words[1:])
        assert result.exit_code in (0, failing.get(words[1])), result.output
    assert (photo / "explanations" / "sheet.png").is_file()


def test_make_targets_are_there():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^make (\w+)", "\n".join(blocks("sh")), re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_names_in_the_text_are_names():
    asked = re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
    names = {name for cell in asked for name in re.findall(r"`([a-z-]+)`", cell)}
    assert names == set(catalog("questions")) - {"custom"}
    assert f"({len(catalog('questions'))} questions)" in TEXT
    assert f"({len(catalog('explainers'))} explainers:" in TEXT
    assert f"({len(catalog('metrics'))} metrics:" in TEXT
    assert f": {len(catalog('studies'))} studies" in TEXT
    assert grammar.read("smooth:samples=10@grad-cam:layer=layer4").inner.name in catalog("explainers")


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (ROOT / link).exists(), link

"""The demo, in a short form: it learns, and it shows."""

import re

from PIL import Image

import pellucid as pl
from pellucid.cli import demo
from pellucid.cli.main import main
from pellucid.explainers import Explainer


def test_demo(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "SEEN", 1500)
    monkeypatch.setattr(demo, "MEASURED", 20)
    assert main(["demo", "--out", str(tmp_path), "--epochs", "3"]) == 0
    out = capsys.readouterr().out
    like, free = (int(share) for share in re.findall(r"(\d+)% (?:of new scenes|where)", out))
    assert like > 60
    assert like > free + 5  # a part of what it learned is the ground
    every = (*demo.SHOWN, *demo.MORE, *demo.CONTROLS)
    shares = dict(re.findall(r"^ (\S+)(?:  \(control\))? +(\d+)%", out, re.MULTILINE))
    assert set(shares) == set(every)
    assert int(shares["integrated-gradients:baseline=blur"]) > int(shares["random-map"]) + 15
    columns = 1 + sum(2 if Explainer.make(text).asked else 1 for text in (*demo.SHOWN, demo.CONTROLS[0]))
    for name, least in (("sheet.png", columns * 128), ("contrasts.png", 5 * 128), ("curves.png", 8 * 128)):
        picture = Image.open(tmp_path / name)
        assert picture.width > least
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 1000
        assert name in out
    scenes = sorted((tmp_path / "scenes").iterdir())
    assert 2 <= len(scenes) <= 5
    model = pl.load_model(tmp_path / "model.safetensors")
    names = pl.data.Scenes(classes=demo.CLASSES).class_names
    for path in scenes:  # they are scenes that the model names
        label = int(model(pl.transform_of(model)(Image.open(path))[None]).argmax())
        assert path.name.startswith(names[label].replace(" ", "-"))


def test_every_explainer_of_ours_is_in_the_table():
    named = {Explainer.make(text).name for text in (*demo.SHOWN, *demo.MORE, *demo.CONTROLS)}
    assert set(pl.catalog("explainers")) - named == set()

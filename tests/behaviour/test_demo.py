"""The demo, in a short form: it learns, and it shows."""

import re

from PIL import Image

import pellucid as pl
from pellucid.cli.demo import EXPLAINERS
from pellucid.cli.main import main
from pellucid.explainers import Explainer


def test_demo(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path), "--epochs", "6"]) == 0
    out = capsys.readouterr().out
    accuracy = float(re.search(r"Test accuracy ([\d.]+)%", out).group(1))
    assert accuracy > 90
    sheet = Image.open(tmp_path / "sheet.png")
    columns = 1 + sum(2 if Explainer.make(text).asked else 1 for text in EXPLAINERS)
    assert sheet.width > columns * 128
    assert len(sheet.convert("RGB").getcolors(1 << 24)) > 1000
    digits = sorted((tmp_path / "digits").iterdir())
    assert len(digits) >= 4
    model = pl.load_model(tmp_path / "model.safetensors")
    for path in digits:  # they are digits that the model knows
        assert int(model(pl.transform_of(model)(Image.open(path))[None]).argmax()) == int(path.name[0])
    assert str(tmp_path / "sheet.png") in out

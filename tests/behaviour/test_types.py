"""What a type checker knows of the public API."""

import json
import subprocess
import sys
from pathlib import Path

import stubs

CODE = """
from collections.abc import Iterator
from typing import assert_type

import torch
import pellucid as pl

model = torch.nn.Identity()
x = torch.zeros(1, 3, 8, 8)
cam = pl.explainers.GradCAM(layer="layer4", relu=False)
assert_type(cam, pl.explainers.GradCAM)
assert_type(cam.relu, bool | None)
assert_type(cam.but(relu=True), pl.explainers.GradCAM)
assert_type(pl.questions.Contrast("max").tau, float)
assert_type(pl.explain(model, x, cam, ask=["logit", pl.questions.Contrast(3)], target=[1]), pl.Explanation)
assert_type(pl.explain(model, [x, x]), Iterator[pl.Explanation])
assert_type(pl.explain(model, x).maps, torch.Tensor)
pl.explainers.GradCAM(layr="layer4")  # error
pl.explainers.IntegratedGradients(steps="many")  # error
cam.relu = True  # error
pl.explain(model, x, target="cat")  # error
pl.explainers.GradCAN()  # error
"""


def test_constructors_and_results_are_typed(tmp_path):
    stubs.write_stubs()
    path = tmp_path / "user.py"
    path.write_text(CODE)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "standard"}))
    run = subprocess.run(
        [Path(sys.executable).with_name("basedpyright"), "--outputjson", "--pythonpath", sys.executable, path],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    said = json.loads(run.stdout)["generalDiagnostics"]
    wrong = {d["range"]["start"]["line"] for d in said if d["severity"] == "error"}
    expected = {n for n, line in enumerate(CODE.split("\n")) if line.endswith("# error")}
    assert wrong == expected, [d["message"] for d in said]

"""What `test_errors.py` asks of evaluate and compare to hear what they say: every case is given an empty folder."""

import json
from unittest.mock import patch

import pandas as pd
import torch
from PIL import Image

from pellucid.cli.main import main
from pellucid.engine._evaluate import _model_text
from pellucid.networks import load_model
from pellucid.results import Results
from pellucid.results.store import Key, Store

TASK = {
    "explainer": "cam", "ask": "logit", "metric": "iou", "better": "higher", "average": "samples", "protocol": "p",
    "model": "m", "data": "d", "transform": "t", "explains": "label", "seed": "0", "version": "v",
}  # fmt: skip
RUN = {
    "model": "w.pt", "network": "pellucid:tiny-cnn:classes=2", "weights": None, "classes": None, "names": None,
    "size": None, "transform": None, "dataset": "scenes:classes=2,size=32", "seed": 0,
}  # fmt: skip


def command(*words):
    """A command whose error is not made a sentence; + stands for the folder."""

    def case(folder):
        with patch.dict("os.environ", {"PELLUCID_TRACEBACK": "1"}):
            main([f"{folder}/{word[1:]}" if word.startswith("+") else word for word in words])

    return case


def evaluated(*words):
    return command("evaluate", "scenes:length=1", "--model", "pellucid:tiny-cnn", "--out", "+out", *words)


def nobody(folder):
    Image.new("RGB", (8, 8)).save(folder / "photo.png")
    words = ("explain", "+photo.png", "-m", "pellucid:tiny-cnn", "-e", "all:quick", "-a", "contrast:against=99")
    command(*words, "--out", "+out")(folder)


def compared(*words, a=None, b=None, run=None, values=(1.0, 2.0)):
    """Two folders, whose rows differ from the usual ones by a and b."""

    def case(folder):
        for name, changes in (("a", a), ("b", b)):
            known = TASK | {"sample": range(len(values)), "label": 0, "target": 0, "value": values, "seconds": 0.0}
            Results(pd.DataFrame(known | (changes or {}))).write(folder / name)
            if run is not None:
                (folder / name / "run.json").write_text(run if isinstance(run, str) else json.dumps(run))
        command("compare", "+a", "+b", *words)(folder)

    return case


def drawn(values=(1.0, 2.0), other=False, **changes):
    """Pictures of a model whose weights are all zero, which was measured or not."""

    def case(folder):
        model = load_model(RUN["network"])
        state = {key: torch.zeros_like(value) for key, value in model.state_dict().items()}
        model.load_state_dict(state)
        torch.save(state, folder / "w.pt")
        task = {"model": "another 0123456789abcdef" if other else _model_text(model)}
        run = RUN | {"model": str(folder / "w.pt")} | changes
        compared("--pictures", "+p.png", a=task, b=task, run=run, values=values)(folder)

    return case


def two_runs(folder):
    """A folder of two unfinished runs."""
    store = Store(folder / "a")
    for model in ("m", "n"):
        rows = {"task": [model], "sample": [0], "label": [0], "target": [0], "value": [0.5], "curve": [None]}
        store.put([Key(model, 0, 1)], {model: TASK | {"model": model}}, rows | {"seconds": [0.0]})
    command("compare", "+a", "+a")(folder)


OF_COMMANDS = {
    "a bound without a number": evaluated("--fail-under", "insertion"),
    "a bound of what is not measured": evaluated("--fail-under", "insrtion=0.5"),
    "a bound of what has no better side": evaluated("--fail-under", "confidence=0.5"),
    "all explainers, and none has an answer": nobody,
    "another choice of images": command("compare", "+a", "+b", "--by", "chance"),
    "results that are not there": command("compare", "+a", "+b"),
    "a folder of two unfinished runs": two_runs,
    "results of different data": compared(b={"data": "e"}),
    "an explainer that was not measured": compared("--explainer", "can"),
    "pictures without a record of the run": compared("--pictures", "+p.png"),
    "pictures with a broken record of the run": compared("--pictures", "+p.png", run="[]"),
    "pictures without a metric of maps": compared(
        "--pictures", "+p.png", a={"explainer": "none", "metric": "accuracy"},
        b={"explainer": "none", "metric": "accuracy"}),
    "pictures of a stream": drawn(dataset="hf:a/b"),
    "pictures of other weights": drawn(other=True),
    "pictures of what is undefined": drawn(values=(float("nan"), float("nan"))),
}  # fmt: skip

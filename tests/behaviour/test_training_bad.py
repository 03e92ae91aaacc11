"""What a training says to what it cannot use, and what it leaves behind: nothing is lost, nothing half done."""

import json
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

import pellucid as pl
from pellucid.data import Dataset
from pellucid.errors import BadFile, BadInput, BadKnob, BadModel, UnknownName
from pellucid.objectives import Objective
from pellucid.training import _checkpoint
from pellucid.training._loop import Loop
from pellucid.training._progress import Bar

DATA = "scenes:classes=3,size=16,length=24"
NET = "pellucid:tiny-cnn:classes=3,width=4"
QUICK = "plain:batch=8,lr=0.05,transform=plain"


class Bare(nn.Module):
    """The smallest that learns."""

    def __init__(self, classes=3):
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(3, classes)

    def forward(self, x):
        return self.fc(x.mean((2, 3)))


def fit(model=NET, data=DATA, objective="ce", recipe=QUICK, **options):
    return pl.fit(model, data, objective, recipe, **{"epochs": 1, "device": "cpu"} | options)


@pytest.fixture
def table(tmp_path):
    """A csv of grey pictures with these labels."""

    def made(labels, names=None):
        folder = tmp_path / f"data-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for i in range(len(labels)):
            Image.new("RGB", (16, 16), (30 * i % 256, 60, 90)).save(folder / f"{i}.png")
        rows = [f"{i}.png,{label}\n" for i, label in enumerate(labels)]
        (folder / "all.csv").write_text("".join(["path,label\n", *rows]))
        if names is None:
            return f"csv:root={folder / 'all.csv'}"
        (folder / "names.txt").write_text("\n".join(names))
        return f"csv:root={folder / 'all.csv'},names={folder / 'names.txt'}"

    return made


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


def saved(folder):
    return [path.name for path in _checkpoint.checkpoints(folder / "checkpoint")]


@contextmanager
def stopped_at(step):
    """Meanwhile a run is interrupted between two steps."""

    def stop(self, loop, at):
        if at == step:
            raise KeyboardInterrupt

    with patch.object(Bar, "step", stop):
        yield


# --- data ------------------------------------------------------------------------------------------------------------


def test_one_class_is_learned_at_once(table):
    row = fit(data=table("aaaa")).rows[0]
    assert row["loss"] == 0
    assert row["accuracy"] == 1


def test_a_network_of_fewer_outputs():
    with pytest.raises(BadInput, match="3 class names for 2 classes"):
        fit(Bare(2))


def test_fewer_names_than_classes(table):
    with pytest.raises(BadFile, match="the label '2'; there are x, y"):
        fit(data=table("0120", ["x", "y"]))


@pytest.mark.parametrize("labels", [["", "", ""], ["a", "b", "c", ""]])
def test_pictures_without_labels(table, labels):
    with pytest.raises(BadInput, match="no label"):
        fit(Bare(), table(labels))


def test_validation_pictures_without_labels(table):
    with pytest.raises(BadInput, match="no label"):
        fit(validation=table(["a", "b", "c", ""]))
    with pytest.raises(BadInput, match="has 0 classes"):
        fit(validation=table(["", ""]))


def test_a_validation_of_other_classes():
    with pytest.raises(BadInput, match="has 5 classes"):
        fit(validation="scenes:classes=5,size=16,length=8")


def test_no_pictures(table):
    with pytest.raises(BadFile, match="no pictures"):
        fit(data=table([]))


class Grey(Dataset, name="grey"):
    """In no catalogue, as somebody's own."""

    class_names = ("cat", "dog")
    preset = "plain"
    spoiled = -1
    count = 8

    def __len__(self):
        return self.count

    def record(self, i):
        image = torch.full((3, 8, 8), 0.1 * i)
        if i == self.spoiled:
            image[1, 2, 3] = torch.nan
        return pl.data.Record(image, i % 2)


class Halved(Objective, name="halved"):
    """In no catalogue either."""

    weights = {"ce": 0.5}

    def terms(self, step):
        return {"ce": step.ce()}


def test_ones_own_data_and_objective(tmp_path):
    result = pl.fit(Bare(2), Grey(), Halved(), QUICK, epochs=1, validation=Grey(), out=tmp_path)
    assert result.rows[0]["loss"] == pytest.approx(result.rows[0]["ce"] / 2)
    assert "validation" in result.rows[0]
    assert result.plan["data"] == "grey"


def test_no_pictures_of_ones_own():
    data = Grey()
    data.__dict__["count"] = 0
    with pytest.raises(BadInput, match="grey has no images to learn from"):
        fit(Bare(2), data)


def test_a_picture_with_nan(tmp_path):
    data = Grey()
    data.__dict__["spoiled"] = 5
    with pytest.raises(BadInput, match=r"image \d holds NaN or infinite values.*the batch is kept in"):
        fit(Bare(2), data, out=tmp_path)
    kept = load_file(tmp_path / "bad-batch.safetensors")["images"]
    assert int(kept.isnan().flatten(1).any(1).sum()) == 1


def test_held_out_leaves_nothing(table):
    with pytest.raises(BadInput, match="10% of the 3 records"):
        fit(data=table("abc"), recipe=f"{QUICK},held_out=0.1")


def test_a_batch_larger_than_the_data():
    large = fit(recipe="plain:batch=500,lr=0.05,transform=plain")
    assert large.rows[0]["step"] == 1
    whole = fit(recipe="plain:batch=24,lr=0.05,transform=plain")
    same(large.model.state_dict(), whole.model.state_dict())


# --- words and numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"recipe": "plian"}, "did you mean plain"),
        ({"recipe": "plain:epoch=3"}, "did you mean epochs"),
        ({"recipe": "plain:transform=plian"}, "did you mean plain"),
        ({"objective": "lcio"}, "did you mean lico"),
        ({"model": "pellucid:tiny-cn"}, "did you mean tiny-cnn"),
        ({"model": "torchvision:resnet19"}, "did you mean resnet18"),
        ({"data": "scnes"}, "did you mean scenes"),
    ],
)
def test_names_that_are_mistyped(tmp_path, options, sentence):
    """They claim no folder: the right name may have it."""
    with pytest.raises(UnknownName, match=sentence):
        fit(out=tmp_path / "a", **options)
    assert not (tmp_path / "a" / "fit.json").exists()
    assert len(fit(out=tmp_path / "a").rows) == 1


@pytest.mark.parametrize("options, error, sentence", [
    ({"seeds": []}, BadInput, r"seeds is \[\]; give different"),
    ({"seeds": [1, 1]}, BadInput, r"seeds is \[1, 1\]; give different"),
    ({"seeds": [0, 1], "model": Bare()}, BadInput, "give its text form"),
    ({"processes": 2}, BadInput, "meet in a folder; give out="),
    ({"processes": 0}, BadInput, "processes is 0"),
    ({"workers": -1}, BadInput, "workers is -1"),
    ({"watts": -3.0}, BadInput, "watts is -3"),
    ({"epochs": 0}, BadKnob, "epochs of plain takes a whole number of at least 1"),
    ({"recipe": "plain:patience=3"}, BadKnob, "set held_out"),
    ({"recipe": "plain:batch=10,accumulate=3"}, BadKnob, "choose a divisor"),
    ({"model": None}, BadInput, "no model is given"),
    ({"device": "warp"}, BadInput, r"device='warp'.*give device=cpu"),
    ({"model": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())}, BadModel, "no parameter of Sequential learns"),
    ({"model": Bare().requires_grad_(False)}, BadModel, "no parameter of Bare learns"),
])  # fmt: skip
def test_what_cannot_be_done(options, error, sentence):
    with pytest.raises(error, match=sentence):
        fit(**options)


# --- folders ---------------------------------------------------------------------------------------------------------


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(BadFile, match="nothing can be written in"):
        fit(out=tmp_path / "a")
    assert (tmp_path / "a").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(BadFile, match="nothing can be written in"):
        fit(out=tmp_path / "a")
    tmp_path.chmod(0o700)


def test_the_folder_of_another_run(tmp_path):
    fit(out=tmp_path)
    before = weights(tmp_path)
    with pytest.raises(BadInput, match=r"holds a run with recipe .*lr=0.05.* and this one has .*lr=0.1.*another out="):
        fit(out=tmp_path, recipe="plain:batch=8,lr=0.1,transform=plain")
    same(weights(tmp_path), before)


def test_the_folder_of_another_network(tmp_path):
    fit(Bare(), out=tmp_path)
    other = type("Bare", (nn.Sequential,), {})(nn.Flatten(), nn.Linear(768, 3))
    with pytest.raises(BadFile, match=r"is not of this run.*another out="):
        fit(other, out=tmp_path)


@pytest.mark.parametrize("spoil", ["state.json", "state.safetensors", "missing", "keys"])
def test_a_corrupt_checkpoint_is_named_and_can_be_deleted(tmp_path, spoil):
    with stopped_at(4), pytest.raises(KeyboardInterrupt):
        fit(epochs=2, out=tmp_path / "a")
    path = tmp_path / "a" / "checkpoint" / saved(tmp_path / "a")[-1]
    if spoil == "missing":
        (path / "state.json").unlink()
    elif spoil == "keys":
        (path / "state.json").write_text(json.dumps({"optimiser": {}}))
    else:
        (path / spoil).write_bytes((path / spoil).read_bytes()[:20])
    with pytest.raises(BadFile, match=f"{path.name} (cannot be read|is not of this run).*delete"):
        fit(epochs=2, out=tmp_path / "a")
    shutil.rmtree(path)
    fit(epochs=2, out=tmp_path / "a")
    fit(epochs=2, out=tmp_path / "b")
    same(weights(tmp_path / "a"), weights(tmp_path / "b"))


@pytest.mark.parametrize("text", ["{", "3", '["a"]'])
def test_a_corrupt_plan(tmp_path, text):
    (tmp_path / "fit.json").write_text(text)
    with pytest.raises(BadFile, match=r"fit\.json cannot be read"):
        fit(out=tmp_path)


# --- a full disk -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["state.safetensors", "state.json", "step-"])
def test_a_full_disk_loses_nothing(tmp_path, target):
    """From the fourth checkpoint on there is no room: the third is there, and the run goes on from it."""
    replace, wanted = os.replace, []

    def full(source, place):
        name = Path(place).name
        wanted.append(name.startswith(target))
        if wanted[-1] and sum(wanted) > 3:
            raise OSError(28, "No space left on device")
        replace(source, place)

    with patch.object(os, "replace", full), pytest.raises(BadFile, match=r"\(No space left on device\).*make room"):
        fit(epochs=4, out=tmp_path / "a", save_every=1e9)
    assert saved(tmp_path / "a") == ["step-000000009"]
    fit(epochs=4, out=tmp_path / "a")
    fit(epochs=4, out=tmp_path / "b")
    same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not list((tmp_path / "a" / "checkpoint").glob(".*"))


def test_the_checkpoint_before_goes_when_the_new_one_is_there(tmp_path):
    """Also where both are of one step: there is no moment without one."""
    state = _checkpoint.State({"model/w": torch.ones(2)}, {"position": {}})
    _checkpoint.save(tmp_path, 3, state)
    replace = os.replace

    def full(source, place):
        if str(source).endswith(".part"):
            raise OSError(28, "No space left on device")
        replace(source, place)

    with patch.object(os, "replace", full), pytest.raises(BadFile):
        _checkpoint.save(tmp_path, 3, state)
    assert torch.equal(_checkpoint.load(_checkpoint.checkpoints(tmp_path)[-1]).part("model")["w"], torch.ones(2))
    _checkpoint.save(tmp_path, 3, state)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000003"]


def test_what_went_wrong_first_is_said(tmp_path, monkeypatch):
    """And not that there was no room to keep the batch."""
    monkeypatch.setattr("pellucid.training._run.write_atomically", _full)
    data = Grey()
    data.__dict__["spoiled"] = 5
    with pytest.raises(BadInput, match="holds NaN"):
        fit(Bare(2), data, out=tmp_path)


def _full(path, content):
    raise BadFile(f"{path} cannot be written.")


# --- an end that comes early -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 1, 4])
def test_an_interruption_inside_a_step(tmp_path, at):
    """The weights may be half changed: what was saved before is what counts."""
    backward, count = torch.Tensor.backward, [0]

    def interrupt(self, *args, **options):
        count[0] += 1
        if count[0] == at + 1:
            raise KeyboardInterrupt
        backward(self, *args, **options)

    with patch.object(torch.Tensor, "backward", interrupt), pytest.raises(KeyboardInterrupt):
        fit(epochs=2, out=tmp_path / "a", save_every=1e9)
    assert saved(tmp_path / "a") == (["step-000000003"] if at > 3 else [])
    fit(epochs=2, out=tmp_path / "a")
    fit(epochs=2, out=tmp_path / "b")
    same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_an_interruption_behind_a_step_that_is_not_counted(tmp_path):
    """It is not done twice."""
    step = Loop._step

    def interrupt(self, batch):
        step(self, batch)
        if self.at.step == 4:
            raise KeyboardInterrupt

    with patch.object(Loop, "_step", interrupt), pytest.raises(KeyboardInterrupt):
        fit(epochs=2, out=tmp_path / "a", save_every=1e9)
    fit(epochs=2, out=tmp_path / "a")
    fit(epochs=2, out=tmp_path / "b")
    same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_an_interruption_while_an_epoch_is_closed(tmp_path):
    """Nothing is learned, so the first epoch is the best, and two without a better one end it."""
    recipe = "plain:batch=8,lr=0,transform=plain,held_out=0.25,patience=2"
    with patch.object(Loop, "_choose", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        fit(epochs=5, recipe=recipe, out=tmp_path, save_every=1e9)
    assert len(fit(epochs=5, recipe=recipe, out=tmp_path).rows) == 3


@pytest.mark.slow
def test_a_seed_that_fails_ends_the_others(tmp_path):
    (tmp_path / "seed-1").mkdir()
    (tmp_path / "seed-1" / "fit.json").write_text("{")
    began = time.monotonic()
    with pytest.raises(BadFile, match=r"seed-1/fit\.json cannot be read"):
        fit(seeds=[0, 1, 2], epochs=100_000, out=tmp_path)
    assert time.monotonic() - began < 300
    assert not (tmp_path / "seed-0" / "model.safetensors").exists()


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words, sentence", [
    (["--recipe", "plian"], "did you mean plain"),
    (["--objective", "lcio"], "did you mean lico"),
    (["--model", "pellucid:tiny-cn"], "did you mean tiny-cnn"),
    (["--epochs", "0"], "--epochs"),
    (["--processes", "0"], "--processes"),
    (["--seed", "1", "--seed", "1"], "different whole numbers"),
    (["--device", "warp"], "cannot be had here"),
    (["--recipe", "plain:patience=3"], "set held_out"),
    (["--validation", "scenes:classes=5,size=16"], "has 5 classes"),
])  # fmt: skip
def test_the_command_says_it_in_one_line(run, words, sentence):
    given = words if "--model" in words else [*words, "--model", NET]
    code, out, err = run("train", DATA, *given, "-o", "a")
    assert code == 2
    assert out == ""
    assert sentence in err
    assert err.count("\n") == 1
    assert err.startswith("pellucid: ")


def test_the_command_is_interrupted(run, tmp_path):
    with stopped_at(2):
        code, _, err = run("train", DATA, "--model", NET, "--recipe", QUICK, "--epochs", "1", "-o", "a")
    assert code == 130
    assert err == "pellucid: interrupted\n"
    assert saved(tmp_path / "a") == ["step-000000002"]
    code, _, _ = run("train", DATA, "--model", NET, "--recipe", QUICK, "--epochs", "1", "-o", "a")
    assert code == 0

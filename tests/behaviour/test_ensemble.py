"""Seeds that are trained as one: each is the run that it would be alone."""

import json
from functools import partial
from pathlib import Path
from unittest.mock import patch

import jaxtyping
import pandas as pd
import pytest
import torch
from lightning.fabric.plugins import DoublePrecision
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import clip_grad_norm_

import pellucid as pl
from pellucid.cli.main import main
from pellucid.data._batches import Batch
from pellucid.errors import BadFile, BadInput, BadModel
from pellucid.networks import Card, _load
from pellucid.objectives import Objective
from pellucid.training import _checkpoint, _ensemble, _processes, _run, _seeds
from pellucid.training._ensemble import Ensemble, shortened
from pellucid.training._run import Job

NET = "pellucid:tiny-cnn:channels=1,width=4"
DATA = "subset:shots=9@digits"  # 90 of them
QUICK = "plain:batch=16,lr=0.05"
SCENES = {"dataset": "scenes:classes=3,size=32,length=40", "model": "pellucid:tiny-cnn:width=4"}
COST = {"seconds", "images_per_second", "peak_memory_mib", "watts_assumed", "kwh", "co2e_g"}


class DropsOut(nn.Module):
    """Chance in the network, a frozen weight, a buffer that is put in another's place, one weight twice."""

    def __init__(self):
        super().__init__()
        self.fc, self.out, self.drop = nn.Linear(64, 64), nn.Linear(64, 10), nn.Dropout(0.5)
        self.again, self.still = nn.Linear(64, 64), nn.Parameter(torch.rand(64), requires_grad=False)
        self.again.weight = self.fc.weight
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls = self.calls + 1
        return self.out(self.drop(self.again(self.fc(x.flatten(1)).relu()).relu()) * self.still)


class Branches(nn.Module):
    """Looks at a number before it goes on."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = x.flatten(1)
        return self.fc(x if float(x.mean()) > -9 else -x)


@pytest.fixture(autouse=True, scope="module")
def _ours():
    """These can be had by text."""

    def made(name, classes, pretrained):
        return {"drops-out": DropsOut, "branches": Branches}[name](), Card(f"own:{name}", (8, 8), (0.3,), (0.4,))

    with patch.dict(_load.SOURCES, {"own": made}):
        yield


def fit(out, seeds=(0, 1), together="ensemble", recipe=QUICK, **options):
    given = {"model": NET, "dataset": DATA, "objective": "ce", "epochs": 1, "device": "cpu"} | options
    return pl.fit(recipe=recipe, seeds=list(seeds), together=together, out=out, **given)


def alone(out, seed, recipe=QUICK, **options):
    given = {"model": NET, "dataset": DATA, "objective": "ce", "epochs": 1, "device": "cpu"} | options
    return pl.fit(recipe=recipe, seed=seed, out=out, **given)


def weights(folder):
    return load_file(Path(folder) / "model.safetensors")


def close(a, b, **tolerance):
    a, b = weights(a), weights(b)
    assert a.keys() == b.keys()
    for key in a:
        assert torch.allclose(a[key].double(), b[key].double(), **tolerance), key


def same(a, b):
    close(a, b, rtol=0, atol=0)


@pytest.fixture
def wide(monkeypatch):
    """Trainings in double precision."""
    monkeypatch.setitem(_processes.PRECISION, "32", "64-true")
    monkeypatch.setattr(DoublePrecision, "convert_output", lambda self, output: output)  # it rounds to single


@pytest.fixture
def group(tmp_path):
    """An ensemble that has not begun."""

    def made(model=NET, recipe=QUICK, seeds=(0, 1)):
        how = _run.Recipe.make(recipe).but(epochs=1)
        first = _run._job(model, DATA, "ce", how, 0, None)
        jobs = [
            Job(_run.replace(first.plan, seed=seed), how, folder=tmp_path / str(seed), device="cpu") for seed in seeds
        ]
        fabric = _ensemble.Fabric(accelerator="cpu", devices=1)
        return Ensemble(fabric, [_ensemble._loop(fabric, job) for job in jobs], (), tmp_path / "ensemble")

    return made


# --- it is what it would be alone -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipe, options",
    [
        (QUICK, {}),
        (f"{QUICK},nesterov=true,decay=0.01,warmup=0.5,transform=cifar", {"epochs": 2} | SCENES),
        (f"{QUICK},clip=0.3,accumulate=2,schedule=one-cycle", {"objective": "ce:smoothing=0.1"}),
        ("plain:batch=16,optimiser=adamw,decay=0.1,ema=0.8,held_out=0.2", {"validation": "subset:shots=2@digits"}),
        ("plain:batch=16,optimiser=adam", SCENES | {"model": "pellucid:tiny-vit"}),
    ],
    ids=["sgd", "nesterov", "clipped", "averaged", "vit"],
)
def test_a_member_is_a_run(tmp_path, wide, recipe, options):
    """Weights, statistics of BatchNorm and its counter, averages, and what the log says of them."""
    members = fit(tmp_path, (0, 5), recipe=recipe, **options)
    for seed, member in zip((0, 5), members, strict=True):
        run = alone(tmp_path / "alone" / str(seed), seed, recipe, **options)
        close(run.folder, member.folder, rtol=0, atol=1e-9)
        assert {key: type(value) for key, value in run.rows[-1].items()} == {
            key: type(value) for key, value in member.rows[-1].items()
        }
        for a, b in zip(run.rows, member.rows, strict=True):
            told = {key: value for key, value in a.items() if key not in COST}
            assert told == pytest.approx({key: b[key] for key in told}, rel=1e-5)
        assert json.loads(json.dumps(run.plan)) == member.plan
        assert member.folder == tmp_path / f"seed-{seed}"
    assert members[0].rows[0]["loss"] != pytest.approx(members[1].rows[0]["loss"], rel=1e-3)
    assert not (tmp_path / "ensemble").exists()


def test_in_single_precision(tmp_path):
    """As it is used."""
    digits = {"model": "pellucid:tiny-cnn:channels=1", "dataset": "subset:shots=40@digits", "recipe": "plain"}
    members = fit(tmp_path, **digits)
    for seed, member in enumerate(members):
        run = alone(tmp_path / str(seed), seed, **digits)
        close(run.folder, member.folder, rtol=0, atol=1e-4)
        assert weights(member.folder)["features.0.1.num_batches_tracked"] == 7


def test_in_mixed_precision(tmp_path):
    """BatchNorm, for which there is nothing vectorised."""
    [member, _] = fit(tmp_path, recipe=f"{QUICK},precision=bf16")
    run = alone(tmp_path / "0", 0, recipe=f"{QUICK},precision=bf16")
    wide = alone(tmp_path / "1", 0)
    assert member.rows[0]["loss"] == pytest.approx(run.rows[0]["loss"], rel=2e-3)
    assert member.rows[0]["loss"] != wide.rows[0]["loss"]
    close(run.folder, member.folder, rtol=0, atol=0.02)


def test_several_labels_an_image(tmp_path, wide):
    """As `fit` has no such data, the gradients."""
    shell = _shell_of_labels()
    images, labels = torch.rand(5, 1, 8, 8), torch.randint(2, (5, 10))
    loss, told = shell(images, labels)
    expected = nn.functional.binary_cross_entropy_with_logits(shell.model(images), labels.float(), reduction="none")
    assert loss.item() == pytest.approx(expected.sum(1).mean().item(), rel=1e-5)
    assert set(told) == {"loss", "ce"}


def _shell_of_labels():
    job = _run._job(NET, DATA, "ce", _run.Recipe.make(QUICK), 0, None)
    return _ensemble.Shell(_ensemble._loop(_ensemble.Fabric(accelerator="cpu", devices=1), job), ())


def test_a_gradient_is_shortened_for_each():
    """As torch does it for one."""
    dtype = torch.float64
    gradients = {"a": torch.randn(4, 2, 3, dtype=dtype), "b": torch.randn(4, dtype=dtype)}
    for g in gradients.values():
        g *= torch.tensor([0.01, 1, 2, 30]).view(-1, *[1] * (g.ndim - 1))
    found = shortened(gradients, 0.7)
    for i in range(4):
        twins = {name: nn.Parameter(torch.zeros_like(g[i])) for name, g in gradients.items()}
        for name, twin in twins.items():
            twin.grad = gradients[name][i].clone()
        clip_grad_norm_(twins.values(), 0.7)
        for name, twin in twins.items():
            assert torch.allclose(found[name][i], twin.grad, atol=1e-12)


def test_members_draw_each_for_itself(group):
    """Two of the same weights, on the same images."""
    pair = group("own:drops-out")
    for tensor in (*pair.learned.values(), *pair.others.values()):
        tensor.data[1] = tensor.data[0]
    images, labels = torch.rand(1, 6, 1, 8, 8).expand(2, -1, -1, -1, -1), torch.zeros(2, 6, dtype=torch.long)
    before = float(pair.others["calls"][0])  # the first look counts

    def drawn(seed):
        torch.manual_seed(seed)
        return pair._gradients(pair.others, images, labels)[0]["out.weight"]

    first = drawn(0)
    assert not torch.allclose(first[0], first[1])
    assert torch.equal(first, drawn(0))
    assert not torch.equal(first, drawn(1))
    assert pair.others["calls"].tolist() == [before + 3] * 2
    assert [float(loop.inner.calls) for loop in pair.loops] == [before + 3] * 2


def test_what_is_frozen_stays_and_what_is_tied_stays_so(tmp_path):
    members = fit(tmp_path, model="own:drops-out")
    for seed, member in enumerate(members):
        torch.manual_seed(seed)
        first = pl.load_model("own:drops-out", weights=None)
        now = weights(member.folder)
        assert torch.equal(now["still"], first.still)
        assert torch.equal(now["fc.weight"], now["again.weight"])
        assert not torch.equal(now["fc.weight"], first.fc.weight)
        assert now["calls"] == 1 + 6  # with the first look


# --- what it leaves behind ------------------------------------------------------------------------------------------


def test_its_folders_are_those_of_runs(tmp_path):
    members = fit(tmp_path, epochs=2, keep=True, watch=True, watts=100, recipe=f"{QUICK},held_out=0.2")
    rows = [pd.read_csv(tmp_path / f"seed-{seed}" / "log.csv") for seed in (0, 1)]
    for seed, member in enumerate(members):
        again = pl.Fit.load(tmp_path / f"seed-{seed}")
        assert again.rows == member.rows
        assert rows[seed]["loss"].tolist() == pytest.approx([row["loss"] for row in member.rows])
        assert [path.name for path in member.checkpoints] == ["epoch-0001.safetensors", "epoch-0002.safetensors"]
        assert torch.equal(load_file(member.checkpoints[-1])["head.weight"], weights(member.folder)["head.weight"])
        assert (member.folder / "watch" / "learning.png").exists()
        assert {"kl_names", "held_out"} <= set(member.rows[0])
        assert not member.model.training
    row, other = members[0].rows[0], members[1].rows[0]
    assert {key: row[key] for key in COST} == {key: other[key] for key in COST}
    assert row["watts_assumed"] == 50
    assert row["kwh"] == pytest.approx(50 * row["seconds"] / 3.6e6)
    assert row["images_per_second"] == pytest.approx(2 * 72 / row["seconds"])


def test_what_is_finished_is_not_trained_again(tmp_path):
    fit(tmp_path)
    before = weights(tmp_path / "seed-0")
    with patch.object(Ensemble, "_step", side_effect=AssertionError):
        assert [one.plan["seed"] for one in fit(tmp_path)] == [0, 1]
    steps, step = [], Ensemble._step

    def counted(self, images, labels):
        steps.append(len(images))
        step(self, images, labels)

    with patch.object(Ensemble, "_step", counted):
        fit(tmp_path, (1, 2, 0, 3))
    assert steps == [2] * 6
    assert torch.equal(before["head.weight"], weights(tmp_path / "seed-0")["head.weight"])


def test_no_folder_is_needed():
    [one, _] = fit(None)
    assert one.folder is None
    assert len(one.rows) == 1


# --- stopped, and on again ------------------------------------------------------------------------------------------

LONG = {"epochs": 3, "model": "own:drops-out", "recipe": f"{QUICK},ema=0.9,held_out=0.2"}


def stopping(at, error):
    """The step of an ensemble that fails, once."""
    step = Ensemble._step

    def stopped(self, images, labels):
        if self.at.step == at:
            raise error
        step(self, images, labels)

    return patch.object(Ensemble, "_step", stopped)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    fit(folder, **LONG)
    return folder


@pytest.mark.parametrize("at, every", [(7, 0), (5, 1e9), (2, 1e9)])
def test_a_killed_one_ends_as_a_whole_one(tmp_path, whole, at, every):
    """In an epoch and between two; with a checkpoint of every step, of every epoch, and with none."""
    with stopping(at, SystemExit), pytest.raises(SystemExit):
        fit(tmp_path, save_every=every, **LONG)
    left = _checkpoint.checkpoints(tmp_path / "ensemble")
    assert [path.name for path in left] == ([f"step-{at if not every else at // 5 * 5:09d}"] if at > 2 else [])
    members = fit(tmp_path, **LONG)
    for seed, member in enumerate(members):
        same(whole / f"seed-{seed}", member.folder)
        first = json.loads((whole / f"seed-{seed}" / "fit.json").read_text())["rows"]
        for a, b in zip(first, member.rows, strict=True):
            assert {k: v for k, v in a.items() if k not in COST} == {k: v for k, v in b.items() if k not in COST}


def test_an_interrupted_one_saves_where_it_is(tmp_path, whole):
    step = Ensemble._stacked

    def stopped(self, batches):
        if self.at.step == 7:
            raise KeyboardInterrupt
        return step(self, batches)

    with patch.object(Ensemble, "_stacked", stopped), pytest.raises(KeyboardInterrupt):
        fit(tmp_path, save_every=1e9, **LONG)
    [left] = _checkpoint.checkpoints(tmp_path / "ensemble")
    assert left.name == "step-000000007"
    fit(tmp_path, **LONG)
    same(whole / "seed-1", tmp_path / "seed-1")


def test_one_that_was_killed_while_members_were_written(tmp_path, whole):
    """The first is finished and the second is not: what was left is of both."""
    kept = _ensemble._kept

    def first(job, loop):
        if job.plan.seed == 1:
            raise SystemExit
        return kept(job, loop)

    with patch.object(_ensemble, "_kept", first), pytest.raises(SystemExit):
        fit(tmp_path, **LONG)
    assert (tmp_path / "seed-0" / "model.safetensors").exists()
    assert not (tmp_path / "seed-1" / "model.safetensors").exists()
    fit(tmp_path, **LONG)
    for seed in (0, 1):
        same(whole / f"seed-{seed}", tmp_path / f"seed-{seed}")
    assert not (tmp_path / "ensemble").exists()


def test_what_was_left_is_of_others(tmp_path):
    with stopping(1, SystemExit), pytest.raises(SystemExit):
        fit(tmp_path, save_every=0)
    for seeds in ((0,), (0, 2), (0, 1, 2)):
        with pytest.raises(BadInput, match=r"the seeds \[0, 1\] that was left, and now .* ask for those first"):
            fit(tmp_path, seeds)
    with pytest.raises(BadInput, match="holds a run with recipe"):
        fit(tmp_path, epochs=2)
    fit(tmp_path, together="auto")  # it goes on as it was begun
    assert not (tmp_path / "ensemble").exists()


def test_what_was_left_and_is_finished_does_not_count(tmp_path):
    """A process that ended between the last member and the tidying."""
    with patch.object(_ensemble.shutil, "rmtree"):
        fit(tmp_path, epochs=2)
    assert _checkpoint.checkpoints(tmp_path / "ensemble")
    with stopping(2, SystemExit), pytest.raises(SystemExit):
        fit(tmp_path, (0, 1, 2, 3), epochs=2, save_every=0)
    [left] = _checkpoint.checkpoints(tmp_path / "ensemble")
    assert left.name == "step-000000002"
    assert _checkpoint.load(left).about["seeds"] == [2, 3]


def test_a_checkpoint_of_another_network(tmp_path):
    with stopping(3, SystemExit), pytest.raises(SystemExit):
        fit(tmp_path, save_every=0)
    [left] = _checkpoint.checkpoints(tmp_path / "ensemble")
    state = _checkpoint.load(left)
    del state.tensors["learned/head.bias"]
    _checkpoint.save(left.parent, 3, state)
    with pytest.raises(BadFile, match="is not of this run"):
        fit(tmp_path)


# --- what cannot be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"objective": "cgc"}, "the objective cgc is no plain function"),
        ({"objective": "gcc"}, "the objective gcc is no plain function"),
        ({"objective": "lico:text=random-words"}, "the objective lico is no plain function"),
        ({"objective": "ce+cgc"}, "the objective cgc is no plain function"),
        ({"recipe": f"{QUICK},held_out=0.1,patience=2"}, "with patience each stops"),
        ({"recipe": f"{QUICK},precision=16"}, "in precision 16 each has a scale"),
        ({"recipe": f"{QUICK},compile=true"}, "torch.compile and vmap"),
        ({"processes": 2}, "several processes share a step"),
        ({"model": "own:branches"}, r"torch.func.vmap does not take the network \(.*item\(\)"),
    ],
)
def test_what_cannot_be_one(tmp_path, options, reason):
    with pytest.raises(BadInput, match=rf"cannot be trained as one ensemble: {reason}.*or give turns"):
        fit(tmp_path, **options)
    assert not list(tmp_path.rglob("*.*")), "nothing was begun"


def test_runs_that_began_alone(tmp_path):
    with patch.object(_run.Loop, "_row", side_effect=SystemExit), pytest.raises(SystemExit):
        alone(tmp_path / "seed-1", 1, save_every=0)
    with pytest.raises(BadInput, match="seed-1 was begun by itself"):
        fit(tmp_path)
    assert len(fit(tmp_path, together="turns")) == 2


def test_a_loss_that_is_not_finite_keeps_its_batch(tmp_path):
    with pytest.raises(BadModel, match=r"the loss of seed \d is .* in step \d of the ensemble.*is kept in .*bad-batch"):
        fit(tmp_path, recipe="plain:batch=16,lr=1e30", epochs=3)
    [kept] = tmp_path.glob("seed-*/bad-batch.safetensors")
    assert load_file(kept)["images"].shape == (16, 1, 8, 8)


def test_labels_are_checked(group):
    pair = group()
    images, rows = torch.zeros(4, 1, 8, 8), torch.arange(4)
    batches = [Batch(images, torch.tensor(labels), rows, ()) for labels in ([0, 1, 2, 3], [0, 1, 2, 10])]
    with pytest.raises(BadInput, match="label 10 is no class of this model"):
        pair._stacked(batches)
    assert [part.shape for part in pair._stacked(batches[:1] * 2)] == [(2, 4, 1, 8, 8), (2, 4)]


def test_a_way_that_there_is_not(tmp_path):
    jaxtyping.config.update("jaxtyping_disable", True)  # which would be first to complain
    try:
        for seeds in ([0, 1], None):
            with pytest.raises(BadInput, match="together is 'both'; give auto, processes, ensemble or turns"):
                pl.fit(NET, DATA, seeds=seeds, together="both", out=tmp_path / "a")
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    assert not (tmp_path / "a").exists()


# --- where nothing is said ------------------------------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch):
    """Which way was taken."""
    ways = []

    def spied(name, own, *args, **options):
        ways.append(name)
        return own(*args, **options)

    for module, name in ((_ensemble, "_trained"), (_seeds, "_in_turn")):
        monkeypatch.setattr(module, name, partial(spied, name, getattr(module, name)))
    monkeypatch.setattr(_seeds, "_side_by_side", partial(spied, "_side_by_side", lambda *_: []))
    return ways


@pytest.mark.parametrize(
    "gpu, together, options, ways",
    [
        (False, "auto", {}, ["_side_by_side"]),
        (True, "auto", {}, ["_trained"]),
        (True, "auto", {"seeds": (3,)}, ["_in_turn"]),
        (True, "auto", {"objective": "cgc"}, ["_in_turn"]),
        (True, "auto", {"recipe": f"{QUICK},held_out=0.1,patience=2"}, ["_in_turn"]),
        (True, "auto", {"model": "own:branches"}, ["_trained", "_in_turn"]),
        (True, "turns", {}, ["_in_turn"]),
        (False, "turns", {}, ["_in_turn"]),
        (True, "processes", {}, ["_side_by_side"]),
        (False, "ensemble", {"seeds": (3,)}, ["_trained"]),
    ],
)
def test_ways(tmp_path, told, monkeypatch, gpu, together, options, ways):
    monkeypatch.setattr(_seeds, "_on_a_gpu", lambda jobs: gpu)
    monkeypatch.setattr(_seeds, "processors", lambda: 2)
    found = fit(tmp_path, together=together, **options)
    assert told == ways
    if "_side_by_side" not in ways:
        assert all(one.rows for one in found)
        assert all((one.folder / "model.safetensors").exists() for one in found)


def test_an_ensemble_that_is_too_large(tmp_path, told, monkeypatch):
    monkeypatch.setattr(_seeds, "_on_a_gpu", lambda jobs: True)
    with stopping(2, torch.OutOfMemoryError("no more")):
        with pytest.raises(BadInput, match="2 networks and their batches are more than the device holds"):
            fit(tmp_path / "a")
        [one, _] = fit(tmp_path / "b", together="auto")
    assert told == ["_trained", "_trained", "_in_turn"]
    same(one.folder, alone(tmp_path / "c", 0).folder)


def test_only_a_plain_function_says_so():
    """Others differentiate inside, or learn something."""
    assert Objective.make("ce").vmaps
    assert not any(Objective.make(text).vmaps for text in ("cgc", "gcc", "lico"))


def test_the_command(tmp_path, capsys):
    words = ["train", DATA, "--model", NET, "--epochs", "1", "--device", "cpu", "--seed", "0", "--seed", "4"]
    assert main([*words, "--together", "ensemble", "-o", str(tmp_path / "a")]) == 0
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["report.html", "seed-0", "seed-4"]
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        assert main([*words, "--together", "heap", "-o", str(tmp_path / "b")]) == 2
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    assert "together is 'heap'" in capsys.readouterr().err

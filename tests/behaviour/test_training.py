"""The training loop: what it learns, that nothing is lost, and that it is the same run wherever it runs."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

import pellucid as pl
from pellucid.training import _checkpoint, _schedule

DATA = "scenes:classes=3,size=16,length=48"
NET = "pellucid:tiny-cnn:classes=3"
QUICK = "plain:batch=16,lr=0.05"
LICO = "lico:text=random-words,contexts=2"


def weights(fit):
    return {key: value.clone() for key, value in fit.model.state_dict().items()}


def same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


class Dropping(nn.Module):
    """Draws in every forward."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.drop, self.fc = nn.Dropout(0.5), nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(self.drop(self.body(x).mean((2, 3))))


# --- what it does ---------------------------------------------------------------------------------------------------


def test_it_is_plain_sgd():
    """One epoch of CE by hand, with the schedule, the order and the transform of the library's loaders."""
    net = Dropping()
    net.drop.p = 0.0
    twin = Dropping()
    twin.drop.p = 0.0
    fit = pl.fit(net, DATA, "ce", QUICK, epochs=2, seed=3)
    twin.train()
    optimiser = torch.optim.SGD(twin.parameters(), 0.05, 0.9, weight_decay=1e-4)
    loader = pl.data.batches(DATA, batch_size=16, train=True, seed=3)
    step = 0
    for epoch in range(2):
        for batch in loader.epoch(epoch):
            optimiser.param_groups[0]["lr"] = 0.05 * _schedule.factor("cosine-7-16", step / 6)
            optimiser.zero_grad()
            cross_entropy(twin(batch.images), batch.labels).backward()
            optimiser.step()
            step += 1
    for key, value in twin.state_dict().items():
        assert torch.allclose(fit.model.state_dict()[key].float(), value.float(), atol=1e-6), key
    assert fit.model is net
    assert not net.training


@pytest.mark.parametrize(
    "schedule, t, expected",
    [
        ("cosine-7-16", 0.0, 1.0), ("cosine-7-16", 0.5, 0.77301), ("cosine-7-16", 1.0, 0.19509),
        ("cosine", 0.5, 0.5), ("cosine", 1.0, 0.0), ("constant", 0.7, 1.0), ("one-cycle", 0.3, 1.0),
    ],
)  # fmt: skip
def test_schedules(schedule, t, expected):
    assert _schedule.factor(schedule, t) == pytest.approx(expected, abs=1e-5)


def test_the_cosine_falls_all_the_way():
    factors = [_schedule.factor("cosine-7-16", k / 100) for k in range(101)]
    assert all(a > b for a, b in pairwise(factors))
    steps = [_schedule.factor("step", 0.0, e, (30, 60)) for e in (0, 29.9, 30, 60, 89)]
    assert steps == pytest.approx([1, 1, 0.1, 0.01, 0.01])


def test_a_fit_is_what_its_folder_holds(tmp_path):
    fit = pl.fit(
        NET,
        DATA,
        f"{LICO}+cgc",
        QUICK,
        epochs=2,
        out=tmp_path / "a",
        validation="scenes:classes=3,size=16,length=20,seed=9",
        keep=True,
    )
    again = pl.Fit.load(tmp_path / "a")
    same(weights(fit), weights(again))
    assert again.rows == fit.rows
    expected = (
        "loss ce mm ot cgc accuracy validation scale ot_error seconds images_per_second kwh co2e_g watts_assumed lr"
    )
    assert {*expected.split(), "peak_memory_mib"} <= set(fit.history)
    log = pd.read_csv(tmp_path / "a" / "log.csv")
    assert log["mm"].tolist() == pytest.approx(fit.history["mm"].tolist())
    assert [path.name for path in fit.checkpoints] == ["epoch-0001.safetensors", "epoch-0002.safetensors"]
    same(load_file(fit.checkpoints[-1]), weights(fit))
    plain = pl.load_model(tmp_path / "a")
    same(weights(fit), plain.state_dict())
    assert plain.pellucid_card.classes == pl.data.Scenes(classes=3).class_names
    row = fit.rows[0]
    assert row["kwh"] == pytest.approx(row["watts_assumed"] * row["seconds"] / 3.6e6)


def test_watts_are_an_assumption_that_is_written_down():
    fit = pl.fit(NET, DATA, "ce", QUICK, epochs=1, watts=100)
    assert fit.rows[0]["watts_assumed"] == 100


def test_accumulation_is_the_whole_batch():
    """For a loss of single samples and a network without BatchNorm."""

    def net():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

    whole = pl.fit(net(), DATA, "ce", QUICK, epochs=1)
    parts = pl.fit(net(), DATA, "ce", f"{QUICK},accumulate=4", epochs=1)
    for key, value in whole.model.state_dict().items():
        assert torch.allclose(parts.model.state_dict()[key], value, atol=1e-6)


def test_clipping_bounds_the_step():
    start = Dropping().state_dict()
    fit = pl.fit(
        Dropping(),
        "scenes:classes=3,size=16,length=16",
        "ce",
        "plain:batch=16,lr=1,momentum=0,decay=0,clip=0.001",
        epochs=1,
    )
    moved = torch.cat([(fit.model.state_dict()[k] - start[k]).flatten() for k, p in Dropping().named_parameters()])
    assert float(moved.norm()) == pytest.approx(0.001, rel=1e-3)


def test_the_average_is_what_is_kept():
    plain = pl.fit(Dropping(), DATA, "ce", QUICK, epochs=1)
    averaged = pl.fit(Dropping(), DATA, "ce", f"{QUICK},ema=0.5", epochs=1)
    kept = Dropping().state_dict()
    trace = []
    loop_weights(trace)
    for state in trace:
        kept = {
            k: (0.5 * kept[k] + 0.5 * state[k]) if k in dict(Dropping().named_parameters()) else state[k] for k in kept
        }
    for key in kept:
        assert torch.allclose(averaged.model.state_dict()[key].float(), kept[key].float(), atol=1e-6), key
    assert not torch.equal(plain.model.fc.weight, averaged.model.fc.weight)


def loop_weights(trace):
    """The weights after every step of the run without an average."""
    from pellucid.training import _run

    options = _run.Options
    try:
        _run.Options = lambda *args, step, **kw: options(
            *args, step=lambda loop, at: trace.append({k: v.clone() for k, v in loop.inner.state_dict().items()}), **kw
        )
        pl.fit(Dropping(), DATA, "ce", QUICK, epochs=1)
    finally:
        _run.Options = options


def test_stopping_early_keeps_the_best():
    fit = pl.fit(NET, DATA, "ce", "plain:batch=16,lr=0,held_out=0.25,patience=2", epochs=9)
    assert len(fit.rows) == 3
    assert fit.stopped.startswith("after epoch 3: held-out accuracy has not risen for 2 epochs")
    assert all("validation" not in row for row in fit.rows)


def test_held_out_images_are_not_learned_from():
    seen = []
    net = Dropping()
    net.register_forward_pre_hook(
        lambda module, x: seen.extend(x[0].flatten(1).sum(1).tolist()) if module.training else None
    )
    pl.fit(net, DATA, "ce", "plain:batch=12,held_out=0.25,transform=plain", epochs=1)
    assert len(seen) == 36
    assert len({round(x, 3) for x in seen}) == 36


@pytest.mark.parametrize(
    "knob",
    [
        "precision=bf16",
        "channels_last=true",
        "nesterov=true",
        "optimiser=adamw,lr=0.001",
        "optimiser=adam,lr=0.001",
        "schedule=one-cycle",
        "schedule=step,milestones=[1]",
        "warmup=1",
    ],
)
def test_every_way_trains(knob):
    fit = pl.fit(NET, DATA, LICO, f"plain:batch=16,{knob}", epochs=2)
    assert all(torch.isfinite(value).all() for value in fit.model.state_dict().values())
    assert fit.rows[-1]["loss"] < fit.rows[0]["loss"] * 1.05


@pytest.mark.slow
def test_a_compiled_network_trains_alike():
    plain = pl.fit(NET, DATA, f"{LICO}+cgc", QUICK, epochs=1)
    compiled = pl.fit(NET, DATA, f"{LICO}+cgc", f"{QUICK},compile=true", epochs=1)
    for key, value in weights(plain).items():
        assert torch.allclose(weights(compiled)[key].float(), value.float(), atol=1e-3), key


# --- nothing is lost ------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
import pellucid as pl
pl.fit("{net}", "{data}", "{objective}", "{recipe}", epochs=4, seed=1, out=sys.argv[1], save_every=0.0)
"""


def command(folder, objective, recipe):
    script = SCRIPT.format(net=NET, data=DATA, objective=objective, recipe=recipe)
    return [sys.executable, "-c", script, str(folder)]


def killed_and_resumed(folder, kills, objective=LICO, recipe=QUICK):
    """Killed so many times, each after another step was saved, and then run to its end."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    chance = random.Random(0)
    for _ in range(kills):
        before = newest(folder)
        process = subprocess.Popen(command(folder, objective, recipe), env=environment, stderr=subprocess.DEVNULL)
        while process.poll() is None and newest(folder) <= before:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command(folder, objective, recipe), env=environment, check=True, capture_output=True)
    return pl.Fit.load(folder)


def newest(folder):
    found = _checkpoint.checkpoints(Path(folder) / "checkpoint")
    return int(found[-1].name.removeprefix("step-")) if found else -1


def whole(tmp_path, objective=LICO, recipe=QUICK):
    subprocess.run(
        command(tmp_path / "whole", objective, recipe),
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    return pl.Fit.load(tmp_path / "whole")


def alike(a, b):
    same(weights(a), weights(b))
    for mine, theirs in zip(a.rows, b.rows, strict=True):
        for key in ("loss", "ce", "mm", "ot", "accuracy", "scale", "step"):
            assert mine[key] == theirs[key], key


def test_a_killed_run_ends_as_if_nothing_had_been(tmp_path):
    alike(killed_and_resumed(tmp_path / "killed", 1), whole(tmp_path))


@pytest.mark.slow
def test_ten_kills(tmp_path):
    recipe = f"{QUICK},ema=0.9,held_out=0.25,patience=3"
    objective = f"{LICO}+cgc+gcc"
    alike(killed_and_resumed(tmp_path / "killed", 10, objective, recipe), whole(tmp_path, objective, recipe))


def test_dropout_is_drawn_by_the_step():
    torch.manual_seed(1)
    a = pl.fit(Dropping(), DATA, "ce", QUICK, epochs=1, seed=4)
    torch.manual_seed(2)
    b = pl.fit(Dropping(), DATA, "ce", QUICK, epochs=1, seed=4)
    c = pl.fit(Dropping(), DATA, "ce", QUICK, epochs=1, seed=5)
    same(weights(a), weights(b))
    assert not torch.equal(a.model.fc.weight, c.model.fc.weight)


def test_the_callers_chance_is_not_touched():
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    pl.fit(NET, DATA, LICO, QUICK, epochs=1)
    assert torch.equal(torch.rand(2), expected)


@contextmanager
def interrupted(monkeypatch, step):
    """Ctrl-C after so many steps."""
    from pellucid.training._progress import Bar

    def interrupt(self, loop, at):
        if at == step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Bar, "step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            yield


def test_an_interruption_between_steps_is_kept(tmp_path, monkeypatch):
    with interrupted(monkeypatch, 4):
        pl.fit(NET, DATA, LICO, QUICK, epochs=2, out=tmp_path / "a")
    assert newest(tmp_path / "a") == 4
    resumed = pl.fit(NET, DATA, LICO, QUICK, epochs=2, out=tmp_path / "a")
    alike(resumed, pl.fit(NET, DATA, LICO, QUICK, epochs=2, out=tmp_path / "b"))


def test_another_number_of_processes_goes_on_where_it_was(tmp_path, monkeypatch):
    with interrupted(monkeypatch, 4):
        pl.fit(Normed(), DATA, LICO, QUICK, epochs=2, device="cpu", out=tmp_path)
    two = pl.fit(Normed(), DATA, LICO, QUICK, epochs=2, device="cpu", processes=2, out=tmp_path)
    one = pl.fit(Normed(), DATA, LICO, QUICK, epochs=2, device="cpu")
    for key, value in one.model.state_dict().items():
        assert torch.allclose(two.model.state_dict()[key], value, atol=1e-4), key
    assert [row["step"] for row in two.rows] == [row["step"] for row in one.rows]


def test_curves_for_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit = pl.fit(NET, DATA, "ce", QUICK, epochs=2, out=tmp_path, tensorboard=True)
    seen = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [point.step for point in seen.Scalars("loss")] == [1, 2]
    assert [point.value for point in seen.Scalars("loss")] == pytest.approx([row["loss"] for row in fit.rows])
    with pytest.raises(pl.PellucidError, match="give out="):
        pl.fit(NET, DATA, "ce", QUICK, epochs=1, tensorboard=True)


def test_what_lico_trained_costs_nothing_afterwards(tmp_path):
    """The plain network loads the exported weights strictly, and does what it does: the same modules, no hook."""
    fit = pl.fit(NET, DATA, LICO, QUICK, epochs=1, out=tmp_path)
    plain = pl.load_model(NET)
    plain.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)
    exported = pl.load_model(tmp_path / "model.safetensors")
    x = torch.randn(4, 3, 16, 16)
    assert torch.equal(plain.eval()(x), exported.eval()(x))
    for net in (fit.model, exported):
        assert [type(m) for m in net.modules()] == [type(m) for m in plain.modules()]
        assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in net.modules())
    counts = []
    for net in (fit.model, exported, plain):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(x)
        counts.append(counter.get_total_flops())
    assert counts == counts[:1] * 3


@pytest.mark.parametrize(
    "transform", ["imagenet:size=16", "imagenet:size=16,crop=0.6", "squash:size=16", "cifar:size=16"]
)
def test_a_trained_model_takes_its_pictures_as_they_were_evaluated(tmp_path, transform):
    from torchvision.transforms.v2.functional import to_pil_image

    from pellucid.data.transforms import Transform

    data = pl.data.Dataset.make(DATA.replace("size=16", "size=24"))
    pl.fit(NET, data, "ce", f'{QUICK},transform="{transform}"', epochs=1, out=tmp_path)
    picture, how = data[0].image, Transform.make(transform)
    seen = how.input(how.picture(False)(picture), data)
    shown = pl.transform_of(pl.load_model(tmp_path / "model.safetensors"))(to_pil_image(picture))
    assert torch.allclose(shown, seen, atol=0.05)  # PIL rounds to bytes
    assert shown.shape == (3, 16, 16)


def test_channels_last_is_saved_as_any_other(tmp_path):
    fit = pl.fit(NET, DATA, "ce", f"{QUICK},channels_last=true,ema=0.5", epochs=1, out=tmp_path)
    same(weights(fit), weights(pl.Fit.load(tmp_path)))


def test_a_tied_weight_is_averaged_under_both_its_names():
    from pellucid.training._ema import Average

    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    nn.init.ones_(net[0].weight)
    average = Average(net, 0.75)
    nn.init.zeros_(net[0].weight)
    average.update(net)
    assert average.kept["0.weight"].unique().tolist() == average.kept["1.weight"].unique().tolist() == [0.75]


def test_a_finished_run_is_not_trained_again(tmp_path):
    fit = pl.fit(NET, DATA, "ce", QUICK, epochs=1, out=tmp_path)
    touched = (tmp_path / "model.safetensors").stat().st_mtime_ns
    again = pl.fit(NET, DATA, "ce", QUICK, epochs=1, out=tmp_path)
    same(weights(fit), weights(again))
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == touched
    net = pl.load_model(NET)
    third = pl.fit(net, DATA, "ce", QUICK, epochs=1, out=tmp_path)
    same(weights(fit), net.state_dict())
    assert third.model is net


def test_a_half_written_checkpoint_is_not_used(tmp_path):
    state = _checkpoint.State({"model/w": torch.ones(2)}, {"position": {}})
    _checkpoint.save(tmp_path, 3, state)
    (tmp_path / ".step-000000009.part").mkdir()
    assert [path.name for path in _checkpoint.checkpoints(tmp_path)] == ["step-000000003"]
    (tmp_path / "step-000000003" / "state.safetensors").write_bytes(b"cut")
    with pytest.raises(pl.PellucidError, match="cannot be read"):
        _checkpoint.load(tmp_path / "step-000000003")


# --- wherever it runs -----------------------------------------------------------------------------------------------


class Normed(nn.Module):
    """Without BatchNorm: a sample does not know what the other process has."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.GroupNorm(2, 6), nn.ReLU())
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(self.body(x).mean((2, 3)))


def test_two_processes_are_one(tmp_path):
    one = pl.fit(Normed(), DATA, f"{LICO}+cgc", QUICK, epochs=2, device="cpu")
    two = pl.fit(Normed(), DATA, f"{LICO}+cgc", QUICK, epochs=2, device="cpu", processes=2, out=tmp_path / "two")
    for key, value in one.model.state_dict().items():
        assert torch.allclose(two.model.state_dict()[key], value, atol=1e-4), key
    for key in ("loss", "ce", "mm", "ot", "cgc"):
        assert two.rows[-1][key] == pytest.approx(one.rows[-1][key], rel=1e-3), key


def test_seeds_are_runs_of_their_own(tmp_path):
    fits = pl.fit(NET, DATA, "ce", QUICK, epochs=1, seeds=[0, 7], out=tmp_path)
    assert [fit.plan["seed"] for fit in fits] == [0, 7]
    alone = pl.fit(NET, DATA, "ce", QUICK, epochs=1, seed=7)
    for key, value in weights(alone).items():
        assert torch.allclose(weights(fits[1])[key].float(), value.float(), atol=1e-6)
    assert not torch.equal(fits[0].model.head.weight, fits[1].model.head.weight)
    assert (tmp_path / "seed-7" / "log.csv").exists()


# --- a Fit is a model -----------------------------------------------------------------------------------------------


def test_a_fit_is_taken_for_its_model(tmp_path):
    fit = pl.fit(NET, DATA, "ce", QUICK, epochs=1, out=tmp_path / "fit")
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(pl.explain(fit, x).maps, pl.explain(fit.model, x).maps)
    assert pl.measure(fit, x, pl.explain(fit, x), "entropy").shape == (2,)
    assert len(pl.evaluate(fit, DATA, "grad-cam", "entropy", out=tmp_path / "e").frame)
    assert pl.evaluate(str(tmp_path / "fit"), DATA, "grad-cam", "entropy").frame["value"].notna().any()


# --- bad input ------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_keeps_its_batch(tmp_path):
    net = Dropping()
    with pytest.raises(pl.PellucidError, match=r"NaN or infinite in step \d+.*the batch is kept in .*bad-batch"):
        pl.fit(net, DATA, "ce", "plain:batch=16,lr=1e30", epochs=3, out=tmp_path)
    kept = load_file(tmp_path / "bad-batch.safetensors")
    assert kept["images"].shape == (16, 3, 16, 16)
    assert kept["labels"].shape == (16,)


def test_the_command(tmp_path):
    from typer.testing import CliRunner

    from pellucid.cli.main import app

    words = [
        "train",
        DATA,
        "--model",
        NET,
        "--objective",
        LICO,
        "--recipe",
        QUICK,
        "--epochs",
        "1",
        "-o",
        str(tmp_path / "a"),
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "65 W" in result.output
    assert json.loads((tmp_path / "a" / "fit.json").read_text())["finished"]
    wrong = CliRunner().invoke(app, [*words[:2], "--recipe", "plain:patience=3", "-o", str(tmp_path / "b")])
    assert wrong.exit_code == 2


# --- last batches -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length, steps", [(33, 2), (34, 3), (1, 1), (16, 1)])
def test_a_last_batch_of_one_is_left_out(length, steps):
    """BatchNorm would have nothing to normalise by."""
    net = nn.Sequential(nn.Flatten(), nn.LazyLinear(4), nn.LayerNorm(4), nn.Linear(4, 3)) if length == 1 else Dropping()
    if length == 1:
        net(torch.zeros(1, 3, 16, 16))
    fit = pl.fit(net, f"scenes:classes=3,size=16,length={length}", "ce", "plain:batch=16", epochs=1)
    assert fit.rows[0]["step"] == steps


def test_shares_are_the_batch():
    whole = pl.data.batches(DATA, batch_size=20, train=True)
    parts = [pl.data.batches(DATA, batch_size=20, train=True) for _ in range(3)]
    for k, part in enumerate(parts):
        part.share = (k, 3)
    for batch, *shares in zip(whole, *parts, strict=True):
        assert batch.rows.tolist() == [row for share in shares for row in share.rows.tolist()]

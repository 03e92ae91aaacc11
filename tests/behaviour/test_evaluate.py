"""pl.evaluate: the same rows however they come to be."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from torchvision.transforms import v2

import pellucid as pl
from pellucid.contracts.case import model
from pellucid.data import Dataset
from pellucid.engine import _evaluate
from pellucid.errors import BadFile, BadInput, UnknownName
from pellucid.metrics import _case
from pellucid.results import Results
from pellucid.results.store import MANY, Key, Store

SCENES = "scenes:length=80,size=32,classes=5"
WHAT = {"explainers": ["grad-cam", "random-map"], "metrics": ["insertion", "confidence"], "transform": "plain"}


def same(a, b):
    """The same rows and values; only times differ."""
    columns = [c for c in a.frame if c not in ("seconds", "curve")]
    one, other = (_plain(r.frame[columns]) for r in (a, b))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def _plain(frame):
    kinds = {column: str for column in frame if isinstance(frame[column].dtype, pd.CategoricalDtype)}
    return frame.astype(kinds).sort_values(["explainer", "metric", "sample"], ignore_index=True)


@pytest.fixture(scope="module")
def net():
    return model("tiny-cnn")


@pytest.fixture(scope="module")
def whole(net, tmp_path_factory):
    """A run and its folder."""
    out = tmp_path_factory.mktemp("whole")
    return pl.evaluate(net, SCENES, **WHAT, out=out), out


def test_one_row_a_sample_explainer_and_metric(whole, net):
    results, _ = whole
    frame = results.frame
    assert len(frame) == 80 * (3 + 2)
    assert not frame.duplicated(["sample", "explainer", "metric"]).any()
    always = frame[frame["explainer"] == "none"]
    assert set(always["metric"]) == {"accuracy", "accuracy:k=5", "confidence"}
    assert (frame["label"].to_numpy() == np.tile(Dataset.make(SCENES).labels().numpy(), 5)).all()
    assert (frame["target"] == frame["label"]).all()
    assert frame["model"].iloc[0].startswith("pellucid:tiny-cnn:classes=5 ")
    assert frame["data"].iloc[0] == str(Dataset.make(SCENES))
    for column in ("transform", "seed", "protocol", "version", "ask", "better"):
        assert frame[column].notna().all()


def test_rows_are_what_measure_says(whole, net):
    results, _ = whole
    batch = next(iter(pl.data.batches(SCENES, transform="plain", batch_size=80)))
    e = pl.explain(net, batch.images, "grad-cam", target=batch.labels)
    mean = Dataset.make(SCENES).mean
    scores = pl.measure(net, batch.images, e, "insertion", mean=mean)
    rows = results.only(explainer="grad-cam", metric="insertion").frame["value"]
    np.testing.assert_allclose(rows, scores, atol=1e-6)
    right = (net(batch.images).argmax(1) == batch.labels).float()
    np.testing.assert_array_equal(results.only(metric="accuracy").frame["value"], right)


def test_another_run_computes_nothing_and_one_more_metric_only_that(whole, net, monkeypatch):
    results, out = whole
    calls = []
    explain = _case.explain
    monkeypatch.setattr(_case, "explain", lambda *a, **k: calls.append(str(a[2])) or explain(*a, **k))
    parts = sorted(parts_of(out))
    same(results, pl.evaluate(net, SCENES, **WHAT, out=out))
    assert not calls
    assert parts == sorted(parts_of(out))
    more = pl.evaluate(net, SCENES, ["grad-cam"], ["insertion", "deletion"], transform="plain", out=out, pictures=0)
    assert calls == ["grad-cam"] * 3  # ranges of 32
    same(more.only(metric="insertion"), results.only(explainer="grad-cam", metric="insertion"))
    assert set(Results.load(out).frame["metric"]) > {"insertion", "deletion", "accuracy"}


def test_what_decides_a_number_is_in_its_key(whole, net):
    _, out = whole
    known = Store(out).keys()
    other = model("tiny-cnn")
    with torch.no_grad():
        next(other.parameters()).flatten()[3] += 1e-3  # one weight
    for changed in (
        {"model": other},
        {"seed": 1},
        {"dataset": SCENES + ",seed=1"},
        {"transform": "imagenet:size=32"},
        {"target": "predicted"},
        {"metrics": ["insertion:protocol=rise"]},
        {"explainers": ["grad-cam:relu=false"]},
        {"ask": "probability"},
    ):
        call = {"model": net, "dataset": SCENES, "explainers": "grad-cam", "metrics": "insertion",
                "transform": "plain"} | changed  # fmt: skip
        plan = _planned(**call)
        mine = [name for name, task in plan.tasks.items() if task["explainer"] != "none"]
        assert len(mine) == 1
        assert not {key.task for key in known} & set(mine), changed
    assert {k.task for k in known} >= set(_planned(net, SCENES, "grad-cam", "insertion", transform="plain").tasks)


def test_another_size_is_another_transform():
    """Transforms without weights and without a text are told by their settings."""
    texts = [_evaluate.source_of(SCENES, None, None, usual=_resized(size)).transform for size in (16, 24, 16)]
    assert texts[0] == texts[2] != texts[1]


def _resized(size):
    return v2.Compose([v2.Resize(size), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)])


def _planned(model, dataset, explainers, metrics, ask=None, seed=0, target="label", transform=None):
    source = _evaluate.seen_by(model, dataset, transform, None)
    options = _evaluate.Options(target, None, seed, None, None, None)
    return _evaluate.plan_of(model, source, explainers, metrics, ask, options)


# --- killed -----------------------------------------------------------------------------------------------------------

SCRIPT = """
import sys, torch
torch.set_num_threads(1)
import pellucid as pl
from pellucid.contracts.case import model
if __name__ == "__main__":
    out, workers = sys.argv[1], int(sys.argv[2])
    pl.evaluate(model("tiny-cnn"), "scenes:length=80,size=32,classes=5", ["grad-cam", "random-map"],
                ["insertion", "confidence"], transform="plain", out=out, workers=workers)
    print("done")
"""


def started(out, workers=1):
    """The run in a process of its own."""
    command = [sys.executable, "-c", SCRIPT, str(out), str(workers)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def parts_of(out):
    folder = out / "parts"
    return [p for p in folder.iterdir() if not p.name.startswith(".")] if folder.is_dir() else []


def test_killed_at_any_moment_it_ends_with_the_same_rows(whole, tmp_path):
    """SIGKILL after some parts, at a moment that nobody chose; then again; then to its end."""
    results, _ = whole
    out, chance = tmp_path / "killed", random.Random()
    for wanted in (1, 4):
        run = started(out)
        deadline = time.monotonic() + 240
        while len(parts_of(out)) < wanted and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.05)
        run.send_signal(signal.SIGKILL)
        run.wait()
    there = {p.name: (p.stat().st_mtime_ns, p.stat().st_ino) for p in parts_of(out)}
    assert there, "it was killed before it had written anything"
    left = started(out)
    assert left.communicate(timeout=240)[0] == b"done\n"
    after = {p.name: (p.stat().st_mtime_ns, p.stat().st_ino) for p in parts_of(out)}
    assert there.items() <= after.items(), "what was there was computed again"
    same(results, Results.load(out))


def test_killed_while_it_writes(whole, tmp_path, net):
    """What a killed process leaves beside a part is no part; a part cut short by the disk is computed again."""
    results, out = whole
    copy = tmp_path / "copy"
    (copy / "parts").mkdir(parents=True)
    for i, part in enumerate(sorted(parts_of(out))):
        content = part.read_bytes()
        if i == 0:
            (copy / "parts" / f".{part.name}.x1y2").write_bytes(content[: len(content) // 2])
        elif i == 1:
            (copy / "parts" / part.name).write_bytes(content[:-20])
        elif i == 2:
            (copy / "parts" / part.name).write_bytes(b"")
        else:
            (copy / "parts" / part.name).write_bytes(content)
    same(results, pl.evaluate(net, SCENES, **WHAT, out=copy))


def test_two_workers_are_one(whole, tmp_path):
    results, _ = whole
    run = started(tmp_path / "two", workers=2)
    out, err = run.communicate(timeout=280)
    assert out == b"done\n", err.decode()[-2000:]
    found = Results.load(tmp_path / "two")
    same(results, found)
    keys = Store(tmp_path / "two").keys()
    assert len({key.start for key in keys}) == 3


def test_the_shares_of_ranks_are_one(whole, tmp_path, net, monkeypatch):
    """As under torchrun: rank 1 first, which waits for nobody's rows but finds them."""
    results, _ = whole
    monkeypatch.setattr(_evaluate, "PATIENCE", 0.3)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(BadFile, match="have not come"):
        pl.evaluate(net, SCENES, **WHAT, out=tmp_path)
    assert {key.start for key in Store(tmp_path).keys()} == {32}  # noqa: SIM118
    monkeypatch.setenv("RANK", "0")
    same(results, pl.evaluate(net, SCENES, **WHAT, out=tmp_path))
    with pytest.raises(BadInput, match="folder in common"):
        pl.evaluate(net, SCENES, **WHAT)


def test_interrupted(whole, tmp_path, net, monkeypatch):
    """Ctrl-C in the middle: what is finished stays."""
    results, _ = whole
    scored, count = _evaluate._scored, []

    def interrupted(metric, case):
        count.append(1)
        if len(count) == 8:
            raise KeyboardInterrupt
        return scored(metric, case)

    monkeypatch.setattr(_evaluate, "_scored", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pl.evaluate(net, SCENES, **WHAT, out=tmp_path)
    assert 0 < len(Results.load(tmp_path).frame) < len(results.frame)
    monkeypatch.setattr(_evaluate, "_scored", scored)
    same(results, pl.evaluate(net, SCENES, **WHAT, out=tmp_path))


# --- sources ----------------------------------------------------------------------------------------------------------


class Stream(IterableDataset):
    """Samples one after another, without a length."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __iter__(self):
        return iter(zip(self.images, self.labels.tolist(), strict=True))


def test_any_source_gives_the_same_numbers(whole, net):
    results, _ = whole
    batch = next(iter(pl.data.batches(SCENES, transform="plain", batch_size=80)))
    data = TensorDataset(batch.images, batch.labels)
    call = {"explainers": ["grad-cam", "random-map"], "metrics": ["insertion"], "name": "scenes"}
    wanted = results.frame["value"].to_numpy()
    sources = (
        data,
        DataLoader(data, batch_size=7),
        Stream(batch.images, batch.labels),
        pl.data.batches(SCENES, transform="plain", batch_size=13),
        [(batch.images[:50], batch.labels[:50]), (batch.images[50:], batch.labels[50:])],
    )
    for source in sources:
        found = pl.evaluate(net, source, **call)
        assert found.frame["data"].iloc[0] == "scenes"
        np.testing.assert_allclose(found.frame["value"], wanted, atol=1e-6)


def test_images_that_are_not_normalised():
    """Where black is in them is not known, nor their mean colour."""
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    x = torch.rand(3, 3, 8, 8)
    with pytest.raises(BadInput, match="mean colour"):
        pl.evaluate(flat, [x], "gradient", "deletion")
    given = pl.evaluate(flat, [x], "gradient", "deletion", mean=[0.5] * 3).only(metric="deletion").frame["value"]
    e = pl.explain(flat, x, "gradient")
    np.testing.assert_allclose(given, pl.measure(flat, x, e, "deletion", mean=[0.5] * 3), atol=1e-6)


def test_a_source_with_masks_and_boxes(net):
    x = torch.randn(5, 3, 32, 32)
    masks = torch.zeros(5, 32, 32, dtype=torch.bool)
    masks[1:, 4:20, 4:20] = True
    samples = [(x[i], 0, {"masks": masks[i]}) for i in range(5)]
    found = pl.evaluate(net, samples, "grad-cam", "insertion", name="mine")
    case = next(iter(_evaluate.source_of(samples, None, "mine").ranges(None)))
    assert torch.equal(case.masks(case.labels), masks.byte())
    assert found.frame["sample"].tolist() == [*range(5)] * 4


def test_a_stream_goes_on_where_it_was(net, tmp_path):
    x, y = torch.randn(70, 3, 32, 32), torch.arange(70) % 5
    call = {"explainers": "random-map", "metrics": "insertion", "name": "stream", "out": tmp_path}
    pl.evaluate(net, Stream(x[:40], y[:40]), **call)
    assert {key[1:] for key in Store(tmp_path).keys()} == {(0, 32), (32, 40)}  # noqa: SIM118
    found = pl.evaluate(net, Stream(x, y), **call)  # it has grown: the last range is another one
    assert len(found.only(metric="insertion").frame) == 70


def test_labels_that_are_not_there(net):
    x = torch.randn(4, 3, 32, 32)
    found = pl.evaluate(net, [x], "grad-cam", "insertion")
    assert found.only(metric="accuracy").frame["value"].isna().all()
    assert found.only(metric="insertion").frame["value"].notna().all()
    assert found.only(metric="insertion").frame["target"].tolist() == net(x).argmax(1).tolist()


def test_an_encoder_is_measured_too():
    encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2))  # [n, 4, 2, 2]: no classes
    found = pl.evaluate(encoder, [torch.randn(3, 3, 16, 16)], "gradient", "sparseness", ask="similarity")
    assert found.only(metric="sparseness").frame["value"].notna().all()
    assert found.only(metric="accuracy").frame["value"].isna().all()


def test_what_a_mapping_tells_is_of_its_label(net):
    x, mask = torch.randn(6, 3, 32, 32), torch.zeros(32, 32, dtype=torch.bool)
    mask[4:20, 4:20] = True
    samples = [(x[i], i % 5, {"mask": mask}) for i in range(6)]
    frame = pl.evaluate(net, samples, "random-map", "sch", target=3).only(metric="sch").frame
    assert frame["value"].notna().tolist() == (frame["label"] == 3).tolist()


def test_other_data_of_one_name_is_not_the_same(net, tmp_path):
    x, y = torch.randn(40, 3, 32, 32), torch.zeros(40, dtype=torch.int64)
    call = {"explainers": "random-map", "metrics": "insertion", "name": "mine", "out": tmp_path}
    first = pl.evaluate(net, TensorDataset(x, y), **call)
    assert len(pl.evaluate(net, TensorDataset(x[:8], y[:8]), **call).only(metric="insertion")) == 8
    other = pl.evaluate(net, TensorDataset(3 * x, y), **call)
    assert not np.allclose(first.frame["value"], other.frame["value"])
    with pytest.raises(BadInput, match="differ in state"):
        Results.load(tmp_path).stability()


def test_another_forward_or_mean_is_another_task(tmp_path):
    """The weights are the same, and what is asked; the numbers are not."""
    layers = [nn.Flatten(), nn.Linear(3 * 64, 8), nn.ReLU(), nn.Linear(8, 3)]
    x, found = torch.rand(3, 3, 8, 8), []
    for middle, mean in ((nn.ReLU(), 0.0), (nn.Tanh(), 0.0), (nn.Tanh(), 5.0)):
        net = nn.Sequential(*layers[:2], middle, layers[3])
        frame = pl.evaluate(net, [x], "gradient", "deletion", out=tmp_path, name="x", mean=[mean] * 3).frame
        found.append(frame[frame["metric"] == "deletion"]["value"].tolist())
    assert found[0] != found[1] != found[2]


def test_labels_as_they_come(net):
    x = torch.randn(4, 3, 32, 32)
    for labels in (np.array([0, 1, 2, 9]), [0, 1, 2, 9], torch.tensor([[0], [1], [2], [9]])):
        frame = pl.evaluate(net, [(x, labels)], "random-map", "insertion").frame
        assert frame["label"].tolist()[:4] == [0, 1, 2, 9]
        assert frame[frame["metric"] == "accuracy"]["value"].iloc[3] == 0  # no class of this model


def test_one_output_for_two_classes():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 1))
    x = torch.randn(30, 3, 8, 8)
    z = net(x).detach()[:, 0]
    labels = (torch.arange(30) % 2).long()
    frame = pl.evaluate(net, [(x, labels)], "gradient", "insertion").frame
    right = frame[frame["metric"] == "accuracy"]["value"].to_numpy()
    np.testing.assert_array_equal(right, ((z > 0).long() == labels).float())
    sure = frame[frame["metric"] == "confidence"]["value"].to_numpy()
    np.testing.assert_allclose(sure, torch.maximum(z.sigmoid(), 1 - z.sigmoid()), atol=1e-6)


def test_signals_in_batches():
    net = nn.Sequential(nn.Flatten(), nn.Linear(60, 3))
    data = TensorDataset(torch.randn(20, 2, 30), torch.arange(20) % 3)
    one = pl.evaluate(net, data, "gradient", "insertion", mean=[0.0])
    other = pl.evaluate(net, DataLoader(data, batch_size=8), "gradient", "insertion", mean=[0.0])
    np.testing.assert_allclose(one.frame["value"], other.frame["value"], atol=1e-6)


def test_a_question_with_an_answer_for_every_sample():
    """Each sample has its own reference, whatever range it is in."""
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 5))
    x, references = torch.randn(40, 3, 8, 8), torch.randn(40, 5)
    ask = pl.questions.Towards(references)
    found = pl.evaluate(encoder, TensorDataset(x), "gradient", "sparseness", ask=ask).only(metric="sparseness")
    e = pl.explain(encoder, x, "gradient", ask=ask)
    np.testing.assert_allclose(found.frame["value"], pl.measure(encoder, x, e, "sparseness"), atol=1e-6)


def test_what_is_infinite_has_no_mean():
    [row] = frame_of([1.0, np.inf, 0.0]).summary().to_dict("records")
    assert (row["mean"], row["n"], row["undefined"]) == (0.5, 2, 1)


def test_runs_with_other_samples():
    both = Results.together([frame_of([1.0, 0.0, 1.0]), frame_of([1.0, 0.0])])
    [row] = both.summary().to_dict("records")
    assert (row["n"], row["undefined"], row["runs"]) == (5, 1, 2)


def test_merged_meanwhile(tmp_path, monkeypatch):
    """Parts that another process has merged away are read where they went."""
    monkeypatch.setattr("pellucid.results.store.MANY", 2)
    store, other = Store(tmp_path), Store(tmp_path)
    for i in range(5):
        row = {name: [i] for name in ("sample", "label", "target", "value", "seconds")}
        store.put([Key("t", i, i + 1)], {"t": {}}, row | {"task": ["t"], "curve": [None]})
    rows = other.rows()
    next(rows)
    store.merge()
    assert {r for table in rows for r in table["sample"].to_pylist()} == {0, 1, 2, 3, 4}


# --- results ----------------------------------------------------------------------------------------------------------


def test_curves_are_kept_where_they_are_asked_for(net):
    found = pl.evaluate(net, SCENES, "grad-cam", ["insertion:curve=true", "deletion"], transform="plain")
    curves = found.only(metric="insertion:curve=true").frame
    assert all(len(curve) == 29 for curve in curves["curve"])
    np.testing.assert_allclose([np.trapezoid(c, dx=1 / 28) for c in curves["curve"]], curves["value"], atol=1e-6)
    assert found.only(metric="deletion").frame["curve"].isna().all()


def test_what_is_written_is_read(whole, tmp_path):
    results, _ = whole
    results.write(tmp_path)
    same(results, Results.load(tmp_path / "results.parquet"))
    assert len(pd.read_csv(tmp_path / "results.csv")) == len(results)
    assert pd.read_csv(tmp_path / "summary.csv")["n"].tolist() == [80] * 5
    with pytest.raises(BadFile, match="no results"):
        Results.load(tmp_path / "nowhere")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadFile, match="cannot be read"):
        Results.load(tmp_path / "broken.parquet")


def test_many_parts_are_merged(tmp_path):
    store = Store(tmp_path)
    for i in range(MANY + 5):
        row = {"task": ["t"], "sample": [i], "label": [0], "target": [0], "value": [i / 7], "curve": [None],
               "seconds": [0.0]}  # fmt: skip
        store.put([Key("t", i, i + 1)], {"t": {"metric": "m"}}, row)
    before = Results.of(store, ["t"]).frame
    Store(tmp_path).merge()
    assert len(parts_of(tmp_path)) == 2
    after = Store(tmp_path)
    assert len(after.keys()) == MANY + 5
    pd.testing.assert_frame_equal(before, Results.of(after, ["t"]).frame)
    assert after.tasks() == {"t": {"metric": "m"}}


def test_rows_twice_in_the_store_count_once(tmp_path):
    """A process killed between writing a merged part and deleting the small ones."""
    store = Store(tmp_path)
    row = {"task": ["t"] * 2, "sample": [0, 1], "label": [0, 0], "target": [0, 0], "value": [0.5, 0.25],
           "curve": [None] * 2, "seconds": [0.0] * 2}  # fmt: skip
    store.put([Key("t", 0, 2)], {"t": {}}, row)
    store.put([Key("t", 0, 2), Key("u", 0, 2)], {"t": {}, "u": {}}, row)
    assert Results.of(store, ["t"]).frame["value"].tolist() == [0.5, 0.25]


def frame_of(values, run=None, **columns):
    """Results made by hand: one metric of one explainer."""
    about = {"explainer": "e", "ask": "logit", "metric": "m", "model": "a", "data": "d", "transform": "t",
             "explains": "label", "seed": "0", "better": "higher", "average": "samples"} | columns  # fmt: skip
    frame = pd.DataFrame({"sample": range(len(values)), "value": values, "label": 0, "target": 0})
    return Results(frame.assign(**about, **({} if run is None else {"run": run})))


def test_summary_counts_what_is_undefined():
    [row] = frame_of([0.0, 1.0, np.nan, 1.0]).summary().to_dict("records")
    assert (row["mean"], row["n"], row["undefined"], row["runs"]) == (pytest.approx(2 / 3), 3, 1, 1)
    assert row["low"] <= row["mean"] <= row["high"]


def test_a_mean_over_classes():
    frame = frame_of([1.0, 1.0, 1.0, 0.0], average="classes").frame.assign(target=[0, 0, 0, 1])
    assert Results(frame).summary()["mean"].tolist() == [pytest.approx(0.5)]
    zeros = Results(frame.assign(value=[0.0, 0.0, 0.0, 0.0], model="b"))
    assert Results(frame).compare(zeros)["difference"].tolist() == [pytest.approx(0.5)]


def test_compare_is_paired():
    rng = np.random.default_rng(0)
    hard = rng.random(60)
    a, b = frame_of(hard + 0.05 + 0.01 * rng.random(60)), frame_of(hard, model="b")
    [row] = a.compare(b).to_dict("records")
    assert row["difference"] == pytest.approx(0.055, abs=0.002)
    assert 0.05 < row["low"] < row["high"] < 0.06  # the samples themselves vary by 0.3
    assert row["says"] == "better"
    assert b.compare(a)["says"].tolist() == ["worse"]
    assert a.compare(a)["says"].tolist() == ["not distinguishable"]


def test_compare_explainers_of_one_model(whole):
    results, _ = whole
    table = results.only(explainer="grad-cam").compare(results.only(explainer="random-map"))
    assert table["metric"].tolist() == ["insertion"]
    with pytest.raises(BadInput, match="in common"):
        results.only(metric="accuracy").compare(results.only(metric="insertion"))
    with pytest.raises(BadInput, match="different data"):
        frame_of([1.0, 2.0]).compare(frame_of([1.0, 2.0], data="other"))
    with pytest.raises(UnknownName, match="did you mean insertion"):
        results.only(metric="insertoin")


def test_runs_are_a_level_of_chance():
    """Five trainings that differ more than their samples: an interval of samples alone would be far too narrow."""
    rng = np.random.default_rng(1)
    samples = 0.02 * rng.standard_normal(200)
    runs = [frame_of(0.5 + shift + samples) for shift in 0.1 * rng.standard_normal(5)]
    [one], [all_] = runs[0].summary().to_dict("records"), Results.together(runs).summary().to_dict("records")
    assert all_["runs"] == 5
    assert all_["high"] - all_["low"] > 5 * (one["high"] - one["low"])
    better = [frame_of(r.frame["value"] + 0.03, model="b") for r in runs]
    [row] = Results.together(better).compare(Results.together(runs)).to_dict("records")
    assert row["low"] == pytest.approx(0.03, abs=1e-6)  # paired by run and sample, nothing varies
    assert row["says"] == "better"


def test_stability(whole):
    table = whole[0].stability()
    assert set(table["metric"]) == {"insertion"}
    assert sorted(table["rank"]) == [1.0, 2.0]
    assert table["first"].sum() == pytest.approx(1.0)


def test_rows_are_json(whole):
    results, _ = whole
    assert json.loads(results.frame.head(3).to_json(orient="records"))[0]["metric"] == "accuracy"
    assert "80 samples" in repr(results)
    assert "<table" in results._repr_html_()


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, said",
    [
        ({"metrics": ["insertoin"]}, "did you mean insertion"),
        ({"explainers": ["grad-cm"]}, "did you mean grad-cam"),
        ({"dataset": "scene"}, "did you mean scenes"),
        ({"dataset": 7}, "the data is an int"),
        ({"dataset": [torch.zeros(2, 3, 32, 32)], "out": "x"}, "no name"),
        ({"dataset": [(torch.zeros(3, 8, 8), 0), (torch.zeros(3, 9, 9), 0)]}, "differ in size"),
        ({"dataset": TensorDataset(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))}, "image is torch.uint8"),
        ({"target": "truth"}, "target is 'truth'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"dataset": [torch.full((1, 3, 32, 32), torch.nan)]}, "NaN or infinite"),
        ({"dataset": Stream(torch.zeros(2, 3, 8, 8), torch.zeros(2)), "workers": 2}, "read by one process"),
    ],
)
def test_bad_calls(net, options, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call = {"dataset": SCENES, "explainers": "grad-cam", "metrics": "insertion", "transform": None} | options
    if not isinstance(call["dataset"], str):
        call.pop("transform")
    with pytest.raises(pl.PellucidError, match=said):
        pl.evaluate(net, **call)


def test_a_folder_of_two_versions_is_not_averaged(net, tmp_path, monkeypatch):
    """What another version has measured stays beside it, and is never mixed with it."""
    call = {"explainers": "random-map", "metrics": "insertion", "transform": "plain", "out": tmp_path}
    pl.evaluate(net, "scenes:length=8,size=32,classes=5", **call)
    monkeypatch.setattr(_evaluate, "__version__", "9.9")
    found = pl.evaluate(net, "scenes:length=8,size=32,classes=5", **call)
    assert len(found.only(metric="insertion")) == 8
    both = Results.load(tmp_path)
    assert set(both.summary()["n"]) == {8}
    with pytest.raises(BadInput, match="differ in version"):
        both.compare(found)
    assert both.only(version="9.9").compare(found)["n"].tolist() == [8] * 4

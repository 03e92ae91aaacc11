"""evaluate and compare: files, tables, exit codes, what two runs can be told apart by."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.cli import _bounds, _comparison, _evaluation
from pellucid.cli._report import Report
from pellucid.engine import _evaluate
from pellucid.report import verdicts
from pellucid.report.words import number
from pellucid.results import Results
from pellucid.results.plain import plain
from pellucid.results.store import Store

DATA = "scenes:classes=4,size=32,length=8"
TINY = ["--model", "pellucid:tiny-cnn:classes=4"]
QUICK = ["-m", "energy-in-box"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Two models with three explainers each, in folders a and b; the files of the models."""
    folder = tmp_path_factory.mktemp("measured")
    options = {"explainers": ["grad-cam", "gradient", "random-map"], "metrics": ["insertion", "energy-in-box"]}
    from pellucid.cli.main import main

    for seed, name in enumerate("ab"):
        torch.manual_seed(seed)
        file = pl.save_model(pl.load_model(TINY[1]), folder / f"{name}.safetensors")
        words = [w for key, some in options.items() for one in some for w in (f"--{key[:-1]}", one)]
        assert main(["evaluate", DATA, "--model", str(file), *words, "--out", str(folder / name), "--json"]) == 0
    return folder


def rows_of(folder):
    """results.csv without what differs from run to run."""
    return pd.read_csv(folder / "results.csv").drop(columns="seconds")


# --- evaluate ---------------------------------------------------------------------------------------------------------


def test_evaluate_prints_a_table_and_writes_its_files(run, tmp_path):
    code, out, err = run("evaluate", DATA, *TINY, "-e", "[grad-cam,edges]", "-e", "random-map", *QUICK)
    assert code == 0, err
    folder = tmp_path / "evaluation"
    assert {path.name for path in folder.iterdir()} == {
        "parts", "results.parquet", "results.csv", "summary.csv", "run.json", "report.json", "report.html", "pictures"
    }  # fmt: skip
    assert "accuracy" in out
    assert "top-5" not in out  # of four classes it says nothing
    assert "confidence 0." in out
    assert "8 samples · the label is explained" in out
    assert "energy-in-box ↑" in out
    assert "edges  (control)" in out
    assert "random weights" in err
    found = rows_of(folder)
    assert len(found) == 8 * (3 + 3)
    assert set(found["explainer"]) == {"none", "grad-cam", "edges", "random-map"}
    assert len(pd.read_csv(folder / "summary.csv")) == 6
    about = json.loads((folder / "run.json").read_text())
    assert about["dataset"] == str(pl.data.Dataset.make(DATA))
    assert about["version"] == pl.__version__
    assert about["explainers"] == ["grad-cam", "edges", "random-map"]
    assert {card["metric"] for card in about["protocols"].values()} >= {"accuracy", "confidence", "energy-in-box"}
    assert set(found["protocol"]) == set(about["protocols"])


def test_the_rows_are_those_of_python(run, measured):
    results = pl.evaluate(
        pl.load_model(measured / "a.safetensors"), DATA, ["grad-cam", "gradient", "random-map"],
        ["insertion", "energy-in-box"],
    )  # fmt: skip
    kept = pd.read_parquet(measured / "a" / "results.parquet")
    assert kept["value"].tolist() == pytest.approx(results.frame["value"].tolist(), nan_ok=True)
    assert kept["explainer"].tolist() == results.frame["explainer"].tolist()


def test_every_option(run, tmp_path, measured):
    names = tmp_path / "names.json"
    names.write_text(json.dumps(["cat", "dog", "bird", "fish"]))
    weights = tmp_path / "bare.pt"
    torch.save(pl.load_model(TINY[1]).state_dict(), weights)
    code, out, err = run(
        "evaluate", DATA, "--model", weights, "--network", "pellucid:tiny-cnn", "--classes", 4, "--names", names,
        "--size", 24, "-e", "gradient", "-a", "[logit,contrast]", "--ask", "probability", "-t", "Bird", "-m",
        "[energy-in-box,pointing-game]", "--device", "cpu", "--batch-size", 3, "--seed", 7, "--loaders", 1, "-o", "r",
    )  # fmt: skip
    assert code == 0, err
    assert not err
    assert "class 2 is explained" in out
    found = rows_of(tmp_path / "r")
    assert set(found["target"]) == {2}
    assert set(found["ask"]) == {"none", "logit", "contrast", "probability"}
    assert set(found["seed"]) == {7}
    about = json.loads((tmp_path / "r" / "run.json").read_text())
    assert (about["network"], about["classes"], about["size"], about["target"]) == ("pellucid:tiny-cnn", 4, 24, 2)
    assert about["names"] == str(names)
    assert about["model's own transform"]["size"] == [24, 24]
    words = ["evaluate", DATA, *TINY, "--weights", weights, *QUICK, "-o", "s", "--transform", "plain:normalise=true"]
    assert run(*words, "-t", "predicted")[0] == 0
    assert set(rows_of(tmp_path / "s")["transform"]) == {"plain:normalise=true"}
    assert set(rows_of(tmp_path / "s")["explains"]) == {"predicted"}


def test_json_is_all_there_is_and_knows_no_nan(run, tmp_path):
    """A metric that is undefined everywhere: the digits have no boxes."""
    words = ["evaluate", "subset:shots=1@digits", "--model", "pellucid:tiny-cnn:channels=1", "--transform", "plain"]
    code, out, err = run(*words, "-e", "[gradient,edges]", *QUICK, "--json")
    assert code == 0, err
    about = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    box = next(row for row in about["summary"] if row["metric"] == "energy-in-box")
    assert (box["mean"], box["n"], box["undefined"]) == (None, 0, 10)
    assert about["samples"] == 10
    assert about["failed"] == []


def test_one_more_metric_costs_that_metric_and_a_second_run_nothing(run, tmp_path, monkeypatch):
    words = ["evaluate", DATA, *TINY, "-e", "gradient"]
    assert run(*words, *QUICK)[0] == 0
    parts = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "evaluation" / "parts").iterdir()}
    assert run(*words, "-m", "pointing-game")[0] == 0
    assert set(rows_of(tmp_path / "evaluation")["metric"]) >= {"pointing-game"}
    assert "energy-in-box" not in set(rows_of(tmp_path / "evaluation")["metric"])  # the rows of this run only
    monkeypatch.setattr(_evaluate, "_measure", lambda *_: pytest.fail("it was there already"))
    assert run(*words, *QUICK)[0] == 0
    now = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "evaluation" / "parts").iterdir()}
    assert parts.items() <= now.items()


def test_workers_and_loaders_reach_the_engine(run, tmp_path, monkeypatch):
    seen = {}

    def by_workers(model, source, plan, options, out, workers, progress):
        seen.update(workers=workers, loaders=source.loaders)
        _evaluate._run(model, source, plan, options, Store(out), _evaluate.Share(), progress)
        return Results.of(Store(out), list(plan.tasks))

    monkeypatch.setattr(_evaluate, "_by_workers", by_workers)
    assert run("evaluate", DATA, *TINY, *QUICK, "--workers", 2, "--loaders", 0)[0] == 0
    assert seen == {"workers": 2, "loaders": 0}


def test_other_processes_of_torchrun_say_and_write_nothing(run, tmp_path, monkeypatch):
    """The second of two, when the first has done its share already."""
    monkeypatch.setenv("RANK", "0")
    assert run("evaluate", DATA, *TINY, *QUICK)[0] == 0
    for path in (tmp_path / "evaluation").iterdir():
        if path.is_file():
            path.unlink()
    shutil.rmtree(tmp_path / "evaluation" / "pictures")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, out, err = run("evaluate", DATA, *TINY, *QUICK)
    assert (code, out, err) == (0, "", "")
    assert {path.name for path in (tmp_path / "evaluation").iterdir()} == {"parts"}


def test_torchrun_gives_each_process_its_gpu(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert _evaluation._own_device() == "cuda:1"
    monkeypatch.delenv("LOCAL_RANK")
    assert _evaluation._own_device() is None


@pytest.mark.slow
def test_torchrun_and_workers_give_the_rows_of_one_process(tmp_path):
    data = DATA.replace("length=8", "length=70")
    words = ["evaluate", data, *TINY, "-e", "[gradient,random-map]", "-m", "[deletion,energy-in-box]", "--json"]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "-m", "pellucid"]
    ways = {"one": ["-m", "pellucid"], "torchrun": torchrun, "workers": ["-m", "pellucid"]}
    printed = {}
    for name, way in ways.items():
        more = ["--workers", "2"] if name == "workers" else []
        call = [sys.executable, *way, *words, "-o", str(tmp_path / name), *more]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed[name] = {**json.loads(done.stdout), "out": ""}
        assert done.stderr.count("random weights") == 1
    assert printed["one"] == printed["torchrun"] == printed["workers"]
    for name in ("torchrun", "workers"):
        pd.testing.assert_frame_equal(rows_of(tmp_path / "one"), rows_of(tmp_path / name))


@pytest.mark.parametrize("calls, whole", [(0, 0), (1, 1)])
def test_what_is_measured_stays_after_ctrl_c(run, tmp_path, monkeypatch, calls, whole):
    data = DATA.replace("length=8", "length=70")
    real, made = _evaluate._measure, []

    def measure(*args):
        if len(made) == calls:
            raise KeyboardInterrupt
        made.append(real(*args))

    monkeypatch.setattr(_evaluate, "_measure", measure)
    words = ["evaluate", data, *TINY, "-e", "gradient", *QUICK]
    code, out, err = run(*words)
    assert code == 130
    assert not out
    assert f"{whole} of 3 ranges are kept in evaluation; run again to go on." in err
    assert (tmp_path / "evaluation" / "run.json").is_file()
    assert not (tmp_path / "evaluation" / "results.csv").exists()
    monkeypatch.setattr(_evaluate, "_measure", real)
    assert run(*words)[0] == 0
    assert run(*words, "-o", "whole")[0] == 0
    pd.testing.assert_frame_equal(rows_of(tmp_path / "evaluation"), rows_of(tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("how, code", [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_real_end_in_the_middle(run, tmp_path, how, code):
    words = ["evaluate", DATA.replace("length=8", "length=320"), *TINY, "-e", "gradient", "-m", "deletion"]
    start = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from pellucid.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    call = [sys.executable, "-c", start, *words, "-o", str(tmp_path / "stopped")]
    child = subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not list((tmp_path / "stopped" / "parts").glob("[!.]*.parquet")) and time.monotonic() < deadline:
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(how)
    _, err = child.communicate(timeout=120)
    assert child.returncode == code
    assert "Traceback" not in err
    assert ("ranges are kept in" in err) == (how == signal.SIGINT)
    assert run(*words, "-o", "stopped")[0] == 0
    assert run(*words, "-o", "whole")[0] == 0
    pd.testing.assert_frame_equal(rows_of(tmp_path / "stopped"), rows_of(tmp_path / "whole"))


# --- what is said of several explainers -------------------------------------------------------------------------------


def made(values, out="out"):
    """Results of a metric that is better high, by explainer."""
    what = [
        pd.DataFrame({
            "sample": range(len(some)), "label": 0, "target": 0, "explainer": name, "ask": "none", "metric": "iou",
            "value": some, "model": "m 1", "data": "d", "transform": "t", "explains": "label", "seed": "0",
            "better": "higher", "average": "samples", "protocol": "p", "version": "v", "seconds": 0.0,
        })
        for name, some in values.items()
    ]  # fmt: skip
    return Results(pd.concat(what, ignore_index=True))


def test_verdicts(capsys):
    spread = torch.linspace(0, 0.1, 20)
    close = 0.01 * torch.tensor([1.0, -1.0] * 10)
    values = {
        "grad-cam": spread + 0.5, "cam": spread + 0.5 + close, "gradient": spread + close, "random-map": spread,
        "fullgrad": spread - 0.3, "edges": spread + 0.9,
    }  # fmt: skip
    results = made({name: some.tolist() for name, some in values.items()})
    report = Report(results, [], Path("out"), "m", 4)
    [best] = report.bests
    assert {best.first, best.second} == {"grad-cam", "cam"}  # not the control, whatever it scores
    assert "are not distinguishable (p = " in best.sentence()
    said = verdicts.warning(report.from_chance)
    assert said == "Not distinguishable from random-map: gradient by iou. Worse than random-map: fullgrad by iou."
    report.print(False)
    assert said in capsys.readouterr().out
    [best] = Report(results.only(explainer=["grad-cam", "gradient", "edges"]), [], Path("out"), "m", 4).bests
    assert best.sentence() == "iou: grad-cam is ahead of gradient, by 0.500 (p < 0.001)."
    one = Report(made({"grad-cam": [1.0], "cam": [2.0]}), [], Path("out"), "m", 4)
    assert "too few samples" in one.bests[0].sentence()
    assert Report(results.only(explainer="cam"), [], Path("out"), "m", 4).bests == []


def test_numbers_have_three_digits():
    assert [number(x) for x in (0.25, 0.0012345, 12.0, 123.4, -0.5, 1e-7)] == [
        "0.250", "0.00123", "12.0", "123", "−0.500", "1.00e-07"
    ]  # fmt: skip
    assert plain({"a": [float("nan"), float("inf"), 1.0]}) == {"a": [None, None, 1.0]}


# --- --fail-under -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bound, sentence",
    [
        ("insertion=0.99", "insertion of grad-cam · logit is 0.2"),
        ("energy-in-box=0.99", "energy-in-box of gradient · logit is"),
        ("accuracy=1.1", "accuracy is"),
        ("accuracy=0", ""),
        ("insertion=0", ""),
    ],
)
def test_fail_under(run, measured, bound, sentence):
    words = ["-e", "[grad-cam,gradient,random-map]", "-m", "[insertion,energy-in-box]"]
    code, out, err = run(
        "evaluate", DATA, "--model", measured / "a.safetensors", *words, "-o", measured / "a", "--fail-under", bound
    )
    assert code == (1 if sentence else 0)
    assert sentence in err
    assert "random-map is" not in err  # a control may fail
    assert "explainer · ask" in out  # the table is there all the same
    if sentence:
        assert err.endswith(f", below {bound.partition('=')[2]}.\n")


def test_of_a_metric_that_is_better_low_it_means_above():
    [bound] = _bounds.read_bounds(["deletion=0.2"], {"deletion:curve=true": "lower", "insertion": "higher"})
    row = {"explainer": "grad-cam", "ask": "logit", "metric": "deletion:curve=true"}
    assert bound.broken_by([{**row, "mean": 0.2}, {**row, "explainer": "edges", "mean": 0.9}]) == []
    assert bound.broken_by([{**row, "mean": 0.3}]) == [
        "deletion:curve=true of grad-cam · logit is 0.300, above 0.2"
    ]  # fmt: skip
    assert "undefined for every sample" in bound.broken_by([{**row, "mean": float("nan")}])[0]
    both = {"iou:a=1": "higher", "iou:a=2": "higher"}
    assert len(_bounds.read_bounds(["iou=0.2"], both)) == 2
    assert [b.metric for b in _bounds.read_bounds(["iou:a=2=0.2"], both)] == ["iou:a=2"]


# --- compare ----------------------------------------------------------------------------------------------------------


def test_compare_says_what_differs(run, measured, tmp_path):
    code, out, err = run("compare", measured / "a", measured / "b", "-o", "table.csv")
    assert code == 0, err
    assert "B less A" in out
    lines = [line.split() for line in out.splitlines()]
    order = [line[0] for line in lines if line and line[0] in ("grad-cam", "gradient", "random-map")]
    assert order == ["grad-cam", "gradient", "random-map"]
    assert "not distinguishable" in out
    table = pd.read_csv(tmp_path / "table.csv")
    assert len(table) == 3 + 3 * 2
    a, b = (Results.load(measured / name).summary() for name in "ab")
    mean = lambda s: s[(s["explainer"] == "gradient") & (s["metric"] == "insertion")]["mean"].item()  # noqa: E731
    row = table[(table["explainer"] == "gradient") & (table["metric"] == "insertion")].iloc[0]
    assert row["b_less_a"] == pytest.approx(mean(b) - mean(a), abs=1e-6)
    assert row["low"] <= row["b_less_a"] <= row["high"]
    assert (row["d_z"] > 0) == (row["b_less_a"] > 0)


def test_who_is_better_is_said_of_both(run, tmp_path):
    spread = torch.linspace(0, 0.1, 20)
    made({"cam": (spread + 0.5).tolist()}).write(tmp_path / "a")
    made({"cam": spread.tolist()}).write(tmp_path / "b")
    for names, better in ((("a", "b"), "A better"), (("b", "a"), "B better")):
        code, out, _ = run("compare", *names)
        assert code == 0
        assert better in out
        [row] = json.loads(run("compare", *names, "--json")[1])["rows"]
        assert row["says"] == better
        assert row["difference"] == pytest.approx(0.5 if better[0] == "B" else -0.5)
    assert run("compare", "a/results.parquet", "b/results.parquet")[1] != ""
    made({"gradient": spread.tolist()}).write(tmp_path / "c")  # two explainers, one each
    assert "cam → gradient" in run("compare", "a", "c")[1]


def test_several_trainings_of_each(run, tmp_path):
    generator = torch.Generator().manual_seed(0)
    for i in range(3):
        chance = torch.rand(30, generator=generator) * 0.1 + 0.01 * i
        made({"cam": chance.tolist()}).write(tmp_path / f"a-{i}")
        made({"cam": (chance + 0.4).tolist()}).write(tmp_path / f"b-{i}")
    code, out, err = run("compare", "a-*", "b-2,b-0,b-1", "--json")
    assert code == 0, err
    about = json.loads(out)
    assert about["rows"][0]["runs"] == 3
    assert about["rows"][0]["says"] == "B better"
    assert about["b"]["folders"] == ["b-0", "b-1", "b-2"]
    assert "3 trainings" in run("compare", "a-*", "b-*")[1]
    code, _, err = run("compare", "a-*", "b-0")
    assert code == 2
    assert "runs" in err


def test_only_some_of_it(run, measured):
    code, out, err = run("compare", measured / "a", measured / "b", "-m", "insertion", "-e", "grad-cam")
    assert code == 0, err
    assert "energy-in-box" not in out
    assert "gradient" not in out
    assert "accuracy" in out


def test_what_only_one_has_is_said(run, tmp_path):
    made({"cam": [1.0, 2.0], "gradient": [1.0, 2.0]}).write(tmp_path / "a")
    made({"cam": [1.0, 2.0], "fullgrad": [1.0, 2.0]}).write(tmp_path / "b")
    code, out, err = run("compare", "a", "b")
    assert code == 0
    assert "only A has gradient" in err
    assert "only B has fullgrad" in err
    assert "gradient" not in out


def test_a_folder_of_several_runs_means_the_last(run, measured, tmp_path):
    words = ["evaluate", DATA, "-e", "gradient", *QUICK, "-o", "both"]
    for name in "ab":
        assert run(*words, "--model", measured / f"{name}.safetensors")[0] == 0
    frame = _comparison.loaded(tmp_path / "both").frame
    assert frame["model"].nunique() == 1
    assert frame["model"].iloc[0] == Results.load(measured / "b").frame["model"].iloc[0]


@pytest.mark.parametrize("by", ["seed", "change"])
def test_pictures_of_both(run, measured, tmp_path, said, by):
    words = [
        "compare",
        measured / "a",
        measured / "b",
        "--pictures",
        "both.png",
        "-n",
        3,
        "--by",
        by,
        "-m",
        "insertion",
    ]
    code, out, err = run(*words)
    assert code == 0, err
    assert "both.png" in out
    width, height = Image.open(tmp_path / "both.png").size
    assert width > 5 * 128
    assert height > 3 * 128
    texts = [text for text, _ in said]
    assert texts.count("A · logit") == texts.count("B · logit") == 2
    assert "random-map" not in texts
    assert sum(text.startswith("insertion 0.") for text in texts) == 3 * 4
    if by == "change":
        a, b = (Results.load(measured / name).frame for name in "ab")
        most = {}
        for explainer in ("grad-cam", "gradient"):
            one, two = (
                f[(f["explainer"] == explainer) & (f["metric"] == "insertion")].set_index("sample")["value"]
                for f in (a, b)
            )
            for sample, change in (two - one).abs().items():
                most[sample] = max(change, most.get(sample, 0))
        first = max(most, key=most.get)
        assert next(text for text in texts if text[0].isdigit() and ":" in text).startswith(f"{first}:")


def test_pictures_need_the_model_that_was_measured(run, measured, tmp_path):
    import shutil

    for name in "ab":
        shutil.copytree(measured / name, tmp_path / name)
    words = ["compare", "a", "b", "--pictures", "both.png"]
    about = json.loads((tmp_path / "b" / "run.json").read_text())
    for change, sentence in (
        ({"model": str(measured / "a.safetensors")}, "leads to pellucid:tiny-cnn:classes=4"),
        ({"model": str(tmp_path / "gone.safetensors")}, "gone.safetensors is not there"),
        ({"model": "gone"}, "b/run.json: there is no model"),
        (None, "b/run.json is not there"),
    ):
        if change is None:
            (tmp_path / "b" / "run.json").unlink()
        else:
            (tmp_path / "b" / "run.json").write_text(json.dumps(about | change))
        code, out, err = run(*words)
        assert code == 2
        assert sentence in err
        assert not out
    assert run("compare", "a", "b")[0] == 0  # the table needs no model


# --- mistakes ---------------------------------------------------------------------------------------------------------

EVALUATE = ["evaluate", DATA, *TINY]


@pytest.mark.parametrize(
    "words, sentence",
    [
        ([*EVALUATE, "-m", "insertoin"], "did you mean insertion"),
        ([*EVALUATE, "-m", "insertion:protocl=rise"], "did you mean protocol"),
        ([*EVALUATE, "-e", "grad-cm"], "did you mean grad-cam"),
        ([*EVALUATE, "--ask", "contrst"], "did you mean contrast"),
        ([*EVALUATE, "--transform", "imagnet"], "did you mean imagenet"),
        (["evaluate", "scene:length=3", *TINY], "did you mean scenes"),
        (["evaluate", "cub:root=nowhere", *TINY], "nowhere"),
        (["evaluate", DATA, "--model", "none.pt"], "none.pt is not there"),
        (["evaluate", DATA, "--model", "none.pt", "--network", "pellucid:tiny-cnn"], "none.pt is not there"),
        (["evaluate", DATA], "--model"),
        ([*EVALUATE, "--target", "cat"], "no class 'cat'"),
        ([*EVALUATE, "--target", "9"], "class 9 is no class"),
        ([*EVALUATE, "--device", "cuda:99"], "cuda:99"),
        ([*EVALUATE, "--workers", "0"], "--workers"),
        ([*EVALUATE, "--out", "file"], "nothing can be written in file"),
        ([*EVALUATE, "--fail-under", "insertion"], "write METRIC=VALUE"),
        ([*EVALUATE, "--fail-under", "insertion=good"], "write METRIC=VALUE"),
        ([*EVALUATE, "--fail-under", "insertion=nan"], "write METRIC=VALUE"),
        ([*EVALUATE, "--fail-under", "insrtion=0.3"], "did you mean insertion"),
        ([*EVALUATE, "--fail-under", "confidence=0.3"], "neither side is better"),
        (["compare", "gone", "gone"], "gone is not there"),
        (["compare", "gone-*", "gone-*"], "gone-* is not there"),
        (["compare", "empty", "empty"], "empty holds no results"),
        (["compare", "file.parquet", "file.parquet"], "cannot be read as results"),
        (["compare", "a", "other"], "A was measured on d and B on e"),
        (["compare", "a", "a", "--by", "chance"], "--by is 'chance'"),
        (["compare", "a", "a", "--metric", "insertoin"], "did you mean insertion"),
        (["compare", "a", "a", "--explainer", "rise"], "--explainer names 'rise'"),
        (["compare", "a", "a", "-o", "file.parquet/x"], "nothing can be written in file.parquet/x"),
        (["compare", "a", "a", "--pictures", "both.png"], "a/run.json is not there"),
        (["compare", "a"], "B"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(run, tmp_path, words, sentence):
    (tmp_path / "file").write_text("x")
    (tmp_path / "file.parquet").write_text("x")
    (tmp_path / "empty").mkdir()
    one = made({"cam": [1.0, 2.0]})
    one.frame["metric"] = "insertion"
    one.write(tmp_path / "a")
    Results(one.frame.assign(data="e")).write(tmp_path / "other")
    code, out, err = run(*words)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if "random weights" not in line]) == 1
    assert not out
    assert not (tmp_path / "evaluation" / "parts").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"model": "pellucid:tiny-cnn"}'])
def test_a_broken_record_of_a_run_is_said(run, measured, tmp_path, content):
    for name in "ab":
        made({"cam": [1.0, 2.0]}).write(tmp_path / name)
        (tmp_path / name / "run.json").write_text(content)
    code, _, err = run("compare", "a", "b", "--pictures", "p.png")
    assert code == 2
    assert "a/run.json does not say how it was measured" in err


def test_help_does_not_import_torch():
    code = (
        "import sys; from pellucid.cli.main import main;"
        "codes = [main([name, '--help']) for name in ('evaluate', 'compare')];"
        "heavy = {'torch', 'numpy', 'pandas', 'pyarrow', 'PIL'} & set(sys.modules); assert not heavy, heavy;"
        "assert codes == [0, 0], codes"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--fail-under" in done.stdout
    assert "above it where lower is better" in " ".join(done.stdout.split())
    assert "Accuracy and confidence are always" in " ".join(done.stdout.split())

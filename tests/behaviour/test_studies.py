"""Studies: claims against planted rows, cells that are shared and survive being killed, the command, the page."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pellucid as pl
from pellucid.cli.main import main
from pellucid.report.folders import page_of
from pellucid.results.statistics import two_level
from pellucid.studies import Claim, Study, _runner
from pellucid.studies._base import ordered, published
from pellucid.studies._cells import Lab, Measure, Train
from pellucid.studies._claims import overall, verdicts
from pellucid.studies._runner import described, prices, work
from pellucid.studies._study import found, made_of, several
from pellucid.studies._worlds import TINY
from tests.behaviour.coins import SMALL, Coin, Coins, Some, Two

NAMES = sorted(pl.catalog("studies"))
SCALES = [(name, scale) for name in NAMES for scale in pl.catalog("studies")[name].worlds]


# --- planted rows -----------------------------------------------------------------------------------------------------


def planted(claims, right, seeds=5, samples=10):
    """Rows by which every claim holds, or is reversed: arms lie apart by three margins along the claims."""
    rng, rows = np.random.default_rng(0), []
    keys = dict.fromkeys(key for claim in claims for key in claim.needs)
    height = dict.fromkeys(keys, 0.0)
    alone_first = sorted(claims, key=lambda claim: len(claim.needs))
    for _ in keys:  # the longest path
        for claim in alone_first:
            gap = 0.0 if claim.same and right else 3 * (claim.margin or 0.01)
            ends = list(reversed(claim.needs)) if right or claim.same else claim.needs
            if len(ends) == 1:
                height[ends[0]] = float(claim.less) + (gap if right or claim.same else -gap)
            else:
                height[ends[1]] = max(height[ends[1]], height[ends[0]] + gap)
    for (arm, setting, quantity), level in height.items():
        least = min((c.margin for c in claims if c.margin), default=0.01)
        noise = 0.02 * least * rng.standard_normal((seeds, samples))
        rows += [(arm, setting, quantity, s, i, level + noise[s, i]) for s in range(seeds) for i in range(samples)]
    return pd.DataFrame(rows, columns=["arm", "setting", "quantity", "seed", "sample", "value"])


@pytest.mark.parametrize("name, scale", SCALES)
def test_planted_rows_decide(name, scale):
    study = Study.make(f"{name}:scale={scale}")
    claims = list(study.claims())
    assert any(claim.main for claim in claims)
    assert overall(verdicts(claims, planted(claims, True), 199)) == "holds"
    assert overall(verdicts(claims, planted(claims, False), 199)) == "does not hold"


@pytest.mark.parametrize("name, scale", SCALES)
def test_a_claim_compares_what_is_measured(name, scale):
    """Every text form can be read; every arm and setting of a claim belongs to a reading."""
    from pellucid.data import Dataset
    from pellucid.explainers import Explainer
    from pellucid.metrics import Metric
    from pellucid.objectives import Objective
    from pellucid.training.recipes import Recipe

    study = Study.make(f"{name}:scale={scale}")
    readings = list(study.readings(0))
    trained = any(isinstance(cell, Train) for cell in ordered(one.cell for one in readings))
    assert study.runs >= (5 if scale != "paper" and trained else 1)
    for cell in ordered(one.cell for one in readings):
        if isinstance(cell, Train):
            Dataset.make(cell.data), Objective.make(cell.objective), Recipe.make(cell.recipe)
        if isinstance(cell, Measure):
            Dataset.make(cell.data)
            [Explainer.make(one) for one in cell.explainers], [Metric.make(one) for one in cell.metrics]
    if all(isinstance(one.cell, Measure) for one in readings):
        there = {key for one in readings for key in rows_of(one)}
        assert {key for claim in study.claims() for key in claim.needs} <= there


def rows_of(reading):
    """The arm, setting and quantity of all its rows, without measuring any."""
    from pellucid.metrics import Metric

    cell, named = reading.cell, reading.names
    for metric in (*map(str, map(Metric.make, cell.metrics)), "accuracy", "accuracy:k=5", "confidence"):
        of_model = Metric.make(metric).scores == "model"
        for explainer in [""] if of_model else cell.explainers:
            setting = " · ".join(filter(None, (reading.setting, named.get(explainer, explainer))))
            yield reading.arm, setting, named.get(metric, metric)


@pytest.mark.parametrize("name", NAMES)
def test_a_study_says_what_it_is_of(name):
    cls = pl.catalog("studies")[name]
    of_paper = cls.kind == "claim"
    assert ({"tiny", "small", "paper"} if of_paper else {"tiny"}) <= set(cls.worlds)
    assert cls.of in published()["papers"] or not of_paper
    assert cls.where
    assert cls.title
    assert cls.claim.endswith(".")


# --- claims -----------------------------------------------------------------------------------------------------------


def rows(**arms):
    """One quantity: arm -> [seeds, samples]."""
    return pd.DataFrame(
        [
            (arm, "", "x", s, i, v)
            for arm, table in arms.items()
            for s, run in enumerate(table)
            for i, v in enumerate(run)
        ],
        columns=["arm", "setting", "quantity", "seed", "sample", "value"],
    )


def test_the_interval_is_of_seeds_then_samples():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.3, 0.1, (5, 30)), rng.normal(0.2, 0.1, (5, 30))
    [one] = verdicts([Claim("x", "a", "b", 0.01)], rows(a=a, b=b))
    expected = two_level(list(a - b), 0.95, 4999)
    assert (one.difference.mean, one.difference.low, one.difference.high) == pytest.approx(
        (expected.mean, expected.low, expected.high), abs=1e-12
    )
    assert one.outcome == "holds"
    assert one.seeds == 5


def test_only_what_both_sides_have_counts():
    a, b = rows(a=[[1.0, 2.0, 3.0]] * 2), rows(b=[[0.0, 1.0]] * 2)
    [one] = verdicts([Claim("x", "a", "b", 0.1)], pd.concat([a, b]))
    assert one.difference.mean == pytest.approx(1.0)
    assert one.difference.n == 4


def test_a_number_a_seed_is_judged_by_students_t():
    values = [0.1, 0.2, 0.15, 0.12, 0.11]
    [one] = verdicts([Claim("x", "a", 0.0, 0.01)], rows(a=[[v] for v in values]))
    half = 2.776445 * np.std(values, ddof=1) / np.sqrt(5)
    assert (one.difference.low, one.difference.high) == pytest.approx((np.mean(values) - half, np.mean(values) + half))


@pytest.mark.parametrize(
    "center, spread, same, outcome",
    [
        (0.1, 0.01, False, "holds"),
        (-0.1, 0.01, False, "does not hold"),
        (0.0, 0.001, False, "does not hold"),
        (0.01, 0.3, False, "inconclusive"),
        (0.0, 0.001, True, "holds"),
        (0.1, 0.01, True, "does not hold"),
        (0.0, 0.3, True, "inconclusive"),
    ],
)  # fmt: skip
def test_outcomes(center, spread, same, outcome):
    rng = np.random.default_rng(2)
    table = rows(a=center + spread * rng.standard_normal((5, 20)), b=np.zeros((5, 20)))
    [one] = verdicts([Claim("x", "a", "b", 0.02, same=same)], table)
    assert one.outcome == outcome


def test_numbers_that_nobody_measured_are_what_they_are():
    table = rows(a=[[0.4]], b=[[0.3]])
    for exact, outcome in ((True, "holds"), (False, "inconclusive")):
        [one] = verdicts([Claim("x", "a", "b", 0.0, exact=exact)], table)
        assert one.outcome == outcome
        assert one.difference.mean == pytest.approx(0.1)
    [one] = verdicts([Claim("x", "b", "a", 0.0, exact=True)], table)
    assert one.sentence == "x: b > a does not hold: −0.1 (exact; margin 0)"


def test_holm_asks_more_of_many():
    """A difference that is sure at 95 % but not at 99.5 % holds alone, and not among ten that say nothing."""
    rng = np.random.default_rng(5)
    unsure = {f"n{i}": 0.3 * rng.standard_normal((5, 12)) for i in range(9)}
    faint = 0.06 + 0.055 * np.array([[-1.0], [-0.3], [0.2], [0.5], [0.6]]) + np.zeros((5, 12))
    table = rows(a=faint, b=np.zeros((5, 12)), **unsure)
    claim = Claim("x", "a", "b", 0.0)
    assert verdicts([claim], table)[0].outcome == "holds"
    many = [claim, *(Claim("x", f"n{i}", "b", 0.0) for i in range(9))]
    assert verdicts(many, table)[0].outcome == "inconclusive"


def test_few_seeds_are_said():
    [one] = verdicts([Claim("x", "a", "b", 0.0)], rows(a=[[1.0, 1.1]] * 2, b=[[0.0, 0.2]] * 2))
    assert "for these seeds" in one.sentence


def test_what_rounding_left_of_zero_is_zero():
    rows = [("a", "", "x", seed, 0, value) for seed, value in enumerate([-1e-19, -2e-19, -1e-19])]
    frame = pd.DataFrame(rows, columns=["arm", "setting", "quantity", "seed", "sample", "value"])
    (verdict,) = verdicts([Claim("x", "a", 0.0, 0.01)], frame)
    assert "+0 (+0 to +0;" in verdict.sentence


def test_undefined_rows_are_left_out():
    a = np.array([[1.0, np.nan, 1.0], [1.0, 1.0, 1.1]])
    [one] = verdicts([Claim("x", "a", "b", 0.0)], rows(a=a, b=np.zeros((2, 3))))
    assert one.difference.n == 5
    assert one.difference.undefined == 1


def test_what_no_row_has():
    with pytest.raises(pl.PellucidError, match=r"no rows of c · x, which a claim compares"):
        verdicts([Claim("x", "a", "c", 0.0)], rows(a=[[1.0]]))


# --- cells ------------------------------------------------------------------------------------------------------------


def test_a_cell_is_done_once(tmp_path):
    work([Coins(), Coins(seeds=3)], tmp_path)
    log = (tmp_path / "log").read_text().split()
    assert len(log) == len(set(log)) == 25
    work([Coins()], tmp_path)
    assert len((tmp_path / "log").read_text().split()) == 25


def test_cells_are_shared_by_studies():
    """One CE, one LICO model for all: equal cells have equal keys, and another seed another."""
    a, b = TINY.trained("ce", 0), TINY.trained("ce", 0)
    assert a.key == b.key != TINY.trained("ce", 1).key
    assert TINY.trained("lico", 0).key != TINY.trained("lico", 0, contexts=4).key
    everything = [Study.make(name).cells() for name in NAMES]
    trained = [cell.key for cells in everything for cell in cells if isinstance(cell, Train)]
    assert len(NAMES) < 5 or len(set(trained)) < 0.7 * len(trained)


def test_several_processes_find_the_same(tmp_path):
    work([Coins()], tmp_path / "a")
    work([Coins()], tmp_path / "b", workers=2)
    pd.testing.assert_frame_equal(found(Coins(), tmp_path / "a").frame, found(Coins(), tmp_path / "b").frame)


def test_one_runner_a_folder(tmp_path):
    with _runner._alone(tmp_path), pytest.raises(pl.PellucidError, match=r"another run is at work in"):
        work([Coins()], tmp_path)


def test_progress_tells_what_is_left(tmp_path):
    said = []
    work([Coins(seeds=1)], tmp_path, each=said.append)
    assert [one.ended for one in said] == [1, 2, 3, 4, 5]
    assert said[-1].left == 0 < said[0].left
    assert str(said[0]) == "[1/5] coin · seed 0 · 0 s · about 0 min left, and 1 of unknown cost"
    assert str(said[-1]).endswith(" · about 0 min left")


KILLED = """
import sys; sys.path.insert(0, {tests!r})
from tests.behaviour.coins import Coins
from pellucid.studies._runner import work
if __name__ == "__main__":
    work([Coins()], {out!r}, workers={workers})
"""


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_at_random_moments(tmp_path, workers):
    """Twenty kills, then an end: the rows of an undisturbed run. Workers end with their runner."""
    work([Coins()], tmp_path / "whole")
    out, rng = tmp_path / "killed", random.Random(workers)
    script = KILLED.format(tests=str(Path(__file__).parents[2]), out=str(out), workers=workers)
    file = tmp_path / "run.py"
    file.write_text(script)
    kills = 0
    for _ in range(20):
        job = subprocess.Popen([sys.executable, str(file)], start_new_session=True)
        until = time.monotonic() + 60
        before = len(list(out.glob("cells/*.json")))
        while job.poll() is None and len(list(out.glob("cells/*.json"))) == before and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(rng.random() * 0.05)
        if job.poll() is None:
            os.kill(job.pid, signal.SIGKILL)
            kills += 1
        job.wait()
    assert kills >= (10 if workers == 1 else 5)
    deadline = time.monotonic() + 20
    while True:
        try:
            work([Coins()], out, workers=workers)
            break
        except pl.PellucidError:  # a worker of the last one that is not gone yet
            assert time.monotonic() < deadline
    pd.testing.assert_frame_equal(found(Coins(), out).frame, found(Coins(), tmp_path / "whole").frame)


def test_ctrl_c_keeps_what_is_done(tmp_path, monkeypatch):
    run = Coin.run

    def stopped(self, lab):
        if len(list(lab.out.glob("cells/*.json"))) == 3:
            raise KeyboardInterrupt
        run(self, lab)

    monkeypatch.setattr(Coin, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        work([Coins()], tmp_path)
    assert len(list(tmp_path.glob("cells/*.json"))) == 3
    monkeypatch.setattr(Coin, "run", run)
    work([Coins()], tmp_path)
    assert len((tmp_path / "log").read_text().split()) == 25


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cell_that_fails_takes_along_what_builds_on_it(workers, tmp_path):
    said = []
    one = r"^1 of 20 cells failed and 1 that need them were not begun, first lost · seed 200 \(the coin is lost\)"
    with pytest.raises(pl.errors.Unfinished, match=one):
        several([Some(), Coins(seeds=1)], tmp_path, workers=workers, each=said.append)
    assert len(list(tmp_path.glob("cells/*.json"))) == 18
    assert [at.error for at in said if at.error] == ["the coin is lost."]
    assert said[-1].ended == said[0].of == 20
    told = (tmp_path / "failed.txt").read_text()
    assert told.startswith("lost · seed 200\n")
    assert "ZeroDivisionError: the coin is lost." in told
    assert [path.parent.name for path in tmp_path.glob("studies/*/study.json")] == ["coins-tiny-1"]
    work([Coins(seeds=1)], tmp_path)
    assert not (tmp_path / "failed.txt").exists()


def test_where_nothing_can_be_written_nothing_more_is_begun(tmp_path, monkeypatch):
    def full(self, lab):
        begun.append(self)
        raise pl.errors.BadFile("there is no room.")

    begun = []
    monkeypatch.setattr(Coin, "run", full)
    with pytest.raises(pl.errors.BadFile, match="there is no room"):
        work([Coins()], tmp_path)
    assert len(begun) == 1


# --- real cells -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    out = tmp_path_factory.mktemp("studies")
    work([Two()], out)
    return out


def test_rows_are_those_of_evaluate(ran):
    result = found(Two(), ran)
    cell = SMALL.trained("lico", 1)
    alone = pl.evaluate(Lab(ran).fit(cell), SMALL.maps, ["gradient"], ["insertion"]).frame
    alone = alone[alone["metric"] == "insertion"].sort_values("sample")["value"]
    f = result.frame
    mine = f[(f["arm"] == "lico") & (f["seed"] == 1) & (f["quantity"] == "insertion") & (f["setting"] == "gradient")]
    np.testing.assert_allclose(mine.sort_values("sample")["value"], alone, rtol=1e-6)
    assert set(f["seed"]) == {0, 1}


def test_a_fit_is_the_one_of_pl_fit(ran, tmp_path):
    cell = SMALL.trained("ce", 0)
    alone = pl.fit(cell.network, cell.data, cell.objective, cell.recipe, seed=0, out=tmp_path)
    mine, theirs = Lab(ran).model(cell).state_dict(), alone.model.state_dict()
    assert all(np.array_equal(mine[key].numpy(), theirs[key].numpy()) for key in theirs)


def test_the_page_needs_no_torch_and_escapes(ran):
    result = found(Two(), ran)
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from pellucid.report import write\n"
        f"write({str(result.folder)!r}, 'study'); write({str(ran)!r}, 'studies')"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    text = (result.folder / "report.html").read_text()
    assert "Two &lt;b&gt;objectives" in text
    assert "LICO is better than CE." in text
    assert "pellucid study run two --scale tiny" in text
    assert "two" in (ran / "report.html").read_text()
    assert page_of(ran).verdict[0].startswith("Of 1 study at tiny scale")


def test_a_page_tells_what_its_cells_are_made_of():
    train = Train("pellucid:tiny-cnn", "scenes:length=40", "lico:text=random-words")
    cells = [train, Measure(train, "scenes:length=8", ("gradient",)), Measure("timm:x", "scenes:length=8")]
    assert made_of(cells) == {
        "trained on": ["scenes:length=40"], "networks": ["pellucid:tiny-cnn", "timm:x"],
        "objectives": ["lico:text=random-words"], "recipes": ["plain"], "measured on": ["scenes:length=8"],
    }  # fmt: skip


def test_the_record_says_what_the_rows_say(ran):
    result = found(Two(), ran)
    record = json.loads((result.folder / "study.json").read_text())
    assert record["outcome"] == result.outcome
    [mean] = [m for m in record["means"] if (m["arm"], m["quantity"]) == ("ce", "accuracy")]
    f = result.frame
    assert mean["mean"] == pytest.approx(f[(f["arm"] == "ce") & (f["quantity"] == "accuracy")]["value"].mean())
    assert len(mean["seeds"]) == 2
    pd.testing.assert_frame_equal(pd.read_parquet(result.folder / "rows.parquet"), f)


def test_missing_cells_are_said(tmp_path):
    with pytest.raises(pl.PellucidError, match=r"12 cells of two are not done in .*; run it: pellucid study run two"):
        found(Two(), tmp_path)


def test_prices_are_those_measured_here(ran):
    cells = Two().cells()
    assert len(cells) == 12
    known = json.loads((ran / "seconds.json").read_text())
    assert prices(cells, Lab(ran)) == [known[cell.alike] for cell in cells]
    assert prices([replace(cells[0], recipe="relf-mnist:epochs=99")], Lab(ran)) == [None]  # nobody has run it


def test_what_nobody_has_timed_is_not_guessed(capsys, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(_runner, "_known", lambda _: {})
        patched.setattr(_runner, "_timed", lambda *_: 60.0)
        told = []
        work([Two()], tmp_path, only="train", each=told.append)
    assert [(one.left, one.untimed) for one in told] == [(60, 2), (120, 0), (60, 0), (0, 0)]  # two seeds are alike
    assert str(told[0]).endswith("· about 1 min left, and 2 of unknown cost")
    assert str(told[1]).endswith("· about 2 min left")
    assert main(["study", "run", "lico-t13", "--scale", "paper", "--dry-run", "-o", str(tmp_path / "no")]) == 0
    told = capsys.readouterr().out
    assert "  –  train lico:text=clip,protocol=paper · resnet50 · seed 0" in told
    assert "63 cells (27 train, 36 measure, 0 work), 63 to do: 63 of unknown cost." in told
    assert "train torchvision:resnet50, imagenet:split=train, lico-imagenet" in told  # by its pictures and steps


def test_a_quick_cell_takes_one_step():
    cell = Measure(
        Train("pellucid:tiny-cnn", "scenes", "ce", "relf-mnist"), "scenes", ("rise:masks=300",), ("ses",)
    ).quick()
    assert "epochs=1" in cell.model.recipe
    assert "batch=2" in cell.model.recipe


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words, said", [
    (["study", "run", "lico-t55"], "did you mean lico-t5"),
    (["study", "run", "lico-t5", "--scale", "huge"], "scale"),
    (["study", "run", "nothing-*"], "there is no study 'nothing-*'"),
    (["study", "report", "-o", "nowhere"], "nowhere holds no study"),
])  # fmt: skip
def test_mistakes(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_list_and_plan(capsys, tmp_path):
    assert main(["study", "list", "-o", str(tmp_path)]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in NAMES)
    assert main(["study", "run", "lico-t5", "--seeds", "1", "--dry-run", "-o", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert re.search(r"12 cells \(4 train, 8 measure, 0 work\), 12 to do: about \d", told)
    assert "train lico:text=minilm · tiny-cnn · seed 0" in told
    assert not list(tmp_path.iterdir())


def test_run_and_report(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.cli._studies.chosen", lambda *_: [Two()])
    assert main(["study", "run", "two", "-o", str(tmp_path), "--only", "ce · tiny-cnn"]) == 0
    assert "Open" not in capsys.readouterr().out
    assert len(list(tmp_path.glob("cells/*.json"))) == 2
    assert main(["study", "run", "two", "-o", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "two, tiny: " in told
    assert "LICO is better than CE." in told
    assert (tmp_path / "report.html").exists()
    (tmp_path / "report.html").unlink()
    assert main(["study", "report", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").exists()


def test_every_cell_has_a_line():
    for name in NAMES:
        for cell in Study.make(name).cells():
            assert described(cell)

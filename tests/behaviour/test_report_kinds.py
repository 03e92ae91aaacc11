"""Pages of trainings, comparisons and the demo, from folders alone; and how things show themselves in a notebook."""

import json
import math
import re
import shutil
import subprocess
import sys
from html import unescape
from statistics import mean

import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.errors import BadFile, BadInput
from pellucid.report import html, page_of, write
from pellucid.report.page import Cards, Cost, Curves, Dots, Grid, Table, Words
from pellucid.report.train import over_seeds, spread
from pellucid.results import Results
from tests.behaviour.small_runs import audit, comparison, demonstration, evaluation, training
from tests.behaviour.test_report import PAYLOADS, skeleton, unharmed

BUILDERS = [training, comparison, demonstration]


def section(page, kind):
    return next(one for one in page.sections if isinstance(one, kind))


def test_without_torch_and_again_the_same(tmp_path):
    """All of them in one process, which costs more than they do."""
    folders = [builder(tmp_path / builder.__name__) for builder in BUILDERS]
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pellucid.cli.main import main\n"
        f"sys.exit(any([main(['report', folder]) for folder in {[str(folder) for folder in folders]}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for folder in folders:
        name = "index.html" if folder.name == demonstration.__name__ else "report.html"
        assert (folder / name).read_bytes() == html(page_of(folder))


@pytest.mark.parametrize("builder", BUILDERS)
def test_words_stay_words(tmp_path, builder):
    def page(word, home):
        words = {"classes": [word] * 3, "why": word, "data": word, "licence": word, "command": word, "model": word}
        words |= {"explainers": [f"grad-cam:layer={json.dumps(word)}"]} if builder is not training else {}
        words |= {"objective": word, "recipe": word} if builder is training else {}
        return skeleton(page_of(builder(tmp_path / home, **words)))

    for i, payload in enumerate([*PAYLOADS[:3], "\u202e<svg/onload=alert(1)>"]):
        unharmed(page(payload, str(i)), page("word", f"word {i}"))


@pytest.mark.parametrize("form", ["md", "tex", "csv"])
@pytest.mark.parametrize("builder", BUILDERS)
def test_other_formats(tmp_path, builder, form):
    from pellucid.report.tables import written

    assert len(written(page_of(builder(tmp_path)), form)) > 100


# --- training ---------------------------------------------------------------------------------------------------------


def test_a_training_says_how_well_and_what_moved(tmp_path):
    page = page_of(training(tmp_path, (0, 1, 10)))
    assert page.verdict[0].startswith("After 3 epochs towards ce, the network names ")
    assert "the validation images rightly, in the mean of 3 seeds." in page.verdict[0]
    assert "ce fell from 2.00 to 0.667" in page.verdict[-1]
    assert [line.name for line in section(page, Curves).charts[0].lines] == ["training", "validation"]
    dots = section(page, Dots).lines[0]
    assert dots.mean == pytest.approx(mean(dots.values))
    assert dots.low < min(dots.values)
    assert page.command.endswith(f"--seed 0 --seed 1 --seed 10 --validation others --watch -o {tmp_path}")
    facts = dict(section(page, Cost).facts)
    assert facts["energy"] == f"{9 * 65 / 60000:.2g} kWh"
    assert section(page, Cards).cards[0].facts["epochs"] == "3 · changed; the recipe: 30"
    assert section(page, Cards).cards[0].facts["lr"] == "0.03 · ours"


def test_one_seed_has_no_dots_and_wilsons_interval(tmp_path):
    folder = training(tmp_path, (0,)) / "seed-0"
    page = page_of(folder)
    assert not [one for one in page.sections if isinstance(one, Dots)]
    assert "75.0 % (" in page.verdict[0] or "76.0 %" in page.verdict[0]
    assert any("One seed tells nothing" in said for said in page.warnings)


def changed(folder, change, seed=0):
    file = folder / f"seed-{seed}" / "fit.json"
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))
    return folder


def test_what_speaks_against_a_training_is_said(tmp_path):
    def guessing(record):
        for row in record["rows"]:
            row |= {"validation": 0.34, "validation_ce": row["epoch"], "ce": row["epoch"]}

    page = page_of(changed(training(tmp_path, (0,)), guessing))
    said = " ".join(page.warnings)
    assert "guessing among 3 classes" in said
    assert "was lowest after epoch 1" in said
    assert "ce rose from 1.00 to 3.00" in page.verdict[-1]


def test_seeds_that_wait_are_named_and_none_is_an_error(tmp_path):
    folder = changed(training(tmp_path), lambda record: record.pop("finished"), 1)
    assert any("seeds 1" in said for said in page_of(folder).warnings)
    with pytest.raises(BadFile, match="not come to its end"):
        page_of(changed(folder, lambda record: record.pop("finished"), 0))


def test_a_training_of_before_has_a_page(tmp_path):
    """Without what is written at its end today."""
    page = page_of(changed(training(tmp_path, (0,)), lambda record: record.pop("about")))
    assert not [one for one in page.sections if isinstance(one, Cards)]
    assert page.command.startswith("pellucid train drawings")


def test_intervals_over_seeds():
    assert all(map(math.isnan, spread([0.5])[1:]))  # one tells nothing of others
    middle, low, high = spread([0.9, 1.0], 0.0, 1.0)
    assert (middle, high) == (pytest.approx(0.95), 1.0)
    assert low == pytest.approx(0.95 - 12.706 * 0.0707106 / math.sqrt(2), abs=1e-3)
    assert over_seeds([[1.0, float("nan")], [3.0, 5.0]]) == ([1.0, 2.0], [2.0, 5.0], [1.0, 5.0], [3.0, 5.0])


def test_fit_writes_what_its_page_needs(tmp_path):
    data = "scenes:length=12,size=16,classes=2"
    fit = pl.fit("pellucid:tiny-cnn", data, "ce", epochs=1, out=tmp_path / "f", validation=data + ",seed=3")
    page = page_of(tmp_path / "f")
    assert "of the validation images" in page.verdict[0]
    cards = {card.name: card for card in section(page, Cards).cards}
    assert cards["recipe plain"].facts["epochs"] == "1 · changed; the recipe: 30"
    assert "MIT" in html(page).decode()
    shown = fit._repr_html_()
    assert "Fit: ce" in shown
    assert f"{fit.rows[-1]['loss']:.4g}" in shown


# --- comparison -------------------------------------------------------------------------------------------------------


def test_a_comparison_says_who_is_better(tmp_path):
    page = page_of(comparison(tmp_path))
    assert page.verdict[0] == "B is better by insertion of grad-cam; of 2 numbers, 1 cannot be told apart."
    assert len(page.verdict) == 2
    assert [row.cells[-1].text for row in section(page, Table).rows] == ["B better", "not distinguishable"]
    assert [line.name for line in section(page, Dots).lines] == ["A · grad-cam", "B · grad-cam"]
    grid = section(page, Grid)
    assert [column.ask for column in grid.columns] == ["A", "B"]
    assert grid.columns[0].scale == grid.columns[1].scale
    assert grid.samples[0].maps[1].caption == "insertion 0.5"


def test_compare_writes_a_folder(tmp_path, run):
    data = "scenes:size=16,length=6,classes=3"
    for seed, name in enumerate("ab"):
        torch.manual_seed(seed)
        pl.save_model(pl.load_model("pellucid:tiny-cnn:classes=3"), tmp_path / f"{name}.safetensors")
        words = ("evaluate", data, "--model", f"{name}.safetensors", "-e", "gradient", "-m", "deletion")
        code, _, err = run(*words, "--pictures", "0", "-o", name)
        assert code == 0, err
    assert "none were asked for" in (tmp_path / "a" / "report.html").read_text()
    code, out, err = run("compare", "a", "b", "-o", "gain", "-n", "2")
    assert code == 0, err
    assert out.rstrip().endswith("Written: gain/report.html")
    assert (tmp_path / "gain" / "compare.csv").is_file()
    page = page_of(tmp_path / "gain")
    assert len(section(page, Grid).samples) == 2
    assert page.command == "pellucid compare a b -n 2 -o gain"
    assert json.loads((tmp_path / "gain" / "run.json").read_text())["command"] == page.command
    (tmp_path / "b" / "run.json").unlink()
    assert run("compare", "a", "b", "-o", "other")[0] == 0  # the numbers need no model
    said = next(one for one in page_of(tmp_path / "other").sections if isinstance(one, Words))
    assert "run.json is not there" in said.sentences[0]


# --- demo -------------------------------------------------------------------------------------------------------------


def test_the_demo_says_its_words(tmp_path):
    page = page_of(demonstration(tmp_path))
    assert page.verdict[0] == "CGC is better."
    cells = section(page, Table).rows[0].cells
    assert [(cell.text, cell.tone) for cell in cells] == [("0.500", ""), ("0.500", "good")]
    assert cells[1].small == "+.08 (+.05 to +.11) better"
    grids = [one for one in page.sections if isinstance(one, Grid)]
    assert [grid.asked for grid in grids] == ["Networks", "Questions", "Questions"]
    assert [len(grid.samples[0].maps) for grid in grids] == [2, 2, 12]
    assert [grid.across for grid in grids] == [0, 0, 4]
    [chart] = grids[1].samples[0].charts
    assert [line.name for line in chart.lines] == ["grad-cam · logit", "grad-cam · contrast", "chance"]
    assert set(chart.lines[-1].y) == {16 / 144}
    facts = dict(section(page, Cost).facts)
    assert facts["training: time on the clock, all trainings added"] == "12 min 0 s"
    assert facts["measuring: time on the clock"] == "2 min 0 s"
    assert {line.name for line in section(page, Curves).charts[0].lines} == {"CE", "CGC"}
    assert write(tmp_path).name == "index.html"


# --- notebook ---------------------------------------------------------------------------------------------------------


def test_things_show_themselves(tmp_path):
    e = pl.explain(pl.load_model("pellucid:tiny-cnn:classes=3").eval(), torch.rand(2, 3, 32, 32), "gradient")
    assert 'src="data:image/png;base64,' in e._repr_html_()
    results = Results.load(evaluation(tmp_path, explainers=["<b>", "gradient", "random-map"]))
    shown = results._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    assert len(re.findall("<tr", shown)) == len(results.summary()) + 1


def test_explore_shows_what_was_kept(tmp_path):
    results = Results.load(evaluation(tmp_path))
    whole, some = results.explore()._repr_html_(), results.only(explainer="gradient").explore()._repr_html_()
    assert whole.startswith("<iframe")
    assert "&lt;" in whole
    assert unescape(whole).count('<figure class="cell"') == 15
    assert unescape(some).count('<figure class="cell"') == 6
    assert results.only(explainer="gradient").folder == tmp_path
    assert len(whole) < 2_000_000


def test_explore_says_what_is_missing(tmp_path):
    with pytest.raises(BadInput, match="have no folder"):
        Results(Results.load(evaluation(tmp_path)).frame).explore()
    file = tmp_path / "report.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"pictures": None, "no pictures": "it was a stream"}))
    with pytest.raises(BadInput, match="it was a stream"):
        Results.load(tmp_path).explore()
    assert "No pictures are kept: it was a stream." in html(page_of(tmp_path)).decode()


def test_an_audit_takes_its_pictures_along(tmp_path):
    a = pl.audit(
        "pellucid:tiny-cnn:classes=2", "scenes:length=6,size=16,classes=2", "gradient", "sch", checks=0, worst=2
    )
    a.write(tmp_path / "elsewhere")
    page = page_of(tmp_path / "elsewhere")
    grids = {one.title: one for one in page.sections if isinstance(one, Grid)}
    assert grids["Where they look"].samples
    wrong = [s for s in a.worst if s.kind == "wrong answer"]
    assert [one.number for one in grids["Why not the label?"].samples] == [s.number for s in wrong]
    assert all(one.wrong and len(one.maps) == 1 for one in grids["Why not the label?"].samples)
    assert section(page, Cost).facts


def test_a_picture_that_is_none(tmp_path):
    folder = training(tmp_path, (0,))
    (folder / "seed-0" / "watch" / "learning.png").write_bytes(b"no picture")
    with pytest.raises(BadFile, match="cannot be read as a picture"):
        page_of(folder)


def test_a_folder_of_two_kinds(tmp_path):
    """Who wrote last says which; else an audit comes before its own results."""
    folder = audit(tmp_path / "a")
    assert page_of(folder).title == "Is it right for the right reasons?"
    assert page_of(folder, "evaluate").title.startswith("Which explanations")
    shutil.copytree(training(tmp_path / "t", (0,)) / "seed-0", folder, dirs_exist_ok=True)
    assert write(folder, "train").read_bytes().count(b"What was learned?") >= 1
    assert Image.open(folder / "watch" / "learning.png").size == (40, 20)

"""The pictures on a study's page: whose maps they are, of which samples, how many, and what is said where none are."""

import json

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.data import Dataset
from pellucid.data._batches import batches
from pellucid.errors import BadFile
from pellucid.networks._load import own_transform
from pellucid.report.folders import page_of
from pellucid.report.page import Grid, Words
from pellucid.report.render import html
from pellucid.results.kept import read_pictures
from pellucid.studies import Claim, Study, _pictures
from pellucid.studies._cells import Lab, Measure, Reading, Train
from pellucid.studies._contrast import WAYS, Rivals
from pellucid.studies._figures import OfSeveral
from pellucid.studies._label_free import MapsAlike, Units, UnitsAlike, representing
from pellucid.studies._pictures import Asked, chosen, columns_of, grids_of, keep, rows_of
from pellucid.studies._runner import work
from pellucid.studies._study import found
from tests.behaviour.coins import SMALL, Coin, Coins

MANY = "scenes:classes=4,size=16,length=40,seed=1"
EXPLAINERS = ("gradient", "grad-cam", "random-map", "edges", "input-x-gradient")


class Looked(Study, name="looked"):
    """Does one look better than the other?"""

    worlds = {"tiny": SMALL.but(maps=MANY)}
    of, where, title, claim = "lico", "Figure 5", "Maps", "LICO's maps are better."
    seen = "With LICO <the object> should be hot."

    def readings(self, seed):
        for arm in ("ce", "lico"):
            model = self.world.trained(arm, seed)
            yield from self.world.measured(model, seed, arm, EXPLAINERS, ("sch",))
            yield from self.world.measured(model, seed, arm, EXPLAINERS[:1], ("entropy",), accuracy=False)

    def claims(self):
        yield Claim("sch", "lico", "ce", 0.01, "gradient")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def ran(out):
    work([Looked()], out)
    found(Looked(), out)
    return out / "studies" / "looked-tiny"


def record(folder):
    return json.loads((folder / "study.json").read_text())


def seen(model, data, rows):
    """Inputs and labels, as a batch has them."""
    [batch] = batches(data, transform=own_transform(model), rows=rows, batch_size=len(rows))
    return batch.images, batch.labels


def same(kept, maps):
    """Whether maps differ by a factor above zero alone, as far as sixteen bits can tell."""
    kept, maps = (np.asarray(one, dtype=float) for one in (kept, maps))
    factor = np.abs(maps).max() / (np.abs(kept).max() or 1.0)
    np.testing.assert_allclose(kept * factor, maps, atol=2e-3 * np.abs(maps).max())


# --- networks and explainers ------------------------------------------------------------------------------------------


def test_maps_are_those_of_the_arms_network_and_explainer(ran, out):
    [told] = record(ran)["pictures"]
    pictures = read_pictures(ran, told["key"])
    asks = ["gradient", "grad-cam", "edges"]
    assert [(e["explainer"], e["ask"]) for e in pictures.entries] == [(a, q) for q in asks for a in ("ce", "lico")]
    rows = [one["number"] for one in told["shown"]]
    for j, entry in enumerate(pictures.entries):
        model = Lab(out).model(SMALL.trained(entry["explainer"], 0))
        x, labels = seen(model, MANY, rows)
        e = pl.explain(model, x, entry["ask"], target=labels)
        assert entry["signed"] == e.signed
        for i, sample in enumerate(pictures.samples):
            same(sample.maps[j], e.maps[i])
        p, said = model(x).softmax(1).max(1)
        names = Dataset.make(MANY).class_names
        expected = [f"{names[c]}, {100 * q:.0f}\u00a0%" for c, q in zip(said.tolist(), p.tolist(), strict=True)]
        assert [one["captions"][j] for one in told["shown"]] == expected


def test_samples_are_of_every_class_with_their_outlines(ran):
    [told] = record(ran)["pictures"]
    data = Dataset.make(MANY)
    rows = [one["number"] for one in told["shown"]]
    assert len(rows) == 6
    assert set(data.labels(rows[:4]).tolist()) == {0, 1, 2, 3}
    for one, sample in zip(told["shown"], read_pictures(ran, told["key"]).samples, strict=True):
        assert one["title"] == f"picture {sample.number}: {data.said(sample.label)}"
        assert torch.equal(torch.tensor(sample.picture).permute(2, 0, 1), data[sample.number].image)
        assert np.array_equal(sample.outline, data[sample.number].mask.numpy())


def test_told_again_nothing_is_drawn(ran, out, monkeypatch):
    before, files = record(ran), {path.name: path.stat().st_mtime_ns for path in (ran / "pictures").iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(_pictures.Seen, "of", lambda *_: pytest.fail("a network is asked again"))
        found(Looked(), out)
    assert record(ran) == before
    assert {path.name: path.stat().st_mtime_ns for path in (ran / "pictures").iterdir()} == files
    for path in (ran / "pictures").iterdir():
        path.unlink()
    (ran / "study.json").write_text("{")
    found(Looked(), out)
    assert record(ran) == before
    assert {path.name for path in (ran / "pictures").iterdir()} == set(files)


def test_the_page_has_the_grid_below_what_is_to_be_looked_at(ran):
    page = page_of(ran, "study")
    [grid] = [one for one in page.sections if isinstance(one, Grid)]
    assert page.sections.index(grid) == 1
    assert grid.title == "Maps of scenes"
    assert grid.text.startswith("What to look at: With LICO <the object> should be hot. Maps of the first seed.")
    assert (grid.named, grid.asked) == ("Networks", "Explainers")
    assert len(grid.samples) == 6
    assert all(len(one.maps) == 6 and one.outline for one in grid.samples)
    assert MANY in grid.note
    text = html(page).decode()
    assert "&lt;the object&gt; should be hot" in text
    assert text.count('class="map"') == 36


def test_an_error_in_drawing_is_told(ran, out, tmp_path, monkeypatch):
    def broken(*_):
        raise BadFile("the picture <i>is</i> gone.")

    with monkeypatch.context() as patch:
        patch.setattr(_pictures.Seen, "of", broken)
        readings = list(Looked().readings(0))
        told = keep(readings, Lab(out), tmp_path, {})
    assert told == {"pictures": [], "no pictures": "the picture <i>is</i> gone."}
    (tmp_path / "study.json").write_text(json.dumps(record(ran) | told))
    page = page_of(tmp_path, "study")
    [words] = [one for one in page.sections if isinstance(one, Words)][:1]
    assert words.sentences[0] == "What to look at: With LICO <the object> should be hot."
    assert words.sentences[1] == "No pictures: the picture <i>is</i> gone."
    assert not any(isinstance(one, Grid) for one in page.sections)


# --- how many ---------------------------------------------------------------------------------------------------------


def readings(arms, asks, each=1):
    """Measurements, or rivals, of networks that nobody has trained."""
    made = []
    for arm in range(arms):
        net = f"pellucid:tiny-cnn:width={arm + 1}"
        cells = [Measure(net, MANY, tuple(EXPLAINERS[:2] + EXPLAINERS[3:])[:asks], ("sch",))]
        if each > 1:
            cells = [Rivals(net, MANY, one, classes=each) for one in EXPLAINERS[:asks]]
        made += [Reading(cell, 0, "" if each > 1 else f"arm {arm}") for cell in cells]
    return made


@pytest.mark.parametrize(
    "arms, asks, each, columns, asked",
    [(2, 4, 1, 6, 3), (1, 2, 1, 2, 2), (8, 4, 1, 12, 2), (5, 4, 1, 10, 2), (1, 2, 2, 4, 1), (1, 2, 3, 4, 1)],
)
def test_columns_are_twelve_at_most(arms, asks, each, columns, asked):
    kept = chosen(columns_of(readings(arms, asks, each))[MANY])
    assert len(kept) == columns
    assert len({one.ask for one in kept}) == asked
    assert len({one.arm for one in kept}) <= 6
    assert len(kept) * each <= 12
    arms = [one.arm for one in kept]
    assert arms == arms[: len(set(arms))] * asked  # of one explainer side by side


def test_what_is_there_already_and_what_shows_no_network_is_left_out():
    net = "pellucid:tiny-cnn"
    cell = Measure(net, MANY, ("smooth@random-map", "random-map", "gradient", "grad-cam:relu=false"), ("sch",))
    again = Measure(net, MANY, ("gradient",), ("entropy",))
    named = Reading(cell, 0, "a", "few labels", names={"grad-cam:relu=false": "grad-cam"})
    found = columns_of([named, Reading(again, 0, "b")])[MANY]
    assert [(one.arm, one.ask) for one in found] == [("a", "few labels · gradient"), ("a", "few labels · grad-cam")]


def test_two_data_sets_are_two_grids_and_a_third_is_left_out(out, tmp_path):
    cells = [Measure("pellucid:tiny-cnn:classes=4", f"{MANY},objects={n}", ("edges",), ("sch",)) for n in (1, 2, 3)]
    for cell in cells:
        cell.run(Lab(out))
    readings = [Reading(cell, 0, "net") for cell in cells]
    told = keep(readings, Lab(out), tmp_path, {})["pictures"]
    assert [one["data"] for one in told] == [str(Dataset.make(cell.data)) for cell in cells[:2]]
    assert len(list((tmp_path / "pictures").iterdir())) == 4
    kept = {"name": "x", "scale": "tiny", "outcome": "holds", "verdicts": [], "means": [], "seen": Looked.seen}
    (tmp_path / "study.json").write_text(json.dumps(kept | {"pictures": told, "no pictures": ""}))
    grids = [one for one in page_of(tmp_path, "study").sections if isinstance(one, Grid)]
    numbers = [one.number for grid in grids for one in grid.samples]
    assert len(numbers) == len(set(numbers)) == 12  # a page has one picture a number
    assert [grid.text.startswith("What to look at") for grid in grids] == [True, False]
    html(page_of(tmp_path, "study"))


# --- none -------------------------------------------------------------------------------------------------------------


def test_series_are_no_pictures(out):
    train = Train("pellucid:lstm-autoencoder", "heartbeats", "denoising")
    cell = MapsAlike((train,), ("denoising",), "heartbeats:length=8", "gradient")
    assert list(columns_of([Reading(cell, 0)])) == ["heartbeats:length=8"]
    assert list(grids_of([Reading(cell, 0)], Lab(out))) == []


def test_a_study_without_maps_has_no_pictures(tmp_path):
    assert list(Coin(1).drawn()) == []
    assert list(SMALL.trained("ce", 0).drawn()) == []
    work([Coins(seeds=1)], tmp_path)
    folder = found(Coins(seeds=1), tmp_path).folder
    assert record(folder)["pictures"] == []
    assert record(folder)["no pictures"] == ""
    assert not (folder / "pictures").exists()
    assert not any(isinstance(one, Grid | Words) for one in page_of(folder, "study").sections)
    (folder / "study.json").write_text(json.dumps(record(folder) | {"seen": "A cloud."}))
    [words] = [one for one in page_of(folder, "study").sections if isinstance(one, Words)]
    assert words.sentences == ["What to look at: A cloud."]


# --- other cells ------------------------------------------------------------------------------------------------------


def test_of_several_shows_pictures_of_several(out, tmp_path):
    data = "scenes:classes=4,size=16,length=24,seed=1,objects=3"
    cell = OfSeveral(Measure("pellucid:tiny-cnn:classes=4", data, ("gradient",), ("entropy",)))
    cell.measured.run(Lab(out))
    cell.run(Lab(out))
    [told] = keep([Reading(cell, 0, "net")], Lab(out), tmp_path, {})["pictures"]
    several = {i for i, one in enumerate(Dataset.make(data)) if len(one.boxes_for()) > 1}
    assert {one["number"] for one in told["shown"]} <= several


@pytest.mark.parametrize("classes", [2, 3])
def test_rivals_show_their_classes_by_every_way_to_ask(ran, out, tmp_path, classes):
    model, text = SMALL.trained("lico", 0), "grad-cam:relu=false"
    cell = Rivals(model, MANY, text, classes, floor=0.0)
    cell.run(Lab(out))
    [told] = keep([Reading(cell, 0)], Lab(out), tmp_path, {})["pictures"]
    pictures = read_pictures(tmp_path, told["key"])
    ranks = ("likeliest", "second", "third")[:classes]
    assert [(e["explainer"], e["ask"]) for e in pictures.entries] == [(way, rank) for rank in ranks for way in WAYS]
    assert (told["arms"], told["asked"], told["by"]) == ("Ways to ask", "Classes", "grad-cam")
    net = Lab(out).model(model)
    x, _ = seen(net, MANY, [sample.number for sample in pictures.samples])
    p, top = net(x).softmax(1).topk(classes)
    e = pl.explain(net, x, text, list(WAYS.values()), target=top)  # [n, classes, ways, h, w]
    for i, sample in enumerate(pictures.samples):
        for w in range(len(WAYS)):
            same(sample.maps[w :: len(WAYS)], e.maps[i, :, w])  # on one scale
    names = Dataset.make(MANY).class_names
    assert told["shown"][0]["captions"][len(WAYS)] == f"{names[top[0, 1]]}, {100 * p[0, 1]:.0f}\u00a0%"


def test_rivals_show_pictures_above_the_floor(ran, out):
    cell = Rivals(SMALL.trained("ce", 0), MANY, "gradient", floor=0.249)
    cell.run(Lab(out))
    [column, *_] = columns_of([Reading(cell, 0)])[MANY]
    net = Lab(out).model(cell.model)
    x, _ = seen(net, MANY, list(range(40)))
    likely = (net(x).softmax(1).topk(2).values[:, 1] > cell.floor).nonzero()[:, 0].tolist()
    rows = rows_of(column, Dataset.make(MANY), Lab(out))
    assert set(rows) <= set(likely)
    assert len(rows) == min(6, len(likely))


DIGITS, CODES = "subset:first=48@digits", "subset:first=24@digits"


@pytest.fixture(scope="module")
def vae(out):
    how = 'plain:batch=24,transform="plain:size=32",epochs=1'
    made = Train("pellucid:conv-vae:latent=4", DIGITS, "beta-vae", how)
    made.run(Lab(out))
    return made


@pytest.mark.parametrize("kind, arm", [(Units, "beta-vae"), (UnitsAlike, "beta-vae, β = 1")])
def test_units_are_columns_and_pictures_of_a_class_pairs(vae, out, tmp_path, kind, arm):
    cell = kind(vae, CODES, "beta-vae", *([1] if kind is UnitsAlike else []))
    cell.run(Lab(out))
    [told] = keep([Reading(cell, 0)], Lab(out), tmp_path, {})["pictures"]
    pictures = read_pictures(tmp_path, told["key"])
    units = [f"unit {j}" for j in range(4)]
    assert [(e["explainer"], e["ask"]) for e in pictures.entries] == [(arm, unit) for unit in units]
    assert told["asked"] == "Units"
    labels = [sample.label for sample in pictures.samples]
    assert labels[::2] == labels[1::2]
    assert len(set(labels)) == 3
    net = Lab(out).model(vae)
    x, _ = seen(net, CODES, [sample.number for sample in pictures.samples])
    e = pl.explain(
        net, x, "gradient-shap:samples=5,baseline=black", [f"unit:index={j}" for j in range(4)], seed=vae.seed
    )
    same(np.stack([sample.maps for sample in pictures.samples]), e.maps.abs())  # on one scale
    assert told["shown"][0]["captions"][1] == f"value {e.value[0, 1]:.2f}".replace("-", "−")


def test_tasks_are_arms(out, tmp_path):
    how = 'plain:batch=24,transform="plain:size=28",epochs=1'
    tasks = {"reconstruction": "denoising:corruption=none", "denoising": "denoising", "classification": "ce"}
    models = [
        Train(f"pellucid:conv-{'classifier' if objective == 'ce' else 'autoencoder'}", DIGITS, objective, how)
        for objective in tasks.values()
    ]
    cell = MapsAlike((*models, models[0]), (*tasks, "again"), CODES, "gradient-shap:samples=5")
    cell.run(Lab(out))
    [told] = keep([Reading(cell, 0)], Lab(out), tmp_path, {})["pictures"]
    pictures = read_pictures(tmp_path, told["key"])
    assert [(e["explainer"], e["ask"]) for e in pictures.entries] == [(task, "gradient-shap") for task in tasks]
    for j, model in enumerate(models):
        whole = Lab(out).model(model)
        x, _ = seen(whole, CODES, [sample.number for sample in pictures.samples])
        e = pl.explain(representing(whole), x, "gradient-shap:samples=5,baseline=black", "similarity", seed=0)
        for i, sample in enumerate(pictures.samples):
            same(sample.maps[j], e.maps[i].abs())


def test_drawn_things_are_values():
    a, b = (Asked(MANY, SMALL.trained("ce", 0), "gradient", arm=arm) for arm in "ab")
    assert a == b != Asked(MANY, SMALL.trained("ce", 0), "gradient", target="predicted")

"""Audit: models that were made to look at one thing, of which the first sentence must name that thing."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import pellucid as pl
from pellucid.data import Record
from pellucid.engine import _places, _regions, _trust, _verdict
from pellucid.engine._regions import Shown, where, zones
from pellucid.results import Results
from pellucid.results.statistics import wilson

SIDE, CLASSES, N = 32, 3, 90
QUICK = {
    "explainers": ["input-x-gradient"],
    "metrics": ["insertion", "sch"],
    "worst": 3,
    "checks": 8,
    "name": "planted",
}


# --- models and pictures of which everything is known -----------------------------------------------------------------


def stripes(c):
    """[h, w] of 1 and -1: of each class its own, all of them orthogonal."""
    i = torch.arange(SIDE)
    return (((i[:, None] // (1 + (c == 2)) + i // (1 + (c == 1))) % 2) * 2 - 1).float()


def box(x0, y0, x1, y1):
    mask = torch.zeros(SIDE, SIDE)
    mask[y0:y1, x0:x1] = 1
    return mask


OBJECT, OTHER, CORNER = box(12, 10, 22, 20), box(3, 22, 9, 28), box(0, 0, 6, 6)
GROUND, FRAME = 1 - OBJECT, 1 - box(3, 3, 29, 29)


class Reader(nn.Module):
    """Linear: the logit of class c is the agreement with its stripes, at the place where it is looked for."""

    def __init__(self, *places):
        super().__init__()
        self.flat, self.head = nn.Flatten(), nn.Linear(3 * SIDE * SIDE, CLASSES)
        weights = [4 * stripes(c) * place / place.sum().clamp_min(1) for c, place in enumerate(places)]
        with torch.no_grad():
            self.head.weight.copy_(torch.stack(weights)[:, None].expand(-1, 3, -1, -1).flatten(1))
            self.head.bias.zero_()

    def forward(self, x):
        return self.head(self.flat(x))


def reader(place):
    return Reader(*[place] * CLASSES)


def pictures(annotated=True, n=N):
    """Stripes of the class wherever one looks, in noise."""
    generator, samples = torch.Generator().manual_seed(1), []
    for i in range(n):
        image = stripes(i % CLASSES) + 0.3 * torch.randn(3, SIDE, SIDE, generator=generator)
        c = i % CLASSES
        masks, numbers = torch.stack([OBJECT, OTHER]).bool(), torch.tensor([c, (c + 1) % CLASSES])
        known = {"masks": masks, "mask_classes": numbers} if annotated else {}
        samples.append(Record(image, c, **known))
    return samples


def audited(model, annotated=True, **options):
    return pl.audit(model, pictures(annotated), **{**QUICK, **options})


def stays(a, what):
    """Of the right answers, by the model alone."""
    return float(a.removals.set_index("taken out").loc[what, "kept"])


# --- the first sentence -----------------------------------------------------------------------------------------------


def test_who_reads_the_object_is_right_for_the_right_reasons():
    a = audited(reader(OBJECT))
    assert a.verdict.says == "right"
    assert a.sentence.startswith(
        "Right for the right reasons: of 90 right answers 0 % (0 to 4) stay the same when the object is taken out of "
        "the picture, and 100 % (96 to 100) with the object alone"
    )
    assert "100 % (100 to 100) of the evidence lies on the object, which is 10 % of the area." in a.sentence
    assert (stays(a, "object"), stays(a, "all but object"), stays(a, "background")) == (0, 1, 1)
    assert repr(a) == f"Audit({a.sentence})"


@pytest.mark.parametrize(
    "place, shortcut, kept",
    [
        (1 - OBJECT - OTHER, "the background", {"background": 1.0}),  # the border will do as well
        (OTHER, "another object", {"other": 0.0, "background": 1.0}),
        (FRAME, "the border", {"border": 0.0, "background": 1.0}),
        (CORNER, "the top left corner (6 × 6 pixels)", {"the top left corner (6 × 6 pixels)": 0.0}),
    ],
    ids=["ground", "another object", "border", "corner"],
)
def test_a_shortcut_is_named(place, shortcut, kept):
    a = audited(reader(place))
    assert (a.verdict.says, a.verdict.shortcut) == ("wrong", shortcut)
    assert a.sentence.startswith(
        "Right, but for the wrong reasons: of 90 right answers 100 % (96 to 100) stay the same"
    )
    assert shortcut in a.sentence
    assert (stays(a, "object"), stays(a, "all but object")) == (1, 0)  # no explainer was asked for this
    for what, share in kept.items():
        assert stays(a, what) == share


def test_a_shortcut_of_one_class_is_named_with_the_class():
    a = audited(Reader(OBJECT, OBJECT, CORNER))
    assert (a.verdict.says, a.verdict.classes) == ("wrong", (2,))
    assert "wrong reasons where the class is class 2: of its 30 right answers 100 % (89 to 100) are lost" in a.sentence
    assert "the top left corner (6 × 6 pixels), where the object is not" in a.sentence
    assert "of the other classes' 60, 0 % (0 to 6) stay" in a.sentence


def test_who_reads_both_is_right_in_part():
    a = audited(reader(OBJECT / OBJECT.sum() + GROUND / GROUND.sum()))
    assert a.verdict.says == "in part"
    assert "either would do" in a.sentence
    assert "the background" in a.sentence


def test_what_cannot_be_said():
    a = audited(Reader(*[torch.zeros(SIDE, SIDE)] * CLASSES))
    assert a.verdict.says == "unknown"
    assert (
        "names 33 % (24 to 44) of 90 samples rightly, and always the most frequent label would name 33 %" in a.sentence
    )
    a = audited(reader(GROUND), annotated=False)
    assert a.sentence.endswith("the data does not tell where the object is.")
    a = pl.audit(reader(OBJECT), pictures(n=18), **QUICK)
    assert "of only 18 right answers is it known where the object is, and 20 are needed" in a.sentence
    a = pl.audit(reader(OBJECT), [(record.image, -1) for record in pictures(n=6)], **QUICK)
    assert "the data has no labels" in a.sentence


def test_without_annotations_a_place_is_a_warning():
    a = audited(reader(CORNER), annotated=False)
    assert a.verdict.says == "unknown"
    assert "the data does not tell where the object is. But of the 90 right answers of" in a.sentence
    assert "without one place, the top left corner (6 × 6 pixels): see whether the object is always there" in a.sentence


# --- what it rests on -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """An audit in a folder, and the same with one more explainer."""
    folder = tmp_path_factory.mktemp("audit")
    model, torch_state = reader(GROUND), torch.random.get_rng_state()
    with torch.no_grad():
        model.head.bias += torch.tensor([0.0, 0.0, 0.4])  # some mistakes
        model.head.weight *= 0.2
    first = audited(model, out=folder, metrics=None)
    first.write(folder)
    second = audited(model, out=folder, metrics=None, explainers=["input-x-gradient", "integrated-gradients:steps=2"])
    assert torch.equal(torch_state, torch.random.get_rng_state())
    return folder, first, second


def test_one_more_explainer_costs_that_explainer(written):
    _, first, second = written
    old, new = (a.results.frame.set_index(["explainer", "metric", "sample"])["seconds"] for a in (first, second))
    kept = new.loc[old.index]
    assert kept.equals(old)  # to the microsecond: nothing was measured again
    assert set(new.index.get_level_values(0)) - set(old.index.get_level_values(0)) == {"integrated-gradients:steps=2"}


@pytest.mark.parametrize("changed", [{"data": pictures()[::-1]}, {"mean": (3.0, 3.0, 3.0)}], ids=["data", "mean"])
def test_rows_of_other_pictures_or_of_another_mean_colour_do_not_count(changed, tmp_path):
    """A folder that was used before, under the same name, says what a new one does."""
    model = reader(box(12, 10, 21, 19))  # of an odd number of pixels, on which stripes do not cancel a colour
    call = {**QUICK, "model": model, "metrics": ["sch"], "checks": 0}
    old = pl.audit(dataset=pictures(), **call, out=tmp_path)
    call |= {"dataset": changed.get("data", pictures()), "mean": changed.get("mean")}
    new, known = pl.audit(**call), pl.audit(**call, out=tmp_path)
    assert known.samples.equals(new.samples)
    assert known.removals.equals(new.removals)
    assert not known.samples.equals(old.samples)


def test_metrics_are_those_that_the_annotations_allow(written):
    _, first, _ = written
    metrics = set(first.results.frame["metric"])
    assert {
        "sch",
        "auc",
        "iou",
        "relevance-rank",
        "pointing-game:truth=masks",
        "insertion",
        "ses",
        "border-mass",
    } <= metrics
    assert {"sanity-cascading:layers=6", "random-logit", "max-sensitivity", "completeness"} <= metrics
    assert not {"ch", "energy-in-box", "mosu"} & metrics  # there are no boxes
    few = first.results.frame[first.results.frame["metric"] == "random-logit"]
    assert set(few["sample"]) == set(range(8))
    assert set(few["data"]) == {"subset:first=8@planted"}


def test_controls_are_always_there_and_never_trusted(written):
    _, first, second = written
    assert {"random-map", "edges"} <= set(first.results.frame["explainer"])
    assert first.about["controls"] == ["random-map", "edges"]
    assert second.sound == ["input-x-gradient", "integrated-gradients:steps=2"]
    regions = first.regions.set_index("region")
    assert regions.loc["object", "random-map"] == pytest.approx(regions.loc["object", "area"], abs=0.005)
    assert regions["random-map lift"].dropna().to_numpy() == pytest.approx(1, abs=0.05)
    assert regions.loc["object", "input-x-gradient"] == 0
    assert regions["area"].sum() == pytest.approx(1)
    assert any("Rank correlation of what the maps say" in said for said in second.findings)


def test_the_worst_are_the_sure_ones_in_the_wrong_place_and_the_mistakes(written):
    _, first, _ = written
    place = [s for s in first.worst if s.kind == "right answer, wrong place"]
    wrong = [s for s in first.worst if s.kind == "wrong answer"]
    assert len(place) == 3
    assert all(s.label == s.predicted and s.inside == 0 for s in place)
    assert [s.probability for s in place] == sorted((s.probability for s in place), reverse=True)
    answers = first.samples
    assert len(wrong) == min(3, int((answers["label"] != answers["predicted"]).sum()))
    assert all(s.label != s.predicted for s in wrong)


def test_what_is_written(written):
    folder, first, _ = written
    about = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    assert about["sentence"] == first.sentence
    assert about["verdict"]["says"] == first.verdict.says
    assert about["model"].startswith("Reader ")
    assert about["seed"] == 0
    assert [row["region"] for row in about["regions"]] == ["object", "other", "border", "background"]
    assert len(pd.read_csv(folder / "samples.csv")) == N
    assert {"results.parquet", "summary.csv", "regions.csv", "removals.csv"} <= {path.name for path in folder.iterdir()}
    sheet = Image.open(folder / "worst.png")
    assert sheet.width > 300
    assert len(Results.load(folder / "results.parquet").frame) == len(first.results.frame)


def test_the_texts_of_the_sheet_fit(said):
    a = audited(reader(GROUND))
    texts = [text for text, _ in said]
    assert any(text.startswith("Right answer, wrong place") for text in texts)
    assert "0% inside" in texts
    assert a.sheet is not None


def test_who_refuses_the_model_is_left_out_with_a_note():
    a = audited(reader(OBJECT), explainers=["grad-cam", "input-x-gradient"], metrics=["insertion", "latent-shift"])
    assert [one.explainer for one in a.trust] == ["input-x-gradient"]
    assert any(said.startswith("grad-cam is left out: no layer of Reader") for said in a.findings)


def test_an_explainer_that_is_no_better_than_chance_counts_for_nothing():
    a = audited(reader(OBJECT), explainers=["smooth:samples=1@random-map"])
    assert a.sound == []
    assert "No explainer is sound, so no map is counted here." in a.findings
    assert a.verdict.says == "right"  # taken from the model's own answers
    assert "evidence" not in a.sentence


@pytest.mark.slow  # processes take long to start
def test_workers_say_the_same(tmp_path):
    one = audited(reader(CORNER), metrics=["sch"], out=tmp_path / "one")
    two = pl.audit(reader(CORNER), Indexed(), **{**QUICK, "metrics": ["sch"]}, out=tmp_path / "two", workers=2)
    assert two.sentence == one.sentence
    assert two.samples.equals(one.samples)


class Indexed:
    """The same pictures, for several processes."""

    def __init__(self):
        self.samples = pictures()

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.samples[i]


# --- regions ----------------------------------------------------------------------------------------------------------


def test_zones_by_mask_by_box_and_by_what_nobody_knows():
    masks = torch.zeros(2, 4, 6, dtype=torch.bool)
    masks[0, 1, 1], masks[0, 2, 2], masks[1, 0, 5] = True, True, True
    unknown = torch.zeros(4, 6, dtype=torch.bool)
    unknown[3, 0] = True
    record = Record(
        torch.zeros(3, 4, 6), 0, masks, torch.tensor([[4.0, 2.0, 6.0, 4.0]]), torch.tensor([1]),
        mask_classes=torch.tensor([0, 1]), ids=torch.tensor([7]), mask_ids=torch.tensor([1, 2]), ignore=unknown,
    )  # fmt: skip
    expected = [[0, 0, 0, 0, 0, 2], [0, 1, 3, 0, 0, 0], [0, 3, 1, 0, 2, 2], [255, 0, 0, 0, 2, 2]]
    assert zones(record, 0, (4, 6)).tolist() == expected
    assert (zones(record, 1, (4, 6)) == 1).sum() == 5
    assert (zones(record, 5, (4, 6)) == 1).sum() == 0
    given = {"masks": torch.tensor([[1, 255], [0, 0]]), "boxes": None}
    assert zones(given, 0, (2, 2)).tolist() == [[1, 255], [0, 0]]
    assert zones({"boxes": [[0, 0, 1, 2]]}, 0, (2, 2)).tolist() == [[1, 0], [1, 0]]
    assert zones({}, 0, (2, 2)).sum() == 0


def test_regions_part_the_picture():
    found = torch.randint(0, 4, (2, 20, 30), dtype=torch.uint8)
    parts = torch.stack([where(found, region) for region in _regions.REGIONS])
    assert bool((parts.sum(0) == 1).all())


def test_an_object_is_taken_out_with_its_box_and_leaves_nothing_behind():
    x = torch.full((1, 3, 32, 32), 2.0)
    found = torch.zeros(1, 32, 32, dtype=torch.uint8)
    found[0, 10:20, 12:22] = 3
    found[0, 12:18, 14:20] = 1
    x[:, :, 12:18, 14:20] = 90.0
    gone = Shown("object", "surroundings").gone(found)
    assert gone.sum() == 12 * 12  # the box and a margin
    assert torch.allclose(_regions.surrounded(x, gone), torch.tensor(2.0))
    alone = Shown("all but object").gone(found)
    assert alone.sum() == 32 * 32 - 36


def test_what_surrounds_is_a_normalised_blur():
    """Against a slow re-telling, by a sum over all pixels."""
    x, gone = torch.rand(1, 1, 16, 16), torch.zeros(1, 16, 16, dtype=torch.bool)
    gone[0, 4:9, 5:12] = True
    got = _regions.surrounded(x, gone)
    assert torch.equal(got[0, 0][~gone[0]], x[0, 0][~gone[0]])
    y, sigma = torch.arange(-32, 48, dtype=torch.float64), 16 / 16

    def folded(i):
        weights = torch.zeros(16, dtype=torch.float64)
        for v in y.long().tolist():
            place = v % 32
            weights[place if place < 16 else 31 - place] += float(np.exp(-((i - v) ** 2) / (2 * sigma**2)))
        return weights

    for i, j in ((4, 5), (6, 8), (8, 11)):
        weight = folded(i)[:, None] * folded(j) * ~gone[0]
        assert float(got[0, 0, i, j]) == pytest.approx(float((weight * x[0, 0]).sum() / weight.sum()), abs=1e-3)


def test_signals_have_regions_too():
    model = nn.Sequential(nn.Flatten(), nn.Linear(40, 2))
    data = [(torch.randn(1, 40), i % 2) for i in range(40)]
    a = pl.audit(model, data, **{**QUICK, "metrics": ["border-mass"]})
    assert a.verdict.says == "unknown"
    assert a.regions.set_index("region").loc["border", "area"] == pytest.approx(0.2)


# --- places -----------------------------------------------------------------------------------------------------------


def test_four_corners_are_one_place():
    cells = np.full((8, 16, 16), 0.1 / 256)
    cells[:, [0, 0, 15, 15], [0, 15, 0, 15]] = 0.2
    [place] = _places.proposed({"a": cells.reshape(8, -1)}, np.zeros(8, int), np.ones(8, bool), (64, 64))
    assert len(place.boxes) == 4
    assert str(place).startswith("the top left corner, the bottom left corner")
    assert str(place).endswith("(4 × 4 pixels)")
    assert place.share(cells.reshape(8, -1)) == pytest.approx(0.8)


def test_what_is_everywhere_is_no_place():
    generator = np.random.default_rng(0)
    cells = generator.random((20, 256)) / 128
    labels = np.arange(20) % 2
    assert _places.proposed({"a": cells}, labels, np.ones(20, bool), (64, 64)) == []
    assert _places.proposed({"a": np.full((20, 256), np.nan)}, labels, np.ones(20, bool), (64, 64)) == []
    half = np.zeros((20, 16, 16))
    half[:, :, :8] = 1 / 128
    assert _places.proposed({"a": half.reshape(20, -1)}, labels, np.ones(20, bool), (64, 64)) == []


def test_a_place_of_several_classes_and_explainers_is_one():
    cells = np.full((24, 256), 0.5 / 256)
    cells[:, 0] += 0.5
    places = _places.proposed({"a": cells, "b": cells}, np.arange(24) % 3, np.ones(24, bool), (64, 64))
    assert [place.classes for place in places] == [(0, 1, 2)]


# --- the decision -----------------------------------------------------------------------------------------------------


def facts(kept, alone, n=100, right=1.0, background=1.0, other=np.nan, border=1.0):
    """Four classes; so large a share of the answers stays."""
    label = np.arange(n) % 4
    rows = (np.arange(n) + 0.5) / n
    predicted = np.where(rows < right, label, (label + 1) % 4)
    frame = pd.DataFrame({"label": label, "predicted": predicted})
    shares = {"object": kept, "all but object": alone, "background": background, "other": other, "border": border}
    for name, share in shares.items():
        flags = (rows[::-1] < share).astype(float)
        frame[f"kept {name}"] = np.nan if np.isnan(share) else flags
        frame[f"predicted {name}"] = np.where(flags == 1, label, (label + 1) % 4)
    return _verdict.Facts(frame, None, [], ["cat", "dog", "cow", "hen"])


@pytest.mark.parametrize(
    "kept, alone, says",
    [
        (0.05, 0.95, "right"),
        (0.95, 0.05, "wrong"),
        (0.95, 0.95, "in part"),
        (0.0, 0.0, "unknown"),
        (0.55, 0.05, "in part"),  # the interval of 55 of 100 reaches below a half
    ],
)
def test_the_decision(kept, alone, says):
    found = _verdict.judged(facts(kept, alone))
    assert found.says == says
    assert found.sentence.endswith(".")


def test_the_same_shares_of_fewer_samples_decide_less():
    assert _verdict.judged(facts(0.7, 0.0, n=200)).says == "wrong"
    assert _verdict.judged(facts(0.7, 0.0, n=20)).says == "in part"


def test_chance_is_what_would_stay_if_nothing_were_told():
    found = facts(0.0, 1.0)
    assert _verdict.chance(found) == pytest.approx(0.25)
    found.answers["predicted object"] = np.where(np.arange(100) < 80, 0, 1)
    assert _verdict.chance(found) == pytest.approx(0.8 / 4 + 0.2 / 4)


def test_an_explainer_is_sane_if_its_interval_says_so():
    rows = [("a", 0.1), ("b", 0.9)]
    frame = pd.DataFrame([
        {"explainer": name, "metric": "sanity-cascading", "value": value + 0.01 * i, "sample": i}
        for name, value in rows for i in range(10)
    ])  # fmt: skip
    found = _trust.trusted(Results(frame), ["a", "b"], "random-map")
    assert [one.sane for one in found] == [True, False]
    assert [one.beats for one in found] == [None, None]
    assert [one.sound for one in found] == [True, False]
    assert "hardly changes while the model forgets" in found[1].words


def test_shares_are_written_with_their_intervals():
    assert _verdict.percent(wilson(128, 180)) == "71 % (64 to 77)"


# --- the command ------------------------------------------------------------------------------------------------------

DATA = "scenes:classes=4,size=32,length=8"
WORDS = ["audit", DATA, "--model", "pellucid:tiny-cnn:classes=4", "-e", "input-x-gradient", "-m", "sch", "--worst", 2]


def test_the_command_says_the_sentence_first(run, tmp_path):
    code, out, err = run(*WORDS, "--checks", 0)
    assert code == 0, err
    assert out.startswith("It cannot be said whether the model is right for the right reasons: it names ")
    assert "where the evidence lies" in out
    assert "random-map  (control)" in out
    assert "sch ↑" in out
    assert "random weights" in err
    assert (tmp_path / "audit" / "audit.json").is_file()
    code, out, err = run(*WORDS, "--checks", 0, "--json", "--fail-under", "sch=0.99")
    assert code == 1
    assert "sch of input-x-gradient · logit is 0." in err
    assert json.loads(out)["failed"][0].endswith("below 0.99")
    assert run(*WORDS, "--checks", 0, "--fail-under", "sch=0.0")[0] == 0


def test_a_mistake_of_the_command_is_a_sentence(run):
    code, _, err = run(*WORDS, "--fail-under", "schh=1")
    assert code == 2
    assert "did you mean sch" in err
    assert run(*WORDS, "--fail-under", "sch")[0] == 2
    assert run("audit", "scnes", *WORDS[2:])[0] == 2


def test_a_bound_needs_a_sound_explainer(run):
    words = [*WORDS[:4], "-e", "edges", "-m", "sch", "--checks", 0, "--fail-under", "sch=0.1"]
    code, _, err = run(*words)
    assert code == 1
    assert "sch has no value of a sound explainer" in err


# --- networks that were trained ---------------------------------------------------------------------------------------


def trained(correlation):
    from pellucid.cli._demo_runs import NETWORK, RECIPE

    return pl.fit(NETWORK, f"scenes:classes=8,length=3000,size=48,correlation={correlation}", recipe=RECIPE, epochs=8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "correlation, start, named",
    [(0.0, "Right for the right reasons", "on the object"), (0.95, "", "the background"), (1.0, "", "the background")],
)
def test_a_network_that_learned_the_ground_is_found_out(correlation, start, named):
    options = {"explainers": ["grad-cam", "input-x-gradient"], "metrics": ["insertion", "deletion", "sch"]}
    data = f"scenes:classes=8,size=48,length=192,seed=1,correlation={correlation}"
    a = pl.audit(trained(correlation), data, checks=0, **options)
    sys.stderr.write(f"{correlation}: {a.sentence}\n")
    assert a.sentence.startswith(start)
    assert named in a.sentence
    assert (a.verdict.says == "right") == (correlation == 0)

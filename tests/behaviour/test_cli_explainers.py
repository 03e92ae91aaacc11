"""All explainers at once: the table of what they promise, and `explain -e all`."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid.cli import _everything, _members
from pellucid.cli._run import Asked
from pellucid.contracts.case import model
from pellucid.explainers import Explainer
from pellucid.questions import Question
from pellucid.registry import catalog
from pellucid.show.paragraphs import paragraphs

SHELF = _members.members("explainers")


@pytest.fixture
def photo(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


# --- list ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("member", SHELF, ids=lambda member: member.name)
def test_what_the_table_says_is_what_the_class_says(member):
    cls, facts = catalog("explainers")[member.name], member.facts
    assert (facts["group"], facts["cost"]) == (cls.group, cls.cost)
    assert (facts["class_specific"], facts["linear"]) == (cls.asked, cls.linear)
    assert facts["group"] in _members.groups()
    assert (facts["group"] == "outside") == (member.name in ("captum", "custom")), "say group = … in the class"
    assert (facts["cost"] == "as there") == (member.name in ("captum", "custom")), "say cost = … in the class"
    if member.name != "custom":
        made = Explainer.make(member.name if not cls._inner() else f"{member.name}@integrated-gradients")
        found = {made.signed(Question.make(ask)) for ask in ("logit", "contrast")}
        assert facts["signed"] in (None, *found)
        assert len(found) == 1 or facts["signed"] is None


def test_the_table_is_of_a_hundred_columns_and_has_everyone(run):
    code, out, _ = run("list", "explainers")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    for member in SHELF:
        [line] = [ln for ln in out.splitlines() if ln[:1] == " " and ln[1:].split()[0].split("@")[0] == member.name]
        assert member.facts["cost"] in line
        assert member.paper.removeprefix("doi:") in line
    order = [line for line in out.splitlines() if line.strip() in _members.groups()]
    assert [line.strip() for line in order] == [
        g for g in _members.groups() if any(m.facts["group"] == g for m in SHELF)
    ]
    assert "steps=" not in out
    assert "smooth@EXPLAINER" in out


def test_the_table_as_json(run):
    shelf = json.loads(run("list", "explainers", "--json")[1])["explainers"]
    facts = {member["name"]: member["facts"] for member in shelf}
    assert facts["grad-cam"] == {
        "group": "CAM", "cost": "F + b", "class_specific": True, "signed": None, "linear": True,
    }  # fmt: skip
    assert facts["attention-rollout"]["class_specific"] is False
    assert facts["random-map"]["signed"] is False
    assert facts["lrp"]["signed"] is True


# --- all -------------------------------------------------------------------------------------------------------------


def test_everyone_is_asked_the_cheapest_first():
    for quick in (False, True):
        names = [explainer.name for explainer in _everything.every(quick)]
        assert sorted(names) == sorted(set(catalog("explainers")) - {"custom"})  # which needs a function
    costs = [_everything.passes(explainer) for explainer in _everything.every(False)]
    assert costs == sorted(costs)
    assert names.index("grad-cam") < names.index("gradient") < names.index("integrated-gradients")
    texts = [str(explainer) for explainer in _everything.every(False)]
    assert "smooth@gradient" in texts
    assert "idgi@integrated-gradients" in texts
    assert "smooth:samples=3@gradient" in map(str, _everything.every(True))


@pytest.mark.parametrize(
    "text, passes",
    [("gradient", 3), ("grad-cam", 1.5), ("edges", 0), ("integrated-gradients:steps=10", 30), ("rise:masks=40", 40),
     ("smooth:samples=5@smooth:samples=2@attention-rollout", 10), ("captum", float("inf"))],
)  # fmt: skip
def test_passes(text, passes):
    assert _everything.passes(Explainer.make(text)) == passes


def test_all_on_one_sheet(run, photo, tmp_path, said):
    words = ("explain", photo, "-m", "pellucid:tiny-cnn:classes=4", "--size", "24", "-e", "all:quick", "-o", "out")
    code, out, err = run(*words)
    assert code == 0, err
    record = json.loads((tmp_path / "out" / "explanations.json").read_text())
    refused = {one["explainer"]: one["reason"] for one in record["refused"]}
    assert {"gwar", "attention-rollout", "transformer-attribution", "grad-cam-attention"} <= set(refused)
    assert "no attention" in refused["gwar"]
    answered = {row["explainer"].split(":")[0].split("@")[0] for row in record["explanations"]}
    assert answered | {name.split(":")[0] for name in refused} == set(catalog("explainers")) - {"custom"}
    assert not answered & set(refused)
    assert "gwar has no answer: " in out
    written = " ".join(text for text, _ in said)
    assert "group-cam" in written
    assert "smooth@gradient" in written
    assert "No answer" in written
    assert "CAM: logit" in written
    assert "transformer: " not in written
    assert any(text.endswith((" ms", " s")) for text, _ in said)
    sheet = Image.open(tmp_path / "out" / "sheet.png")
    assert sheet.width < 2000


def test_beside_all_one_may_be_given_by_name(run, photo, tmp_path):
    words = ("explain", photo, "-m", "pellucid:tiny-vit:classes=4", "--size", "24", "-e", "all:quick")
    code, _, err = run(*words, "-e", "smooth:samples=2@edges", "--ask", "logit", "--ask", "contrast", "-o", "out")
    assert code == 0, err
    rows = json.loads((tmp_path / "out" / "explanations.json").read_text())["explanations"]
    assert [row["explainer"] for row in rows].count("smooth:samples=2@edges") >= 1
    assert [row["ask"] for row in rows if row["explainer"] == "gwar"] == ["logit", "contrast"]


def test_one_by_name_is_refused_as_ever(run, photo):
    code, _, err = run("explain", photo, "-m", "pellucid:tiny-cnn:classes=4", "-e", "gwar")
    assert code != 0
    assert "no attention" in err


def test_paragraphs_stand_below_each_other(said):
    long = "a sentence that is longer than its line and goes on, " * 3
    picture = paragraphs([("one", long), ("another", "short"), ("", "without a word")], 400)
    places = dict(said)
    assert picture.width == 400
    assert places["one"][1] < places["another"][1] < places["without a word"][1]
    assert places["short"][0] > places["another"][0] + 30
    assert places["without a word"][0] == places["one"][0]


def test_the_models_answer_stays_what_it_was():
    """All of them, one after the other, leave the model as it was found."""
    net = model("tiny-vit")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    import pellucid as pl

    for explainer in _everything.every(True):
        if explainer.name in ("gwar", "attention-rollout", "transformer-attribution", "grad-cam-attention", "gradient"):
            pl.explain(net, torch.rand(1, 3, 32, 32), explainer)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_where_nobody_has_an_answer_it_says_why(run, photo):
    words = ("explain", photo, "-m", "pellucid:tiny-cnn:classes=4", "--size", "24", "-e", "all:quick")
    code, _, err = run(*words, "--ask", "contrast:against=99")
    assert code != 0
    assert "no explainer has an answer" in err
    assert "99" in err


def test_contrasts_compare_what_nobody_has_clipped():
    asked = Asked.read(["gwar", "grad-cam", "gwar:clamp=true"], None, [], None, None, contrasts=True)
    assert [str(e) for e in asked.explainers] == ["gwar:clamp=false", "grad-cam:relu=false", "gwar:clamp=true"]

"""Objectives and encoders on the command line: listed, cited, and written as text."""

import json
import re

import pytest
from PIL import Image

import pellucid as pl
from pellucid import grammar
from pellucid.objectives import Objective
from pellucid.questions import Question
from pellucid.registry import catalog

obj, txt = pl.objectives, pl.text
TINY = ["--model", "pellucid:tiny-cnn:classes=4"]


@pytest.fixture
def photo(tmp_path):
    Image.radial_gradient("L").resize((48, 40)).convert("RGB").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def keys(text):
    return re.findall(r"@\w+\{([^,]+),", text)


@pytest.mark.parametrize("family", ["objectives", "encoders"])
def test_a_family_is_listed(run, family):
    code, out, _ = run("list", family)
    assert code == 0
    assert out.split()[0] == family
    for name in catalog(family):
        assert re.search(rf"^ +{name}  \S", out, re.M), name


def test_knobs_are_listed_as_they_are_written(run):
    [cgc] = json.loads(run("list", "cgc", "--json")[1])["objectives"]
    [lico] = json.loads(run("list", "lico", "--json")[1])["objectives"]
    default = {knob["name"]: knob["default"] for knob in [*cgc["knobs"], *lico["knobs"]]}
    assert default["explainer"] == "hires-cam"
    assert default["ratio"].startswith("[0.75,1.333")
    assert default["protocol"] == "sound"
    assert {knob["name"]: knob["takes"] for knob in lico["knobs"]}[
        "protocol"
    ] == "sound, paper, published or reproduction"


def test_objectives_and_encoders_are_cited(run):
    code, out, err = run("cite", "lico", "cgc", "clip")
    assert code == 0
    assert keys(out) == ["lei2023lico", "pillai2022consistent", "draelos2020hirescam", "radford2021learning"]
    assert not err
    assert "nothing to cite for ce" in run("cite", "ce")[2]


def test_a_sum_and_what_is_inside_are_cited(run):
    code, out, _ = run("cite", "lico:text=(clip:model=tiny,random=true)+cgc:explainer=grad-cam")
    assert code == 0
    assert [key[:7] for key in keys(out)] == ["lei2023", "radford", "pillai2", "selvara"]
    assert "radford2021learning" in keys(run("cite", 'prompt:text="a+b",encoder=clip')[1])
    assert "did you mean clip" in run("cite", "lico:text=clp")[2]


@pytest.mark.parametrize("encoder", ["(random-words:width=4)", "random-words:width=4", "(random-words:width=4,seed=3)"])
@pytest.mark.parametrize("text", ["a dog", "a dog: big, brown (and wet)", 'say "dog"', "none", "cat+dog"])
def test_a_text_is_asked_for(run, photo, text, encoder):
    question = f"prompt:text={grammar.quote(text)},encoder={encoder}"
    code, out, err = run("explain", photo, *TINY, "-e", "gradient", "--ask", question, "--json")
    assert code == 0, err
    [row] = json.loads(out)["explanations"]
    asked = Question.make(row["ask"])
    assert asked == Question.make(question)
    assert (asked.text, asked.encoder.width) == (text, 4)
    assert row["target"] is None


def test_an_encoder_that_does_not_fit_is_a_sentence(run, photo):
    words = ["explain", photo, *TINY, "--ask"]
    code, _, err = run(*words, "prompt:text=dog,encoder=random-words")
    assert code == 2
    assert "vectors of 512 numbers" in err
    assert "where the end was expected" in run(*words, "prompt:text=a dog")[2]


@pytest.mark.parametrize(
    "objective, text",
    [
        (obj.LICO(text=txt.Clip(model="tiny", random=True)), "lico:text=(clip:model=tiny,random=true)"),
        (obj.LICO(text="minilm", contexts=2), "lico:text=minilm,contexts=2"),
        (obj.LICO(text="none"), "lico:text=none"),
        (obj.LICO(words="none"), 'lico:words="none"'),
        (obj.LICO(words="a+b"), 'lico:words="a+b"'),
        (obj.LICO(words="c++"), 'lico:words="c++"'),
        (obj.LICO(text=txt.WordVectors(file="/a+b, c/v.txt")), 'lico:text=(word-vectors:file="/a+b, c/v.txt")'),
        (obj.CGC(explainer="grad-cam:layer=a", weight=1e5), "cgc:explainer=(grad-cam:layer=a),weight=100000"),
        (
            obj.CE(smoothing=1e-05) + obj.LICO(text=txt.RandomWords(seed=2)),
            "ce:smoothing=1e-05+lico:text=(random-words:seed=2)",
        ),
        (obj.CGC(weight=1e20) + obj.CE(), "cgc:weight=1e+20+ce"),
    ],
)
def test_what_is_written_reads_back(objective, text):
    assert str(objective) == text
    assert Objective.make(text) == objective
    assert str(Objective.make(text)) == text

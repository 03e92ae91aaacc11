"""The page of the errata: the largest effect first, what the conclusion becomes, and how to do it again."""

import json

import pytest
from typer.testing import CliRunner

from pellucid.cli.main import app
from pellucid.report import errata, page_of, study, write
from pellucid.studies import Study
from pellucid.studies._study import found

NAME = "err-swapped-overall"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One erratum that trains nothing, run; and records of others, made up."""
    out = tmp_path_factory.mktemp("errata")
    done = CliRunner().invoke(app, ["study", "run", NAME, "-o", str(out)])
    assert done.exit_code == 0, done.output
    for name, effect, outcomes in (
        ("err-small", 0.1, ("does not hold", "holds", "holds")),
        ("err-large", -2.0, ("does not hold", "holds", "does not hold")),
        ("err-unsure", 0.2, ("inconclusive", "holds", "inconclusive")),
    ):
        record = json.loads((out / "studies" / f"{NAME}-tiny" / "study.json").read_text())
        record |= {"name": name, "effect": effect, "outcome": outcomes[0], "claim": f"{name} is claimed."}
        sides = ["as published", "sound"]
        for verdict, outcome, side in zip(record["verdicts"], outcomes, [None, *sides], strict=False):
            verdict["outcome"] = outcome
            if side:
                verdict["claim"]["setting"] = side
        other = out / "studies" / f"{name}-tiny"
        other.mkdir()
        (other / "study.json").write_text(json.dumps(record))
    asked = record | {
        "name": "open-x", "kind": "open", "title": "Is it so?", "claim": "It is so.", "outcome": "holds", "changed": [],
    }  # fmt: skip
    (out / "studies" / "open-x-tiny").mkdir()
    (out / "studies" / "open-x-tiny" / "study.json").write_text(json.dumps(asked))
    return out


def test_the_largest_effect_is_first(folder):
    page = errata.page(folder)
    rows = page.sections[0].rows
    assert rows[0].head == "err-large"
    sizes = [abs(row.cells[1].value) for row in rows if row.cells[1].value is not None]
    assert sizes == sorted(sizes, reverse=True)
    assert len(rows) == 4


def test_what_a_conclusion_becomes(folder):
    said = {row.head: row.cells[3] for row in errata.page(folder).sections[0].rows}
    assert (said["err-large"].text, said["err-large"].small) == ("falls without the defect", "“err-large is claimed.”")
    assert said["err-large"].tone == "bad"
    assert said["err-small"].text == "survives"
    assert errata.page(folder).verdict[0].startswith("Of 4 defects 2 move the number in question")
    assert "1 survives, 2 fall without the defect, and 1 can no longer be told" in errata.page(folder).verdict[0]


def test_a_question_has_its_answer(folder):
    page = errata.page(folder)
    assert page.verdict[1] == "Answers to 1 open question: 1 yes, 0 no, 0 not yet."
    assert page.sections[1].rows[0].head == "Is it so?"


def test_every_line_can_be_done_again(folder):
    for row in errata.page(folder).sections[0].rows:
        assert row.cells[4].startswith("pellucid study run err-swapped-overall")


def test_the_command_writes_it(folder):
    done = CliRunner().invoke(app, ["study", "report", "-o", str(folder)])
    assert done.exit_code == 0, done.output
    assert "errata.html" in done.output
    text = (folder / "errata.html").read_text(encoding="utf-8")
    assert "What published conclusions owe to defects" in text
    assert "err-large" in text
    assert "Errata: is the published number the sound one?" in (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_of_one(folder):
    result = found(Study.make(NAME), folder)
    record = json.loads((result.folder / "study.json").read_text())
    assert record["changed"] == [["worked_out", "False", "True"]]
    page = page_of(result.folder)
    assert page.sections[0].title == "What differs"
    assert page.sections[0].rows[0].cells == ("False", "True")
    assert page.verdict[0].startswith("As published: Printed Overall are not insertion less deletion.")
    assert write(result.folder, "study").exists()


def test_a_side_without_a_claim_has_no_survival():
    assert study.survival({"verdicts": []}) == ("–", "")

"""Some tiny studies, run as they are, with fewer seeds: a verdict, its rows, its page."""

import json
import math

import pandas as pd
import pytest

from pellucid.cli.main import main


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


@pytest.mark.parametrize("name, seeds", [
    ("recc-f4", 2),
    ("recc-f6", 2),
    ("cgc-sup-t1", 1),
])  # fmt: skip
def test_a_tiny_study_ends_with_a_verdict(out, name, seeds, capsys):
    assert main(["study", "run", name, "--seeds", str(seeds), "-o", str(out)]) == 0
    told = capsys.readouterr().out
    folder = out / "studies" / f"{name}-tiny-{seeds}"
    record, rows = json.loads((folder / "study.json").read_text()), pd.read_parquet(folder / "rows.parquet")
    assert record["outcome"] in ("holds", "does not hold", "inconclusive")
    assert f"{name}, tiny: {record['outcome']}." in told
    assert set(rows["seed"]) == set(range(seeds))
    for one in record["verdicts"]:
        if seeds > 1:
            assert math.isfinite(one["difference"]["mean"]), one["sentence"]
        assert one["sentence"] in told
    assert (folder / "report.html").stat().st_size > 5000
    before = len(list(out.glob("cells/*.json")))
    assert main(["study", "run", name, "--seeds", str(seeds), "-o", str(out)]) == 0  # nothing is left to do
    assert len(list(out.glob("cells/*.json"))) == before


def test_what_is_shared_is_trained_once(out):
    """recc-f4 and recc-f6 ask the same networks."""
    said = [json.loads(path.read_text())["cell"] for path in out.glob("cells/*.json")]
    trained = [one for one in said if one.startswith("Train(")]
    assert len(trained) == len(set(trained)) == 2 + 3

"""Some tiny studies, run as they are, with fewer seeds: a verdict, its rows, its page."""

import json
import math

import pandas as pd
import pytest

from pellucid.cli.main import main


@pytest.mark.parametrize("names, seeds, networks", [
    (("recc-f4", "recc-f6"), 2, 2),  # both ask the same networks
    (("cgc-sup-t1",), 1, 3),
])  # fmt: skip
def test_tiny_studies_end_with_a_verdict(tmp_path, names, seeds, networks, capsys):
    words = ["study", "run", *names, "--seeds", str(seeds), "-o", str(tmp_path)]
    assert main(words) == 0
    told = capsys.readouterr().out
    for name in names:
        folder = tmp_path / "studies" / f"{name}-tiny-{seeds}"
        record, rows = json.loads((folder / "study.json").read_text()), pd.read_parquet(folder / "rows.parquet")
        assert record["outcome"] in ("holds", "does not hold", "inconclusive")
        assert f"{name}, tiny: {record['outcome']}." in told
        assert set(rows["seed"]) == set(range(seeds))
        for one in record["verdicts"]:
            assert seeds == 1 or math.isfinite(one["difference"]["mean"]), one["sentence"]
            assert one["sentence"] in told
        assert (folder / "report.html").stat().st_size > 5000
    said = [json.loads(path.read_text())["cell"] for path in tmp_path.glob("cells/*.json")]
    assert sum(one.startswith("Train(") for one in said) == len(list((tmp_path / "trained").iterdir())) == networks
    assert main(words) == 0  # nothing is left to do
    assert len(list(tmp_path.glob("cells/*.json"))) == len(said)

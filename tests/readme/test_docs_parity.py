"""The table of parity: every member has a line, and other libraries still say what it says."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from pellucid.registry import catalog

DOCS = Path(__file__).parents[2] / "docs"
PEERS = ("captum", "pytorch_grad_cam", "torchcam", "quantus", "zennit")
missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
if missing:
    pytest.skip(f"not installed: {', '.join(missing)}", allow_module_level=True)

spec = importlib.util.spec_from_file_location("parity", DOCS / "parity.py")
parity = importlib.util.module_from_spec(spec)
spec.loader.exec_module(parity)
RECORD = json.loads((DOCS / "parity.json").read_text(encoding="utf-8"))


def kept(entry):
    """The line of the committed table."""
    return next(
        row
        for row in RECORD[entry.family][entry.member]
        if (row["library"], row["theirs"]) == (entry.library, entry.theirs)
    )


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("entry", parity.ENTRIES, ids=lambda e: f"{e.member}-{e.library}-{e.theirs}".replace(" ", "-"))
def test_it_is_still_so(entry):
    state = torch.get_rng_state()
    row, now = kept(entry), parity.measured(entry)
    assert now["expected"] == row["expected"]
    assert (now["ours"], now["why"]) == (row["ours"], row["why"])
    torch.set_rng_state(state)


@pytest.mark.parametrize("family", ["explainers", "metrics"])
def test_everyone_has_a_line(family):
    ours = {name for name, place in catalog(family).places.items() if isinstance(place, str)}
    assert set(RECORD[family]) == ours
    assert all(row["why"] or row["library"] for rows in RECORD[family].values() for row in rows)


def test_what_differs_says_why():
    told = [row for family in ("explainers", "metrics") for rows in RECORD[family].values() for row in rows]
    assert all(len(row["why"].split()) > 5 for row in told if row.get("expected") == "differs")


def test_who_stands_alone_is_not_in_the_table():
    beside = {(e.family, e.member) for e in parity.ENTRIES}
    assert not [1 for family, names in parity.ALONE.items() for name in names if (family, name) in beside]
    assert all(name in catalog(family) for family, names in parity.ALONE.items() for name in names)


def test_another_number_is_refused():
    """A table that is not so cannot be written."""
    wrong = parity.Entry("explainers", "grad-cam", "nobody", "Nothing", "grad-cam", "", "equal", lambda: (1.0, 2.0))
    with pytest.raises(AssertionError, match="expected to be equal"):
        parity.measured(wrong)
    with pytest.raises(ValueError, match="not the same thing"):
        parity.difference(torch.zeros(2), torch.zeros(3))


def test_a_difference_is_a_share_of_the_largest_value():
    nan = float("nan")
    assert parity.difference([1.0, nan], [2.0, nan]) == 0.5
    assert parity.difference([-4.0], [0.0]) == 1.0
    assert [parity.judged(off) for off in (0, 1e-3, 5e-3, 0.5, nan)] == [
        "equal",
        "equal",
        "close",
        "differs",
        "differs",
    ]

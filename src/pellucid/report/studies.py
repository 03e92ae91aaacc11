"""The page of all studies in a folder: which claims of the papers hold, in one table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid.errors import BadFile
from pellucid.report.page import Cell, Page, Row, Table
from pellucid.report.study import FILE, TONES, between, claimed, read
from pellucid.report.words import number

MARKS = (f"studies/*/{FILE}",)
PAPERS = {
    "lico": "LICO", "relico": "LICO, the reproduction", "cgc-sup": "CGC", "recc": "Class-contrastive back-propagation",
    "relf": "Label-free explainability", "erratum": "Errata: is the published number the sound one?",
    "open": "Questions that no paper asked", "": "Others",
}  # fmt: skip
ORDER = ("does not hold", "holds", "inconclusive")


def page(folder: Path) -> Page:
    """Of a folder in which studies were run."""
    found = [read(path.parent) for path in sorted(Path(folder).glob(MARKS[0]))]
    if not found:
        raise BadFile(f"{folder} holds no study that was run; run one: pellucid study run lico-t5 -o {folder}.")
    groups = {group: [one for one in found if group_of(one) == group] for group in PAPERS}
    sections = [table(PAPERS[group], mine) for group, mine in groups.items() if mine]
    return Page("Do the papers' claims hold?", [lead(found)], sections, version=str(found[0].get("version", "")))


def group_of(one: Mapping[str, Any]) -> str:
    """Of the claims of papers the paper, else what it is; "" of what is neither."""
    group = str(one.get("of")) if one.get("kind", "claim") == "claim" else str(one.get("kind"))
    return group if group in PAPERS else ""


def lead(found: Sequence[Mapping[str, Any]]) -> str:
    """
    >>> lead([{"outcome": "holds", "scale": "tiny"}, {"outcome": "inconclusive", "scale": "tiny"}])
    'Of 2 studies at tiny scale, 1 holds, 0 do not hold and 1 is inconclusive.'
    """
    counts = Counter(str(one["outcome"]) for one in found)
    scales = " and ".join(sorted({str(one["scale"]) for one in found}))
    n, yes, no, open_ = len(found), counts["holds"], counts["does not hold"], counts["inconclusive"]
    said = [f"{yes} hold{'s' * (yes == 1)}", f"{no} do{'es' * (no == 1)} not hold"]
    are = "is" if open_ == 1 else "are"
    return f"Of {n} stud{'y' if n == 1 else 'ies'} at {scales} scale, {', '.join(said)} and {open_} {are} inconclusive."


def table(title: str, found: Sequence[Mapping[str, Any]]) -> Table:
    """A line a study, with the main claim that decided it."""
    rows = []
    for one in found:
        first = _deciding(one)
        outcome = str(one["outcome"])
        gap = "–"
        if first is not None and first["difference"]["mean"] is not None:
            d = first["difference"]
            gap = Cell(number(d["mean"]), between(first), value=float(d["mean"]))
        cells = (
            str(one.get("claim")), Cell(outcome, tone=TONES.get(outcome, "")),
            "–" if first is None else claimed(first["claim"]), gap, f"{one['scale']}, {one.get('seeds')} seeds",
        )  # fmt: skip
        rows.append(Row(str(one["name"]), cells, small=str(one.get("where"))))
    return Table(title, ("study", "the paper's claim", "verdict", "decided by", "difference", "scale"), rows)


def _deciding(one: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A main claim with the study's own outcome."""
    main = [v for v in one["verdicts"] if v["claim"]["main"]]
    return next((v for v in main if v["outcome"] == one["outcome"]), main[0] if main else None)

"""The page of the errata: what published conclusions owe to defects of the code behind them, the largest effect first.

An effect is the difference that the defect makes to a number, in standard deviations of that number.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid.errors import BadFile
from pellucid.report.page import Cell, Page, Row, Section, Table
from pellucid.report.study import FILE, MOVES, SURVIVAL, TONES, between, read, survival
from pellucid.report.words import number, or_nan

MARKS = (f"studies/err-*/{FILE}", f"studies/open-*/{FILE}")
HTML = "errata.html"


def page(folder: Path) -> Page:
    """Of a folder in which errata were run."""
    found = [read(path.parent) for path in there(Path(folder))]
    if not found:
        raise BadFile(f"{folder} holds no errata that were run; run them: pellucid study run errata -o {folder}.")
    errata = by_effect([one for one in found if one.get("kind") == "erratum"])
    asked = [one for one in found if one.get("kind") == "open"]
    sections: list[Section] = [*([defects(errata)] if errata else []), *([questions(asked)] if asked else [])]
    return Page(
        "What published conclusions owe to defects", lead(errata, asked), sections, version=str(found[0]["version"])
    )


def there(folder: Path) -> list[Path]:
    """What errata and questions left in a folder."""
    return [path for mark in MARKS for path in sorted(folder.glob(mark))]


def by_effect(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The largest first; last what has none."""
    return sorted(found, key=lambda one: -1.0 if one.get("effect") is None else abs(float(one["effect"])), reverse=True)


def lead(errata: Sequence[Mapping[str, Any]], asked: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many defects matter, and how many conclusions do not survive; how the questions were answered."""
    said = []
    if errata:
        moved = sum(one["outcome"] == "does not hold" for one in errata)
        lives = Counter(survival(one)[0] for one in errata)
        kept, fallen, unsure = (lives[SURVIVAL[True, soundly][0]] for soundly in TONES)
        said.append(
            f"Of {len(errata)} defects {moved} move the number in question by more than its margin. Of the conclusions "
            f"that hold as published, {kept} survive{'s' * (kept == 1)}, {fallen} fall{'s' * (fallen == 1)} without "
            f"the defect, and {unsure} can no longer be told."
        )
    if asked:
        yes, no, open_ = (sum(one["outcome"] == outcome for one in asked) for outcome in TONES)
        noun = f"open question{'s' * (len(asked) != 1)}"
        said.append(f"Answers to {len(asked)} {noun}: {yes} yes, {no} no, {open_} not yet.")
    return said


def sentence(one: Mapping[str, Any]) -> str:
    """
    >>> side = lambda mean: {"mean": mean}
    >>> verdict = {"claim": {"quantity": "accuracy", "setting": ""}, "more": side(0.7), "less": side(0.75),
    ...            "difference": {"mean": -0.05, "low": -0.08, "high": -0.02}}
    >>> sentence({"defect": "Names are scrambled.", "verdicts": [verdict]})
    'Names are scrambled. With that accuracy is 0.700, without it 0.750: −0.0500 (−0.0800 to −0.0200).'
    """
    first = one["verdicts"][0]
    claim = first["claim"]
    where = f" ({claim['setting']})" if claim["setting"] else ""
    more, less = (number(or_nan(first[side]["mean"])) for side in ("more", "less"))
    gap = f"{number(or_nan(first['difference']['mean']))} ({between(first)})"
    return f"{one['defect']} With that {claim['quantity']}{where} is {more}, without it {less}: {gap}."


def defects(found: Sequence[Mapping[str, Any]]) -> Table:
    """A line a defect."""
    rows = []
    for one in found:
        effect, (lives, tone) = one.get("effect"), survival(one)
        size = Cell("–") if effect is None else Cell(number(float(effect)), value=float(effect))
        changed = ", ".join(str(knob) for knob, *_ in one.get("changed") or ())
        cells = (
            sentence(one), size, Cell(MOVES[one["outcome"]], f"differs: {changed}" if changed else ""),
            Cell(lives, f"“{one['claim']}”", tone), str(one.get("command") or ""),
        )  # fmt: skip
        rows.append(Row(str(one["name"]), cells, small=f"{one.get('of')}, {one.get('where')}"))
    note = (
        "The effect is the difference of the two arms in standard deviations of the number. The arms differ in what is "
        "written, and in nothing else."
    )
    columns = ("study", "what the defect does", "effect", "verdict", "the published conclusion", "again")
    return Table("Defects, the largest effect first", columns, rows, note)


def questions(found: Sequence[Mapping[str, Any]]) -> Table:
    """A line a question."""
    rows = []
    for one in found:
        main = [verdict for verdict in one["verdicts"] if verdict["claim"]["main"]]
        same = [verdict for verdict in main if verdict["outcome"] == one["outcome"]] or main
        cells = (
            str(one["claim"]), Cell(str(one["outcome"]), tone=TONES.get(one["outcome"], "")),
            f"{same[0]['sentence']}." if same else "–", str(one.get("command") or ""),
        )  # fmt: skip
        rows.append(Row(str(one.get("title")), cells, small=str(one["name"])))
    return Table("Questions nobody answered", ("question", "what one would expect", "verdict", "by", "again"), rows)

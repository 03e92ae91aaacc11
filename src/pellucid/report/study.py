"""The page of a study: whether the paper's claim holds, by how much, and every seed beside what the paper reports.

`pellucid study run` leaves study.json in FOLDER/studies/NAME-SCALE.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pellucid._version import __version__
from pellucid.report import facts, sheets
from pellucid.report.page import (
    Cell,
    Column,
    Cost,
    Dots,
    Dotted,
    Grid,
    Page,
    Provenance,
    Row,
    Section,
    Table,
    Tone,
    Words,
)  # fmt: skip
from pellucid.report.words import interval, number, or_nan, span, valued
from pellucid.results.kept import read_pictures

FILE = "study.json"
MARKS = (FILE,)
NEEDED = ("name", "scale", "outcome", "verdicts", "means")
APART = 10**9  # between the numbers of two grids, for a page has one picture a number
TONES: Mapping[str, Tone] = {"holds": "good", "does not hold": "bad", "inconclusive": "soft"}

MOVES = {"holds": "the number stays", "does not hold": "the number moves", "inconclusive": "it cannot be told"}
SURVIVAL: Mapping[tuple[bool, str], tuple[str, Tone]] = {  # whether it holds as published, and what it does soundly
    (True, "holds"): ("survives", "good"),
    (True, "does not hold"): ("falls without the defect", "bad"),
    (True, "inconclusive"): ("can no longer be told without the defect", "bad"),
    (False, "holds"): ("holds only without the defect", "soft"),
    (False, "does not hold"): ("is not seen with or without it", "soft"),
    (False, "inconclusive"): ("is not seen with or without it", "soft"),
}


def read(folder: Path) -> dict[str, Any]:
    """What a study left."""
    return facts.record(folder / FILE, NEEDED, "study run again")


def page(folder: Path) -> Page:
    """Of a folder that `pellucid study run` wrote."""
    run = read(Path(folder))
    sections: list[Section] = [
        *differences(run),
        claims(run["verdicts"]),
        *shown(Path(folder), run),
        *dots(run),
        *numbers(run),
        *published(run),
        cost(run),
        provenance(run),
    ]
    about = [("paper", f"{run.get('of')}, {run.get('where')} ({run.get('paper')})"), ("scale", _scale(run))]
    return Page(
        f"{run['name']}: {run.get('title')}", sentences(run), sections, about, str(run.get("command") or ""),
        version=str(run.get("version", "")),
    )  # fmt: skip


def sentences(run: Mapping[str, Any]) -> list[str]:
    """The verdict, and that of every claim."""
    return [lead(run), *(str(one["sentence"]) + "." for one in run["verdicts"])]


def lead(run: Mapping[str, Any]) -> str:
    """
    >>> lead({"claim": "It helps.", "outcome": "inconclusive", "scale": "tiny", "seeds": 5})
    'The paper says: It helps. At tiny scale that is inconclusive, by 5 seeds.'
    """
    seeds = int(run.get("seeds") or 0)
    by = f"by {seeds} seed{'s' * (seeds != 1)}"
    if run.get("kind") == "erratum":
        lives, _ = survival(run)
        return (
            f"As published: {run.get('defect')} At {run['scale']} scale {MOVES[str(run['outcome'])]}, {by}. "
            f"“{run.get('claim')}” {lives}."
        )
    said = {"holds": "holds", "does not hold": "does not hold"}.get(str(run["outcome"]), "is inconclusive")
    who = "One would say" if run.get("kind") == "open" else "The paper says"
    return f"{who}: {run.get('claim')} At {run['scale']} scale that {said}, {by}."


def survival(one: Mapping[str, Any]) -> tuple[str, Tone]:
    """Whether the published conclusion holds by the numbers of either arm; the first number that both have decides."""
    sides: dict[str, str] = {}
    for verdict in one["verdicts"]:
        claim = verdict["claim"]
        for side in ("as published", "sound"):
            if side in (str(claim["setting"]).split(" · ")[0], claim["more"]) and claim["less"] != "sound":
                sides.setdefault(side, str(verdict["outcome"]))
    if len(sides) < 2:
        return "–", ""
    return SURVIVAL[sides["as published"] == "holds", sides["sound"]]


def differences(run: Mapping[str, Any]) -> list[Table]:
    """What the two arms of an erratum do not have in common."""
    rows = [Row(str(knob), (str(published), str(sound))) for knob, published, sound in run.get("changed") or ()]
    text = "Nothing else differs between the two arms; None: as the protocol has it."
    return [Table("What differs", ("knob", "as published", "sound"), rows, text=text)] if rows else []


def claimed(claim: Mapping[str, Any]) -> str:
    """A claim in a line.

    >>> claimed({"quantity": "insertion", "setting": "grad-cam", "more": "lico", "less": "ce", "same": False})
    'insertion (grad-cam): lico > ce'
    """
    where = f" ({claim['setting']})" if claim["setting"] else ""
    return f"{claim['quantity']}{where}: {claim['more']} {'≈' if claim['same'] else '>'} {claim['less']}"


def between(verdict: Mapping[str, Any]) -> str:
    """Where a difference lies; of numbers that nobody measured there is no more to say."""
    low, high = (number(or_nan(verdict["difference"][end])) for end in ("low", "high"))
    return "exact" if verdict["claim"].get("exact") else f"{low} to {high}"


def claims(found: Sequence[Mapping[str, Any]]) -> Table:
    """Every claim with its interval."""
    rows = []
    for one in found:
        claim, d = one["claim"], one["difference"]
        mean, low, high = (or_nan(d[name]) for name in ("mean", "low", "high"))
        gap = Cell(number(mean), between(one), "", mean, low, high)
        head, _, sides = claimed(claim).rpartition(": ")
        sides += "" if claim["main"] else " · besides"
        cells = (gap, number(float(claim["margin"])), Cell(one["outcome"], tone=TONES.get(one["outcome"], "")))
        rows.append(Row(head, cells, small=sides))
    text = (
        "The difference of the two sides, paired by seed and sample; 95 % of seeds, then of samples. It holds beyond "
        "the margin on its side; it does not hold on the other side of zero, or wholly within the margin."
    )
    note = (
        "Decided for all claims of the study together (Holm). The verdict stands on the claims that are not “besides”."
    )
    return Table("Claims", ("claim", "difference", "margin", "verdict"), rows, note, text=text)


def shown(folder: Path, run: Mapping[str, Any]) -> list[Section]:
    """What is to be looked at, and the pictures that were kept."""
    what = f"What to look at: {run['seen']}" if run.get("seen") else ""
    kept, why = list(run.get("pictures") or ()), str(run.get("no pictures") or "")
    if not kept:
        said = [one for one in (what, why and f"No pictures: {why}") if one]
        return [Words("The figure" if what else "Maps", said, listed=False)] if said else []
    return [grid(folder, one, i, what if i == 0 else "") for i, one in enumerate(kept)]


def grid(folder: Path, kept: Mapping[str, Any], i: int, what: str) -> Grid:
    """A line a sample, a column an arm and what is asked of it."""
    pictures, about = read_pictures(folder, str(kept["key"])), {int(one["number"]): one for one in kept["shown"]}
    columns = sheets.columns_of(pictures)
    files, side = sheets.pngs(pictures, columns)
    samples = [
        replace(sheets.shown(sample, maps, columns, about.get(sample.number, {})), number=i * APART + sample.number)
        for sample, maps in zip(pictures.samples, files, strict=True)
    ]
    data, arms = str(kept["data"]), len({column.explainer for column in columns})
    words = (what, _how(columns, kept), str(kept.get("scale") or ""))
    return Grid(
        f"Maps of {data.rpartition('@')[2].partition(':')[0]}", columns, samples,
        note=f"{sheets.note_on(side)} The data: {data}.", named=str(kept.get("arms") or "Networks"),
        asked=str(kept.get("asked") or "Asked"), across=arms if arms in (3, 4) else 0,
        text=" ".join(filter(None, words)),
    )  # fmt: skip


def _how(columns: Sequence[Column], kept: Mapping[str, Any]) -> str:
    """How the maps are read."""
    by = f", by {kept['by']}" if kept.get("by") else ""
    signed = any(column.scale.signed for column in columns)
    tells = " Red speaks for what is explained, blue against it." if signed else ""
    return f"Maps of the first seed{by}.{tells}"


def dots(run: Mapping[str, Any]) -> list[Dots]:
    """Every seed of the arms that main claims compare."""
    wanted = dict.fromkeys(
        (one["claim"]["quantity"], one["claim"]["setting"]) for one in run["verdicts"] if one["claim"]["main"]
    )
    made = []
    for quantity, setting in list(wanted)[:6]:
        some = [m for m in run["means"] if (m["quantity"], m["setting"]) == (quantity, setting)]
        lines = [_dotted(m) for m in some if m["mean"] is not None]
        if lines and len(lines[0].values) > 1:
            made.append(Dots(f"{quantity}{f' ({setting})' if setting else ''}, seed by seed", lines, quantity))
    return made


def _dotted(m: Mapping[str, Any]) -> Dotted:
    return Dotted(
        str(m["arm"]), [or_nan(v) for v in m["seeds"]], or_nan(m["mean"]), or_nan(m["low"]), or_nan(m["high"])
    )


def numbers(run: Mapping[str, Any]) -> list[Table]:
    """All means, an arm a column, with what the paper reports of the same arm and quantity."""
    paper, found = _reported(run), {}
    for m in run["means"]:
        found.setdefault((str(m["quantity"]), str(m["setting"])), {})[str(m["arm"])] = m
    if not found:
        return []
    arms = list(dict.fromkeys(str(m["arm"]) for m in run["means"]))
    rows = [Row(quantity, [_ours(by.get(arm), paper) for arm in arms], small=setting)
            for (quantity, setting), by in found.items()]  # fmt: skip
    note = (
        "The paper's numbers are of its own data and networks: unless the scale is paper, their order is what compares."
    )
    return [Table("Numbers", ("", *arms), rows, note)]


def _ours(m: Mapping[str, Any] | None, paper: Mapping[tuple[str, str, str], Cell]) -> Cell | str:
    """A mean with its interval, and what the paper prints."""
    if m is None or m["mean"] is None:
        return "–"
    metric, arm, setting = str(m["quantity"]), str(m["arm"]), str(m["setting"])
    there = next(filter(None, (paper.get((metric, arm, part)) for part in (setting, *setting.split(" · "), ""))), None)
    low, high = or_nan(m["low"]), or_nan(m["high"])
    small = interval(low, high, metric) + (f" · paper {there.text}" if there else "")
    return Cell(valued(m["mean"], metric), small.removeprefix("– · "), "", m["mean"], low, high)


def _reported(run: Mapping[str, Any]) -> dict[tuple[str, str, str], Cell]:
    """What the paper prints, by quantity, arm and setting; by "" where there is one setting only."""
    found: dict[tuple[str, str, str], list[Cell]] = {}
    for table in (run.get("published") or {}).values():
        for row in table.get("rows", []):
            unit = row.get("unit") or table.get("unit", "")
            text = (
                f"{row['value']:g}"
                + (f" ± {row['spread']:g}" if row.get("spread") else "")
                + (" %" if unit == "%" else "")
            )
            cell = Cell(text, str(row.get("erratum", "")), value=float(row["value"]))
            for part in {"", *str(row["setting"]).split(" · ")}:
                found.setdefault((str(row["quantity"]), str(row["arm"]), part), []).append(cell)
    return {key: cells[0] for key, cells in found.items() if len(cells) == 1}


def published(run: Mapping[str, Any]) -> list[Section]:
    """The paper's own tables, with known errata."""
    made: list[Section] = []
    for name, table in (run.get("published") or {}).items():
        rows = [
            Row(
                str(row["arm"]),
                (str(row["setting"]) or "–", str(row["quantity"]), _printed(row), str(row.get("erratum", "–"))),
            )
            for row in table.get("rows", [])
        ]
        if rows:
            text = f"{table.get('title', '')} ({table.get('where', '')}), in {table.get('unit', 'its units')}."
            made.append(
                Table(
                    f"What the paper reports: {name}",
                    ("arm", "setting", "quantity", "value", "erratum"),
                    rows,
                    text=text,
                )
            )
        if said := [*table.get("errata", []), *table.get("notes", [])]:
            made.append(Words(f"About {name}", said))
    return made


def _printed(row: Mapping[str, Any]) -> Cell:
    spread = f" ± {row['spread']:g}" if row.get("spread") else ""
    return Cell(
        f"{row['value']:g}{spread}", "read off a figure" if row.get("read_off") else "", value=float(row["value"])
    )


def cost(run: Mapping[str, Any]) -> Cost:
    """What all its cells take, those it shares with others too."""
    cells = run.get("cells") or {}
    seconds = float(run.get("seconds") or 0)
    rows = [("trained", f"{cells.get('trained', 0)} networks"), ("measured", f"{cells.get('measured', 0)} times")]
    watts = facts.WATTS["cpu"]
    rows += [("time of all cells", span(seconds)), ("energy", f"{seconds * watts / 3.6e6:.2g} kWh")]
    note = f"Of all cells, those too that other studies share; {watts:g} W are assumed for as long as they ran."
    return Cost("What it cost", rows, note)


def provenance(run: Mapping[str, Any]) -> Provenance:
    """Data, networks, objectives, versions."""
    rows = [(word, _some(list(map(str, values)))) for word, values in (run.get("made of") or {}).items()]
    rows += [
        ("measured by", f"pellucid {run.get('version', '')}".strip()),
        ("page written by", f"pellucid {__version__}"),
    ]
    return Provenance("Where it comes from", rows)


def _some(values: Sequence[str], most: int = 8) -> str:
    """
    >>> _some(["ce", "lico"]), _some(["ce", "lico", "cgc"], 2)
    ('ce; lico', 'ce; lico and 1 more')
    """
    left = len(values) - most
    return "; ".join(values[:most]) + (f" and {left} more" if left > 0 else "")


def _scale(run: Mapping[str, Any]) -> str:
    return f"{run['scale']} · {run.get('seeds')} seeds"

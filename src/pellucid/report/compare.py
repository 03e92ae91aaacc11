"""The page of a comparison: what differs between A and B, how surely, training by training, and side by side.

Differences are B less A: what was gained on the way from A to B. `pellucid compare -o FOLDER` leaves compare.json.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pellucid._version import __version__
from pellucid.report import facts, sheets
from pellucid.report.page import (
    ABOUT,
    Cell,
    Column,
    Dots,
    Dotted,
    Grid,
    Page,
    Provenance,
    Row,
    Section,
    Shown,
    Table,
    Words,
    measured,
)  # fmt: skip
from pellucid.report.train import spread
from pellucid.report.words import ARROWS, chance, entry, interval, is_control, name_of, or_nan, valued
from pellucid.results.kept import Pictures, Sample, read_pictures

FILE = "compare.json"
MARKS = (FILE,)
ALPHA = 0.05
NEEDED = ("a", "b", "data", "rows")


@dataclass(eq=False)
class Folder:
    """What a comparison left."""

    path: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        return facts.record(self.path / FILE, NEEDED, "compare again")

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        return [{**row, **{name: or_nan(row.get(name)) for name in ("a", "b", "difference", "low", "high", "p_holm")}}
                for row in self.record["rows"]]  # fmt: skip

    @cached_property
    def pictures(self) -> Pictures | None:
        key = self.record.get("pictures")
        return read_pictures(self.path, str(key)) if key else None


def page(folder: Path) -> Page:
    """Of a folder that `pellucid compare -o` wrote."""
    run = Folder(Path(folder))
    sections = [
        table(run.rows), *dots(run), *shown(run), facts.cost(run.record), facts.licences(_data(run)), provenance(run),
    ]  # fmt: skip
    return Page(
        "What changed from A to B?", sentences(run.rows), [one for one in sections if one is not None],
        under_title(run), str(run.record.get("command") or ""), [str(s) for s in run.record.get("warnings", [])],
        str(run.record.get("version", "")),
    )  # fmt: skip


# --- sentences --------------------------------------------------------------------------------------------------------


def sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """By what B is ahead, by what A; then each by how much. Controls know no model, and take no part."""
    mine = [row for row in rows if not _control(row)]
    said = [f"{_which(row)}: {_gap(row)} ({_p(row)})." for row in mine if _apart(row)]
    return [lead(mine), *said]


def lead(rows: Sequence[Mapping[str, Any]]) -> str:
    """The most important sentence.

    >>> row = {"explainer": "grad-cam", "ask": "logit", "metric": "insertion", "better": "higher", "says": "B better"}
    >>> lead([row | {"p_holm": 0.001}, row | {"metric": "sch", "p_holm": 0.8, "says": "not distinguishable"}])
    'B is better by insertion of grad-cam; of 2 numbers, 1 cannot be told apart.'
    """
    words = {"B better": "B is better by {}", "A better": "A is better by {}", "B higher": "B is higher in {}",
             "A higher": "A is higher in {}"}  # fmt: skip
    said = []
    for says, sentence in words.items():
        found = [row for row in rows if row.get("says") == says]
        said += [sentence.format(_grouped(found))] if found else []
    same = sum(not _apart(row) for row in rows)
    if not said:
        return f"Nothing that was measured tells A and B apart: {len(rows)} numbers, none of them distinguishable."
    left = f"of {len(rows)} numbers, {same} cannot be told apart" if same else "nothing else was measured"
    return f"{'; '.join(said)}; {left}."


def _grouped(rows: Sequence[Mapping[str, Any]]) -> str:
    """insertion of grad-cam and gradient, and accuracy"""
    by: dict[str, list[str]] = {}
    for row in rows:
        who = "" if row["explainer"] == "none" else _who(row, "logit")
        by.setdefault(name_of(str(row["metric"])), []).append(who)
    parts = [metric + (f" of {_and([w for w in who if w])}" if any(who) else "") for metric, who in by.items()]
    return ", ".join(dict.fromkeys(parts))


def _and(words: Sequence[str]) -> str:
    some = list(dict.fromkeys(words))
    return some[0] if len(some) == 1 else f"{', '.join(some[:-1])} and {some[-1]}"


def _who(row: Mapping[str, Any], usual: str = "") -> str:
    ask = str(row["ask"])
    return str(row["explainer"]) if ask == usual else entry(str(row["explainer"]), ask)


def _which(row: Mapping[str, Any]) -> str:
    return str(row["metric"]) if row["explainer"] == "none" else f"{row['metric']} of {_who(row)}"


def _gap(row: Mapping[str, Any]) -> str:
    """How far B is from A."""
    metric, said = str(row["metric"]), str(row.get("says"))
    more = "more" if row["difference"] > 0 else "less"
    better = f", which is {'better' if said == 'B better' else 'worse'}" if said in ("B better", "A better") else ""
    return (
        f"{valued(row['a'], metric)} in A, {valued(row['b'], metric)} in B, {valued(abs(row['difference']), metric)} "
        f"{more}{better}"
    )


def _p(row: Mapping[str, Any]) -> str:
    p = row["p_holm"]
    return "too few samples" if p != p else f"p {chance(p)}" if p < 0.001 else f"p = {chance(p)}"


def _apart(row: Mapping[str, Any]) -> bool:
    return bool(row["p_holm"] < ALPHA)


def _control(row: Mapping[str, Any]) -> bool:
    return is_control(str(row["explainer"]).partition(" → ")[0])


# --- tables -----------------------------------------------------------------------------------------------------------


def table(rows: Sequence[Mapping[str, Any]]) -> Section:
    """Every number of both, and their difference on the same samples."""
    made = []
    for row in rows:
        control, metric = _control(row), str(row["metric"])
        who = "the model" if row["explainer"] == "none" else _who(row)
        small = f"{who} · control" if control else who
        cells = (_plain(row["a"], metric), _plain(row["b"], metric), _difference(row), _p(row), _says(row))
        made.append(Row(metric + ARROWS.get(str(row.get("better")), ""), cells, control, small))
    text = "Paired, sample by sample: what B has more than A on the same samples. p is adjusted for all rows (Holm)."
    note = f"{ABOUT['sides']} {ABOUT['controls']}" if any(map(_control, rows)) else ABOUT["sides"]
    return Table("What differs", ("", "A", "B", "B less A", "p (Holm)", "so"), made, note, text=text)


def _plain(value: Any, metric: str) -> Cell:
    return measured(or_nan(value), math.nan, math.nan, metric)


def _difference(row: Mapping[str, Any]) -> Cell:
    metric, gap = str(row["metric"]), row["difference"]
    small = interval(row["low"], row["high"], metric)
    sign = "+" if gap > 0 else ""
    return Cell(sign + valued(gap, metric), "" if small == "–" else small, "", gap, row["low"], row["high"])


def _says(row: Mapping[str, Any]) -> Cell:
    said = str(row.get("says"))
    return Cell(said, tone="good" if said == "B better" else "bad" if said == "A better" else "soft")


# --- dots -------------------------------------------------------------------------------------------------------------


def dots(run: Folder) -> list[Section]:
    """Training by training, where there are several."""
    by: dict[str, list[Dotted]] = {}
    for row in run.rows:
        runs = [[or_nan(v) for v in row.get(f"runs_{side}") or []] for side in "ab"]
        if min(map(len, runs)) < 2:
            continue
        metric = str(row["metric"])
        scale = 100 if name_of(metric) == "accuracy" else 1
        for side, values in zip("AB", runs, strict=True):
            known = [scale * v for v in values if v == v]
            if known:
                who = "" if row["explainer"] == "none" else f" · {_who(row, 'logit')}"
                by.setdefault(metric, []).append(Dotted(f"{side}{who}", known, *spread(known), _control(row)))
    text = "Each training's mean over all samples. The interval of a mean is Student's over the trainings."
    return [Dots(f"{metric}, training by training" + (", %" if name_of(metric) == "accuracy" else ""), lines, metric,
                 text="" if i else text) for i, (metric, lines) in enumerate(by.items())]  # fmt: skip


# --- pictures ---------------------------------------------------------------------------------------------------------


def shown(run: Folder) -> list[Section]:
    """A beside B."""
    why = str(run.record.get("no pictures") or "")
    if run.pictures is None or not run.pictures.samples:
        return [Words("A beside B", [f"No pictures: {why}"], listed=False)] if why else []
    columns = sheets.columns_of(run.pictures)
    files, side = sheets.pngs(run.pictures, columns)
    about = {int(one["number"]): one for one in run.record.get("shown", [])}
    samples = [
        _sample(sample, maps, columns, about.get(sample.number, {}))
        for sample, maps in zip(run.pictures.samples, files, strict=True)
    ]
    metric = str(run.record.get("metric") or "")
    names = [f"change of {name_of(metric)}"] if metric else []
    note = sheets.note_on(side)
    text = f"{run.record.get('note', '')} {sheets.text_on(columns)}".strip()
    order: list[Literal["up", "down"]] = ["down"] * len(names)
    return [Grid("A beside B", columns, samples, names, order, note, "Sides", "largest {} first", text=text)]


def _sample(sample: Sample, files: Sequence[bytes], columns: Sequence[Column], about: Mapping[str, Any]) -> Shown:
    change = about.get("change")
    made = sheets.shown(sample, files, columns, about, "image")
    return replace(made, scores=[None if change is None else float(change)])


# --- where it comes from ----------------------------------------------------------------------------------------------


def under_title(run: Folder) -> list[tuple[str, str]]:
    """Both sides, and the data."""
    samples = run.record.get("samples")
    data = f"{run.record['data']}{f' · {samples:,} samples' if samples else ''}"
    return [*((side.upper(), _side(run.record[side])) for side in "ab"), ("data", data)]


def _side(about: Mapping[str, Any]) -> str:
    folders, models = (list(map(str, about.get(name) or [])) for name in ("folders", "models"))
    several = f"{len(folders)} trainings · " if len(folders) > 1 else ""
    return f"{several}{_some(models, 2)} · {_some(folders, 4)}"


def _some(words: Sequence[str], most: int) -> str:
    return ", ".join(words) if len(words) <= most else f"{', '.join(words[:most])} and {len(words) - most} more"


def provenance(run: Folder) -> Provenance:
    """Every model and folder of both."""
    rows = []
    for side in "ab":
        about = run.record[side]
        rows += [(f"{side.upper()}, model", ", ".join(map(str, about.get("models") or [])))]
        rows += [(f"{side.upper()}, measured into", ", ".join(map(str, about.get("folders") or [])))]
    rows += [("data", str(run.record["data"])), ("difference", "B less A"), ("interval", _how(run.record))]
    rows += [("compared by", f"pellucid {run.record.get('version', '')}".strip())]
    return Provenance("Where it comes from", [*rows, ("page written by", f"pellucid {__version__}")])


def _how(record: Mapping[str, Any]) -> str:
    several = max(len(record[side].get("folders") or []) for side in "ab") > 1
    return (
        "95 %, bootstrap over trainings, then samples; p by t with the variance of both"
        if several else "95 %, BCa bootstrap over samples; p by flipping signs: for these two models alone"
    )  # fmt: skip


def _data(run: Folder) -> dict[str, Any]:
    return {"data": run.record.get("licence") or {}}

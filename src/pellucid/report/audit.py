"""The page of an audit: the verdict, what it rests on, where the evidence lies, and the samples one should see."""

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pellucid.report import evaluate, facts, sheets
from pellucid.report.measured import Measured
from pellucid.report.page import Cell, Grid, Page, Row, Section, Table, Tone, Words
from pellucid.report.words import is_control, or_nan
from pellucid.results import Results
from pellucid.results.kept import read_pictures

FILE = "audit.json"
MARKS = (FILE,)
NEEDED = ("sentence", "findings", "explainers", "regions", "removals")
REGIONS = ("object", "other", "border", "background")
OUT = {"object": "the object", "object (mean colour)": "the object, filled with the mean colour",
       "all but object": "all but the object", "other": "the other objects", "border": "the border",
       "background": "the background"}  # fmt: skip


class Folder(evaluate.Folder):
    """What an audit left."""

    @cached_property
    def record(self) -> dict[str, Any]:
        """audit.json"""
        return facts.record(self.path / FILE, NEEDED, "audit again")

    @cached_property
    def results(self) -> Results:
        """As the audit put them together."""
        return Results.load(self.path / "results.parquet")


def page(folder: Path) -> Page:
    """Of a folder that `pellucid audit` wrote."""
    run = Folder(Path(folder))
    record, found = run.record, Measured(run.results, len(run.names))
    frame: Any = run.results.frame
    first = {str(name): value for name, value in frame.iloc[0].to_dict().items()}
    sections = [
        where(record), removed(record), trusted(record), *evaluate.shown(run, found, frame), why_not(run),
        evaluate.own_table(found), evaluate.table(found, run.asks), evaluate.cards(run), facts.cost(run.about),
        facts.licences(run.about), facts.provenance(run.about, run.run, first),
    ]  # fmt: skip
    return Page(
        "Is it right for the right reasons?", [str(record["sentence"])],
        [Words("What was found", [str(one) for one in record["findings"]]), *(one for one in sections if one)],
        facts.about(run.about, run.run, first, int(frame["sample"].nunique()), found.own), facts.command(run.run), (),
        str(record.get("version", "")),
    )  # fmt: skip


def where(record: Mapping[str, Any]) -> Section | None:
    """A row an explainer, a column a region."""
    found = {str(row["region"]): row for row in record["regions"]}
    known = [name for name in REGIONS if name in found and found[name].get("n")]
    if not known:
        return None
    sound = {str(one["explainer"]): bool(one["sound"]) for one in record["explainers"]}
    names = [*sound, *(str(one) for one in record.get("controls", ()) if str(one) in found[known[0]])]
    rows = [Row("share of the area", [_share(found[region].get("area")) for region in known])]
    for name in names:
        cells = [_between(found[region], name) for region in known]
        small = "control" if is_control(name) else "" if sound.get(name, True) else "not sound: not counted"
        rows.append(Row(name, cells, is_control(name), small))
    text = "The share of what speaks for the label, over right answers; an explainer that says nothing gives the area."
    return Table("Where the evidence lies", ("explainer", *known), rows, text=text)


def removed(record: Mapping[str, Any]) -> Section | None:
    """What stays when a part is taken out of the picture."""
    rows = []
    for row in record["removals"]:
        if row.get("n"):
            kept, low, high = (or_nan(row.get(name)) for name in ("kept", "low", "high"))
            cell = Cell(_percent(kept), _range(low, high), "", kept, low, high)
            before, after = (or_nan(row.get(name)) for name in ("before", "after"))
            change = "" if math.isnan(after) else f"{before:.2f} → {after:.2f}"
            rows.append(Row(OUT.get(str(row["taken out"]), str(row["taken out"])), (cell, change, f"{row['n']:,}")))
    text = "The model is asked again without a part of the picture. The verdict rests on these answers, not on maps."
    columns = ("without", "right answers that stay", "probability of the label", "samples")
    return Table("What the answers hang on", columns, rows, text=text) if rows else None


def trusted(record: Mapping[str, Any]) -> Section | None:
    """Which explainers were believed, and why."""
    rows = [
        Row(str(one["explainer"]), (_yes(one.get("beats")), _yes(one.get("sane")), _yes(one.get("sound"))))
        for one in record["explainers"]
    ]
    columns = ("explainer", "says more than a random map", "changes when the model forgets", "counted")
    return Table("Which maps may be believed", columns, rows) if rows else None


def why_not(run: Folder) -> Section | None:
    """Wrong answers: what speaks for the label, and what for the answer that was given instead."""
    key = run.record.get("why not")
    if not key:
        return None
    pictures = read_pictures(run.path, str(key))
    columns = sheets.columns_of(pictures)
    files, side = sheets.pngs(pictures, columns)
    samples = [
        evaluate.row_of(run, sample, maps, columns) for sample, maps in zip(pictures.samples, files, strict=True)
    ]
    text = (
        "Wrong answers, the surest first. Red speaks for the label and against the answer that was given, blue for "
        "that answer and against the label."
    )
    return Grid("Why not the label?", columns, samples, note=sheets.note_on(side), text=text)


def _yes(value: Any) -> Cell:
    tone: Tone = "soft" if value is None else "good" if value else "bad"
    return Cell("not known" if value is None else "yes" if value else "no", tone=tone)


def _between(row: Mapping[str, Any], name: str) -> Cell:
    mean, low, high = (or_nan(row.get(key)) for key in (name, f"{name} low", f"{name} high"))
    if math.isnan(mean):
        return Cell("–", tone="soft")
    small = "" if math.isnan(low) else _range(low, high)
    return Cell(_percent(mean), small, "", mean, low, high)


def _range(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {_percent(high)}"


def _share(value: Any) -> Cell:
    number = or_nan(value)
    return Cell(_percent(number), value=None if math.isnan(number) else number)


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"

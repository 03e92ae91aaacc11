"""The page of an evaluation: which explainers say more than others, and than chance; where they look; what it took."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pellucid.errors import BadFile
from pellucid.report import facts, sheets, verdicts
from pellucid.report.measured import OWN, Measured
from pellucid.report.page import (
    ABOUT,
    Card,
    Cards,
    Cell,
    Chart,
    Column,
    Gallery,
    Grid,
    Line,
    Page,
    Row,
    Section,
    Shown,
    Table,
    Words,
    measured,
)  # fmt: skip
from pellucid.report.words import ARROWS, entry, interval, is_control, name_of, number, valued
from pellucid.results import Results
from pellucid.results.kept import ABOUT as KEPT
from pellucid.results.kept import Pictures, Sample, read_about, read_pictures
from pellucid.results.store import Store

MARKS = ("run.json", KEPT, "results.parquet", "parts")
FIRST = "one of the first"
Order = Literal["up", "down"]


@dataclass(eq=False)
class Folder:
    """What a run left."""

    path: Path

    @cached_property
    def about(self) -> dict[str, Any]:
        """report.json, empty for a run of before there was one."""
        return read_about(self.path) or {}

    @cached_property
    def run(self) -> dict[str, Any]:
        """run.json, empty for a run from Python."""
        return facts.read_json(self.path / "run.json")

    @cached_property
    def results(self) -> Results:
        """The rows of the last run that came to its end."""
        last = self.path / "results.parquet"
        if not self.about and last.is_file():
            return Results.load(last)
        tasks = [str(task) for task in self.about.get("tasks", [])]
        if not tasks:
            raise BadFile(f"{self.path} holds a run that did not come to its end; run it again, what is there is kept.")
        store = Store(self.path)
        lost = len(set(tasks) - store.tasks().keys())
        if lost and last.is_file():
            return Results.load(last)
        if lost:
            raise BadFile(
                f"{lost} of {len(tasks)} tasks of {self.path} have no rows any more; run it again, the rest is kept."
            )
        return Results.of(store, tasks)

    @cached_property
    def pictures(self) -> Pictures | None:
        key = self.about.get("pictures")
        return read_pictures(self.path, str(key)) if key else None

    @cached_property
    def names(self) -> list[str]:
        return [str(name) for name in self.about.get("classes", [])]

    @cached_property
    def asks(self) -> dict[str, str]:
        """What each metric asks."""
        return {str(name): str(said) for name, said in (self.about.get("asks") or {}).items()}

    def said(self, number: int) -> str:
        """A class as one calls it."""
        known = 0 <= number < len(self.names)
        return self.names[number].partition(",")[0] if known else f"class {number}" if number >= 0 else "no label"


def page(folder: Path) -> Page:
    """Of a folder that `pellucid evaluate` or pl.evaluate wrote."""
    run = Folder(Path(folder))
    found = Measured(run.results, len(run.names))
    if not found.rows or not len(run.results):
        raise BadFile(f"{run.path} holds no rows; run it again.")
    frame: Any = run.results.frame
    first = {str(name): value for name, value in frame.iloc[0].to_dict().items()}
    return Page(
        "Which explanations say more, and where do they look?",
        sentences(found),
        [one for one in (
            own_table(found), table(found, run.asks), *shown(run, found, frame), best_table(found), cards(run),
            facts.cost(run.about), facts.licences(run.about), facts.provenance(run.about, run.run, first),
        ) if one is not None],
        facts.about(run.about, run.run, first, found.samples, found.own),
        facts.command(run.run),
        warnings(found),
        str(first.get("version", "")),
    )  # fmt: skip


def sentences(found: Measured) -> list[str]:
    """The first is the most important."""
    if found.bests:
        first = verdicts.lead(found.bests)
        return [first[:1].upper() + first[1:] if first.startswith("by ") else first,
                *(verdict.sentence() for verdict in found.bests)]  # fmt: skip
    rows = [row for row in found.rows if row["explainer"] != "none" and row["n"]]
    who = list(dict.fromkeys(entry(row["explainer"], row["ask"]) for row in rows))
    if not who:
        return [f"No explainer was measured; of the model: {found.own}."]
    said = "; ".join(
        f"{row['metric']} {valued(row['mean'], row['metric'])} ({interval(row['low'], row['high'], row['metric'])})"
        for row in rows if entry(row["explainer"], row["ask"]) == who[0]
    )  # fmt: skip
    alone = " It was measured alone, so it is compared with nothing." if len(who) == 1 else ""
    return [f"{who[0]}: {said}.{alone}"]


def warnings(found: Measured) -> list[str]:
    """Who is no better than chance."""
    said = verdicts.warning(found.from_chance)
    return [said] if said else []


# --- tables -----------------------------------------------------------------------------------------------------------


def own_table(found: Measured) -> Section | None:
    """The model's own numbers."""
    rows = found.of_model
    if not rows:
        return None
    names = [OWN.get(str(row["metric"]), str(row["metric"])) + ARROWS.get(str(row["better"]), "") for row in rows]
    made = Row("the model", [measured(row["mean"], row["low"], row["high"], row["metric"]) for row in rows])
    text = "A map tells what a model looks at; how often the model is right is another matter."
    return Table("The model itself", ("", *names), [made], text=text)


def table(found: Measured, asks: Mapping[str, str]) -> Section | None:
    """Metrics and explainers, the longer list downward. asks: what each metric asks."""
    rows = [row for row in found.rows if row["explainer"] != "none"]
    if not rows:
        return None
    cells = {(entry(row["explainer"], row["ask"]), row["metric"]): _cell(row) for row in rows}
    who = {entry(row["explainer"], row["ask"]): is_control(row["explainer"]) for row in rows}
    arrows = {row["metric"]: ARROWS.get(row["better"], "") for row in rows}
    empty = Cell("", tone="soft")
    note = ABOUT["sides"] + (f" {ABOUT['controls']}" if any(who.values()) else "")
    if len(arrows) >= len(who):
        heads = [f"{name} (control)" if control else name for name, control in who.items()]
        made = [
            Row(m + arrow, [cells.get((name, m), empty) for name in who], small=asks.get(m, ""))
            for m, arrow in arrows.items()
        ]
        columns: list[str] = ["metric", *heads]
    else:
        made = [
            Row(name, [cells.get((name, m), empty) for m in arrows], control, "control" if control else "")
            for name, control in who.items()
        ]
        columns = ["explainer · question", *(m + arrow for m, arrow in arrows.items())]
        note += "".join(f" {m}: {asks[m]}" for m in arrows if m in asks)
    text = "The mean over samples, and the interval in which it lies with 95 % confidence for samples like these."
    return Table("What was measured", columns, made, note, text=text)


def _cell(row: Mapping[str, Any]) -> Cell:
    made = measured(row["mean"], row["low"], row["high"], row["metric"])
    if not row["undefined"]:
        return made
    said = ", ".join(filter(None, (made.small, f"undefined {row['undefined']:,}")))
    return Cell(made.text, said, made.tone, made.value, made.low, made.high)


def best_table(found: Measured) -> Section | None:
    """The best and the second, and everybody beside chance."""
    lines = [*found.bests, *found.from_chance]
    if not lines:
        return None
    made = [
        Row(v.metric, (v.first, v.second, _gap(v), v.p_text, _says(v)))
        for v in lines
    ]  # fmt: skip
    columns = ("metric", "first", "second", "first less second", "p (Holm)", "so")
    text = "Paired, sample by sample: the best explainer and the second, then every explainer and chance."
    return Table("What can be told apart", columns, made, text=text)


def _gap(v: verdicts.Verdict) -> Cell:
    sign = "+" if v.difference > 0 else ""
    text, small = sign + number(v.difference), interval(v.low, v.high, v.metric)
    return Cell(text, "" if small == "–" else small, "", v.difference, v.low, v.high)


def _says(v: verdicts.Verdict) -> Cell:
    if not v.apart:
        return Cell("not distinguishable", tone="soft")
    return Cell("ahead", tone="good") if v.ahead else Cell("behind", tone="bad")


def cards(run: Folder) -> Section | None:
    """The protocols."""
    known = run.about.get("protocols") or run.run.get("protocols") or {}
    made = [Card(str(card.get("metric", "")), str(key), {str(k): str(v) for k, v in card.items() if k != "metric"})
            for key, card in known.items()]  # fmt: skip
    text = (
        "Everything besides its name that decides a number. Two numbers may be compared where their ids are the same."
    )
    return Cards("How it was measured", made, text=text) if made else None


# --- pictures ---------------------------------------------------------------------------------------------------------


def shown(run: Folder, found: Measured, frame: Any) -> list[Section]:
    """The grid of maps, and the failures."""
    if run.pictures is None or not run.pictures.samples:
        why = str(run.about.get("no pictures") or "")
        return [Words("Where they look", [f"No pictures are kept: {why}."], listed=False)] if why else []
    columns = sheets.columns_of(run.pictures)
    files, side = sheets.pngs(run.pictures, columns)
    scores = _scores(frame, found)
    samples = [
        row_of(run, sample, maps, columns, scores) for sample, maps in zip(run.pictures.samples, files, strict=True)
    ]
    names = [name for name, _, _ in scores]
    orders: list[Order] = ["down" if better == "lower" else "up" for _, better, _ in scores]
    made: list[Section] = []
    if columns:
        note, text = sheets.note_on(side), sheets.text_on(columns)
        made.append(Grid("Where they look", columns, samples, names, orders, note, text=text))
    failures = [s for s in samples if s.wrong or set(s.why) - {FIRST}]
    if failures:
        written = {s.number: [_written(v, name) for v, name in zip(s.scores, names, strict=True)] for s in failures}
        text = "Of those that are shown: wrong answers, and those on which the best explainer of a metric does worst."
        made.append(Gallery("Failures", failures, names, written, orders, text=text))
    return made


def _written(value: float | None, name: str) -> str:
    return "–" if value is None else valued(value, name)


def _scores(frame: Any, found: Measured) -> list[tuple[str, str, dict[int, float]]]:
    """Name, better side, and values by sample; confidence first."""
    made: list[tuple[str, str, dict[int, float]]] = []
    for row in found.rows:
        if row["explainer"] == "none" and row["metric"] in ("accuracy", "accuracy:k=5"):
            continue
        mine = frame[(frame["explainer"] == row["explainer"]) & (frame["ask"] == row["ask"])
                     & (frame["metric"] == row["metric"])].dropna(subset=["value"])  # fmt: skip
        own = row["explainer"] == "none"
        name = row["metric"] if own else f"{row['metric']} of {entry(row['explainer'], row['ask'])}"
        made.append((name, row["better"], dict(zip(mine["sample"].tolist(), mine["value"].tolist(), strict=True))))
    return made


def row_of(
    run: Folder, sample: Sample, files: Sequence[bytes], columns: Sequence[Column], scores: Sequence[Any] = ()
) -> Shown:
    """A sample of the grid, with its words."""
    wrong = sample.label >= 0 and sample.predicted >= 0 and sample.label != sample.predicted
    title = f"image {sample.number}: {run.said(sample.label)}"
    h, w = sample.maps.shape[1:] if len(sample.maps) else sample.picture.shape[:2]
    return Shown(
        sample.number, title, _lines(run, sample, wrong), sample.why, sheets.picture_webp(sample.picture), (w, h),
        "" if sample.outline is None else sheets.path_of(sample.outline),
        sheets.maps_of(sample, files, columns, title), charts(sample, columns),
        [values.get(sample.number) for _, _, values in scores], wrong,
    )  # fmt: skip


def _lines(run: Folder, sample: Sample, wrong: bool) -> list[str]:
    """What was answered, and which class is explained where it is neither."""
    if sample.predicted < 0:
        return []
    sure = "" if math.isnan(sample.confidence) else f", {100 * sample.confidence:.0f} % sure"
    said = [f"it says {run.said(sample.predicted)}{sure}" if wrong or sample.label < 0 else f"right{sure}"]
    if sample.target not in (sample.label, sample.predicted) or (wrong and sample.target != sample.label):
        said.append(f"explained: {run.said(sample.target)}")
    return said


def charts(sample: Sample, columns: Sequence[Column]) -> list[Chart]:
    """The curves behind the numbers."""
    made: list[Chart] = []
    for metric, lines in sample.curves.items():
        some = [
            Line(entry(columns[j].explainer, columns[j].ask), *line, column=j)
            for j, line in enumerate(lines) if line is not None and j < len(columns)
        ]  # fmt: skip
        if some:
            share = name_of(metric) in ("insertion", "deletion")
            made.append(Chart(metric, some, "share of the pixels" if share else "from the first step to the last"))
    return made

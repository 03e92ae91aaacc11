"""The page of the demo: what came out, where the networks look, how they learned, and how it was done.

`pellucid demo` leaves demo.json (sentences, numbers, words), its trainings with their logs, pictures and maps; all of
the page is made of these. summary.md is the same in Markdown, with the pictures beside it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pellucid._version import __version__
from pellucid.report import evaluate, facts, sheets, train
from pellucid.report.page import (
    Cards,
    Cell,
    Chart,
    Column,
    Cost,
    Curves,
    Dots,
    Dotted,
    Grid,
    Line,
    Page,
    Provenance,
    Row,
    Table,
    Tone,
    Words,
)  # fmt: skip
from pellucid.report.words import ARROWS, interval, valued
from pellucid.results.kept import ABOUT, Pictures, Sample, read_pictures

FILE = "demo.json"
MARKS = (FILE,)
HTML = "index.html"
BASE = "CE"
MEANS = {
    ("in", "accuracy"): "accuracy on scenes like those it learned from",
    ("out", "accuracy"): "accuracy where the ground tells nothing",
    ("maps", "sch"): "how much of a map lies inside the thing",
    ("maps", "pointing-game"): "how often the strongest pixel is in the thing",
    ("maps", "insertion"): "how soon the pixels that a map ranks first bring the answer",
    ("maps", "deletion"): "how soon the answer is lost without what a map ranks first",
    ("maps", "ses"): "how maps follow a moved picture",
    ("two", "mosu"): "how unevenly two things share a map",
}
NEEDED = ("sentences", "numbers", "about", "grids", "names")


# --- numbers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """One measure of one objective, and how far it is from CE's."""

    part: str
    explainer: str
    metric: str
    better: str
    mean: float
    low: float
    high: float
    undefined: float  # the share of samples without a value
    difference: float = math.nan
    least: float = math.nan  # where the difference may lie
    most: float = math.nan

    @property
    def who(self) -> str:
        """The explainer without its knobs."""
        return self.explainer.partition(":")[0]

    @property
    def says(self) -> str:
        """
        >>> Number("maps", "grad-cam", "deletion", "lower", 0.4, 0.3, 0.5, 0.0, -0.1, -0.2, -0.05).says
        'better'
        """
        if not (self.least > 0 or self.most < 0):
            return "not distinguishable"
        return "better" if (self.difference > 0) == (self.better == "higher") else "worse"

    @property
    def says_nothing(self) -> bool:
        """Whether it is compared with nothing."""
        return math.isnan(self.difference)

    @property
    def gap(self) -> str:
        """The difference, and where it may lie.

        >>> Number("maps", "grad-cam", "sch", "higher", 0.4, 0.3, 0.5, 0.0, 0.08, 0.05, 0.11).gap
        '+.08 (+.05 to +.11)'
        """
        if math.isnan(self.least):
            return signed(self.difference, self.metric)
        low, high = signed(self.least, self.metric).removesuffix(" points"), signed(self.most, self.metric)
        return f"{signed(self.difference, self.metric).removesuffix(' points')} ({low} to {high})"


Numbers = Mapping[str, Sequence[Number]]  # by objective


def signed(value: float, metric: str) -> str:
    """A difference as it is read; of accuracies in points.

    >>> signed(0.084, "sch"), signed(-0.0121, "accuracy"), signed(0.001, "sch"), signed(-1.25, "mosu"), signed(0, "sch")
    ('+.08', '−1.2 points', '+.001', '−1.25', '0')
    """
    if math.isnan(value) or not value:
        return "0" if value == 0 else "unknown"
    sign = "−" if value < 0 else "+"
    if metric == "accuracy":
        return f"{sign}{abs(100 * value):.1f} points"
    digits = 2 if abs(value) >= 0.0095 else 3 if abs(value) >= 0.00095 else 4
    return f"{sign}{abs(value):.{digits}f}".replace("0.", ".", 1)


def lines_of(found: Numbers) -> list[tuple[str, str, list[Number]]]:
    """Measure, what it says and by which explainer, and a number for every objective."""
    first = next(iter(found.values()))
    made = []
    for number in first:
        key = number.part, number.explainer, number.metric
        row = [next(n for n in some if (n.part, n.explainer, n.metric) == key) for some in found.values()]
        by = "" if number.explainer == "none" else f", by {number.explainer}"
        made.append((number.metric + ARROWS.get(number.better, ""), MEANS[number.part, number.metric] + by, row))
    return made


# --- the folder -------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Folder:
    """What a demo left."""

    path: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        return facts.record(self.path / FILE, NEEDED, "demo again: what is done is kept")

    @cached_property
    def numbers(self) -> dict[str, list[Number]]:
        return {name: [_number(row) for row in rows] for name, rows in self.record["numbers"].items()}

    @cached_property
    def runs(self) -> dict[str, list[train.Run]]:
        """The trainings that ended, by objective; none where their folders are gone."""
        made = {}
        for name in self.record["names"]:
            files = sorted(self.path.glob(f"runs/{str(name).lower()}-*/{train.FIT}"))
            some = [train.Run(file.parent, train.read(file)) for file in files]
            made[str(name)] = [run for run in some if run.ended]
        return {name: some for name, some in made.items() if some}

    @cached_property
    def all_runs(self) -> train.Runs | None:
        some = [run for runs in self.runs.values() for run in runs]
        return train.Runs(self.path, some, []) if some else None

    @cached_property
    def grids(self) -> "dict[str, tuple[Pictures, dict[int, Mapping[str, Any]]]]":
        """Pictures by what they show, and what is said of each scene."""
        return {
            str(one["name"]): (
                read_pictures(self.path, str(one["pictures"])),
                {int(scene["number"]): scene for scene in one.get("shown", [])},
            )
            for one in self.record["grids"]
        }

    @cached_property
    def calls(self) -> list[Mapping[str, Any]]:
        """What every measuring took."""
        files = sorted(self.path.glob(f"runs/*/measured/*/{ABOUT}"))
        return [call for file in files for call in facts.read_json(file).get("calls") or ()]


def record_of(found: Numbers) -> dict[str, list[dict[str, Any]]]:
    """The numbers as demo.json has them."""
    return {name: [asdict(number) for number in some] for name, some in found.items()}


def _number(row: Mapping[str, Any]) -> Number:
    texts = ("part", "explainer", "metric", "better")
    known: dict[str, Any] = {f.name: row.get(f.name) for f in fields(Number)}
    made: dict[str, Any] = {k: str(v) if k in texts else math.nan if v is None else float(v) for k, v in known.items()}
    return Number(**made)


def page(folder: Path) -> Page:
    """Of a folder that `pellucid demo` wrote."""
    run = Folder(Path(folder))
    sections = [
        table(run.numbers), networks(run), dots(run), learned(run), explainers(run), contrasts(run),
        Words("How it was done", [str(text) for text in run.record["about"]], listed=False), cards(run), cost(run),
        facts.licences({"data": run.record.get("licence") or {}}), provenance(run),
    ]  # fmt: skip
    return Page(
        "Does training towards better reasons give them?", [str(text) for text in run.record["sentences"]],
        [one for one in sections if one is not None], (), str(run.record.get("command") or ""), (),
        str(run.record.get("version", "")),
    )  # fmt: skip


# --- the table --------------------------------------------------------------------------------------------------------


def table(found: Numbers) -> Table:
    """A row a measure, a column an objective."""
    rows = [Row(metric, [_cell(n) for n in some], small=where) for metric, where, some in lines_of(found)]
    text = (
        "Means over seeds and scenes with their 95 % intervals; below those of the others the difference to "
        f"{BASE} on the same scenes."
    )
    return Table("What was measured", ("", *found), rows, "↑ more is better, ↓ less is better.", text=text)


def _cell(n: Number) -> Cell:
    mean = valued(n.mean, n.metric)
    if n.says_nothing:
        return Cell(mean, interval(n.low, n.high, n.metric), "", n.mean, n.low, n.high)
    tones: dict[str, Tone] = {"better": "good", "worse": "bad"}
    return Cell(mean, f"{n.gap} {n.says}", tones.get(n.says, ""), n.mean, n.low, n.high)


def markdown(
    sentences: Sequence[str], found: Numbers, about: Sequence[str], pictures: Sequence[tuple[str, str]]
) -> str:
    """summary.md"""
    head = ["measure", "what it says", *found]
    table = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for metric, where, row in lines_of(found):
        table.append(f"| {metric} | {where} | {' | '.join(_in_words(n) for n in row)} |")
    images = [f"![{said}]({name})" for name, said in pictures]
    return "\n\n".join([*sentences, "\n".join(table), *about, *images]) + "\n"


def _in_words(n: Number) -> str:
    mean = valued(n.mean, n.metric)
    if n.says_nothing:
        return f"{mean} ({interval(n.low, n.high, n.metric)})"
    return f"{mean}; {n.gap} {f'**{n.says}**' if n.says in ('better', 'worse') else n.says}"


# --- pictures ---------------------------------------------------------------------------------------------------------


def networks(run: Folder) -> Grid | None:
    """The same scenes under every network."""
    text = (
        "The same scenes under every network, and below each map what that network says it is. A map is divided by its "
        "mass: the scale counts thousandths of it, and is one for all networks."
    )
    return _grid(run, "networks", "Where they look", text, asked="Networks")


def explainers(run: Folder) -> Grid | None:
    """One network by several explainers, and how many of their strongest pixels lie in the thing."""
    text = (
        f"The network of {BASE}. logit asks what speaks for the class, contrast what speaks for it and not for the "
        "others; edges is a control that sees no network. The curves go through the pixels of a map from the strongest "
        "on: of those so far, how many lie in the thing. The flat line is chance, the thing's share of the picture."
    )
    return _grid(run, "explainers", "One network, several explainers", text)


def contrasts(run: Folder) -> Grid | None:
    """The classes between which a network wavers."""
    text = (
        f"The network of {BASE}, asked in four ways about each of the three classes that it takes for the likeliest, a "
        "line a class. logit: what speaks for it? contrast: what speaks for it and not for the others, each as much as "
        "it is likely; against the mean of the others; against the strongest of them."
    )
    return _grid(run, "contrasts", "Between which classes it wavers", text, across=4)


def _grid(run: Folder, name: str, title: str, text: str, asked: str = "Questions", across: int = 0) -> Grid | None:
    pictures, about = run.grids.get(name, (None, {}))
    if pictures is None or not pictures.samples:
        return None
    columns = sheets.columns_of(pictures)
    files, side = sheets.pngs(pictures, columns)
    samples = [
        replace(
            sheets.shown(sample, maps, columns, about.get(sample.number, {}), "scene"), charts=_curves(sample, columns)
        )
        for sample, maps in zip(pictures.samples, files, strict=True)
    ]
    if name != "networks":
        text = f"{text} {sheets.text_on(columns)}"
    return Grid(title, columns, samples, note=sheets.note_on(side), asked=asked, across=across, text=text)


def _curves(sample: Sample, columns: Sequence[Column]) -> list[Chart]:
    """With chance, which hits as often as the thing is large."""
    made = evaluate.charts(sample, columns)
    if sample.outline is None:
        return made
    area = float(sample.outline.mean())
    return [
        replace(
            one,
            x="share of the picture",
            lines=[*one.lines, Line("chance", one.lines[0].x, [area] * len(one.lines[0].x))],
        )
        for one in made
    ]


# --- how they learned -------------------------------------------------------------------------------------------------


def learned(run: Folder) -> Curves | None:
    """Accuracy, and KL(text ‖ image), by objective."""
    titles = {"validation": "Accuracy on new scenes", "kl_names": "KL(text ‖ image)", "ce": "Cross-entropy"}
    charts = [_chart(run, title, column) for column, title in titles.items()]
    text = (
        f"{train.ABOUT_SEEDS} New scenes have a ground that tells nothing. KL: how far the neighbourhoods of pictures "
        "are from those of the classes' names. Across: epochs."
    )
    made = [chart for chart in charts if chart is not None]
    return Curves("How they learned", made, text=text) if made else None


def _chart(run: Folder, title: str, column: str) -> Chart | None:
    found = {name: train.over_seeds([one.values(column) for one in runs]) for name, runs in run.runs.items()}
    known = {name: rows for name, rows in found.items() if len(rows[0]) > 1}
    if not known:
        return None
    lines = [Line(name, x, mean) for name, (x, mean, _, _) in known.items()]
    return Chart(title, lines, "epoch", band=[(x, low, high) for x, _, low, high in known.values()])


def dots(run: Folder) -> Dots | None:
    """The accuracy on new scenes, seed by seed."""
    lines = []
    for name, runs in run.runs.items():
        values = train.Runs(run.path, runs, []).last("validation")
        if len(values) > 1:
            lines.append(Dotted(f"{name}, %", *_percent(values)))
    text = "Accuracy on new scenes whose ground tells nothing, after the last epoch, in percent."
    return Dots("Every seed", lines, "accuracy", text=text) if lines else None


def _percent(values: Sequence[float]) -> tuple[list[float], float, float, float]:
    mean, low, high = train.spread(values, 0.0, 1.0)
    return [100 * v for v in values], 100 * mean, 100 * low, 100 * high


# --- how it was done --------------------------------------------------------------------------------------------------


def cards(run: Folder) -> Cards | None:
    """The recipe once, and every objective."""
    found = [made for runs in run.runs.values() if (made := train.cards(train.Runs(run.path, runs, [])))]
    unique = {(card.name, str(card.facts)): card for one in found for card in one.cards if card.id or card.facts}
    kept = [card for (name, _), card in unique.items() if not name.startswith(("terms", "recipe"))]
    recipe = [card for (name, _), card in unique.items() if name.startswith("recipe")][:1]
    return Cards("Settings", [*recipe, *kept], text=found[0].text) if found else None


def cost(run: Folder) -> Cost | None:
    """Of training, of measuring, and of both."""
    trained = None if run.all_runs is None else train.cost(run.all_runs, "trainings")
    measured = facts.cost({"calls": run.calls})
    made = [(word, one) for word, one in (("training", trained), ("measuring", measured)) if one is not None]
    rows = [(f"{word}: {what}", said) for word, one in made for what, said in one.facts]
    return Cost("What it cost", rows, " ".join(dict.fromkeys(one.note for _, one in made))) if rows else None


def provenance(run: Folder) -> Provenance:
    """Networks, data, machine."""
    rows: list[tuple[str, str]] = [(str(word), str(what)) for word, what in run.record.get("provenance", [])]
    computer = (run.all_runs.about if run.all_runs else {}).get("machine") or {}
    for word, name in (("Python", "python"), ("torch", "torch"), ("system", "system"), ("cores", "cores")):
        rows += [(word, str(computer[name]))] if computer.get(name) else []
    return Provenance("Where it comes from", [*rows, ("page written by", f"pellucid {__version__}")])

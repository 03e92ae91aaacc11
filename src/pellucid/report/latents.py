"""The page of encoders without labels: what each unit of a code looks at, and how alike units and encoders are.

`pellucid latents -o FOLDER` leaves latents.json, and the maps of the images that are shown.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pellucid.errors import BadFile
from pellucid.report import facts, pictures, sheets
from pellucid.report.page import (
    Card,
    Cards,
    Cell,
    Column,
    Grid,
    Map,
    Page,
    Picture,
    Provenance,
    Row,
    Section,
    Shown,
    Table,
    measured,
)  # fmt: skip
from pellucid.report.words import interval, number, or_nan
from pellucid.results.kept import Pictures, Sample, read_pictures

FILE = "latents.json"
MARKS = (FILE,)
NEEDED = ("dataset", "explainer", "encoders", "agreement")
WHOLE = "the whole code"
BY = {"pearson": "Pearson", "spearman": "Spearman", "cosine": "cosine", "entropy": "entropy, nats",
      "active": "active units"}  # fmt: skip


@dataclass(eq=False)
class Folder:
    """What the command left."""

    path: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        return facts.record(self.path / FILE, NEEDED, "latents again")

    @cached_property
    def encoders(self) -> list[dict[str, Any]]:
        found = self.record["encoders"]
        if not found or not all(
            isinstance(e, Mapping) and {"encoder", "units", "agreement"} <= e.keys() for e in found
        ):
            raise BadFile(f"{self.path / FILE} holds encoders without numbers; run pellucid latents again.")
        return list(found)

    @cached_property
    def names(self) -> list[str]:
        return [str(e["encoder"]) for e in self.encoders]

    @cached_property
    def pictures(self) -> Pictures | None:
        key = self.record.get("pictures")
        return read_pictures(self.path, str(key)) if key else None


def page(folder: Path) -> Page:
    """Of a folder that `pellucid latents -o` wrote."""
    run = Folder(Path(folder))
    sections = [
        units(run), factors(run), between(run), boxes(run), *shown(run), *by_factor(run), cards(run),
        facts.cost(run.record), facts.licences({"data": run.record.get("licence")}), provenance(run),
    ]  # fmt: skip
    return Page(
        "What do the units of a code look at?", sentences(run), [one for one in sections if one is not None],
        under_title(run), str(run.record.get("command") or ""), [str(s) for s in run.record.get("warnings", [])],
        str(run.record.get("version", "")),
    )  # fmt: skip


# --- sentences --------------------------------------------------------------------------------------------------------


def sentences(run: Folder) -> list[str]:
    """How alike the units' maps are; whether units stand for factors; whether encoders agree."""
    return [one for one in (lead(run), _factors_said(run), _between_said(run)) if one]


def lead(run: Folder) -> str:
    """The most important sentence: of the most and the least alike."""
    found = {name: _interval(e["agreement"].get("pearson")) for name, e in zip(run.names, run.encoders, strict=True)}
    known = sorted((name for name in found if not math.isnan(found[name][0])), key=lambda name: -found[name][0])
    if not known:
        return "No two units have maps that vary, so nobody can say how alike they are."
    count = run.record.get("images")
    over = f", in the mean over {count:,} images" if isinstance(count, int) else ""
    if len(run.encoders) == 1:
        return f"The maps of two units of {known[0]} have a Pearson correlation of {_with(*found[known[0]])}{over}."
    first, last = found[known[0]], found[known[-1]]
    said = f"Of {len(run.encoders)} encoders the units of {known[0]} look most alike: their maps have a Pearson "
    said += f"correlation of {_with(*first)}{over}"
    if len(known) < 2:
        return f"{said}."
    overlap = "; the intervals overlap" if first[1] <= last[2] else ""
    return f"{said}; those of {known[-1]} least, {_with(*last)}{overlap}."


def _with(mean: float, low: float, high: float) -> str:
    where = interval(low, high, "")
    return number(mean) if where == "–" else f"{number(mean)} ({where})"


def _factors_said(run: Folder) -> str:
    """By the gap of mutual information, who stands for factors best."""
    known = {name: or_nan((e.get("factors") or {}).get("MIG")) for name, e in zip(run.names, run.encoders, strict=True)}
    known = {name: value for name, value in known.items() if value == value}
    if not known:
        return ""
    best = max(known, key=lambda name: known[name])
    who = f"best in {best}" if len(known) > 1 else f"of {best}"
    return f"Whether one unit stands for one factor, {who}: a mutual information gap of {number(known[best])}."


def _between_said(run: Folder) -> str:
    """The least and the most alike of all pairs."""
    matrix = run.record["agreement"].get("pearson") or []
    pairs = [(or_nan(matrix[i][j]), run.names[i], run.names[j]) for i in range(len(matrix)) for j in range(i)]
    pairs = sorted(pair for pair in pairs if pair[0] == pair[0])
    if not pairs:
        return ""
    if len(pairs) == 1:
        return f"Whole codes: the maps of {pairs[0][1]} and {pairs[0][2]} correlate by {number(pairs[0][0])}."
    (low, *least), (high, *most) = pairs[0], pairs[-1]
    return (
        f"Whole codes: the maps of {' and '.join(most)} are the most alike, with a correlation of {number(high)}, "
        f"those of {' and '.join(least)} the least, with {number(low)}."
    )


def under_title(run: Folder) -> list[tuple[str, str]]:
    """Which encoders, data, explainer."""
    record = run.record
    counts = [f"{record['images']:,} explained"] if record.get("images") else []
    counts += [f"{record['encoded']:,} encoded"] if record.get("encoded") else []
    return [
        ("encoder" if len(run.names) == 1 else "encoders", ", ".join(str(e.get("model", "")) for e in run.encoders)),
        ("data", " · ".join([str(record["dataset"]), *counts])), ("explainer", str(record["explainer"])),
    ]  # fmt: skip


# --- tables -----------------------------------------------------------------------------------------------------------


def units(run: Folder) -> Section:
    """A row an encoder, image by image and of all pixels together."""
    rows = []
    for name, e in zip(run.names, run.encoders, strict=True):
        found = e["agreement"]
        count = f"{len(e['units'])} unit{'s' if len(e['units']) != 1 else ''}"
        small = " · ".join(filter(None, (count, _trained(e))))
        rows.append(Row(name, [measured(*_interval(found.get(by)), by) for by in BY], small=small))
        pooled = {by: or_nan((found.get(by) or {}).get("pooled")) for by in BY}
        if any(value == value for value in pooled.values()):
            cells = [measured(pooled[by], math.nan, math.nan, by) for by in BY]
            rows.append(Row(name, cells, small="all pixels of all images as one"))
    text = (
        "Of the maps of every two units: the correlation, the cosine, how many units share a pixel (entropy), and how "
        "many have more than an even share of it. Neither high nor low is good in itself."
    )
    note = "The mean over images, and the interval in which it lies with 95 % confidence for images like these."
    return Table("How alike the units are", ("encoder", *BY.values()), rows, note, text=text)


def _trained(e: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (str(e.get("objective") or ""), str(e.get("weight") or ""))))


def factors(run: Folder) -> Section | None:
    """Whether a unit stands for a factor, where the data knows its factors."""
    names = list(dict.fromkeys(name for e in run.encoders for name in e.get("factors") or {}))
    if not names:
        return None
    rows = [
        Row(name, [_plain((e.get("factors") or {}).get(metric)) for metric in names], small=_trained(e))
        for name, e in zip(run.names, run.encoders, strict=True)
    ]
    known, encoded = ", ".join(map(str, run.record.get("factors") or [])), run.record.get("encoded")
    text = f"The data knows what its images are made of: {known}." if known else "The data knows its factors."
    text += f" Measured on the codes of {encoded:,} images." if encoded else ""
    columns = ("encoder", *(f"{name} ↑" for name in names))
    return Table("Does a unit stand for a factor?", columns, rows, "↑ more is better.", text=text)


def by_factor(run: Folder) -> list[Section]:
    """A table an encoder, a row a factor."""
    made: list[Section] = []
    known = [str(name) for name in run.record.get("factors") or []]
    for name, e in zip(run.names, run.encoders, strict=True):
        found = {k: v for k, v in (e.get("by_factor") or {}).items() if len(v) == len(known)}
        if known and found:
            rows = [Row(factor, [_plain(found[k][i]) for k in found]) for i, factor in enumerate(known)]
            title = "Factor by factor" + (f": {name}" if len(run.names) > 1 else "")
            note = "– where all images have the same." if any(None in v for v in found.values()) else ""
            made.append(Table(title, ("factor", *(f"{k} ↑" for k in found)), rows, note))
    return made


def between(run: Folder) -> Section | None:
    """Every two encoders."""
    pearson, spearman = (run.record["agreement"].get(by) or [] for by in ("pearson", "spearman"))
    if not pearson:
        return None
    rows = []
    for i, name in enumerate(run.names):
        cells = [Cell("", tone="soft") if i == j else _pair(pearson[i][j], spearman[i][j] if spearman else None)
                 for j in range(len(run.names))]  # fmt: skip
        rows.append(Row(name, cells))
    text = "Pearson's correlation of the maps of their whole codes, and below it Spearman's: means over the images."
    return Table("Do they look at the same pixels?", ("", *run.names), rows, text=text)


def _pair(pearson: Any, spearman: Any) -> Cell:
    made = measured(or_nan(pearson), math.nan, math.nan, "")
    return replace(made, small="" if spearman is None else f"Spearman {number(or_nan(spearman))}")


def _plain(value: Any) -> Cell:
    return measured(or_nan(value), math.nan, math.nan, "")


# --- pictures ---------------------------------------------------------------------------------------------------------


def boxes(run: Folder) -> Section | None:
    """The boxes over weights and objectives, where several encoders were compared."""
    if "agreement.png" not in run.record.get("files", []):
        return None
    image, size = pictures.picture(run.path / "agreement.png")
    alt = f"Box plots of every number, for {', '.join(run.names)}; the tables above have the means"
    return Picture("The numbers as boxes", image, alt, size)


def shown(run: Folder) -> list[Section]:
    """The maps of units, then of whole codes."""
    if run.pictures is None or not run.pictures.samples:
        return []
    several = len(run.names) > 1
    text = "A map shows what raises a unit, and the number below it is the unit's value. "
    found = [_grid(run, "What each unit looks at", False, text)]
    whole = "What in the picture makes its code what it is, whatever the unit. "
    return [
        *found,
        _grid(run, "What the whole code looks at", True, whole + ("Codes of more units have larger maps. " * several)),
    ]


def _grid(run: Folder, title: str, whole: bool, text: str) -> Grid:
    assert run.pictures
    which = [j for j, entry in enumerate(run.pictures.entries) if (entry["ask"] == WHOLE) is whole]
    samples = [replace(sample, maps=sample.maps[which]) for sample in run.pictures.samples]
    entries = [run.pictures.entries[j] | ({"ask": "none"} if whole else {}) for j in which]
    some = Pictures(entries, samples)
    columns = sheets.columns_of(some)
    files, side = sheets.pngs(some, columns)
    values = [] if whole else [[or_nan(v) for e in run.encoders for v in _values(e, i)] for i in range(len(samples))]
    if not all(len(row) == len(columns) for row in values):
        values = []
    titles = [str(title) for title in run.record.get("titles") or []]
    rows = [
        _row(sample, titles[i] if i < len(titles) else str(sample.number), maps, columns, values[i] if values else [])
        for i, (sample, maps) in enumerate(zip(samples, files, strict=True))
    ]
    several = len(run.names) > 1
    names = [f"{c.ask} of {c.explainer}" if several else c.ask for c in columns] if values else []
    order: list[Literal["up", "down"]] = ["down"] * len(names)
    read = "Red raises it, blue lowers it. " if any(c.scale.signed for c in columns) else ""
    return Grid(
        title, columns, rows, names, order, sheets.note_on(side), "Units", "largest {} first", named="Encoders",
        text=f"{text}{read}The maps of one encoder share one scale.",
    )  # fmt: skip


def _values(e: Mapping[str, Any], i: int) -> Sequence[Any]:
    found = e.get("values") or []
    return found[i] if i < len(found) else []


def _row(
    sample: Sample, title: str, files: Sequence[bytes], columns: Sequence[Column], values: Sequence[float]
) -> Shown:
    maps = [
        Map(one.column, one.png, one.alt, number(values[j]) if values else "")
        for j, one in enumerate(sheets.maps_of(sample, files, columns, f"image {title}"))
    ]
    h, w = sample.maps.shape[1:]
    picture = sheets.picture_webp(sample.picture)
    return Shown(sample.number, f"image {title}", (), (), picture, (w, h), "", maps, (), list(values))


# --- how it was made --------------------------------------------------------------------------------------------------


def cards(run: Folder) -> Section | None:
    """The explainer's knobs, and the protocols of the numbers."""
    method, made = run.record.get("method"), list[Card]()
    if method:
        usual = method.get("usual") or {}
        knobs = {
            str(k): f"{v}{'' if usual.get(k, v) == v else ' · changed'}" for k, v in (method.get("knobs") or {}).items()
        }
        made.append(Card(str(method.get("name")), str(method.get("paper") or ""), knobs))
    for key, card in (run.record.get("protocols") or {}).items():
        known = {str(k): str(v) for k, v in card.items() if k != "metric"}
        made.append(Card(str(card.get("metric", "")), str(key), known))
    text = (
        "Everything besides its name that decides a number. Two numbers may be compared where their ids are the same."
    )
    return Cards("How it was measured", made, text=text) if made else None


def provenance(run: Folder) -> Provenance:
    """Encoders, data, seed, machine."""
    record = run.record
    rows = [(f"weights of {e['encoder']}", str(e["weights"])) for e in run.encoders if e.get("weights")]
    rows += [("data", f"{record['dataset']} {record.get('digest') or ''}".strip())]
    rows += [(word, str(record[word])) for word in ("transform", "seed") if record.get(word) is not None]
    return Provenance("Where it comes from", [*rows, *facts.written_by(record, str(record.get("version", "")))])


def _interval(found: Mapping[str, Any] | None) -> tuple[float, float, float]:
    """Mean and interval."""
    mean, low, high = (or_nan((found or {}).get(name)) for name in ("mean", "low", "high"))
    return mean, low, high

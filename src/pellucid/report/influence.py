"""The page of influences: which training examples answer for it, whether they show the same thing, and how it was made.

`pellucid influence -o FOLDER` leaves influence.json, and the pictures of the examples that are shown.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pellucid.errors import BadFile
from pellucid.report import facts, pictures, sheets
from pellucid.report.page import (
    Answer,
    Asked,
    Card,
    Cards,
    Cell,
    Examples,
    Licences,
    Near,
    Page,
    Picture,
    Provenance,
    Row,
    Section,
    Table,
    measured,
)  # fmt: skip
from pellucid.report.words import interval, or_nan, valued
from pellucid.results.kept import read_pictures
from pellucid.results.statistics import bca

FILE = "influence.json"
MARKS = (FILE,)
NEEDED = ("train", "test", "examples", "agreement")
TEST, TRAIN = "test", "train"  # why a picture is kept
PICTURED = 24  # test examples; of more than that there are numbers alone
SHARE = "accuracy"  # is written as a share is: in per cent
Entry = tuple[str, str]  # model, influence


@dataclass(eq=False)
class Folder:
    """What the command left."""

    path: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        return facts.record(self.path / FILE, NEEDED, "influence again")

    @cached_property
    def examples(self) -> dict[int, list[tuple[Entry, str, Answer]]]:
        """By test example: who answers, its label, the answer."""
        made: dict[int, list[tuple[Entry, str, Answer]]] = {}
        try:
            for row in self.record["examples"]:
                entry = str(row["model"]), str(row["influence"])
                answer = Answer(self.entries.index(entry), *(list(map(_near, row[side])) for side in SIDES))
                made.setdefault(int(row["test"]), []).append((entry, str(row["label"]), answer))
        except (KeyError, TypeError, ValueError) as cause:
            raise BadFile(
                f"{self.path / FILE} holds examples that cannot be read ({cause}); run pellucid influence again."
            ) from None
        return made

    @cached_property
    def entries(self) -> list[Entry]:
        """Every influence of every model."""
        return list(dict.fromkeys((str(row["model"]), str(row["influence"])) for row in self.record["examples"]))

    @cached_property
    def agreement(self) -> dict[Entry, dict[str, Any]]:
        """How many have the label of their test example; empty without labels."""
        return {(str(row["model"]), str(row["influence"])): row for row in self.record["agreement"]}

    @cached_property
    def controls(self) -> set[str]:
        """Influences that know nothing of the model."""
        return {str(one["influence"]) for one in self.record.get("methods", []) if one.get("control")}

    def who(self, entry: Entry) -> str:
        """As short as tells them apart."""
        names = {str(one["model"]): str(one["name"]) for one in self.record.get("models", [])}
        model, influence = names.get(entry[0], entry[0]), entry[1]
        several = [len({one[i] for one in self.entries}) > 1 for i in range(2)]
        return f"{model} · {influence}" if all(several) else model if several[0] else influence

    def said(self, count: int) -> str:
        """5 training images"""
        what = str(self.record.get("what", "examples"))
        return f"{count} training {what if count != 1 else what.removesuffix('s')}"

    @property
    def one(self) -> str:
        """image, or example"""
        return str(self.record.get("what", "examples")).removesuffix("s")

    @cached_property
    def top(self) -> int:
        """How many supporters each has."""
        return max((len(answer.supporters) for row in self.examples.values() for _, _, answer in row), default=0)


SIDES = ("supporters", "opponents")


def _near(one: Mapping[str, Any]) -> Near:
    same = one.get("same")
    return Near(int(one["train"]), str(one["label"]), None if same is None else bool(same), or_nan(one["score"]))


def page(folder: Path) -> Page:
    """Of a folder that `pellucid influence -o` wrote."""
    run = Folder(Path(folder))
    if not run.examples:
        raise BadFile(f"{run.path / FILE} holds no test examples; run pellucid influence again.")
    sections = [
        table(run), similarity(run), shown(run), side_by_side(run), cards(run), facts.cost(run.record), licences(run),
        provenance(run),
    ]  # fmt: skip
    return Page(
        "Which training examples does it lean on?", sentences(run), [one for one in sections if one is not None],
        under_title(run), str(run.record.get("command") or ""), warnings(run), str(run.record.get("version", "")),
    )  # fmt: skip


# --- sentences --------------------------------------------------------------------------------------------------------


def sentences(run: Folder) -> list[str]:
    """Whether supporters show the same thing: of the best, then of everybody."""
    if not run.agreement:
        many = len(run.examples)
        each = f"each of {many} test {run.one}s" if many > 1 else f"the test {run.one}"
        return [f"The {run.said(run.top)} that speak most for {each}, and those that speak most against it. There are "
                f"no labels, so nobody can count how many show the same thing."]  # fmt: skip
    known = [entry for entry in run.entries if entry in run.agreement]
    able = [entry for entry in known if entry[1] not in run.controls] or known
    best = max(able, key=lambda entry: or_nan(run.agreement[entry]["supporters"]))
    return [lead(run, best), *(_told(run, entry) for entry in known)]


def lead(run: Folder, entry: Entry) -> str:
    """The most important sentence."""
    row = run.agreement[entry]
    value, low, high = share(row, "supporters")
    by = f"by {run.who(entry)} " if len(run.entries) > 1 else ""
    where = interval(low, high, SHARE)
    sure = "" if where == "–" else f" ({where} with 95 % confidence)"
    single = len(run.examples) == 1
    most = f"Of the {run.said(run.top)} that {by}most support {'the' if single else 'each'} test {run.one}"
    if run.top == 1:
        most = f"Of the training {run.one}s that {by}support {'the' if single else 'each'} test {run.one} most"
    chance = valued(or_nan(row["chance"]), SHARE)
    return f"{most}, {valued(value, SHARE)} share its label{sure}; by chance {chance} would."


def _told(run: Folder, entry: Entry) -> str:
    """Both ends, and whether chance would do as well."""
    row = run.agreement[entry]
    _, low, high = share(row, "supporters")
    for_, against, chance = (valued(or_nan(row[name]), SHARE) for name in (*SIDES, "chance"))
    control = " (a control)" if entry[1] in run.controls else ""
    said = f"{run.who(entry)}{control}: {for_} of the supporters and {against} of the opponents have the label of their"
    covered = low <= or_nan(row["chance"]) <= high
    tail = "; the supporters cannot be told from chance" if covered else ""
    return f"{said} test {run.one}, {chance} of all training {run.one}s{tail}."


def warnings(run: Folder) -> list[str]:
    """What was random, and who is its own supporter."""
    said = [str(sentence) for sentence in run.record.get("warnings", [])]
    own = sum(
        any(row == near.number for _, _, answer in answers for near in answer.supporters)
        for row, answers in run.examples.items()
    )
    if own and run.record["train"] == run.record["test"]:
        said.append(
            f"Training and test {run.one}s are of the same data: {own} of {len(run.examples)} test {run.one}s are "
            f"among their own supporters, and are counted."
        )
    return said


def under_title(run: Folder) -> list[tuple[str, str]]:
    """Whose, of what, from what."""
    models = list(dict.fromkeys(model for model, _ in run.entries))
    many = len(run.examples)
    tested = f"{run.record['test']} · {many:,} test {run.one}{'s' if many != 1 else ''}"
    return [("model" if len(models) == 1 else "models", ", ".join(models)), ("trained on", str(run.record["train"])),
            ("asked about", tested)]  # fmt: skip


# --- tables -----------------------------------------------------------------------------------------------------------


def share(row: Mapping[str, Any], side: str) -> tuple[float, float, float]:
    """Of the supporters, or opponents, with the label of their test example: mean and interval over test examples."""
    return spread([or_nan(v) for v in (row.get("each") or {}).get(side, [])], or_nan(row[side]))


def spread(values: Sequence[float], mean: float = math.nan) -> tuple[float, float, float]:
    """A mean, and its interval; none where all are the same, for then resampling knows no doubt."""
    known = [v for v in values if v == v]
    if len(set(known)) < 2:
        return (known[0] if known else mean), math.nan, math.nan
    found = bca(known)
    return found.mean, found.low, found.high


def table(run: Folder) -> Section | None:
    """A row for every influence of every model."""
    if not run.agreement:
        return None
    rows = []
    for entry, found in run.agreement.items():
        control, chance = entry[1] in run.controls, or_nan(found["chance"])
        cells = [measured(*share(found, side), SHARE) for side in SIDES]
        last = Cell(valued(chance, SHARE), value=chance)
        rows.append(Row(run.who(entry), (*cells, last), control, "control" if control else ""))
    columns = ("influence" if len({m for m, _ in run.entries}) == 1 else "model", "supporters", "opponents", "all")
    text = (
        f"The share with the label of their test {run.one}: of the {run.top} strongest supporters, of the {run.top} "
        f"strongest opponents, and of all training {run.one}s, which is what chance gives."
    )
    note = f"Intervals of 95 % are over test {run.one}s. A control knows nothing of the model." if run.controls else (
        f"Intervals of 95 % are over test {run.one}s."
    )  # fmt: skip
    return Table("Do they show the same thing?", columns, rows, note, text=text)


def similarity(run: Folder) -> Section | None:
    """Rates of both ends, where all scores were asked for."""
    found = run.record.get("similarity") or []
    if not found:
        return None
    shares = sorted({or_nan(one["share"]) for one in found})
    rows = []
    for entry in run.entries:
        cells: list[Cell | str] = []
        mine = {or_nan(one["share"]): one for one in found if (one["model"], one["influence"]) == entry}
        for some in shares:
            ends = [mine.get(some, {}).get(side) or [] for side in ("most", "least")]
            cells += [measured(*spread([or_nan(v) for v in end]), SHARE) for end in ends]
        rows.append(Row(run.who(entry), cells, entry[1] in run.controls))
    columns = ["", *(f"{side} important {100 * some:g} %" for some in shares for side in ("most", "least"))]
    text = (
        f"The similarity rate: how many of the most important training {run.one}s have the label of their test "
        f"{run.one}, and how many of the least important. Read them together: the importance is worth something where "
        f"the most important lie above the least."
    )
    unknown = any(isinstance(cell, Cell) and cell.value is None for row in rows for cell in row.cells)
    note = f"–: the share is less than one training {run.one}." if unknown else ""
    return Table("Similarity rates", columns, rows, note, text=text)


# --- pictures ---------------------------------------------------------------------------------------------------------


def shown(run: Folder) -> Section:
    """Test examples beside those that answer for them."""
    kept = read_pictures(run.path, str(key)).samples if (key := run.record.get("pictures")) else []
    test, train = ({one.number: one.picture for one in kept if one.why == [why]} for why in (TEST, TRAIN))
    names = [run.who(entry) for entry in run.entries]
    asked = [_asked(run, row, test.get(row)) for row in list(run.examples)[:PICTURED]]
    size = kept[0].picture.shape[:2] if kept else (1, 1)
    needed = {near.number for one in asked for a in one.answers for near in (*a.supporters, *a.opponents)}
    tiles = {i: sheets.picture_webp(picture) for i, picture in train.items() if i in needed}
    orders: list[tuple[str, Literal["up", "down"]]] = []
    for name in names:
        by = f" by {name}" if len(names) > 1 else ""
        if run.agreement:
            orders.append((f"fewest supporters with its label first{by}", "up"))
        orders.append((f"strongest support first{by}", "down"))
    more = len(run.examples) - len(asked)
    note = f"{len(asked)} of {len(run.examples)} test {run.one}s are shown; all are in {FILE}." if more else ""
    text = f"The number below a training {run.one} is its score; scores of two influences, or of two models, cannot be "
    text += "compared. " + (f"= has the label of the test {run.one}, ≠ another." if run.agreement else "")
    return Examples(
        "Who answers for it", names, asked, tiles, (size[1], size[0]), orders, bool(run.agreement), note,
        text=text.strip(),
    )  # fmt: skip


def _asked(run: Folder, row: int, picture: Any) -> Asked:
    answers = run.examples[row]
    scores: list[float | None] = []
    by = {answer.who: answer for _, _, answer in answers}
    for who in range(len(run.entries)):
        found = by.get(who, Answer(who))
        alike = [near.same for near in found.supporters]
        if run.agreement:
            scores.append(sum(map(bool, alike)) / len(alike) if alike else None)
        scores.append(found.supporters[0].score if found.supporters else None)
    label = answers[0][1]
    title = f"test {run.one} {row}" + (f": {label}" if label else "")
    return Asked(
        row, title, b"" if picture is None else sheets.picture_webp(picture), [one for _, _, one in answers], scores,
    )  # fmt: skip


def side_by_side(run: Folder) -> Section | None:
    """The sheet of the first example that each found, where several were asked."""
    name = run.record.get("sheet")
    if not name:
        return None
    image, size = pictures.picture(run.path / Path(str(name)).name)
    who = ", ".join(map(run.who, run.entries))
    text = f"The training {run.one} that each finds most important; a green frame has the label of the test {run.one}."
    alt = f"For every test {run.one} the most important training {run.one} by {who}"
    return Picture("Side by side", image, alt, size, text=text)


# --- how it was made --------------------------------------------------------------------------------------------------


def cards(run: Folder) -> Section | None:
    """Every knob of every influence; and of the similarity rate."""
    made: dict[str, Card] = {}
    for one in run.record.get("methods", []):
        usual = one.get("usual") or {}
        known = {
            str(k): f"{v}{'' if usual.get(k, v) == v else ' · changed'}" for k, v in (one.get("knobs") or {}).items()
        }
        known |= {"loss": str(one["loss"])} if one.get("loss") else {}
        known |= {"checkpoints": str(one["checkpoints"])} if one.get("checkpoints") else {}
        made.setdefault(str(one["influence"]), Card(str(one["name"]), str(one.get("paper") or ""), known))
    for one in run.record.get("similarity") or []:
        known = {str(k): str(v) for k, v in (one.get("facts") or {}).items() if k not in ("metric", "better")}
        made.setdefault(str(one.get("card")), Card("similarity-rate", str(one.get("card", "")), known))
    text = "Everything besides its name that decides a score. Two scores may be compared where all of it is the same."
    return Cards("How it was made", list(made.values()), text=text) if made else None


def licences(run: Folder) -> Licences | None:
    """Of both data sets; once where the terms are the same."""
    found = [facts.licences({"data": one}) for one in run.record.get("licences") or []]
    both = [one for one in found if one is not None]
    if not both:
        return None
    rows = [*both[0].facts]
    if len(both) > 1 and [row for row in both[1].facts if row[0] != "data"] != rows[1:]:
        rows += both[1].facts
    elif len(both) > 1:
        rows.insert(1, both[1].facts[0])
    return Licences(both[0].title, list(dict.fromkeys(rows)), both[0].note)


def provenance(run: Folder) -> Provenance:
    """Models, data, seed, machine."""
    record = run.record
    rows = [(f"weights of {one['name']}", str(one["weights"])) for one in record.get("models", [])]
    digests = [str(one) for one in record.get("digests") or ("", "")]
    for word, digest in zip(("train", "test"), digests, strict=False):
        rows.append((f"{word} data", f"{record[word]} {digest}".strip()))
    rows += [(word, str(record[word])) for word in ("transform", "seed") if record.get(word) is not None]
    return Provenance("Where it comes from", [*rows, *facts.written_by(record, str(record.get("version", "")))])

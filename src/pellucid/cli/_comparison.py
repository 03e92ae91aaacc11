"""The table behind `pellucid compare`. Differences are B less A: what was gained on the way from A to B."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

import pellucid
from pellucid.cli._console import console, note
from pellucid.cli._measured import matching
from pellucid.errors import BadFile, BadInput, listed
from pellucid.files import write_atomically
from pellucid.report.compare import FILE
from pellucid.report.words import ARROWS, chance, entry, interval, is_control, number, valued
from pellucid.results import Results
from pellucid.results._results import WHAT, WHERE
from pellucid.results.plain import as_text, plain

FIRST = ("accuracy", "accuracy:k=5", "confidence")
COLUMNS = [*WHAT, "a", "b", "difference", "low", "high", "p", "p_holm", "d_z", "n", "undefined", "runs", "says"]


@dataclass(eq=False)
class Side:
    """A or B: what was measured into one folder, or into several of the same kind."""

    letter: str
    folders: list[Path]
    runs: list[Results]

    @classmethod
    def read(cls, letter: str, text: str) -> "Side":
        paths = found(text)
        return cls(letter, paths, [loaded(path) for path in paths])

    @cached_property
    def results(self) -> Results:
        return self.runs[0] if len(self.runs) == 1 else Results.together(self.runs)

    def all_of(self, column: str) -> list[str]:
        frame: Any = self.results.frame
        return [str(value) for value in frame[column].unique()]

    def only(self, metrics: Sequence[str], explainers: Sequence[str]) -> None:
        """Leave out the rest."""
        self.runs = [_only(run, metrics, explainers) for run in self.runs]
        self.__dict__.pop("results", None)

    def said(self) -> str:
        """The model, and where its rows are."""
        several = f"{len(self.runs)} trainings · " if len(self.runs) > 1 else ""
        return f"{several}{listed(self.all_of('model'), 2)} · {listed(self.folders, 4)}"


def found(text: str) -> list[Path]:
    """The folders that a text means: one, several with commas, a pattern; in the order of their names."""
    if Path(text).exists():
        return [Path(text)]
    paths: list[Path] = []
    for word in text.split(","):
        some = [Path(word)] if Path(word).exists() else [Path(p) for p in glob.glob(word, recursive=True)]  # noqa: PTH207
        if not some:
            raise BadFile(f"{word or text} is not there; give folders or files that pellucid evaluate wrote.")
        paths += some
    return sorted(dict.fromkeys(paths))


def loaded(path: Path) -> Results:
    """The rows of a folder; where several things were measured into it, those of its last run."""
    last = path / "results.parquet"
    if path.is_dir() and last.is_file() and not (path / "parts").is_dir():
        return Results.load(last)
    results = Results.load(path)
    frame: Any = results.frame
    several = [column for column in WHERE if column in frame and frame[column].nunique() > 1]
    if not several or not path.is_dir():
        return results
    if not last.is_file():
        raise BadInput(f"{path} holds runs that differ in {listed(several)}; run the one that is meant to its end.")
    one: Any = Results.load(last).frame
    return results.only(**{column: list(one[column].unique()) for column in WHERE if column in one})


def _only(results: Results, metrics: Sequence[str], explainers: Sequence[str]) -> Results:
    frame: Any = results.frame
    own = frame["explainer"] == "none"
    keep = own & frame["metric"].isin(FIRST)
    keep |= frame["metric"].isin(list(metrics)) & (own | frame["explainer"].isin(list(explainers)))
    return Results(frame[keep].reset_index(drop=True))


@dataclass(eq=False)
class Comparison:
    """Two sides, with what both have measured."""

    a: Side
    b: Side
    metrics: list[str]
    left_out: list[str]  # sentences

    @classmethod
    def read(cls, a: str, b: str, metrics: Sequence[str], explainers: Sequence[str]) -> "Comparison":
        sides = Side.read("A", a), Side.read("B", b)
        _same_data(*sides)
        chosen: dict[str, list[str]] = {}
        for column, words in (("metric", metrics), ("explainer", explainers)):
            known = sorted({value for side in sides for value in side.all_of(column)} - {"none"})
            chosen[column] = [t for word in words for t in matching(word, known, f"--{column}")] if words else known
        for side in sides:
            side.only(chosen["metric"], chosen["explainer"])
        return cls(*sides, chosen["metric"], _left_out(*sides))

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Of the model, then explainer by explainer, controls last."""
        found: Any = self.a.results.compare(self.b.results).to_dict("records")
        return sorted((self._turned(row) for row in found), key=_order)

    def _turned(self, row: dict[str, Any]) -> dict[str, Any]:
        """B less A, in place of A less B."""
        names = {"explainer": "none", "ask": "none"} if row["metric"] in FIRST else {}
        for column in ("explainer", "ask"):
            if column not in row and column not in names:  # either side has one of its own
                ours = [next((v for v in side.all_of(column) if v != "none"), "none") for side in (self.a, self.b)]
                names[column] = ours[0] if ours[0] == ours[1] else f"{ours[0]} → {ours[1]}"
        turned = {"difference": -row["difference"], "low": -row["high"], "high": -row["low"], "d_z": -row["d_z"]}
        return row | names | turned | {"says": _said(row)}

    # --- what comes out ---------------------------------------------------------------------------------------------

    def write(self, path: Path) -> None:
        """The table, as CSV."""
        rows = [{"b_less_a" if c == "difference" else c: row[c] for c in COLUMNS} for row in self.rows]
        frame = pd.DataFrame(rows)
        write_atomically(path, frame.to_csv(index=False).encode())

    def keep(self, folder: Path, about: dict[str, Any]) -> None:
        """The table, and compare.json for its page. about: what else there is to say."""
        self.write(folder / "compare.csv")
        frame: Any = self.a.results.frame
        record = self._document() | {"samples": int(frame["sample"].nunique()), "version": pellucid.__version__}
        record["rows"] = [self._by_training(row) for row in self.rows]
        record["warnings"] = [f"{said[:1].upper()}{said[1:]}" for said in (*self.left_out, *self._unlike())]
        write_atomically(folder / FILE, as_text(record | about).encode())

    def _by_training(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with the mean of every training of either side."""
        explainers, asks = (str(row[name]).split(" → ") for name in ("explainer", "ask"))
        found = {}
        for side, e, q in zip("ab", (explainers[0], explainers[-1]), (asks[0], asks[-1]), strict=True):
            runs = (self.a if side == "a" else self.b).runs
            found[f"runs_{side}"] = [_mean(run, e, q, row["metric"]) for run in runs]
        return {column: plain(row[column]) for column in (*COLUMNS, "better")} | found

    def print(self, as_json: bool, written: Sequence[Path]) -> None:
        if as_json:
            print(as_text(self._document()))
            return
        for sentence in [*self.left_out, *self._unlike()]:
            note(sentence)
        self._head()
        self._table()
        if written:
            print(f"\nWritten: {listed(written)}")

    def _document(self) -> dict[str, Any]:
        sides = {
            side.letter.lower(): {"models": side.all_of("model"), "folders": [str(f) for f in side.folders]}
            for side in (self.a, self.b)
        }
        rows = [{column: plain(row[column]) for column in COLUMNS} for row in self.rows]
        return {**sides, "data": self.a.all_of("data")[0], "difference": "b less a", "rows": rows}

    def _unlike(self) -> list[str]:
        """What else differs, and may be why."""
        said = []
        for column, what in (("explains", "explains"), ("seed", "has the seed"), ("transform", "sees pictures by")):
            a, b = (listed(side.all_of(column)) for side in (self.a, self.b))
            said += [f"A {what} {a} and B {b}; part of the difference may come from that."] if a != b else []
        return said

    def _head(self) -> None:
        from rich.text import Text

        frame: Any = self.a.results.frame
        samples = f"{self.a.all_of('data')[0]} · {frame['sample'].nunique():,} samples"
        for name, line in (("A", self.a.said()), ("B", self.b.said()), ("data", samples)):
            console().print(Text(f"{name:<6}", "bold").append(line, "not bold"), soft_wrap=True)

    def _table(self) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold")
        titles = ("explainer · ask", "metric", "A", "B", "B less A", "95 % interval", "p (Holm)", "effect d_z", "n", "")
        for title in titles:
            right = title in ("A", "B", "B less A", "p (Holm)", "effect d_z", "n")
            table.add_column(title, overflow="fold", justify="right" if right else "left")
        last = None
        for row in self.rows:
            who = "the model" if row["explainer"] == "none" else _who(row)
            if last not in (None, who):
                table.add_row()
            style = "dim" if is_control(row["explainer"].partition(" → ")[0]) else None
            table.add_row(*map(Text, ["" if who == last else who, *_cells(row)]), style=style)
            last = who
        console().print("", table)


def _mean(run: Results, explainer: str, ask: str, metric: str) -> float:
    """Over samples."""
    f: Any = run.frame
    mine = f[(f["explainer"] == explainer) & (f["ask"] == ask) & (f["metric"] == metric)]
    return float(mine["value"].mean())


def _same_data(a: Side, b: Side) -> None:
    one, two = (set(side.all_of("data")) for side in (a, b))
    if one != two:
        raise BadInput(
            f"A was measured on {listed(sorted(one))} and B on {listed(sorted(two))}; measure both on the same data."
        )


def _left_out(a: Side, b: Side) -> list[str]:
    """Explainers that only one side has, unless each has one."""
    sides = [[e for e in side.all_of("explainer") if e != "none"] for side in (a, b)]
    if len(sides[0]) == len(sides[1]) == 1:
        return []
    only = [[e for e in mine if e not in theirs] for mine, theirs in (sides, sides[::-1])]
    return [
        f"only {side.letter} has {listed(some)}, left out." for side, some in zip((a, b), only, strict=True) if some
    ]


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    own = row["explainer"] == "none"
    first = FIRST.index(row["metric"]) if row["metric"] in FIRST else len(FIRST)
    control = not own and is_control(row["explainer"].partition(" → ")[0])
    return not own, control, row["explainer"], row["ask"], first, row["metric"]


def _who(row: dict[str, Any]) -> str:
    return f"{entry(row['explainer'], row['ask'])}{'  (control)' if is_control(_of_a(row['explainer'])) else ''}"


def _of_a(text: str) -> str:
    return text.partition(" → ")[0]


def _said(row: dict[str, Any]) -> str:
    """A's view of it, said of both."""
    if row["p"] != row["p"]:
        return "too few samples"
    words = {"better": "A better", "worse": "B better", "higher": "A higher", "lower": "B higher"}
    return words.get(row["says"], "not distinguishable")


def _cells(row: dict[str, Any]) -> list[str]:
    metric = row["metric"]
    sign = "+" if row["difference"] > 0 else ""
    return [
        metric + ARROWS.get(row["better"], ""), valued(row["a"], metric), valued(row["b"], metric),
        sign + valued(row["difference"], metric), interval(row["low"], row["high"], metric),
        chance(row["p_holm"]), number(row["d_z"]), f"{row['n']:,}", row["says"],
    ]  # fmt: skip

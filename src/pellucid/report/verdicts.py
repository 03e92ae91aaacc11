"""What the numbers of several explainers can tell apart: the best from the second, each from chance."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pellucid.report.words import chance, entry, is_control, name_of, number
from pellucid.results import Results
from pellucid.results.statistics import holm

Row = dict[str, Any]
ALPHA = 0.05
RANDOM = "random-map"


@dataclass(frozen=True)
class Verdict:
    """Of two explainers by one metric; p is adjusted for the number of verdicts of its kind."""

    metric: str
    first: str
    second: str
    difference: float  # the first less the second
    low: float
    high: float
    p: float
    better: str

    @property
    def apart(self) -> bool:
        return self.p < ALPHA

    @property
    def ahead(self) -> bool:
        """Whether the first is better, as far as that can be told."""
        return self.apart and (self.difference > 0) == (self.better == "higher")

    @property
    def p_text(self) -> str:
        if self.p != self.p:
            return "too few samples"
        return f"p {chance(self.p)}" if self.p < 0.001 else f"p = {chance(self.p)}"

    def as_row(self) -> Row:
        return asdict(self) | {"distinguishable": self.apart}

    def sentence(self) -> str:
        if not self.apart:
            return f"{self.metric}: {self.first} and {self.second} are not distinguishable ({self.p_text})."
        side = "ahead of" if self.ahead else "behind"
        by = f"{number(abs(self.difference))} ({self.p_text})"
        return f"{self.metric}: {self.first} is {side} {self.second}, by {by}."


def bests(results: Results, rows: Sequence[Row]) -> list[Verdict]:
    """By each metric the best explainer and the second; controls do not take part."""
    pairs = []
    for ranked in _by_metric(rows):
        mine = [row for row in ranked if not is_control(row["explainer"])]
        if len(mine) > 1:
            pairs.append((mine[0], mine[1]))
    return _adjusted(results, pairs)


def from_chance(results: Results, rows: Sequence[Row]) -> list[Verdict]:
    """By each metric every explainer and the random map, where that was measured."""
    pairs = []
    for ranked in _by_metric(rows):
        random = next((row for row in ranked if name_of(row["explainer"]) == RANDOM), None)
        if random is not None:
            pairs += [(row, random) for row in ranked if not is_control(row["explainer"])]
    return _adjusted(results, pairs)


def warning(verdicts: Sequence[Verdict]) -> str:
    """Who is no better than chance, or nothing."""
    kinds: list[tuple[str, Callable[[Verdict], bool]]] = [
        ("not distinguishable from", lambda v: not v.apart),
        ("worse than", lambda v: v.apart and not v.ahead),
    ]
    said = []
    for words, of_kind in kinds:
        found = [v for v in verdicts if of_kind(v)]
        by = [f"{who} by {_and([v.metric for v in found if v.first == who])}" for who in _each(v.first for v in found)]
        said += [f"{words} {found[0].second}: {'; '.join(by)}."] if found else []
    return " ".join(text[0].upper() + text[1:] for text in said)


def _by_metric(rows: Sequence[Row]) -> list[list[Row]]:
    """The explainers' rows of each metric that has a better side, the best first."""
    made = []
    for metric in _each(row["metric"] for row in rows):
        mine = [r for r in rows if r["metric"] == metric and r["explainer"] != "none" and r["mean"] == r["mean"]]
        if mine and mine[0]["better"] != "neither":
            made.append(sorted(mine, key=lambda r: r["mean"], reverse=mine[0]["better"] == "higher"))
    return made


def _adjusted(results: Results, pairs: Sequence[tuple[Row, Row]]) -> list[Verdict]:
    found = [_compared(results, *pair) for pair in pairs]
    p = holm([row["p"] for row in found])
    return [
        Verdict(
            one["metric"], entry(one["explainer"], one["ask"]), entry(two["explainer"], two["ask"]),
            row["difference"], row["low"], row["high"], float(adjusted), row["better"],
        )
        for (one, two), row, adjusted in zip(pairs, found, p, strict=True)
    ]  # fmt: skip


def _compared(results: Results, one: Row, two: Row) -> Row:
    first, second = (results.only(**{c: row[c] for c in ("explainer", "ask", "metric")}) for row in (one, two))
    [found] = first.compare(second).to_dict("records")
    return {str(key): value for key, value in found.items()}


def _each(words: Any) -> list[str]:
    return list(dict.fromkeys(words))


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def lead(bests: Sequence[Verdict]) -> str:
    """The most important sentence: who is ahead, by what; and by what nobody is.

    >>> one = Verdict("insertion", "grad-cam", "gradient", 0.1, 0.05, 0.15, 0.001, "higher")
    >>> lead([one, Verdict("sch", "gradient", "grad-cam", 0.01, -0.1, 0.1, 0.8, "higher")])
    'grad-cam is the best by insertion; by sch the best two cannot be told apart.'
    """
    said = []
    for who in _each(v.first for v in bests if v.ahead):
        said.append(f"{who} is the best by {_and([v.metric for v in bests if v.ahead and v.first == who])}")
    same = [v.metric for v in bests if not v.ahead]
    if same:
        said.append(f"by {_and(same)} the best two cannot be told apart")
    return f"{'; '.join(said)}." if said else ""

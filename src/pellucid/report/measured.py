"""Measured: what both the console and the page tell of results: rows, the model's own numbers, what stands out."""

from functools import cached_property
from typing import Any

from pellucid.report import verdicts
from pellucid.report.words import interval, valued
from pellucid.results import Results
from pellucid.results.statistics import wilson

OWN = {"accuracy": "accuracy", "accuracy:k=5": "top-5", "confidence": "confidence"}
TOP = 5


class Measured:
    """Of results that are complete."""

    def __init__(self, results: Results, outputs: int = 0) -> None:
        self.results, self.outputs = results, outputs
        found = results.summary().to_dict("records")
        self.rows: list[dict[str, Any]] = [{str(key): value for key, value in row.items()} for row in found]
        for row in self.rows:
            self._by_wilson(row)

    def _by_wilson(self, row: dict[str, Any]) -> None:
        """The interval of a share, where it is one: ties count in parts."""
        if row["metric"] not in ("accuracy", "accuracy:k=5"):
            return
        frame: Any = self.results.frame
        values: Any = frame[(frame["explainer"] == "none") & (frame["metric"] == row["metric"])]["value"].dropna()
        if len(values) and values.isin((0.0, 1.0)).all():
            share = wilson(int(values.sum()), len(values))
            row["low"], row["high"] = share.low, share.high

    @property
    def samples(self) -> int:
        frame: Any = self.results.frame
        return int(frame["sample"].nunique())

    @property
    def of_model(self) -> list[dict[str, Any]]:
        """The model's own numbers that say something: of five classes or fewer, the top five hold all."""
        known = [row for row in self.rows if row["explainer"] == "none" and row["n"]]
        return [row for row in known if not (row["metric"] == "accuracy:k=5" and 0 < self.outputs <= TOP)]

    @cached_property
    def bests(self) -> list[verdicts.Verdict]:
        return verdicts.bests(self.results, self.rows)

    @cached_property
    def from_chance(self) -> list[verdicts.Verdict]:
        return verdicts.from_chance(self.results, self.rows)

    @property
    def own(self) -> str:
        """Accuracy, top-5 where it says more, confidence."""
        said = []
        for row in self.of_model:
            if row["metric"] in OWN:
                mean, where = valued(row["mean"], row["metric"]), interval(row["low"], row["high"], row["metric"])
                said.append(f"{OWN[row['metric']]} {mean} ({where})")
        return " · ".join(said) or "no accuracy and no confidence: no classifier, or no labels"

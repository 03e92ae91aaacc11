"""--fail-under: the worst mean that is still accepted, and who does not reach it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.cli._measured import matching
from pellucid.errors import BadInput
from pellucid.report.words import entry, is_control, number


@dataclass(frozen=True)
class Bound:
    """Of one metric."""

    metric: str
    value: float
    better: str

    def broken_by(self, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """What is to be said of each explainer on the wrong side; of controls nothing."""
        mine = [row for row in rows if row["metric"] == self.metric and not is_control(row["explainer"])]
        return [self._said(row) for row in mine if not self._holds(row["mean"])]

    def _holds(self, mean: float) -> bool:
        return mean <= self.value if self.better == "lower" else mean >= self.value

    def _said(self, row: Mapping[str, Any]) -> str:
        whose = "" if row["explainer"] == "none" else f" of {entry(row['explainer'], row['ask'])}"
        if math.isnan(row["mean"]):
            return f"{self.metric}{whose} is undefined for every sample"
        side = "above" if self.better == "lower" else "below"
        return f"{self.metric}{whose} is {number(row['mean'])}, {side} {self.value:g}"


def read_bounds(texts: Sequence[str], measured: Mapping[str, str]) -> list[Bound]:
    """Of METRIC=VALUE; measured: which side of every metric is better."""
    return [bound for text in texts for bound in _read(text, measured)]


def _read(text: str, measured: Mapping[str, str]) -> list[Bound]:
    name, _, said = text.rpartition("=")
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not name or not math.isfinite(value):
        raise BadInput(f"--fail-under is {text!r}; write METRIC=VALUE, such as insertion=0.5.")
    found = matching(name, measured, "--fail-under")
    for metric in found:
        if measured[metric] == "neither":
            raise BadInput(f"--fail-under is {text!r}, and of {metric} neither side is better; name another metric.")
    return [Bound(metric, value, measured[metric]) for metric in found]

"""Trust: which explainers may be believed: those that beat a random map, and that notice when the model forgets.

A random map is beaten by being better in insertion or deletion (sign flips, adjusted after Holm, p < 0.05) and worse in
neither. A map is sane if it surely has little to do (rank correlation below SANE) with the one that it becomes while
the model forgets: a control such as an edge detector has 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.results import Results
from pellucid.results.statistics import Interval, bca

FAITHFUL = ("insertion", "deletion")
SANITY = ("sanity-cascading", "sanity-independent")
SANE = 0.5  # half of the order of its pixels may be that of the image, which both maps are of


@dataclass(frozen=True)
class Trust:
    """What was found of one explainer; None is not known."""

    explainer: str
    beats: bool | None
    sane: bool | None
    words: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing speaks against it."""
        return self.beats is not False and self.sane is not False


def trusted(results: Results, explainers: Sequence[str], control: str) -> list[Trust]:
    """Of each explainer."""
    return [_of(results, explainer, control) for explainer in explainers]


def _of(results: Results, explainer: str, control: str) -> Trust:
    beats, faithful = _beats(results, explainer, control)
    sane, forgets = _sane(results, explainer)
    said = "; ".join(filter(None, (faithful, forgets)))
    return Trust(explainer, beats, sane, f"{explainer}: {said}." if said else "")


def _metrics(results: Results, explainer: str, names: Sequence[str]) -> list[str]:
    frame: Any = results.frame
    mine = frame.loc[(frame["explainer"] == explainer) & frame["value"].notna(), "metric"].astype(str).unique()
    return [metric for metric in mine if metric.partition(":")[0] in names]


def _beats(results: Results, explainer: str, control: str) -> tuple[bool | None, str]:
    metrics = _metrics(results, explainer, FAITHFUL)
    metrics = [m for m in metrics if m in _metrics(results, control, FAITHFUL)]
    if not metrics:
        return None, ""
    sides = [results.only(explainer=one, metric=metrics) for one in (explainer, control)]
    found: dict[str, str] = {str(r["metric"]): r["says"] for r in sides[0].compare(sides[1]).to_dict("records")}
    beats = "better" in found.values() and "worse" not in found.values()
    said = ", ".join(f"{how} in {metric}" for metric, how in found.items())
    return beats, f"beside a random map {said}"


def _sane(results: Results, explainer: str) -> tuple[bool | None, str]:
    metrics = _metrics(results, explainer, SANITY)
    if not metrics:
        return None, ""
    found = [_mean(results, explainer, metric) for metric in metrics]
    sane = all((one.mean if np.isnan(one.high) else one.high) < SANE for one in found)
    said = ", ".join(f"{one.mean:.2f}" for one in found)
    how = "changes" if sane else "hardly changes"
    return sane, f"it {how} while the model forgets (rank correlation {said})"


def _mean(results: Results, explainer: str, metric: str) -> Interval:
    return bca(results.only(explainer=explainer, metric=metric).frame["value"].to_numpy(dtype=float))


def agreement_of(maps: dict[str, Any]) -> str:
    """How alike the explainers' maps of some samples are, pair by pair."""
    from pellucid.engine._agreement import agreement

    names, said = list(maps), []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            alike = bca(agreement(maps[first].relu(), maps[second].relu()).cpu().numpy())
            if alike.n > 1:
                said.append(f"{first} and {second} {alike.mean:.2f} ({alike.low:.2f} to {alike.high:.2f})")
    return f"Rank correlation of what the maps say for the class: {'; '.join(said)}." if said else ""

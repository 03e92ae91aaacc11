"""Findings: what stands beside the verdict, in sentences and in tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pellucid.engine._regions import LOOKS, REGIONS
from pellucid.engine._trust import Trust
from pellucid.engine._verdict import (
    ALPHA,
    HALF,
    Facts,
    Verdict,
    _classes_of,
    accuracy,
    leanings,
    most_frequent,
    percent,
    share,
)  # fmt: skip
from pellucid.errors import listed
from pellucid.results.statistics import bca


def findings_of(facts: Facts, verdict: Verdict, trust: Sequence[Trust]) -> list[str]:
    found = accuracy(facts)
    said = [f"It names {percent(found)} of {found.n} samples rightly; always the most frequent label would name "
            f"{100 * most_frequent(facts):.0f} %."] if found.n else []  # fmt: skip
    sound = [one.explainer for one in trust if one.sound]
    said.append(
        f"Nothing speaks against {listed(sound)}." if sound else "No explainer is sound, so no map is counted here."
    )
    return [
        *said, *(one.words for one in trust if one.words), *_other_places(facts, verdict), *leanings(facts),
        *_on_background(facts), *_other_fill(facts),
    ]  # fmt: skip


def _other_places(facts: Facts, verdict: Verdict) -> list[str]:
    """Places that hold besides the one in the first sentence."""
    said: list[str] = []
    for tried in facts.tried:
        classes = _classes_of(facts, tried)
        if classes and str(tried.place) != verdict.shortcut:
            names = listed([facts.said(c) for c in classes], 3)
            said.append(f"The right answers of {names} hang on {tried.place} too.")
    return said


def _on_background(facts: Facts) -> list[str]:
    """Classes of which most answers stay without the object, where that cannot be chance."""
    labels, kept = facts.answers["label"].to_numpy(), facts.kept("object")
    classes = np.unique(labels[facts.right])
    level = 1 - ALPHA / max(1, len(classes))
    counts = {c: share(np.where(labels == c, kept, np.nan), level) for c in classes.tolist()}
    mine = sorted((c for c, found in counts.items() if found.n and found.low > HALF), key=lambda c: -counts[c].low)
    if not mine or len(mine) == len(classes):
        return []
    said = [f"{facts.said(c)} {100 * counts[c].mean:.0f} % of {counts[c].n}" for c in mine]
    return [f"Classes of which most right answers stay without the object: {listed(said, 5)}."]


def _other_fill(facts: Facts) -> list[str]:
    """Whether it matters what stands in the object's place."""
    blurred, flat = (share(facts.kept(name)) for name in ("object", "object (mean colour)"))
    if not blurred.n or (flat.low <= blurred.high and blurred.low <= flat.high):
        return []
    return [f"With the data's mean colour in the object's place {percent(flat)} of the right answers stay, with what "
            f"surrounds it {percent(blurred)}: it matters what is put there."]  # fmt: skip


# --- tables -----------------------------------------------------------------------------------------------------------


def regions_of(facts: Facts, shares: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Over the right answers, and where any object is known over those with one."""
    rows: list[dict[str, Any]] = []
    first: Any = next(iter(shares.values()), None)
    if first is None:
        return pd.DataFrame(columns=["region", "area", "n"])
    known = facts.right & first["area of object"].notna().to_numpy()
    mine = known if known.any() else facts.right
    for region in REGIONS:
        areas = first.loc[mine, f"area of {region}"]
        row: dict[str, Any] = {"region": region, "area": float(areas.mean()), "n": int(areas.notna().sum())}
        for explainer, table in shares.items():
            found = bca(table.loc[mine, region].to_numpy(dtype=float))
            row |= {explainer: found.mean, f"{explainer} low": found.low, f"{explainer} high": found.high}
            row[f"{explainer} lift"] = found.mean / row["area"] if row["area"] else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def removals_of(facts: Facts) -> pd.DataFrame:
    """Of the right answers, how many stay, and the probability of the label before and after."""
    parts = [(what, facts.kept(what), facts.answers[f"probability {what}"].to_numpy(dtype=float))
             for what in LOOKS if what != "nothing"]  # fmt: skip
    parts += [(str(t.place), 1 - np.where(facts.right, t.lost, np.nan), None) for t in facts.tried]
    before = facts.answers["probability"].to_numpy(dtype=float)
    rows: list[dict[str, Any]] = []
    for what, kept, after in parts:
        found, there = share(kept), ~np.isnan(kept)
        row = {"taken out": what, "n": found.n, "kept": found.mean, "low": found.low, "high": found.high}
        known = {} if after is None else {
            "before": _nanmean(before[there]), "after": _nanmean(after[there])
        }  # fmt: skip
        rows.append(row | known)
    return pd.DataFrame(rows)


def _nanmean(values: Any) -> float:
    return float(np.nanmean(values)) if len(values) and not np.isnan(values).all() else float("nan")

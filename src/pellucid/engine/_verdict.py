"""Verdict: is the model right for the right reasons? By what it answers, and not by what a map shows.

    kept     of the right answers, the share that stays (the same, at least half as sure) when the object is taken out
    alone    the share that stays with the object alone
    chance   Σ_c P(answer c without the object) P(label c): what would stay if the rest told nothing

                            kept                                      alone
    right                   surely less than half, and not surely     more often than kept, or surely more than half
                            above chance + SPARE
    wrong                   surely more than half                     less often than kept
    in part                 surely above chance + SPARE               otherwise

Surely is by Wilson's interval at 95 %; more often is by flipping the signs of the paired differences, p < 0.05. All
else cannot be said. A model that is wrong leans on a shortcut: on the place, the other objects or the border without
which most answers are lost, and more of them than without an equal place, or without the background; else on the
background. A shortcut of one class only is a place without which most right answers of that class are lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from pellucid.engine._places import FEW, Place
from pellucid.results.statistics import Interval, bca, flips, wilson

Says = Literal["right", "wrong", "in part", "unknown"]
Flags = Any  # a row of 0, 1 and NaN

LEVEL = 0.95
ALPHA = 1 - LEVEL
ENOUGH = 20  # right answers with a known object: of fewer, Wilson's interval of a half is wider than 0.4
HALF = 0.5  # most: what holds for most right answers is said of the model
SPARE = 0.1
"""More than chance may stay in a model that is right: a blurred patch still tells where a thing was, and how large,
and grounds tell a little about things everywhere."""
WRONG = "Right, but for the wrong reasons"
UNKNOWN = "It cannot be said whether the model is right for the right reasons"
WORDS = {"other": "another object", "border": "the border", "background": "the background"}


@dataclass(frozen=True)
class Verdict:
    """What can be said, and what it rests on."""

    says: Says
    sentence: str
    shortcut: str = ""  # in words; none where it is right
    classes: tuple[int, ...] = ()  # whose shortcut it is; none: of all
    numbers: dict[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Tried:
    """A place, and what came of taking it out."""

    place: Place
    lost: Flags  # [n], of all samples
    elsewhere: Flags  # without another place as large


@dataclass(frozen=True, eq=False)
class Facts:
    """What a verdict is made of: a row a sample.

    answers: label, predicted, kept NAME (1, 0, or NaN where there is nothing to take away); regions: the shares of the
    evidence and of the area by region, the mean over the explainers that are sound, or none."""

    answers: pd.DataFrame
    regions: pd.DataFrame | None
    tried: Sequence[Tried]
    names: Sequence[str]
    beats: bool = True  # whether any explainer says more than a random map

    @cached_property
    def labelled(self) -> Flags:
        return self.answers["label"].to_numpy() >= 0

    @cached_property
    def right(self) -> Flags:
        return self.labelled & (self.answers["predicted"].to_numpy() == self.answers["label"].to_numpy())

    def kept(self, name: str) -> Flags:
        """Of the right answers, those that stay; NaN for others."""
        return np.where(self.right, np.asarray(self.answers[f"kept {name}"], dtype=float), np.nan)

    def said(self, number: int) -> str:
        return self.names[number] if 0 <= number < len(self.names) else f"class {number}"


# --- numbers ----------------------------------------------------------------------------------------------------------


def share(flags: Flags, level: float = LEVEL) -> Interval:
    """Of those that are known, how many."""
    known = flags[~np.isnan(flags)]
    return wilson(int(known.sum()), len(known), level)


def percent(found: Interval) -> str:
    """
    >>> percent(wilson(71, 100))
    '71 % (61 to 79)'
    """
    if np.isnan(found.low):
        return f"{100 * found.mean:.0f} %"
    return f"{100 * found.mean:.0f} % ({100 * found.low:.0f} to {100 * found.high:.0f})"


def chance(facts: Facts, name: str = "object") -> float:
    """How many answers would stay if what is left told nothing about the label."""
    a: Any = facts.answers
    known = facts.right & ~np.isnan(np.asarray(a[f"kept {name}"], dtype=float))
    labels, answered = (a[c].to_numpy()[known] for c in ("label", f"predicted {name}"))
    return (
        float(sum((answered == c).mean() * (labels == c).mean() for c in np.unique(labels))) if known.any() else np.nan
    )


def surely_more(a: Flags, b: Flags) -> bool:
    """On the samples that both know."""
    d = (a - b)[~np.isnan(a - b)]
    return len(d) > 1 and bool(d.mean() > 0) and flips(d) < ALPHA


def accuracy(facts: Facts) -> Interval:
    """Of the samples with a label."""
    return share(np.where(facts.labelled, facts.right.astype(float), np.nan))


def most_frequent(facts: Facts) -> float:
    """What one would get who always says the most frequent label."""
    labels = facts.answers["label"].to_numpy()[facts.labelled]
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels)) if len(labels) else np.nan


def evidence(facts: Facts, *regions: str) -> tuple[Interval, float] | None:
    """The share of the evidence in some regions, over the right answers with a known object, and of the area."""
    if facts.regions is None:
        return None
    table: Any = facts.regions[facts.right & facts.regions["object"].notna().to_numpy()]
    shares = table[list(regions)].sum(axis=1, skipna=False)
    return bca(shares.to_numpy()), float(table[[f"area of {r}" for r in regions]].sum(axis=1).mean())


# --- the sentence -----------------------------------------------------------------------------------------------------


def judged(facts: Facts) -> Verdict:
    """The first sentence."""
    held = _held_back(facts)
    of_class = _of_classes(facts)
    if held:
        return Verdict("unknown", f"{UNKNOWN}: {held}."
                       + _but(facts, of_class), str(of_class[0].place) if of_class else "")  # fmt: skip
    kept, alone = facts.kept("object"), facts.kept("all but object")
    numbers = {"kept": share(kept), "alone": share(alone)}
    says = _says(facts, kept, alone)
    whole = _of_all(facts)
    if says == "wrong":
        return _wrong(facts, numbers, whole)
    if whole is not None and says != "right":
        return _at_a_place(facts, numbers, whole, ())
    if of_class:
        return _at_a_place(facts, numbers, of_class[0], _classes_of(facts, of_class[0]))
    if says == "right":
        return Verdict(
            "right", f"Right for the right reasons: {_removed(numbers)}{_on_object(facts)}.", "", (), numbers
        )
    if says == "in part":
        return _in_part(facts, numbers)
    return Verdict("unknown", f"{UNKNOWN}: {_removed(numbers)}, "
                   f"which shows neither.", "", (), numbers)  # fmt: skip


def _held_back(facts: Facts) -> str:
    """Why nothing can be said, or nothing."""
    n, found = int(facts.labelled.sum()), accuracy(facts)
    if not n:
        return "the data has no labels"
    level = most_frequent(facts)
    if not found.low > level:
        return (f"it names {percent(found)} of {n} samples rightly, and always the most frequent label would name "
                f"{100 * level:.0f} %")  # fmt: skip
    known = share(facts.kept("object")).n
    if not known and not (~np.isnan(np.asarray(facts.answers["kept object"], dtype=float))).any():
        return "the data does not tell where the object is"
    if known < ENOUGH:
        return f"of only {known} right answers is it known where the object is, and {ENOUGH} are needed"
    if not facts.beats and _says(facts, facts.kept("object"), facts.kept("all but object")) == "unknown":
        return "no explainer says more than a random map, and taking things away shows neither"
    return ""


def _says(facts: Facts, kept: Flags, alone: Flags) -> Says:
    out, only = share(kept), share(alone)
    if out.low > HALF and surely_more(kept, alone):
        return "wrong"
    spare = out.low > chance(facts) + SPARE
    if out.high < HALF and not spare and (surely_more(alone, kept) or only.low > HALF):
        return "right"
    return "in part" if spare else "unknown"


def _removed(numbers: dict[str, Interval]) -> str:
    kept, alone = numbers["kept"], numbers["alone"]
    return (f"of {kept.n} right answers {percent(kept)} stay the same when the object is taken out of the picture, and "
            f"{percent(alone)} with the object alone")  # fmt: skip


def _on_object(facts: Facts) -> str:
    found = evidence(facts, "object")
    return "" if found is None else (
        f"; {percent(found[0])} of the evidence lies on the object, which is {100 * found[1]:.0f} % of the area"
    )  # fmt: skip


def _held(facts: Facts, *regions: str) -> str:
    """How much of the evidence lies there; nothing where no map is to be trusted."""
    found = evidence(facts, *regions)
    return "" if found is None else (
        f", where {percent(found[0])} of the evidence lies on {100 * found[1]:.0f} % of the area"
    )  # fmt: skip


def _wrong(facts: Facts, numbers: dict[str, Interval], whole: Tried | None) -> Verdict:
    if whole is not None:
        return _at_a_place(facts, numbers, whole, ())
    region = shortcut(facts)
    parts = ("border", "background") if region == "background" else (region,)
    without = "" if region == "background" else f", and {percent(share(1 - facts.kept(region)))} are lost without it"
    sentence = f"{WRONG}: {_removed(numbers)}; it looks at {WORDS[region]}{_held(facts, *parts)}{without}."
    return Verdict("wrong", sentence, WORDS[region], (), numbers)


def shortcut(facts: Facts) -> str:
    """The smallest region without which most answers are lost, and more than without the background."""
    behind = 1 - facts.kept("background")
    for region in ("other", "border"):
        lost = 1 - facts.kept(region)
        if share(lost).low > HALF and surely_more(lost, behind):
            return region
    return "background"


def _in_part(facts: Facts, numbers: dict[str, Interval]) -> Verdict:
    either = numbers["alone"].low > HALF
    why = "either would do, the object or the rest of the picture" if either else "the rest of the picture tells it too"
    return Verdict(
        "in part",
        f"Only in part for the right reasons: {_removed(numbers)} ({100 * chance(facts):.0f} % would without it by "
        f"chance), so {why}, above all {WORDS[shortcut(facts)]}{_on_object(facts)}.",
        WORDS[shortcut(facts)], (), numbers,
    )  # fmt: skip


# --- one place --------------------------------------------------------------------------------------------------------


def _of_all(facts: Facts) -> Tried | None:
    """The place on which most right answers of all classes hang."""
    level = 1 - ALPHA / max(1, len(facts.tried))
    return next((t for t in facts.tried if _hangs(facts, t, facts.right, level)), None)


def _of_classes(facts: Facts) -> list[Tried]:
    """The places on which those of some class hang."""
    return [t for t in facts.tried if _classes_of(facts, t)]


def _classes_of(facts: Facts, tried: Tried) -> tuple[int, ...]:
    """Of which classes; the level is for all that are asked about."""
    level = 1 - ALPHA / max(1, sum(len(t.place.classes) for t in facts.tried))
    labels = facts.answers["label"].to_numpy()
    return tuple(c for c in tried.place.classes if _hangs(facts, tried, facts.right & (labels == c), level))


def _hangs(facts: Facts, tried: Tried, rows: Any, level: float) -> bool:
    """Whether most of some right answers are lost without the place, and more than without another."""
    lost, other = (np.where(rows, v, np.nan) for v in (tried.lost, tried.elsewhere))
    found = share(lost, level)
    return found.n >= FEW and found.low > HALF and surely_more(lost, other)


def leanings(facts: Facts) -> list[str]:
    """Places on which a class leans, though most of its answers do not hang on them."""
    said: list[str] = []
    labels = facts.answers["label"].to_numpy()
    for tried in facts.tried:
        for c in sorted({*tried.place.classes} - {*_classes_of(facts, tried)}):
            rows = facts.right & (labels == c)
            lost, other = (np.where(rows, v, np.nan) for v in (tried.lost, tried.elsewhere))
            if surely_more(lost, other):
                without = f"{percent(share(lost))} are lost without one place, {tried.place}"
                said.append(
                    f"Of the right answers of {facts.said(c)} {without}, and {percent(share(other))} without another "
                    f"as large."
                )
    return said


def _lost_at(facts: Facts, tried: Tried, classes: tuple[int, ...]) -> Interval:
    labels = facts.answers["label"].to_numpy()
    rows = facts.right & (np.isin(labels, classes) if classes else True)
    return share(np.where(rows, tried.lost, np.nan))


def _named(facts: Facts, classes: tuple[int, ...]) -> str:
    words = [facts.said(c) for c in classes[:3]] + ([f"{len(classes) - 3} more"] if len(classes) > 3 else [])
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _at_a_place(facts: Facts, numbers: dict[str, Interval], tried: Tried, classes: tuple[int, ...]) -> Verdict:
    lost = _lost_at(facts, tried, classes)
    if not classes:
        sentence = (f"{WRONG}: {_removed(numbers)}; it looks at one place, {tried.place}, without which "
                    f"{percent(lost)} are lost{_on_object(facts)}.")  # fmt: skip
    else:
        others = ~np.isin(facts.answers["label"].to_numpy(), classes)
        rest = share(np.where(others, facts.kept("object"), np.nan))
        sentence = (
            f"{WRONG} where the class is {_named(facts, classes)}: of its {lost.n} right "
            f"answers {percent(lost)} are lost without one place, {tried.place}, where the object is not; of the other "
            f"classes' {rest.n}, {percent(rest)} stay the same when the object is taken out of the picture."
        )
    return Verdict("wrong", sentence, str(tried.place), classes, numbers | {"lost": lost})


def _but(facts: Facts, of_class: list[Tried]) -> str:
    """What a place says where nothing else can be said."""
    if not of_class:
        return ""
    classes = _classes_of(facts, of_class[0])
    lost = _lost_at(facts, of_class[0], classes)
    who = _named(facts, classes)
    return (
        f" But of the {lost.n} right answers of {who} {percent(lost)} are lost without one place, {of_class[0].place}: "
        f"see whether the object is always there."
    )

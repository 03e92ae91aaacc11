"""Claims: what a paper says as an inequality, and what rows say of it.

Claim("insertion", more="lico", less="ce", margin=0.01)

holds           the interval of the paired difference lies beyond the margin, on the claimed side
does not hold   it lies wholly on the other side of zero, or wholly within ± margin
inconclusive    anything else: more seeds or more samples would tell

Intervals are of seeds, then samples. Of the m claims of a study, Holm: the surest must be decided at 95 % for all of
them, the next for those that are left.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pellucid.errors import BadInput, listed
from pellucid.results.statistics import Interval, TwoLevel

Outcome = Literal["holds", "does not hold", "inconclusive"]
ALPHA, RESAMPLES, ENOUGH = 0.05, 4999, 5
KEYS = ["seed", "sample"]


@dataclass(frozen=True)
class Claim:
    """`more` is more than `less`, an arm or a number, by more than the margin. same: they differ by less."""

    quantity: str
    more: str
    less: str | float
    margin: float
    setting: str = ""
    same: bool = False
    main: bool = True  # one that the study stands or falls with
    exact: bool = False  # of numbers that nobody measured: their difference is what it is

    def __str__(self) -> str:
        sign = "≈" if self.same else ">"
        where = f" ({self.setting})" if self.setting else ""
        return f"{self.quantity}{where}: {self.more} {sign} {self.less}"

    @property
    def needs(self) -> list[tuple[str, str, str]]:
        """The arms, settings and quantities it compares."""
        arms = [self.more] + ([self.less] if isinstance(self.less, str) else [])
        return [(arm, self.setting, self.quantity) for arm in arms]


@dataclass(frozen=True)
class Verdict:
    """What was found of a claim."""

    claim: Claim
    outcome: Outcome
    difference: Interval  # of 95 %
    more: Interval
    less: Interval | None
    seeds: int

    @property
    def sentence(self) -> str:
        """As one would say it."""
        d, few = self.difference, "" if self.seeds >= ENOUGH or self.claim.exact else " for these seeds"
        mean, low, high = (f"{round(value, 15) + 0.0:+.3g}".replace("-", "−") for value in (d.mean, d.low, d.high))
        said = {"inconclusive": "is inconclusive at this scale"}.get(self.outcome, self.outcome + few)
        where = "exact" if self.claim.exact else f"{low} to {high}"
        return f"{self.claim} {said}: {mean} ({where}; margin {self.claim.margin:g})"


def verdicts(claims: Sequence[Claim], frame: Any, resamples: int = RESAMPLES) -> list[Verdict]:
    """Every claim against rows of arm, setting, quantity, seed, sample, value."""
    tables = dict(iter(frame.groupby(["arm", "setting", "quantity"], sort=False)))
    runs = [_runs(claim, tables) for claim in claims]
    gaps = [Sides(found[0], resamples, claim.exact) for claim, found in zip(claims, runs, strict=True)]
    made = [_verdict(claim, gap, *found[1:], resamples) for claim, gap, found in zip(claims, gaps, runs, strict=True)]
    decided: dict[int, Outcome] = {}
    while len(decided) < len(made):
        level = 1 - ALPHA / (len(made) - len(decided))
        fresh: dict[int, Outcome] = {}
        for i, claim in enumerate(claims):
            if i not in decided and made[i].outcome != "inconclusive":
                said = outcome(claim, gaps[i].at(level))
                if said != "inconclusive":
                    fresh[i] = said
        if not fresh:
            break
        decided |= fresh
    return [replace(one, outcome=decided.get(i, "inconclusive")) for i, one in enumerate(made)]


def overall(found: Sequence[Verdict]) -> Outcome:
    """What the study says: it holds if every main claim does, and does not if one does not."""
    said = [one.outcome for one in found if one.claim.main]
    if "does not hold" in said:
        return "does not hold"
    return "holds" if said and all(one == "holds" for one in said) else "inconclusive"


def outcome(claim: Claim, found: Interval) -> Outcome:
    """Where an interval lies.

    >>> claim = Claim("insertion", "lico", "ce", margin=0.1)
    >>> [outcome(claim, Interval(0, *ends, 9)) for ends in [(0.2, 0.4), (-0.05, 0.05), (-0.4, -0.01), (0.0, 0.3)]]
    ['holds', 'does not hold', 'does not hold', 'inconclusive']
    """
    low, high, margin = found.low, found.high, claim.margin
    if math.isnan(low) or math.isnan(high):
        return "inconclusive"
    within = -margin < low and high < margin
    if claim.same:
        beyond = low > margin or high < -margin
        return "holds" if within else "does not hold" if beyond else "inconclusive"
    if low > margin or (margin == 0 and low > 0):
        return "holds"
    return "does not hold" if within or high < 0 or (margin == 0 and high <= 0) else "inconclusive"


class Sides:
    """The runs of one side, or of a difference, and where their mean lies; what is drawn is drawn once."""

    def __init__(self, runs: Sequence[Any], resamples: int, exact: bool = False) -> None:
        self.runs, self.exact, self.drawn = runs, exact, TwoLevel(runs, resamples)

    def at(self, level: float) -> Interval:
        """Of the mean over seeds and samples; of one number a seed by Student's t; exact numbers have no width."""
        runs = self.runs
        if self.exact:
            found = self.drawn.at(level)
            return replace(found, low=found.mean, high=found.mean)
        if len(runs) < 2 or any(len(run) != 1 for run in runs):
            return self.drawn.at(level)
        from scipy.special import stdtrit

        values = np.array([run[0] for run in runs], dtype=float)
        values = values[~np.isnan(values)]
        k, mean = len(values), float(values.mean()) if len(values) else math.nan
        half = float(stdtrit(k - 1, (1 + level) / 2) * values.std(ddof=1) / math.sqrt(k)) if k > 1 else math.nan
        return Interval(mean, mean - half, mean + half, k, len(runs) - k, k)


def _verdict(claim: Claim, gap: Sides, more: list[Any], less: list[Any] | None, resamples: int) -> Verdict:
    found = gap.at(1 - ALPHA)
    sides = [None if runs is None else Sides(runs, resamples, claim.exact).at(1 - ALPHA) for runs in (more, less)]
    assert sides[0] is not None
    return Verdict(claim, outcome(claim, found), found, sides[0], sides[1], len(gap.runs))


def _runs(claim: Claim, tables: dict[Any, Any]) -> tuple[list[Any], list[Any], list[Any] | None]:
    """Seed by seed the differences of samples that both arms have, and the two sides of them."""
    missing = [key for key in claim.needs if key not in tables]
    if missing:
        known = listed(sorted({f"{arm} · {q}" + (f" ({s})" if s else "") for arm, s, q in tables}), 8)
        raise BadInput(
            f"there are no rows of {' · '.join(filter(None, missing[0]))}, which a claim compares; there are {known}."
        )
    sides = [tables[key].set_index(KEYS)["value"] for key in claim.needs]
    if len(sides) == 1:
        runs = _by_seed(sides[0])
        return [run - float(claim.less) for run in runs], runs, None
    a, b = sides[0].align(sides[1], join="inner")
    if a.empty:
        raise BadInput(f"{claim.more} and {claim.less} have no seed and sample in common; measure both on the same.")
    return _by_seed(a - b), _by_seed(a), _by_seed(b)


def _by_seed(values: Any) -> list[Any]:
    wide = values.unstack("seed")
    return [wide[seed].to_numpy(float) for seed in wide.columns]

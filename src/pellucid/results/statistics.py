"""How sure a number is: intervals, comparisons of the same samples, rankings.

    bca            α(z) = Φ(z₀ + (z₀ + z) / (1 − a (z₀ + z)))                    Efron 1987
    two-level      ȳ + (q* − ȳ) t_ν √V / (z σ*)                                  Owen 2007, Satterthwaite 1946
    sign flips     p = share of Σ ±dᵢ at least as far from 0 as Σ dᵢ             Fisher 1935
    signed ranks   r = (W₊ − W₋) / (W₊ + W₋)                                     Wilcoxon 1945, Pratt 1959, Kerby 2014
    Holm           p₍ᵢ₎ ← max over j ≤ i of (m − j + 1) p₍ⱼ₎                     Holm 1979
    Wilson         (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n)           Wilson 1927

NaN is a value that is undefined: it is left out, of a pair both, and counted. Where too few are left, so is the answer.

>>> bca([0.0, 0.0, 1.0, float("nan"), 1.0])
Interval(mean=0.5, low=0.0, high=1.0, n=4, undefined=1, runs=1)
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from pellucid.errors import BadInput, listed

Floats = NDArray[np.floating[Any]]

EXACT, EXACT_RANKS = 12, 200  # of so few differences all 2ⁿ signs are tried, of the differences and of their ranks
BLOCK = 2**15  # draws at once: little enough for the cache, and for memory that is not handed back each time
ROUNDING = 1e-12  # what differs by less, for its size, is equal
NORMAL = NormalDist()


@dataclass(frozen=True)
class Interval:
    """A mean and where it may lie."""

    mean: float
    low: float
    high: float
    n: int  # values, over all runs
    undefined: int = 0
    runs: int = 1


@dataclass(frozen=True)
class Comparison:
    """Of a with b on the same samples: above zero where a is larger."""

    difference: Interval
    p: float  # by flipping signs
    wilcoxon: float  # by signed ranks
    d_z: float  # Cohen's: mean / standard deviation; infinite where all differences are equal
    g_z: float  # the same with Hedges' correction for few samples
    rank_biserial: float  # from −1 to 1


@dataclass(frozen=True)
class Stability:
    """How much of a ranking is chance: an entry a method, NaN for one without values; rank 1 is the best."""

    tau: float  # Kendall's τ-b between a resample and all samples: mean, and 95 % of the resamples
    low: float
    high: float
    ranks: tuple[float, ...]  # of all samples; equal means share theirs
    first: tuple[float, ...]  # share of the resamples in which it is the best
    best: tuple[float, ...]  # the ranks of 95 % of the resamples
    worst: tuple[float, ...]
    n: int
    undefined: int


# --- one row of values ------------------------------------------------------------------------------------------------


def bca(values: ArrayLike, level: float = 0.95, resamples: int = 9999, seed: int = 0) -> Interval:
    """The mean with its bootstrap interval, corrected for bias and acceleration.

    z₀ = Φ⁻¹(share of resamples below the mean, ties half),   a = Σ dᵢ³ / 6 (Σ dᵢ²)^{3/2},   d = x − x̄, the jackknife's

    One value has a mean and no interval; equal values have one of no width. The time grows with n · resamples: half a
    second for 10,000 values, unless few of them are distinct.

    >>> bca([3.0])
    Interval(mean=3.0, low=nan, high=nan, n=1, undefined=0, runs=1)
    """
    z = _z(level)
    row = _array(values)
    known = row[~np.isnan(row)]
    n, undefined = len(known), len(row) - len(known)
    if n < 2:
        return Interval(float(known[0]) if n else math.nan, math.nan, math.nan, n, undefined)
    mean = float(known.mean())
    if known.min() == known.max():
        mean = float(known[0])
        return Interval(mean, mean, mean, n, undefined)
    d = known - mean
    draws = _means(d[:, None], resamples, np.random.default_rng(seed))[:, 0]
    tie = ROUNDING * np.abs(d).max()
    below = ((draws < -tie).mean() + (draws <= tie).mean()) / 2
    z0 = NORMAL.inv_cdf(float(np.clip(below, 0.5 / resamples, 1 - 0.5 / resamples)))
    d = d / np.abs(d).max()
    a = float((d**3).sum() / (6 * (d**2).sum() ** 1.5))
    low, high = mean + np.quantile(draws, [NORMAL.cdf(z0 + (z0 + s) / (1 - a * (z0 + s))) for s in (-z, z)])
    return Interval(mean, float(low), float(high), n, undefined)


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """A share with Wilson's interval, for accuracies.

    >>> share = wilson(9, 10)
    >>> share.mean, round(share.low, 3), round(share.high, 3)
    (0.9, 0.596, 0.982)
    """
    z = _z(level)
    if not 0 <= successes <= n:
        raise BadInput(f"there are {successes} successes of {n}; give a count from 0 to {n}.")
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    p = successes / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return Interval(p, max(0.0, middle - half), min(1.0, middle + half), n)


# --- runs of a training -----------------------------------------------------------------------------------------------


def two_level(
    runs: Iterable[ArrayLike], level: float = 0.95, resamples: int = 9999, seed: int = 0, crossed: bool = True
) -> Interval:
    """The mean of the means of runs, such as trainings that differ in their seed: the chance of runs and of samples.

    ȳ + (q* − ȳ) t_ν √V / (z σ*),   q*, σ* quantiles and standard deviation of the bootstrap: runs, then samples

    The bootstrap gives the shape, the variance components the width: k runs drawn from k vary too little by (k − 1)/k,
    and normal quantiles forget that V is a guess (Hesterberg 2015), so t has Satterthwaite's degrees of freedom.

    crossed: sample i is the same in every run, as test images are; one that is hard is hard for all, and more runs do
    not average it out. Else every run has samples of its own.

    For a difference of methods, give the differences of every run. One run cannot tell what another would have given:
    the interval is then `bca`, of its samples only, and `runs` is 1.

    >>> a, b = [[0.9, 0.7], [0.8, 0.9], [0.6, 0.8]], [[0.5, 0.5], [0.4, 0.6], [0.5, 0.6]]
    >>> gain = two_level([np.subtract(*pair) for pair in zip(a, b)])
    >>> round(gain.mean, 3), gain.n, gain.runs
    (0.267, 6, 3)
    """
    return TwoLevel(runs, resamples, seed, crossed).at(level)


class TwoLevel:
    """What `two_level` says at any level: the resamples are drawn once."""

    def __init__(self, runs: Iterable[ArrayLike], resamples: int = 9999, seed: int = 0, crossed: bool = True) -> None:
        rows = [_array(run) for run in runs]
        self.undefined = sum(int(np.isnan(row).sum()) for row in rows)
        self.rows = [row for row in rows if not np.isnan(row).all()]
        self.resamples, self.seed, self.crossed = resamples, seed, crossed

    @cached_property
    def _drawn(self) -> tuple[Floats, float, float]:
        rng = np.random.default_rng(self.seed)
        return (_crossed if self.crossed else _nested)(self.rows, self.resamples, rng)

    def at(self, level: float) -> Interval:
        """Where the mean lies, this surely."""
        z, rows = _z(level), self.rows
        if len(rows) < 2:
            alone = bca(rows[0] if rows else [], level, self.resamples, self.seed)
            return replace(alone, undefined=self.undefined, runs=len(rows))
        draws, variance, freedom = self._drawn
        mean = float(np.mean([_known(row).mean() for row in rows]))
        low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2]) - mean
        wider, spread = math.nan, float(np.nanstd(draws))
        if not math.isnan(variance):
            from scipy.special import stdtrit

            still = spread <= ROUNDING * max(np.nanmax(np.abs(row)) for row in rows)
            wider = 0.0 if still else float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance) / (z * spread)
        ends = mean + wider * float(low), mean + wider * float(high)
        return Interval(mean, *ends, sum(map(_count, rows)), self.undefined, len(rows))


def _crossed(rows: list[Floats], resamples: int, rng: Generator) -> tuple[Floats, float, float]:
    """The pigeonhole bootstrap: the runs drawn, and one draw of samples for all of them."""
    table = np.stack(_aligned(*rows))
    table = table[:, ~np.isnan(table).all(0)]
    known = ~np.isnan(table)
    sums = _means(np.concatenate([np.where(known, table, 0.0), known]).T, resamples, rng)
    k = len(rows)
    with np.errstate(invalid="ignore"):  # a run of which no sample was drawn
        means = sums[:, :k] / sums[:, k:]
    drawn = np.take_along_axis(means, rng.integers(k, size=(resamples, k)), 1).mean(1)
    return drawn, *components(table)


def _nested(rows: list[Floats], resamples: int, rng: Generator) -> tuple[Floats, float, float]:
    """The runs drawn, and samples of each; the means of runs vary by both."""
    k = len(rows)
    known = [_known(row) for row in rows]
    drawn = rng.integers(k, size=(resamples, k))
    means = np.empty(drawn.shape)
    for i, row in enumerate(known):
        means[drawn == i] = _means(row[:, None], int((drawn == i).sum()), rng)[:, 0]
    return means.mean(1), float(np.var([row.mean() for row in known], ddof=1)) / k, k - 1


def components(table: Floats) -> tuple[float, float]:
    """The variance of the mean of [runs, samples], both drawn by chance, and its degrees of freedom (Hillis 2007).

    V = V_runs + V_samples − V_both,   at least either of the first two;   ν = V² / (V_runs²/(k−1) + V_samples²/(n−1))

    V_both, the chance of a sample in a run, is in both of the others.

    >>> components(np.array([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]))  # runs vary by 2/2, samples by 1/3
    (1.33..., 1.68...)
    """
    (k, n), known = table.shape, ~np.isnan(table)
    if n < 2:
        return math.nan, math.nan
    weight = known / known.sum(1, keepdims=True) / k
    means = np.nanmean(table, 1, keepdims=True)
    centred = np.where(known, table - means, 0.0)
    rest = np.where(known, centred - centred.sum(0) / known.sum(0), 0.0)
    of_runs = float(means.var(ddof=1)) / k
    of_samples = float(((weight * centred).sum(0) ** 2).sum()) * n / (n - 1)
    freedom = max(1, int(known.sum()) - k - n + 1)
    both = float((rest**2).sum() / freedom * (weight**2).sum())
    total = max(of_runs, of_samples, of_runs + of_samples - both)
    return total, total**2 / (of_runs**2 / (k - 1) + of_samples**2 / (n - 1)) if total else math.inf


# --- two methods on the same samples ----------------------------------------------------------------------------------


def paired(a: ArrayLike, b: ArrayLike, level: float = 0.95, resamples: int = 9999, seed: int = 0) -> Comparison:
    """Whether a is larger than b, by how much, how surely.

    >>> found = paired([0.9, 0.8, 0.7, 0.9, 0.8], [0.5, 0.7, 0.5, 0.6, 0.3])
    >>> round(found.difference.mean, 3), found.p, found.wilcoxon, round(found.d_z, 3), found.rank_biserial
    (0.3, 0.0625, 0.0625, 1.897, 1.0)
    """
    d, undefined = _differences(a, b)
    difference = replace(bca(d, level, resamples, seed), undefined=undefined)
    p, (rank_p, r) = flips(d, resamples, seed), signed_ranks(d)
    d_z, g_z = effect(d)
    return Comparison(difference, p, rank_p, d_z, g_z, r)


def flips(differences: ArrayLike, resamples: int = 9999, seed: int = 0) -> float:
    """p, two-sided: were a and b the same, every difference had its sign by a coin.

    All signs of up to 12 differences, else (count + 1) / (resamples + 1). A difference of zero has no sign.

    >>> flips([1.0, 2.0, 3.0]), flips([1.0, 2.0, -3.0]), flips([0.0, 0.0])
    (0.25, 1.0, 1.0)
    """
    d = _known(differences)
    if len(d) < 2:
        return math.nan
    d = d[d != 0]
    most = abs(float(d.sum())) - ROUNDING * float(np.abs(d).sum())
    if len(d) <= EXACT:
        minus = np.arange(2 ** len(d))[:, None] >> np.arange(len(d)) & 1
        return float((np.abs(d.sum() - 2 * (minus @ d)) >= most).mean())
    rng = np.random.default_rng(seed)
    sums = (d.sum() - 2 * (_bits(b, len(d), rng) @ d) for b in _blocks(resamples, len(d)))
    return (sum(int((np.abs(sum_) >= most).sum()) for sum_ in sums) + 1) / (resamples + 1)


def signed_ranks(differences: ArrayLike) -> tuple[float, float]:
    """Wilcoxon's p, two-sided, and the matched rank-biserial correlation; zeros are ranked and left out, as by Pratt.

    Exact up to 200 differences, tied or not; above, Σ ±r is normal with variance Σ r².

    >>> signed_ranks([0.0, 1.0, 2.0, -4.0, 3.0])  # ranks 2 + 3 + 4 against 5
    (0.75, 0.285...)
    """
    d = _known(differences)
    if len(d) < 2:
        return math.nan, math.nan
    if not d.any():
        return 1.0, 0.0
    _, level, size = np.unique(np.abs(d), return_inverse=True, return_counts=True)
    twice = (2 * np.cumsum(size) - size + 1)[level][d != 0]  # ranks are halves where tied
    total, found = int(twice.sum()), int((np.sign(d[d != 0]) * twice).sum())
    r = found / total
    if len(d) > EXACT_RANKS:
        return math.erfc(abs(found) / math.sqrt(2 * float((twice.astype(float) ** 2).sum()))), r
    chance = np.ones(1)  # of every sum of the ranks that are positive
    for rank in twice:
        chance = (np.pad(chance, (0, rank)) + np.pad(chance, (rank, 0))) / 2
    return min(1.0, float(chance[np.abs(2 * np.arange(total + 1) - total) >= abs(found)].sum())), r


def effect(differences: ArrayLike) -> tuple[float, float]:
    """Cohen's d_z, and g_z = d_z (1 − 3 / (4(n − 1) − 1)), less biased.

    >>> effect([1.0, 2.0, 3.0]), effect([2.0, 2.0, 2.0]), effect([0.0, 0.0])
    ((2.0, 1.14...), (inf, inf), (0.0, 0.0))
    """
    d = _known(differences)
    if len(d) < 2:
        return math.nan, math.nan
    if d.min() == d.max():
        d_z = math.copysign(math.inf, d[0]) if d[0] else 0.0
        return d_z, d_z
    d_z = float(d.mean() / d.std(ddof=1))
    return d_z, d_z * (1 - 3 / (4 * (len(d) - 1) - 1))


def share_better(a: ArrayLike, b: ArrayLike) -> float:
    """The share of samples on which a is larger; ties count half.

    >>> share_better([3, 2, 1, float("nan")], [1, 2, 0, 5])
    0.8333333333333334
    """
    d, _ = _differences(a, b)
    return float((1 + np.sign(d)).mean() / 2) if len(d) else math.nan


def holm(p_values: ArrayLike) -> Floats:
    """p adjusted for their number: of those below α, the chance that any is there by chance is α at most.

    >>> holm([0.01, 0.04, float("nan"), 0.03]).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    p = _array(p_values)
    order = np.argsort(p)[: _count(p)]  # NaN is sorted last
    adjusted = np.full(len(p), math.nan)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)).clip(max=1)
    return adjusted


# --- many methods on the same samples ---------------------------------------------------------------------------------


def rank_stability(
    table: ArrayLike, better: Literal["higher", "lower"] = "higher", resamples: int = 9999, seed: int = 0
) -> Stability:
    """Whether other samples [samples, methods] would have ranked the methods alike, by their means.

    All are ranked on the same samples: one that is undefined for a method is left out for all. A method without any
    value is left out itself.

    >>> found = rank_stability([[3, 1, 2], [3, 1, 1], [4, 2, 3], [3, 2, 1], [4, 0, 1]])
    >>> found.ranks, found.first, found.best, found.worst
    ((1.0, 3.0, 2.0), (1.0, 0.0, 0.0), (1.0, 2.0, 2.0), (1.0, 3.0, 3.0))
    """
    values = _array(table, 2) * (-1 if better == "lower" else 1)
    there = np.asarray((~np.isnan(values)).any(0))
    rows = values[~np.isnan(values[:, there]).any(1)][:, there]
    n, undefined = len(rows), len(values) - len(rows)
    nothing = (math.nan,) * len(there)
    if n < 2 or rows.shape[1] < 2:
        return Stability(math.nan, math.nan, math.nan, nothing, nothing, nothing, nothing, n, undefined)
    tie = ROUNDING * float(np.abs(rows).max())
    whole = _order(rows.mean(0)[None], tie)
    orders = _order(_means(rows, resamples, np.random.default_rng(seed)), tie)
    ranks, tau = _ranks(orders), _tau(orders, whole)
    tau = tau[~np.isnan(tau)]
    low, high = np.quantile(tau, [0.025, 0.975]) if len(tau) else (math.nan, math.nan)
    first = ranks == ranks.min(1, keepdims=True)
    best, worst = np.quantile(ranks, [0.025, 0.975], axis=0, method="inverted_cdf")
    return Stability(
        float(tau.mean()) if len(tau) else math.nan,
        float(low),
        float(high),
        ranks=_placed(_ranks(whole)[0], there),
        first=_placed((first / first.sum(1, keepdims=True)).mean(0), there),
        best=_placed(best, there),
        worst=_placed(worst, there),
        n=n,
        undefined=undefined,
    )


def _order(means: Floats, tie: float) -> NDArray[np.int8]:
    """1 where the first of two methods is the better, −1 the second, 0 where they are equal: [b, methods, methods]."""
    d = means[:, :, None] - means[:, None, :]
    return (d > tie).astype(np.int8) - (d < -tie).astype(np.int8)


def _ranks(orders: NDArray[np.int8]) -> Floats:
    """1 + those that are better + half of those that are equal."""
    return (1 + orders.shape[1] - orders.sum(2)) / 2


def _tau(orders: NDArray[np.int8], whole: NDArray[np.int8]) -> Floats:
    """Kendall's τ-b = Σ s t / √(Σ s² Σ t²); NaN where all are equal."""
    agreed = (orders * whole).sum((1, 2))
    with np.errstate(invalid="ignore"):
        return agreed / np.sqrt(np.abs(orders).sum((1, 2)) * float(np.abs(whole).sum()))


def _placed(values: Floats, there: NDArray[np.bool_]) -> tuple[float, ...]:
    """NaN for a method that is not there."""
    out = np.full(len(there), math.nan)
    out[there] = values
    return tuple(out.tolist())


# --- drawing ----------------------------------------------------------------------------------------------------------


def _means(table: Floats, resamples: int, rng: Generator) -> Floats:
    """The means of the columns, over so many resamples of the rows: [resamples, columns]."""
    n, (rows, sizes) = len(table), np.unique(table, axis=0, return_counts=True)
    if len(rows) * 16 < n:  # many rows are equal: draw how many of each
        sums = [rng.multinomial(n, sizes / n, size=b) @ rows for b in _blocks(resamples, len(rows))]
    else:
        sums = [_counts(b, n, rng) @ table for b in _blocks(resamples, n)]
    return np.concatenate([np.empty((0, table.shape[1])), *sums]) / n


def _counts(resamples: int, n: int, rng: Generator) -> NDArray[np.int64]:
    """How often each of n is drawn in n draws: [resamples, n]."""
    drawn = rng.integers(n, size=(resamples, n))
    drawn += n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n)


def _bits(resamples: int, n: int, rng: Generator) -> NDArray[np.uint8]:
    """Coins: [resamples, n]."""
    return np.unpackbits(rng.integers(256, size=(resamples, -(-n // 8)), dtype=np.uint8), axis=1, count=n)


def _blocks(resamples: int, n: int) -> Iterator[int]:
    """Sizes of blocks that sum to the resamples, each of about BLOCK draws."""
    size = max(1, BLOCK // n)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


# --- reading ----------------------------------------------------------------------------------------------------------


def _z(level: float) -> float:
    """The normal quantile: 1.96 of 0.95."""
    if not 0 < level < 1:
        raise BadInput(f"the level is {level:g}; give a share between 0 and 1, such as 0.95.")
    return NORMAL.inv_cdf((1 + level) / 2)


def _array(values: ArrayLike, axes: int = 1) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != axes or np.isinf(array).any():
        what = f"the shape {list(array.shape)}" if array.ndim != axes else "infinite ones among them"
        wanted = "a row" if axes == 1 else "a table"
        raise BadInput(f"the values have {what}; give {wanted} of finite numbers, NaN where one is undefined.")
    return array


def _known(values: ArrayLike) -> Floats:
    row = _array(values)
    return row[~np.isnan(row)]


def _count(row: Floats) -> int:
    return int((~np.isnan(row)).sum())


def _aligned(*rows: Floats) -> tuple[Floats, ...]:
    if len({len(row) for row in rows}) > 1:
        raise BadInput(
            f"the rows have {listed(len(row) for row in rows)} samples, and sample i is the same in all; give as many "
            f"of each (or, to two_level, crossed=False)."
        )
    return rows


def _differences(a: ArrayLike, b: ArrayLike) -> tuple[Floats, int]:
    """a − b where both are known, to 12 digits, so that 0.3 − 0.2 and 0.2 − 0.1 tie; and how many are not."""
    first, second = _aligned(_array(a), _array(b))
    both = ~np.isnan(first - second)
    d = first[both] - second[both]
    largest = max(1e-280, *(float(np.abs(row[both]).max(initial=0.0)) for row in (first, second)))
    unit = 10.0 ** (math.ceil(math.log10(largest)) - 12)
    return np.round(d / unit) * unit, int((~both).sum())

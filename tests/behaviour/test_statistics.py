"""Statistics, against SciPy, against full enumeration, and against the coverage that an interval claims."""

import math
import subprocess
import sys
import tracemalloc
from dataclasses import astuple, replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pellucid.errors import BadInput
from pellucid.results.statistics import (
    Interval,
    _order,
    _ranks,
    _tau,
    bca,
    components,
    effect,
    flips,
    holm,
    paired,
    rank_stability,
    share_better,
    signed_ranks,
    two_level,
    wilson,
)

NAN = float("nan")
FEW = settings(deadline=None, max_examples=30)
whole = st.lists(st.integers(-9, 9), min_size=2, max_size=12)
pairs = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=12)


def chance(seed=0):
    return np.random.default_rng(seed)


def same(found, wanted, **options):
    """Numbers alike, NaN with NaN."""
    np.testing.assert_allclose(np.ravel(found).astype(float), np.ravel(wanted).astype(float), **options)


def numbers(comparison):
    return [*astuple(comparison.difference), *astuple(comparison)[1:]]


# --- one row ----------------------------------------------------------------------------------------------------------

DATA = {
    "skewed": chance().exponential(size=25),
    "mirrored": -chance(1).exponential(size=12),
    "ties": chance().integers(0, 3, 15),
    "accuracy": chance().random(200) < 0.1,  # few values, many of each
}


@pytest.mark.parametrize("level", [0.95, 0.8])
@pytest.mark.parametrize("name", DATA)
def test_bca_is_that_of_scipy(name, level):
    found = bca(DATA[name], level, 40_000, seed=2)
    options = {"n_resamples": 40_000, "batch": 4000, "method": "BCa", "random_state": chance(2)}
    data = (DATA[name].astype(float),)
    low, high = stats.bootstrap(data, np.mean, confidence_level=level, **options).confidence_interval
    width = high - low
    assert found.mean == pytest.approx(DATA[name].mean())
    assert (found.low, found.high) == (pytest.approx(low, abs=0.01 * width), pytest.approx(high, abs=0.01 * width))


def test_bca_leans_to_the_long_tail():
    """An interval that is symmetric, or leans the other way, fails."""
    found = bca(DATA["skewed"])
    assert found.high - found.mean > 1.3 * (found.mean - found.low)


@FEW
@given(whole, st.integers(-1000, 1000), st.integers(1, 50))
def test_the_interval_moves_and_grows_with_the_data(values, shift, factor):
    first = bca(values, resamples=200)
    moved = bca(np.multiply(values, factor) + shift, resamples=200)
    wanted = [first.mean * factor + shift, first.low * factor + shift, first.high * factor + shift]
    same(astuple(moved)[:3], wanted, atol=1e-9)


def test_intervals_of_nothing_one_and_equal_values():
    same(astuple(bca([])), [NAN, NAN, NAN, 0, 0, 1])
    same(astuple(bca([NAN, 0.1])), [0.1, NAN, NAN, 1, 1, 1])
    assert bca([0.1] * 7) == Interval(0.1, 0.1, 0.1, 7)


def test_a_higher_level_is_wider_and_chance_is_the_seed_s():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    values = DATA["skewed"]
    assert bca(values) == bca(values) != bca(values, seed=1)
    assert bca(values, 0.99).low < bca(values, 0.9).low < bca(values, 0.9).high < bca(values, 0.99).high
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_memory_stays_small():
    values = chance().normal(size=20_000)
    tracemalloc.start()
    bca(values, resamples=500)  # 80 MB at once
    flips(values, resamples=2000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def coverage(interval, draw, truth, times):
    found = [interval(draw(chance(i)), i) for i in range(times)]
    return np.mean([f.low <= truth <= f.high for f in found])


def test_bca_covers():
    covered = coverage(lambda x, i: bca(x, resamples=499, seed=i), lambda g: g.exponential(size=50), 1.0, 400)
    assert 0.89 <= covered <= 0.975


@pytest.mark.slow
@pytest.mark.parametrize("n, least", [(20, 0.88), (50, 0.90), (200, 0.92)])
def test_bca_covers_more_with_more_samples(n, least):
    covered = coverage(lambda x, i: bca(x, resamples=999, seed=i), lambda g: g.exponential(size=n), 1.0, 1000)
    assert least <= covered <= 0.965


@pytest.mark.parametrize("successes, n, level", [(0, 7, 0.95), (7, 7, 0.95), (3, 40, 0.95), (900, 1000, 0.8)])
def test_wilson_is_that_of_scipy(successes, n, level):
    found = wilson(successes, n, level)
    wanted = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    assert (found.low, found.high) == (pytest.approx(wanted.low, abs=1e-12), pytest.approx(wanted.high, abs=1e-12))
    assert (found.mean, found.n) == (successes / n, n)


def test_wilson_of_nothing():
    same(astuple(wilson(0, 0)), [NAN, NAN, NAN, 0, 0, 1])


# --- runs -------------------------------------------------------------------------------------------------------------


def table(g, of_runs, of_samples, of_both, k=5, n=60, crossed=True):
    samples = g.normal(size=n if crossed else (k, n))
    return of_runs * g.normal(size=(k, 1)) + of_samples * samples + of_both * g.normal(size=(k, n))


MADE = [(1, 3, 3), (0, 3, 3), (2, 1, 1), (0.5, 5, 1)]


@pytest.mark.parametrize("made", MADE)
def test_five_runs_cover(made):
    covered = coverage(lambda y, i: two_level(y, resamples=299, seed=i), lambda g: table(g, *made), 0.0, 400)
    assert 0.90 <= covered <= 0.98


def test_five_runs_of_samples_of_their_own_cover():
    def draw(g):
        return table(g, 1, 3, 3, crossed=False)

    covered = coverage(lambda y, i: two_level(y, resamples=299, seed=i, crossed=False), draw, 0.0, 300)
    assert 0.90 <= covered <= 0.98


def test_samples_alone_do_not_cover_what_runs_differ_by():
    """The reason for two levels; and that this kind of test can fail."""
    assert coverage(lambda y, i: bca(y.mean(0), resamples=199), lambda g: table(g, 2, 1, 1), 0.0, 100) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("missing", [0, 0.2])
@pytest.mark.parametrize("k", [3, 5, 10])
@pytest.mark.parametrize("made", MADE)
def test_runs_cover(made, k, missing):
    def draw(g):
        y = table(g, *made, k=k)
        return np.where(g.random(y.shape) < missing, NAN, y)

    assert 0.92 <= coverage(lambda y, i: two_level(y, resamples=999, seed=i), draw, 0.0, 1000) <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("made", MADE)
def test_runs_of_samples_of_their_own_cover(made, k):
    def draw(g):
        return table(g, *made, k=k, crossed=False)

    covered = coverage(lambda y, i: two_level(y, resamples=499, seed=i, crossed=False), draw, 0.0, 600)
    assert 0.91 <= covered <= 0.98


@pytest.mark.parametrize("missing", [0, 0.2])
def test_the_components_of_variance_are_unbiased(missing):
    g, made, k, n = chance(), (2, 3, 3), 4, 30
    tables = [table(g, *made, k=k, n=n) for _ in range(2000)]
    tables = [np.where(g.random(y.shape) < missing, NAN, y) for y in tables]
    tables = [y[:, ~np.isnan(y).all(0)] for y in tables]
    guessed = np.mean([components(y)[0] for y in tables])
    true = np.var([np.nanmean(y, 1).mean() for y in tables])
    assert guessed == pytest.approx(true, rel=0.08)


def test_runs_that_agree_leave_the_chance_of_samples_where_these_are_shared():
    row = chance().normal(size=50)
    shared, own = two_level([row] * 4), two_level([row] * 4, crossed=False)
    half = stats.t.ppf(0.975, 49) * row.std(ddof=1) / math.sqrt(50)
    assert (shared.high - shared.low) / 2 == pytest.approx(half, rel=0.03)
    same(components(np.stack([row] * 4)), [row.var(ddof=1) / 50, 49])
    assert own.high - own.low == pytest.approx(0, abs=1e-9)


def test_samples_that_agree_leave_the_t_interval_of_runs():
    """Few runs have few sums: the shape is rough, but as wide as t says."""
    runs = np.repeat(chance().normal(size=(8, 1)), 30, 1)
    found = two_level(runs)
    half = stats.t.ppf(0.975, 7) * runs[:, 0].std(ddof=1) / math.sqrt(8)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.05)


def test_samples_of_their_own_smooth_what_few_runs_leave_rough():
    """Two runs have three means; with the chance of their samples these are as if normal."""
    runs = chance().normal(size=(2, 40))
    found = two_level(runs, crossed=False)
    half = stats.t.ppf(0.975, 1) * math.sqrt(runs.mean(1).var(ddof=1) / 2)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.05)


def test_one_run_is_its_samples_and_says_so():
    row = DATA["skewed"]
    assert two_level([row]) == bca(row)
    assert two_level([row, np.full(25, NAN)]) == replace(bca(row), undefined=25)
    same(astuple(two_level([])), [NAN, NAN, NAN, 0, 0, 0])


def test_one_sample_has_no_interval():
    same(astuple(two_level([[1.0], [2.0], [6.0]])), [3, NAN, NAN, 3, 0, 3])
    same(astuple(two_level([[1.0], [1.0]])), [1, NAN, NAN, 2, 0, 2])


def test_equal_runs_of_equal_samples_have_no_width():
    for crossed in (True, False):
        found = two_level([[0.1] * 3] * 3, crossed=crossed)
        same(astuple(found), [0.1, 0.1, 0.1, 9, 0, 3])


def test_the_mean_is_of_runs_however_long():
    found = two_level([[0.0, 0.0, 0.0, 0.0], [1.0, NAN]], crossed=False)
    assert (found.mean, found.n, found.undefined, found.runs) == (0.5, 5, 1, 2)


@FEW
@given(st.integers(0, 1000), st.booleans())
def test_samples_that_are_undefined_everywhere_are_only_counted(seed, crossed):
    y = table(chance(seed), 1, 1, 1, k=3, n=6)
    more = np.hstack([y, np.full((3, 2), NAN)])
    found = two_level(y, resamples=99, seed=seed, crossed=crossed)
    assert two_level(more, resamples=99, seed=seed, crossed=crossed) == replace(found, undefined=6)


# --- pairs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_all_signs_are_those_of_scipy(seed):
    d = chance(seed).normal(0.4, size=9).round(seed % 2 + 1)  # with ties and without
    wanted = stats.permutation_test((d,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert flips(d) == pytest.approx(wanted, abs=1e-12)
    assert flips(d) * 2**9 == round(flips(d) * 2**9)


def test_zeros_take_no_part_in_the_signs():
    d = chance().normal(0.4, size=9)
    assert flips([*d, *[0.0] * 30]) == flips(d)


def test_drawn_signs_are_close_to_all_of_them():
    d = chance(7).normal(0.4, size=13)
    signs = np.array(list(product([1, -1], repeat=13)))
    exact = (np.abs(signs @ d) >= abs(d.sum()) - 1e-12).mean()
    assert 0.02 < exact < 0.3
    assert flips(d, 40_000) == pytest.approx(exact, abs=0.007)


def test_drawn_signs_never_say_zero():
    assert flips(np.arange(1, 51), resamples=999) == 1 / 1000


def test_p_is_below_a_twentieth_once_in_twenty():
    d = chance().exponential(size=(400, 15)) * chance(1).choice([-1, 1], (400, 15))
    for p in ([flips(x, 199, i) for i, x in enumerate(d)], [signed_ranks(x)[0] for x in d]):
        assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.08


@pytest.mark.parametrize(
    "d",
    [
        chance(0).normal(0.3, size=8),
        chance(1).normal(0.3, size=40),
        np.array([0, 0, 1, 1, -1, 2, 3, 3, -3, 5.0]),
        chance(2).integers(-3, 5, 400).astype(float),
    ],
    ids=["few", "exact", "zeros and ties", "normal"],
)
def test_signed_ranks_are_those_of_scipy(d):
    p, r = signed_ranks(d)
    assert p == pytest.approx(stats.wilcoxon(d, zero_method="pratt").pvalue, rel=1e-9)
    ranks = stats.rankdata(np.abs(d)) * (d != 0)
    assert r == pytest.approx((ranks[d > 0].sum() - ranks[d < 0].sum()) / ranks.sum())


def test_the_two_ways_to_p_of_ranks_meet():
    d = chance(5).integers(-4, 6, 200).astype(float)
    assert signed_ranks(d)[0] == pytest.approx(signed_ranks([*d, 1.0, -1.0])[0], rel=0.1)
    ranks = stats.rankdata(np.abs(d)) * np.sign(d)
    assert signed_ranks(d)[0] == pytest.approx(flips(ranks, 40_000), abs=0.007)


def test_effects():
    d = chance().normal(0.5, size=10)
    d_z, g_z = effect(d)
    assert d_z == pytest.approx(d.mean() / d.std(ddof=1))
    assert g_z / d_z == pytest.approx(math.gamma(4.5) / (math.sqrt(4.5) * math.gamma(4)), rel=1e-3)  # Hedges 1981


def test_paired_is_its_parts():
    a, b = chance(0).normal(0.5, size=20), chance(1).normal(size=20)
    found = paired(a, b, 0.9, 999, 3)
    same(astuple(found.difference), astuple(bca(a - b, 0.9, 999, 3)), rtol=1e-9)
    p, r = signed_ranks(a - b)
    same(numbers(found)[6:], [flips(a - b, 999, 3), p, *effect(a - b), r], rtol=1e-9)


def test_a_difference_that_is_only_rounding_is_none():
    found = paired([0.1 + 0.2, 0.3, 0.2, 1e9], [0.3, 0.2, 0.1, 1e9])
    assert found.rank_biserial == 1
    tied = paired([0.3, 0.2], [0.2, 0.1])
    assert tied.difference.low == tied.difference.high
    assert tied.d_z == math.inf


@FEW
@given(pairs, st.integers(0, 5))
def test_swapped_methods_have_the_opposite_difference_and_the_same_p(both, seed):
    a, b = np.array(both, dtype=float).T / 10
    one, other = (paired(*ab, resamples=200, seed=seed) for ab in ((a, b), (b, a)))
    d, e = one.difference, other.difference
    same([e.mean, e.low, e.high], [-d.mean, -d.high, -d.low], atol=1e-12)
    assert (one.p, one.wilcoxon) == (other.p, other.wilcoxon)
    same([other.d_z, other.g_z, other.rank_biserial], [-one.d_z, -one.g_z, -one.rank_biserial], atol=1e-12)
    assert share_better(a, b) == pytest.approx(1 - share_better(b, a))


@FEW
@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(both, random):
    a, b = np.array(both, dtype=float).T / 10
    random.shuffle(both)
    c, d = np.array(both, dtype=float).T / 10
    one, other = paired(a, b, resamples=20), paired(c, d, resamples=20)
    same([*numbers(one)[6:], share_better(a, b)], [*numbers(other)[6:], share_better(c, d)], rtol=1e-9, atol=1e-12)


@FEW
@given(pairs, st.lists(st.sampled_from([(NAN, 1.0), (1.0, NAN), (NAN, NAN)]), max_size=4))
def test_undefined_samples_are_only_counted(both, undefined):
    a, b = np.array(both, dtype=float).T
    x, y = np.array([*both, *undefined], dtype=float).T
    z, k = x - y, len(undefined)
    one, other = paired(a, b, resamples=50), paired(x, y, resamples=50)
    assert other == replace(one, difference=replace(one.difference, undefined=k))
    assert bca(z, resamples=50) == replace(bca(a - b, resamples=50), undefined=k)
    assert (flips(z), signed_ranks(z), effect(z)) == (flips(a - b), signed_ranks(a - b), effect(a - b))
    assert share_better(x, y) == share_better(a, b)


def test_equal_methods():
    found = paired([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    assert numbers(found) == [0, 0, 0, 3, 0, 1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("a, mean", [([], NAN), ([2.0], 1.0), ([2.0, NAN], 1.0)])
def test_too_few_samples_have_no_p(a, mean):
    found = paired(a, [1.0] * len(a))
    same(numbers(found)[:3], [mean, NAN, NAN])
    same(numbers(found)[6:], [NAN] * 5)


def test_shares_of_nothing():
    assert math.isnan(share_better([NAN], [1.0]))
    assert share_better([1.0, 2.0], [1.0, 1.0]) == 0.75


# --- many p -----------------------------------------------------------------------------------------------------------


def test_holm_by_hand():
    """0.01 · 4, 0.02 · 3, 0.02 · 2 but not less than before, 0.9 · 1."""
    same(holm([0.02, 0.9, 0.01, 0.02]), [0.06, 0.9, 0.04, 0.06])
    same(holm([0.02, NAN, 0.9, 0.01, 0.02, NAN]), [0.06, NAN, 0.9, 0.04, 0.06, NAN])
    same(holm([0.6, 0.7]), [1, 1])
    assert holm([]).tolist() == []


@FEW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_holm_keeps_the_order_and_rejects_step_by_step(p, random):
    found = holm(p)
    assert (found >= p).all()
    assert found.max() <= 1
    order = np.argsort(p, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    rejected, m = 0, len(p)
    while rejected < m and p[order[rejected]] * (m - rejected) <= 0.05:
        rejected += 1
    assert (found <= 0.05).sum() == rejected
    where = list(range(m))
    random.shuffle(where)
    same(holm(np.array(p)[where]), found[where])


# --- rankings ---------------------------------------------------------------------------------------------------------


@FEW
@given(st.lists(st.integers(0, 4), min_size=5, max_size=5), st.lists(st.integers(0, 4), min_size=5, max_size=5))
def test_orders_are_ranks_and_kendall_s_tau(a, b):
    one, other = (_order(np.array([row], dtype=float), 0.1) for row in (a, b))
    same(_ranks(one)[0], stats.rankdata(np.negative(a)))
    same(_tau(one, other)[0], stats.kendalltau(a, b).statistic, atol=1e-12)


SCORES = np.array([[3, 4, 1.0], [5, 2, 3], [4, 4.5, 2], [1, 2, 2.5]])


@pytest.mark.parametrize("better, sign", [("higher", 1), ("lower", -1)])
def test_stability_is_that_of_all_resamples(better, sign):
    means = [sign * SCORES[list(rows)].mean(0) for rows in product(range(4), repeat=4)]
    truth = sign * SCORES.mean(0)
    tau = [stats.kendalltau(m, truth).statistic for m in means]
    ranks = np.array([stats.rankdata(-m.round(9)) for m in means])
    first = (ranks == ranks.min(1, keepdims=True)) / (ranks == ranks.min(1, keepdims=True)).sum(1, keepdims=True)
    found = rank_stability(SCORES, better, 20_000)
    assert found.tau == pytest.approx(np.nanmean(tau), abs=0.01)
    same([found.low, found.high], np.nanquantile(tau, [0.025, 0.975], method="inverted_cdf"))
    same(found.ranks, stats.rankdata(-truth))
    same(found.first, first.mean(0), atol=0.015)
    same(found.best, np.quantile(ranks, 0.025, axis=0, method="inverted_cdf"))
    same(found.worst, np.quantile(ranks, 0.975, axis=0, method="inverted_cdf"))
    assert sorted(found.first)[1] > 0.05


def test_a_clear_ranking_is_stable_and_chance_is_not():
    noise = chance().normal(size=(200, 4))
    clear, none = rank_stability(noise + np.array([9, 3, 6, 0]), resamples=500), rank_stability(noise, resamples=500)
    assert (clear.tau, clear.low, clear.first) == (1, 1, (1, 0, 0, 0))
    assert clear.ranks == clear.best == clear.worst == (1, 3, 2, 4)
    assert none.low < 0.4
    assert none.tau < 0.9


def test_methods_that_are_equal_share_their_rank():
    values = chance().normal(size=(30, 1))
    found = rank_stability(np.hstack([values, values, values - 9]), resamples=200)
    assert found.ranks == found.best == found.worst == (1.5, 1.5, 3)
    assert found.first == (0.5, 0.5, 0)
    assert found.tau == pytest.approx(1)
    alike = rank_stability(np.hstack([values] * 3), resamples=200)
    assert alike.ranks == (2, 2, 2)
    assert math.isnan(alike.tau)


def test_all_methods_are_ranked_on_the_same_samples():
    """The second is the better one where both are known, though its mean over all it knows is lower."""
    rows = [[1.0, 2.0, NAN], [2.0, 3.0, NAN], [NAN, -50.0, NAN], [9.0, NAN, NAN]]
    found = rank_stability(rows)
    same(found.ranks, [2, 1, NAN])
    same(found.first, [0, 1, NAN])
    assert (found.n, found.undefined, found.tau) == (2, 2, 1)


def test_undefined_rows_are_only_counted():
    found = rank_stability(SCORES, resamples=300)
    assert rank_stability([*SCORES, [9.0, NAN, 1.0]], resamples=300) == replace(found, undefined=1)


@pytest.mark.parametrize("rows", [[[1.0, 2.0]], [[1.0], [2.0]], np.empty((0, 2)), [[NAN, 1.0], [1.0, NAN]]])
def test_too_little_to_rank(rows):
    found = rank_stability(rows)
    same(found.ranks + found.first + (found.tau, found.low), [NAN] * (2 * len(found.ranks) + 2))


# --- as a whole -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda: bca([1, 2], 95), "between 0 and 1"),
        (lambda: bca([[1, 2]]), "give a row of finite numbers"),
        (lambda: bca([1, math.inf]), "infinite ones"),
        (lambda: rank_stability([1, 2]), "give a table"),
        (lambda: paired([1, 2], [1]), "2, 1 samples"),
        (lambda: two_level([[1, 2], [1]]), "crossed=False"),
        (lambda: wilson(3, 2), "from 0 to 2"),
    ],
)
def test_what_does_not_fit_is_said(wrong, words):
    with pytest.raises(BadInput, match=words):
        wrong()


def test_statistics_need_neither_torch_nor_scipy_to_be_read():
    code = "import sys, pellucid.results.statistics; print([m for m in ('torch', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"

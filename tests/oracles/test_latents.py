"""Metrics of codes, of influences, and of how alike maps are: slow re-tellings, and what theory says of them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import pellucid as pl
from pellucid.data import Dataset
from pellucid.data._factors import factors_of
from pellucid.errors import BadInput, BadQuestion
from pellucid.maths.pooled import Pooled, off_diagonal
from pellucid.metrics.dci import DCI, completeness, disentanglement
from pellucid.metrics.latent_agreement import LatentAgreement, Streamed, active, alike, entropy, units_alike
from pellucid.metrics.mutual_information_gap import MutualInformationGap, binned
from pellucid.metrics.sap import SAP
from pellucid.metrics.similarity_rate import SimilarityRate


def chance(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- similarity rates -------------------------------------------------------------------------------------------------

SHARES = (0.05, 0.1, 0.2, 0.5, 0.7, 1.0)


def hundred_each():
    """1000 training examples of ten classes in turns, 20 test examples, and who knows the classes."""
    labels, train = torch.arange(20) % 10, torch.arange(1000) % 10
    return (labels[:, None] == train).float() + 0.01 * torch.rand(20, 1000), labels, train


def both(w, labels, train, share, **more):
    return [SimilarityRate(share=share, side=side, **more)(w, labels, train) for side in ("most", "least")]


@pytest.mark.parametrize("protocol", ("sound", "published"))
def test_perfect_scores(protocol):
    """1, 1, ½, ⅕, ⅐, ⅒ and nothing, but for the last."""
    w, labels, train = hundred_each()
    found = [both(w, labels, train, share, protocol=protocol) for share in SHARES]
    most, least = ([float(pair[side].mean()) for pair in found] for side in (0, 1))
    assert most == pytest.approx([1, 1, 0.5, 0.2, 1 / 7, 0.1])
    assert least == pytest.approx([0, 0, 0, 0, 0, 0.1])


def test_at_the_whole_share_both_are_the_frequency():
    train = torch.arange(1000) % 10
    for rate in both(chance(5, 1000), torch.arange(5), train, 1.0):
        assert torch.equal(rate, torch.full((5,), 0.1))
    for rate in both(chance(5, 1000), torch.arange(5) % 2, torch.arange(1000) % 2, 1.0):
        assert torch.equal(rate, torch.full((5,), 0.5))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_the_rate_is_told_by_a_loop(seed):
    g = torch.Generator().manual_seed(seed)
    t, n = int(torch.randint(1, 5, (), generator=g)), int(torch.randint(3, 30, (), generator=g))
    w, share = torch.rand(t, n, generator=g), 0.1 + 0.9 * float(torch.rand((), generator=g))
    labels, train = torch.randint(3, (t,), generator=g), torch.randint(3, (n,), generator=g)
    count = int(n * share + 1e-9)
    for side, sign in (("most", -1), ("least", 1)):
        ours = SimilarityRate(share=share, side=side)(w, labels, train)
        for i in range(t):
            order = sorted(range(n), key=lambda k: sign * float(w[i, k]))[:count]
            told = sum(int(train[k]) == int(labels[i]) for k in order) / count if count else math.nan
            assert float(ours[i]) == pytest.approx(told, nan_ok=True)


def test_ties_prefer_nobody():
    """Where a kernel has no more neighbours, the least important are the zeros, all alike: the published code takes
    those that come first, whose labels may be sorted."""
    w, labels = torch.zeros(1, 10), torch.tensor([0])
    train = torch.tensor([0] * 5 + [1] * 5)
    assert both(w, labels, train, 0.5)[1].item() == 0.5
    assert both(w, labels, train, 0.5, protocol="published")[1].item() == 1.0


def test_infinite_and_undefined_influences():
    """Of two pictures that are one the inverse distance is infinite; it is simply the greatest."""
    w = torch.tensor([[math.inf, 1.0, 0.0], [math.nan, 1.0, 0.0]])
    found = SimilarityRate(share=0.4)(w, torch.tensor([1, 1]), torch.tensor([1, 0, 0]))
    assert found[0] == 1
    assert math.isnan(found[1])
    assert SimilarityRate(share=0.1)(w, torch.tensor([1, 1]), torch.tensor([1, 0, 0])).isnan().all()
    with pytest.raises(BadInput, match=r"give w \[t, n\]"):
        SimilarityRate()(w.T, torch.tensor([1, 1]), torch.tensor([1, 0, 0]))


# --- agreement --------------------------------------------------------------------------------------------------------


def test_a_matrix_of_encoders():
    """Image by image, and all pixels of all images as one: numpy's corrcoef is the published number."""
    maps = [chance(4, 5, 6, seed=i).abs() * torch.arange(1.0, 5).view(4, 1, 1) for i in range(3)]
    each = pl.agreement(maps, by="pearson")
    assert each.shape == (4, 3, 3)
    for i in range(4):
        told = np.corrcoef(np.stack([m[i].flatten().numpy() for m in maps]))
        assert np.allclose(each[i], told, atol=1e-6)
    pooled = pl.agreement(dict(zip("abc", maps, strict=True)), by="pearson", pooled=True)
    assert np.allclose(pooled, np.corrcoef(np.stack([m.flatten().numpy() for m in maps])), atol=1e-6)
    assert not np.allclose(pooled, each.mean(0), atol=0.02)  # large images decide
    from scipy.stats import spearmanr

    ranked = pl.agreement(maps, by="spearman", pooled=True)
    assert np.allclose(ranked, spearmanr(np.stack([m.flatten().numpy() for m in maps]), axis=1).statistic, atol=1e-6)
    two = pl.agreement(maps[0], maps[1], "pearson", pooled=True)
    assert two.shape == ()
    assert torch.allclose(two, pooled[0, 1])


def test_matrices_of_examples():
    """What each training example means to each test example: row by row, and all of it."""
    a, b = chance(6, 40).exp(), chance(6, 40, seed=1).exp()
    rows = pl.agreement(a, b, "pearson")
    assert np.allclose(rows, [np.corrcoef(x, y)[0, 1] for x, y in zip(a.numpy(), b.numpy(), strict=True)], atol=1e-6)
    whole = pl.agreement([a, b], by="pearson", pooled=True)[0, 1]
    assert np.allclose(whole, np.corrcoef(a.flatten().numpy(), b.flatten().numpy())[0, 1], atol=1e-6)


def test_one_near_duplicate_decides_the_published_number():
    """Inverse squared distances have a heavy tail: Pearson of all pairs follows one of them, ranks do not."""
    a, b = chance(20, 50).exp(), chance(20, 50, seed=1).exp()
    a[3, 7] = b[3, 7] = 1e4
    by = {way: float(pl.agreement([a, b], by=way, pooled=True)[0, 1]) for way in ("pearson", "spearman")}
    assert by["pearson"] > 0.99
    assert abs(by["spearman"]) < 0.1


def test_agreement_of_nothing():
    with pytest.raises(BadInput, match="nothing to compare"):
        pl.agreement(chance(2, 3, 3))
    with pytest.raises(BadInput, match="nothing to compare"):
        pl.agreement([chance(2, 3, 3)])
    with pytest.raises(BadInput, match="ssim compares one map"):
        pl.agreement(chance(2, 3, 3), chance(2, 3, 3), "ssim", pooled=True)


def test_questions_keep_their_place():
    """Pooled over samples, not over classes and questions."""
    a, b = chance(5, 2, 3, 4, 4), chance(5, 2, 3, 4, 4, seed=1)
    found = pl.agreement(a, b, "pearson", pooled=True)
    assert found.shape == (2, 3)
    assert torch.allclose(found[1, 2], pl.agreement(a[:, 1, 2], b[:, 1, 2], "pearson", pooled=True))


# --- pooled, a piece at a time ----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(-1e6, 1e6))
def test_streaming_is_in_memory(seed, far):
    """To 1e-8, in pieces of any size, also far from zero."""
    x = chance(4, 200, seed=seed).double()
    x[1] += 0.5 * x[0]
    pooled, start = Pooled(), 0
    for size in (1, 7, 100, 92):
        pooled.add(x[:, start : start + size] + far)
        start += size
    told = torch.tensor(np.corrcoef((x + far).numpy()))
    assert torch.allclose(pooled.correlation(), told, atol=1e-8)


def test_what_never_changes_correlates_with_nothing():
    pooled = Pooled()
    pooled.add(torch.stack([torch.full((50,), 0.1), torch.rand(50)]))
    pooled.add(torch.stack([torch.full((50,), 0.1), torch.rand(50)]))
    found = pooled.correlation()
    assert found[0].isnan().all()
    assert found[1, 1] == pytest.approx(1)


# --- units ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", (2, 3, 6))
def test_bounds_of_the_agreement_of_units(d):
    same = torch.rand(2, 1, 30).expand(2, d, 30)
    apart = torch.eye(d).view(1, d, d)
    assert torch.allclose(alike(same, "pearson"), torch.ones(2).double())
    assert alike(apart, "pearson").item() == pytest.approx(-1 / (d - 1))
    assert alike(apart, "spearman").item() == pytest.approx(-1 / (d - 1))
    assert alike(apart, "cosine").item() == 0
    assert torch.allclose(entropy(same), torch.full((2,), math.log(d)).double())
    assert entropy(apart).item() == pytest.approx(0)
    assert active(same).abs().max() == 0
    assert active(apart).item() == 1
    free = torch.rand(50, d, 4, generator=torch.Generator().manual_seed(d))
    assert bool((alike(free, "pearson") >= -1 / (d - 1) - 1e-9).all())


def test_without_a_tolerance_rounding_decides_between_equals():
    """The published count of identical maps: somewhere above zero."""
    same = torch.rand(20, 1, 500, dtype=torch.float64).expand(20, 3, 500)
    thirds = same / same.sum(1, keepdim=True)
    assert (thirds > 1 / 3).float().sum(1).mean() > 0.5
    assert active(same).abs().max() == 0


def test_disjoint_units_in_expectation():
    """One-hot at random places, pooled over many images: −1/(d − 1)."""
    owner = torch.randint(3, (200, 50), generator=torch.Generator().manual_seed(0))
    maps = torch.nn.functional.one_hot(owner, 3).movedim(2, 1).double()
    streamed = Streamed()
    streamed.add(maps)
    assert streamed.value("pearson") == pytest.approx(-0.5, abs=0.01)
    assert streamed.value("entropy") == pytest.approx(0)
    assert streamed.value("active") == pytest.approx(1)


def published(s):
    """The numbers of the authors' code, retold in NumPy: [n, d, p] -> pearson, spearman, cosine, entropy, active."""
    from scipy.stats import spearmanr

    n, d, _ = s.shape
    flat = s.transpose(1, 0, 2).reshape(d, -1)
    pairs = [(i, j) for i in range(d) for j in range(d) if i < j]
    pearson = np.mean([np.corrcoef(flat)[i, j] for i, j in pairs])
    spearman = np.mean([spearmanr(flat[i], flat[j]).statistic for i, j in pairs])
    cosine = np.mean(
        [
            (s[k, i] * s[k, j]).sum() / np.linalg.norm(s[k, i]) / np.linalg.norm(s[k, j])
            for k in range(n)
            for i, j in pairs
        ]
    )
    entropies, counts = [], []
    for k in range(n):
        for column in s[k].T:
            if column.sum() > 0:
                share = column / column.sum()
                entropies.append(-sum(q * math.log(q) for q in share if q > 0))
                counts.append(sum(q > 1 / d + 1e-6 for q in share))
    return {"pearson": pearson, "spearman": spearman, "cosine": cosine, "entropy": np.mean(entropies),
            "active": np.mean(counts)}  # fmt: skip


def test_streamed_numbers_are_the_published_ones():
    maps = chance(7, 4, 30).abs().double() * torch.arange(1.0, 8).view(7, 1, 1)
    maps[:, :, ::5] = 0
    streamed = Streamed()
    for piece in maps.split(2):
        streamed.add(piece)
    for by, value in published(maps.numpy()).items():
        assert streamed.value(by) == pytest.approx(value, abs=1e-6 if by == "spearman" else 1e-8), by
    thinned = Streamed(thin=3)
    for piece in maps.split(2):
        thinned.add(piece)
    kept = torch.cat(thinned.kept, 1)
    assert torch.equal(kept, maps.movedim(1, 0).flatten(1)[:, ::3].float())


def test_unit_maps_that_are_empty_are_left_out():
    maps = torch.rand(1, 3, 20, generator=torch.Generator().manual_seed(0))
    whole = maps.clone()
    maps[0, 2] = 0
    for by in ("pearson", "cosine"):
        found = units_alike(maps, by)[0]
        assert found[2].isnan().all()
        assert alike(maps, by).item() == pytest.approx(float(units_alike(whole, by)[0][0, 1]))


class Halves(nn.Module):
    """Three units: two of the left half, one of the right."""

    def forward(self, x):
        left, right = x[..., :4].flatten(1), x[..., 4:].flatten(1)
        return torch.stack([left.sum(1), 2 * left.sum(1), right.sum(1)], 1)


def test_the_metric_asks_every_unit():
    """By hand: maps of the three units are x on their half."""
    net, x = Halves(), chance(3, 1, 8, 8).abs()
    side = torch.zeros(8, 8)
    side[:, :4] = 1
    maps = torch.stack([x[:, 0] * side, 2 * x[:, 0] * side, x[:, 0] * (1 - side)], 1).flatten(2)
    for by, told in (("pearson", alike(maps, "pearson")), ("entropy", entropy(maps)), ("active", active(maps))):
        ours = pl.measure(net, x, None, f"latent-agreement:by={by}")
        assert torch.allclose(ours, told.float(), atol=1e-4), by
    two = pl.measure(net, x, None, "latent-agreement:units=[0,1]")
    assert torch.allclose(two, torch.ones(3), atol=1e-5)
    weighted = maps * net(x)[:, :, None]
    ours = pl.measure(net, x, None, "latent-agreement:by=entropy,weighted=true")
    assert torch.allclose(ours, entropy(weighted).float(), atol=1e-4)
    plain, heavy = (pl.measure(net, x, None, LatentAgreement(weighted=w)) for w in (False, True))
    assert torch.allclose(plain, heavy, atol=1e-4)  # correlations of one image do not notice
    with pytest.raises(BadQuestion, match="give a code of several"):
        pl.measure(net, x, None, "latent-agreement:units=[1]")


def test_the_published_weights_move_the_pooled_number():
    """Multiplied by the unit's value, images with large codes decide the correlation over all pixels."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    torch.manual_seed(1)
    nn.init.normal_(net[1].weight)
    x = chance(30, 1, 8, 8).abs() * torch.linspace(0.1, 3, 30).view(-1, 1, 1, 1)
    found = {}
    for weighted in (False, True):
        e = pl.explain(net, x, "gradient-shap:samples=5,baseline=0", ask=[f"unit:index={j}" for j in range(3)])
        maps = e.maps.abs() * (e.value.abs()[..., None, None] if weighted else 1)
        streamed = Streamed()
        streamed.add(maps.flatten(2))
        found[weighted] = streamed.value("pearson")
    assert abs(found[True] - found[False]) > 0.02


# --- codes and factors ------------------------------------------------------------------------------------------------


def sprite_codes(count=1500):
    """Factors of random sprites, and hand-made codes of them: one factor a unit, all turned into each other, chance."""
    g = torch.Generator().manual_seed(0)
    rows = torch.randint(737_280, (count,), generator=g)
    from pellucid.data.sprites import factors_of as of_numbers

    factors = of_numbers(rows)
    scaled = (factors - factors.double().mean(0)) / factors.double().std(0).clamp_min(1e-9)
    noise = 0.05 * torch.randn(count, 6, generator=g, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(6, 6, generator=g, dtype=torch.float64)).Q
    return factors, {"apart": scaled + noise, "turned": (scaled + noise) @ turn, "chance": 20 * noise}


@pytest.mark.parametrize("metric", (MutualInformationGap(), SAP(), DCI(trees=10), DCI(part="completeness", trees=10)))
def test_a_code_of_one_factor_a_unit_is_above_a_turned_one_and_chance(metric):
    factors, codes = sprite_codes()
    ordered = [False, False, True, True, True, True]
    found = {name: float(metric(code, factors, ordered)) for name, code in codes.items()}
    assert found["apart"] > found["turned"] + 0.2, found
    assert found["apart"] > found["chance"] + 0.3, found
    assert found["apart"] > 0.6
    each = metric.each(codes["apart"], factors, ordered)
    if not (isinstance(metric, DCI) and metric.part == "disentanglement"):
        assert each[0].isnan()  # all sprites are white
        assert not each[1:].isnan().any()


def test_a_turn_keeps_what_is_told():
    """Informativeness does not care where it is told; the gap does."""
    factors, codes = sprite_codes(900)
    known = {k: float(DCI(part="informativeness", trees=20)(c, factors)) for k, c in codes.items()}
    assert known["apart"] > 0.95
    assert known["turned"] > 0.6
    assert known["chance"] < 0.2


def test_mutual_information_by_scikit_learn():
    from sklearn.metrics import mutual_info_score

    g = torch.Generator().manual_seed(0)
    factors = torch.randint(4, (300, 2), generator=g)
    codes = factors.float() @ torch.rand(2, 3, generator=g) + 0.3 * torch.randn(300, 3, generator=g)
    places = binned(codes.double(), 20)
    told = []
    for v in factors.T:
        known = sorted((mutual_info_score(v, z) for z in places.T), reverse=True)
        told.append((known[0] - known[1]) / mutual_info_score(v, v))
    assert torch.allclose(MutualInformationGap().each(codes, factors), torch.tensor(told).double(), atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 700))
def test_a_factor_that_never_changes_is_undefined(n):
    """Whatever the rounding of n times 1/n."""
    factors = torch.stack([torch.zeros(n), torch.arange(n) % 2], 1)
    for metric in (MutualInformationGap(), SAP()):
        found = metric.each(chance(n, 3), factors, [False, False])
        assert found[0].isnan()
        assert found[1].isfinite()
        assert torch.equal(metric(chance(n, 3), factors, [False, False]), found[1])


def test_separation_by_loops():
    """Squared correlations; and thresholds at quantiles, of a factor without an order."""
    g = torch.Generator().manual_seed(0)
    v = torch.randint(3, (200, 1), generator=g)
    codes = torch.cat([v + 0.4 * torch.randn(200, 1, generator=g), torch.randn(200, 2, generator=g)], 1)
    r = np.corrcoef(torch.cat([codes, v], 1).T.numpy())[-1, :3] ** 2
    assert float(SAP()(codes, v)) == pytest.approx(np.sort(r)[-1] - np.sort(r)[-2], abs=1e-6)
    accuracies = []
    for z in codes.double().T.numpy():
        edges = np.quantile(z, np.linspace(0, 1, 11)[1:-1])
        bins = np.searchsorted(edges, z, side="right")
        right = 0.0
        for b in range(10):
            typical = [np.mean(bins[v[:, 0].numpy() == k] == b) for k in range(3)]
            right += max(typical)
        accuracies.append(right / 3)
    ranked = sorted(accuracies)
    assert float(SAP(bins=10)(codes, v, [False])) == pytest.approx(ranked[-1] - ranked[-2], abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_importance_that_is_a_permutation_is_perfect(seed):
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    r = torch.eye(5)[order] * 3
    assert torch.allclose(disentanglement(r), torch.ones(5))
    assert torch.allclose(completeness(r), torch.ones(5))
    assert disentanglement(torch.ones(5, 5)).abs().max() < 1e-6


@pytest.mark.parametrize("by", ("forest", "lasso"))
def test_dci_of_both_oracles(by):
    factors, codes = sprite_codes(600)
    apart, turned = (float(DCI(by=by, trees=10)(codes[k], factors[:, 1:])) for k in ("apart", "turned"))
    assert apart > 0.8
    assert apart > turned + 0.2


def test_who_is_given_what():
    with pytest.raises(BadInput, match="of the same samples"):
        MutualInformationGap()(chance(4, 2), torch.zeros(5, 1))
    with pytest.raises(BadInput, match="leave those samples out"):
        SAP()(torch.full((4, 2), math.nan), torch.zeros(4, 1))
    with pytest.raises(BadInput, match=r"call it by itself: pl.metrics.SAP\(\)"):
        pl.measure(Halves(), chance(2, 1, 8, 8), chance(2, 8, 8), "sap")


# --- factors of data --------------------------------------------------------------------------------------------------


def test_factors_of_scenes():
    """What is painted: shape, colour and texture make the class; the place is that of the box."""
    data = Dataset.make("scenes:classes=27,size=48,length=60")
    records = [data[i] for i in range(60)]
    factors = factors_of(records)
    assert factors.names == ("shape", "colour", "texture", "ground", "x", "y", "size")
    by_class = {}
    for record, row in zip(records, factors.classes.tolist(), strict=True):
        by_class.setdefault(record.label, set()).add(tuple(row[:3]))
        x0, y0, x1, y1 = record.boxes_for()[0].tolist()
        assert row[4] == int((x0 + x1) / 2 / 48 * 8)
        assert row[5] == int((y0 + y1) / 2 / 48 * 8)
    assert all(len(rows) == 1 for rows in by_class.values())
    assert len({next(iter(rows)) for rows in by_class.values()}) == len(by_class)
    assert len(set(factors.classes[:, 3].tolist())) > 3


def test_factors_of_what_has_none():
    data = Dataset.make("digits")
    assert factors_of([data[0], data[1]]) is None


def test_metrics_of_factors_of_scenes():
    """A code that holds the factors themselves scores above one of chance."""
    data = Dataset.make("scenes:classes=27,size=32,length=300")
    factors = factors_of([data[i] for i in range(300)])
    told = factors.classes.double() + 0.1 * chance(300, 7)
    for metric in (MutualInformationGap(), SAP(), DCI(trees=5)):
        knows, guesses = (float(metric(c, factors.classes, factors.ordered)) for c in (told, chance(300, 7)))
        assert knows > guesses + 0.2, metric


def test_off_diagonal_of_several():
    m = chance(4, 3, 3)
    told = [np.mean([m[i, j, k] for j in range(3) for k in range(3) if j != k]) for i in range(4)]
    assert np.allclose(off_diagonal(m), told, atol=1e-6)


# --- edges -----------------------------------------------------------------------------------------------------------


def test_a_factor_that_no_unit_tells_does_not_spoil_the_others():
    """The lasso gives it no weights at all: a column of zeros, not of NaN."""
    v = torch.cartesian_prod(torch.arange(4), torch.arange(4)).repeat(20, 1)
    codes = torch.stack([v[:, 0].double(), torch.zeros(len(v))], 1)
    each = DCI(by="lasso").each(codes, v)
    assert each[0] > 0.99
    assert each[1].isnan()  # a unit that matters to nothing
    assert DCI(by="lasso")(codes, v) > 0.99
    told = DCI(by="lasso", part="completeness").each(codes, v)
    assert told[0] > 0.99
    assert told[1].isnan()


@pytest.mark.parametrize("metric", (MutualInformationGap(), SAP(), DCI(trees=5), DCI(by="lasso")))
@pytest.mark.parametrize("ordered", (True, False))
def test_textbook_edges(metric, ordered):
    """Of codes that never change nothing is told; one factor that one unit of several tells has 1."""
    g = torch.Generator().manual_seed(0)
    v = torch.randint(0, 2, (400, 2), generator=g)
    assert float(metric(torch.zeros(400, 3), v, [ordered] * 2)) == 0
    alone = torch.stack([v[:, 0].double(), torch.zeros(400)], 1)
    best = 0.5 if isinstance(metric, SAP) and not ordered else 1.0  # of balanced accuracies: 1 above a half
    assert float(metric(alone, v[:, :1], [ordered])) == pytest.approx(best, abs=0.01)


@pytest.mark.parametrize("metric", (MutualInformationGap(), SAP(), DCI()))
def test_metrics_of_codes_refuse_what_they_cannot(metric):
    codes, v = torch.randn(8, 2), torch.arange(8)[:, None] % 2
    for asked, told in (
        ((codes[:0], v[:0]), "of the same samples"),
        ((codes, v / 0.0), "the factors hold NaN"),
        ((codes, v, [True, True]), "ordered speaks of 2"),
    ):
        with pytest.raises(pl.PellucidError, match=told):
            metric(*asked)


def test_nobody_is_like_who_has_no_label():
    with pytest.raises(pl.PellucidError, match="no label"):
        SimilarityRate()(torch.rand(2, 4), torch.full((2,), -1), torch.full((4,), -1))

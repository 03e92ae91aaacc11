"""DKNN, SimplEx and chance against slow re-tellings, and what theory says of them; and how large the effects of the
published pipeline's defects are."""

import math
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from torch import nn

import pellucid as pl
from pellucid.data.digits import Digits
from pellucid.influences.dknn import dknn, squared_distances
from pellucid.influences.random import noise
from pellucid.influences.simplex import nearest_mixture, published
from pellucid.maths.similarity import pearson, spearman


def features(t=6, n=20, d=5, seed=0, dtype=torch.float32):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(t, d, generator=g, dtype=dtype), torch.randn(n, d, generator=g, dtype=dtype)


def asked(test, train, member, **options):
    return pl.influence(nn.Identity(), train, test, member, **options)


def rows_alike(a, b, measure=spearman):
    return float(measure(a[:, None], b[:, None]).mean())


def digits(n=300, start=0):
    data = Digits()
    rows = list(range(start, start + n))
    return data.images(rows).float() / 255, data.labels(rows)


# --- DKNN ----------------------------------------------------------------------------------------------------------


def brute_force(test, train, k, kernel):
    found = torch.zeros(len(test), len(train))
    for i, x in enumerate(test):
        distances = [math.dist(x.tolist(), y.tolist()) for y in train]
        nearest = sorted(range(len(train)), key=lambda n: distances[n])[:k]
        for n in nearest:
            found[i, n] = kernel(distances[n])
    return found


@pytest.mark.parametrize("k", [1, 3, 20, 50, None])
def test_dknn_is_the_sorted_list_of_distances(k):
    test, train = features()
    expected = brute_force(test, train, k, lambda d: 1 / d**2)
    found = asked(test, train, pl.influences.DKNN(k=k))
    assert torch.allclose(found, expected, rtol=1e-4)
    assert ((found > 0).sum(1) == min(20 if k is None else k, 20)).all()


def test_dknn_with_a_gaussian():
    test, train = features()
    spread = math.sqrt(sum(float(((y - train.mean(0)) ** 2).sum()) for y in train) / len(train))
    expected = brute_force(test, train, 4, lambda d: math.exp(-(d**2) / (2 * (0.3 * spread) ** 2)))
    assert torch.allclose(asked(test, train, "dknn:k=4,kernel=gaussian,width=0.3"), expected, rtol=1e-4, atol=1e-8)


@pytest.mark.peer
def test_faiss_finds_the_same_neighbours():
    pytest.importorskip("faiss")
    test, train = features(t=30, n=400, d=8)
    test[0] = train[3]
    for how in ("k=7", "k=7,kernel=gaussian", "k=500"):
        exact = asked(test, train, f"dknn:{how}")
        assert torch.allclose(asked(test, train, f"dknn:{how},search=faiss"), exact, rtol=1e-4)


def test_faiss_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    test, train = features()
    with pytest.raises(pl.PellucidError, match=r"pip install 'pellucid\[knn\]'"):
        asked(test, train, "dknn:k=3,search=faiss")


def test_dknn_is_symmetric_when_the_two_sets_change_places():
    test, train = features(dtype=torch.float64)
    weights = dknn(squared_distances(test, train))
    assert torch.allclose(weights, dknn(squared_distances(train, test)).T, rtol=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.floats(0.1, 30), st.floats(-50, 50))
def test_dknn_ranks_do_not_change_under_rotation_translation_and_scale(seed, scale, shift):
    test, train = features(seed=seed, dtype=torch.float64)
    turn, _ = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))
    before = dknn(squared_distances(test, train))
    after = dknn(squared_distances(scale * test @ turn + shift, scale * train @ turn + shift))
    assert torch.allclose(after * scale**2, before, rtol=1e-6)
    assert torch.equal(before.argsort(1), after.argsort(1))


def test_distances_of_near_duplicates_keep_their_digits():
    _, train = features(n=200, d=64)
    train = 100 * train
    test = train[:10] + 1e-3 * torch.randn(10, 64, generator=torch.Generator().manual_seed(1))
    exact = torch.cdist(test.double(), train.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    found = squared_distances(test, train)
    assert float(((found - exact).abs() / exact).max()) < 1e-4
    plain = test.square().sum(1)[:, None] + train.square().sum(1) - 2 * test @ train.T
    own = torch.arange(10)
    assert float(((plain - exact).abs() / exact)[own, own].max()) > 10  # what the trick alone would have done


def test_many_near_duplicates_take_the_other_way_round():
    base = torch.randn(1, 8, generator=torch.Generator().manual_seed(2)) * 100
    test, train = base + 0.01 * features(d=8)[0], base + 0.01 * features(d=8)[1]
    exact = torch.cdist(test.double(), train.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    assert torch.allclose(squared_distances(test, train).double(), exact, rtol=1e-5)


def test_duplicates_are_finite_and_first_unless_published():
    test, train = features()
    test[0] = train[7]
    sound = asked(test, train, "dknn")
    assert sound.isfinite().all()
    assert sound[0].argmax() == 7
    assert asked(test, train, "dknn:protocol=published")[0, 7] == math.inf
    everything_alike = asked(torch.ones(3, 4), torch.ones(5, 4), "dknn")
    assert everything_alike.isfinite().all()
    assert everything_alike.unique().numel() == 1


def test_the_least_important_are_ranked_by_distance_not_by_ties_at_zero():
    test, train = features(n=30)
    distances = torch.cdist(test, train)
    top = asked(test, train, "dknn:k=3", top=5)
    assert torch.equal(top.opponents, distances.topk(5, 1).indices)
    assert torch.equal(top.supporters, distances.topk(5, 1, largest=False).indices)
    assert (top.scores[:, :3] > 0).all()
    assert (top.scores[:, 3:] == 0).all()
    assert (top.low == 0).all()
    all_ = asked(test, train, "dknn:k=3")
    assert torch.allclose(all_.gather(1, top.supporters), top.scores)


# --- what the published pipeline did -------------------------------------------------------------------------------


def test_published_dknn_has_no_k_and_is_otherwise_the_same():
    """Every training example has a weight, where the definition has K: of the mass a few have, the rest a good part."""
    test, train = features(t=20, n=500)
    everyone = asked(test, train, "dknn:protocol=published")
    assert torch.allclose(everyone, asked(test, train, "dknn"), rtol=1e-4)
    near = asked(test, train, "dknn:k=10")
    left_out = 1 - float((near.sum(1) / everyone.sum(1)).mean())
    assert 0.5 < left_out < 0.95  # of all weight: the ten nearest of five hundred have the smaller part
    assert rows_alike(near, everyone, pearson) > 0.7  # and decide a Pearson all the same


def test_overlapping_examples_are_infinite_and_raise_the_similarity():
    """Test and training examples from one split: those that are in both have infinity, and their own label."""
    images, labels = digits(400)
    train, test = (images[:250], labels[:250]), (images[200:], labels[200:])
    code = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    with torch.no_grad():
        nn.init.normal_(code[1].weight, generator=torch.Generator().manual_seed(0))
    scores = pl.influence(code, train, test, "dknn:protocol=published")
    assert int(scores.isinf().sum()) == 50
    nearest = labels[scores.argmax(1)] == labels[200:]
    assert nearest[:50].all()  # each is its own neighbour
    assert nearest[50:].double().mean() < 0.9
    sound = pl.influence(code, train, test, "dknn")
    assert sound.isfinite().all()
    assert torch.equal(sound.argmax(1), scores.argmax(1))


def test_rows_do_not_depend_on_how_many_there_are():
    """Whether 1,000 or all 10,000 test images are asked about, each has its row; only what pools them differs."""
    test, train = features(t=50)
    for member in ("dknn", "dknn:k=3", "simplex:ridge=0.01", "random"):
        assert torch.allclose(asked(test, train, member)[:10], asked(test[:10], train, member), atol=1e-5), member


@pytest.mark.parametrize("biased", [True, False])
def test_raw_bytes_in_place_of_unit_range_are_another_question(biased):
    """A network of ReLUs without biases only scales; one with biases sees other images."""
    images, labels = digits(200)
    g = torch.Generator().manual_seed(3)
    code = nn.Sequential(nn.Flatten(), nn.Linear(64, 32, bias=biased), nn.ReLU(), nn.Linear(32, 4, bias=biased))
    for parameter in code.parameters():
        nn.init.normal_(parameter, std=0.5, generator=g)
    right = pl.influence(code, (images[:100], labels[:100]), (images[100:], labels[100:]), "dknn")
    raw = pl.influence(code, (255 * images[:100], labels[:100]), (255 * images[100:], labels[100:]), "dknn")
    alike = rows_alike(right, raw)
    assert (0.5 < alike < 0.995) if biased else alike > 0.99999


def test_ten_times_as_many_test_examples_say_the_same():
    """Examples are compared over 1,000 test images, or 10,000: the pooled number hardly moves."""
    images, _ = digits(1700)
    g = torch.Generator().manual_seed(3)
    codes = [nn.Sequential(nn.Flatten(), nn.Linear(64, 4)) for _ in range(2)]
    for code in codes:
        nn.init.normal_(code[1].weight, generator=g)
    w = [pl.influence(code, images[:200], images[200:], "dknn") for code in codes]
    few, all_ = (float(pl.agreement([m[rows] for m in w], by="spearman", pooled=True)[0, 1]) for rows in (
        slice(0, 150), slice(None)))  # fmt: skip
    assert abs(few - all_) < 0.05
    heavy = [
        float(pl.agreement([m[i : i + 150] for m in w], by="pearson", pooled=True)[0, 1]) for i in range(0, 1500, 150)
    ]
    assert max(heavy) - min(heavy) > 0.02  # where a few enormous weights decide, it matters which test examples


@pytest.mark.parametrize("member", ["dknn", "dknn:k=2", "simplex", "random"])
def test_no_row_is_left_at_zero_where_the_batch_does_not_divide(member):
    test, train = features(t=7, n=11)
    scores = asked(test, train, member, batch_size=3)
    assert scores.shape == (7, 11)
    assert scores.any(1).all()
    assert torch.allclose(scores, asked(test, train, member, batch_size=50), atol=1e-5)


# --- SimplEx -------------------------------------------------------------------------------------------------------


def residual(weights, test, train):
    return (test.double() - weights.double() @ train.double()).norm(dim=1)


def by_nnls(test, train):
    """With a heavy row that makes the weights sum to one."""
    found = []
    heavy = 1e5
    for x in test.double():
        system = torch.cat([train.double().T, heavy * torch.ones(1, len(train), dtype=torch.float64)])
        weights, _ = nnls(system.numpy(), torch.cat([x, torch.tensor([heavy])]).numpy(), maxiter=10_000)
        found.append(torch.from_numpy(weights))
    return torch.stack(found)


@pytest.mark.parametrize("n, d", [(40, 3), (200, 4), (30, 60), (100, 20), (1, 3), (2, 2)])
def test_simplex_has_the_residual_of_a_solver_of_another_kind(n, d):
    test, train = features(t=8, n=n, d=d)
    test = 2 * test  # some of them outside of the hull
    weights, gap = nearest_mixture(test, train)
    assert (weights >= 0).all()
    assert torch.allclose(weights.sum(1), torch.ones(8, dtype=torch.float64), atol=1e-9)
    ours, theirs = residual(weights, test, train), residual(by_nnls(test, train), test, train)
    assert torch.allclose(ours, theirs, atol=1e-4)
    assert (gap >= 0).all()
    assert float(gap.max()) < 1e-9 * d
    assert ((weights > 0).sum(1) <= d + 1).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 12), st.floats(0.1, 5), st.booleans())
def test_simplex_is_no_worse_than_anybody(seed, n, d, away, twice):
    test, train = features(t=4, n=n, d=d, seed=seed)
    test = test * away
    train = torch.cat([train, train]) if twice else train  # duplicates
    weights, gap = nearest_mixture(test, train)
    ours = residual(weights, test, train)
    single = torch.cdist(test.double(), train.double()).amin(1)
    uniform = (test.double() - train.double().mean(0)).norm(dim=1)
    assert (ours <= single + 1e-6).all()
    assert (ours <= uniform + 1e-6).all()
    others = torch.rand(200, len(train), dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).pow(4)
    mixed = (test.double()[:, None] - (others / others.sum(1, keepdim=True)) @ train.double()).norm(dim=2).amin(1)
    assert (0.5 * ours**2 <= 0.5 * mixed**2 + gap + 1e-9).all()


def test_a_mixture_of_examples_is_found_again():
    _, train = features(n=300, d=6)
    share = torch.rand(9, 300, generator=torch.Generator().manual_seed(4)).pow(8)
    test = (share / share.sum(1, keepdim=True)) @ train
    weights, _ = nearest_mixture(test, train)
    assert float(residual(weights, test, train).max()) < 1e-4


def test_degenerate_corpora():
    test, _ = features(t=3, d=4)
    for train in (torch.ones(10, 4), torch.ones(1, 4), torch.arange(10.0)[:, None].expand(10, 4) + 1e6):
        weights, _ = nearest_mixture(test, train)
        assert torch.allclose(weights.sum(1), torch.ones(3, dtype=torch.float64))
        assert (weights >= 0).all()


def test_simplex_beats_ten_thousand_steps_of_adam():
    test, train = features(t=5, n=60, d=4)
    ours = residual(nearest_mixture(test, train)[0], test, train)
    theirs = residual(published(test, train, 10_000), test, train)
    assert (ours <= theirs + 1e-6).all()
    assert float((theirs - ours).mean()) < 0.05  # they did get near


def test_published_simplex_stops_near_equal_weights():
    """A thousand steps at 1e-3 move a logit by at most one: no example can have much more than e² times another."""
    test, train = features(t=10, n=500, d=4)
    weights = asked(test, train, "simplex:protocol=published")
    assert torch.allclose(weights.sum(1), torch.ones(10), atol=1e-5)
    assert 2 / 500 < float(weights.amax()) < 8 / 500
    early = residual(weights, test, train).mean()
    best = residual(asked(test, train, "simplex"), test, train).mean()
    assert float(early) > 3 * float(best)
    assert float(early) > 0.4 * float(test.norm(dim=1).mean())


def test_published_simplex_follows_the_centred_inner_product():
    """Which is the direction of its first step."""
    test, train = features(t=10, n=300, d=4)
    weights = asked(test, train, "simplex:protocol=published")
    product = test @ (train - train.mean(0)).T
    assert rows_alike(weights, product) > rows_alike(weights, -torch.cdist(test, train))
    assert rows_alike(asked(test, train, "simplex:protocol=published,steps=1"), product) > 0.8  # Adam's is its sign


def test_even_weights_are_unique_and_invariant_to_affine_isometries():
    test, train = features(t=6, n=80, d=4, dtype=torch.float64)
    turn, _ = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5)))
    before, gap = nearest_mixture(test, train, ridge=1e-2)
    after, _ = nearest_mixture(7 * test @ turn + 3, 7 * train @ turn + 3, ridge=1e-2)
    assert float(gap.max()) < 1e-8
    assert torch.allclose(before, after, atol=1e-5)
    swap = torch.randperm(80, generator=torch.Generator().manual_seed(6))
    assert torch.allclose(nearest_mixture(test, train[swap], ridge=1e-2)[0], before[:, swap], atol=1e-5)
    assert float((before > 0).sum(1).double().mean()) > 5  # more than one corner would need


def test_a_ridge_solves_the_problem_it_says():
    """By projected gradient, slowly."""
    test, train = features(t=3, n=15, d=3, dtype=torch.float64)
    scale = float((train - train.mean(0)).square().sum(1).mean())
    weights = torch.full((3, 15), 1 / 15, dtype=torch.float64)
    for _ in range(20_000):
        slope = (weights @ train - test) @ train.T + 0.1 * scale * weights
        weights = on_the_simplex(weights - 0.01 * slope)
    assert torch.allclose(nearest_mixture(test, train, ridge=0.1)[0], weights, atol=1e-5)


def on_the_simplex(rows):
    ordered = rows.sort(1, descending=True).values
    over = (ordered.cumsum(1) - 1) / torch.arange(1, rows.shape[1] + 1)
    count = (ordered > over).sum(1, keepdim=True)
    return (rows - over.gather(1, count - 1)).clamp_min(0)


# --- chance --------------------------------------------------------------------------------------------------------


def test_chance_has_rows_of_their_own():
    test, train = features(t=40, n=1000)
    scores = asked(test, train, "random")
    assert abs(float(scores.mean())) < 0.02
    assert abs(float(scores.std()) - 1) < 0.02
    assert abs(float(torch.corrcoef(scores)[0, 1:].mean())) < 0.02
    assert not torch.equal(scores, asked(test, train, "random", seed=1))
    assert torch.equal(asked(test, train, "random:seed=1"), asked(test, train, "random", seed=1))
    assert torch.equal(noise(torch.tensor([39]), 1000, 0)[0], scores[39])

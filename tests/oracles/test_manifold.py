"""Manifold matching: loops, identities, and what the scale does to it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.nn.functional import normalize

from pellucid.maths.manifold import distances, log_adjacency, manifold_loss, perplexity, scale_for
from pellucid.maths.transport import unit_rows

SEEDS = st.integers(0, 1000)
KINDS = ("euclidean", "cosine")


def points(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def matched(f, g, scale=2.0, kind="euclidean"):
    """The loss of images f and texts g."""
    return manifold_loss(log_adjacency(distances(f, f, kind), scale), log_adjacency(distances(g, g, kind), scale))


# --- distances --------------------------------------------------------------------------------------------------------


def test_distances_pair_by_pair():
    x, y = points(4, 6), points(5, 6, seed=1)
    for i in range(4):
        for j in range(5):
            assert distances(x, y)[i, j].item() == pytest.approx(math.dist(x[i].tolist(), y[j].tolist()))
            cos = (x[i] @ y[j] / x[i].norm() / y[j].norm()).item()
            assert distances(x, y, "cosine")[i, j].item() == pytest.approx(1 - cos)


def test_a_large_common_part_costs_no_precision():
    """Post-ReLU features share a mean that is large against what tells them apart."""
    x = points(16, 2000, dtype=torch.float32) + 100
    exact = distances(x.double(), x.double())
    others = ~torch.eye(16, dtype=torch.bool)
    wrong = ((distances(x, x) - exact) / exact)[others].abs().max()
    assert wrong < 1e-5
    lengths = x.square().sum(1)
    naive = (lengths[:, None] + lengths - 2 * x @ x.T).clamp_min(0).sqrt()
    assert ((naive - exact) / exact)[others].abs().max() > 3 * wrong


@pytest.mark.parametrize("b", [8, 64])
@pytest.mark.parametrize("p", [500, 25_088, 100_352])
def test_near_duplicates_in_float32(b, p):
    """Duplicates are 0 apart, however long; what is nearer than 1e-3 of the spread may be, and 1e-2 is right to 4 %."""
    x = normalize(points(b, p, dtype=torch.float32).relu() ** 4)
    noise = normalize(points(b, p, seed=1, dtype=torch.float32))
    assert distances(x, x.clone()).diagonal().max() == 0
    for shift, tolerance in ((1e-2, 4e-2), (0.1, 4e-4)):
        found, exact = (
            distances(*z).diagonal() for z in ((x, x + shift * noise), (x.double(), (x + shift * noise).double()))
        )
        assert torch.allclose(found.double(), exact, rtol=tolerance)
    assert distances(x, x + 1e-4 * noise).diagonal().max() < 2e-3


@pytest.mark.parametrize("kind", KINDS)
def test_duplicates_have_a_finite_gradient(kind):
    x = points(6, 40, dtype=torch.float32)
    x[3] = x[1]
    x[5] = 0
    for dtype in (torch.float16, torch.float32, torch.float64):
        leaf = x.to(dtype).requires_grad_()
        apart = distances(leaf, leaf, kind)
        assert apart[1, 3].item() == pytest.approx(0, abs=1e-6)
        assert apart.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        loss = manifold_loss(
            log_adjacency(apart, 2.0), log_adjacency(distances(points(6, 9), points(6, 9)), 1.0).to(apart)
        )
        (slope,) = torch.autograd.grad(loss, leaf)
        assert bool(slope.isfinite().all())
        assert slope.abs().max() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_the_same_is_nothing_apart_and_pulls_nothing(kind):
    x, y = points(3, 5).requires_grad_(), points(4, 5, seed=1).requires_grad_()
    same = torch.zeros(3, 4, dtype=torch.bool)
    same[0, 1] = same[2, 2] = same[2, 3] = True
    apart = distances(x, y, kind, same)
    assert apart[same].tolist() == [0, 0, 0]
    assert torch.allclose(apart[~same], distances(x, y, kind)[~same])
    slopes = torch.autograd.grad(apart[same].sum(), (x, y), retain_graph=True)
    assert max(s.abs().max() for s in slopes) == 0


def test_the_published_floor():
    x = torch.tensor([[0.0], [0.005], [3.0]], dtype=torch.float64, requires_grad=True)
    apart = distances(x, x, floor=1e-4)
    assert torch.allclose(apart[0], torch.tensor([0.01, 0.01, 3.0], dtype=torch.float64))
    (slope,) = torch.autograd.grad(apart[0, 1], x)
    assert slope.abs().max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_distances_by_finite_differences(kind):
    x, y = points(4, 5), points(3, 5, seed=1)
    y[2] = y[1]
    assert gradcheck(lambda x, y: distances(x, y, kind), (x.requires_grad_(), y.requires_grad_()))


def test_the_loss_by_finite_differences_with_duplicates():
    f, g = points(5, 4), points(5, 3, seed=1)
    f[3], g[3], g[4] = f[1], g[1], g[0]
    scale = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)

    def loss(f, g, scale):
        eye = torch.eye(5, dtype=torch.bool)
        apart = [distances(z, z, same=eye) for z in (f, g)]
        return manifold_loss(*(log_adjacency(D, scale) for D in apart))

    assert gradcheck(loss, (f.requires_grad_(), g.requires_grad_(), scale))


def test_the_mean_that_centres_has_no_part_in_the_gradient():
    x = points(5, 7).requires_grad_()
    ours = torch.autograd.grad(distances(x, x).square().sum(), x)[0]
    theirs = torch.autograd.grad((x[:, None] - x).square().sum(), x)[0]
    assert torch.allclose(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_no_tensor_has_a_row_for_each_pair(kind):
    """What is kept for the way back is as large as the features, or as the pairs."""
    x, largest = points(40, 3 * 256).requires_grad_(), [0]

    def seen(tensor):
        largest[0] = max(largest[0], tensor.untyped_storage().nbytes() // 8)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(seen, lambda t: t):
        distances(x, x, kind)
    assert 0 < largest[0] <= 40 * 3 * 256


def test_autocast_does_not_make_it_coarse():
    x = points(10, 50, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        coarse = distances(x, x), distances(x, x, "cosine")
    assert torch.equal(coarse[0], distances(x, x))
    assert torch.equal(coarse[1], distances(x, x, "cosine"))


# --- the loss ---------------------------------------------------------------------------------------------------------


def test_the_loss_literally():
    f, g, scale = points(4, 6), points(4, 3, seed=1), 1.7
    total = 0.0
    for i in range(4):
        a, b = ([math.exp(-scale * math.dist(z[i].tolist(), z[j].tolist())) for j in range(4)] for z in (f, g))
        for p, q in zip((w / sum(b) for w in b), (w / sum(a) for w in a), strict=True):
            total += p * math.log(p / q) / 4
    assert matched(f, g, scale).item() == pytest.approx(total)
    assert matched(g, f, scale).item() != pytest.approx(total, rel=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_sum_to_one_and_each_is_its_own_nearest(kind):
    x = points(9, 5)
    adjacency = log_adjacency(distances(x, x, kind), 3.0).exp()
    assert torch.allclose(adjacency.sum(1), torch.ones(9, dtype=torch.float64))
    assert adjacency.argmax(1).tolist() == list(range(9))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, b=st.integers(1, 8), kind=st.sampled_from(KINDS))
def test_the_loss_is_never_negative_and_zero_of_like_with_like(seed, b, kind):
    f, g = points(b, 6, seed=seed), points(b, 4, seed=seed + 1)
    assert matched(f, g, kind=kind).item() >= -1e-12
    turned = torch.linalg.qr(points(6, 6, seed=seed + 2)).Q
    assert matched(f, f @ turned, kind=kind).item() == pytest.approx(0, abs=1e-10)


def test_two_that_are_one_image_of_one_class():
    f, g = points(1, 6).expand(2, 6), points(1, 4).expand(2, 4)
    assert matched(f, g, 50.0).item() == 0


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, b=st.integers(2, 8), factor=st.floats(1e-3, 1e3))
def test_order_size_and_channels_do_not_matter(seed, b, factor):
    f, g = points(b, 6, seed=seed), points(b, 4, seed=seed + 1)
    chance = torch.Generator().manual_seed(seed)
    samples, channels = torch.randperm(b, generator=chance), torch.randperm(6, generator=chance)
    loss = matched(unit_rows(f), unit_rows(g)).item()
    assert matched(unit_rows(f[samples]), unit_rows(g[samples])).item() == pytest.approx(loss)
    assert matched(unit_rows(f * factor), unit_rows(g)).item() == pytest.approx(loss)
    assert matched(unit_rows(f[:, channels]), unit_rows(g)).item() == pytest.approx(loss)


def test_only_one_side_may_be_turned_among_the_samples():
    f, g = points(6, 6), points(6, 4, seed=1)
    assert abs(matched(f, g) - matched(f.flip(0), g)) > 1e-3


def test_in_parts_it_is_the_same():
    """Rows of one device against the batch of all."""
    f, g = points(6, 6), points(6, 4, seed=1)
    parts = [
        manifold_loss(*(log_adjacency(distances(z[rows], z), 2.0) for z in (f, g)))
        for rows in (slice(0, 3), slice(3, 6))
    ]
    assert torch.allclose(sum(parts) / 2, matched(f, g))


# --- the scale --------------------------------------------------------------------------------------------------------


def features(b=64, seed=0):
    """Of unit length: images after a ReLU, and texts of 20 classes, several samples each."""
    f = points(b, 512, seed=seed).relu()
    classes = torch.arange(b) % 20
    return normalize(f), normalize(points(20, 300, seed=seed + 1)[classes])


def test_what_the_scale_makes_of_the_rows():
    """As measured before, of unit vectors in a batch of 64: 1/2.659 says nothing, 14.29 is the identity."""
    x, _ = features()
    apart = distances(x, x)
    share = perplexity(apart, 1 / 2.659).log() / math.log(64)
    assert share.min() == pytest.approx(0.9995, abs=1e-4)
    assert log_adjacency(apart, 14.29).exp().diagonal().min() > 0.99999
    assert (perplexity(apart, 1.0).log() / math.log(64)).min() == pytest.approx(0.994, abs=3e-3)


def test_what_the_scale_makes_of_the_loss():
    f, g = features()
    losses = [matched(f, g, scale).item() for scale in (1 / 2.659, 14.29, 100.0)]
    assert losses[0] < 0.01
    assert 4 < losses[1] < 12
    assert 35 < losses[2] < 90


def test_without_scale_there_is_no_loss_and_more_scale_is_more_loss():
    f, g = features()
    found = []
    for logarithm in (-8.0, -4.0, 0.0, 2.66):
        t = torch.tensor(logarithm, dtype=torch.float64, requires_grad=True)
        loss = matched(f, g, t.exp())
        found.append((loss.item(), torch.autograd.grad(loss, t)[0].item()))
    assert found[0][0] < 1e-6
    assert all(slope > 0 for _, slope in found)


def test_a_trained_scale_runs_away():
    """The features stay as they are; log s falls from 2.66 below −1 in ten steps, and the loss to nothing."""
    f, g = features()
    t = torch.tensor(2.659, dtype=torch.float64, requires_grad=True)
    optimiser, before = torch.optim.SGD([t], lr=0.03, momentum=0.9), matched(f, g, math.exp(2.659)).item()
    for _ in range(10):
        optimiser.zero_grad()
        (10 * matched(f, g, t.exp())).backward()
        optimiser.step()
    assert t.item() < -1
    assert matched(f, g, t.detach().exp()).item() < 1e-3 * before


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, b=st.integers(3, 20), share=st.floats(0.1, 0.9), size=st.floats(1e-3, 1e3))
def test_the_scale_for_a_perplexity_has_it(seed, b, share, size):
    x = points(b, 5, seed=seed) * size
    wanted, apart = 1 + share * (b - 1), distances(x, x)
    scale = scale_for(apart, wanted)
    assert perplexity(apart, scale).quantile(0.5).item() == pytest.approx(wanted, rel=1e-6)
    assert scale_for(apart * 10, wanted) == pytest.approx(scale / 10, rel=1e-6)


def test_perplexity_literally():
    apart = points(3, 5).abs()
    for i in range(3):
        weights = [math.exp(-1.3 * d) for d in apart[i].tolist()]
        entropy = -sum(w / sum(weights) * math.log(w / sum(weights)) for w in weights)
        assert perplexity(apart, 1.3)[i].item() == pytest.approx(math.exp(entropy))


def test_where_no_scale_has_the_perplexity_it_is_the_nearest():
    x = points(3, 4).repeat(4, 1)  # everything four times: never fewer than 4 neighbours
    apart = distances(x, x)
    low, high = scale_for(apart, 2.0), scale_for(apart, 100.0)
    assert math.isfinite(low)
    assert perplexity(apart, low).tolist() == pytest.approx([4] * 12)
    assert perplexity(apart, high).tolist() == pytest.approx([12] * 12, rel=1e-4)
    assert low * apart.mean().item() > 1e5
    assert 0 < high * apart.mean().item() < 1e-5


@pytest.mark.parametrize("apart", [torch.zeros(4, 4), torch.zeros(1, 1), torch.ones(3, 1)])
def test_where_every_scale_is_as_good_it_is_one(apart):
    assert scale_for(apart, 2.0) == 1.0


def test_the_scale_is_a_number_without_gradient():
    x = points(6, 4, dtype=torch.float32).requires_grad_()
    assert isinstance(scale_for(distances(x, x), 3.0), float)

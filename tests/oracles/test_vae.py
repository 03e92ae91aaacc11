"""What the objectives without labels compute, told once more in loops."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.distributions import Bernoulli, Normal, kl_divergence

from pellucid.networks import load_model
from pellucid.networks.conv_vae import halves
from pellucid.objectives import Objective
from pellucid.objectives._step import chance
from pellucid.objectives._vae import bernoulli, gaussian_kl
from pellucid.objectives.denoising import corrupted, difference
from pellucid.objectives.infonce import LEAST, nt_xent
from pellucid.objectives.tc_vae import decomposed, log_normal, stratified


def codes(n=5, d=3, seed=0, dtype=torch.float64):
    """Codes, and the means and log-variances that they were drawn from."""
    g = torch.Generator().manual_seed(seed)
    mean, logvar = (torch.randn(n, d, generator=g, dtype=dtype) for _ in range(2))
    return mean + (logvar / 2).exp() * torch.randn(n, d, generator=g, dtype=dtype), mean, logvar


def flat(n, m, value=0.0):
    return torch.full((n, m), value, dtype=torch.float64)


# --- densities --------------------------------------------------------------------------------------------------------


def test_densities_are_those_of_torch():
    z, mean, logvar = codes()
    own, prior = Normal(mean, (logvar / 2).exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean))
    torch.testing.assert_close(log_normal(z, mean, logvar), own.log_prob(z))
    torch.testing.assert_close(gaussian_kl(mean, logvar), kl_divergence(own, prior))
    pixels = torch.rand(5, 1, 4, 4, dtype=torch.float64)
    there = Bernoulli(logits=torch.randn(5, 1, 4, 4, dtype=torch.float64), validate_args=False)
    torch.testing.assert_close(bernoulli(there.logits, pixels), -there.log_prob(pixels).flatten(1).sum(1))


def test_a_unit_as_the_prior_has_it_costs_nothing():
    assert gaussian_kl(torch.zeros(4, 2), torch.zeros(4, 2)).eq(0).all()
    assert gaussian_kl(torch.full((1, 1), 1e-2), torch.zeros(1, 1)).gt(0).all()


def test_means_and_variances_stand_in_turns():
    """Unit j has the columns 2j and 2j + 1."""
    net = load_model("pellucid:conv-vae:latent=4")
    x = torch.rand(2, 1, 32, 32)
    coded = net.encoder(x)
    mean, logvar = net.posterior(x)
    for j in range(4):
        assert torch.equal(mean[:, j], coded[:, 2 * j])
        assert torch.equal(logvar[:, j], coded[:, 2 * j + 1])
    assert torch.equal(net(x), mean)
    assert torch.equal(halves(coded)[1], logvar)


# --- the three parts --------------------------------------------------------------------------------------------------


def told_in_loops(z, own, all_, weights):
    """Picture by picture, unit by unit, with densities instead of their logarithms."""
    n, d = z.shape
    found = []
    for i in range(n):
        q, product = 0.0, 1.0
        for j in range(len(all_[0])):
            q += math.exp(weights[i, j]) * math.prod(density(z[i, k], all_[0][j, k], all_[1][j, k]) for k in range(d))
        for k in range(d):
            product *= sum(
                math.exp(weights[i, j]) * density(z[i, k], all_[0][j, k], all_[1][j, k]) for j in range(len(all_[0]))
            )
        posterior = math.prod(density(z[i, k], own[0][i, k], own[1][i, k]) for k in range(d))
        prior = math.prod(density(z[i, k], torch.tensor(0.0), torch.tensor(0.0)) for k in range(d))
        found.append((math.log(posterior / q), math.log(q / product), math.log(product / prior)))
    return torch.tensor(found, dtype=torch.float64).T


def density(z, mean, logvar):
    variance = math.exp(logvar)
    return math.exp(-((float(z) - float(mean)) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)


@pytest.mark.parametrize("weights", [flat(5, 5), flat(5, 5, -3.0), stratified(5, 40).log()], ids=["0", "N", "strata"])
def test_the_parts_in_loops(weights):
    z, mean, logvar = codes()
    found = torch.stack(decomposed(z, (mean, logvar), (mean, logvar), weights))
    torch.testing.assert_close(found, told_in_loops(z, (mean, logvar), (mean, logvar), weights))


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 6), d=st.integers(1, 4), value=st.floats(-9, 9), seed=st.integers(0, 999))
def test_the_parts_add_up_whatever_the_weights(n, d, value, seed):
    z, mean, logvar = codes(n, d, seed)
    parts = decomposed(z, (mean, logvar), (mean, logvar), flat(n, n, value))
    whole = log_normal(z, mean, logvar).sum(1) - log_normal(z, torch.zeros_like(z), torch.zeros_like(z)).sum(1)
    torch.testing.assert_close(sum(parts), whole, rtol=1e-5, atol=1e-8)


def test_one_unit_has_nobody_to_tell_the_same():
    z, mean, logvar = codes(6, 1)
    for weights in (flat(6, 6), stratified(6, 50).log()):
        assert decomposed(z, (mean, logvar), (mean, logvar), weights).tc.abs().max() < 1e-12


@pytest.mark.parametrize("d", [1, 3, 6])
def test_the_normaliser_moves_parts_and_no_gradient(d):
    z, mean, logvar = codes(5, d)
    n_b = 60_000 * 5
    grads, parts = [], []
    for weights in (flat(5, 5, -math.log(n_b)), flat(5, 5)):
        free = mean.clone().requires_grad_()
        found = decomposed(z, (free, logvar), (free, logvar), weights)
        (found.mi + 4 * found.tc + found.dwkl).sum().backward()
        grads.append(free.grad)
        parts.append(torch.stack([p.detach().mean() for p in found]))
    shift = torch.tensor([1.0, d - 1.0, -float(d)], dtype=torch.float64) * math.log(n_b)
    torch.testing.assert_close(parts[0] - parts[1], shift)
    torch.testing.assert_close(grads[0], grads[1])


def test_total_correlation_by_integration():
    """A mixture of three correlated clouds, integrated on a grid; the estimate draws from it."""
    mean = torch.tensor([[-1.5, -1.0], [0.0, 0.4], [1.5, 1.2]], dtype=torch.float64)
    logvar = torch.tensor([[-1.0, -1.4], [-0.5, -1.0], [-1.2, -0.8]], dtype=torch.float64)
    side = torch.linspace(-7, 7, 701, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    q = log_normal(grid[:, None], mean, logvar).sum(2).exp().mean(1).view(701, 701)
    cell = float(side[1] - side[0])
    q_1, q_2 = q.sum(1) * cell, q.sum(0) * cell
    assert float(q.sum()) * cell**2 == pytest.approx(1, abs=1e-6)
    wanted = float((q * (q / (q_1[:, None] * q_2)).log().nan_to_num(0.0)).sum()) * cell**2
    g = torch.Generator().manual_seed(0)
    which = torch.randint(3, (40_000,), generator=g)
    z = mean[which] + (logvar[which] / 2).exp() * torch.randn(40_000, 2, generator=g, dtype=torch.float64)
    found = decomposed(z, (mean[which], logvar[which]), (mean, logvar), flat(40_000, 3, -math.log(3)))
    assert wanted > 0.3
    assert float(found.tc.mean()) == pytest.approx(wanted, abs=0.02)


def test_drawn_and_computed_costs_agree_on_average():
    """MI + TC + DWKL of many codes, and KL of the clouds that they are drawn from."""
    _, mean, logvar = codes(4, 3)
    g = torch.Generator().manual_seed(0)
    totals = []
    for _ in range(1500):
        z = mean + (logvar / 2).exp() * torch.randn(4, 3, generator=g, dtype=torch.float64)
        totals.append(sum(decomposed(z, (mean, logvar), (mean, logvar), flat(4, 4))).mean())
    wanted = gaussian_kl(mean, logvar).sum(1).mean()
    spread = torch.stack(totals).std() / math.sqrt(len(totals))
    assert abs(torch.stack(totals).mean() - wanted) < 4 * spread


# --- weights of a batch -----------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(0, 5000))
def test_rows_of_weights_sum_to_one(batch, more):
    W = stratified(batch, batch + more)
    torch.testing.assert_close(W.sum(1), torch.ones(batch, dtype=torch.float64))
    torch.testing.assert_close(W.diagonal(), torch.full((batch,), 1 / (batch + more) if batch > 1 else 1.0).double())


def inherited(batch, samples):
    """As it is handed down from code to code: with a step of B for the diagonal."""
    others = batch - 1
    W = torch.full((batch, batch), 1 / others)
    W.view(-1)[:: others + 1] = 1 / samples
    W.view(-1)[1 :: others + 1] = (samples - others) / (samples * others)
    W[others - 1, 0] = (samples - others) / (samples * others)
    return W


def test_the_inherited_weights_have_a_column_for_a_diagonal():
    W = inherited(4, 100)
    assert W[:2, 0].tolist() == pytest.approx([0.01, 0.01])
    assert float(W.sum(1).max()) == pytest.approx(1.3133, abs=1e-4)
    assert not torch.allclose(W.double(), stratified(4, 100))


def average_over_batches(weights_of, samples=5, batch=3):
    """Over all batches with picture 0 in their first place: the estimate of q(z)."""
    q = torch.rand(samples, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    rest = [*itertools.permutations(range(1, samples), batch - 1)]
    row = weights_of(batch, samples)[0].double()
    return float(torch.stack([(row * q[[0, *some]]).sum() for some in rest]).mean()), float(q.mean())


def test_stratified_weights_are_right_on_average():
    found, wanted = average_over_batches(stratified)
    assert found == pytest.approx(wanted, rel=1e-12)


def test_weights_of_one_over_n_b_are_not():
    """The weighted estimate is a lower bound on average, by the factor that it counts everything with."""
    found, wanted = average_over_batches(lambda b, n: torch.full((b, b), 1 / (n * b)))
    assert found < 0.5 * wanted


# --- the objectives at work -------------------------------------------------------------------------------------------


def bound(text, net="pellucid:conv-vae:latent=3", like=(1, 1, 32, 32)):
    torch.manual_seed(0)
    model = load_model(net).train()
    made = Objective.make(text).bind(model, images=torch.zeros(like), seed=7)
    return model, made


@pytest.mark.parametrize("protocol", ["sound", "published"])
def test_tc_vae_of_a_network(protocol):
    x = torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(3))
    model, made = bound(f"tc-vae:beta=4,protocol={protocol}")
    made.count = 500
    loss, terms = made(x)
    loss = loss.detach()
    noise = torch.randn(6, 3, generator=chance(7, 0, "code"))
    with torch.no_grad():
        coded = model.encoder(x).double()
        mean, logvar = coded[:, 0::2], coded[:, 1::2]
        z = mean + (logvar / 2).exp() * noise
        logits = model.decoder(z.float())
    weights = flat(6, 6, 0.0 if protocol == "published" else -math.log(500 * 6))
    mi, tc, dwkl = told_in_loops(z, (mean, logvar), (mean, logvar), weights).mean(1).tolist()
    pixels = torch.nn.functional.binary_cross_entropy(logits.sigmoid(), x, reduction="sum") / 6
    found = [float(terms[name]) for name in ("mi", "tc", "dwkl", "reconstruction")]
    assert found == pytest.approx([mi, tc, dwkl, float(pixels)], rel=1e-4, abs=1e-4)
    assert float(loss) == pytest.approx(float(pixels) + mi + 4 * tc + dwkl, rel=1e-4)


def test_beta_vae_of_a_network():
    x = torch.rand(6, 1, 32, 32)
    model, made = bound("beta-vae:beta=5")
    loss, terms = made(x)
    loss = loss.detach()
    with torch.no_grad():
        mean, logvar = model.posterior(x)
    kl = sum(
        0.5 * (float(m) ** 2 + math.exp(v) - float(v) - 1)
        for m, v in zip(mean.flatten(), logvar.flatten(), strict=True)
    )
    assert float(terms["kl"]) == pytest.approx(kl / 6, rel=1e-4)
    assert float(loss) == pytest.approx(float(terms["reconstruction"]) + 5 * kl / 6, rel=1e-5)


@pytest.mark.parametrize("objective", ["beta-vae", "tc-vae"])
def test_what_is_held_out_is_judged_with_the_mean_as_published(objective):
    x = torch.rand(8, 1, 32, 32)
    kept = {}
    for protocol in ("sound", "published"):
        model, made = bound(f"{objective}:protocol={protocol}")
        model.eval()
        with torch.no_grad():
            kept[protocol] = float(made.eval()(x)[1]["reconstruction"])
            logits, _, _, z = model.sample(x)
            mean = model(x)
        assert torch.equal(z, mean)
        still = float(bernoulli(logits, x).mean())
    assert kept["published"] == pytest.approx(still, rel=1e-6)
    assert kept["sound"] != pytest.approx(still, rel=1e-6)


# --- views ------------------------------------------------------------------------------------------------------------


def nt_xent_in_loops(views, temperature, floor):
    """[n, 2, d]"""
    flat_views = [v for pair in views.tolist() for v in pair]

    def cosine(a, b):
        dot = sum(p * q for p, q in zip(a, b, strict=True))
        return max(floor, dot / math.sqrt(sum(p * p for p in a) * sum(q * q for q in b)))

    found = []
    for i, one in enumerate(flat_views):
        sibling = i + 1 if i % 2 == 0 else i - 1
        others = sum(math.exp(cosine(one, other) / temperature) for k, other in enumerate(flat_views) if k != i)
        found.append(-math.log(math.exp(cosine(one, flat_views[sibling]) / temperature) / others))
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("floor", [-1.0, LEAST])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_nt_xent_in_loops(n, floor):
    views = torch.randn(n, 2, 4, dtype=torch.float64)
    torch.testing.assert_close(nt_xent(views, views, 0.5, floor=floor), nt_xent_in_loops(views, 0.5, floor))


def test_nt_xent_of_a_part_is_a_part():
    """A process has its own rows, and everybody's columns."""
    views = torch.randn(5, 2, 4)
    whole = nt_xent(views, views, 0.5)
    torch.testing.assert_close(nt_xent(views[3:], views, 0.5, first=3), whole[6:])


def test_who_knows_nothing_has_log_of_the_others():
    views = torch.ones(6, 2, 3)
    torch.testing.assert_close(nt_xent(views, views, 0.5), torch.full((12,), math.log(11)))


def test_the_published_floor_feels_nobody_who_faces_away():
    """Siblings opposite to each other, all others behind them: only without the floor are they drawn together."""
    pair = torch.tensor([[1.0, 0.1], [-1.0, 0.1]]).requires_grad_()
    views = torch.stack([pair, torch.tensor([[0.1, -1.0], [-0.1, -1.0]])])
    (sound,) = torch.autograd.grad(nt_xent(views, views, 0.5)[:2].sum(), pair, retain_graph=True)
    (published,) = torch.autograd.grad(nt_xent(views, views, 0.5, floor=LEAST)[:2].sum(), pair)
    before, after = (torch.nn.functional.cosine_similarity(*x, dim=0) for x in (pair, pair - 1e-2 * sound))
    assert float(after.detach()) > float(before.detach())
    assert not published.any()


# --- gradients --------------------------------------------------------------------------------------------------------


def free(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_gradients():
    """Against differences, in double precision."""
    weights = stratified(4, 30).log()
    assert gradcheck(lambda z, m, v: decomposed(z, (m, v), (m, v), weights), [free(4, 2) for _ in range(3)])
    assert gradcheck(lambda m, v: gaussian_kl(m, v), [free(3, 2), free(3, 2)])
    pixels = torch.rand(3, 4, dtype=torch.float64)
    assert gradcheck(lambda s: bernoulli(s, pixels), [free(3, 4)])
    views = free(3, 2, 4)
    assert gradcheck(lambda v: nt_xent(v, v, 0.5), [views])
    clean = torch.rand(3, 5, dtype=torch.float64)
    for loss in ("mse", "l1"):
        assert gradcheck(lambda x, loss=loss: difference(clean, x, loss), [free(3, 5) + 2])
    for corruption in ("gaussian", "inpainting", "none"):
        die = torch.rand(3, 5, dtype=torch.float64)
        assert gradcheck(lambda x, c=corruption, die=die: corrupted(x, c, die, 0.3, 0.2), [free(3, 5)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text, net, like",
    [
        ("denoising", "pellucid:conv-autoencoder", (1, 1, 28, 28)),
        ("denoising:loss=l1,corruption=none", "pellucid:lstm-autoencoder:latent=2,length=6", (1, 6, 1)),
        ("beta-vae:beta=3", "pellucid:conv-vae:latent=2", (1, 1, 32, 32)),
        ("tc-vae:beta=3,estimator=stratified,samples=90", "pellucid:conv-vae:latent=2", (1, 1, 32, 32)),
    ],
)
def test_the_loss_falls_as_its_gradient_says(text, net, like):
    """A small step along one direction, in double precision, with the same chance."""
    model, _ = bound(text, net, like)
    model = model.double().eval()
    made = Objective.make(text).bind(model, images=torch.zeros(like, dtype=torch.float64), seed=7)
    x = torch.rand(4, *like[1:], dtype=torch.float64)
    weights = [p for p in model.parameters() if p.ndim > 1]
    g = torch.Generator().manual_seed(0)
    ways = [torch.randn(p.shape, generator=g, dtype=torch.float64) for p in weights]

    def at(t):
        with torch.no_grad():
            for p, way in zip(weights, ways, strict=True):
                p.add_(t * way)
        made.number = 0
        found = made(x)[0]
        grads = torch.autograd.grad(found, weights)
        with torch.no_grad():
            for p, way in zip(weights, ways, strict=True):
                p.sub_(t * way)
        return float(found.detach()), sum(float((g * way).sum()) for g, way in zip(grads, ways, strict=True))

    step = 1e-6
    slope = (at(step)[0] - at(-step)[0]) / (2 * step)
    assert slope == pytest.approx(at(0.0)[1], rel=1e-4)

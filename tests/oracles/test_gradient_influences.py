"""Gradients, curvature and what follows from them: loops, dense matrices, leaving one out, another library."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from pellucid.errors import BadFile, BadInput, BadKnob, BadModel, UnknownName
from pellucid.influences._case import Case
from pellucid.influences._curvature import of_images
from pellucid.influences._gradients import (
    Gradients,
    Outer,
    Whole,
    by_layers,
    by_loop,
    by_vmap,
    chosen,
    gradients,
    of_batch,
    usable,
)
from pellucid.influences._loss import LOSSES, Loss, Losses
from pellucid.influences._samples import Held
from pellucid.influences.gradient_cosine import GradientCosine
from pellucid.influences.influence_function import InfluenceFunction
from pellucid.influences.tracin import TracIn
from pellucid.maths.curvature import (
    conjugate_gradients,
    gauss_newton_product,
    hessian_product,
    kronecker,
    kronecker_of_outer,
    lanczos,
    low_rank_inverse,
    neumann,
    neumann_response,
    neumann_transposed,
    push,
    woodbury,
    woodbury_root,
)
from pellucid.networks.conv_autoencoder import ConvAutoencoder
from pellucid.networks.lstm_autoencoder import LSTMAutoencoder

CE, MSE, L1 = (LOSSES[name] for name in ("cross-entropy", "reconstruction", "absolute-reconstruction"))


# --- models ----------------------------------------------------------------------------------------------------------


class Auto(nn.Module):
    """A small autoencoder with a narrow middle."""

    def __init__(self, d=6, hidden=5, latent=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(d, hidden), nn.Tanh(), nn.Linear(hidden, latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, d))

    def forward(self, x):
        return self.encoder(x)

    def reconstruct(self, x):
        return self.decoder(self.encoder(x))


class Twice(nn.Module):
    """A layer that runs twice, an in-place ReLU, and a layer that does not run."""

    def __init__(self):
        super().__init__()
        self.one, self.idle, self.two = nn.Linear(4, 4), nn.Linear(2, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.two(self.one(nn.functional.relu(self.one(x), inplace=True)))


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
        self.two.weight = self.one.weight

    def forward(self, x):
        return self.two(self.one(x).tanh())


class Borrowed(nn.Module):
    """A weight that is used outside of its layer too."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(4, 4)

    def forward(self, x):
        return self.one(x).tanh() @ self.one.weight


class Branching(nn.Module):
    """Python that asks for numbers: nothing for vmap."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return x * self.scale if float(x.detach().sum()) > 0 else -2 * x * self.scale


class Tokens(nn.Module):
    """Linear layers and norms on tokens."""

    def __init__(self):
        super().__init__()
        self.into, self.norm, self.out = nn.Linear(3, 6), nn.LayerNorm((5, 6)), nn.Linear(6, 3)

    def forward(self, x):
        return self.out(self.norm(self.into(x)).tanh()).mean(1)


def conv(*layers):
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(3))


MODELS = {
    "linear": (lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3, bias=False)), (4,)),
    "twice": (Twice, (4,)),
    "tokens": (Tokens, (5, 3)),
    "convolutions": (
        lambda: conv(
            nn.Conv2d(2, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(True), nn.Conv2d(4, 6, 3, dilation=2, groups=2)
        ),
        (2, 11, 10),
    ),
    "transposed": (
        lambda: conv(nn.ConvTranspose2d(2, 3, 3, 2, 1, 1), nn.GroupNorm(3, 3), nn.Tanh(), nn.ConvTranspose2d(3, 2, 2)),
        (2, 4, 5),
    ),
    "signals": (lambda: conv(nn.Conv1d(2, 3, 3, stride=2), nn.Tanh(), nn.ConvTranspose1d(3, 2, 3, 2)), (2, 9)),
    "a rest at the edge": (lambda: conv(nn.Conv2d(1, 2, 3, 3)), (1, 8, 8)),
    "bare": (lambda: conv(nn.Conv2d(2, 4, 1, bias=False), nn.InstanceNorm2d(4)), (2, 3, 3)),
}


def made(build, shape, n=5, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    net = build().to(dtype)
    x = torch.randn(n, *shape, dtype=dtype)
    net(x)  # lazy layers, and statistics that are not the trivial ones
    return net.eval(), x, torch.arange(n) % 3


def auto(seed=0, d=6, n=12, dtype=torch.float64, **sizes):
    torch.manual_seed(seed)
    return Auto(d, **sizes).to(dtype).eval(), torch.randn(n, d, dtype=dtype)


def case(net, train, test, loss=MSE, labels=None, **options):
    train, test = (Held(x, None if labels is None else y) for x, y in zip((train, test), labels or (0, 0), strict=True))
    return Case(net, train, test, loss, **options)


def spearman(a, b):
    a, b = (x.flatten().argsort().argsort().double() for x in (a, b))
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


def pearson(a, b):
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()


def dense(net, x, names, loss=MSE, labels=None, kind="gauss-newton"):
    """The curvature of the mean loss, written down by differentiating twice."""
    losses = Losses(net, loss)
    labels = torch.zeros(len(x), dtype=torch.long) if labels is None else labels
    named = {n: p.detach() for n, p in net.named_parameters() if n in names}
    at = torch.cat([p.flatten() for p in named.values()])

    def call(flat, ask):
        parts = flat.split([p.numel() for p in named.values()])
        there = {f"model.{k}": v.view(p.shape) for (k, p), v in zip(named.items(), parts, strict=True)}
        return functional_call(ask, {f"{ask.pre}{k}": v for k, v in there.items()}, (x, labels))

    class Out(nn.Module):
        pre = "inner."

        def __init__(self):
            super().__init__()
            self.inner = losses

        def forward(self, images, _):
            return self.inner.output(images)

    losses.pre = ""
    if kind == "hessian":
        return torch.autograd.functional.hessian(lambda flat: call(flat, losses).mean(), at)
    output = call(at, Out()).detach()
    J = torch.autograd.functional.jacobian(lambda flat: call(flat, Out()), at).flatten(0, -2)
    H = torch.autograd.functional.hessian(lambda o: loss.of(o, x, labels).mean(), output)
    return J.T @ H.reshape(len(J), len(J)) @ J


def by_dense(net, train, test, damping, names, loss=MSE, labels=None, kind="gauss-newton"):
    """The influence with a matrix that is inverted."""
    y_train, y_test = labels or (torch.zeros(len(x), dtype=torch.long) for x in (train, test))
    g, h = (by_loop(Losses(net, loss), x, y, names) for x, y in ((test, y_test), (train, y_train)))
    H = dense(net, train, names, loss, y_train, kind)
    return g @ torch.linalg.solve(H + damping * torch.eye(len(H), dtype=H.dtype), h.T) / len(train)


# --- gradients of examples -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_layers_vmap_and_loop_are_one_number(model):
    net, x, labels = made(*MODELS[model])
    losses, names = Losses(net, CE), chosen(net, "all", x)
    loop = by_loop(losses, x, labels, names)
    layers = by_layers(losses, x, labels, names).whole()
    assert usable(losses, x, labels, names) == "layers"
    assert (layers - loop).abs().max() < 1e-12 * max(1, loop.abs().max())
    assert (by_vmap(losses, x, labels, names) - loop).abs().max() < 1e-12 * max(1, loop.abs().max())
    assert loop.abs().max() > 1e-3


@pytest.mark.parametrize("model", ["linear", "convolutions", "tokens"])
@pytest.mark.parametrize("part", ["*weight", "*bias"])
def test_weights_or_biases_alone(model, part):
    net, x, labels = made(*MODELS[model])
    names = chosen(net, part, x)
    layers = by_layers(Losses(net, CE), x, labels, names).whole()
    torch.testing.assert_close(layers, by_loop(Losses(net, CE), x, labels, names))


def test_frozen_parameters_have_gradients_too_and_stay_frozen():
    net, x, labels = made(*MODELS["convolutions"])
    names = chosen(net, "all", x)
    truth = by_loop(Losses(net, CE), x, labels, names)
    net.requires_grad_(False)
    assert chosen(net, "encoder", x) == names
    for way in ("layers", "vmap", "loop"):
        torch.testing.assert_close(of_batch(Losses(net, CE), x, labels, names, way).whole(), truth)
    assert not any(p.requires_grad or p.grad is not None for p in net.parameters())
    assert not any(m._forward_hooks for m in net.modules())


@pytest.mark.parametrize(
    ("build", "way"), [(Tied, "vmap"), (Borrowed, "vmap"), (Branching, "loop"), (MODELS["linear"][0], "layers")]
)
def test_the_way_is_the_first_that_is_right(build, way):
    """A borrowed weight has a gradient that its layer does not know of: seen by comparing two examples."""
    net, x, labels = made(build, (4,))
    losses, names = Losses(net, CE), chosen(net, "all", x)
    assert usable(losses, x[:2], labels[:2], names) == way
    torch.testing.assert_close(gradients(losses, Held(x, labels), names, 2).whole(), by_loop(losses, x, labels, names))


def test_a_recurrent_autoencoder_has_gradients():
    torch.manual_seed(0)
    net = LSTMAutoencoder(latent=3, length=5).build().double().eval()
    x = torch.randn(4, 5, 1, dtype=torch.float64)
    names = chosen(net, "encoder", x)
    assert all(name.startswith("encoder.") for name in names)
    found = gradients(Losses(net, MSE), Held(x), names, 3).whole()
    for row, image in zip(found, x, strict=True):
        loss = (net.reconstruct(image[None]) - image).square().mean()
        slopes = torch.autograd.grad(loss, [p for n, p in net.named_parameters() if n in names])
        torch.testing.assert_close(row, torch.cat([s.flatten() for s in slopes]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_products_of_blocks_are_those_of_rows(seed, bias, mixed):
    chance = torch.Generator().manual_seed(seed)
    a, d, e, f, w = (
        torch.randn(*s, generator=chance, dtype=torch.float64) for s in ((4, 3), (4, 2), (4, 5), (2, 4), (6, 4))
    )
    one = Gradients((Outer(a, d, bias), Whole(e)))
    two = Gradients((Whole(one.blocks[0].whole()), Whole(e))) if mixed else one
    rows = one.whole()
    torch.testing.assert_close(one.products(two), rows @ rows.T)
    torch.testing.assert_close(one.squares(), rows.square().sum(1))
    torch.testing.assert_close(one.weighted(f), f @ rows)
    torch.testing.assert_close(one.against(w @ rows), w @ rows @ rows.T)
    torch.testing.assert_close(one[1:3].whole(), rows[1:3])


def test_batches_change_nothing():
    net, x, labels = made(*MODELS["convolutions"], n=7)
    names = chosen(net, "all", x)
    whole = gradients(Losses(net, CE), Held(x, labels), names, 7).whole()
    torch.testing.assert_close(gradients(Losses(net, CE), Held(x, labels), names, 3).whole(), whole)


def test_which_parameters():
    net, x = auto()
    encoder = [f"encoder.{name}" for name, _ in net.encoder.named_parameters()]
    assert chosen(net, "encoder", x) == encoder
    assert len(chosen(net, "all", x)) == 8
    assert chosen(net, "decoder.2.*", x) == ["decoder.2.weight", "decoder.2.bias"]
    assert chosen(net, ("*bias", "encoder.0.*"), x)[:2] == ["encoder.0.weight", "encoder.0.bias"]
    assert chosen(net, "head", x) == ["encoder.2.weight", "encoder.2.bias"]
    with pytest.raises(UnknownName, match="no parameter is called 'encodr"):
        chosen(net, "encodr.*", x)


def test_parameters_without_a_say_are_not_the_encoder():
    net, x, _ = made(Twice, (4,))
    assert chosen(net, "encoder", x) == ["one.weight", "one.bias", "two.weight", "two.bias"]


def test_batch_statistics_are_refused():
    net, x, labels = made(*MODELS["convolutions"])
    with pytest.raises(BadModel, match="normalises by the batch"):
        of_batch(Losses(net.train(), CE), x, labels, ["0.weight"])


def test_a_normalisation_without_statistics_is_refused():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False)).eval()
    with pytest.raises(BadModel, match="running statistics"):
        of_batch(Losses(net, CE), torch.randn(4, 4), torch.zeros(4).long(), ["0.weight"])


def test_nan_is_told():
    net, x = auto()
    x[3] = math.nan
    with pytest.raises(BadModel, match="example 3 is NaN"):
        of_batch(Losses(net, MSE), x, torch.zeros(len(x)).long(), chosen(net, "encoder", x[:1]), "layers")


# --- curvature -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
@pytest.mark.parametrize("loss", [MSE, CE], ids=["mse", "ce"])
def test_products_are_those_of_the_written_matrix(kind, loss):
    net, x = auto(n=4)
    labels = torch.tensor([0, 1, 1, 0])
    names = chosen(net, "encoder", x)
    truth = dense(net, x, names, loss, labels, kind)
    product = of_images(Losses(net, loss), x, labels, names, kind)
    torch.testing.assert_close(product(torch.eye(len(truth), dtype=truth.dtype)), truth)
    if kind == "gauss-newton":
        assert torch.linalg.eigvalsh(truth).min() > -1e-12


def test_push_is_the_same_without_forward_differentiation():
    class Odd(torch.autograd.Function):
        """A sine whose tangent nobody wrote."""

        @staticmethod
        def forward(x):
            return x.sin()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])

        @staticmethod
        def backward(ctx, back):
            return back * ctx.saved_tensors[0].cos()

    at, v = torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(push(Odd.apply, at, v), at.cos() * v)
    torch.testing.assert_close(push(torch.sin, at, v), at.cos() * v)


def positive(p, seed=0, rank=None):
    torch.manual_seed(seed)
    A = torch.randn(rank or 2 * p, p, dtype=torch.float64)
    return A.T @ A / p


def test_conjugate_gradients_solve_and_say_how_well():
    A, b = positive(20) + torch.eye(20), torch.randn(6, 20, dtype=torch.float64)
    b[2] = 0
    found = conjugate_gradients(lambda v: v @ A, b, 1e-10)
    torch.testing.assert_close(found.x, torch.linalg.solve(A, b.T).T)
    assert found.converged(1e-10)
    assert found.steps <= 21
    true = (b - found.x @ A).norm(dim=1) / b.norm(dim=1).clamp_min(1e-300)
    torch.testing.assert_close(true, found.residual, atol=1e-12, rtol=1e-2)


def test_conjugate_gradients_leave_out_who_is_done():
    """One right-hand side is an eigenvector: one step, and no product for it afterwards."""
    A, seen = torch.diag(torch.arange(1.0, 9, dtype=torch.float64)), []
    b = torch.stack([torch.eye(8, dtype=torch.float64)[3], torch.ones(8, dtype=torch.float64)])
    conjugate_gradients(lambda v: (seen.append(len(v)), v @ A)[1], b, 1e-10)
    assert seen == [2] + [1] * 7


def test_conjugate_gradients_tell_what_they_cannot():
    short = conjugate_gradients(lambda v: v @ positive(20), torch.randn(3, 20, dtype=torch.float64), 1e-10, most=2)
    assert not short.converged(1e-10)
    assert short.steps == 2
    A = torch.diag(torch.tensor([1.0, -1.0]))
    bad = conjugate_gradients(lambda v: v @ A, torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    assert bad.negative.tolist() == [True, False]


@pytest.mark.parametrize("rank", [3, 12])
def test_lanczos_finds_the_spectrum(rank):
    """Of rank 3 too, where the Krylov space ends after four steps."""
    A, b = positive(12, rank=rank), torch.randn(4, 12, dtype=torch.float64)
    values, vectors = lanczos(lambda v: v @ A, b[0], 12, torch.Generator().manual_seed(0))
    assert (values > 1e-9).sum() == rank
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(len(values), dtype=A.dtype))
    found = low_rank_inverse(values, vectors, 0.1, b)
    torch.testing.assert_close(found, torch.linalg.solve(A + 0.1 * torch.eye(12), b.T).T)
    torch.testing.assert_close(
        low_rank_inverse(values, vectors, 0.0, b), b @ torch.linalg.pinv(A), rtol=1e-6, atol=1e-6
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-3, 10))
def test_woodbury_is_the_inverse(seed, damping):
    chance = torch.Generator().manual_seed(seed)
    rows, a, b = (torch.randn(n, 9, generator=chance, dtype=torch.float64) for n in (4, 2, 3))
    truth = a @ torch.linalg.solve(rows.T @ rows / 7 + damping * torch.eye(9), b.T)
    root = woodbury_root(rows @ rows.T, 7, damping)
    torch.testing.assert_close(woodbury(root, damping, rows @ a.T, rows @ b.T, a @ b.T), truth)


def test_a_kronecker_product_is_found_again():
    """Gradients whose covariance is A ⊗ B exactly: all pairs of the columns of their roots."""
    torch.manual_seed(0)
    left, right = torch.randn(3, 3, dtype=torch.float64), torch.randn(4, 4, dtype=torch.float64)
    given, back = (x.repeat(1, 1) for x in (right.repeat(3, 1), left.repeat_interleave(4, 0)))
    G = back[:, :, None] * given[:, None]
    truth = G.flatten(1).T @ G.flatten(1) / 12
    b = torch.randn(2, 3, 4, dtype=torch.float64)
    want = torch.linalg.solve(truth + 0.1 * torch.eye(12), b.flatten(1).T).T
    for found in (kronecker(G, 12), kronecker_of_outer(back, given, 12)):
        torch.testing.assert_close(found.inverse(b, 0.1).flatten(1), want)


def test_a_kronecker_product_of_one_row_is_exact_and_of_a_matrix_keeps_the_trace():
    torch.manual_seed(0)
    G = torch.randn(50, 1, 6, dtype=torch.float64)
    b = torch.randn(3, 1, 6, dtype=torch.float64)
    truth = torch.linalg.solve(G[:, 0].T @ G[:, 0] / 50 + 0.1 * torch.eye(6), b[:, 0].T).T
    torch.testing.assert_close(kronecker(G, 50).inverse(b, 0.1)[:, 0], truth)
    G = torch.randn(50, 3, 6, dtype=torch.float64)
    torch.testing.assert_close(kronecker(G, 50).values.sum(), G.square().sum() / 50)


# eigenvalue -> (phi, phi over its limit), by a pencil and the sum of a geometric series
PHI = {0: (0.0961, 0.096), 0.1: (0.0956, 0.105), 1: (0.0915, 0.183), 10: (0.0612, 0.673), 50: (0.0195, 0.995),
       100: (0.0099, 1.0), 1000: (0.0010, 1.0), 1998: (0.00095, 1.9), 2100: (7.9, 1.7e4)}  # fmt: skip


@pytest.mark.parametrize("eigenvalue", PHI)
def test_the_published_recursion_answers_each_eigenvalue_by_its_closed_form(eigenvalue):
    ratio = 1 - 1e-3 - eigenvalue / 1000
    closed = (1 - ratio**101) / (1 - ratio) / 1000
    assert neumann_response(eigenvalue) == pytest.approx(closed, rel=1e-9)
    phi, of_limit = PHI[eigenvalue]
    assert closed == pytest.approx(phi, rel=0.06)
    assert closed * (eigenvalue + 1) == pytest.approx(of_limit, rel=0.06)
    one = torch.ones(1, 1, dtype=torch.float64)
    assert neumann([lambda v: v * eigenvalue] * 100, one).item() == pytest.approx(closed, rel=1e-9)
    assert neumann_response(0) == pytest.approx(0.09611265, abs=5e-9)


def test_the_recursion_with_changing_batches_from_either_side():
    products = [(lambda A: lambda v: v @ A)(positive(7, seed)) for seed in range(10)]
    a, b = torch.randn(2, 7, dtype=torch.float64), torch.randn(3, 7, dtype=torch.float64)
    straight, around = (a @ neumann(products, b, 0.01, 9.0).T, neumann_transposed(products, a, 0.01, 9.0) @ b.T)
    torch.testing.assert_close(straight, around)
    assert not torch.allclose(straight, a @ neumann(products[::-1], b, 0.01, 9.0).T)


def test_derivatives_of_curvature_functions_by_gradcheck():
    at = torch.randn(5, dtype=torch.float64)
    v = torch.randn(1, 5, dtype=torch.float64)

    def slope(t):
        return torch.autograd.grad((t.sin() * t.roll(1)).sum(), t)[0]

    h, step = 1e-6, v[0]
    numeric = (slope((at + h * step).requires_grad_()) - slope((at - h * step).requires_grad_())) / (2 * h)
    torch.testing.assert_close(
        hessian_product(lambda t: (t.sin() * t.roll(1)).sum(), at)(v)[0], numeric, rtol=1e-6, atol=1e-8
    )
    G = gauss_newton_product(lambda t: t.sin(), lambda o: o.square().sum(), at)(v)[0]
    torch.testing.assert_close(G, 2 * at.cos().square() * v[0])


# --- influence functions ---------------------------------------------------------------------------------------------


def fitted(x, y, damping, keep=None):
    """Weights of logistic regression with a ridge, to the optimum."""
    w = torch.zeros(3, x.shape[1], dtype=torch.float64, requires_grad=True)
    keep = torch.ones(len(x), dtype=torch.bool) if keep is None else keep
    best = torch.optim.LBFGS(
        [w], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure():
        best.zero_grad()
        each = nn.functional.cross_entropy(x @ w.T, y, reduction="none")
        loss = (each * keep).sum() / len(x) + damping / 2 * w.square().sum()
        loss.backward()
        return loss

    best.step(closure)
    return w.detach()


def test_it_is_what_leaving_one_out_does_to_logistic_regression():
    torch.manual_seed(0)
    centres = torch.randn(3, 5, dtype=torch.float64)
    y, y_test = torch.arange(120) % 3, torch.arange(8) % 3
    x, x_test = (centres[k] + torch.randn(len(k), 5, dtype=torch.float64) for k in (y, y_test))
    damping = 0.02
    net = nn.Linear(5, 3, bias=False).double()
    net.weight.data = fitted(x, y, damping)

    def loss_of(w):
        return nn.functional.cross_entropy(x_test @ w.T, y_test, reduction="none")

    truth = torch.stack(
        [loss_of(fitted(x, y, damping, torch.arange(120) != n)) - loss_of(net.weight.detach()) for n in range(120)], 1
    )
    found = InfluenceFunction(damping=damping).score(case(net, x, x_test, CE, (y, y_test)))
    assert pearson(found, truth) > 0.99
    assert all(spearman(a, b) >= 0.95 for a, b in zip(found, truth, strict=True))
    assert (
        0.7 < (found * truth).sum() / truth.square().sum() < 1.3
    )  # the size, and the sign: leaving out a helper hurts
    same = InfluenceFunction(damping=damping).score(case(net, x, x, CE, (y, y)))
    assert bool((same.diagonal() > 0).all())  # every example helps itself


def test_it_is_what_leaving_one_out_does_to_ridge_regression():
    torch.manual_seed(1)
    x, x_test = torch.randn(300, 4, dtype=torch.float64), torch.randn(10, 4, dtype=torch.float64)
    t, t_test = (z @ torch.tensor([1.0, -2, 0, 1]).double() + 0.3 * torch.randn(len(z)).double() for z in (x, x_test))
    both = [torch.cat([z, u[:, None]], 1) for z, u in ((x, t), (x_test, t_test))]  # the target is the last column
    delta = 0.1

    def ridge(keep):
        return torch.linalg.solve(2 * x[keep].T @ x[keep] / 300 + delta * torch.eye(4), 2 * x[keep].T @ t[keep] / 300)

    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(ridge(torch.arange(300)))

        def forward(self, z):
            return (z[:, :4] @ self.w)[:, None]

    own = Loss("squares", lambda output, z, _: (output[:, 0] - z[:, 4]).square())
    found = InfluenceFunction(damping=delta).score(case(Reads(), *both, own))
    after = torch.stack([ridge(torch.arange(300) != n) for n in range(300)])
    truth = (x_test @ after.T - t_test[:, None]).square() - (x_test @ ridge(torch.arange(300)) - t_test).square()[
        :, None
    ]
    assert pearson(found, truth) > 0.99
    assert ((found > 0) == (truth > 0)).double().mean() > 0.95


@pytest.mark.parametrize("solver", ["auto", "woodbury", "cg", "lanczos"])
@pytest.mark.parametrize("task", ["autoencoder", "classifier"])
def test_the_solvers_are_the_dense_inverse(solver, task):
    if task == "autoencoder":
        net, x = auto(n=20, d=8, hidden=8, latent=3)
        train, test, labels, loss = x[:15], x[15:], None, MSE
    else:
        net, x, y = made(lambda: nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)), (5,), n=20)
        train, test, labels, loss = x[:15], x[15:], (y[:15], y[15:]), CE
    names = chosen(net, "encoder", x)
    truth = by_dense(net, train, test, 0.01, names, loss, labels)
    count = sum(p.numel() for n, p in net.named_parameters() if n in names)
    member = InfluenceFunction(solver=solver, damping=0.01, eigenvectors=count, tolerance=1e-10)
    found = member.score(case(net, train, test, loss, labels))
    assert (found - truth).abs().max() < 1e-6 * truth.abs().max()
    back = member.score(case(net, train, train, loss, labels and (labels[0], labels[0])))
    torch.testing.assert_close(back, back.T, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("solver", ["auto", "cg", "lanczos"])
def test_two_thousand_parameters_are_the_dense_inverse(solver):
    """A convolutional encoder whose curvature is written out, one column a parameter, and divided by."""
    net, x, _ = made(Small, (1, 8, 8), n=24)
    train, test = x[:20], x[20:]
    names = chosen(net, "encoder", x)
    count = sum(p.numel() for n, p in net.named_parameters() if n in names)
    assert 1500 < count <= 5000
    truth = by_dense(net, train, test, 0.01, names, MSE, None)
    member = InfluenceFunction(solver=solver, damping=0.01, eigenvectors=20 * 4 + 4, tolerance=1e-10)
    found = member.score(case(net, train, test, MSE))
    assert (found - truth).abs().max() < 1e-6 * truth.abs().max()


class Small(nn.Module):
    """A convolutional autoencoder of 2,020 encoder parameters."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1), nn.Tanh(), nn.Flatten(), nn.Linear(128, 15), nn.Tanh(), nn.Linear(15, 4)
        )
        self.decoder = nn.Sequential(nn.Linear(4, 64), nn.Unflatten(1, (1, 8, 8)))

    def forward(self, x):
        return self.encoder(x)

    def reconstruct(self, x):
        return self.decoder(self.encoder(x))


class Mirrored(nn.Module):
    """The decoder's weight is the encoder's, turned or not: the code is not the only way to the output."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 6), nn.Linear(6, 6)
        self.decoder.weight = self.encoder.weight

    def forward(self, x):
        return self.encoder(x)

    def reconstruct(self, x):
        return self.decoder(self.encoder(x).tanh()) @ self.encoder.weight


def test_tied_weights_have_a_curvature_behind_the_code_too():
    net, x, _ = made(Mirrored, (6,), n=20)
    names = chosen(net, "encoder", x)
    truth = by_dense(net, x[:15], x[15:], 0.1, names, MSE, None)
    found = InfluenceFunction(damping=0.1).score(case(net, x[:15], x[15:], MSE))
    assert (found - truth).abs().max() < 1e-6 * truth.abs().max()


def test_little_damping_keeps_its_digits_in_float32():
    """Woodbury subtracts numbers that differ in their seventh digit; the products are in float64 then."""
    net, x = auto(n=20, d=8, hidden=8, latent=3)
    for parameter in net.parameters():
        parameter.data.mul_(3)
    member = InfluenceFunction(damping=1e-6)
    truth = member.score(case(net, x[:15], x[15:], MSE))
    single = member.score(case(net.float(), x[:15].float(), x[15:].float(), MSE))
    assert float((single - truth).abs().max() / truth.abs().max()) < 1e-2


def test_a_loss_that_is_no_loss_of_one_example_is_told():
    net, x = auto(n=6)
    for strange in (lambda o, x, y: o.sum(), lambda o, x, y: o.square()):
        with pytest.raises(BadInput, match="for 1 examples"):
            GradientCosine().score(case(net, x, x, Loss("strange", strange)))


def test_the_smaller_side_is_solved_and_it_does_not_matter(monkeypatch):
    net, x = auto(n=14)
    sizes, real = [], InfluenceFunction._solve
    monkeypatch.setattr(
        InfluenceFunction, "_solve", lambda s, c, r, first: (sizes.append(len(r)), real(s, c, r, first))[1]
    )
    member = InfluenceFunction(solver="cg", tolerance=1e-12)
    few = member.score(case(net, x[:10], x[10:]))
    many = member.score(case(net, x[:10], torch.cat([x[10:], x])))
    assert sizes == [4, 10]
    torch.testing.assert_close(many[:4], few)


def test_a_conv_autoencoder_in_float32():
    torch.manual_seed(0)
    net = ConvAutoencoder().build()
    x = torch.rand(14, 1, 28, 28)
    net.train().reconstruct(x)
    net.eval()
    exact, cg = (InfluenceFunction(solver=s).score(case(net, x[:10], x[10:])) for s in ("woodbury", "cg"))
    assert (exact - cg).abs().max() < 1e-3 * cg.abs().max()


def test_ekfac_approximates_and_is_not_exact():
    net, x = auto(n=80, d=12, hidden=16, latent=3)
    of = case(net, x[:60], x[60:])
    names = chosen(net, "encoder", x)
    truth = by_dense(net, x[:60], x[60:], 0.01, names)
    found = InfluenceFunction(solver="ekfac").score(of)
    plain = (
        by_loop(of.losses, x[60:], torch.zeros(20).long(), names)
        @ by_loop(of.losses, x[:60], torch.zeros(60).long(), names).T
    )
    assert spearman(found, truth) > max(0.7, spearman(plain, truth))
    assert (found - truth).abs().max() > 1e-2 * truth.abs().max()


def test_ekfac_by_chance_is_right_in_mean():
    """All parameters and wide outputs: one row of chance an example."""
    net, x = auto(n=60, d=70, hidden=4, latent=2)
    of = case(net, x[:40], x[40:])
    found = InfluenceFunction(solver="ekfac", params="all", damping=0.1).score(of)
    truth = by_dense(net, x[:40], x[40:], 0.1, chosen(net, "all", x))
    assert spearman(found, truth) > 0.7


def test_the_hessian_by_lanczos_and_by_conjugate_gradients():
    net, x = auto(n=20)
    names = chosen(net, "encoder", x)
    damping = 0.01 - torch.linalg.eigvalsh(dense(net, x[:15], names, kind="hessian")).min().clamp_max(0).item()
    truth = by_dense(net, x[:15], x[15:], damping, names, kind="hessian")
    for solver in ("cg", "lanczos"):
        member = InfluenceFunction(
            solver=solver, damping=damping, curvature="hessian", eigenvectors=47, tolerance=1e-10
        )
        found = member.score(case(net, x[:15], x[15:]))
        assert (found - truth).abs().max() < 1e-6 * truth.abs().max()


def test_a_hessian_that_bends_downwards_is_told():
    net, x = auto(n=20)
    assert torch.linalg.eigvalsh(dense(net, x[:15], chosen(net, "encoder", x), kind="hessian")).min() < -1e-3
    with pytest.raises(BadModel, match="is not positive"):
        InfluenceFunction(solver="cg", damping=1e-6, curvature="hessian").score(case(net, x[:15], x[15:]))


def test_what_does_not_converge_is_told():
    net, x = auto(n=20)
    with pytest.warns(UserWarning, match="stopped after 2 steps at a residual"):
        InfluenceFunction(solver="cg", damping=1e-4, steps=2).score(case(net, x[:15], x[15:]))


@pytest.mark.parametrize("steps", [1, 3, None])
def test_the_series_has_as_many_steps_as_are_said(steps):
    """Of one training example every batch is the same."""
    net, x = auto(n=3)
    names, zeros = chosen(net, "encoder", x), torch.zeros(2).long()
    of = case(net, x[:1], x[1:])
    test, train = by_loop(of.losses, x[1:], zeros, names), by_loop(of.losses, x[:1], zeros[:1], names)
    curvature = dense(net, x[:1], names)
    expected = test @ neumann([lambda v: v @ curvature] * (steps or 100), train, 0.01 / 1000).T
    found = InfluenceFunction(solver="neumann", steps=steps).score(of)
    torch.testing.assert_close(found, expected)


def test_the_batches_of_the_series_have_as_many_examples_as_are_said():
    """One: the curvature is that of the one or of the other."""
    net, x = auto(n=4)
    names, zeros = chosen(net, "encoder", x), torch.zeros(2).long()
    of = case(net, x[:2], x[2:])
    test, train = (by_loop(of.losses, one, zeros, names) for one in (x[2:], x[:2]))

    def told(rows):
        curvature = dense(net, rows, names)
        return test @ neumann([lambda v: v @ curvature], train, 0.01 / 1000).T / 2

    every = [InfluenceFunction(solver="neumann", steps=1, examples=1, seed=i).score(of) for i in range(8)]
    which = [[torch.allclose(found, told(x[i : i + 1]), rtol=1e-9, atol=0) for i in range(2)] for found in every]
    assert all(sum(one) == 1 for one in which)
    assert {one.index(True) for one in which} == {0, 1}


def test_an_absolute_error_has_no_curvature_of_its_own():
    """So Gauss–Newton divides by the damping alone, and the Hessian has what the network bends."""
    net, x = auto(n=20)
    names = chosen(net, "encoder", x)
    of = case(net, x[:15], x[15:], L1)
    products = (
        by_loop(of.losses, x[15:], torch.zeros(5).long(), names)
        @ by_loop(of.losses, x[:15], torch.zeros(15).long(), names).T
    )
    for solver in ("woodbury", "cg", "ekfac"):
        found = InfluenceFunction(solver=solver, damping=0.5).score(case(net, x[:15], x[15:], L1))
        torch.testing.assert_close(found, products / 0.5 / 15)
    bent = dense(net, x[:15], names, L1, kind="hessian")
    assert bent.abs().max() > 1e-3


def published(net, train, test, **options):
    return InfluenceFunction(protocol="published").score(case(net, train, test, **options))


def test_the_published_influence_is_a_product_of_gradients():
    """Small eigenvalues do not move in 100 steps: 0.0961/N of the product, whatever the curvature."""
    torch.manual_seed(0)
    net, x = auto(n=60, dtype=torch.float32)
    best = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(100):
        best.zero_grad()
        (net.reconstruct(x[:40]) - x[:40]).square().mean().backward()
        best.step()
    net.requires_grad_(True).zero_grad()
    names, zeros = chosen(net, "encoder", x), torch.zeros(60).long()
    of = case(net, x[:40], x[40:])
    test, train = (by_loop(of.losses, z, zeros[: len(z)], names) for z in (x[40:], x[:40]))
    products = test @ train.T
    found = published(net, x[:40], x[40:])
    top = torch.linalg.eigvalsh(dense(net, x[:40], names, kind="hessian")).max().item()
    assert top < 5
    assert pearson(found, products) > 0.99
    assert pearson(found, 0.09611265 / 40 * products) > 0.99
    slope = ((found * products).sum() / products.square().sum()).item() * 40
    assert neumann_response(top) * 0.95 < slope < neumann_response(-0.5)
    real = InfluenceFunction(damping=1e-3).score(case(net, x[:40], x[40:]))
    assert abs(pearson(real, products)) < 0.9  # which no influence function is


def test_the_published_influence_has_its_seed_and_two_sides():
    net, x = auto(n=12, dtype=torch.float32)
    one = published(net, x[:8], x[8:])
    other = InfluenceFunction(protocol="published", seed=5).score(case(net, x[:8], x[8:]))
    assert not torch.equal(one, other)
    wide = published(net, x[:8], x.repeat(2, 1))  # here the training side is solved
    torch.testing.assert_close(wide[8:12], one, rtol=1e-4, atol=1e-8)


def test_the_curvature_of_some_examples():
    net, x = auto(n=30)
    some = InfluenceFunction(examples=5).score(case(net, x[:25], x[25:]))
    assert torch.equal(some, InfluenceFunction(examples=5).score(case(net, x[:25], x[25:])))
    assert not torch.allclose(some, InfluenceFunction().score(case(net, x[:25], x[25:])))
    torch.testing.assert_close(
        InfluenceFunction(examples=99).score(case(net, x[:25], x[25:])),
        InfluenceFunction().score(case(net, x[:25], x[25:])),
    )


def test_no_damping():
    """Conjugate gradients need none where the curvature has no flat direction; who divides by it refuses."""
    torch.manual_seed(0)
    net, x = nn.Linear(3, 2, bias=False).double(), torch.randn(30, 3, dtype=torch.float64)
    own = Loss("squares", lambda output, z, _: (output - z[:, :2].sin()).square().sum(1))
    names = chosen(net, "all", x)
    truth = by_dense(net, x[:20], x[20:], 0.0, names, own)
    for solver in ("auto", "cg", "lanczos"):
        found = InfluenceFunction(solver=solver, damping=0).score(case(net, x[:20], x[20:], own))
        torch.testing.assert_close(found, truth, rtol=1e-4, atol=1e-9)
    with pytest.raises(BadKnob, match="divides by the damping"):
        InfluenceFunction(solver="woodbury", damping=0)


def test_pieces_are_parts_of_the_whole():
    net, x = auto(n=20)
    for member in (InfluenceFunction(), InfluenceFunction(solver="cg", tolerance=1e-12), GradientCosine()):
        of = case(net, x[:12], x[12:])
        whole = member.score(case(net, x[:12], x[12:]))
        part = member.score(of.piece(slice(2, 5), slice(3, 9), {}, {}))
        torch.testing.assert_close(part, whole[2:5, 3:9])


# --- TracIn and the cosine -------------------------------------------------------------------------------------------


def states(net, count, seed=3):
    chance = torch.Generator().manual_seed(seed)
    return [
        {k: v + 0.1 * torch.randn(v.shape, generator=chance).to(v) if v.is_floating_point() else v.clone()
         for k, v in net.state_dict().items()}
        for _ in range(count)
    ]  # fmt: skip


def test_tracin_is_the_sum_of_gram_matrices():
    net, x = auto(n=14)
    kept, before = states(net, 3), {k: v.clone() for k, v in net.state_dict().items()}
    found = TracIn(rate=(0.5, 1.0, 2.0)).score(case(net, x[:9], x[9:], checkpoints=kept))
    truth = torch.zeros(5, 9, dtype=torch.float64)
    for state, rate in zip(kept, (0.5, 1.0, 2.0), strict=True):
        other = Auto().double()
        other.load_state_dict(state)
        for t in range(5):
            for n in range(9):
                g, h = (
                    torch.cat([p.flatten() for p in torch.autograd.grad(
                        (other.reconstruct(z[None]) - z).square().mean(), list(other.encoder.parameters()))])
                    for z in (x[9 + t], x[n])
                )  # fmt: skip
                truth[t, n] += rate * (g @ h)
    torch.testing.assert_close(found, truth)
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_tracin_is_linear_in_its_rates_and_kind_to_oneself():
    net, x = auto(n=9)
    kept = states(net, 4)
    score = lambda **knobs: TracIn(**knobs).score(case(net, x, x, checkpoints=kept))  # noqa: E731
    one, two = score(rate=(1.0, 2.0, 0.0, 3.0)), score(rate=(0.0, 1.0, 5.0, -1.0))
    torch.testing.assert_close(score(rate=(2.0, 5.0, 5.0, 5.0)), 2 * one + two)
    torch.testing.assert_close(score(every=3), score(rate=(1.0, 0.0, 0.0, 1.0)))
    assert bool((score().diagonal() > 0).all())
    torch.testing.assert_close(score(), score().T)


def test_the_cosine():
    net, x = auto(n=9)
    found = GradientCosine().score(case(net, x, x))
    names = chosen(net, "encoder", x)
    rows = by_loop(Losses(net, MSE), x, torch.zeros(9).long(), names)
    torch.testing.assert_close(found, nn.functional.normalize(rows) @ nn.functional.normalize(rows).T)
    torch.testing.assert_close(found.diagonal(), torch.ones(9, dtype=torch.float64))
    flat = Loss("of some", lambda o, z, y: (o[:, 0] - z[:, 0]).square() * (z[:, 0] > 0))
    some = GradientCosine().score(case(net, x, x, flat))
    assert bool((some[x[:, 0] <= 0] == 0).all())
    assert bool(some.isfinite().all())


def peer(net, x, y, kept, Peer, reduction="sum", **options):
    """captum's numbers, of cross-entropies that are summed."""

    def load(model, state):
        model.load_state_dict(state)
        return 1.0

    data = torch.utils.data.TensorDataset(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Peer(
            net, train_dataset=data, checkpoints=kept, checkpoints_load_func=load, batch_size=3,
            loss_fn=nn.CrossEntropyLoss(reduction=reduction), **options,
        )  # fmt: skip
        return theirs.influence((x[:4], y[:4]), show_progress=False)


@pytest.mark.peer
@pytest.mark.parametrize("trick", [False, True])
def test_captum_agrees_on_tracin(trick):
    influence = pytest.importorskip("captum.influence")
    build = lambda: nn.Sequential(  # noqa: E731
        nn.Conv2d(1, 3, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(27, 8), nn.ReLU(), nn.Linear(8, 3)
    )
    net, x, y = made(build, (1, 7, 7), n=10, dtype=torch.float32)
    kept = states(net, 2)
    ours = TracIn(params="all").score(case(net, x, x[:4], CE, (y, y[:4]), checkpoints=kept))
    theirs = peer(net, x, y, kept, influence.TracInCP, "sum" if trick else "none", sample_wise_grads_per_batch=trick)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.peer
def test_captum_agrees_on_the_last_layer():
    """Which it takes without its bias."""
    influence = pytest.importorskip("captum.influence")
    net, x, y = made(
        lambda: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), (6,), n=10, dtype=torch.float32
    )
    kept = states(net, 2)
    ours = TracIn(params="2.weight").score(case(net, x, x[:4], CE, (y, y[:4]), checkpoints=kept))
    theirs = peer(net, x, y, kept, influence.TracInCPFast, final_fc_layer="2")
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


# --- bad input -------------------------------------------------------------------------------------------------------


def test_what_is_missing_is_told():
    net, x = auto()
    with pytest.raises(BadInput, match="checkpoints"):
        TracIn().able(case(net, x, x))
    with pytest.raises(BadInput, match="loss"):
        InfluenceFunction().able(Case(net, Held(x), Held(x), why="a representation has none"))
    with pytest.raises(BadKnob, match="2 learning rates for 3 checkpoints"):
        TracIn(rate=(1.0, 2.0)).able(case(net, x, x, checkpoints=states(net, 3)))
    strange = {k: v for k, v in net.state_dict().items() if "encoder" in k}
    with pytest.raises(BadFile, match="not of this model"):
        TracIn().score(case(net, x, x, checkpoints=[strange]))


def test_what_cannot_be_is_told():
    with pytest.raises(BadKnob, match="as published has one solver"):
        InfluenceFunction(protocol="published", solver="cg")
    with pytest.raises(BadKnob, match="gauss-newton"):
        InfluenceFunction(solver="ekfac", curvature="hessian")
    net, x = auto(d=70, n=6)
    with pytest.raises(BadModel, match="few numbers"):
        InfluenceFunction(solver="woodbury", params="all").score(case(net, x, x))
    mixing = Loss("mixing", lambda o, z, _: (o - z).sum(1).square(), reconstructs=True)
    with pytest.raises(BadModel, match="mixes 70 outputs"):
        InfluenceFunction(solver="ekfac", params="all").score(case(net, x, x, mixing))

"""What theory guarantees of questions and explainers, in float64 on toy networks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

import pellucid as pl
from pellucid.contracts.case import images, model
from pellucid.explainers.grad_cam import grad_cam
from pellucid.maths.quadrature import quadrature
from pellucid.questions import Question
from pellucid.questions.contrast import alpha
from pellucid.subject import Subject, undisturbed

TIGHT = {"rtol": 1e-9, "atol": 1e-12}
WAYS = ("softmax", "mean", "max")

logits = arrays("float64", (3, 5), elements=st.floats(-8, 8, width=32), unique=True).map(torch.from_numpy)
classes = st.integers(0, 4).map(lambda t: torch.full((3,), t))


def bound(question, y, t=None):
    return Question.make(question).bind(y, t, lambda x: x)


def direction(question, y, t=None):
    return bound(question, y, t).cotangent(y)


def value(question, y, t=None):
    return bound(question, y, t).value(y)


def explain(x, explainer, ask="logit", net=None, **options):
    net = toy() if net is None else net
    return pl.explain(net, x, explainer, ask=ask, **options)


def toy(bias=True, classes=4):
    """GAP + linear with mixed-sign weights, ReLU features."""
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes, bias))
    return nn.Sequential(features, head).double().eval()


def smooth_toy():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(4, 4)).double().eval()  # fmt: skip


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 7, 4)).double()


def x(*shape):
    generator = torch.Generator().manual_seed(5)
    return torch.randn(*(shape or (2, 3, 6, 7)), generator=generator, dtype=torch.float64)


# --- cotangents (1-9, 12) --------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(logits, classes)
def test_01_the_gradient_of_a_probability_is_a_small_contrast(y, t):
    p = y.softmax(1).gather(1, t[:, None])
    torch.testing.assert_close(direction("probability", y, t), p * (1 - p) * direction("contrast", y, t), **TIGHT)


@settings(deadline=None, max_examples=25)
@given(logits, classes)
def test_02_contrast_is_the_gradient_of_the_log_odds(y, t):
    leaf = y.clone().requires_grad_()
    rest = leaf.masked_fill(torch.nn.functional.one_hot(t, 5).bool(), -torch.inf)
    odds = leaf.gather(1, t[:, None])[:, 0] - rest.logsumexp(1)
    torch.testing.assert_close(direction("contrast", y, t), torch.autograd.grad(odds.sum(), leaf)[0], **TIGHT)
    torch.testing.assert_close(value("contrast", y, t), odds.detach(), **TIGHT)
    p = y.softmax(1).gather(1, t[:, None])[:, 0]
    torch.testing.assert_close(value("contrast", y, t), (p / (1 - p)).log(), rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(logits, classes)
def test_03_and_of_a_log_probability(y, t):
    p = y.softmax(1).gather(1, t[:, None])
    torch.testing.assert_close(direction("logprobability", y, t), (1 - p) * direction("contrast", y, t), **TIGHT)


@settings(deadline=None, max_examples=25)
@given(logits)
def test_04_over_all_classes_probabilities_cancel(y):
    every = [torch.full((3,), t) for t in range(5)]
    total = sum(direction("probability", y, t) for t in every)
    torch.testing.assert_close(total, torch.zeros_like(y), **TIGHT)
    p = y.softmax(1)
    weighted = sum((p * (1 - p))[:, t : t + 1] * direction("contrast", y, every[t]) for t in range(5))
    torch.testing.assert_close(weighted, torch.zeros_like(y), **TIGHT)


@settings(deadline=None, max_examples=25)
@given(logits, classes)
def test_05_contrasts_sum_to_zero_and_a_logit_to_one(y, t):
    for question in (*(f"contrast:against={way}" for way in WAYS), "probability", "logprobability"):
        torch.testing.assert_close(direction(question, y, t).sum(1), torch.zeros(3, dtype=y.dtype), **TIGHT)
    assert torch.equal(direction("logit", y, t).sum(1), torch.ones(3, dtype=y.dtype))


def test_06_a_scalar_added_to_all_logits_changes_the_logit_alone():
    class Shifted(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x) + 3 * x.pow(2).mean((1, 2, 3))[:, None] + 7

    for ask in (*(f"contrast:against={way}" for way in WAYS), "probability", "logprobability"):
        a, b = (explain(x(), "gradient", ask, net, target=1).raw for net in (toy(), Shifted(toy())))
        torch.testing.assert_close(a, b, **TIGHT)
    a, b = (explain(x(), "gradient", "logit", net, target=1).raw for net in (toy(), Shifted(toy())))
    assert (a - b).abs().max() > 1e-3


@settings(deadline=None, max_examples=25)
@given(arrays("float64", (3, 2), elements=st.floats(-9, 9, width=32)).map(torch.from_numpy))
def test_07_of_two_classes_every_contrast_is_one_and_antisymmetric(y):
    zero, one = torch.zeros(3, dtype=torch.int64), torch.ones(3, dtype=torch.int64)
    maps = [direction(f"contrast:against={way}", y, zero) for way in WAYS]
    for m in maps[1:]:
        torch.testing.assert_close(m, maps[0], **TIGHT)
    torch.testing.assert_close(direction("contrast", y, one), -maps[0], **TIGHT)


def test_08_the_temperature_leads_from_the_strongest_class_to_the_mean_of_all():
    y, t = torch.tensor([[1.0, 2.0, 0.5, -1.0]], dtype=torch.float64), torch.tensor([0])
    for tau, way in ((1e-3, "max"), (1e6, "mean")):
        torch.testing.assert_close(alpha(y, t, "softmax", tau), alpha(y, t, way), rtol=0, atol=1e-4)


GAPS = [20.0, 100.0, 1e4]


def autograds(y, t):
    """The way that everybody takes: backward through the softmax."""
    leaf = y.clone().requires_grad_()
    return torch.autograd.grad(leaf.softmax(1)[torch.arange(len(y)), t].sum(), leaf)[0]


@pytest.mark.parametrize("gap", [*GAPS, *(-gap for gap in GAPS)])
def test_09_contrast_is_right_where_the_softmax_is_saturated(gap):
    single = torch.tensor([[gap, 0.0, 1.0, -1.0]])
    double, t = single.double(), torch.tensor([0])
    truth = torch.cat([torch.ones(1, 1), -double[:, 1:].softmax(1)], 1)
    for ask in ("contrast", "logprobability", "probability"):
        got = direction(ask, single, t)
        assert got.dtype == torch.float32
        assert got.isfinite().all()
    torch.testing.assert_close(direction("contrast", single, t).double(), truth, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(
        value("contrast", single, t).double(), gap - double[:, 1:].logsumexp(1), rtol=1e-6, atol=1e-6
    )
    # ours keeps the size as far as float32 has numbers
    p_rest = double[:, 1:].logsumexp(1).sub(double.logsumexp(1)).exp()
    size = direction("probability", single, t)[0, 0].double()
    torch.testing.assert_close(size, p_rest[0] * double.softmax(1)[0, 0], rtol=2e-6, atol=1e-38)


@pytest.mark.parametrize("gap", GAPS)
def test_09_where_autograd_through_it_is_wrong(gap):
    """Exactly zero at the target, so the map is that of the other classes, up to a gap of 103, and then of nothing."""
    y, t = torch.tensor([[gap, 0.0, 1.0, -1.0]]), torch.tensor([0])
    usual = autograds(y, t)
    assert usual[0, 0] == 0
    assert bool((usual[0, 1:] < 0).all()) is (gap < 103)
    assert bool(autograds(-y, t).any()) is (gap < 103)  # an unlikely class: nothing is left of it
    assert direction("contrast", y, t)[0, 0] == direction("contrast", -y, t)[0, 0] == 1


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("explainer", ["gradient", "grad-cam:relu=false", "integrated-gradients:steps=4"])
def test_09_the_map_of_a_contrast_is_right_at_a_large_gap(explainer, gap):
    net = toy()
    with torch.no_grad():
        net[1][2].bias[0] += gap
    truth = explain(x(), explainer, "contrast", net, target=0).maps
    single = explain(x().float(), explainer, "contrast", net.float(), target=0).maps
    assert truth.abs().max() > 0
    torch.testing.assert_close(single, truth, rtol=1e-5, atol=1e-6 * float(truth.abs().max()))
    if gap == 20:  # asked for the softmax, the same explainer points elsewhere; beyond 100 nowhere
        usual = explain(x().float(), explainer, lambda y: y.softmax(1)[:, 0], net).maps
        assert torch.corrcoef(torch.stack([usual.flatten(), truth.flatten()]))[0, 1] < 0.9


@settings(deadline=None, max_examples=25)
@given(logits)
def test_12_the_two_strongest_classes_contrast_as_exact_negatives(y):
    first, second = y.topk(2).indices.T
    for ask in ("contrast:against=max",):
        assert torch.equal(direction(ask, y, first), -direction(ask, y, second))
    torch.testing.assert_close(direction("contrast:against=3", y, torch.full((3,), 1)),
                               -direction("contrast:against=1", y, torch.full((3,), 3)))  # fmt: skip


# --- maps (10, 11, 13, 14, 16) ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "explainer",
    [
        "grad-cam:relu=false",
        "input-x-gradient:layer=auto",
        "hires-cam:relu=false",
        "cam:relu=false",
        "gradient",
        "smooth:samples=2@gradient",
        "integrated-gradients:steps=4",
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_10_one_way_back_equals_the_loop_over_classes(explainer, way):
    net, n = toy().float(), 4
    y, t = net(x().float()).detach(), torch.tensor([1, 2])
    every = torch.arange(n).expand(2, n)
    each = explain(x().float(), explainer, "logit", net, target=every).maps
    a = alpha(y, t, way)
    wanted = each[torch.arange(2), t] - torch.einsum("nk,nkhw->nhw", a, each)
    got = explain(x().float(), explainer, f"contrast:against={way}", net, target=t).maps
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6 * float(each.abs().max()))


def test_11_clipping_first_is_something_else():
    net, t = toy(), torch.tensor([1, 2])
    each = explain(x(), "grad-cam:relu=false", "logit", net, target=torch.arange(4).expand(2, 4)).maps
    a = alpha(net(x()).detach(), t, "softmax").float()
    clipped = each.relu()
    wrong = (clipped[torch.arange(2), t] - torch.einsum("nk,nkhw->nhw", a, clipped)).relu()
    right = explain(x(), "grad-cam:relu=true", "contrast", net, target=t).maps
    assert (right - wrong).abs().max() > 0.05 * right.abs().max()


@pytest.mark.parametrize("name", ["tiny-cnn", "tiny-vit"])
@pytest.mark.parametrize("explainer", ["grad-cam:relu=false", "hires-cam:relu=false", "gradient"])
def test_13_several_classes_at_once_equal_the_loop(name, explainer):
    net = model(name)
    together = explain(images(2), explainer, ["logit", "contrast"], net, target=torch.arange(5).expand(2, 5)).maps
    for t in range(5):
        for q, ask in enumerate(("logit", "contrast")):
            alone = explain(images(2), explainer, ask, net, target=t).maps
            torch.testing.assert_close(together[:, t, q], alone, rtol=1e-5, atol=1e-6 * float(alone.abs().max()))


@pytest.mark.parametrize("ask", ["logit", "contrast", "contrast:against=mean", "unit:index=2", "similarity"])
def test_14_on_gap_and_linear_the_cams_are_one_map(ask):
    net, cells = toy(), 6 * 7
    cam = explain(x(), "cam:relu=false", ask, net).raw
    for explainer, factor in (
        ("grad-cam:relu=false", cells),
        ("hires-cam:relu=false", cells),
        ("input-x-gradient:layer=0", cells),
    ):
        torch.testing.assert_close(factor * explain(x(), explainer, ask, net).raw, cam, **TIGHT)


def test_16_a_linear_approximation_sums_to_the_logit():
    net = toy()
    e = explain(x(), "input-x-gradient:layer=0", "logit", net, target=1)
    torch.testing.assert_close(e.raw.sum((1, 2)) + net[1][2].bias[1], net(x())[:, 1], **TIGHT)
    cam = explain(x(), "cam:relu=false", "logit", net, target=1).raw
    torch.testing.assert_close(cam.mean((1, 2)) + net[1][2].bias[1], net(x())[:, 1], **TIGHT)


# --- paths (19, 20, 21) ----------------------------------------------------------------------------------------------

RULES = ("gauss", "midpoint", "trapezoid", "left", "right")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("points", [1, 2, 3, 10, 50, 300])
def test_19_quadrature_weights_sum_to_one(rule, points):
    at, weights = quadrature(rule, points)
    assert len(at) == len(weights) == points
    assert sum(weights) == pytest.approx(1, abs=1e-14)
    assert at == sorted(at)
    assert min(at) >= 0
    assert max(at) <= 1
    if rule == "gauss":  # exact for polynomials of degree 2n − 1
        for degree in range(min(2 * points, 12)):
            assert sum(w * a**degree for a, w in zip(at, weights, strict=True)) == pytest.approx(1 / (degree + 1))


def completeness(net, ask, x, target=1, **knobs):
    """The relative error of the sum of the attributions."""
    explainer = pl.explainers.IntegratedGradients(**knobs)
    e = pl.explain(net, x, explainer, ask=ask, target=target)
    question = Question.make(ask)
    clean, base = net(x).detach(), net(torch.zeros_like(x)).detach()
    t = torch.full((len(x),), target)
    score = question.bind(clean, t, lambda x: x)
    change = score.value(clean) - score.value(base)
    return ((e.raw.sum((1, 2, 3)) - change).abs() / change.abs()).max().item()


def test_19_integrated_gradients_are_complete():
    net, pictures = model("tiny-cnn", torch.float64), images(4, dtype=torch.float64)
    for rule in ("gauss", "midpoint"):
        error = completeness(net, "logit", pictures, steps=50, rule=rule)
        assert error < 0.01, (rule, error)
    assert completeness(smooth_toy(), "logit", x(), steps=50) < 1e-6


@pytest.mark.parametrize("rule, order", [("left", 1), ("right", 1), ("midpoint", 2), ("trapezoid", 2)])
def test_19_the_error_falls_with_the_order_of_the_rule(rule, order):
    few, many = (completeness(smooth_toy(), "logit", x(1, 3, 6, 7), steps=n, rule=rule) for n in (17, 33))
    cells = (32 / 16) if rule == "trapezoid" else (33 / 17)
    assert few / many == pytest.approx(cells**order, rel=0.1)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.sampled_from(RULES), st.floats(-2, 2))
def test_20_of_a_linear_model_they_are_the_weights_times_the_way(steps, rule, baseline):
    net = linear()
    e = pl.explain(net, x(), pl.explainers.IntegratedGradients(steps=steps, rule=rule, baseline=baseline), target=2)
    torch.testing.assert_close(e.raw, net[1].weight[2].view(1, 3, 6, 7) * (x() - baseline), **TIGHT)


def test_21_asked_for_the_log_odds_they_are_complete_to_the_log_odds():
    net = smooth_toy()
    assert completeness(net, "contrast:live=true", x(), steps=50) < 1e-6
    # a fixed direction is complete to its own linear score, not to the log-odds that moves along the path
    e = pl.explain(net, x(), "integrated-gradients:steps=50", ask="contrast", target=1)
    clean, base = net(x()).detach(), net(torch.zeros_like(x())).detach()
    w = direction("contrast", clean, torch.tensor([1, 1]))
    torch.testing.assert_close(e.raw.sum((1, 2, 3)), (w * (clean - base)).sum(1), rtol=1e-6, atol=1e-9)
    # and of the probability, live by itself, to the probability
    assert completeness(net, "probability", x(), steps=50) < 1e-6


# --- noise (27) ------------------------------------------------------------------------------------------------------


def test_27_smoothing_a_linear_model_changes_nothing():
    net = linear()
    a = pl.explain(net, x(), "gradient", target=1).raw
    b = pl.explain(net, x(), "smooth:samples=4@gradient", target=1).raw
    torch.testing.assert_close(a, b, **TIGHT)


def test_27_the_noise_follows_the_range_of_the_image():
    class Spy(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = []

        def forward(self, x):
            self.seen.append(x.detach().clone())
            return x.flatten(1)[:, :4]

    for scale in (1.0, 10.0):
        spy = Spy()
        pl.explain(spy, scale * x(), "smooth:samples=2,spread=0.1@gradient", target=1)
        noise = (spy.seen[-1][:2] - scale * x()) / scale  # of the first copy
        spread = 0.1 * (x().flatten(1).amax(1) - x().flatten(1).amin(1))
        torch.testing.assert_close(noise.flatten(1).std(1) / spread, torch.ones(2, dtype=x().dtype), rtol=0.25, atol=0)
        # one draw for all images, each at its own scale
        units = noise.flatten(1) / spread[:, None]
        torch.testing.assert_close(units[0], units[1], rtol=1e-6, atol=1e-9)


# --- the subject -----------------------------------------------------------------------------------------------------


def test_look_is_what_autograd_says():
    """The leaf in place of the layer's output gives the gradient of the whole network."""
    net = toy()
    subject = Subject(net)
    with undisturbed(net, 0):
        score = Question.make("contrast").bind(net(x()), None, lambda x: x)
        activation, gradient = subject.look(x(), score, "0")
    features = net[0](x())
    leaf = features.detach().requires_grad_()
    (wanted,) = torch.autograd.grad((score.cotangent(net(x())) * net[1](leaf)).sum(), leaf)
    torch.testing.assert_close(activation, features.detach(), **TIGHT)
    torch.testing.assert_close(gradient, wanted, **TIGHT)
    torch.testing.assert_close(
        explain(x(), "grad-cam:layer=0,relu=false", "contrast", net).raw, grad_cam(activation, wanted), **TIGHT
    )

"""What theory guarantees of guided, weighted, noisy and full gradients, in float64 on toy networks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import nn
from torch.nn import functional as F

import pellucid as pl
from pellucid.contracts.case import images, model
from pellucid.errors import BadInput, BadModel
from pellucid.explainers.eigen_cam import eigen_cam
from pellucid.explainers.grad_cam_pp import grad_cam_pp
from pellucid.explainers.smooth import moment_of
from pellucid.explainers.xgrad_cam import xgrad_cam
from pellucid.maths.blur import gaussian_blur
from pellucid.networks import Card
from pellucid.networks._load import _carded
from pellucid.questions import Question
from pellucid.questions.contrast import alpha
from pellucid.subject import Subject, undisturbed
from tests.behaviour.test_identities import TIGHT, WAYS, explain, linear, smooth_toy, toy, x

# --- CAMs (10, 14, 15, 17, 18, 35) -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "explainer", ["xgrad-cam:relu=false", "xgrad-cam:norm=sum,relu=false", "fullgrad:rectify=false"]
)
@pytest.mark.parametrize("way", WAYS)
def test_10_one_way_back_equals_the_loop_over_classes(explainer, way):
    net, t = toy(), torch.tensor([1, 2])
    each = explain(x(), explainer, "logit", net, target=torch.arange(4).expand(2, 4)).raw
    a = alpha(net(x()).detach(), t, way)
    wanted = each[torch.arange(2), t] - torch.einsum("nk,nkhw->nhw", a, each)
    torch.testing.assert_close(explain(x(), explainer, f"contrast:against={way}", net, target=t).raw, wanted, **TIGHT)


@pytest.mark.parametrize("ask", ["logit", "contrast", "contrast:against=mean", "similarity"])
def test_14_on_gap_and_linear_xgrad_cam_is_cam(ask):
    net = toy()
    cam = explain(x(), "cam:relu=false", ask, net).raw
    for norm in ("sum", "l1"):  # behind a ReLU
        torch.testing.assert_close(42 * explain(x(), f"xgrad-cam:relu=false,norm={norm}", ask, net).raw, cam, **TIGHT)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.booleans())
def test_15_the_norms_of_xgrad_cam_agree_on_activations_that_are_not_negative(seed, signed):
    generator = torch.Generator().manual_seed(seed)
    A, G = torch.randn(2, 2, 3, 4, 5, generator=generator, dtype=torch.float64)
    A = A if signed else A.relu()
    A[0, 0] = 0  # a dead channel
    l1, plain = xgrad_cam(A, G, "l1"), xgrad_cam(A, G, "sum")
    assert l1.isfinite().all()
    assert torch.allclose(l1, plain, rtol=1e-9, atol=1e-12) is not signed


def test_17_layer_cam_is_no_grad_cam():
    """It leaves out channels that speak against the class, which a linear head has."""
    net = toy()
    ours, cam = (explain(x(), name, "logit", net, target=1).raw for name in ("layer-cam:relu=false", "cam:relu=false"))
    weight = net[1][2].weight[1]
    assert (weight < 0).any()
    A = net[0](x()).detach()
    torch.testing.assert_close(42 * ours, torch.einsum("k,nkhw->nhw", weight.relu(), A).detach(), **TIGHT)
    assert (42 * ours - cam).abs().max() > 0.1 * cam.abs().max()


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_18_grad_cam_pp_in_closed_form(scale):
    """On GAP and linear: w = hw · ReLU(c) / (2 + S c), c = W/hw; whatever the scale of the score."""
    net = toy()
    with torch.no_grad():
        net[1][2].weight.mul_(scale)
    A, c = net[0](x()).detach(), net[1][2].weight[1].detach() / 42
    weight = 42 * c.relu() / (2 + A.sum((2, 3)) * c)
    wanted = torch.einsum("nk,nkhw->nhw", weight, A)
    torch.testing.assert_close(explain(x(), "grad-cam-pp", "logit", net, target=1).raw / scale, wanted / scale, **TIGHT)


def test_18_nothing_speaks_for_it():
    A, G = torch.rand(1, 2, 3, 3), -torch.rand(1, 2, 3, 3)
    assert not grad_cam_pp(A, G).any()
    assert not grad_cam_pp(A, torch.zeros_like(G)).any()
    assert grad_cam_pp(-A, G.neg()).isfinite().all()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.sampled_from([(3, 4, 5), (30, 4, 5)]), st.booleans())
def test_35_eigen_cam_knows_neither_the_order_nor_the_sign_of_channels(seed, shape, centre):
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    m = eigen_cam(A, centre)
    flat = A.flatten(2).mT - (A.flatten(2).mT.mean(1, keepdim=True) if centre else 0)
    torch.testing.assert_close(m.flatten(1).norm(dim=1), torch.linalg.svdvals(flat)[:, 0])
    order = torch.randperm(shape[0], generator=generator)
    torch.testing.assert_close(eigen_cam(A[:, order], centre), m, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(eigen_cam(-A, centre).abs(), m.abs(), rtol=1e-6, atol=1e-8)
    assert (m.sum((1, 2)) > -1e-9).all()


def test_35_eigen_cam_asks_nothing():
    net = model("tiny-cnn")
    e = pl.explain(net, images(2), "eigen-cam", ask=["contrast", "logit"], target=[[0, 1]] * 2)
    assert torch.equal(e.maps, e.maps[:, :1, :1].expand_as(e.maps))
    assert not e.signed
    assert not eigen_cam(torch.zeros(1, 3, 2, 2), False).any()


# --- contrasts of the class-contrastive papers ------------------------------------------------------------------------

MAPS = [
    "gradient",
    "grad-cam:relu=false",
    "xgrad-cam:relu=false",
    "input-x-gradient:layer=auto",
    "fullgrad:rectify=false",
]


def decided(net, pull=12.0):
    """The two first classes share nearly all the probability."""
    with torch.no_grad():
        net[1][2].bias[:2] += pull
    return net


@pytest.mark.parametrize("explainer", MAPS)
def test_two_classes_that_share_the_probability_have_opposite_maps(explainer):
    net = decided(toy())
    pair = torch.tensor([[0, 1]] * 2)
    maxima = explain(x(), explainer, "contrast:against=max", net, target=pair).raw
    assert torch.equal(maxima[:, 0], -maxima[:, 1])
    weighted = explain(x(), explainer, "contrast", net, target=pair).raw.flatten(2)
    for first, second in weighted:
        assert torch.corrcoef(torch.stack([first, second]))[0, 1] < -0.99
    plain = explain(x(), explainer, "logit", net, target=pair).raw.flatten(2)
    for first, second in plain:
        assert torch.corrcoef(torch.stack([first, second]))[0, 1] > -0.9


# --- noise (27) ------------------------------------------------------------------------------------------------------


def test_27_of_a_linear_model_there_is_no_variance():
    net = linear()
    gradient = explain(x(), "gradient", "logit", net, target=1).raw
    assert not explain(x(), "smooth:samples=5,moment=variance@gradient", "logit", net, target=1).raw.any()
    squares = explain(x(), "smooth:samples=5,moment=square@gradient", "logit", net, target=1).raw
    torch.testing.assert_close(squares, gradient**2, **TIGHT)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 9), st.floats(-1e4, 1e4), st.integers(0, 99))
def test_27_moments_are_moments(count, centre, seed):
    maps = centre + torch.randn(count, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for moment, wanted in (
        ("mean", maps.mean(0)),
        ("square", (maps**2).mean(0)),
        ("variance", maps.var(0, correction=0)),
    ):
        torch.testing.assert_close(moment_of(maps, moment), wanted, rtol=1e-7, atol=1e-9)
    assert (moment_of(maps.float(), "variance") >= 0).all()


@pytest.mark.parametrize("moment", ["mean", "square", "variance"])
@pytest.mark.parametrize("batch_size", [None, 1, 2, 7])
def test_27_the_noise_is_the_same_however_it_is_batched(moment, batch_size):
    net, text = model("tiny-cnn", torch.float64), f"smooth:samples=5,moment={moment}@gradient"
    truth = pl.explain(net, images(1, dtype=torch.float64), text, batch_size=1).raw
    ours = pl.explain(net, images(1, dtype=torch.float64), text, batch_size=batch_size).raw
    torch.testing.assert_close(ours, truth, rtol=1e-6, atol=1e-12)


def test_27_a_moment_of_any_explainer():
    net, x = model("tiny-cnn"), images(2)
    for of in ("grad-cam", "guided-backprop", "integrated-gradients:steps=2"):
        mean = pl.explain(net, x, f"smooth:samples=3@{of}", target=[0, 1])
        spread = pl.explain(net, x, f"smooth:samples=3,moment=variance@{of}", target=[0, 1])
        assert spread.maps.shape == mean.maps.shape
        assert not spread.signed
        assert spread.maps.max() > 0


# --- baselines and paths (28) ----------------------------------------------------------------------------------------


def test_28_gradient_shap_of_one_baseline_is_integrated_gradients():
    net = smooth_toy()
    ig = explain(x(), "integrated-gradients:steps=64", "logit", net, target=1).raw
    shap = explain(x(), "gradient-shap:samples=512,baseline=0", "logit", net, target=1)
    assert (shap.raw - ig).abs().max() < 0.01 * ig.abs().max()
    assert shap.error.max() < 0.01
    loose = explain(x(), "gradient-shap:samples=512,baseline=0,stratify=false", "logit", net, target=1)
    assert loose.error.max() > shap.error.max()


def test_28_several_baselines_take_turns():
    net, starts = smooth_toy(), x(3, 3, 6, 7)
    each = [explain(x(), pl.explainers.IntegratedGradients(steps=64, baseline=b), net=net, target=1) for b in starts]
    e = explain(x(), pl.explainers.GradientSHAP(samples=600, baseline=starts), net=net, target=1)
    mean = torch.stack([one.raw for one in each]).mean(0)
    assert (e.raw - mean).abs().max() < 0.02 * mean.abs().max()
    torch.testing.assert_close(e.owed, torch.stack([one.owed for one in each]).mean(0))
    assert explain(x(), "gradient-shap:samples=4", net=net).owed is None  # every sample has a baseline of its own
    with pytest.raises(BadInput, match="which is 3 images"):
        explain(x(), pl.explainers.IntegratedGradients(baseline=starts), net=net)


def test_28_gradient_shap_of_a_linear_model():
    """The mean of the baselines is what counts; and with noise the way begins at the noisy image."""
    net, w = linear(), linear()[1].weight[2].view(1, 3, 6, 7)
    e = explain(x(), "gradient-shap:samples=7,baseline=0.5", net=net, target=2)
    torch.testing.assert_close(e.raw, w * (x() - 0.5), **TIGHT)
    noisy = explain(x(), "gradient-shap:samples=4000,baseline=0.5,spread=0.1", net=net, target=2).raw
    assert (noisy - w * (x() - 0.5)).abs().max() < 0.05 * (w * x()).abs().max()
    assert not torch.equal(noisy, e.raw)


def normalised(net, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3)):
    return _carded(net, Card("mine", (6, 7), mean, std))


@pytest.mark.parametrize("explainer", ["integrated-gradients", "gradient-shap:samples=4"])
def test_baselines_are_where_they_say(explainer):
    """Of a linear model the map is w · (x − x′), so x′ can be read off."""
    net = normalised(linear())
    w, separator = net[1].weight[2].view(1, 3, 6, 7), "," if ":" in explainer else ":"

    def start(knobs):
        return x() - explain(x(), f"{explainer}{separator}{knobs}", net=net, target=2).raw / w

    mean, std = (torch.tensor(v, dtype=torch.float64).view(3, 1, 1) for v in ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3)))
    wanted = {
        "baseline=black": (-mean / std).expand(2, 3, 6, 7),
        "baseline=1,space=pixel": ((1 - mean) / std).expand(2, 3, 6, 7),
        "baseline=1": torch.ones(2, 3, 6, 7, dtype=torch.float64),
        "baseline=mean": x().mean((2, 3), keepdim=True).expand(2, 3, 6, 7),
        "baseline=blur": gaussian_blur(x(), 0.6),
        "baseline=blur,sigma=0.5": gaussian_blur(x(), 3.0),
    }
    for knobs, start_ in wanted.items():
        torch.testing.assert_close(start(knobs), start_, rtol=1e-5, atol=1e-5)
    noise = start("baseline=noise")
    flat, low, high = noise.flatten(1), x().flatten(1).amin(1), x().flatten(1).amax(1)
    assert (flat.amin(1) >= low - 1e-9).all()
    assert (flat.amax(1) <= high + 1e-9).all()
    units = (flat - low[:, None]) / (high - low)[:, None]
    torch.testing.assert_close(units[0], units[1], rtol=1e-5, atol=1e-5)  # one draw for all images
    assert not torch.allclose(start("baseline=noise,seed=1"), noise)


def test_black_of_a_model_without_a_card():
    net = linear()
    with pytest.raises(BadInput, match="where black is"):
        explain(x(), "integrated-gradients:baseline=black", net=net)
    inside = x().sigmoid()  # in [0, 1], black is zero
    a, b = (explain(inside, f"integrated-gradients:baseline={which}", net=net).raw for which in ("black", "0"))
    assert torch.equal(a, b)


def test_the_error_of_completeness_is_reported():
    net = smooth_toy()
    few, many = (explain(x(), f"integrated-gradients:steps={n},rule=left", net=net, target=1) for n in (4, 64))
    owed = (net(x()) - net(torch.zeros_like(x())))[:, 1]
    torch.testing.assert_close(few.owed, owed.detach().float())
    wanted = (few.raw.sum((1, 2, 3)) - owed).abs() / owed.abs()
    torch.testing.assert_close(few.error, wanted.detach().float(), rtol=1e-4, atol=1e-6)
    assert (many.error < few.error / 8).all()
    assert explain(x(), "gradient", net=net).error is None
    several = explain(x(), "integrated-gradients:steps=4", ["logit", "contrast"], net, target=[[0, 1], [2, 3]])
    assert several.owed.shape == several.error.shape == several.value.shape == (2, 2, 2)
    assert torch.equal(few[1].error, few.error[1:])


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.0, 40.0])
@pytest.mark.parametrize("shape", [(2, 3, 9, 14), (2, 3, 14)])
def test_blur_is_scipys(sigma, shape):
    """With reflected borders and a kernel that is not cut off."""
    image = x(*shape)
    axes = (2, 3) if len(shape) == 4 else (2,)
    theirs = gaussian_filter(image.numpy(), sigma, axes=axes, mode="reflect", truncate=12)
    torch.testing.assert_close(gaussian_blur(image, sigma), torch.from_numpy(theirs), rtol=1e-6, atol=1e-6)


# --- guided ways back (29) -------------------------------------------------------------------------------------------


class Written(nn.Module):
    """Three ReLUs by a function."""

    def __init__(self, relu):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c = (nn.Linear(5, 5).double() for _ in range(3))
        self.relu = relu

    def forward(self, x):
        return self.c(self.relu(self.b(self.relu(self.a(x.flatten(1))))))


def positive(net):
    """All weights and biases above zero: every ReLU is open, every gradient positive."""
    with torch.no_grad():
        for p in net.parameters():
            p.abs_()
    return net


def test_29_guided_backprop_is_the_gradient_where_nothing_is_rectified():
    net, x_ = positive(Written(F.relu)), x(2, 1, 1, 5).abs()
    gradient = explain(x_, "gradient", net=net, target=1).raw
    for name in ("guided-backprop", "deconvnet"):
        torch.testing.assert_close(explain(x_, name, net=net, target=1).raw, gradient, **TIGHT)
        torch.testing.assert_close(explain(x_, name, lambda y: -y[:, 1], net).raw, torch.zeros_like(gradient))


@pytest.mark.parametrize("ask", ["logit", "contrast"])
def test_29_by_hand(ask):
    """Layer by layer, as the rules say."""
    net, x_ = Written(nn.ReLU(inplace=True)), x(2, 1, 1, 5)
    y = net(x_).detach()
    w = Question.make(ask).bind(y, torch.tensor([1, 1]), lambda x: x).cotangent(y)
    first = net.a(x_.flatten(1))
    second = net.b(first.clamp_min(0))
    for name, opened in (("guided-backprop", True), ("deconvnet", False)):
        g = w @ net.c.weight
        g = g.clamp_min(0) * ((second > 0) if opened else 1)
        g = (g @ net.b.weight).clamp_min(0) * ((first > 0) if opened else 1)
        wanted = (g @ net.a.weight).view(2, 1, 1, 5)
        torch.testing.assert_close(explain(x_, name, ask, net, target=1).raw, wanted.detach(), **TIGHT)


def test_29_several_questions_in_one_forward():
    net, count = Written(F.relu), []
    net.register_forward_hook(lambda *_: count.append(1))
    e = explain(x(2, 1, 1, 5), "guided-backprop", ["logit", "contrast"], net, target=[[0, 1], [1, 2]])
    assert len(count) == 1
    alone = explain(x(2, 1, 1, 5), "guided-backprop", "contrast", net, target=[1, 2])
    torch.testing.assert_close(e.raw[:, 1, 1], alone.raw)


@pytest.mark.parametrize(
    "activation", [F.gelu, F.silu, F.hardswish, F.mish, F.elu, F.leaky_relu, torch.tanh, lambda x: x]
)
def test_29_refused_where_there_is_no_relu(activation):
    with pytest.raises(BadModel, match="use gradient"):
        explain(x(2, 1, 1, 5), "guided-backprop", net=Written(activation))


def test_29_no_gradient_for_the_weights():
    net, x_ = Written(F.relu), x(2, 1, 1, 5)
    score = Question.make("logit").bind(net(x_), None, net)
    with undisturbed(net, 0), pytest.raises(BadModel, match="no gradient for the weights"):
        pl.explainers.GuidedBackprop().attribute(Subject(net, trainable=True), x_, score)


def test_guided_grad_cam_is_nothing_where_the_cam_is():
    net = toy()
    cam = explain(x(), "grad-cam", net=net, target=1).maps
    both = explain(x(), "guided-grad-cam", net=net, target=1).raw
    plain = explain(x(), "guided-backprop", net=net, target=1).raw
    torch.testing.assert_close(both, plain * cam[:, None].double(), rtol=1e-5, atol=1e-9)
    count = []
    handle = net.register_forward_hook(lambda *_: count.append(1))
    explain(x(), "guided-grad-cam", ["logit", "contrast"], net, target=[1, 2])
    handle.remove()
    assert len(count) == 1


# --- full gradients (30) ---------------------------------------------------------------------------------------------


def with_norm():
    """Convolutions with and without bias, BatchNorm with and without its own weights, pooling, two linear layers."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8, affine=False), nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4),
    ).double()  # fmt: skip
    for _ in range(3):
        net(torch.randn(16, 3, 8, 8, dtype=torch.float64))
    return net.eval()


@pytest.mark.parametrize("ask", ["logit", "contrast", "contrast:against=mean", "similarity"])
def test_30_the_parts_sum_to_the_score(ask):
    """Σ M is ⟨w, y⟩ less the biases of the linear layers; enlarging keeps the sum."""
    net, x_ = with_norm(), x(2, 3, 8, 8)
    raw = explain(x_, "fullgrad:rectify=false", ask, net, target=1 if ask != "similarity" else None).raw
    y = net(x_).detach()
    w = Question.make(ask).bind(y, torch.tensor([1, 1]), Subject(net)).cotangent(y)
    hidden = net[:12](x_)
    open_ = (hidden > 0).double()
    linear_ = (w * net[13].bias).sum(1) + ((w @ net[13].weight) * open_ * net[11].bias).sum(1)
    torch.testing.assert_close(raw.sum((1, 2)) + linear_, (w * y).sum(1), **TIGHT)
    free = explain(x_, "fullgrad:rectify=false,mass=false", ask, net, target=1 if ask != "similarity" else None).raw
    assert (free - raw).abs().max() > 0.01 * raw.abs().max()


def test_30_a_module_that_runs_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first, self.again, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)

        def forward(self, x):
            x = self.first(x).relu()
            x = self.again(self.again(x).relu_()).relu()
            return self.head(x.mean((2, 3)))

    net = Twice().double()
    raw = explain(x(2, 3, 8, 8), "fullgrad:rectify=false", net=net, target=1).raw
    assert raw.isfinite().all()  # the sum of the parts was checked


def test_30_what_is_not_complete_is_refused():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
            self.shift = nn.Parameter(torch.ones(4, 1, 1))

        def forward(self, x):
            return self.b((self.a(x) + self.shift).relu().mean((2, 3)))

    for net in (Hidden().double(), nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid(), nn.Flatten(), nn.LazyLinear(3))):
        net(torch.zeros(1, 3, 8, 8).to(next(net.parameters()).dtype))
        with pytest.raises(BadModel, match="its parts sum to"):
            explain(x(2, 3, 8, 8), "fullgrad", net=net.double())


def test_30_rectified_parts_lie_between_zero_and_the_number_of_channels():
    net = with_norm()
    raw = explain(x(2, 3, 8, 8), "fullgrad", net=net, target=1).raw
    assert raw.min() >= 0
    assert raw.max() <= 3 + 6 + 8 + 8 + 8
    e = explain(x(2, 3, 8, 8), "fullgrad", "contrast", net=net, target=1)
    assert e.signed
    assert (e.raw < 0).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_30_in_half_precision(dtype):
    """Also of a probability, whose gradient would vanish in float16 if it were not scaled on its way."""
    net = with_norm()
    with torch.no_grad():
        net[13].bias[1] += 12
    for ask in ("logit", "probability"):
        truth = explain(x(2, 3, 8, 8), "fullgrad:rectify=false", ask, net.double(), target=1).raw
        half = explain(x(2, 3, 8, 8), "fullgrad:rectify=false", ask, net.to(dtype), target=1).raw
        pair = torch.stack([truth.flatten().float(), half.flatten().float()])
        assert torch.corrcoef(pair)[0, 1] > 0.95
        assert half.norm() / truth.norm() == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize(
    "explainer", ["gradient", "input-x-gradient", "input-x-gradient:layer=auto", "grad-cam", "fullgrad"]
)
def test_several_scores_cost_one_forward(explainer):
    net, count = toy(), []
    explain(x(), explainer, net=net)  # finds the layer
    net.register_forward_hook(lambda *_: count.append(1))
    explain(x(), explainer, ["logit", "contrast"], net, target=[[0, 1], [2, 3]])
    assert len(count) == 1

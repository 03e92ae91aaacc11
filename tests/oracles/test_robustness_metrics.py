"""Robustness and randomisation: slow re-tellings, what theory promises, and other libraries."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats
from skimage.metrics import structural_similarity
from torch import nn
from torchvision import models
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import hflip, resized_crop

import pellucid as pl
from pellucid.contracts.case import images, model
from pellucid.contracts.metrics import Planted, planted_images
from pellucid.engine import sanity_sheet
from pellucid.errors import BadKnob, BadModel, BadQuestion, UnknownName
from pellucid.explainers import Explainer
from pellucid.maths.regions import rectangles
from pellucid.maths.similarity import cosine, pearson, spearman, ssim, top_k
from pellucid.metrics import Case, Metric
from pellucid.metrics._randomised import (
    _seed,
    copied,
    forget,
    layers_of,
    likeness,
    randomised,
    sanity_maps,
    spread_over,
)
from pellucid.metrics.completeness import completeness
from pellucid.metrics.non_sensitivity import non_sensitivity
from pellucid.metrics.ses import View, draw
from pellucid.questions import Question
from pellucid.subject import Subject, as_batch, undisturbed

# --- what the tests share ---------------------------------------------------------------------------------------------


class Told(Explainer, name="told"):
    """A synthetic explainer: a function of the image."""

    asked = False

    def __init__(self, tell):
        super().__init__()
        object.__setattr__(self, "tell", tell)

    def attribute(self, subject, images, score):
        return self.tell(images)


def case_of(net, x, explainer, target=0, ask="logit", batch_size=None, seed=0):
    """What a metric is given, also of an explainer that has no text."""
    net.eval()
    subject = Subject(net, batch_size=batch_size, seed=seed)
    subject.batch = as_batch(x)
    made, question = Explainer.make(explainer), Question.make(ask)
    e = pl.explain(net, x, made, ask=question, target=target, seed=seed)
    maps = e.maps.view(len(x), *((1, x.shape[-1]) if x.ndim == 3 else x.shape[-2:]))
    return Case(subject, subject.batch, e.target, maps, made, question, colour=torch.zeros(x.shape[1]))


def scored(case, metric):
    with undisturbed(case.subject.model, case.subject.seed):
        return Metric.make(metric).score(case)


def of(metric, tell, x=None):
    """The score of a synthetic explainer."""
    return scored(case_of(model("tiny-cnn"), images(2) if x is None else x, Told(tell)), metric)


def luminance(x):
    return x.mean(1)


def small_net(classes=4, channels=3):
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, classes),
    )  # fmt: skip
    with torch.no_grad():
        net.train()(torch.randn(16, channels, 12, 12))
        net[-1].weight.mul_(5)
    return net.eval()


def small_images(n=3, channels=3, side=12):
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(2))


def gradients(net, x, y):
    """What a peer is told: the gradient maps, channels summed."""
    x, y = torch.as_tensor(x).float(), torch.as_tensor(y).long()
    return pl.explain(net, x, "gradient", target=y).maps


# --- similarity -------------------------------------------------------------------------------------------------------


def maps(n=3, h=13, w=16, seed=0, levels=None):
    drawn = torch.rand(2, n, h, w, generator=torch.Generator().manual_seed(seed))
    return (drawn * levels).floor() if levels else drawn


@pytest.mark.parametrize("levels", [None, 5])  # five: many are equal
def test_correlations_are_scipys(levels):
    a, b = maps(levels=levels)
    for i in range(len(a)):
        u, v = a[i].flatten().numpy(), b[i].flatten().numpy()
        assert spearman(a, b)[i] == pytest.approx(stats.spearmanr(u, v).statistic, abs=1e-12)
        assert pearson(a, b)[i] == pytest.approx(stats.pearsonr(u.astype(float), v.astype(float)).statistic, abs=1e-12)
        assert cosine(a, b)[i] == pytest.approx(float(u @ v / math.sqrt((u @ u) * (v @ v))), abs=1e-6)


def test_ssim_is_scikit_images():
    a, b = maps(h=20, w=30)
    b = 0.5 * a + 0.5 * b
    found = ssim(7 * a - 2, b)
    for i in range(len(a)):
        u, v = ((m - m.min()) / (m.max() - m.min()) for m in (a[i].double().numpy(), b[i].double().numpy()))
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}  # eleven pixels wide
        theirs = structural_similarity(u, v, data_range=1, **options)
        assert found[i] == pytest.approx(theirs, abs=1e-6)
        assert 0.1 < theirs < 0.99


@pytest.mark.parametrize(("size", "down", "across"), [((9, 7), 9, 7), ((6, 8), 5, 7), ((2, 30), 1, 11)])
def test_ssim_of_small_maps_by_loops(size, down, across):
    """The largest odd window that fits, along each axis."""
    a, b = maps(1, *size)
    x, y = (((m - m.min()) / (m.max() - m.min())).double()[0].numpy() for m in (a, b))
    w = [np.exp(-0.5 * ((np.arange(side) - side // 2) / 1.5) ** 2) for side in (down, across)]
    weights = np.outer(w[0], w[1]) / np.outer(w[0], w[1]).sum()
    values = []
    for r in range(size[0] - down + 1):
        for c in range(size[1] - across + 1):
            u, v = x[r : r + down, c : c + across], y[r : r + down, c : c + across]
            mu, mv = (weights * u).sum(), (weights * v).sum()
            su, sv = (weights * (u - mu) ** 2).sum(), (weights * (v - mv) ** 2).sum()
            both = (weights * (u - mu) * (v - mv)).sum()
            values.append((2 * mu * mv + 1e-4) * (2 * both + 9e-4) / ((mu * mu + mv * mv + 1e-4) * (su + sv + 9e-4)))
    assert ssim(a, b).item() == pytest.approx(np.mean(values), abs=1e-6)


def test_ssim_of_a_signal_has_a_window_along_it_alone():
    a, b = maps(h=1, w=40)
    alone = ssim(a, b)
    assert torch.equal(alone, ssim(a.mT, b.mT))
    assert ssim(a, a).tolist() == pytest.approx([1.0] * 3)


def test_what_is_constant_has_no_similarity():
    a = maps()[0]
    flat = torch.full_like(a, 0.1)  # its mean over so many is not exactly 0.1
    for f in (pearson, spearman, ssim, lambda u, v: top_k(u, v, 3)):
        assert f(a, flat).isnan().all()
        assert f(flat, flat).isnan().all()
    assert cosine(a, 0 * a).isnan().all()
    assert cosine(flat, flat).tolist() == pytest.approx([1.0] * 3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 1e3), st.floats(-5, 5), st.floats(1e-30, 1e30))
def test_similarities_keep_what_they_promise(seed, scale, shift, size):
    a, b = maps(1, 6, 7, seed)
    assert spearman(scale * a + shift, b.exp()).item() == pytest.approx(spearman(a, b).item(), abs=2e-2)
    assert cosine(size * a, b).item() == pytest.approx(cosine(a, b).item(), abs=1e-6)
    assert cosine(a, -b).item() == pytest.approx(-cosine(a, b).item())
    assert pearson(a, 1 - a).item() == pytest.approx(-1)
    for f in (cosine, pearson, spearman, ssim):
        assert f(a, b).item() == pytest.approx(f(b, a).item())
        assert f(a, a).item() == pytest.approx(1)


def test_top_k_counts_what_is_common():
    a, b = maps()
    for k in (1, 10, 50):
        for i in range(len(a)):
            sets = [set(m[i].flatten().topk(k).indices.tolist()) for m in (a, b)]
            assert top_k(a, b, k)[i] == pytest.approx(len(sets[0] & sets[1]) / k)
    even = torch.tensor([[[1.0, 1.0, 1.0, 0.0]]])
    assert top_k(even, torch.tensor([[[9.0, 0.0, 0.0, 0.0]]]), 1).tolist() == pytest.approx([1 / 3])


# --- salience equivariance --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["crop", "flip", "translate", "all"])
def test_luminance_follows_wherever_the_image_goes(by):
    assert of(f"ses:by={by},samples=6", luminance).tolist() == pytest.approx([1.0] * 2, abs=1e-6)


@pytest.mark.parametrize("by", ["crop", "flip", "translate", "all"])
def test_a_map_that_is_the_same_everywhere_is_the_trivial_optimum(by):
    assert of(f"ses:by={by}", lambda x: torch.ones_like(x[:, 0])).tolist() == pytest.approx([1.0] * 2)


def test_a_map_that_stays_where_it_is_does_not_follow():
    """A ramp from left to right, whatever the image: against its mirror, by hand."""
    ramp = torch.arange(1.0, 33).expand(2, 32, 32)
    line = ramp[0, 0]
    by_hand = float(line @ line.flip(0) / (line @ line))
    assert of("ses:by=flip", lambda x: ramp[: len(x)]).tolist() == pytest.approx([by_hand] * 2)


def test_a_zero_map_is_undefined_and_zero_as_published():
    assert of("ses", lambda x: 0 * x[:, 0]).isnan().all()
    assert of("ses:protocol=published", lambda x: 0 * x[:, 0]).tolist() == [0, 0]


def test_a_map_outside_the_crop_leaves_that_draw_out():
    x = images(2)
    case = case_of(model("tiny-cnn"), x, Told(lambda x: torch.zeros_like(x[:, 0]).index_fill(1, torch.tensor([0]), 1)))
    metric = Metric.make("ses:samples=20")
    with undisturbed(case.subject.model, 0):
        draws = metric.trace(case)
    away = [view.box[0] > 0 for view in metric.views(case)]
    assert draws.isnan().any(0).tolist() == away
    assert any(away)
    assert not all(away)
    assert torch.equal(scored(case, metric), draws.nanmean(1))


def test_a_view_is_torchvisions_crop_and_mirror():
    x, generator = images(2, (20, 33)), torch.Generator().manual_seed(0)
    for _ in range(8):
        view = draw("crop", (20, 33), generator)
        top, left, height, width = view.box
        theirs = resized_crop(x, top, left, height, width, [20, 33], antialias=False)
        assert torch.allclose(view(x), hflip(theirs) if view.mirror else theirs, atol=1e-6)
        assert view.inside(x).all()


def test_boxes_are_drawn_as_torchvision_draws_them():
    """Means of area, of the sides' ratio and of mirrors over many draws."""
    generator, x = torch.Generator().manual_seed(0), torch.zeros(3, 60, 80)
    ours = [draw("crop", (60, 80), generator) for _ in range(3000)]
    theirs = [RandomResizedCrop.get_params(x, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(3000)]

    def facts(boxes):
        top, left, h, w = np.array(boxes, dtype=float).T
        assert (top >= 0).all()
        assert (left >= 0).all()
        assert (top + h <= 60).all()
        assert (left + w <= 80).all()
        return np.array([(h * w).mean() / 4800, (w / h).mean(), top.mean() / 60, left.mean() / 80])

    assert np.allclose(facts([view.box for view in ours]), facts(theirs), atol=0.02)
    assert np.mean([view.mirror for view in ours]) == pytest.approx(0.5, abs=0.03)


def test_a_shift_compares_what_was_in_view():
    view = View((2, -1), (0, 0, 6, 5), False, (6, 5))
    x = torch.arange(30.0).view(1, 1, 6, 5)
    assert torch.equal(view(x)[0, 0, 2:, :-1], x[0, 0, :-2, 1:])
    inside = torch.zeros(6, 5, dtype=torch.bool)
    inside[2:, :-1] = True
    assert torch.equal(view.inside(x), inside)


def test_ses_by_loops():
    net, x = small_net(), small_images()
    views = [draw("crop", (12, 12), g) for g in [torch.Generator().manual_seed(4)] for _ in range(3)]
    found = []
    for i in range(3):
        one, each = x[i : i + 1], []
        for view in views:
            top, left, h, w = view.box
            turn = hflip if view.mirror else lambda m: m
            moved = turn(resized_crop(one, top, left, h, w, [12, 12], antialias=False))
            a = turn(resized_crop(gradients(net, one, [1]), top, left, h, w, [12, 12], antialias=False)).flatten()
            b = gradients(net, moved, [1]).flatten()
            each.append(float(a @ b / (a.norm() * b.norm())))
        found.append(sum(each) / 3)
    e = pl.explain(net, x, "gradient", target=1)
    assert pl.measure(net, x, e, "ses:samples=3,seed=4").tolist() == pytest.approx(found, abs=1e-5)


def test_ses_as_published():
    """min subtracted, divided by the largest, at the image's size; then cropped."""
    net, x = small_net(), small_images()
    [view] = [draw("crop", (12, 12), torch.Generator().manual_seed(4))]

    def scaled(m):
        m = m - m.amin((1, 2), keepdim=True)
        return m / m.amax((1, 2), keepdim=True)

    a = view(scaled(gradients(net, x, [1] * 3))[:, None])[:, 0]
    b = scaled(gradients(net, view(x), [1] * 3))
    theirs = torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1))
    e = pl.explain(net, x, "gradient", target=1)
    published = pl.measure(net, x, e, "ses:samples=1,seed=4,protocol=published")
    assert torch.allclose(published, theirs, atol=1e-5)
    assert (published - pl.measure(net, x, e, "ses:samples=1,seed=4")).abs().min() > 0.05


def test_ses_has_a_seed():
    net, x = small_net(), small_images()
    e = pl.explain(net, x, "gradient", target=1)
    first, again, other = (pl.measure(net, x, e, f"ses:seed={seed}") for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(pl.measure(net, x, e, "ses", seed=1), first)  # none is the call's seed


def test_signals_are_moved_along_their_length():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(2, 4, 5, padding=2), nn.ReLU(), nn.Flatten(), nn.Linear(160, 3))
    x = torch.randn(2, 2, 40)
    case = case_of(net, x, Told(lambda x: x.mean(1)))
    for by in ("crop", "translate", "all"):
        assert scored(case, f"ses:by={by}").tolist() == pytest.approx([1.0] * 2, abs=1e-6)
    for metric in ("ses", "max-sensitivity", "sanity-cascading", "random-logit", "non-sensitivity:cells=5"):
        assert pl.measure(net, x, pl.explain(net, x, "gradient", target=1), metric).isfinite().all(), metric


# --- nearby -----------------------------------------------------------------------------------------------------------


def test_a_linear_models_gradient_never_moves():
    net, x = Planted(), planted_images()
    for metric in ("max-sensitivity", "local-lipschitz", "local-lipschitz:protocol=paper"):
        assert pl.measure(net, x, "gradient", metric, target=0).tolist() == [0] * 4


def test_both_are_what_loops_say():
    net, x = small_net(), small_images()
    e = pl.explain(net, x, "gradient", target=2)
    generator = torch.Generator().manual_seed(5)
    draws = [2 * torch.rand(3, 12, 12, generator=generator) - 1 for _ in range(4)]
    for i in range(3):
        one, map = x[i : i + 1], e.maps[i].double()
        near = [one + 0.1 * one.std(correction=0) * u for u in draws]
        moved = [(gradients(net, v, [2])[0].double() - map).norm() for v in near]
        far = [(v.double() - one.double()).norm() for v in near]
        knobs = "radius=0.1,samples=4,seed=5"
        sensitivity = pl.measure(net, x, e, f"max-sensitivity:{knobs}")[i]
        paper = pl.measure(net, x, e, f"local-lipschitz:protocol=paper,{knobs}")[i]
        sound = pl.measure(net, x, e, f"local-lipschitz:{knobs}")[i]
        assert sensitivity == pytest.approx(float(max(moved) / map.norm()), rel=1e-4)
        assert paper == pytest.approx(max(float(m / f) for m, f in zip(moved, far)), rel=1e-4)
        assert sound == pytest.approx(float(paper / map.norm()), rel=1e-4)
        assert sensitivity > 0.01


def test_the_maps_nearby_are_made_once():
    calls = []
    net, x = small_net(), small_images()
    net.register_forward_pre_hook(lambda _m, args: calls.append(len(args[0])))
    case = case_of(net, x, "gradient")
    scored(case, "max-sensitivity:samples=3")
    seen = len(calls)
    assert seen >= 3
    scored(case, "local-lipschitz:samples=3")
    scored(case, "local-lipschitz:samples=3,protocol=paper")
    assert len(calls) == seen
    scored(case, "local-lipschitz:samples=4")
    assert len(calls) > seen


def test_the_unit_of_a_map_does_not_matter_in_sound():
    net, x = small_net(), small_images()
    large = copy.deepcopy(net)
    with torch.no_grad():
        large[-1].weight.mul_(10)
        large[-1].bias.mul_(10)
    for metric, factor in (("local-lipschitz", 1), ("local-lipschitz:protocol=paper", 10), ("max-sensitivity", 1)):
        a, b = (pl.measure(m, x, "gradient", metric, target=0) for m in (net, large))
        assert torch.allclose(factor * a, b, rtol=1e-3)


def test_without_a_length_or_a_spread_there_is_no_answer():
    x = torch.stack([small_images(1)[0], torch.full((3, 12, 12), 0.5)])
    net = small_net()
    assert pl.measure(net, x, "gradient", "local-lipschitz", target=0).isnan().tolist() == [False, True]
    assert scored(case_of(net, x, Told(lambda x: 0 * x[:, 0])), "max-sensitivity").isnan().all()


@pytest.mark.peer
def test_max_sensitivity_is_captums():
    """Captum's radius is in the model's space, and it perturbs a batch that is repeated sample by sample."""
    from captum.metrics import sensitivity_max

    net, x = small_net(), small_images()
    generator = torch.Generator().manual_seed(7)
    draws = torch.stack([2 * torch.rand(3, 12, 12, generator=generator) - 1 for _ in range(10)])

    def near(inputs, radius):
        return inputs + radius * draws.repeat(len(inputs) // 10, 1, 1, 1)

    def explained(given):  # a tuple is answered with a tuple
        if isinstance(given, tuple):
            return tuple(explained(one) for one in given)
        return gradients(net, given, [1] * len(given))

    theirs = sensitivity_max(explained, x, near, perturb_radius=0.1)
    ours = pl.measure(net, x, "gradient", "max-sensitivity:unit=model,radius=0.1,seed=7", target=1)
    assert torch.allclose(ours, theirs, rtol=1e-4)
    assert theirs.min() > 0.01


@pytest.mark.peer
def test_max_sensitivity_where_captum_divides_a_zero_map_by_one():
    from captum.metrics import sensitivity_max

    x = small_images(2)
    tell = lambda x: (x - small_images(2)[: len(x)]).relu()[:, 0]  # noqa: E731  (zero at the image itself)
    explained = lambda given: tuple(map(tell, given)) if isinstance(given, tuple) else tell(given)  # noqa: E731
    theirs = sensitivity_max(explained, x[:1], n_perturb_samples=1)
    assert theirs.item() > 0
    assert scored(case_of(small_net(), x, Told(tell)), "max-sensitivity").isnan().all()


@pytest.mark.peer
def test_local_lipschitz_is_that_of_quantus():
    """Its way of perturbing exchanged for our draws, and its division of each map by its largest value left out."""
    quantus = pytest.importorskip("quantus")
    net, x = small_net(), small_images()
    generator = torch.Generator().manual_seed(7)
    draws = iter([(2 * torch.rand(3, 12, 12, generator=generator) - 1).flatten().numpy() for _ in range(5)])
    metric = quantus.LocalLipschitzEstimate(
        nr_samples=5, normalise=False, perturb_func=lambda arr, indices, **_: arr + 0.1 * next(draws),
        disable_warnings=True,
    )  # fmt: skip
    theirs = metric(
        model=net, x_batch=x.numpy(), y_batch=np.ones(3, int), a_batch=gradients(net, x, [1] * 3).numpy()[:, None],
        explain_func=lambda model, inputs, targets, **_: gradients(net, inputs, targets).numpy()[:, None],
    )  # fmt: skip
    knobs = "protocol=paper,unit=model,radius=0.1,samples=5,seed=7"
    ours = pl.measure(net, x, "gradient", f"local-lipschitz:{knobs}", target=1)
    assert ours.tolist() == pytest.approx([float(v) for v in theirs], rel=1e-4)


# --- forgetting -------------------------------------------------------------------------------------------------------


def order(net, x):
    twin = copied(net.eval())
    return [layer.name for layer in layers_of(twin, lambda: twin(x))]


def test_vgg_forgets_from_the_head_down():
    """The convolutions of VGG-19 by their index among the features, as in the papers that show it."""
    with torch.device("meta"):  # its shapes without its 140 million numbers
        net, x = models.vgg19(weights=None, num_classes=5), torch.randn(1, 3, 32, 32)
    convolutions = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    found = order(net, x)
    assert found == [f"classifier.{i}" for i in (6, 3, 0)] + [f"features.{i}" for i in reversed(convolutions)]


def test_norms_are_forgotten_with_what_they_follow():
    twin = copied(small_net())
    groups = [layer.paths for layer in layers_of(twin, lambda: twin(small_images()))]
    assert groups == [("7",), ("3",), ("0", "1")]
    with torch.device("meta"):
        residual = order(models.resnet18(weights=None), torch.randn(1, 3, 64, 64))
    assert residual[0] == "fc"
    assert residual[-1] == "conv1"
    assert len(residual) == 21  # 17 convolutions, 3 shortcuts, the head
    assert residual.index("layer4.0.downsample.0") < residual.index("layer4.0.conv1")


class HeadFirst(nn.Module):
    """Defined in another order than it runs, with a layer that has no say, and an activation kept."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)
        self.idle = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.tensor([[0.5, 1.0], [1.5, 2.0]]))
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        self.kept = self.conv(x) * self.scale.repeat(x.shape[2] // 2, x.shape[3] // 2)
        self.aside = self.idle(self.kept.mean((2, 3)))
        return self.head(self.kept.relu().mean((2, 3)))


def test_the_order_is_that_of_a_forward():
    net = HeadFirst()
    net(small_images())  # leaves tensors with a graph behind, which deepcopy refuses
    assert order(net, small_images()) == ["head", "scale", "conv"]
    found = order(model("tiny-vit"), images(1))
    assert "head" in found[0]
    assert any("pos" in name for name in found[-2:])
    with torch.device("meta"):
        found = order(models.vit_b_16(weights=None, image_size=32), torch.randn(1, 3, 32, 32))
    assert found[0] == "heads.head"
    assert found[-1] == "conv_proj"
    assert "encoder.layers.encoder_layer_0.self_attention" in found  # whose weights no module of its own holds


def test_what_a_layer_is_given_is_its_own_reset_and_depends_on_its_path():
    layer, fresh = nn.Linear(6, 5), nn.Linear(6, 5)
    forget(layer, 11)
    torch.manual_seed(11)
    fresh.reset_parameters()
    assert torch.equal(layer.weight, fresh.weight)
    assert torch.equal(layer.bias, fresh.bias)
    norm = nn.BatchNorm2d(3)
    norm.train()(torch.randn(8, 3, 4, 4) * 5 + 2)
    forget(norm, 11)
    assert norm.running_mean.tolist() == [0, 0, 0]
    assert norm.running_var.tolist() == [1, 1, 1]
    assert norm.num_batches_tracked == 0
    odd = nn.Module()
    odd.weight = nn.Parameter(torch.randn(200, 50) * 3 + 1)
    before = odd.weight.detach().clone()
    forget(odd, 11)
    after = odd.weight.detach()
    assert after.mean() == pytest.approx(before.mean().item(), abs=0.1)
    assert after.std() == pytest.approx(3, abs=0.1)
    assert abs(torch.corrcoef(torch.stack([after.flatten(), before.flatten()]))[0, 1]) < 0.05


def test_an_attention_is_given_new_weights():
    layer = nn.MultiheadAttention(8, 2)
    before, out = layer.in_proj_weight.clone(), layer.out_proj.weight.clone()
    forget(layer, 1)
    assert not torch.equal(layer.in_proj_weight, before)
    assert torch.equal(layer.out_proj.weight, out)  # a module of its own


def test_global_chance_is_left_alone():
    layer = nn.Linear(3, 3)
    before = torch.get_rng_state()
    forget(layer, 5)
    assert torch.equal(before, torch.get_rng_state())


def states(net, mode, count=None):
    twin = copied(net)
    layers = layers_of(twin, lambda: twin(small_images()))
    return [
        (name, {k: v.clone() for k, v in step.state_dict().items()})
        for name, step in randomised(net, twin, layers, mode, count, 3)
    ]


def test_a_cascade_keeps_what_was_forgotten_and_one_at_a_time_does_not():
    net = small_net()
    intact = net.state_dict()
    cascade, single = states(net, "cascading"), states(net, "independent")
    assert [name for name, _ in cascade] == ["7", "3", "0"]

    def changed(state):
        return {k.split(".")[0] for k, v in state.items() if not torch.equal(v, intact[k])}

    assert [changed(state) for _, state in cascade] == [{"7"}, {"7", "3"}, {"7", "3", "0", "1"}]
    assert [changed(state) for _, state in single] == [{"7"}, {"3"}, {"0", "1"}]
    for (_, a), (name, b) in zip(cascade, single):
        assert torch.equal(a[f"{name}.weight"], b[f"{name}.weight"])
    skipped = states(net, "cascading", 2)  # the one in between is forgotten too
    assert [name for name, _ in skipped] == ["7", "0"]
    assert all(torch.equal(v, cascade[-1][1][k]) for k, v in skipped[-1][1].items())


@given(st.integers(1, 60), st.integers(1, 60))
def test_layers_are_spread_evenly(total, count):
    found = spread_over(total, count)
    assert len(found) == min(total, count)
    assert found == sorted(set(found))
    assert found[0] == 0
    assert count == 1 or found[-1] == total - 1


@pytest.mark.parametrize("mode", ["cascading", "independent"])
def test_sanity_by_loops(mode):
    net, x = small_net(), small_images()
    e, by = pl.explain(net, x, "gradient", target=2), {"spearman": [], "ssim": [], "cosine": []}
    twin = copy.deepcopy(net)
    for group in (("7",), ("3",), ("0", "1")):
        if mode == "independent":
            twin = copy.deepcopy(net)
        for path in group:
            torch.manual_seed(_seed(6, path))
            twin.get_submodule(path).reset_parameters()
        now = gradients(twin, x, [2] * 3)
        u, v = e.maps.abs().flatten(1).numpy(), now.abs().flatten(1).numpy()
        by["spearman"].append([stats.spearmanr(a, b).statistic for a, b in zip(u, v)])
        by["ssim"].append(ssim(e.maps.abs(), now.abs()).tolist())
        by["cosine"].append(torch.nn.functional.cosine_similarity(e.maps.flatten(1), now.flatten(1)).abs().tolist())
    for name, rows in by.items():
        ours = pl.measure(net, x, e, f"sanity-{mode}:by={name},seed=6")
        assert ours.tolist() == pytest.approx(np.mean(rows, 0).tolist(), abs=1e-5), name


def test_the_control_that_sees_no_model_fails_the_check():
    net, x = small_net(), small_images()
    for by in ("ssim", "spearman", "cosine"):
        for name in ("sanity-cascading", "sanity-independent"):
            assert pl.measure(net, x, "edges", f"{name}:by={by}").tolist() == pytest.approx([1.0] * 3)
            assert (pl.measure(net, x, "gradient", f"{name}:by={by}", target=0) < 0.8).all()


def test_three_similarities_cost_one():
    calls = []
    net, x = small_net(), small_images()
    case = case_of(net, x, Told(lambda x: (calls.append(1), x[:, 0])[1]))
    scored(case, "sanity-cascading:by=ssim")
    seen = len(calls)
    scored(case, "sanity-cascading:by=cosine")
    scored(case, "sanity-cascading:by=spearman,curve=true")
    assert len(calls) == seen
    assert case.once("twin", lambda: None) is not None  # one copy for all


def test_a_layer_without_a_map_is_left_out():
    net, x, calls = small_net(), small_images(), []

    def tell(x):
        calls.append(1)
        return x[:, 0] * (len(calls) != 3)  # the intact map, the first layer, and nothing at the second

    case = case_of(net, x, Told(tell))
    with undisturbed(net, 0):
        metric = Metric.make("sanity-cascading")
        curve = metric.trace(case)
    assert curve.isnan().tolist() == [[False, True, False]] * 3
    assert scored(case, metric).tolist() == pytest.approx([1.0] * 3)


def test_a_model_of_no_layers_has_no_answer():
    net, x = nn.Sequential(nn.AvgPool2d(4), nn.Flatten()), small_images()
    assert pl.measure(net, x, "gradient", "sanity-cascading", target=0).isnan().all()


class Falling(Explainer, name="falling"):
    """Fails at the third call."""

    def attribute(self, subject, images, score):
        count[0] += 1
        if count[0] == 3:
            raise BadModel("half-way.")
        return images[:, 0]


count = [0]


@pytest.mark.parametrize("name", ["sanity-cascading", "sanity-independent", "ses", "max-sensitivity"])
def test_the_model_is_as_it_was_also_after_an_error(name):
    net, x = small_net(), small_images()
    net.train()
    net[1].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    modes = [m.training for m in net.modules()]
    pl.measure(net, x, "gradient", name, target=0)
    count[0] = 0
    case = case_of(net, x, Falling())
    net.train()
    net[1].eval()
    with pytest.raises(BadModel, match="half-way"):
        scored(case, name)
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(p.grad is not None for p in net.parameters())


def test_a_frozen_model_is_forgotten_too():
    net, x = small_net().requires_grad_(False), small_images()
    thawed = pl.measure(small_net(), x, "gradient", "sanity-cascading", target=0)
    assert torch.equal(pl.measure(net, x, "gradient", "sanity-cascading", target=0), thawed)
    assert not any(p.requires_grad for p in net.parameters())


@pytest.mark.peer
def test_sanity_is_quantus_with_its_conventions():
    """Quantus: Spearman's correlation of signed maps; modules in the reverse order of their definition, each norm a
    layer of its own; every layer drawn from the same global seed."""
    quantus = pytest.importorskip("quantus")
    net, x = small_net(), small_images()
    metric = quantus.MPRT(
        similarity_func=quantus.similarity_func.correlation_spearman, normalise=False, abs=False, seed=42,
        layer_order="top_down", disable_warnings=True,
    )  # fmt: skip
    maps = gradients(net, x, [1] * 3)
    theirs = metric(
        model=net, x_batch=x.numpy(), y_batch=np.ones(3, int), a_batch=maps.numpy()[:, None],
        explain_func=lambda model, inputs, targets, **_: gradients(model, inputs, targets).numpy()[:, None],
    )  # fmt: skip
    twin = copy.deepcopy(net)
    for path in ("7", "3", "1", "0"):
        torch.manual_seed(43)
        twin.get_submodule(path).reset_parameters()
        assert spearman(maps, gradients(twin, x, [1] * 3)).tolist() == pytest.approx(theirs[path], abs=1e-6)
    # where the norm is forgotten with its layer there are three, not four, and one is not counted that changes little
    case = case_of(net, x, "gradient", target=1)
    with undisturbed(net, 0):
        assert Metric.make("sanity-cascading").trace(case).shape == (3, 3)
    assert set(theirs) == {"original", "7", "3", "1", "0"}


# --- the picture ------------------------------------------------------------------------------------------------------


def test_sanity_maps_have_names():
    net, x = small_net(), small_images()
    case = case_of(net, x, "gradient", target=1)
    with undisturbed(net, 0):
        names, found = sanity_maps(case, "independent")
    assert names == ["intact", "7", "3", "0"]
    assert found.shape == (4, 3, 12, 12)
    assert torch.equal(found[0], case.map)
    measured = pl.measure(net, x, "gradient", "sanity-independent", target=1)
    alike = torch.stack([likeness(found[0], m, "spearman") for m in found[1:]], 1)
    assert torch.allclose(alike.mean(1).float(), measured, atol=1e-6)


def test_a_sanity_sheet_has_a_column_a_layer():
    net, x = small_net(), small_images(2)
    wide = [sanity_sheet(net, x, "gradient", target=1, layers=k, tile=80) for k in (1, 2, 3)]
    assert all(isinstance(sheet, Image.Image) for sheet in wide)
    assert wide[2].width - wide[1].width == wide[1].width - wide[0].width == 86  # a tile and a gap
    cam = sanity_sheet(net, x, "grad-cam", mode="independent", rows=("one", "two"))
    assert cam.height > wide[0].height / 2
    assert sanity_sheet(net, x, Told(luminance), layers=1).width > 0  # a custom explainer, as an object


def test_a_sanity_sheet_refuses_what_it_does_not_know():
    net, x = small_net(), small_images(2)
    with pytest.raises(UnknownName, match="sanity-cascading"):
        sanity_sheet(net, x, mode="cascade")
    with pytest.raises(BadKnob, match="layers"):
        sanity_sheet(net, x, layers=0)


# --- another class ----------------------------------------------------------------------------------------------------


def test_the_other_class_is_the_same_alone_and_in_a_batch():
    net, x = small_net(7), small_images()
    metric = Metric.make("random-logit:seed=3")
    whole = metric.other(case_of(net, x, "gradient", target=torch.tensor([0, 3, 6])))
    alone = [int(metric.other(case_of(net, x[i : i + 1], "gradient", target=t))) for i, t in enumerate((0, 3, 6))]
    assert whole.tolist() == alone
    assert not any(a == b for a, b in zip(alone, (0, 3, 6)))
    offsets = {int(Metric.make(f"random-logit:seed={s}").other(case_of(net, x[:1], "gradient"))) for s in range(40)}
    assert offsets == {1, 2, 3, 4, 5, 6}


def test_a_map_that_turns_round_with_the_class_has_answered():
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(432, 2)), small_images()
    with torch.no_grad():
        net[1].weight[1] = -net[1].weight[0]
    for by in ("cosine", "spearman"):
        found = pl.measure(net, x, "gradient", f"random-logit:by={by}", target=0)
        assert found.tolist() == pytest.approx([-1.0] * 3, abs=1e-6)
        assert pl.measure(net, x, "edges", f"random-logit:by={by}").tolist() == pytest.approx([1.0] * 3)
    assert (pl.measure(net, x, "gradient", "random-logit", target=0) < -0.5).all()


def test_without_another_class_there_is_no_question():
    net = nn.Sequential(nn.Flatten(), nn.Linear(432, 1))
    with pytest.raises(BadQuestion, match="another class"):
        pl.measure(net, small_images(), "gradient", "random-logit")


@pytest.mark.peer
def test_random_logit_is_that_of_quantus():
    """Of two classes the other is no chance. Quantus compares signed maps; its SSIM takes a map for one long line."""
    quantus = pytest.importorskip("quantus")
    net, x = small_net(2), small_images()
    maps, others = gradients(net, x, [0, 1, 0]), gradients(net, x, [1, 0, 1])

    def theirs(similarity):
        metric = quantus.RandomLogit(similarity, num_classes=2, normalise=False, abs=False, disable_warnings=True)
        return metric(
            model=net, x_batch=x.numpy(), y_batch=np.array([0, 1, 0]), a_batch=maps.numpy()[:, None],
            explain_func=lambda model, inputs, targets, **_: gradients(net, inputs, targets).numpy()[:, None],
        )  # fmt: skip

    def ours(by):
        e = pl.explain(net, x, "gradient", target=torch.tensor([0, 1, 0]))
        return pl.measure(net, x, e, f"random-logit:by={by}").tolist()

    assert ours("spearman") == pytest.approx(theirs(quantus.similarity_func.correlation_spearman), abs=1e-5)
    flat = [m.flatten(1).double() for m in (maps, others)]
    assert ours("cosine") == pytest.approx(torch.nn.functional.cosine_similarity(*flat).tolist(), abs=1e-5)
    lines = [
        structural_similarity(a, b, data_range=float(np.ptp(np.concatenate([a, b]))))
        for a, b in zip(maps.flatten(1).numpy(), others.flatten(1).numpy())
    ]
    assert theirs(quantus.similarity_func.ssim) == pytest.approx(lines, abs=1e-6)
    assert max(abs(a - b) for a, b in zip(ours("ssim"), lines)) > 0.02  # pictures are not lines


# --- completeness -----------------------------------------------------------------------------------------------------


def test_completeness_is_the_error_that_the_explanation_reports():
    net, x = small_net(), small_images()
    for explainer in ("integrated-gradients:steps=2", "integrated-gradients:steps=16"):
        e = pl.explain(net, x, explainer, target=1)
        assert torch.allclose(pl.measure(net, x, e, "completeness"), e.error, rtol=1e-3, atol=1e-6)
    assert pl.measure(net, x, "integrated-gradients:steps=64", "completeness", target=1).max() < 0.05
    assert pl.measure(net, x, "grad-cam", "completeness", target=1).isnan().all()
    assert completeness(torch.tensor([1.0]), torch.tensor([0.0])).isnan().all()


def test_what_every_explainer_is_held_to():
    """Of a linear model the input times the gradient is the answer less that at zero, whatever the bias."""
    net, x = Planted(), planted_images()
    with torch.no_grad():
        net.head.bias.add_(3)
    found = pl.measure(net, x, "input-x-gradient", "completeness:against=zero", target=0)
    assert found.max() < 1e-5
    by_hand = (gradients(net, x, [0] * 4).sum((1, 2)) - (net(x) - net(0 * x))[:, 0]) / (net(x) - net(0 * x))[:, 0]
    assert torch.allclose(pl.measure(net, x, "gradient", "completeness:against=zero", target=0), by_hand.abs().detach(),
                          atol=1e-5)  # fmt: skip


def test_completeness_of_a_model_with_two_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = small_net()

        def forward(self, x, shift):
            return self.net(x) * shift

    net, x, shift = Two(), small_images(), torch.tensor([[1.0], [2.0], [3.0]])
    e = pl.explain(net, (x, shift), "gradient", target=1)
    alone = [
        pl.measure(net, (x[i : i + 1], shift[i : i + 1]), "gradient", "completeness:against=zero", target=1)
        for i in range(3)
    ]
    found = pl.measure(net, (x, shift), e, "completeness:against=zero", batch_size=2)
    assert torch.allclose(found, torch.cat(alone), rtol=1e-4)


@pytest.mark.peer
def test_quantus_asks_for_equality():
    """Its default divides each map by its largest value first; and floats are not equal to the last bit either way."""
    quantus = pytest.importorskip("quantus")
    net, x = small_net(), small_images()
    e = pl.explain(net, x, "integrated-gradients:steps=64", target=1)
    theirs = quantus.Completeness(normalise=False, abs=False, perturb_baseline=0.0, disable_warnings=True)(
        model=net, x_batch=x.numpy(), y_batch=np.ones(3, int), a_batch=e.maps.numpy()[:, None], softmax=False
    )
    assert not any(bool(v) for v in theirs)
    assert pl.measure(net, x, e, "completeness").max() < 0.05
    assert pl.measure(net, x, e, "completeness:against=zero").max() < 0.05


# --- non-sensitivity --------------------------------------------------------------------------------------------------


def test_blocks_are_as_even_as_they_can_be():
    assert rectangles((4, 6), 6).flatten().tolist() == list(range(24))
    sizes = torch.bincount(rectangles((10, 7), 3).flatten())
    assert len(sizes) == 9
    assert set(sizes.tolist()) <= {3 * 2, 3 * 3, 4 * 2, 4 * 3}
    assert int(rectangles((1, 40), 8).max()) == 7


def test_non_sensitivity_by_loops():
    net, x = small_net(), small_images()
    e = pl.explain(net, x, "gradient", target=1)
    maps = e.maps.clone()
    maps[:, 3:9] = 0
    given = pl.explanation.Explanation(maps=maps) if hasattr(pl, "explanation") else maps
    found = pl.measure(net, x, given, "non-sensitivity:cells=4,tolerance=0.01", target=1)
    for i in range(3):
        disagree = 0
        for r in range(0, 12, 3):
            for c in range(0, 12, 3):
                without = x[i].clone()
                without[:, r : r + 3, c : c + 3] = 0
                with torch.no_grad():
                    change = (net(x[i : i + 1]) - net(without[None])).softmax(1)  # only to have a shape
                    change = abs(net(x[i : i + 1]).softmax(1)[0, 1] - net(without[None]).softmax(1)[0, 1])
                says = maps[i, r : r + 3, c : c + 3].abs().max() > 0.01 * maps[i].abs().max()
                disagree += int(bool(says) != bool(change > 0.01))
        assert found[i] == pytest.approx(disagree / 16)
    assert 0 < found.min() < 1


def test_who_marks_all_that_matters_and_nothing_else_has_zero():
    """A linear model: its answer depends on the object, and the input times the weight is there and only there."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(144, 2))
    with torch.no_grad():
        net[1].weight.zero_()
        net[1].weight[0, :40] = 0.02
    x = torch.rand(2, 1, 12, 12) + 0.5
    x[0, 0, 0, 0] = 0  # replaced by what it is: changes nothing, and is given nothing
    for explainer, expected in (("input-x-gradient", [0, 0]), ("gradient", [1 / 144, 0])):
        e = pl.explain(net, x, explainer, target=0)
        found = pl.measure(net, x, e, "non-sensitivity:cells=none,fill=zeros,tolerance=1e-5")
        assert found.tolist() == pytest.approx(expected), explainer
    nothing = pl.measure(net, x, torch.zeros(2, 12, 12), "non-sensitivity:cells=none,fill=zeros", target=0)
    assert nothing.tolist() == pytest.approx([39 / 144, 40 / 144], abs=1e-6)


def test_non_sensitivity_without_a_class_is_undefined():
    change = torch.tensor([[0.1, torch.nan]])
    assert non_sensitivity(torch.ones(1, 2), change, 0.0).isnan().all()


@pytest.mark.peer
def test_non_sensitivity_is_that_of_quantus():
    """One channel, pixel by pixel, its count divided by the number of pixels; zeros have to be asked for, because its
    black is the least value of each image."""
    quantus = pytest.importorskip("quantus")
    net, x = small_net(channels=1), small_images(channels=1)
    maps = gradients(net, x, [1] * 3)
    maps[:, 2:7] = 0

    def theirs(rows, **options):
        metric = quantus.NonSensitivity(eps=1e-3, abs=True, normalise=True, disable_warnings=True, **options)
        y = np.ones(len(x[rows]), int)
        return metric(model=net, x_batch=x[rows].numpy(), y_batch=y, a_batch=maps[rows].numpy()[:, None].copy())

    ours = pl.measure(net, x, maps, "non-sensitivity:cells=none,fill=zeros,tolerance=0.001", target=1)
    zeros = [float(v) / 144 for v in theirs(slice(None), perturb_baseline=0.0)]
    assert ours.tolist() == pytest.approx(zeros, abs=1e-6)
    assert 0.02 < ours.min() < 0.98
    assert min(z - float(v) / 144 for z, v in zip(zeros, theirs(slice(None)))) > 0.02


# --- the cards --------------------------------------------------------------------------------------------------------


def test_a_card_says_what_decides_a_number():
    pairs = [
        ("ses", "ses:protocol=published"),
        ("max-sensitivity", "max-sensitivity:unit=model"),
        ("local-lipschitz", "local-lipschitz:protocol=paper"),
        ("sanity-cascading", "sanity-cascading:by=cosine"),
        ("random-logit", "random-logit:by=cosine"),
        ("completeness", "completeness:against=zero"),
        ("non-sensitivity", "non-sensitivity:fill=zeros"),
    ]
    for one, other in pairs:
        a, b = Metric.make(one), Metric.make(other)
        assert a.card_id != b.card_id
        differs = {k for k in a.card if a.card[k] != b.card[k]}
        assert differs > {"metric"}, (one, a.card)

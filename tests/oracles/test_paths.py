"""Paths beside slow re-tellings: guided ones, blurred ones, what is dealt out along them, and regions."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, gaussian_filter
from torch import nn
from torch.nn import functional as F

import pellucid as pl
from pellucid.contracts.case import images, model
from pellucid.errors import BadInput, BadKnob, MissingExtra
from pellucid.explainers._path import PathExplainer
from pellucid.explainers.guided_ig import advance
from pellucid.explainers.idgi import dealt
from pellucid.explainers.xrai import XRAI, atoms, dilated, xrai
from pellucid.questions import Question
from pellucid.registry import catalog
from pellucid.subject import Subject, as_batch, undisturbed
from tests.oracles.networks import pictures

PATHS = (
    "integrated-gradients:steps=6",
    "gradient-shap:samples=6,baseline=0.2",
    "guided-ig:steps=6",
    "guided-ig:steps=5,distance=0.5,baseline=0.3",
    "blur-ig:steps=6,sigma=4",
    "blur-ig:steps=5,sigma=4,spacing=sqrt",
)
EXACT = {"rtol": 0.0, "atol": 1e-12}


def smooth_toy(classes=4, size=(3, 8, 9)):
    torch.manual_seed(2)
    wide = size[0] * size[1] * size[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(wide, 12), nn.Tanh(), nn.Linear(12, classes)).double()


def linear():
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(216, 4)).double()


def x(n=2, size=(3, 8, 9), seed=0):
    return torch.randn(n, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def explain(net, images, explainer, **options):
    return pl.explain(net, images, explainer, **options)


def gradient_of(net, at, target):
    leaf = torch.as_tensor(at).clone().requires_grad_()
    return torch.autograd.grad(net(leaf[None])[0, target], leaf)[0].numpy()


# --- guided ----------------------------------------------------------------------------------------------------------


def slow_guided_ig(net, image, target, steps, fraction, distance, baseline=0.0, start=None):
    """One image, one feature after another; where a step wants to go is told in pixels, not in shares."""
    end = image.numpy()
    start = np.full_like(end, baseline) if start is None else start.numpy()
    at, map_ = start.copy(), np.zeros_like(end)
    for step in range(steps):
        g = gradient_of(net, torch.from_numpy(at), target)
        goal = (step + 1) / steps
        near = start + max(goal - distance, 0) * (end - start)
        far = start + min(goal + distance, 1) * (end - start)
        owed = (1 - goal) * np.abs(end - start).sum()
        old = at.copy()
        for i in np.ndindex(at.shape):
            if abs(at[i] - end[i]) > abs(near[i] - end[i]):
                at[i] = near[i]
        for _ in range(1000):
            left = np.abs(end - at).sum()
            if left <= owed + 1e-12:
                break
            open_ = [i for i in np.ndindex(at.shape) if abs(far[i] - at[i]) > 1e-15]
            if not open_:
                break
            sizes = np.array([abs(g[i]) if i in set(open_) else np.inf for i in np.ndindex(at.shape)])
            limit = np.quantile(sizes, fraction, method="lower") if np.isfinite(sizes).any() else np.inf
            chosen = [i for i in open_ if abs(g[i]) <= limit + 1e-6 * np.abs(g).max()]
            room = sum(abs(far[i] - at[i]) for i in chosen)
            part = min(1.0, (left - owed) / room)
            for i in chosen:
                at[i] += part * (far[i] - at[i])
        map_ += (at - old) * g
    return map_


@pytest.mark.parametrize("steps, fraction, distance", [(6, 0.25, 0.02), (4, 0.1, 0.3), (5, 0.5, 1.0), (3, 1.0, 0.1)])
def test_guided_ig_is_its_slow_retelling(steps, fraction, distance):
    net, image = smooth_toy(size=(2, 4, 5)), x(2, (2, 4, 5))
    image[:, 0, 1] = 0.3  # no way to go
    knobs = f"guided-ig:steps={steps},fraction={fraction},distance={distance},baseline=0.3"
    ours = explain(net, image, knobs, target=[1, 2]).raw
    for i, target in enumerate((1, 2)):
        theirs = slow_guided_ig(net, image[i], target, steps, fraction, distance, baseline=0.3)
        np.testing.assert_allclose(ours[i].numpy(), theirs, rtol=0, atol=1e-10)
    assert not ours[:, 0, 1].any()


@pytest.mark.parametrize("network", ["tiny-cnn", "tiny-vit"])
def test_guided_ig_without_distance_is_the_left_sum(network):
    net, image = model(network, torch.float64), images(2, dtype=torch.float64)
    for baseline in ("0", "blur", "noise"):
        ours = explain(net, image, f"guided-ig:steps=7,distance=0,baseline={baseline}", target=1).raw
        left = explain(net, image, f"integrated-gradients:steps=7,rule=left,baseline={baseline}", target=1).raw
        torch.testing.assert_close(ours, left, **EXACT)


def test_guided_ig_is_complete_to_first_order():
    net = smooth_toy()
    few, some, many = (explain(net, x(), f"guided-ig:steps={n}", target=1).error for n in (10, 40, 160))
    assert (some < few).all()
    assert (many < some).all()
    assert many.max() < 0.05
    start = explain(net, torch.full((1, 3, 8, 9), 0.5).double(), "guided-ig:steps=3,baseline=0.5", target=1)
    assert not start.raw.any()  # the image is the baseline


def test_guided_ig_of_a_linear_model():
    net = linear()
    weight = net[1].weight[2].view(1, 3, 8, 9)
    ours = explain(net, x(), "guided-ig:steps=9,distance=0.4,baseline=0.5", target=2).raw
    torch.testing.assert_close(ours, weight * (x() - 0.5), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 30), st.floats(0, 1), st.floats(0, 1), st.integers(1, 9), st.integers(0, 99))
def test_advance_walks_as_far_as_it_should_and_never_back(features, fraction, distance, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    share = torch.zeros(2, features, dtype=torch.float64)
    length = torch.rand(2, features, generator=generator, dtype=torch.float64)
    length[0, 0] = 0.0
    for step in range(1, steps + 1):
        size, goal = torch.randint(0, 5, (2, features), generator=generator).double(), step / steps
        after = advance(share, size, length, goal, distance, fraction)
        assert (after >= share).all()
        assert (after <= min(goal + distance, 1)).all()
        assert (after >= goal - distance).all()
        torch.testing.assert_close((after * length).sum(1), goal * length.sum(1), rtol=1e-10, atol=1e-10)
        share = after
    assert (share[length > 0] > 1 - 1e-9).all()


def test_advance_takes_the_steady_first():
    share, length = torch.zeros(1, 8), torch.ones(1, 8)
    size = torch.tensor([[8.0, 1.0, 7.0, 2.0, 6.0, 3.0, 5.0, 4.0]])
    after = advance(share, size, length, 0.25, 1.0, 0.25)
    assert after.tolist() == [[0, 1, 0, 1, 0, 0, 0, 0]]
    assert torch.equal(advance(share, torch.zeros(1, 8), length, 0.25, 1.0, 0.25), torch.full((1, 8), 0.25))


def test_guided_ig_stacks_what_is_asked_at_once():
    net, image = model("tiny-cnn"), images(2)
    rows = []
    handle = net.register_forward_pre_hook(lambda _m, args: rows.append(len(args[0])))
    together = explain(net, image, "guided-ig:steps=3", ask=["logit", "contrast"],
                       target=[[0, 1], [2, 3]], batch_size=8)  # fmt: skip
    handle.remove()
    assert rows.count(8) == 3  # four scores of two images
    alone = explain(net, image, "guided-ig:steps=3", ask="contrast", target=[1, 3])
    torch.testing.assert_close(together.raw[:, 1, 1], alone.raw, rtol=1e-4, atol=1e-6)


# --- walks and IDGI --------------------------------------------------------------------------------------------------


def walked(net, explainer, images, ask="logit", target=1, batch_size=None):
    """Points, gradients and values along a walk, and the score."""
    subject, member = Subject(net, batch_size=batch_size), pl.explainers.IDGI(of=explainer).of
    with undisturbed(net, 0):
        output = subject.clean(as_batch(images), None)
        score = Question.make(ask).bind(output, torch.full((len(images),), target), subject.embed)
        at, points, gradients, values = member.start(subject, images), [], [], []
        for steps in member.walk(subject, images, score):
            n = len(images)
            for g, y, way in zip(steps.gradient.split(n), steps.output.split(n), steps.way.split(n), strict=True):
                points.append(at)
                gradients.append(g)
                values.append(score.value(y))
                at = at + way
        return points, at, gradients, [*values, score.value(output.detach())], score


@pytest.mark.parametrize("explainer", PATHS)
@pytest.mark.parametrize("batch_size", [None, 2, 6])
def test_a_walk_leads_from_the_start_to_the_image(explainer, batch_size):
    net, image = smooth_toy(), x()
    points, end, gradients, values, _ = walked(net, explainer, image, "probability:live=true", 1, batch_size)
    torch.testing.assert_close(end, image, rtol=0, atol=1e-12)
    for point, g, value in zip(points, gradients, values, strict=False):
        leaf = point.clone().requires_grad_()
        p = net(leaf).softmax(1)[:, 1]
        torch.testing.assert_close(p.detach(), value, **EXACT)
        torch.testing.assert_close(torch.autograd.grad(p.sum(), leaf)[0], g, **EXACT)


def test_a_walk_of_gradients_is_a_left_sum():
    net, image = smooth_toy(), x()
    points, end, gradients, _, _ = walked(net, "integrated-gradients:steps=6", image)
    ways = [b - a for a, b in zip(points, [*points[1:], end], strict=True)]
    left = explain(net, image, "integrated-gradients:steps=6,rule=left", target=1).raw
    torch.testing.assert_close(sum(g * way for g, way in zip(gradients, ways, strict=True)), left, **EXACT)


@pytest.mark.parametrize("explainer", PATHS)
@pytest.mark.parametrize("ask", ["probability", "contrast", "logit"])
def test_idgi_is_its_slow_retelling(explainer, ask):
    net, image = smooth_toy(), x()
    live = ask if ask == "logit" else f"{ask}:live=true"
    _, _, gradients, values, _ = walked(net, explainer, image, live)
    ours = explain(net, image, pl.explainers.IDGI(of=explainer), ask=ask, target=1)
    for i in range(2):
        wanted = torch.zeros_like(image[i])
        for j, g in enumerate(gradients):
            wanted += g[i] ** 2 / (g[i] ** 2).sum() * (values[j + 1][i] - values[j][i])
        torch.testing.assert_close(ours.raw[i], wanted, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("steps", [2, 3, 17])
@pytest.mark.parametrize("network", ["tiny-cnn", "tiny-vit"])
def test_idgi_telescopes(network, steps):
    net, image = model(network, torch.float64), images(2, dtype=torch.float64)
    e = explain(net, image, f"idgi@integrated-gradients:steps={steps}", target=1)
    with torch.no_grad():
        p = [net(at).softmax(1)[:, 1] for at in (image, torch.zeros_like(image))]
    torch.testing.assert_close(e.raw.sum((1, 2, 3)), p[0] - p[1], **EXACT)
    torch.testing.assert_close(e.owed, (p[0] - p[1]).float())
    assert e.ask == "probability"
    assert e.error.max() < 1e-5  # what is reported is float32


def test_idgi_costs_as_much_as_its_path():
    net, image = model("tiny-cnn"), images(2)
    for path in ("integrated-gradients:steps=5", "guided-ig:steps=5", "blur-ig:steps=5"):
        rows = []
        handle = net.register_forward_pre_hook(lambda _m, args, rows=rows: rows.append(len(args[0])))
        explain(net, image, path, target=1)
        alone = sum(rows)
        rows.clear()
        explain(net, image, f"idgi@{path}", target=1)
        handle.remove()
        assert sum(rows) == alone


def test_a_step_without_a_gradient_is_dealt_out_evenly():
    class Dead(nn.Module):
        def forward(self, image):
            flat = image.flatten(1).sum(1, keepdim=True)
            return torch.cat([flat.relu(), 0 * flat], 1)

    image = torch.ones(1, 1, 2, 2)
    e = explain(Dead(), image, "idgi@integrated-gradients:steps=4,baseline=-1", ask="logit", target=0)
    assert e.raw.isfinite().all()
    assert e.raw.flatten().tolist() == [1.0] * 4  # half of the way is dead
    tiny = dealt(torch.tensor([[1e-30, 2e-30]]), torch.tensor([5.0]))
    torch.testing.assert_close(tiny, torch.tensor([[1.0, 4.0]]))
    half = dealt(torch.tensor([[6e-5, 1.2e-4]], dtype=torch.float16), torch.tensor([5.0], dtype=torch.float16))
    assert (half - torch.tensor([[1.0, 4.0]])).abs().max() < 0.02


def test_idgi_wraps_paths_alone():
    with pytest.raises(BadKnob, match="gradient has none; wrap blur-ig, gradient-shap, guided-ig or integrated"):
        pl.explainers.IDGI(of="gradient")
    with pytest.raises(BadKnob, match="goes from many places"):
        explain(linear(), x(), "idgi@gradient-shap")
    members = catalog("explainers")
    known = {name for name in members if issubclass(members[name], PathExplainer)}
    assert known == {text.partition(":")[0] for text in PATHS}


# --- Blur IG ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", ["linear", "sqrt"])
def test_blur_ig_is_its_slow_retelling(spacing):
    net, image, steps = smooth_toy(), x(), 5

    def blurred(one, sigma):
        return gaussian_filter(one.numpy(), sigma, axes=(1, 2), mode="reflect", truncate=20) if sigma else one.numpy()

    ours = explain(net, image, f"blur-ig:steps={steps},sigma=3,spacing={spacing}", target=[1, 2])
    for i, target in enumerate((1, 2)):
        map_ = np.zeros((3, 8, 9))
        shares = [1 - k / steps for k in range(steps + 1)]
        widths = [3 * (s if spacing == "linear" else s**0.5) for s in shares]
        for a, b in pairwise(widths):
            one, next_ = blurred(image[i], a), blurred(image[i], b)
            map_ += gradient_of(net, torch.from_numpy((one + next_) / 2), target) * (next_ - one)
        np.testing.assert_allclose(ours.raw[i].numpy(), map_, rtol=0, atol=1e-6)
        owed = (net(image)[i] - net(torch.from_numpy(blurred(image[i], 3))[None])[0])[target].item()
        assert ours.owed[i] == pytest.approx(owed, abs=1e-5)


@pytest.mark.parametrize("spacing", ["linear", "sqrt"])
def test_blur_ig_is_complete(spacing):
    net, image = smooth_toy(size=(3, 24, 24)), pictures()[:, :, :24, :24].double()
    few, many = (explain(net, image, f"blur-ig:steps={n},spacing={spacing}", target=1).error for n in (8, 1000))
    assert many.max() < 0.01
    assert (many < few).all()
    assert explain(net, image, f"blur-ig:spacing={spacing}", target=1).error.max() < 0.05
    net, image = smooth_toy(), x()
    w = linear()  # of a linear model, any number of steps
    e = explain(w, image, f"blur-ig:steps=2,sigma=2,spacing={spacing}", target=1)
    assert e.error.max() < 1e-5
    alone = explain(net, image, f"blur-ig:steps=20,spacing={spacing}", target=1, batch_size=1).raw
    stacked = explain(net, image, f"blur-ig:steps=20,spacing={spacing}", target=1, batch_size=14).raw
    torch.testing.assert_close(alone, stacked, **EXACT)


def test_blur_ig_brings_no_colour_of_its_own():
    flat = torch.full((1, 3, 8, 9), 0.7).double()
    assert explain(smooth_toy(), flat, "blur-ig:steps=3", target=1).raw.abs().max() < 1e-12


# --- XRAI ------------------------------------------------------------------------------------------------------------


def slow_xrai(a, regions, least, fast):
    """Masks of pixels, one after another."""
    value, taken = torch.zeros_like(a), torch.zeros_like(a) > 0
    left = list(regions)
    order = sorted(left, key=lambda r: -float(a[r].mean())) if fast else []
    while left:
        left = [r for r in left if int((r & ~taken).sum()) >= least]
        order = [r for r in order if int((r & ~taken).sum()) >= least]
        if not left:
            break
        gains = [float(a[r & ~taken].mean()) for r in left]
        best = order[0] if fast else left[gains.index(max(gains))]
        new = best & ~taken
        value[new] = a[new].mean()
        taken = taken | best
        left = [r for r in left if r is not best]
        order = [r for r in order if r is not best]
    if bool((~taken).any()):
        value[~taken] = a[~taken].mean()
    return value


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("least", [1, 9])
def test_xrai_is_its_slow_retelling(seed, fast, least):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(14, 17, generator=generator, dtype=torch.float64)
    labels = [torch.randint(0, n, (4, 5), generator=generator) for n in (3, 6, 9)]
    scales = [F.interpolate(one[None, None].double(), (14, 17))[0, 0].long() for one in labels]
    regions = torch.cat([dilated(one, 2) for one in scales])
    regions = regions[regions.flatten(1).any(1)]
    ours = xrai(a, regions, least, fast)
    torch.testing.assert_close(ours, slow_xrai(a, regions, least, fast), rtol=0, atol=1e-12)
    assert float(ours.sum()) == pytest.approx(float(a.sum()), abs=1e-9)  # the mass is kept
    assert len(ours.unique()) > 3


def test_atoms_tell_every_set_of_regions_apart():
    regions = torch.randint(0, 2, (5, 400), generator=torch.Generator().manual_seed(0)) > 0
    where, inside = atoms(regions)
    assert torch.equal(inside[where].T > 0, regions)
    assert len(inside) == len({tuple(column) for column in regions.T.tolist()})


@pytest.mark.parametrize("radius", [0, 1, 5])
def test_dilation_is_scipys(radius):
    labels = torch.randint(0, 130, (6, 8), generator=torch.Generator().manual_seed(0))
    labels = labels.repeat_interleave(4, 0).repeat_interleave(3, 1)
    axis = np.arange(-radius, radius + 1)
    disk = axis[:, None] ** 2 + axis**2 <= radius**2
    ours = dilated(labels, radius)
    for label in range(int(labels.max()) + 1):
        own = labels.numpy() == label
        wanted = binary_dilation(own, disk) if own.any() else own
        assert np.array_equal(ours[label].numpy(), wanted)


def blocks():
    """A picture of four flat quarters."""
    quarters = torch.tensor([[[0.0, 1.0], [0.4, 0.2]], [[1.0, 0.0], [0.3, 0.9]], [[0.0, 0.5], [0.8, 0.1]]])
    return F.interpolate(quarters[None], (48, 64), mode="nearest")


class Quarter(nn.Module):
    """Looks at the lower left of the image alone."""

    def forward(self, image):
        seen = image[:, :, 24:, :32].square().mean((1, 2, 3))
        return torch.stack([seen, -seen], 1)


def test_xrai_finds_the_region_that_counts():
    e = explain(Quarter(), blocks(), "xrai:steps=8,dilate=2,side=none", target=0)
    inside = torch.zeros(48, 64) > 0
    inside[24:, :32] = True
    top = e.maps[0] >= e.maps[0].max() - 1e-6
    assert (top & inside).sum() / (top | inside).sum() > 0.8
    resized = explain(Quarter(), blocks(), "xrai:steps=8,dilate=2", target=0).maps[0]
    top = resized >= resized.max() - 1e-6
    assert (top & inside).sum() / (top | inside).sum() > 0.7


def test_xrai_spreads_its_own_pixels():
    """Both baselines, the largest channel; and the sum stays."""
    net, image = smooth_toy(), x()
    low, high = (f(image.flatten(1), 1).view(2, 1, 1, 1).expand_as(image) for f in (torch.amin, torch.amax))
    maps = []
    for end in (low, high):
        one = [explain(net, image[i : i + 1], pl.explainers.IntegratedGradients(
            steps=4, baseline=end[i]), target=1).raw for i in range(2)]  # fmt: skip
        maps.append(torch.cat(one))
    wanted = (sum(maps) / 2).amax(1)
    e = explain(net, image, "xrai:steps=4,least=5,smallest=5,dilate=0,side=none", target=1)
    torch.testing.assert_close(e.raw.sum((1, 2)), wanted.sum((1, 2)))
    for i in range(2):
        for value in e.raw[i].unique():
            assert float(wanted[i][e.raw[i] == value].mean()) == pytest.approx(float(value), abs=1e-9)


def test_xrai_of_a_flat_image_is_zero():
    e = explain(Quarter(), torch.full((1, 3, 48, 64), 0.5), "xrai:steps=2", target=0)
    assert not e.raw.any()


def test_xrai_divides_an_image_once_for_all_that_is_asked(monkeypatch):
    calls = []
    regions = XRAI.regions
    monkeypatch.setattr(XRAI, "regions", lambda self, image: calls.append(1) or regions(self, image))
    e = explain(Quarter(), blocks().repeat(2, 1, 1, 1), "xrai:steps=2,scales=[100]",
                ask=["logit", "contrast"], target=[[0, 1], [0, 1]])  # fmt: skip
    assert e.maps.shape == (2, 2, 2, 48, 64)
    assert len(calls) == 2


def test_xrai_says_what_it_needs(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(MissingExtra, match=r"pellucid\[segments\]"):
        explain(Quarter(), blocks(), "xrai:steps=2", target=0)


def test_regions_are_of_images():
    net = nn.Sequential(nn.Flatten(), nn.Linear(60, 3))
    with pytest.raises(BadInput):
        explain(net, torch.randn(2, 3, 20), "xrai:steps=2", target=0)
    assert explain(net, torch.randn(2, 3, 20), "guided-ig:steps=2", target=0).maps.shape == (2, 20)
    assert explain(net, torch.randn(2, 3, 20), "blur-ig:steps=2", target=0).maps.shape == (2, 20)
    assert explain(net, torch.randn(2, 3, 20), "idgi@blur-ig:steps=2", target=0).maps.shape == (2, 20)


# --- half precision ---------------------------------------------------------------------------------------------------


class Sure(nn.Module):
    """Sure of its first class: the gradient of a probability is below what float16 can say."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

    def forward(self, x):
        y = 3 * self.head(self.conv(x).relu().mean((2, 3)))
        return y + torch.tensor([9.0, 0.0, 0.0, 0.0]).to(y)


@pytest.mark.parametrize(
    "text",
    ["integrated-gradients:steps=6", "blur-ig:steps=6,sigma=4", "guided-ig:steps=6", "gradient-shap:samples=6",
     "xrai:steps=2,scales=[10,50],side=none,smallest=20,dilate=1,least=5"],
)  # fmt: skip
def test_small_gradients_of_half_precision_are_not_lost(text):
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    whole, half = (pl.explain(net, x, text, ask="probability", target=0).maps for net in (Sure(), Sure().half()))
    assert torch.cosine_similarity(whole.flatten(1), half.flatten(1)).min() > 0.99


def test_without_any_scale_there_are_no_regions():
    maps = pl.explain(Sure(), torch.randn(1, 3, 8, 8), "xrai:steps=2,scales=[]").maps
    torch.testing.assert_close(maps, maps.mean().expand_as(maps))

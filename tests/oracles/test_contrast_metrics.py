"""Sign perturbation, relative probability, norms and logits, sparseness and its like, agreement: retold in loops, held
against what theory says of linear models, and beside other libraries."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import v2

import pellucid as pl
from pellucid.contracts.case import images as smooth_images
from pellucid.contracts.case import model as tiny
from pellucid.errors import BadInput, BadQuestion, UnknownName
from pellucid.explainers import Explainer
from pellucid.metrics import Case, Metric
from pellucid.metrics.complexity import complexity, effective
from pellucid.metrics.entropy import entropy
from pellucid.metrics.norm_vs_logit import norms, spread_ranks
from pellucid.metrics.relative_probability import (
    _blurred,
    ascending,
    kept,
    kept_count,
    relative_probability,
)
from pellucid.metrics.sign_perturbation import CHANGES, nudged, published_direction
from pellucid.metrics.sparseness import sparseness
from pellucid.questions import Question
from pellucid.subject import Subject, as_batch

MEAN, STD = 0.5, 0.25  # of our tiny networks
DIRECTIONS = ("weighted", "original", "mean", "max")


def pictures(n=4, side=32, dtype=torch.float64):
    """Pixels in [0, 1], as a tiny network wants them; some of them black, some white."""
    pixels = (smooth_images(n, (side, side), dtype) * 0.3 + 0.5).clamp(0, 1)
    return (pixels - MEAN) / STD


class Linear(nn.Module):
    """y = W x + b, of pixels in [0, 1]."""

    def __init__(self, weights, bias=None):
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(weights, dtype=torch.float32))
        self.bias = nn.Parameter(torch.zeros(len(self.weights)) if bias is None else torch.tensor(bias))

    def forward(self, x):
        return x.flatten(1) @ self.weights.T + self.bias


def case_of(net, x, explainer=None, labels=None, target=0, batch_size=None):
    """What a metric is given, for asking several of them about the same case."""
    batch, subject = as_batch(x), Subject(net, batch_size=batch_size)
    subject.batch = batch
    n = len(batch.images)
    made = None if explainer is None else Explainer.make(explainer)
    return Case(
        subject, batch, torch.full((n,), target), maps=torch.zeros(n, *batch.images.shape[-2:]), explainer=made,
        question=Question.make("logit"), labels=None if labels is None else torch.as_tensor(labels),
    )  # fmt: skip


class Counted:
    """How many rows went through a model."""

    def __init__(self, net):
        self.rows, self.calls = 0, 0
        net.register_forward_pre_hook(self._count)

    def _count(self, _module, args):
        self.rows, self.calls = self.rows + len(args[0]), self.calls + 1


# --- perturbation along the sign -------------------------------------------------------------------------------------


def value_of(along, y, t):
    """[]: what a direction is the gradient of, of one row of logits."""
    rest = torch.cat([y[:t], y[t + 1 :]])
    return {
        "original": lambda: y[t],
        "mean": lambda: y[t] - rest.mean(),
        "max": lambda: y[t] - rest.max(),
        "weighted": lambda: y.softmax(0)[t],
        "cross-entropy": lambda: y.log_softmax(0)[t],
    }[along]()


def attacked(net, image, t, along, epsilon, steps):
    """Slow: pixels of one image after every step."""
    start = pixels = image * STD + MEAN
    seen = [pixels]
    for _ in range(steps):
        x = ((pixels - MEAN) / STD).requires_grad_()
        [g] = torch.autograd.grad(value_of(along, net(x[None])[0], t), x)
        pixels = pixels + epsilon / steps * g.sign()
        pixels = pixels.minimum((start + epsilon).clamp(max=1)).maximum((start - epsilon).clamp(min=0))
        seen.append(pixels)
    return torch.stack(seen)


def test_the_attack_of_one_image_in_a_loop():
    net, x, labels = tiny("tiny-cnn", torch.float64), pictures(), [0, 3, 1, 4]
    for along, epsilon, steps in [*((a, 0.01, 3) for a in DIRECTIONS), ("weighted", 0.1, 1)]:
        got = {c: Metric.make(f"sign-perturbation:along={along},epsilon={epsilon},steps={steps},change={c}").trace(
            case_of(net, x, labels=labels)) for c in CHANGES}  # fmt: skip
        for i, t in enumerate(labels):
            y = net((attacked(net, x[i], t, along, epsilon, steps) - MEAN) / STD).detach()
            told = {"accuracy": (y.argmax(1) == t).double(), "probability": y.softmax(1)[:, t], "logit": y[:, t]}
            for change in CHANGES:
                torch.testing.assert_close(got[change][i], told[change] - told[change][0], atol=1e-9, rtol=1e-9)


def test_the_score_is_the_last_change():
    net, x = tiny("tiny-cnn"), pictures(dtype=torch.float32)
    metric = Metric.make("sign-perturbation:steps=3,change=logit")
    curve = metric.trace(case_of(net, x, labels=[0, 1, 2, 3]))
    assert curve.shape == (4, 4)
    assert (curve[:, 0] == 0).all()
    torch.testing.assert_close(pl.measure(net, x, None, metric, labels=[0, 1, 2, 3]), curve[:, -1])
    assert (curve[:, -1] > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("along", DIRECTIONS)
def test_no_pixel_leaves_its_bounds(along, dtype):
    net, x, seen = tiny("tiny-cnn", dtype), pictures(dtype=dtype), []
    net.register_forward_pre_hook(lambda _m, args: seen.append(args[0].detach() * STD + MEAN))
    pl.measure(net, x, None, f"sign-perturbation:along={along},steps=10,at=predicted", target=0)
    start = x * STD + MEAN
    moved = [(s - start).abs().max().item() for s in seen]
    # in float32 what the model sees is rounded once more on the way there and back
    slack = 1e-7 if dtype == torch.float64 else 3e-7
    assert max(moved) <= 3e-3 + slack
    assert max(moved) > 2.9e-3
    assert max(s.max().item() for s in seen) <= 1 + slack
    assert min(s.min().item() for s in seen) >= -slack


@given(st.integers(1, 10), st.floats(1e-4, 0.5), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_the_clamp_to_epsilon_never_acts(steps, epsilon, seed):
    """Only that to [0, 1] does: steps of ε/S sum up to ε."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.rand(1, 50, generator=generator)
    x = free = start
    for _ in range(steps):
        g = torch.randn(1, 50, generator=generator)
        x, free = nudged(x, g, start, epsilon, steps), (free + epsilon / steps * g.sign()).clamp(0, 1)
    assert (x - start).abs().max() <= epsilon + 1e-7
    assert x.min() >= 0
    assert x.max() <= 1
    torch.testing.assert_close(x, free, atol=1e-6, rtol=0)


def test_three_directions_are_one():
    """Log-odds, probability and cross-entropy differ by positive factors."""
    net, x = tiny("tiny-cnn", torch.float64), pictures()
    for image, t in zip(x, [0, 3, 1, 4], strict=True):
        signs = []
        for along in ("weighted", "cross-entropy"):
            leaf = image.clone().requires_grad_()
            signs.append(torch.autograd.grad(value_of(along, net(leaf[None])[0], t), leaf)[0].sign())
        ours = pl.explain(net, image[None], "gradient", ask="contrast", target=t).raw[0].sign()
        assert torch.equal(signs[0], signs[1])
        assert torch.equal(signs[0], ours)


def test_a_linear_model_in_closed_form():
    """y_t gains ε ‖w‖₁ where no pixel is at a bound, whatever the number of steps; what a bound stops is lost."""
    w = torch.tensor([[2.0, -1.0, 0.0, 0.5], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, -3.0, 0.0]])
    net = Linear(w)
    x = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.995, 0.002, 0.5, 1.0]]).view(2, 1, 2, 2)
    for steps in (1, 4):
        got = pl.measure(net, x, None, f"sign-perturbation:along=original,change=logit,epsilon=0.01,steps={steps}",
                         labels=[0, 0])  # fmt: skip
        torch.testing.assert_close(got, torch.tensor([0.01 * 3.5, 2 * 0.005 + 0.002]), atol=2e-6, rtol=0)
    mean = pl.measure(net, x[:1], None, "sign-perturbation:along=mean,change=logit,epsilon=0.01", labels=[0])
    phi = w[0] - (w[1] + w[2]) / 2  # 1.5, -1.5, 1, 0
    torch.testing.assert_close(mean, (0.01 * w[0] * phi.sign()).sum()[None], atol=2e-6, rtol=0)


def test_the_sign_of_zero_is_zero():
    x = torch.full((1, 1, 2, 2), 0.5)
    net, seen = Linear([[1.0, 0.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0]]), []
    net.register_forward_pre_hook(lambda _m, args: seen.append(args[0].detach()))
    pl.measure(net, x, None, "sign-perturbation:along=original,epsilon=0.1,at=explained", target=0)
    torch.testing.assert_close(seen[-1].flatten(), torch.tensor([0.6, 0.5, 0.5, 0.4]))


def test_pixels_that_are_outside_go_no_further_out():
    start = torch.tensor([[1.3, 1.3, -0.2, -0.2]])
    moved = nudged(start, torch.tensor([[1.0, -1.0, 1.0, -1.0]]), start, 0.1, 1)
    torch.testing.assert_close(moved, torch.tensor([[1.3, 1.2, -0.1, -0.2]]))


def test_the_published_softmax_forgets_its_own_class():
    """At a gap of 20 p_t (1 − p_t) is 0 in float32: the pixel that only t looks at does not move."""
    net = Linear([[1.0, 0.0], [0.0, 1.0]], [20.0, 0.0])
    x, seen = torch.full((1, 1, 1, 2), 0.5), []
    net.register_forward_pre_hook(lambda _m, args: seen.append(args[0].detach().flatten()))
    for protocol, last in (("sound", [0.6, 0.4]), ("published", [0.5, 0.4])):
        pl.measure(net, x, None, f"sign-perturbation:epsilon=0.1,protocol={protocol}", labels=[0])
        torch.testing.assert_close(seen[-1], torch.tensor(last))
    y, t = torch.tensor([[20.0, 0.0]]), torch.tensor([0])
    leaf = y.clone().requires_grad_()
    [theirs] = torch.autograd.grad(leaf.softmax(1)[0, 0], leaf)
    torch.testing.assert_close(published_direction(y, t, "weighted"), theirs, atol=0, rtol=1e-6)
    pl.measure(net, x, None, "sign-perturbation:epsilon=0.1,protocol=published", labels=[1])
    torch.testing.assert_close(seen[-1], torch.tensor([0.4, 0.6]))  # behind by 20 it still has both
    far = torch.tensor([[0.0, 120.0]])
    assert published_direction(far, t, "weighted").abs().max() == 0  # by 120 none


def test_the_published_mean_divides_by_999():
    net, x = Linear([[0.1], [1.0], [1.0]]), torch.full((1, 1, 1, 1), 0.5)
    got = {
        p: pl.measure(net, x, None, f"sign-perturbation:along=mean,change=logit,epsilon=0.1,protocol={p}", labels=[0])
        for p in ("sound", "published")
    }
    assert got["sound"].item() == pytest.approx(-0.01, abs=1e-6)  # 0.1 − 1
    assert got["published"].item() == pytest.approx(0.01, abs=1e-6)  # 0.1 − 2/999
    y, t = torch.randn(2, 1000), torch.tensor([0, 7])
    torch.testing.assert_close(
        published_direction(y, t, "mean"), Question.make("contrast:against=mean").direction(y, t)
    )
    assert published_direction(y, t, "max") is None


def test_the_class_is_the_label_the_explained_or_the_predicted_one():
    net, x = tiny("tiny-cnn"), pictures(dtype=torch.float32)
    predicted = net(x).argmax(1)
    labels = (predicted + 1) % 5
    by_label = pl.measure(net, x, None, "sign-perturbation", labels=labels)
    torch.testing.assert_close(by_label, pl.measure(net, x, None, "sign-perturbation:at=explained", target=labels))
    torch.testing.assert_close(
        pl.measure(net, x, None, "sign-perturbation:at=predicted"),
        pl.measure(net, x, None, "sign-perturbation", labels=predicted),
    )
    labels[1] = -1
    unknown = pl.measure(net, x, None, "sign-perturbation", labels=labels)
    assert unknown.isnan().tolist() == [False, True, False, False]
    torch.testing.assert_close(unknown[[0, 2, 3]], by_label[[0, 2, 3]])
    with pytest.raises(BadInput, match="needs labels"):
        pl.measure(net, x, None, "sign-perturbation")
    with pytest.raises(BadInput, match="class 9 is none of the 5"):
        pl.measure(net, x, None, "sign-perturbation", labels=9)


def test_the_mean_is_one_over_samples():
    """Of batches of 3 and 1 it is not the mean of their means."""
    net, x, labels = tiny("tiny-cnn"), pictures(dtype=torch.float32), torch.tensor([0, 1, 2, 3])
    for metric in ("sign-perturbation:epsilon=0.05", "relative-probability:limit=0", "norm-vs-logit"):
        e = "gradient" if metric.startswith("relative") else None
        whole = pl.measure(net, x, e, metric, labels=labels)
        parts = [pl.measure(net, x[rows], e, metric, labels=labels[rows]) for rows in (slice(3), slice(3, 4))]
        torch.testing.assert_close(whole, torch.cat(parts), atol=1e-5, rtol=1e-4)
        weighted = (3 * parts[0].mean() + parts[1].mean()) / 4
        torch.testing.assert_close(whole.mean(), weighted, atol=1e-5, rtol=1e-4)
        assert (whole.mean() - (parts[0].mean() + parts[1].mean()) / 2).abs() > 1e-5  # as it is published


def test_one_attack_for_three_changes():
    net, x = tiny("tiny-cnn"), pictures(dtype=torch.float32)
    counted, case = Counted(net), case_of(net, x, labels=[0, 1, 2, 3])
    scores = [Metric.make(f"sign-perturbation:change={change},steps=2").score(case) for change in CHANGES]
    assert counted.rows == 3 * 4  # the image, and the two steps
    assert not torch.equal(scores[1], scores[2])
    Metric.make("sign-perturbation:steps=2,at=explained").score(case)
    assert counted.rows == 6 * 4  # of another class it is another attack


class Beside(nn.Module):
    """Looks at a second input beside the image, sample by sample."""

    def __init__(self):
        super().__init__()
        self.net = tiny("tiny-cnn")

    def forward(self, image, shift):
        return self.net(image) * shift[:, None] + shift[:, None]


def test_what_stands_beside_an_image_stays_with_it():
    net, x, shift = Beside(), pictures(dtype=torch.float32).clamp(0, 1), torch.tensor([1.0, -2.0, 3.0, 0.5])
    for metric in ("sign-perturbation:epsilon=0.05,at=predicted", "norm-vs-logit", "relative-probability:limit=0"):
        e = "gradient" if metric.startswith("relative") else None
        whole = pl.measure(net, (x, shift), e, metric, target=0)
        alone = [pl.measure(net, (x[i : i + 1], shift[i : i + 1]), e, metric, target=0) for i in range(4)]
        torch.testing.assert_close(whole, torch.cat(alone), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(pl.measure(net, (x, shift), e, metric, target=0, batch_size=3), whole,
                                   atol=1e-5, rtol=1e-4)  # fmt: skip


# --- relative probability --------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-500, 500, width=32), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
def test_two_relative_probabilities_sum_to_one(logits):
    y, t, u = torch.tensor([logits]), torch.tensor([2]), torch.tensor([0])
    one, two = relative_probability(y, t, u), relative_probability(y, u, t)
    assert one.isfinite().all()
    assert two.isfinite().all()
    torch.testing.assert_close(one + two, torch.ones(1))
    assert one.item() == pytest.approx(1 / (1 + math.exp(min(700.0, logits[0] - logits[2]))), abs=1e-6)
    p = y.double().softmax(1)[0]
    if p[0] + p[2] > 1e-300:
        assert one.item() == pytest.approx((p[2] / (p[0] + p[2])).item(), abs=1e-6)


def as_coded(original, weighted, keep):
    """The published masks in NumPy: 1 stays."""
    n, counts = original.size, [np.sum(m > 0) if keep == "positive" else np.sum(m < 0) for m in (original, weighted)]
    masks = []
    for m in (original, weighted):
        places = m.ravel().argsort(kind="stable").argsort()
        mask = np.ones(n, int)
        mask[places < min(counts) if keep == "positive" else places > n - max(counts)] = 0
        masks.append(mask.reshape(m.shape))
    return masks


@given(st.integers(0, 200), st.floats(-2, 2), st.sampled_from(["positive", "negative"]))
@settings(max_examples=40, deadline=None)
def test_equal_masks(seed, shift, keep):
    generator = torch.Generator().manual_seed(seed)
    original, weighted = torch.randn(2, 1, 6, 7, generator=generator).add(shift).round(decimals=1).unbind()
    sign = 1 if keep == "positive" else -1
    counts = [(sign * m > 0).sum().item() for m in (original, weighted)]
    k = kept_count(original, weighted, keep, "sound")
    assert k.item() == min(counts)
    for m in (original, weighted):
        stays = kept(ascending(m), k, keep)
        assert stays.sum() == k  # exactly N − k are replaced
        assert (sign * m[stays] > 0).all()  # and all others have the right sign
        assert k in (0, 42) or (sign * m[stays]).min() >= (sign * m[~stays]).max()
    n = min(counts) if keep == "positive" else max(counts)
    theirs = kept_count(original, weighted, keep, "published")
    assert 42 - theirs.item() == (n if keep == "positive" else max(0, n - 1))
    for m, mask in zip((original, weighted), as_coded(original[0].numpy(), weighted[0].numpy(), keep), strict=True):
        assert np.array_equal(kept(ascending(m), theirs, keep)[0].numpy(), mask)


def test_the_published_positive_mask_is_mostly_negative_where_few_pixels_are_positive():
    m = torch.linspace(-79, 21, 101)[1:].view(1, 10, 10) - 0.5  # 21 of 100 positive
    stays = kept(ascending(m), kept_count(m, m, "positive", "published"), "positive")
    assert stays.sum() == 79
    assert (m[stays] < 0).float().mean().item() == pytest.approx(58 / 79)
    sound = kept(ascending(m), kept_count(m, m, "positive", "sound"), "positive")
    assert (m[sound] > 0).all()
    zero = torch.zeros(1, 10, 10)
    assert kept_count(zero, m, "positive", "published").item() == 100  # nothing is replaced
    assert kept_count(zero, m, "positive", "sound").item() == 0  # and no score


def explained_by(net):
    """The two maps of one image alone, kept."""
    known = {}

    def explained(image, t):
        key = (id(image), t)
        if key not in known:
            asks = ("logit", "contrast")
            maps = [pl.explain(net, image[None], "input-x-gradient", ask=q, target=t).maps[0] for q in asks]
            known[key] = [m.numpy() for m in maps]
        return known[key]

    return explained


def retold(net, image, ask, keep, of, baseline, protocol, explained):
    """Slow: the relative probability of one image; explained(image, t) gives its two maps."""
    y = net(image[None])[0]
    first, second = y.argsort(descending=True)[:2].tolist()
    t, u = (first, second) if of == "first" else (second, first)
    maps = explained(image, t)
    if protocol == "published":
        mask = as_coded(*maps, keep)[0 if ask == "original" else 1]
    else:
        sign = 1 if keep == "positive" else -1
        k = min((sign * m > 0).sum() for m in maps)
        m = sign * maps[0 if ask == "original" else 1]
        order = (-m).ravel().argsort(kind="stable")
        mask = np.zeros(m.size)
        mask[order[:k]] = 1
        mask = mask.reshape(m.shape)
        if k == 0:
            return math.nan
    side = min(image.shape[1:])
    if baseline == "blur" and protocol == "published":
        other = v2.functional.gaussian_blur(image, [2 * round(50 * side / 224) + 1] * 2, [15 * side / 224] * 2)
    elif baseline == "blur":
        other = pl.maths.blur.gaussian_blur(image[None], 15 * side / 224)[0]
    else:
        other = image.mean((1, 2), keepdim=True).expand_as(image) * (baseline == "mean")
    mask = torch.as_tensor(mask, dtype=image.dtype)
    z = net((image * mask + other * (1 - mask))[None])[0].double()
    return (z[t].exp() / (z[t].exp() + z[u].exp())).item()


WAYS = list(
    itertools.product(
        ("original", "weighted"), ("positive", "negative"), ("first", "second"), ("blur", "zeros", "mean"),
        ("sound", "published"),
    )
)  # fmt: skip


def test_relative_probability_in_a_loop():
    net, x = tiny("tiny-cnn"), list(smooth_images(3))
    case, explained = case_of(net, torch.stack(x), "input-x-gradient"), explained_by(net)
    seen = []
    for ask, keep, of, baseline, protocol in WAYS:
        metric = Metric.make(
            f"relative-probability:ask={ask},keep={keep},of={of},baseline={baseline},protocol={protocol},limit=0"
        )
        with torch.no_grad():
            told = [retold(net, image, ask, keep, of, baseline, protocol, explained) for image in x]
        got = metric.score(case)
        assert got.tolist() == pytest.approx(told, abs=2e-5, nan_ok=True), metric
        assert metric.better == ("higher" if keep == "positive" else "lower")
        seen.append(got)
    assert len({tuple(s.tolist()) for s in seen}) == len(WAYS)  # every knob matters


def test_one_call_of_the_explainer_for_the_whole_family():
    net, x = tiny("tiny-cnn"), smooth_images(3)
    counted, case = Counted(net), case_of(net, x, "gradient")
    for ask, keep, of, _, _ in WAYS[::6]:
        Metric.make(f"relative-probability:ask={ask},keep={keep},of={of},limit=0").score(case)
    Metric.make("relative-probability:ask=random,limit=0").score(case)
    assert counted.calls == 2 + 9  # intact, explained, and nine masked


def test_what_is_shared_is_shared_by_the_right_ones():
    net, x = tiny("tiny-cnn"), 2 * smooth_images(6)
    limit = net(x).softmax(1).sort(1, descending=True).values[:, 1].median().item()
    shared = case_of(net, x, "grad-cam")
    for knobs in (
        "limit=0",
        f"limit={limit!r}",
        f"limit={limit!r},p2=below",
        "limit=0,protocol=published",
        "limit=0,ask=original",
        "limit=0,of=second",
        "limit=0,ask=random",
        "limit=0,baseline=zeros",
    ):
        metric = Metric.make(f"relative-probability:{knobs}")
        alone = metric.score(case_of(net, x, "grad-cam"))
        torch.testing.assert_close(metric.score(shared), alone, equal_nan=True)
        assert not alone.isnan().all()


def test_through_measure():
    net, x = tiny("tiny-cnn"), smooth_images(3)
    e = pl.explain(net, x, "input-x-gradient", target=0)
    with torch.no_grad():
        way = ("weighted", "positive", "first", "blur", "sound")
        told = [retold(net, image, *way, explained_by(net)) for image in x]
    assert pl.measure(net, x, e, "relative-probability:limit=0").tolist() == pytest.approx(told, abs=2e-5)
    with pytest.raises(BadInput, match="runs the explainer again"):
        pl.measure(net, x, e.maps, "relative-probability")
    with pytest.raises(BadQuestion, match="needs another class"):
        pl.measure(Linear([[1.0] * 3 * 32 * 32]), x, "gradient", "relative-probability", target=0)


def test_the_second_class_decides_who_is_looked_at():
    net, x = tiny("tiny-cnn"), 2 * smooth_images(8)
    second = net(x).softmax(1).sort(1, descending=True).values[:, 1]
    limit = second.median().item()  # one sample has just this, and is in neither
    above = pl.measure(net, x, "gradient", f"relative-probability:limit={limit!r}")
    below = pl.measure(net, x, "gradient", f"relative-probability:limit={limit!r},p2=below")
    every = pl.measure(net, x, "gradient", "relative-probability:limit=0")
    assert torch.equal(~above.isnan(), second > limit)
    assert torch.equal(~below.isnan(), second < limit)
    assert above.isnan().sum() == 4
    torch.testing.assert_close(above[second > limit], every[second > limit])
    torch.testing.assert_close(below[second < limit], every[second < limit])
    assert pl.measure(net, x, "gradient", "relative-probability:limit=0.5").isnan().all()  # half is the most there is


def test_chance_keeps_as_many_pixels():
    net, x = tiny("tiny-cnn"), smooth_images(3)
    case = case_of(net, x, "gradient")
    for protocol, keep in itertools.product(("sound", "published"), ("positive", "negative")):
        metrics = [
            Metric.make(f"relative-probability:ask={ask},keep={keep},protocol={protocol},limit=0")
            for ask in ("original", "weighted", "random", "random,seed=5")
        ]
        counts, masks = zip(*(m.stays(case) for m in metrics), strict=True)
        for count, mask in zip(counts, masks, strict=True):
            assert torch.equal(count, counts[0])
            assert torch.equal(mask.flatten(1).sum(1), count)
        assert not torch.equal(masks[2], masks[3])  # another seed
        assert not torch.equal(masks[2], masks[0])
        assert metrics[2].score(case).isfinite().all()
    both = [
        Metric.make(f"relative-probability:ask=random,limit=0,keep={k}").stays(case)[1]
        for k in ("positive", "negative")
    ]
    assert (both[0] & both[1]).float().mean() < 0.05  # what is kept for and against are other pixels


def test_a_map_without_the_wanted_sign_has_no_score():
    """Input × gradient of class 0 is nowhere negative; as it is published the intact image is scored."""
    net = Linear([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    x = torch.tensor([[[[1.0, 0.5], [0.2, 0.1]]]])
    sound = pl.measure(net, x, "input-x-gradient", "relative-probability:keep=negative,limit=0", target=0)
    assert sound.isnan().all()
    theirs = pl.measure(
        net, x, "input-x-gradient", "relative-probability:keep=negative,protocol=published,limit=0", target=0
    )
    assert theirs.item() == pytest.approx(1 / (1 + math.exp(-(1 + 1 + 0.6 + 0.4 - 0.1))))


def test_a_linear_model_knows_its_pixels():
    """Keeping what speaks for t by its own logit, in place of zeros: σ of what these pixels give."""
    net = Linear([[3.0, -1.0, 0.0, 1.0], [1.0, 2.0, 0.0, 1.0]])
    x = torch.ones(1, 1, 2, 2)
    kept_by = {  # logit of 0: + − 0 +, contrast: + − 0 0; one pixel agreed to for keep=positive, one for negative
        ("original", "positive"): 3 - 1,
        ("weighted", "positive"): 3 - 1,
        ("original", "negative"): -1 - 2,
        ("weighted", "negative"): -1 - 2,
    }
    net.bias.data += torch.tensor([0.5, 0.0])  # y = 3.5 and 4: class 1 is the first
    for (ask, keep), gap in kept_by.items():
        got = pl.measure(net, x, "input-x-gradient",
                         f"relative-probability:of=second,baseline=zeros,ask={ask},keep={keep}")  # fmt: skip
        assert got.item() == pytest.approx(1 / (1 + math.exp(-(gap + 0.5))), abs=1e-6)


def test_maps_of_layers_are_signed():
    """Grad-CAM without a word about its ReLU would have no negative features."""
    net, x = tiny("tiny-cnn"), smooth_images(3)
    for keep in ("positive", "negative"):
        metric = f"relative-probability:ask=original,keep={keep},limit=0"
        signed = pl.measure(net, x, "grad-cam:relu=false", metric)
        torch.testing.assert_close(pl.measure(net, x, "grad-cam", metric), signed)
    assert pl.measure(net, x, "grad-cam:relu=true", metric).isnan().all()  # it was said
    assert not signed.isnan().all()


def test_published_maps_go_from_corner_to_corner():
    net, x = tiny("tiny-cnn"), smooth_images(2)
    case = case_of(net, x, "grad-cam")
    stays = Metric.make("relative-probability:protocol=published,limit=0").stays(case)[1]
    two = net(x).argsort(1, descending=True)[:, :2]
    e = pl.explain(net, x, "grad-cam:relu=false", ask=["logit", "contrast"], target=two)
    wide = F.interpolate(e.raw[:, 0], (32, 32), mode="bilinear", align_corners=True).numpy()
    for i in range(2):
        assert np.array_equal(stays[i].numpy(), as_coded(wide[i, 0], wide[i, 1], "positive")[1])
    ours = Metric.make("relative-probability:limit=0").stays(case)[1]
    assert not torch.equal(ours, stays)


def test_the_published_blur_at_its_own_size():
    x = torch.rand(1, 3, 224, 224)
    theirs = v2.GaussianBlur(101, sigma=(15.0, 15.0))(x)
    torch.testing.assert_close(_blurred(x, "published"), theirs, atol=1e-5, rtol=1e-5)
    assert (_blurred(x, "sound") - theirs).abs().max() > 1e-3  # at the borders


# --- norms and logits ------------------------------------------------------------------------------------------------


def test_ranks_of_a_thousand_classes():
    found = [rank + 1 for rank in spread_ranks(1000)]
    assert found == [*range(1, 51), *range(51, 951, 20), *range(951, 1001)]
    assert len(found) == 145


@given(st.integers(1, 3000))
def test_ranks_of_any_number_of_classes(classes):
    ranks = spread_ranks(classes)
    assert len(ranks) == min(classes, 145)
    assert ranks == sorted(set(ranks))
    assert ranks[0] == 0
    assert ranks[-1] == classes - 1


@pytest.mark.parametrize("batch_size", [None, 1, 2, 7])
def test_norms_in_a_loop(batch_size):
    net, x = tiny("tiny-cnn"), smooth_images(3)
    case = case_of(net, x, batch_size=batch_size)
    logits, sizes = norms(case)
    for i in range(3):
        leaf = x[i : i + 1].clone().requires_grad_()
        y = net(leaf)[0]
        order = y.argsort(descending=True)
        told = [torch.autograd.grad(y[s], leaf, retain_graph=True)[0].norm() for s in order]
        torch.testing.assert_close(sizes[i], torch.stack(told), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(logits[i], y[order].detach(), atol=1e-6, rtol=1e-5)
        for by, theirs in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
            got = pl.measure(net, x, None, f"norm-vs-logit:by={by}", batch_size=batch_size)[i].item()
            assert got == pytest.approx(theirs(y[order].detach(), torch.stack(told))[0], abs=1e-5)
    assert torch.equal(Metric.make("norm-vs-logit").trace(case), sizes)


def test_norms_of_a_linear_model_are_those_of_its_rows():
    """Of 200 classes 145 are looked at, through a single forward."""
    torch.manual_seed(1)
    net, x = Linear(torch.randn(200, 12)), torch.rand(3, 3, 2, 2)
    counted, case = Counted(net), case_of(net, x)
    logits, sizes = norms(case)
    order = net(x).argsort(dim=1, descending=True, stable=True)[:, spread_ranks(200)]
    torch.testing.assert_close(sizes, net.weights.detach().norm(dim=1)[order])
    assert (logits.diff(dim=1) <= 0).all()
    assert counted.calls == 3  # the answer, the norms, and the one of this test
    assert counted.rows == 3 + 63 + 3  # 21 copies of three images


def test_one_class_correlates_with_nothing():
    x = torch.rand(2, 1, 2, 2)
    assert pl.measure(Linear([[1.0, 2.0, 3.0, 4.0]]), x, None, "norm-vs-logit").isnan().all()
    two = pl.measure(Linear([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.1]]), x, None, "norm-vs-logit")
    torch.testing.assert_close(two, torch.ones(2))


# --- how wide a map is -----------------------------------------------------------------------------------------------


def one_hot(pixels, at=0, value=1.0):
    m = torch.zeros(1, 1, pixels)
    m[..., at] = value
    return m


@pytest.mark.parametrize("pixels", [2, 9, 1024])
def test_the_widest_and_the_narrowest_map(pixels):
    narrow, wide = one_hot(pixels, pixels // 2, -3.0), torch.full((1, 1, pixels), 1e-20)
    assert sparseness(narrow).item() == pytest.approx(1 - 1 / pixels)
    assert sparseness(wide).item() == pytest.approx(0, abs=1e-6)
    assert complexity(narrow).item() == 0
    assert complexity(wide).item() == pytest.approx(math.log(pixels), rel=1e-6)
    assert entropy(-narrow, "positive", True).item() == 0
    assert entropy(wide, "positive", True).item() == pytest.approx(1)
    assert entropy(wide, "positive", False).item() == pytest.approx(math.log(pixels))
    assert effective(narrow, 1e-5).item() == pytest.approx(1 / pixels)
    assert effective(wide, 1e-5).item() == 1


@given(st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=12).filter(lambda v: max(map(abs, v)) > 1e-3))
@settings(max_examples=60, deadline=None)
def test_widths_in_a_loop(values):
    m = torch.tensor(values).view(1, 1, -1)
    a = [abs(v) for v in m.flatten().tolist()]
    n, total = len(a), sum(a)
    gini = sum(abs(p - q) for p in a for q in a) / (2 * n * total)  # half the relative mean difference
    nats = -sum(v / total * math.log(v / total) for v in a if v / total > 0)
    assert sparseness(m).item() == pytest.approx(gini, abs=1e-6)
    assert complexity(m).item() == pytest.approx(nats, abs=1e-5)
    assert effective(m, 0.5).item() == pytest.approx(sum(v > 0.5 * max(a) for v in a) / n)
    assert entropy(m, "absolute", False).item() == pytest.approx(complexity(m).item())
    assert entropy(m, "absolute", True).item() == pytest.approx(nats / math.log(n), abs=1e-5)
    if max(values) > 1e-3:
        assert entropy(m, "positive", False).item() == pytest.approx(complexity(m.relu()).item())
    for measure in (sparseness, complexity, lambda x: entropy(x, "positive", True)):
        again = measure(7.5 * m.flip(2))
        torch.testing.assert_close(again, measure(m), atol=1e-5, rtol=1e-5, equal_nan=True)  # scale and place


def test_what_has_no_width():
    zero, against = torch.zeros(1, 2, 3), torch.tensor([[[-1.0, -2.0, 0.0]]])
    for undefined in (sparseness(zero), complexity(zero), effective(zero, 0.1), entropy(against, "positive", True)):
        assert undefined.isnan().all()
    assert complexity(against).isfinite().all()
    assert entropy(torch.ones(1, 1, 1), "positive", True).isnan().all()
    net, x = tiny("tiny-cnn"), smooth_images(2)
    maps = torch.rand(2, 32, 32)
    maps[1] = 0
    for name, pure in (("sparseness", sparseness), ("complexity", complexity)):
        got = pl.measure(net, x, maps, name)
        assert got.isnan().tolist() == [False, True]
        assert got[0] == pure(maps)[0]
    assert pl.measure(net, x, maps, "entropy:scaled=false")[0] == pytest.approx(complexity(maps)[0].item())


@pytest.fixture(scope="module")
def quantus():
    return pytest.importorskip("quantus")


def theirs(metric, maps):
    """What Quantus says of maps that are given."""
    x = np.zeros((len(maps), 3, *maps.shape[1:]), np.float32)
    a = maps.double().numpy().copy()[:, None]
    quiet = {"disable_warnings": True, "display_progressbar": False}
    return np.array(metric(**quiet)(model=None, x_batch=x, y_batch=np.zeros(len(maps), int), a_batch=a), float)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_widths_of_quantus(quantus):
    maps = torch.randn(4, 8, 9) ** 3
    top = maps.abs().max()
    # its Gini index is that of |a| / (the greatest value of all maps) + 1e-7
    np.testing.assert_allclose(
        sparseness((maps / top).abs().double() + 1e-7), theirs(quantus.Sparseness, maps), rtol=1e-6
    )
    np.testing.assert_allclose(sparseness(maps), theirs(quantus.Sparseness, maps), atol=1e-5)
    # its entropy adds 1e-12 to every share within the logarithm
    np.testing.assert_allclose(complexity(maps), theirs(quantus.Complexity, maps), rtol=1e-6)
    # its effective complexity is a number of pixels, above 1e-5 of the greatest value of all maps
    np.testing.assert_allclose(effective(maps[:1], 1e-5) * 72, theirs(quantus.EffectiveComplexity, maps[:1]))


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_where_quantus_lets_maps_know_of_each_other(quantus):
    """A map is as complex as it is, whoever stands beside it; and a zero map is not evenly spread."""
    map = torch.rand(1, 8, 9) + 0.1
    beside = torch.cat([map, 1e6 * map])
    assert theirs(quantus.EffectiveComplexity, map).tolist() == [72]
    assert theirs(quantus.EffectiveComplexity, beside).tolist() == [0, 72]
    assert (effective(beside, 1e-5) * 72).tolist() == [72, 72]
    narrow = torch.cat([one_hot(72).view(1, 8, 9), 1e6 * map])
    assert theirs(quantus.Sparseness, narrow)[0] < 0.2  # of 0.986: 72 times 1e-7 outweigh its one pixel of 9e-7
    assert sparseness(narrow)[0].item() == pytest.approx(71 / 72)
    zero = torch.cat([torch.zeros(1, 8, 9), map])
    assert theirs(quantus.Sparseness, zero)[0] == pytest.approx(0, abs=1e-9)
    assert sparseness(zero).isnan().tolist() == [True, False]


# --- agreement -------------------------------------------------------------------------------------------------------


def two_of(n=3, h=13, w=17):
    a = torch.randn(n, h, w)
    return a, (a + torch.randn(n, h, w)).round(decimals=1)


def test_agreement_beside_scipy():
    a, b = two_of()
    for by, told in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
        want = [told(x.flatten().double(), y.flatten().double())[0] for x, y in zip(a, b, strict=True)]
        got = pl.agreement(a, b, by)
        assert got.dtype == torch.float32
        assert got.tolist() == pytest.approx(want, abs=1e-6)
    assert torch.equal(pl.agreement(a, b), pl.agreement(a, b, "spearman"))
    cosine = [(x * y).sum() / x.norm() / y.norm() for x, y in zip(a, b, strict=True)]
    torch.testing.assert_close(pl.agreement(a, b, "cosine"), torch.stack(cosine))


def test_agreement_beside_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    a, b = two_of(2, 24, 30)
    unit = [(m - m.amin((1, 2), keepdim=True)) / (m.amax((1, 2), keepdim=True) - m.amin((1, 2), keepdim=True))
            for m in (a.double(), b.double())]  # fmt: skip
    told = [
        metrics.structural_similarity(
            x.numpy(), y.numpy(), data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for x, y in zip(*unit, strict=True)
    ]
    assert pl.agreement(a, b, "ssim").tolist() == pytest.approx(told, abs=1e-5)


def test_the_strongest_pixels_in_common():
    a, b = torch.randn(3, 10, 10), torch.randn(3, 10, 10)  # no two alike
    for k, count in ((0.1, 10), (0.25, 25), (0.001, 1), (1, 100)):
        told = [
            len({*x.flatten().argsort(descending=True)[:count].tolist()}
                & {*y.flatten().argsort(descending=True)[:count].tolist()}) / count
            for x, y in zip(a, b, strict=True)
        ]  # fmt: skip
        assert pl.agreement(a, b, "top-k", k=k).tolist() == pytest.approx(told)
    ties = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    assert pl.agreement(ties, torch.tensor([[[1.0, 0.0, 1.0, 0.0]]]), "top-k", k=0.25).item() == 0.5


def test_agreement_of_explanations():
    net, x = tiny("tiny-cnn"), smooth_images(3)
    a = pl.explain(net, x, "gradient", ask=["logit", "contrast"], target=[[0, 1]] * 3)
    b = pl.explain(net, x, "input-x-gradient", ask=["logit", "contrast"], target=[[0, 1]] * 3)
    for by in ("pearson", "spearman", "ssim", "cosine", "top-k"):
        got = pl.agreement(a, b, by)
        assert got.shape == (3, 2, 2)
        assert got[1, 0, 1] == pl.agreement(a.maps[1:2, 0, 1], b.maps[1:2, 0, 1], by).item()
        torch.testing.assert_close(pl.agreement(a, a, by), torch.ones(3, 2, 2))
    contrasts = pl.explain(net, x, "gradient", ask="contrast:against=max", target=net(x).argsort(1)[:, -2:])
    torch.testing.assert_close(pl.agreement(contrasts.maps[:, 0], contrasts.maps[:, 1], "pearson"), -torch.ones(3))


def test_agreement_of_signals():
    """[n, k, l] of signals are k maps; [n, h, w] of images one."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv1d(2, 4, 3, padding=1), nn.Linear(4, 3)

        def forward(self, x):
            return self.head(self.conv(x).relu().mean(2))

    net, x = Net(), torch.randn(3, 2, 20)
    a, b = (pl.explain(net, x, e, target=[[0, 1]] * 3) for e in ("gradient", "input-x-gradient"))
    assert a.maps.shape == (3, 2, 20)
    got = pl.agreement(a, b, "pearson")
    assert got.shape == (3, 2)
    assert got[2, 1].item() == pytest.approx(stats.pearsonr(a.maps[2, 1], b.maps[2, 1])[0], abs=1e-5)
    assert pl.agreement(a.maps[:, 1], b.maps[:, 1], "pearson")[2] == got[2, 1]
    for metric in ("relative-probability:limit=0", "relative-probability:limit=0,protocol=published", "norm-vs-logit"):
        e = None if metric.startswith("norm") else "gradient"
        assert pl.measure(net, x, e, metric).isfinite().all()
    moved = pl.measure(net, x.sigmoid(), None, "sign-perturbation:at=predicted,change=logit")
    assert (moved > 0).all()


def test_what_does_not_agree():
    a, b = two_of()
    b[1] = 2.0
    for by in ("pearson", "spearman", "ssim", "top-k"):
        assert pl.agreement(a, b, by).isnan().tolist() == [False, True, False]
    with pytest.raises(BadInput, match="resize one to the other"):
        pl.agreement(a, b[:, :5])
    with pytest.raises(UnknownName, match="did you mean spearman"):
        pl.agreement(a, b, "speerman")
    for k in (0.0, 1.5):
        with pytest.raises(BadInput, match="share of the pixels"):
            pl.agreement(a, b, "top-k", k=k)

"""Metrics that remove pixels: slow re-tellings, answers known by pencil, published facts, and other libraries."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.stats import pearsonr, spearmanr
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import GaussianBlur

import pellucid as pl
from pellucid.contracts.case import images as smooth_images
from pellucid.contracts.case import model as tiny
from pellucid.errors import BadInput, BadQuestion
from pellucid.maths.curves import area, ranks
from pellucid.maths.regions import rectangles
from pellucid.metrics import Metric
from pellucid.metrics._exchange import _nearly_flat
from pellucid.metrics._masked import positive_part
from pellucid.metrics._regions import region_means, region_ranks, squares
from pellucid.metrics._subsets import correlation, subset_sums, subsets
from pellucid.metrics.average_drop import average_drop
from pellucid.metrics.average_gain import average_gain
from pellucid.metrics.deletion import Deletion
from pellucid.metrics.increase import increase
from pellucid.metrics.infidelity import infidelity, random_squares
from pellucid.metrics.insertion import Insertion
from pellucid.metrics.irof import irof
from pellucid.metrics.latent_shift import LatentShift
from pellucid.metrics.monotonicity import rises
from pellucid.metrics.pixel_flipping import flipping
from pellucid.metrics.road import imputed, spread
from pellucid.questions import Question

PROTOCOLS = ("sound", "rise", "group-cam", "paper", "published", "reproduction")
REMOVING = (
    "pixel-flipping:steps=4", "road:percent=[30]", "infidelity:samples=8", "faithfulness-correlation:samples=8",
    "sensitivity-n:samples=8,n=[0.3]", "average-drop", "average-gain", "increase", "irof:cells=3",
    "monotonicity:cells=3,samples=2", "sufficiency", "latent-shift",
)  # fmt: skip


class Linear(nn.Module):
    """y_t = ⟨w_t, x⟩ + b_t: what each value contributes is known."""

    def __init__(self, shape=(3, 8, 8), classes=4, scale=1.0, seed=3):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.flat, self.head = nn.Flatten(), nn.Linear(math.prod(shape), classes)
        with torch.no_grad():
            self.head.weight.copy_(scale * torch.randn(classes, math.prod(shape), generator=generator))
            self.head.bias.copy_(torch.randn(classes, generator=generator))
        self.shape = shape

    def forward(self, x):
        return self.head(self.flat(x))

    def contributions(self, x, target):
        """[n, h, w], summed over channels."""
        return (self.head.weight[target].view(len(x), *self.shape) * x).sum(1).detach()


class Constant(nn.Module):
    """The same answer whatever is seen."""

    def __init__(self, logits=(1.0, 0.0, -1.0)):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, x):
        return self.logits.expand(len(x), -1)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def some(n=3, size=(20, 23)):
    """A network, images, and maps that know nothing, for what does not depend on a good one."""
    return tiny("tiny-cnn"), smooth_images(n, size), random(n, *size, seed=4)


def linear(n=3, scale=1.0):
    net, x = Linear(scale=scale), random(n, 3, 8, 8, seed=1)
    target = torch.arange(n) % 4
    return net, x, net.contributions(x, target), target


def probability(net, x, target):
    with torch.no_grad():
        return net(x).double().softmax(1).gather(1, target[:, None])[:, 0]


def logit(net, x, target):
    with torch.no_grad():
        return net(x).double().gather(1, target[:, None])[:, 0]


def same(ours, theirs, most=1e-5):
    ours, theirs = torch.as_tensor(ours).double(), torch.as_tensor(np.asarray(theirs)).double()
    assert ours.shape == theirs.shape
    assert torch.equal(ours.isnan(), theirs.isnan())
    assert float((ours - theirs).nan_to_num().abs().max()) <= most


# --- insertion and deletion, told slowly ------------------------------------------------------------------------------


def kernel(wide, sigma):
    """A point blurred in a field of its own size by SciPy, whose borders reflect."""
    point = np.zeros((wide, wide))
    point[wide // 2, wide // 2] = 1
    return gaussian_filter(point, sigma)


def slowly_blurred(x, protocol):
    if protocol == "sound":
        sigma = 5 * min(x.shape[-2:]) / 224
        return torch.tensor(gaussian_filter(x.double().numpy(), (0, 0, sigma, sigma), mode="reflect", truncate=9))
    if protocol == "reproduction":
        return GaussianBlur(9, sigma=5.0)(x)
    wide, sigma = (51, 50) if protocol == "group-cam" else (11, 5)
    weights = torch.tensor(kernel(wide, sigma), dtype=x.dtype).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, weights, padding=wide // 2, groups=x.shape[1])


def slow_order(map, protocol):
    flat = map.flatten().numpy()
    if protocol in ("rise", "group-cam", "published"):
        return np.flip(np.argsort(flat, kind="stable")).tolist()  # of equal ones the last
    return np.argsort(-flat, kind="stable").tolist()


def slow_counts(pixels, protocol):
    if protocol == "sound":
        return [math.floor(pixels * i / 28 + 0.5) for i in range(29)]
    share = {"rise": 224 / 50176, "group-cam": 448 / 50176, "paper": 0.036, "published": 1792 / 50176}.get(protocol)
    if share is None:
        step = 10 if pixels <= 4096 else round(922 * pixels / 50176)
    else:
        step = share * pixels if protocol == "paper" else round(share * pixels)
    counts, i = [0], 1
    while counts[-1] < pixels:
        counts.append(min(pixels, math.floor(i * step + 0.5)))
        i += 1
    return counts[:-1] if protocol == "reproduction" else counts


def slow_curve(net, x, map, protocol, kind, classes):
    """The curves of a batch, one image and one step at a time."""
    blurred = slowly_blurred(x, protocol).float()
    found = []
    for i in range(len(x)):
        start, end = (blurred[i], x[i]) if kind == "insertion" else (x[i], torch.zeros_like(x[i]))
        order, curve = slow_order(map[i], protocol), []
        for count in slow_counts(map[i].numel(), protocol):
            image = start.clone().flatten(1)
            for pixel in order[:count]:
                image[:, pixel] = end.flatten(1)[:, pixel]
            curve.append(float(probability(net, image.view(1, *x[i].shape), classes[i : i + 1])))
        found.append(curve)
    return found


def slow_area(curve, protocol):
    total = sum((a + b) / 2 for a, b in pairwise(curve))
    return total / (len(curve) if protocol == "reproduction" else len(curve) - 1)


@pytest.mark.parametrize("kind", ("insertion", "deletion"))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_exchange_is_its_table(protocol, kind):
    net, x, map = some(2, (12, 15))
    map = (map * 2).round() / 2  # with many ties
    predicted, label, target = net(x).argmax(1), torch.tensor([4, 0]), torch.tensor([1, 2])
    classes = {"sound": target, "reproduction": label}.get(protocol, predicted)
    theirs = slow_curve(net, x, map, protocol, kind, classes)
    ours = pl.measure(net, x, map, f"{kind}:protocol={protocol}", labels=label, target=target)
    same(ours, [slow_area(curve, protocol) for curve in theirs])
    assert len({tuple(slow_order(map[0], p)) for p in PROTOCOLS}) == 2  # the tie rule matters here


def test_exchange_at_more_than_64_pixels_a_side():
    net, x, map = some(1, (66, 70))
    theirs = slow_curve(net, x, map, "reproduction", "insertion", torch.tensor([2]))
    ours = pl.measure(net, x, map, "insertion:protocol=reproduction", labels=[2])
    same(ours, [slow_area(theirs[0], "reproduction")])
    assert len(theirs[0]) == 55
    assert len(Insertion(protocol="reproduction").counts((66, 70))) == 55


def test_deletion_may_blur_and_overall_is_the_difference():
    net, x, map = some(2, (12, 15))
    blurred, target = slowly_blurred(x, "paper"), net(x).argmax(1)
    rows = []
    for i in range(2):
        order, curve = slow_order(map[i], "paper"), []
        for count in slow_counts(180, "paper"):
            gone = torch.zeros(180, dtype=torch.bool)
            gone[order[:count]] = True
            curve.append(
                float(probability(net, torch.where(gone.view(12, 15), blurred[i], x[i])[None], target[i : i + 1]))
            )
        rows.append(slow_area(curve, "paper"))
    same(pl.measure(net, x, map, "deletion:protocol=paper,into=blur"), rows)
    for protocol in PROTOCOLS:
        three = [
            pl.measure(net, x, map, f"{m}:protocol={protocol}", labels=0) for m in ("insertion", "deletion", "overall")
        ]
        same(three[2], three[0] - three[1], 1e-6)


def test_the_ways_have_the_published_sizes():
    """Fact 20: 29 scores at 224 px."""
    scores = {p: len(Insertion(protocol=p).counts((224, 224))) for p in PROTOCOLS}
    assert scores == {"sound": 29, "rise": 225, "group-cam": 113, "paper": 29, "published": 29, "reproduction": 55}
    assert Insertion(protocol="published").counts((224, 224))[-2:] == [27 * 1792, 50176]
    assert Insertion(protocol="reproduction").counts((224, 224))[-1] == 54 * 922  # the last step is not scored
    assert Deletion(protocol="reproduction").counts((32, 32))[:3] == [0, 10, 20]
    for p in PROTOCOLS:
        assert Insertion(protocol=p).counts((224, 224)) == slow_counts(50176, p)


def test_the_published_kernel():
    """Fact 20: it sums to one, and is nearly flat; a Gaussian cut off would have 0.368 in the corner."""
    for wide, sigma in ((11, 5.0), (51, 50.0)):
        line = _nearly_flat(wide, sigma, torch.zeros(1, dtype=torch.float64))
        both = torch.outer(line, line)
        assert float(both.sum()) == pytest.approx(1, abs=1e-9)
        assert np.abs(both.numpy() - kernel(wide, sigma)).max() < 1e-12
        if wide == 11:
            assert float(both[0, 0] / both[5, 5]) == pytest.approx(0.876, abs=5e-4)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_exchange_begins_and_ends_where_it_should(protocol):
    """Fact 20: insertion from the blurred image to the image, deletion from the image to zeros."""
    net, x, map = some(2, (16, 16))
    seen = []
    handle = net.register_forward_pre_hook(lambda _m, args: seen.append(args[0].clone()))
    try:
        Insertion(protocol=protocol).score(case(net, x, map, labels=0))
        inserted, seen[:] = torch.cat(seen), []
        Deletion(protocol=protocol).score(case(net, x, map, labels=0))
        deleted = torch.cat(seen)
    finally:
        handle.remove()
    assert any(torch.equal(row, x[0]) for row in inserted)
    assert (inserted - slowly_blurred(x, protocol)[0].float()).abs().amax((1, 2, 3)).min() < 1e-5
    assert any(torch.equal(row, x[0]) for row in deleted)
    assert any(not row.any() for row in deleted) == (protocol != "reproduction")
    assert len(inserted) == 2 * len(Insertion(protocol=protocol).counts((16, 16))) + 2 * (protocol == "reproduction")


def case(net, x, maps, target=0, labels=None):
    """What `measure` gives a metric."""
    from pellucid.metrics import Case
    from pellucid.subject import Subject, as_batch

    n = len(x)
    labels = None if labels is None else torch.full((n,), labels)
    target = torch.full((n,), target) if isinstance(target, int) else target
    batch = as_batch(x)
    subject = Subject(net)
    subject.batch = batch
    return Case(subject, batch, target, maps, labels=labels, colour=torch.zeros(x.shape[1]))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_constant_model_scores_its_probability(protocol):
    """Fact 20; the reproduction's step of one over the number of scores loses one of n."""
    net, x, map = Constant(), random(2, 3, 16, 16), random(2, 16, 16, seed=1)
    p, n = math.exp(1) / (math.exp(1) + 1 + math.exp(-1)), len(Insertion(protocol=protocol).counts((16, 16)))
    expected = p * (n - 1) / n if protocol == "reproduction" else p
    for metric in ("insertion", "deletion"):
        ours = pl.measure(net, x, map, f"{metric}:protocol={protocol}", labels=0, target=0)
        same(ours, [expected, expected], 1e-6)


def test_a_curve_that_falls_at_once():
    """Fact 20: (1, 0, …, 0) of 29 scores has the area 1/56."""
    assert float(area(torch.tensor([[1.0] + [0.0] * 28]))) == pytest.approx(1 / 56)
    assert slow_area([1.0] + [0.0] * 28, "sound") == pytest.approx(1 / 56)


def test_a_map_that_is_the_same_everywhere_orders_nothing():
    """NaN in `sound`, and a number, by the tie rule, in what was published."""
    net, x, map = some(2, (12, 15))
    map[0] = 0.1
    for metric in ("insertion", "deletion", "overall"):
        assert pl.measure(net, x, map, metric).isnan().tolist() == [True, False]
        first, last = (pl.measure(net, x, map, f"{metric}:protocol={p}") for p in ("paper", "published"))
        assert not first.isnan().any()
        assert first[0] != last[0]
    for metric in REMOVING:
        undefined = pl.measure(net, x, map, metric).isnan().tolist()
        assert undefined == [metric.split(":")[0] != "infidelity", False], metric


def test_a_class_that_is_not_there_has_no_score():
    net, x, map = some(2, (12, 15))
    for metric in ("insertion", "deletion", *REMOVING):
        undefined = pl.measure(net, x, map, metric, target=[-1, 2]).isnan().tolist()
        assert undefined == [metric != "latent-shift", False], metric


# --- what every member keeps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ("insertion", "deletion", *REMOVING))
def test_only_the_order_of_a_map_counts(metric):
    """For those that rank; the others see a factor, or not even that."""
    net, x, map = some(2, (12, 15))
    base = pl.measure(net, x, map, metric)
    same(pl.measure(net, x, 3 * map, metric), base, 1e-4)
    if metric.split(":")[0] in ("insertion", "deletion", "pixel-flipping", "road", "sufficiency"):
        same(pl.measure(net, x, map.exp(), metric), base, 1e-6)


@pytest.mark.parametrize("metric", REMOVING)
def test_signals(metric):
    net = nn.Sequential(nn.Conv1d(2, 6, 5), nn.Tanh(), nn.Flatten(), nn.Linear(6 * 36, 3)).eval()
    x, map = random(3, 2, 40), random(3, 1, 40, seed=2)
    scores = pl.measure(net, x, map.view(3, 40), metric)
    assert scores.shape == (3,)
    assert scores.isfinite().all()
    same(torch.cat([pl.measure(net, x[i : i + 1], map[i].view(1, 40), metric) for i in range(3)]), scores, 1e-4)


@pytest.mark.parametrize(
    "metric, expected",
    [("pixel-flipping", 0.665), ("pixel-flipping:area=over", 0), ("pixel-flipping:area=aopc", 0), ("road", 0),
     ("road:order=morf", 0), ("infidelity", 0), ("infidelity:change=noise", 0), ("faithfulness-correlation", math.nan),
     ("sensitivity-n", math.nan), ("average-drop", 0), ("average-gain", 0), ("increase", 0), ("irof:cells=3", 0),
     ("monotonicity", math.nan), ("monotonicity:kind=arya", 1), ("sufficiency", 1), ("latent-shift", 0)],
)  # fmt: skip
def test_a_model_that_does_not_look(metric, expected):
    x, map = random(2, 3, 16, 16), random(2, 16, 16, seed=1)
    same(pl.measure(Constant(), x, map, metric, target=0), [expected] * 2, 1e-3)


def test_what_explainers_share_is_asked_once():
    """Random subsets, squares and cells depend on the images: the second map costs no forward."""
    net, x, map = some(2, (12, 15))
    first = case(net, x, map)
    second = first.of(map.flip(1), None, None)
    some_ = "infidelity:samples=8,scaled=none"
    for text in (
        "faithfulness-correlation:samples=8",
        some_,
        f"{some_},change=noise",
        "monotonicity:cells=3,samples=2",
    ):
        metric = Metric.make(text)
        one = metric.score(first)
        rows = []
        handle = net.register_forward_pre_hook(lambda _m, args, rows=rows: rows.append(len(args[0])))
        try:
            two = metric.score(second)
        finally:
            handle.remove()
        assert not rows, text
        same(two, metric.score(case(net, x, map.flip(1))), 1e-6)
        assert not torch.equal(one, two)


def test_what_is_shared_knows_whose_probability_is_followed():
    """Of the same images, sigmoids fall by other amounts than a softmax does."""
    net, x, map = some(2, (12, 15))
    softmax = case(net, x, map).of(map, None, Question.make("probability"))
    sigmoid = softmax.of(map, None, Question.make("probability:link=sigmoid"))
    for text in (
        "faithfulness-correlation:samples=8,follows=probability",
        "infidelity:samples=8,scaled=none,follows=probability",
        "monotonicity:cells=3,samples=2,follows=probability",
        "non-sensitivity:cells=3,tolerance=0.001",
    ):
        metric = Metric.make(text)
        one, two = metric.score(softmax), metric.score(sigmoid)
        same(two, metric.score(case(net, x, map).of(map, None, sigmoid.question)), 1e-6)
        assert not torch.equal(one, two), text


def test_the_cards_say_what_decides():
    texts = [str(Metric.make(m).card) for m in (*REMOVING, "pixel-flipping:into=blur", "pixel-flipping:into=0.5",
                                               "latent-shift:protocol=published,into=blur", "irof",
                                               "infidelity:change=noise", "monotonicity:kind=arya")]  # fmt: skip
    assert len(set(texts)) == len(texts)
    ids = {Metric.make(f"pixel-flipping:{knob}").card_id for knob in ("steps=5", "patch=2", "into=zeros", "order=lerf",
                                                                     "area=aopc", "follows=logit")}  # fmt: skip
    assert len(ids) == 6


# --- pixel flipping ---------------------------------------------------------------------------------------------------


def test_pixel_flipping_begins_as_deletion():
    net, x, map = some()
    same(pl.measure(net, x, map, "pixel-flipping"), pl.measure(net, x, map, "deletion"), 1e-6)


@pytest.mark.parametrize("order", ("morf", "lerf"))
@pytest.mark.parametrize("follows", ("probability", "logit"))
def test_pixel_flipping_of_patches(order, follows):
    """Squares of 5 pixels, cut off at the border, every one a step."""
    net, x, map = some(2, (12, 13))
    target = torch.tensor([1, 2])
    read = probability if follows == "probability" else logit
    rows = []
    for i in range(2):
        means = {(a, b): float(map[i, a : a + 5, b : b + 5].double().mean()) for a in (0, 5, 10) for b in (0, 5, 10)}
        image = x[i].clone()
        curve = [float(read(net, image[None], target[i : i + 1]))]
        for a, b in sorted(means, key=means.get, reverse=order == "morf"):
            image[:, a : a + 5, b : b + 5] = 0.25
            curve.append(float(read(net, image[None], target[i : i + 1])))
        rows.append(curve)
    base = f"pixel-flipping:patch=5,into=0.25,order={order},follows={follows}"
    under = [slow_area(curve, "sound") for curve in rows]
    same(pl.measure(net, x, map, base, target=target), under)
    same(
        pl.measure(net, x, map, base + ",area=over", target=target),
        [c[0] - a for c, a in zip(rows, under, strict=True)],
    )
    aopc = [sum(c[0] - p for p in c) / len(c) for c in rows]
    same(pl.measure(net, x, map, base + ",area=aopc", target=target), aopc)


def test_pixel_flipping_says_which_way_is_better():
    ways = {(area, order): Metric.make(f"pixel-flipping:area={area},order={order}").better
            for area in ("under", "over", "aopc") for order in ("morf", "lerf")}  # fmt: skip
    assert ways[("under", "morf")] == ways[("over", "lerf")] == ways[("aopc", "lerf")] == "lower"
    assert ways[("under", "lerf")] == ways[("over", "morf")] == ways[("aopc", "morf")] == "higher"


def test_pixel_flipping_of_a_linear_model():
    """Contributions in order: no order of flipping falls sooner, and the last is what is left without any."""
    net, x, map, target = linear()
    ours = pl.measure(net, x, map, "pixel-flipping:steps=64,follows=logit,area=aopc", target=target)
    same(ours, map.flatten(1).sort(descending=True).values.double().cumsum(1).sum(1) / 65, 1e-4)
    for seed in range(5):
        other = pl.measure(
            net, x, random(3, 8, 8, seed=seed), "pixel-flipping:steps=64,follows=logit,area=aopc", target=target
        )
        assert (other < ours).all()


def test_regions_of_a_constant_map_are_alike():
    """Also where their sizes differ and 0.1 is not a sum of halves."""
    labels = squares((7, 11), 4).expand(1, 7, 11)
    means = region_means(torch.full((1, 7, 11), 0.1), labels, 6)
    assert (means == means[0, 0]).all()
    assert torch.equal(region_ranks(means, labels), labels)
    assert rectangles((9, 3), 5).unique().tolist() == list(range(15))


# --- ROAD -------------------------------------------------------------------------------------------------------------


def slowly_imputed(image, gone):
    """The whole system as a matrix: each removed pixel is the mean of its neighbours."""
    h, w = gone.shape
    names = {(int(r), int(c)): k for k, (r, c) in enumerate(gone.nonzero().tolist())}
    A, b = (
        torch.zeros(len(names), len(names), dtype=torch.float64),
        torch.zeros(len(names), len(image), dtype=torch.float64),
    )
    for (r, c), k in names.items():
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                near = (r + dr, c + dc)
                if (dr or dc) and 0 <= near[0] < h and 0 <= near[1] < w:
                    weight = 1 / 12 if dr and dc else 1 / 6
                    A[k, k] += weight
                    if near in names:
                        A[k, names[near]] -= weight
                    else:
                        b[k] += weight * image[:, near[0], near[1]].double()
    filled = image.double().clone()
    solution = torch.linalg.solve(A, b)
    for (r, c), k in names.items():
        filled[:, r, c] = solution[k]
    return filled


@pytest.mark.parametrize("share", (0.2, 0.5, 0.95))
def test_imputation_solves_the_system(share):
    x = random(2, 3, 9, 14)
    gone = ranks(smooth_images(2, (9, 14)).sum(1)) < round(share * 126)
    ours = imputed(x, gone)
    same(ours, torch.stack([slowly_imputed(x[i], gone[i]) for i in range(2)]), 1e-4)
    assert torch.equal(ours.movedim(1, -1)[~gone], x.movedim(1, -1)[~gone])
    assert ours.dtype == torch.float32


def test_imputation_keeps_planes_and_bounds():
    """A constant image stays itself; nothing is brighter than what is left; a signal's gap is a straight line."""
    gone = ranks(random(1, 16, 16)) < 200
    assert (imputed(torch.full((1, 1, 16, 16), 0.7), gone) - 0.7).abs().max() < 1e-6
    x = random(1, 2, 16, 16, seed=1)
    kept = x.movedim(1, -1)[~gone]
    assert imputed(x, gone).max() <= kept.max() + 1e-6
    line = imputed(torch.tensor([[[1.0, 9.0, 9.0, 9.0, 5.0]]]), torch.tensor([[False, True, True, True, False]]))
    same(line[0, 0], [1, 2, 3, 4, 5])
    ones = spread(torch.ones(5, 5))
    assert float(ones[2, 2]) == pytest.approx(1)
    assert float(ones[0, 0]) == pytest.approx(5 / 12)


def test_an_image_is_imputed_alone():
    x, gone = random(3, 2, 12, 12), ranks(random(3, 12, 12, seed=1)) < 100
    gone[1] = ranks(random(1, 12, 12, seed=2))[0] < 3  # solved much sooner
    same(imputed(x, gone), torch.cat([imputed(x[i : i + 1], gone[i : i + 1]) for i in range(3)]), 1e-6)


@pytest.mark.parametrize("order", ("morf", "lerf"))
def test_road_is_the_mean_drop(order):
    net, x, map = some(2, (10, 11))
    target, rows = torch.tensor([0, 3]), []
    for i in range(2):
        drops = []
        for count in (33, 77):  # 30 and 70 % of 110
            place = map[i].flatten().argsort(descending=order == "morf")[:count]
            gone = torch.zeros(110, dtype=torch.bool)
            gone[place] = True
            filled = slowly_imputed(x[i], gone.view(10, 11)).float()[None]
            drops.append(
                float(probability(net, x[i : i + 1], target[i : i + 1]) - probability(net, filled, target[i : i + 1]))
            )
        rows.append(sum(drops) / 2)
    same(pl.measure(net, x, map, f"road:percent=[30,70],noise=0,order={order}", target=target), rows)


def test_road_in_one_number():
    net, x, map = some(2, (10, 11))
    morf, lerf, both = (pl.measure(net, x, map, f"road:order={order}") for order in ("morf", "lerf", "combined"))
    same(both, (morf - lerf) / 2, 1e-6)
    same(pl.measure(net, x, -map, "road:noise=0"), -pl.measure(net, x, map, "road:noise=0"), 1e-6)
    assert [Metric.make(f"road:order={o}").better for o in ("morf", "lerf", "combined")] == [
        "higher",
        "lower",
        "higher",
    ]


def test_road_noise_has_a_seed():
    net, x, map = some(2, (10, 11))
    assert torch.equal(pl.measure(net, x, map, "road"), pl.measure(net, x, map, "road:seed=0"))
    assert not torch.equal(pl.measure(net, x, map, "road:seed=1"), pl.measure(net, x, map, "road"))


# --- infidelity -------------------------------------------------------------------------------------------------------


def test_infidelity_of_squares():
    net, x, map = some(2, (10, 12))
    target = torch.tensor([1, 4])
    chosen = random_squares((10, 12), 4, 30, torch.Generator().manual_seed(7))
    assert chosen.flatten(1).sum(1).tolist() == [16] * 30
    rows = []
    for i in range(2):
        total, clean = 0.0, float(logit(net, x[i : i + 1], target[i : i + 1]))
        for square in chosen:
            left = torch.where(square, 0.0, x[i])[None]
            total += (float(map[i][square].double().sum()) - (clean - float(logit(net, left, target[i : i + 1])))) ** 2
        rows.append(total / 30)
    ours = pl.measure(net, x, map, "infidelity:scaled=none,side=0.4,samples=30,seed=7", target=target)
    assert torch.allclose(ours, torch.tensor(rows), rtol=1e-4)


def test_squares_fall_everywhere_in_the_image():
    hits = random_squares((5, 6), 2, 2000, torch.Generator().manual_seed(0)).double().mean(0)
    assert (hits > 0).all()
    assert hits[2, 2] / hits[0, 0] == pytest.approx(4, rel=0.3)
    assert random_squares((1, 9), 3, 50, torch.Generator().manual_seed(0)).flatten(1).sum(1).tolist() == [3] * 50


def test_infidelity_of_a_linear_model_is_zero():
    """What each pixel contributes foretells removals; the gradient foretells noise, in all channels alike."""
    net, x, map, target = linear()
    assert pl.measure(net, x, map, "infidelity:scaled=none", target=target).max() < 1e-8
    gradient = net.head.weight[target].view(3, 3, 8, 8).sum(1).detach()
    assert pl.measure(net, x, gradient, "infidelity:change=noise,scaled=none", target=target).max() < 1e-8
    assert pl.measure(net, x, 5 * map, "infidelity", target=target).max() < 1e-8
    assert pl.measure(net, x, 5 * map, "infidelity:scaled=none", target=target).min() > 1
    assert pl.measure(net, x, -map, "infidelity:scaled=any", target=target).max() < 1e-8
    assert pl.measure(net, x, -map, "infidelity", target=target).min() > 1


def test_infidelity_of_the_map_of_another_question():
    """The value of the question is followed, in its own unit."""
    net, x, _, target = linear()
    for ask in ("logit", "contrast:against=mean"):
        e = pl.explain(net, x, "input-x-gradient", ask=ask, target=target)
        assert pl.measure(net, x, e, "infidelity:scaled=none").max() < 1e-8
        assert pl.measure(net, x, e, "faithfulness-correlation").min() > 0.9999
    assert pl.measure(net, x, e, "infidelity:scaled=none,follows=logit").min() > 1e-3


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10))
def test_the_best_scale_is_the_best(seed, factor):
    said, drop = random(2, 9, seed=seed).double(), random(2, 9, seed=seed + 1).double()
    best, positive = infidelity(said, drop, "any"), infidelity(said, drop, "positive")
    for beta in (-1.0, 0.0, 0.3, factor):
        assert (best <= infidelity(beta * said, drop, "none") + 1e-9).all()
        if beta >= 0:
            assert (positive <= infidelity(beta * said, drop, "none") + 1e-9).all()
    same(infidelity(factor * said, drop, "positive"), positive, 1e-9)
    same(infidelity(torch.zeros_like(said), drop, "any"), drop.square().mean(1), 1e-12)


# --- correlations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("follows", ("logit", "probability"))
def test_faithfulness_correlation(follows):
    net, x, map = some(2, (10, 12))
    target, read = torch.tensor([1, 4]), logit if follows == "logit" else probability
    chosen = subsets(120, 24, 20, torch.Generator().manual_seed(3)).view(20, 10, 12)
    rows = []
    for i in range(2):
        clean, drops, said = float(read(net, x[i : i + 1], target[i : i + 1])), [], []
        for subset in chosen:
            drops.append(clean - float(read(net, torch.where(subset, 0.0, x[i])[None], target[i : i + 1])))
            said.append(float(map[i][subset].sum()))
        rows.append(pearsonr(said, drops)[0])
    ours = pl.measure(
        net, x, map, f"faithfulness-correlation:subset=0.2,samples=20,seed=3,follows={follows}", target=target
    )
    same(ours, rows, 1e-4)


def test_subsets_are_of_one_size_and_fair():
    chosen = subsets(10, 4, 4000, torch.Generator().manual_seed(0))
    assert (chosen.sum(1) == 4).all()
    assert (chosen.double().mean(0) - 0.4).abs().max() < 0.04


def test_sensitivity_n_is_the_mean_over_sizes():
    net, x, map = some(2, (10, 12))
    each = [pl.measure(net, x, map, f"faithfulness-correlation:subset={n},samples=20") for n in (0.1, 0.4)]
    same(pl.measure(net, x, map, "sensitivity-n:n=[0.1,0.4],samples=20"), torch.stack(each).mean(0), 1e-6)


def test_what_adds_up_correlates():
    """Contributions of a linear model at every size; and the wrong way round when they are turned."""
    net, x, map, target = linear()
    for metric in ("faithfulness-correlation", "sensitivity-n:n=[0.02,0.5]"):
        assert pl.measure(net, x, map, metric, target=target).min() > 0.9999
        assert pl.measure(net, x, -map, metric, target=target).max() < -0.9999
        same(pl.measure(net, x, 5 * map - 2, metric, target=target), pl.measure(net, x, map, metric, target=target))
    assert pl.measure(net, x, map, "faithfulness-correlation:subset=1", target=target).isnan().all()  # one subset


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_correlation_is_pearsons(seed):
    a, b = random(1, 12, seed=seed), random(1, 12, seed=seed + 1)
    same(correlation(a, b), [pearsonr(a[0].double(), b[0].double())[0]], 1e-9)


# --- seen through its map ---------------------------------------------------------------------------------------------


def slowly_masked(net, x, map, target, protocol):
    rows = []
    for i in range(len(x)):
        m = map[i].double()
        mask = m.clamp_min(0) / m.max() if protocol == "sound" else (m - m.min()) / (m.max() - m.min())
        rows.append(float(probability(net, (x[i].double() * mask).float()[None], target[i : i + 1])))
    return probability(net, x, target), torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("protocol", ("sound", "published"))
def test_drop_gain_and_increase(protocol):
    net, x, map = some(4, (12, 12))
    target = torch.tensor([0, 1, 2, 3])
    before, after = slowly_masked(net, x, map, target, protocol)
    assert bool((before > after).any())
    assert bool((before < after).any())

    def ours(metric):
        return pl.measure(net, x, map, f"{metric}:protocol={protocol}", target=target)

    same(ours("average-drop"), [max(0.0, b - a) / b for b, a in zip(before.tolist(), after.tolist(), strict=True)])
    same(
        ours("average-gain"), [max(0.0, a - b) / (1 - b) for b, a in zip(before.tolist(), after.tolist(), strict=True)]
    )
    same(ours("increase"), [float(a > b) for b, a in zip(before.tolist(), after.tolist(), strict=True)])


def test_the_masked_image_is_asked_once():
    net, x, map = some(2, (12, 12))
    one, rows = case(net, x, map), []
    assert one.output is not None
    handle = net.register_forward_pre_hook(lambda _m, args: rows.append(len(args[0])))
    try:
        for metric in ("average-drop", "average-gain", "increase"):
            Metric.make(metric).score(one)
    finally:
        handle.remove()
    assert rows == [2]


def test_masks_show_the_data_mean_and_the_model_zero():
    """Where images are not normalised the two differ; without mean= the sound one cannot be known."""
    _, x, map = some(2, (12, 12))
    x = x.sigmoid()
    with pytest.raises(BadInput, match="mean colour"):
        pl.measure(Linear((3, 12, 12)), x, map, "average-drop")
    mean = torch.tensor([0.3, 0.4, 0.5])
    shifted = mean.view(1, 3, 1, 1) + positive_part(map)[:, None] * (x - mean.view(1, 3, 1, 1))
    target = torch.tensor([0, 1])
    model = Linear((3, 12, 12), scale=0.1)
    expected = average_drop(probability(model, x, target), probability(model, shifted, target))
    same(pl.measure(model, x, map, "average-drop", target=target, mean=mean.tolist()), expected)
    published = pl.measure(model, x, map, "average-drop:protocol=published", target=target)
    assert (published - expected).abs().max() > 1e-3


def test_maps_that_mask_nothing():
    net, x, map = some(3, (12, 12))
    map[0], map[1] = -map[0].abs(), 2.0
    for metric in ("average-drop", "average-gain", "increase"):
        assert pl.measure(net, x, map, metric).isnan().tolist() == [True, True, False]
        assert not pl.measure(net, x, map, f"{metric}:protocol=published").isnan().any()


def test_a_nearly_full_map_loses_nothing():
    """Why average drop is not to be read alone (Poppi et al., 2021)."""
    net, x, _ = some(2, (12, 12))
    full = torch.ones(2, 12, 12)
    full[:, 0, 0] = 0
    assert pl.measure(net, x, full, "average-drop").max() < 0.05


def test_a_model_that_is_sure_of_everything():
    """1 − p is formed in float64; where it is zero there is nothing to win."""
    x, map = random(1, 3, 8, 8), random(1, 8, 8, seed=1)
    assert float(pl.measure(Constant((40.0, 0.0)), x, map, "average-gain", target=0).nan_to_num(-1)) == -1
    assert float(pl.measure(Constant((30.0, 0.0)), x, map, "average-gain", target=0)) == 0
    assert average_gain(torch.tensor([1.0]), torch.tensor([1.0])).isnan().all()
    assert increase(torch.tensor([0.5]), torch.tensor([math.nan])).isnan().all()


# --- IROF -------------------------------------------------------------------------------------------------------------


def slow_irof(net, x, map, labels, target, fill=0.0):
    rows = []
    for i in range(len(x)):
        names = labels[i].unique().tolist()
        means = {k: float(map[i][labels[i] == k].double().mean()) for k in names}
        image, clean = x[i].clone(), float(probability(net, x[i : i + 1], target[i : i + 1]))
        curve = [1.0]
        for k in sorted(names, key=lambda k: -means[k]):
            image = torch.where(labels[i] == k, fill, image)
            curve.append(float(probability(net, image[None], target[i : i + 1])) / clean)
        rows.append(1 - slow_area(curve, "sound"))
    return rows


def test_irof_of_cells_and_of_superpixels():
    net, x, map = some(3, (24, 30))
    target = torch.tensor([0, 1, 2])
    cells = torch.tensor([[(r * 4 // 24) * 4 + c * 4 // 30 for c in range(30)] for r in range(24)]).expand(3, 24, 30)
    same(pl.measure(net, x, map, "irof:cells=4", target=target), slow_irof(net, x, map, cells, target))
    from skimage.segmentation import slic

    labels = torch.stack(
        [torch.tensor(slic(i.permute(1, 2, 0).double().numpy(), n_segments=15, start_label=0)) for i in x]
    )
    counts = labels.flatten(1).amax(1) + 1
    assert len(counts.unique()) > 1  # of images with different numbers each has its own axis
    same(pl.measure(net, x, map, "irof:segments=15", target=target), slow_irof(net, x, map, labels, target))
    alone = torch.cat([pl.measure(net, x[i : i + 1], map[i : i + 1], "irof:segments=15", target=i) for i in range(3)])
    same(alone, pl.measure(net, x, map, "irof:segments=15", target=target), 1e-6)


def test_irof_counts_to_the_last_segment_of_each_image():
    curve = torch.tensor([[0.5, 0.5, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0, 0.0]])
    same(irof(curve, torch.tensor([2, 4])), [1 - 0.75, 1 - 1.5 / 4], 1e-6)
    assert irof(torch.zeros(1, 3), torch.tensor([2])).isnan().all()


# --- monotonicity -----------------------------------------------------------------------------------------------------


def test_monotonicity_of_nguyen():
    net, x, map = some(2, (12, 12))
    target = torch.tensor([1, 3])
    colours = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    rows = []
    for i in range(2):
        clean, said, effect = float(logit(net, x[i : i + 1], target[i : i + 1])), [], []
        low, high = x[i].flatten(1).amin(1), x[i].flatten(1).amax(1)
        for r in range(0, 12, 4):
            for c in range(0, 12, 4):
                squares_ = []
                for u in colours:
                    image = x[i].clone()
                    image[:, r : r + 4, c : c + 4] = (low + (high - low) * u)[:, None, None]
                    squares_.append((clean - float(logit(net, image[None], target[i : i + 1]))) ** 2)
                said.append(float(map[i, r : r + 4, c : c + 4].abs().sum()))
                effect.append(sum(squares_) / 5)
        rows.append(spearmanr(said, effect)[0])
    same(pl.measure(net, x, map, "monotonicity:cells=3,samples=5", target=target), rows)


def test_monotonicity_of_arya():
    """A linear model rises when what speaks against the class is not among the cells; one cell that does is a fall."""
    net = Linear((1, 6, 6), classes=2)
    with torch.no_grad():
        net.head.weight[0] = net.head.weight[0].abs()
    x = random(2, 1, 6, 6).abs() + 0.1
    x[1, :, :2, :2] *= -1
    map = net.contributions(x, torch.tensor([0, 0]))
    same(pl.measure(net, x, map, "monotonicity:kind=arya,cells=3,into=0", target=0), [1, 1])  # the fall comes first
    same(pl.measure(net, x, map.abs(), "monotonicity:kind=arya,cells=3,into=0", target=0), [1, 0])
    assert rises(torch.tensor([[0.1, 0.4, 0.4 - 1e-9], [0.1, math.nan, 0.2]])).nan_to_num(-1).tolist() == [1, -1]


# --- sufficiency ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", (0.0, 0.1, 1.0))
def test_sufficiency(share):
    net, x, map = some(2, (10, 10))
    target, rows = torch.tensor([1, 3]), []
    for i in range(2):
        keep = torch.zeros(100, dtype=torch.bool)
        keep[map[i].flatten().argsort(descending=True)[: round(share * 100)]] = True
        left = probability(net, torch.where(keep.view(10, 10), x[i], 0.0)[None], target[i : i + 1])
        rows.append(float(left / probability(net, x[i : i + 1], target[i : i + 1])))
    same(pl.measure(net, x, map, f"sufficiency:share={share}", target=target), rows)
    if share == 1:
        same(rows, [1, 1], 1e-12)


# --- latent shift -----------------------------------------------------------------------------------------------------

ENCODER = nn.Sequential(nn.Conv2d(3, 4, 5, padding=2), nn.Tanh(), nn.AvgPool2d(4)).eval()  # [n, 4, h/4, w/4]


@pytest.mark.parametrize("protocol", ("sound", "published"))
@pytest.mark.parametrize("into", ("mean", "blur", "0.3"))
def test_latent_shift(protocol, into):
    x, map = smooth_images(2, (24, 24)), random(2, 24, 24, seed=4)
    sigma = 5 * 24 / 224
    empty = {"mean": torch.zeros_like(x), "0.3": torch.full_like(x, 0.3)}.get(into)
    if empty is None and protocol == "sound":
        empty = torch.tensor(gaussian_filter(x.numpy(), (0, 0, sigma, sigma), mode="reflect", truncate=9))
    elif empty is None:
        empty = GaussianBlur(21, sigma=5.0)(x)
    rows = []
    for i in range(2):
        place = map[i].abs().flatten().argsort(descending=True)[: int(576 * 0.2)]
        image = x[i].clone().flatten(1)
        image[:, place] = empty[i].flatten(1)[:, place]
        with torch.no_grad():
            moved = ENCODER(x[i : i + 1]) - ENCODER(image.view(1, 3, 24, 24))
        rows.append(float(moved.double().norm()) ** (2 if protocol == "published" else 1))
    ours = pl.measure(ENCODER, x, map, f"latent-shift:percent=20,into={into},protocol={protocol}")
    same(ours, rows, 1e-4)


def test_the_published_numbers_of_pixels():
    """Of MNIST, of beats, of CIFAR."""
    percents = (5, 10, 20, 50, 80, 100)
    assert LatentShift.counts(784, percents) == [39, 78, 156, 392, 627, 784]
    assert LatentShift.counts(140, percents) == [7, 14, 28, 70, 112, 140]
    assert LatentShift.counts(1024, percents) == [51, 102, 204, 512, 819, 1024]


def test_at_all_pixels_every_map_is_the_same():
    """With none there is no shift; the two norms are both there."""
    x = smooth_images(3, (16, 16))
    maps = [random(3, 16, 16, seed=seed) for seed in (1, 2)]
    one, two = (pl.measure(ENCODER, x, m, "latent-shift:percent=100") for m in maps)
    same(one, two, 1e-6)
    assert not pl.measure(ENCODER, x, maps[0], "latent-shift:percent=0").any()
    squared = pl.measure(ENCODER, x, maps[0], "latent-shift:percent=100,protocol=published")
    assert torch.allclose(squared, one.square(), rtol=1e-5)
    assert not torch.equal(*(pl.measure(ENCODER, x, m, "latent-shift:percent=50") for m in maps))


def test_latent_shift_of_a_linear_encoder():
    """‖W (x ∘ m)‖; large either way counts as important; an orthogonal turn of the representation changes nothing."""
    net, x, _, _ = linear()
    map = random(3, 8, 8, seed=5)
    gone = ranks(map.abs()) < 6
    expected = ((x * gone[:, None]).flatten(1) @ net.head.weight.T.detach()).norm(dim=1)
    same(pl.measure(net, x, map, "latent-shift"), expected, 1e-4)
    same(pl.measure(net, x, -map, "latent-shift"), expected, 1e-4)
    turn = torch.linalg.qr(random(4, 4, seed=6)).Q
    turned = nn.Sequential(net, nn.Linear(4, 4))
    with torch.no_grad():
        turned[1].weight.copy_(turn)
    same(pl.measure(turned, x, map, "latent-shift"), expected, 1e-4)


def test_the_mean_shift_over_percentages():
    """The area from nothing, whatever the order in which they are said."""
    x, map = smooth_images(2, (16, 16)), random(2, 16, 16)
    each = [pl.measure(ENCODER, x, map, f"latent-shift:percent={p}") for p in (10, 30, 60)]
    area_ = (each[0] / 2 * 10 + (each[0] + each[1]) / 2 * 20 + (each[1] + each[2]) / 2 * 30) / 60
    same(pl.measure(ENCODER, x, map, "latent-shift:percent=[10,30,60]"), area_, 1e-5)
    same(pl.measure(ENCODER, x, map, "latent-shift:percent=[60,10,30]"), area_, 1e-5)


def test_latent_shift_towards_a_given_image():
    """As for heart beats: the mean series of the healthy."""
    x, map = smooth_images(2, (16, 16)), random(2, 16, 16)
    mean = random(3, 16, 16, seed=9)
    ours = pl.measure(ENCODER, x, map, LatentShift(percent=100, into=mean))
    with torch.no_grad():
        same(ours, (ENCODER(x) - ENCODER(mean[None])).flatten(1).norm(dim=1), 1e-4)
    with pytest.raises(BadInput, match="give one number, or one image"):
        pl.measure(ENCODER, x, map, LatentShift(into=random(2, 16, 16)))


def test_classes_are_asked_of_classifiers_only():
    x, map = smooth_images(2, (16, 16)), random(2, 16, 16)
    for metric in REMOVING[:-1]:
        with pytest.raises(BadQuestion, match="measure an encoder by latent-shift"):
            pl.measure(ENCODER, x, map, metric)


# --- Quantus ----------------------------------------------------------------------------------------------------------

PLAIN = {
    "abs": False,
    "normalise": False,
    "disable_warnings": True,
    "return_aggregate": False,
    "perturb_baseline": 0.25,
}


def grey(n=4):
    """Images of one channel, in which Quantus' features are our pixels; a map with no ties."""
    net = Linear((1, 6, 6), scale=0.3)
    x, target = random(n, 1, 6, 6, seed=1), torch.arange(n) % 4
    return net.eval(), x, random(n, 6, 6, seed=2), target


def quantus(metric, net, x, map, target, **options):
    """Their numbers; a map [n, h, w] is repeated over the channels, as theirs is."""
    a = map[:, None] if map.ndim == 3 else map
    options = {"model": net, "softmax": True} | options  # what is the default differs from metric to metric
    found = metric(x_batch=x.numpy(), y_batch=target.numpy(), a_batch=a.numpy(), **options)
    return torch.as_tensor(np.asarray(found, dtype=np.float64))


@pytest.mark.peer
def test_pixel_flipping_of_quantus():
    """Their curve begins after the first pixel."""
    from quantus import PixelFlipping

    net, x, map, target = grey()
    theirs = quantus(PixelFlipping(features_in_step=1, **PLAIN), net, x, map, target)
    curve = Metric.make("pixel-flipping:steps=36,into=0.25").trace(case(net, x, map, target))
    same(curve[:, 1:], theirs)
    # their area, in steps: it grows with their number, while ours is a mean
    ours = flipping(curve, "under") * 36 - (curve[:, 0] + curve[:, 1]) / 2
    same(torch.trapezoid(theirs, dim=1), ours, 1e-4)


@pytest.mark.peer
def test_pixel_flipping_of_quantus_flips_channel_values():
    """R12: with three channels, each pixel takes three steps. Ours of the same values laid out in a line."""
    from quantus import PixelFlipping

    class Line(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x.view(len(x), 3, 6, 6))

    net, x, target = Linear((3, 6, 6), scale=0.3).eval(), random(2, 3, 6, 6), torch.tensor([0, 1])
    a = random(2, 3, 6, 6, seed=3)
    theirs = quantus(PixelFlipping(features_in_step=1, **PLAIN), net, x, a, target)
    assert theirs.shape == (2, 108)
    line = case(Line(net), x.view(2, 1, 108), a.view(2, 1, 108), target)
    same(Metric.make("pixel-flipping:steps=108,into=0.25").trace(line)[:, 1:], theirs)
    assert Metric.make("pixel-flipping:steps=108").trace(case(net, x, a.sum(1), target)).shape == (2, 37)


@pytest.mark.peer
def test_faithfulness_correlation_of_quantus(monkeypatch):
    """Their subsets come from NumPy's global chance, one for every image and run; we take what they drew."""
    from quantus import FaithfulnessCorrelation

    net, x, map, target = grey()
    drawn, choice = [], np.random.choice
    monkeypatch.setattr(np.random, "choice", lambda *args, **more: drawn.append(choice(*args, **more)) or drawn[-1])
    theirs = quantus(FaithfulnessCorrelation(nr_runs=20, subset_size=9, **PLAIN), net, x, map, target)
    clean, ours = probability(net, x, target), []
    for i in range(4):
        chosen = torch.zeros(20, 36, dtype=torch.bool)
        for run in range(20):
            chosen[run, torch.tensor(drawn[4 * run + i])] = True
        filled = torch.where(chosen.view(20, 1, 6, 6), 0.25, x[i])
        drop = clean[i] - probability(net, filled, target[i].expand(20))
        ours.append(correlation(subset_sums(map[i : i + 1], chosen), drop[None])[0])
    same(torch.stack(ours), theirs)


@pytest.mark.peer
def test_sensitivity_n_of_quantus_is_about_a_batch():
    """One number a step, over the images: a number a sample does not exist, and the others decide."""
    from quantus import SensitivityN

    net, x, map, target = grey(5)
    metric = SensitivityN(features_in_step=4, n_max_percentage=0.8, **PLAIN)
    theirs = quantus(metric, net, x, map, target)
    order, clean = map.flatten(1).argsort(descending=True), probability(net, x, target)
    said, drops, image = [], [], x.flatten(1).clone()
    for step in range(7):
        at = order[:, 4 * step : 4 * step + 4]
        image = image.scatter(1, at, 0.25)
        said.append(map.flatten(1).gather(1, at).sum(1).double())
        drops.append(clean - probability(net, image.view_as(x), target))
    same(correlation(torch.stack(said), torch.stack(drops)), theirs)
    assert theirs.shape == (7,)
    assert pl.measure(net, x, map, "sensitivity-n:into=0.25").shape == (5,)


@pytest.mark.peer
def test_irof_of_quantus(monkeypatch):
    """Their curve begins after the first segment, and its axis counts segments; images of one channel alone are taken.

    Their area calls a function that NumPy 2.4 no longer has (R11)."""
    from quantus import IROF

    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    net, x, map, target = Linear((1, 24, 24), scale=0.1).eval(), random(2, 1, 24, 24), random(2, 24, 24, seed=2), [0, 1]
    x = torch.tensor(gaussian_filter(x.numpy(), (0, 0, 2, 2)))
    target = torch.tensor(target)
    theirs = quantus(IROF(**PLAIN), net, x, map, target)
    ours = Metric.make("irof:segments=100,into=0.25")
    one = case(net, x, map, target)
    curve, counts = ours.trace(one), ours.labels(one).flatten(1).amax(1) + 1
    relative = curve / curve[:, :1]
    again = [c - torch.trapezoid(y[1 : c + 1]) for y, c in zip(relative, counts.tolist(), strict=True)]
    same(torch.stack(again), theirs, 1e-4)
    assert (theirs < -1).any()  # a share of an area it is not
    colour = smooth_images(2, (24, 24))
    with pytest.raises(AssertionError):  # a mask of one channel does not fit
        quantus(IROF(**PLAIN), Linear((3, 24, 24)).eval(), colour, map, target)
    assert pl.measure(Linear((3, 24, 24), scale=0.1), colour, map, "irof:segments=20").isfinite().all()


@pytest.mark.peer
def test_monotonicity_of_quantus_adds_nothing():
    """Every step replaces emptiness by emptiness: True for every map of every model."""
    from quantus import Monotonicity

    net, x, map, target = grey()
    for maps in (map, -map):
        theirs = quantus(Monotonicity(features_in_step=4, **PLAIN), net, x, maps, target)
        assert theirs.tolist() == [1, 1, 1, 1]
    ours = pl.measure(net, x, map, "monotonicity:kind=arya,cells=3,into=0.25,follows=probability", target=target)
    assert ours.tolist() == [0, 0, 0, 0]


@pytest.mark.peer
def test_monotonicity_correlation_of_quantus():
    """Their groups are neighbours in the order of the map, and filled with one number: Spearman as ours."""
    from quantus import MonotonicityCorrelation

    from pellucid.maths.similarity import spearman

    net, x, map, target = grey()
    theirs = quantus(
        MonotonicityCorrelation(features_in_step=4, nr_samples=1, **(PLAIN | {"abs": True})), net, x, map, target
    )
    order, clean = map.abs().flatten(1).argsort(), probability(net, x, target)
    said, effect = [], []
    for step in range(9):
        at = order[:, 4 * step : 4 * step + 4]
        said.append(map.abs().flatten(1).gather(1, at).sum(1).double())
        effect.append((probability(net, x.flatten(1).scatter(1, at, 0.25).view_as(x), target) - clean).square())
    same(spearman(torch.stack(said, 1)[:, None], torch.stack(effect, 1)[:, None]), theirs)


@pytest.mark.peer
def test_sufficiency_of_quantus_is_about_a_batch():
    """The score of the first four samples changes with the fifth, so that it cannot be one of ours."""
    from quantus import Sufficiency

    net, x, map, target = grey(5)
    metric = Sufficiency(threshold=0.9, **{k: v for k, v in PLAIN.items() if k != "perturb_baseline"})
    map[:2], map[4] = map[0], 50 * map[4]
    whole, four = quantus(metric, net, x, map, target), quantus(metric, net, x[:4], map[:4], target[:4])
    assert not torch.equal(whole[:4], four)
    ours = pl.measure(net, x, map, "sufficiency:into=0.25", target=target)
    same(pl.measure(net, x[:4], map[:4], "sufficiency:into=0.25", target=target[:4]), ours[:4], 1e-6)


@pytest.mark.peer
def test_road_of_quantus_refuses_colour():
    """R10; its score is that of the first batch, too."""
    from quantus import ROAD

    net, x, target = Linear((3, 6, 6)).eval(), random(2, 3, 6, 6), torch.tensor([0, 1])
    options = {k: v for k, v in PLAIN.items() if k not in ("perturb_baseline", "return_aggregate")}
    with pytest.raises(IndexError):
        quantus(ROAD(percentages=[50], **options), net, x, random(2, 6, 6), target)
    assert pl.measure(net, x, random(2, 6, 6), "road", target=target).isfinite().all()


# --- captum -----------------------------------------------------------------------------------------------------------


@pytest.mark.peer
@pytest.mark.parametrize("scaled", ("none", "any"))
@pytest.mark.parametrize("change", ("squares", "noise"))
def test_infidelity_of_captum(change, scaled):
    """Given our perturbations; of squares as what it calls multiplied by inputs, whose perturbation is the square."""
    from captum.metrics import infidelity as theirs

    net, x, map = some(3, (10, 12))
    target, chance = torch.tensor([0, 1, 2]), torch.Generator().manual_seed(2)
    if change == "squares":
        moved = random_squares((10, 12), 3, 40, chance).double()[:, None]
        factor = x.double()
    else:
        moved = torch.randn(40, 10, 12, generator=chance).double()[:, None]
        flat = x.flatten(1)
        factor = (0.1 * (flat.amax(1) - flat.amin(1))).double().view(-1, 1, 1, 1).expand_as(x)

    def perturb(inputs):
        rows = moved.repeat(3, 1, 1, 1)  # every image 40 times, one after the other
        step = rows * factor.repeat_interleave(40, 0)
        said = rows.expand_as(step) if change == "squares" else step
        return said, inputs - step

    attributions = map.double()[:, None].expand(3, 3, 10, 12) / 3  # the channels sum to the map
    found = theirs(
        net.double(), perturb, x.double(), attributions, target=target, n_perturb_samples=40, normalize=scaled == "any"
    )
    side = ",side=0.3" if change == "squares" else ""
    ours = pl.measure(
        net.float(), x, map, f"infidelity:change={change},scaled={scaled},samples=40,seed=2{side}", target=target
    )
    assert torch.allclose(ours.double(), found, rtol=1e-3)


# --- pytorch-grad-cam -------------------------------------------------------------------------------------------------


@pytest.mark.peer
def test_road_of_grad_cam():
    """Its percentile is what is kept when the most important go first, and its result the rise; without noise."""
    from pytorch_grad_cam.metrics.perturbation_confidence import (
        PerturbationConfidenceMetric,
        RemoveLeastRelevantFirst,
        RemoveMostRelevantFirst,
    )
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    net, x, _ = some(2, (15, 16))
    map = torch.rand(2, 15, 16, generator=torch.Generator().manual_seed(8))
    targets, found = [ClassifierOutputSoftmaxTarget(t) for t in (1, 3)], {}
    for order, remove in (("morf", RemoveMostRelevantFirst), ("lerf", RemoveLeastRelevantFirst)):
        rises_ = [
            PerturbationConfidenceMetric(remove(kept, NoisyLinearImputer(noise=0)))(x, map.numpy(), targets, net)
            for kept in (20, 40, 60, 80)
        ]
        found[order] = np.mean(rises_, axis=0)
        same(pl.measure(net, x, map, f"road:order={order},noise=0", target=[1, 3]), -found[order])
    same(pl.measure(net, x, map, "road:noise=0", target=[1, 3]), (found["lerf"] - found["morf"]) / 2)


@pytest.mark.peer
def test_road_of_grad_cam_with_its_noise():
    """Theirs is drawn anew every time: its mean over draws is near ours."""
    from pytorch_grad_cam.metrics.road import ROADCombined
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    net, x, _ = some(2, (16, 16))
    map = torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(8))
    targets = [ClassifierOutputSoftmaxTarget(t) for t in (1, 3)]
    theirs = ROADCombined(percentiles=[20, 40, 60, 80])(x, map.numpy(), targets, net)
    same(pl.measure(net, x, map, "road", target=[1, 3]), theirs, 0.01)


@pytest.mark.peer
def test_drop_and_increase_of_grad_cam():
    """An absolute drop, of a map in [0, 1] that multiplies the image as the model sees it."""
    from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence, IncreaseInConfidence
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    net, x, map = some(4, (12, 12))
    map = (map - map.amin((1, 2), keepdim=True)) / (map.amax((1, 2), keepdim=True) - map.amin((1, 2), keepdim=True))
    targets = [ClassifierOutputSoftmaxTarget(t) for t in range(4)]
    drop = DropInConfidence()(x, map.numpy(), targets, net)
    same(pl.measure(net, x, map, "average-drop:protocol=grad-cam", target=range(4)), drop)
    rise = IncreaseInConfidence()(x, map.numpy(), targets, net)
    same(pl.measure(net, x, map, "increase:protocol=published", target=range(4)), rise)
    published = pl.measure(net, x, map, "average-drop:protocol=published", target=range(4))
    same(published, torch.as_tensor(drop) / probability(net, x, torch.arange(4)))
    assert (published - torch.as_tensor(drop)).abs().max() > 0.01

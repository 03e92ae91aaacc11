"""CGC and GCC against their slow, obvious twins, and against what theory says of them."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd import grad, gradcheck
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, interpolate

from pellucid.explainers.hires_cam import hires_cam
from pellucid.maths.crops import cropped, random_boxes
from pellucid.networks import TinyViT
from pellucid.objectives import CGC, GCC, _heat
from pellucid.objectives._step import chance
from pellucid.objectives.cgc import cgc, enlarged, normalised, similarities, transformed
from pellucid.objectives.gcc import composites, gcc, other_classes, pasted, without

CLASSES = 4


class Net(nn.Module):
    """A small CNN with a head of one's choice; every image is its own affair where there is no BatchNorm."""

    def __init__(self, pool="mean", norm="batch", middle=None):
        super().__init__()
        norms = {"batch": nn.BatchNorm2d(6), "group": nn.GroupNorm(2, 6), "none": nn.Identity()}
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1), norms[norm], nn.ReLU(inplace=True), nn.Conv2d(6, 8, 3, 2, 1)
        )
        self.last = nn.ReLU(inplace=True)
        self.pool, self.middle = pool, middle or nn.Identity()
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.last(self.trunk(x))
        return self.head(self.middle(x.mean((2, 3)) if self.pool == "mean" else x.amax((2, 3))))


def network(kind):
    torch.manual_seed(1)
    made = {
        "gap": lambda: Net(),
        "max": lambda: Net("max"),
        "mlp": lambda: Net(middle=nn.Sequential(nn.Linear(8, 8), nn.GELU())),
        "vit": lambda: TinyViT(classes=CLASSES).build(),
    }
    return made[kind]()


def some(n=6, side=32, dtype=torch.float32):
    x = torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(2), dtype=dtype)
    return x, torch.arange(n) % CLASSES


def drawn(x, seed=3):
    generator = torch.Generator().manual_seed(seed)
    boxes = random_boxes(len(x), tuple(x.shape[2:]), generator)
    flips = torch.rand(len(x), generator=generator) < 0.5
    crop = cropped(x, random_boxes(len(x), tuple(x.shape[2:]), generator), ~flips, tuple(x.shape[2:]))
    return {"crop": crop, "augmented": cropped(x, boxes, flips, tuple(x.shape[2:])), "boxes": boxes, "flips": flips}


def gradients(net):
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in net.parameters()]


def close(a, b, tolerance=1e-5):
    """As near as the largest of them allows: what BatchNorm cancels is noise."""
    largest = max(float(y.abs().max()) for y in b)
    return all(torch.allclose(x, y, rtol=tolerance, atol=tolerance * largest) for x, y in zip(a, b, strict=True))


# --- the steps, told again -------------------------------------------------------------------------------------------


def looked(net, layer, x, tokens):
    """Output and feature map [n, k, h, w], by a hook."""
    kept = []
    handle = net.get_submodule(layer).register_forward_hook(lambda m, i, o: (kept.append(o), o.clone())[1])
    y = net(x)
    handle.remove()
    return y, kept[0], tokens


def heat(y, features, tokens, classes):
    """One image after another: gradient times feature, summed over the channels, what is above zero."""
    maps = []
    for b, c in enumerate(classes.tolist()):
        g = grad(y[b, c], features, create_graph=True)[0][b]
        product = g * features[b]
        if tokens:
            side = math.isqrt(len(product) - 1)
            maps.append(product[1:].sum(1).reshape(side, side).clamp_min(0))
        else:
            maps.append(product.sum(0).clamp_min(0))
    return maps


def grown(m, size):
    m = interpolate(m[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
    return m / (m.sum() + 1e-8) + 1e-8


def cos(a, b):
    return (a.flatten() / a.norm() * (b.flatten() / b.norm())).sum()


def told_cgc(net, layer, tokens, x, y, views, temperature, weight):
    size = tuple(x.shape[2:])
    first = looked(net, layer, x, tokens)
    crop = net(views["crop"])
    second = looked(net, layer, views["augmented"], tokens)
    classes = first[0].argmax(1)
    own, asked = heat(*first, classes), heat(*second, classes)
    there, here = [], []
    for b in range(len(x)):
        top, left, tall, wide = views["boxes"][b].tolist()
        cut = grown(own[b], size)[top : top + tall, left : left + wide]
        cut = interpolate(cut[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
        there.append(cut.flip(1) if views["flips"][b] else cut)
        here.append(grown(asked[b], size))
    losses = []
    for b in range(len(x)):
        logits = [cos(here[b], there[b])] + [cos(here[b], here[k]) for k in range(len(x)) if k != b]
        logits = torch.stack(logits) / temperature
        losses.append(-(logits[0].exp() / logits.exp().sum()).log())
    consistency = torch.stack(losses).mean()
    return sum(cross_entropy(out, y) for out in (first[0], crop, second[0])) + weight * consistency


def told_gcc(net, layer, tokens, x, y, others, cells, weight):
    size = x.shape[2]
    composite = []
    for b, q in enumerate(cells.tolist()):
        rest = list(others[b])
        four = [x[b] if i == q else rest.pop(0) for i in range(4)]
        composite.append(torch.cat([torch.cat(four[:2], 2), torch.cat(four[2:], 2)], 1))
    assert composite[0].shape[1] == 2 * size
    first = looked(net, layer, x, tokens)
    second = looked(net, layer, torch.stack(composite), tokens)
    total = 0
    for b, (small, large) in enumerate(zip(heat(*first, y), heat(*second, y), strict=True)):
        small, large = small / (small.sum() + 1e-8) + 1e-8, large / (large.sum() + 1e-8) + 1e-8
        target = torch.zeros_like(large)
        row, column = int(cells[b]) // 2 * small.shape[0], int(cells[b]) % 2 * small.shape[1]
        target[row : row + small.shape[0], column : column + small.shape[1]] = small
        total = total + (large - target).abs().mean()
    return cross_entropy(first[0], y) + weight * total / len(x)


LAYERS = {"gap": "last", "max": "last", "mlp": "last", "vit": "blocks.1.norm1"}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("training", [True, False])
def test_cgc_is_the_step_told_again(kind, training):
    net = network(kind).train(training)
    twin, (x, y) = copy.deepcopy(net), some()
    views = drawn(x)
    bound = CGC(weight=2.0, layer=LAYERS[kind]).bind(net, images=x)
    loss, terms = bound({"images": x, "labels": y, **views})
    assert set(terms) == {"ce", "ce_crop", "ce_augmented", "cgc"}
    assert bound.watch["cgc_zero"] == 0
    loss.backward()
    with sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
        told = told_cgc(twin, LAYERS[kind], kind == "vit", x, y, views, 0.5, 2.0)
    told.backward()
    assert torch.allclose(loss, told, atol=1e-5)
    assert close(gradients(net), gradients(twin), 1e-4)


@pytest.mark.parametrize("kind", LAYERS)
def test_gcc_is_the_step_told_again(kind):
    net = network(kind).train()
    twin, (x, y) = copy.deepcopy(net), some()
    others = torch.randn(len(x), 3, *x.shape[1:])
    bound = GCC(layer=LAYERS[kind], weight=40.0).bind(net, images=x)
    loss, _ = bound({"images": x, "labels": y, "others": others})
    loss.backward()
    assert bound.watch["gcc_left_out"] == 0
    cells = (torch.rand(len(x), 8, generator=chance(0, 0, "gcc"))[:, 1] * 4).long()
    with sdpa_kernel(SDPBackend.MATH):
        told = told_gcc(twin, LAYERS[kind], kind == "vit", x, y, others, cells, 40.0)
    told.backward()
    assert len(cells.unique()) > 1
    assert torch.allclose(loss, told, atol=1e-5)
    assert close(gradients(net), gradients(twin), 1e-4)


# --- heat-maps: the closed form and the way back ---------------------------------------------------------------------


@pytest.mark.parametrize("explainer", ["hires-cam", "grad-cam", "grad-cam-pp", "layer-cam", "xgrad-cam"])
@pytest.mark.parametrize("objective", [CGC, GCC])
def test_the_closed_form_is_the_double_backward(objective, explainer):
    """Of average pooling and one linear layer; every weight's gradient, the convolutions' too."""
    x, y = some()
    found = []
    for way in ("auto", "double-backward"):
        net = network("gap").train()
        bound = objective(weight=10.0, explainer=explainer, way=way).bind(net, images=x)
        loss, _ = bound((x, y))
        loss.backward()
        found.append((loss.detach(), gradients(net), next(iter(bound.parts.values()))._heads))
    (a, of_a, closed), (b, of_b, open_) = found
    assert set(closed.values()) == {"head"}
    assert not open_
    assert torch.allclose(a, b, atol=1e-6)
    assert close(of_a, of_b, 1e-5)


def map_of(net, x, classes, way):
    """The heat-map of an objective's part, and the gradient of a sum over it."""
    bound = CGC(way=way, layer="last").bind(net, images=x)
    step = bound._step((x, classes))
    maps = bound.parts["cgc"].heat(step, x, classes)
    weights = torch.arange(maps.numel()).view_as(maps) / maps.numel()
    return (
        maps.detach(),
        grad((maps * weights).sum(), [net.trunk[0].weight, net.trunk[3].weight, net.head.weight]),
        bound,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_behind_average_pooling_the_map_is_cam(dtype):
    net, (x, y) = network("gap").to(dtype), some(dtype=dtype)
    closed, of_closed, _ = map_of(net, x, y, "auto")
    pulled, of_pulled, _ = map_of(net, x, y, "double-backward")
    features = net.last(net.trunk(x))
    by_hand = torch.einsum("nk,nkhw->nhw", net.head.weight[y], features).relu() / (8 * 8)
    assert bool((by_hand > 0).any())
    for maps in (closed, pulled):
        assert torch.allclose(maps, by_hand, atol=1e-6)
    assert close(of_closed, of_pulled, 1e-6 if dtype == torch.float64 else 1e-5)


def test_behind_max_pooling_it_is_not():
    net, (x, y) = network("max"), some()
    pulled, _, bound = map_of(net, x, y, "auto")
    features = net.last(net.trunk(x))
    cam = torch.einsum("nk,nkhw->nhw", net.head.weight[y], features).relu().detach() / (8 * 8)
    assert list(bound.parts["cgc"]._heads.values()) == [None]
    assert float((pulled - cam).abs().max()) > 0.1 * float(cam.max())


def test_a_head_that_begins_at_zero_is_not_taken_for_average_pooling():
    """Zeros make the same output behind any pooling; the question is asked again when they have moved."""
    net, (x, y) = network("max").train(), some()
    nn.init.zeros_(net.head.weight)
    bound = CGC(layer="last").bind(net, images=x)
    part = bound.parts["cgc"]
    bound((x, y))[0].backward()
    assert part._heads == {}
    with torch.no_grad():
        net.head.weight.normal_()
    bound((x, y))
    assert list(part._heads.values()) == [None]


def test_a_head_that_is_nearly_zero_is_told_by_its_gradient():
    """Its outputs are too small to tell one pooling from another."""
    net, (x, y) = network("max").train(), some()
    with torch.no_grad():
        net.head.weight.mul_(1e-6)
    bound = CGC(layer="last").bind(net, images=x)
    bound((x, y))
    assert list(bound.parts["cgc"]._heads.values()) == [None]


def test_dropout_before_the_head_is_met_by_the_other_way():
    net, (x, y) = Net(middle=nn.Dropout(0.5)), some()
    bound = CGC(layer="last").bind(net, images=x)
    for training in (True, False):
        net.train(training)
        bound((x, y))
    assert bound.parts["cgc"]._heads == {(True, (8, 8)): None, (False, (8, 8)): "head"}


def test_an_exchanged_head_is_followed():
    net, (x, y) = network("gap").train(), some()
    bound = CGC(layer="last").bind(net, images=x)
    bound((x, y))
    net.head = nn.Linear(8, CLASSES)
    bound((x, y))[0].backward()
    alone = CGC(layer="last", way="double-backward").bind(net, images=x)
    for b in (bound, alone):
        b.number = 7
    assert torch.allclose(bound((x, y))[0], alone((x, y))[0], atol=1e-6)


def test_the_closed_form_has_the_derivatives_it_says():
    torch.manual_seed(0)
    features = torch.rand(3, 5, 2, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    classes = torch.tensor([0, 3, 3])

    def closed(features, weight):
        return hires_cam(features, _heat.pooled_gradient(weight, classes, (2, 3))).relu()

    def twice(features, weight):
        score = (features.mean((2, 3)) @ weight.T).gather(1, classes[:, None]).sum()
        return hires_cam(features, grad(score, features, create_graph=True)[0]).relu()

    assert torch.allclose(closed(features, weight), twice(features, weight), atol=1e-12)
    assert gradcheck(closed, (features, weight))
    assert gradcheck(twice, (features, weight))


def test_no_side_of_the_loss_is_detached():
    x, y = some()
    seen = []
    for side in (None, 0, 1):
        net = network("gap").eval()
        bound = CGC(layer="last").bind(net, images=x)
        part, calls = bound.parts["cgc"], []
        draw = part.heat

        def heat(*args, draw=draw, calls=calls, side=side):
            calls.append(draw(*args))
            return calls[-1].detach() if len(calls) - 1 == side else calls[-1]

        part.heat = heat
        _, terms = bound._step((x, y)), part(bound._step((x, y)))
        seen.append(grad(terms["cgc"], [net.trunk[0].weight, net.head.weight]))
    whole, *halves = seen
    for w, a, b in zip(whole, *halves, strict=True):
        assert float(w.abs().max()) > 0
        assert torch.allclose(w, a + b, atol=1e-6)
        assert float(a.abs().max()) > 0
        assert float(b.abs().max()) > 0


# --- the formulas ----------------------------------------------------------------------------------------------------


def test_the_formulas_of_cgc_have_derivatives():
    torch.manual_seed(0)
    maps = torch.rand(3, 3, 4, dtype=torch.float64, requires_grad=True)
    others = torch.rand(3, 3, 4, dtype=torch.float64, requires_grad=True)
    boxes, flips = torch.tensor([[0, 0, 6, 8], [1, 2, 4, 3], [3, 1, 2, 6]]), torch.tensor([True, False, True])
    size = (6, 8)

    def loss(maps, others):
        own, asked = normalised(maps, size), normalised(others, size)
        there, here = transformed(own, boxes, flips, size), enlarged(asked, size)
        positive = torch.cosine_similarity(there.flatten(1), here.flatten(1))
        return cgc(positive, similarities(asked, asked, size), ~torch.eye(3, dtype=torch.bool), 0.5)

    assert gradcheck(loss, (maps, others))


def test_the_formula_of_gcc_has_derivatives():
    torch.manual_seed(0)
    small = torch.rand(3, 2, 3, dtype=torch.float64, requires_grad=True)
    large = torch.rand(3, 4, 6, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda a, b: gcc(a, b, torch.tensor([0, 3, 1])), (small, large))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(9, 40), st.integers(9, 40), st.integers(0, 99))
def test_similarities_are_those_of_the_enlarged_maps(h, w, height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.rand(n, h, w, generator=generator) for n in (2, 3))
    size = (height, width)
    slow = torch.stack([torch.stack([cos(enlarged(x[None], size), enlarged(y[None], size)) for y in b]) for x in a])
    assert torch.allclose(similarities(a, b, size), slow, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 99))
def test_a_normalised_map_is_normalised_at_the_size_of_the_image(h, w, seed):
    heat = torch.rand(2, h, w, generator=torch.Generator().manual_seed(seed))
    size = (32 * h + 3, 32 * w + 1)
    slow = interpolate(heat[:, None].double(), size=size, mode="bilinear")[:, 0]
    slow = slow / (slow.sum((1, 2), keepdim=True) + 1e-8) + 1e-8
    assert torch.allclose(enlarged(normalised(heat, size), size).double(), slow, rtol=2e-6, atol=1e-10)
    assert torch.equal(normalised(0 * heat, size), torch.full_like(heat, 1e-8))


def test_an_identical_view_has_cosine_one():
    net, (x, y) = network("gap").eval(), some()
    boxes, flips = torch.tensor([[0, 0, 32, 32]]).repeat(len(x), 1), torch.zeros(len(x), dtype=torch.bool)
    bound = CGC().bind(net, images=x)
    bound({"images": x, "labels": y, "augmented": x.clone(), "boxes": boxes, "flips": flips})
    assert float(bound.watch["cgc_positive"]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.01, 0.5, 3.0])
def test_the_bounds_of_the_contrast(temperature):
    """Even maps: log B. No maps can do better than log(1 + (B − 1) exp(−1/T)), for cosines are not negative."""
    n, size = 5, (32, 32)
    negative = ~torch.eye(n, dtype=torch.bool)
    even = torch.full((n, 4, 4), 1 / 16)
    flat = cgc(torch.ones(n), similarities(even, even, size), negative, temperature)
    assert torch.allclose(flat, torch.tensor(n).log().expand(n), atol=1e-4 / temperature)
    best = math.log1p((n - 1) * math.exp(-1 / temperature))
    assert torch.allclose(cgc(torch.ones(n), torch.zeros(n, n), negative, temperature), torch.tensor(best), atol=1e-6)
    for seed in range(20):
        maps = torch.rand(n, 4, 4, generator=torch.Generator().manual_seed(seed)) ** 8
        value = cgc(torch.ones(n), similarities(maps, maps, size), negative, temperature)
        assert float(value.min()) >= best - 1e-6
    assert math.log(64) == pytest.approx(4.16, abs=0.005)
    assert math.log1p(63 * math.exp(-2)) == pytest.approx(2.25, abs=0.005)


def test_maps_without_anything_in_common_are_alike_after_upsampling():
    """The sheet's 0.85 of 7 × 7 cells at 224 pixels."""
    maps = torch.rand(64, 7, 7, generator=torch.Generator().manual_seed(0))
    between = similarities(maps, maps, (224, 224))[~torch.eye(64, dtype=torch.bool)]
    assert float(between.mean()) == pytest.approx(0.85, abs=0.05)


@pytest.mark.parametrize("protocol", ["sound", "paper", "published", "reproduction"])
def test_without_negatives(protocol):
    net, (x, y) = network("gap").eval(), some()
    bound = CGC(negatives=False, protocol=protocol).bind(net, images=x)
    _, terms = bound({"images": x, "labels": y, **drawn(x)})
    gap = 2 - 2 * bound.watch["cgc_positive"]
    assert float(terms["cgc"]) == pytest.approx(float(gap) / (1 if protocol == "sound" else 32 * 32), rel=1e-4)
    a, b = torch.rand(2, 4, 4).unbind()
    literal = ((a / a.norm() - b / b.norm()) ** 2).mean()
    assert float(literal) == pytest.approx(float(2 - 2 * cos(a, b)) / 16, abs=1e-6)


# --- composites ------------------------------------------------------------------------------------------------------


def test_a_composite_has_the_image_in_its_cell():
    x, others, cell = torch.rand(8, 3, 5, 6), torch.rand(8, 3, 3, 5, 6), torch.arange(8) % 4
    whole = composites(x, others, cell)
    assert whole.shape == (8, 3, 10, 12)
    for b, q in enumerate(cell.tolist()):
        rest = list(others[b])
        for i in range(4):
            r, c = 5 * (i // 2), 6 * (i % 2)
            assert torch.equal(whole[b, :, r : r + 5, c : c + 6], x[b] if i == q else rest.pop(0))


def test_a_target_has_its_mass_in_its_cell():
    maps = torch.rand(4, 7, 7)
    maps = maps / maps.sum((1, 2), keepdim=True)
    target = pasted(maps, torch.arange(4))
    assert torch.allclose(target.sum((1, 2)), torch.ones(4), atol=1e-6)
    assert torch.equal(target[0, :7, :7], maps[0])
    assert torch.equal(target[1, :7, 7:], maps[1])
    assert torch.equal(target[2, 7:, :7], maps[2])
    assert torch.equal(target[3, 7:, 7:], maps[3])
    assert int((target > 0).sum()) == int((maps > 0).sum())


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_gcc_is_bounded(h, w, seed):
    generator = torch.Generator().manual_seed(seed)
    small, large = (torch.rand(4, k * h, k * w, generator=generator) ** 4 + 0.01 for k in (1, 2))
    small, large = (m / (m.sum((1, 2), keepdim=True) + 1e-8) + 1e-8 for m in (small, large))
    loss = gcc(small, large, torch.arange(4))
    cells = 4 * h * w
    assert float(loss.min()) >= 0
    assert float(loss.max()) <= 2 / cells + 1e-6
    assert float(gcc(small, pasted(small, torch.arange(4)), torch.arange(4)).max()) == 0
    apart = gcc(small, pasted(small, torch.tensor([3, 2, 1, 0])), torch.arange(4))
    assert torch.allclose(apart, torch.tensor(2 / cells), atol=2e-6)


def test_the_others_are_a_class_uniformly_and_then_a_picture_of_it():
    labels = torch.tensor([0, 1, 1, 1, 3, 3, 0, 5])
    draws = torch.rand(8, 4000, 2, generator=torch.Generator().manual_seed(0))
    rows, there = other_classes(labels, labels, draws, 7)
    assert bool(there.all())
    for i, own in enumerate(labels.tolist()):
        picked = labels[rows[i]]
        wanted = sorted({0, 1, 3, 5} - {own})
        assert sorted(picked.unique().tolist()) == wanted
        for c in wanted:
            assert float((picked == c).float().mean()) == pytest.approx(1 / 3, abs=0.03)
            pictures = rows[i][picked == c].bincount(minlength=8)[labels == c].float()
            assert float((pictures / pictures.sum() - 1 / len(pictures)).abs().max()) < 0.05


def test_where_all_are_of_one_class_there_are_no_others():
    rows, there = other_classes(torch.tensor([2, 2]), torch.tensor([2, 2]), torch.rand(2, 3, 2), 4)
    assert not bool(there.any())
    assert bool((rows < 2).all())


def test_of_several_labels_the_others_lack_the_one():
    labels = torch.tensor([[1, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 1]]).bool()
    rows, there = without(
        torch.tensor([0, 2, 1]), labels, torch.rand(3, 500, generator=torch.Generator().manual_seed(0))
    )
    assert there.tolist() == [True, False, True]
    assert rows[0].unique().tolist() == [1, 3]
    assert rows[2].unique().tolist() == [0, 3]
    assert float((rows[0] == 1).float().mean()) == pytest.approx(0.5, abs=0.08)


def test_several_labels_are_a_sum_of_binary_cross_entropies_and_one_true_class():
    net, (x, _) = network("gap").eval(), some(8)
    y = (torch.rand(8, CLASSES, generator=torch.Generator().manual_seed(4)) < 0.5).long()
    bound = GCC(weight=1.0).bind(net, images=x)
    _, terms = bound((x, y))
    sums = binary_cross_entropy_with_logits(net(x), y.float(), reduction="none").sum(1).detach()
    assert float(terms["ce"]) == pytest.approx(float(sums.mean()), rel=1e-5)
    part, step = bound.parts["gcc"], bound._step((x, y))
    classes, one = part._classes(step, torch.rand(8))
    assert torch.equal(one, y.any(1))
    assert bool(y[torch.arange(8), classes][one].all())

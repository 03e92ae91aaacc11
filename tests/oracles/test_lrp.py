"""Relevance beside zennit, gradients, and re-tellings that send it back by hand, one layer after another."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import pellucid as pl
from pellucid.contracts.case import images, model
from pellucid.contracts.explainers import _same, _state
from pellucid.errors import MissingExtra
from pellucid.explainers.lrp import bounds, composite, relevance_rules
from pellucid.networks._load import Card, _carded
from pellucid.subject.functions import exchanged
from tests.oracles.networks import SIDE, network, pictures
from tests.oracles.peers import TARGET, close, only

COMPOSITES = ("epsilon-plus", "epsilon-gamma-box", "epsilon-alpha2-beta1")


def relevance(net, x, text, **options):
    return pl.explain(net, x, text, **{"target": 1, **options}).raw


def mlp(bias=True):
    torch.manual_seed(1)
    layers = (nn.Linear(12, 9, bias), nn.ReLU(), nn.Linear(9, 7, bias), nn.ReLU(), nn.Linear(7, 4, bias))
    return nn.Sequential(nn.Flatten(), *layers).double()


def x(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stabilised(z, epsilon):
    return z + epsilon * torch.where(z < 0, -1.0, 1.0)


# --- networks of ReLUs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
def test_without_epsilon_it_is_input_times_gradient(bias):
    net, at = mlp(bias), x(5, 3, 2, 2)
    truth = relevance(net, at, "input-x-gradient")
    torch.testing.assert_close(relevance(net, at, "lrp:epsilon=0"), truth, rtol=0, atol=1e-12)
    torch.testing.assert_close(relevance(net, at, "lrp:epsilon=1e-10"), truth, rtol=0, atol=1e-6)
    total = relevance(net, at, "lrp:epsilon=1e-10").sum((1, 2, 3))
    owed = net(at)[:, 1].detach()
    assert ((total - owed).abs().max() < 1e-6) is not bias  # biases absorb


@pytest.mark.parametrize("epsilon", [0.0, 1e-6, 0.25, 3.0])
@pytest.mark.parametrize("ask", ["logit", "contrast"])
def test_epsilon_sent_back_by_hand(epsilon, ask):
    net, at = mlp(), x(2, 3, 2, 2)
    e = pl.explain(net, at, f"lrp:epsilon={epsilon}", ask=ask, target=1)
    for i in range(2):
        activations = [at[i].flatten()]
        for layer in net[1:]:
            activations.append(layer(activations[-1]).detach())
        others = activations[-1].clone()
        others[1] = -torch.inf
        v = F.one_hot(torch.tensor(1), 4) - (others.softmax(0) if ask == "contrast" else 0)
        r = v * activations[-1]
        for layer, a, z in zip(reversed(net[1:]), reversed(activations[:-1]), reversed(activations[1:]), strict=True):
            if isinstance(layer, nn.Linear):
                r = torch.stack([
                    sum(a[k] * layer.weight[j, k] / stabilised(z[j], epsilon) * r[j] for j in range(len(z)))
                    for k in range(len(a))
                ]).detach()  # fmt: skip
        torch.testing.assert_close(e.raw[i].flatten(), r, rtol=0, atol=1e-12)


def test_relevance_is_linear_in_the_question():
    net, at = mlp(), x(2, 3, 2, 2)
    each = torch.stack([relevance(net, at, "lrp:epsilon=0.3", target=t) for t in range(4)])
    alpha = net(at).detach().index_fill(1, torch.tensor(1), -torch.inf).softmax(1)
    wanted = each[1] - torch.einsum("nt,tnchw->nchw", alpha, each)
    torch.testing.assert_close(relevance(net, at, "lrp:epsilon=0.3", ask="contrast"), wanted, rtol=0, atol=1e-12)


class Ways(nn.Module):
    """One network, its parts written in several ways."""

    def __init__(self, way):
        super().__init__()
        torch.manual_seed(5)
        self.conv, self.norm, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Linear(6, 4)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)
        self.way = way

    def forward(self, image):
        if self.way == "modules":
            y = nn.ReLU(inplace=True)(self.norm(self.conv(image)))
            return self.head(nn.AdaptiveAvgPool2d(1)(y + y.roll(1, 2)).flatten(1))
        if self.way == "functions":
            n = self.norm
            y = F.conv2d(image, self.conv.weight, self.conv.bias, padding=1)
            y = F.relu(F.batch_norm(y, n.running_mean, n.running_var, n.weight, n.bias, eps=n.eps))
            z = y.clone()
            z += y.roll(1, 2)
            return F.linear(F.adaptive_avg_pool2d(z, 1).flatten(1), self.head.weight, self.head.bias)
        scale = self.norm.weight / (self.norm.running_var + self.norm.eps).sqrt()
        bias = (self.conv.bias - self.norm.running_mean) * scale + self.norm.bias
        y = F.conv2d(image, self.conv.weight * scale[:, None, None, None], bias, padding=1).relu_()
        return self.head(torch.add(y, y.roll(1, 2)).mean((2, 3)))  # BatchNorm in the convolution


@pytest.mark.parametrize("way", ["functions", "merged"])
def test_it_does_not_matter_how_the_network_is_written(way):
    at = x(2, 3, 6, 7)
    usual, other = (relevance(Ways(w).double().eval(), at, "lrp:epsilon=0.1") for w in ("modules", way))
    torch.testing.assert_close(other, usual, rtol=1e-9, atol=1e-12)
    assert usual.abs().max() > 1e-4


# --- transformers ----------------------------------------------------------------------------------------------------


def linear_back(a, weight, bias, r, epsilon):
    z = stabilised(a @ weight.T + (0 if bias is None else bias), epsilon)
    return a * ((r / z) @ weight)


def norm_back(a, norm, r):
    """The standard deviation is a number; what is left is linear."""
    scale = 1 / (a.var(-1, keepdim=True, correction=0) + norm.eps).sqrt()
    size = a.shape[-1]
    centre = torch.eye(size, dtype=a.dtype) - 1 / size
    out = torch.zeros_like(a)
    for index in torch.cartesian_prod(*(torch.arange(n) for n in a.shape[:-1])):
        i = tuple(index.tolist())
        weight = norm.weight[:, None] * centre * scale[i]
        z = weight @ a[i] + norm.bias
        out[i] = a[i] * (weight.T @ (r[i] / z))
    return out


def sum_back(a, b, r, epsilon):
    share = r / stabilised(a + b, epsilon)
    return a * share, b * share


def attention_back(a, block, r, epsilon):
    d = a.shape[-1]
    qkv = block.qkv(a)
    q, k, v = qkv.unflatten(-1, (3, block.heads, -1)).permute(2, 0, 3, 1, 4)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    s = scores.softmax(-1)
    mixed = s @ v
    r = linear_back(mixed.transpose(1, 2).flatten(2), block.proj.weight, block.proj.bias, r, epsilon)
    r = r.unflatten(-1, (block.heads, -1)).transpose(1, 2)
    rs = 0.5 * s * ((r / mixed) @ v.transpose(-1, -2))
    rv = 0.5 * v * (s.transpose(-1, -2) @ (r / mixed))
    rx = scores * (rs - s * rs.sum(-1, keepdim=True))  # softmax, by Taylor
    ratio = rx / scores / q.shape[-1] ** 0.5
    rq, rk = 0.5 * q * (ratio @ k), 0.5 * k * (ratio.transpose(-1, -2) @ q)
    r = torch.stack([rq, rk, rv]).permute(1, 3, 0, 2, 4).reshape(*a.shape[:2], 3 * d)
    return linear_back(a, block.qkv.weight, block.qkv.bias, r, epsilon)


def slow_attnlrp(net, at, target, epsilon):
    """Relevance of the tiny ViT's image, every rule as it is written on paper."""
    patches = net.patches(at)
    grid = patches + F.interpolate(net.positions, patches.shape[2:], mode="bilinear")
    tokens = torch.cat([net.token.expand(len(at), -1, -1), grid.flatten(2).transpose(1, 2)], 1)
    kept = []
    for block in net.blocks:
        a1 = block.norm1(tokens)
        mixed = block.attention(a1)
        middle = tokens + mixed
        a2 = block.norm2(middle)
        hidden = block.mlp[0](a2)
        out = block.mlp(a2)
        kept.append((block, tokens, a1, mixed, middle, a2, hidden, out))
        tokens = middle + out
    last = net.norm(tokens)
    y = net.head(last[:, 0])
    r = linear_back(last[:, 0], net.head.weight, net.head.bias, y * F.one_hot(torch.tensor(target), 5), epsilon)
    r = norm_back(tokens, net.norm, torch.cat([r[:, None], torch.zeros_like(last[:, 1:])], 1))
    for block, before, a1, mixed, middle, a2, hidden, out in reversed(kept):
        r, r_out = sum_back(middle, out, r, epsilon)
        r_out = linear_back(block.mlp[1](hidden), block.mlp[2].weight, block.mlp[2].bias, r_out, epsilon)
        r_out = linear_back(a2, block.mlp[0].weight, block.mlp[0].bias, r_out, epsilon)  # GELU hands it on
        r = r + norm_back(middle, block.norm2, r_out)
        r, r_mixed = sum_back(before, mixed, r, epsilon)
        r = r + norm_back(before, block.norm1, attention_back(a1, block.attention, r_mixed, epsilon))
    r = r[:, 1:].transpose(1, 2).view_as(grid)
    share = r / stabilised(grid, epsilon) * patches / stabilised(patches, epsilon)
    weight = net.patches.weight
    return at * F.conv_transpose2d(share, weight, stride=weight.shape[-1])


def test_attnlrp_sent_back_by_hand():
    net, at, epsilon = model("tiny-vit", torch.float64), images(2, dtype=torch.float64), 1e-4
    with torch.no_grad():
        theirs = slow_attnlrp(net, at, 1, epsilon)
    ours = relevance(net, at, f"lrp:epsilon={epsilon}")
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()  # GELU: f(x)/x has a floor


@only("convnext_tiny", "vit_b_16", "resnet18")
def test_the_answer_is_unchanged(name):
    net, at = network(name), pictures()
    with torch.no_grad():
        truth = net(at)
    with exchanged(relevance_rules(1e-6)):
        ours = net(at.clone().requires_grad_())
    close(ours, truth, 1e-4)


@pytest.mark.parametrize("weights", [True, False])
def test_attention_of_torch_is_opened(weights):
    """Multi-head attention as torch has it, and by hand."""

    class By(nn.Module):
        def __init__(self, hand):
            super().__init__()
            torch.manual_seed(2)
            self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3)
            nn.init.normal_(self.attention.in_proj_bias)
            self.hand = hand

        def forward(self, image):
            tokens = image.flatten(2).transpose(1, 2)
            if not self.hand:
                return self.head(self.attention(tokens, tokens, tokens, need_weights=weights)[0].mean(1))
            m = self.attention
            qkv = F.linear(tokens, m.in_proj_weight, m.in_proj_bias)
            q, k, v = qkv.unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
            s = (q @ k.transpose(-1, -2) / 2).softmax(-1)
            return self.head(m.out_proj((s @ v).transpose(1, 2).flatten(2)).mean(1))

    at = x(2, 8, 3, 3)
    hand, theirs = (relevance(By(h).double().eval(), at, "lrp:epsilon=0") for h in (True, False))
    torch.testing.assert_close(theirs, hand, rtol=1e-8, atol=1e-10)
    gradient = relevance(By(True).double().eval(), at, "input-x-gradient")
    assert (gradient - hand).abs().max() > 0.1 * hand.abs().max()


NORMS = {
    "layer": lambda: nn.LayerNorm([4, 3, 3], bias=False),
    "group": lambda: nn.GroupNorm(2, 4),
    "rms": lambda: nn.RMSNorm([4, 3, 3]),
}


@pytest.mark.parametrize("norm", NORMS)
def test_norms_hold_their_scale(norm):
    """Of a mean of zero, what comes out goes in: all of it, where a plain gradient sends nothing."""
    torch.manual_seed(0)
    at = x(2, 4, 3, 3)
    groups = at.unflatten(1, (2, 2))
    at = (groups - groups.mean((2, 3, 4), keepdim=True)).flatten(1, 2)
    net = nn.Sequential(NORMS[norm](), nn.Flatten(), nn.Linear(36, 3, bias=False)).double()
    nn.init.normal_(net[0].weight)
    total = relevance(net, at, "lrp:epsilon=0").sum((1, 2, 3))
    torch.testing.assert_close(total, net(at)[:, 1].detach(), rtol=1e-9, atol=1e-12)
    lost = relevance(net, at, "input-x-gradient").sum((1, 2, 3))
    assert lost.abs().max() < 1e-3 * total.abs().max()


CURVES = (nn.GELU(), nn.SiLU(), nn.SiLU(inplace=True), nn.Hardswish(inplace=True), nn.Tanh(), nn.ELU(), nn.Mish(),
          nn.LeakyReLU(0.2), nn.PReLU(), nn.ReLU6())  # fmt: skip


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_curves_hand_on_what_they_get(curve):
    at = x(2, 4, 3, 3)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 20, bias=False), copy.deepcopy(curve), nn.Linear(20, 3, bias=False))
    total = relevance(net.double(), at, "lrp:epsilon=0").sum((1, 2, 3))
    torch.testing.assert_close(total, net(at)[:, 1].detach(), rtol=1e-6, atol=1e-9)


def test_gates_and_products_conserve():
    class Gated(nn.Module):
        def forward(self, image):
            gate = image.mean((2, 3), keepdim=True).sigmoid()
            y = (image * gate).flatten(1)
            twice = torch.einsum("nk,nk->n", y, y)
            shares = y / y.abs().sum(1, keepdim=True)
            return torch.stack([twice, (3 * shares[:, 0]), y[:, 1] * y[:, 2] * 5], 1)

    at = x(2, 4, 3, 3)
    for target in range(3):
        total = relevance(Gated(), at, "lrp:epsilon=0", target=target).sum((1, 2, 3))
        torch.testing.assert_close(total, Gated()(at)[:, target], rtol=1e-6, atol=1e-9)


# --- zennit ----------------------------------------------------------------------------------------------------------


def exact(name):
    """In double; with BatchNorms that zennit leaves as nothing at all once they are merged: its identity still divides
    by √(1 + eps)."""
    net = copy.deepcopy(network(name)).double()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var += module.eps
            module.eps = 0.0
    return net


def zennits(net, at, rules):
    from zennit.attribution import Gradient

    def start(y):
        return y * F.one_hot(torch.tensor(TARGET[: len(y)]), y.shape[1])

    with Gradient(net, rules) as attributor:
        return attributor(at.clone(), start)[1]


def canonizer(name):
    from zennit import torchvision

    return torchvision.ResNetCanonizer() if name == "resnet18" else torchvision.VGGCanonizer()


@pytest.mark.peer
@only("resnet18", "vgg16_bn")
def test_epsilon_of_zennit(name):
    from zennit.composites import LayerMapComposite, layer_map_base
    from zennit.rules import Epsilon
    from zennit.types import Convolution

    net, at = exact(name), pictures()[:1, :, :40, :40].double()
    for epsilon in (1e-6, 0.1):
        layers = [(Convolution, Epsilon(epsilon)), (nn.Linear, Epsilon(epsilon))]
        rules = LayerMapComposite(layer_map_base(epsilon) + layers, canonizers=[canonizer(name)])
        theirs = zennits(net, at, rules)
        close(relevance(net, at, f"lrp:epsilon={epsilon}", target=TARGET[:1]), theirs, 1e-9)


@pytest.mark.peer
@only("resnet18", "vgg16_bn")
@pytest.mark.parametrize("rule", COMPOSITES)
def test_composites_are_zennits(name, rule):
    from zennit import composites

    net, at = network(name), pictures()[:, :, :48, :48]
    knobs = {}
    if rule == "epsilon-gamma-box":
        knobs = {"low": at.amin((1, 2, 3), keepdim=True).expand_as(at),
                 "high": at.amax((1, 2, 3), keepdim=True).expand_as(at)}  # fmt: skip
    theirs = zennits(net, at, composites.COMPOSITES[rule.replace("-", "_")](canonizers=[canonizer(name)], **knobs))
    before = _state(net)
    ours = pl.explain(net, at, f"lrp:rule={rule}", ask=["logit", "contrast"], target=TARGET)
    _same(before, _state(net), "")
    close(ours.raw[:, 0], theirs, 1e-5)
    assert not torch.equal(ours.raw[:, 0], ours.raw[:, 1])
    again = pl.explain(net, at, f"lrp:rule={rule}", ask="contrast", target=TARGET)
    close(ours.raw[:, 1], again.raw, 1e-5)
    several = pl.explain(net, at, f"lrp:rule={rule}", target=[[5, TARGET[0]], [5, TARGET[1]]])
    close(several.raw[:, 1], theirs, 1e-5)


@pytest.mark.peer
@only("resnet18")
def test_an_error_leaves_nothing_of_zennits_behind(name):
    net = network(name)
    before = _state(net)

    def broken(*_):
        raise RuntimeError("half-way")

    handle = net.layer3.register_forward_hook(broken)
    with pytest.raises(RuntimeError, match="half-way"):
        pl.explain(net, pictures(), "lrp:rule=epsilon-plus")
    handle.remove()
    _same(before, _state(net), "")


def test_the_box_is_that_of_the_pixels():
    card = Card("mine", (SIDE, SIDE), (0.4, 0.5, 0.6), (0.2, 0.25, 0.5))
    net = _carded(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), card)
    low, high = bounds(net, torch.zeros(2, 3, 1, 1))
    torch.testing.assert_close(low.flatten(), torch.tensor([-2.0, -2.0, -1.2]))
    torch.testing.assert_close(high.flatten(), torch.tensor([3.0, 2.0, 0.8]))
    low, high = bounds(nn.Identity(), torch.tensor([1.0, 4.0, 2.0, 3.0]).view(2, 2, 1, 1))
    assert low.flatten().tolist() == [1, 2]
    assert high.flatten().tolist() == [4, 3]


@pytest.mark.parametrize("gate", [torch.sigmoid, F.hardsigmoid, nn.Sigmoid()])
def test_what_a_gate_lets_through_is_the_signals(gate):
    """As by a constant in its place: a gate near zero would else have all the relevance, of either sign."""
    torch.manual_seed(0)

    class Gated(nn.Module):
        def __init__(self, held):
            super().__init__()
            self.held, self.first, self.ask, self.last = held, nn.Conv2d(3, 4, 3), nn.Linear(4, 4), nn.Linear(4, 2)
            nn.init.normal_(self.ask.bias, std=0.01)

        def forward(self, x):
            y = self.first(x).relu()
            open = gate(self.ask(y.mean((2, 3)))[:, :, None, None])
            return self.last((y * (open.detach() if self.held else open)).mean((2, 3)))

    net, held = Gated(False).eval(), Gated(True).eval()
    held.load_state_dict(net.state_dict())
    x = torch.rand(2, 3, 8, 8)
    maps = [pl.explain(one, x, "lrp", target=1).raw for one in (net, held)]
    close(*maps, 1e-6)


@pytest.mark.peer
def test_the_box_fits_an_image_that_is_padded_first():
    torch.manual_seed(0)
    net = nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 3)).eval()
    padded = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *net[2:]).eval()
    padded[0].load_state_dict(net[1].state_dict())
    x = torch.rand(2, 3, 8, 8)
    maps = [pl.explain(one, x, "lrp:rule=epsilon-gamma-box", target=1).raw for one in (net, padded)]
    close(*(m[:, :, 2:-2, 2:-2] for m in maps), 1e-5)  # at the border, zeros are or are not of the box


def test_without_zennit_the_composites_say_so(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "zennit.composites", None)
    with pytest.raises(MissingExtra, match=r"pellucid\[lrp\]"), composite("epsilon-plus", 1e-6, mlp(), x(1, 3, 2, 2)):
        pass
    assert relevance(mlp(), x(1, 3, 2, 2), "lrp").any()  # ours needs nothing


# --- half precision, names and functions in place --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny-cnn", "tiny-vit"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(name, dtype):
    whole, half = (pl.explain(model(name, d), images(dtype=d), "lrp", target=1) for d in (torch.float32, dtype))
    assert torch.cosine_similarity(whole.maps.flatten(1), half.maps.flatten(1)).min() > 0.9


class Gate(nn.Module):
    """A gate, written with and without writing over what comes in, and with operands by name."""

    def __init__(self, way):
        super().__init__()
        torch.manual_seed(4)
        self.way, self.conv, self.gate, self.head = way, nn.Conv2d(3, 5, 3), nn.Conv2d(3, 5, 3), nn.Linear(5, 4)

    def forward(self, x):
        y, g = self.conv(x), self.gate(x)
        if self.way == "anew":
            y = F.silu(y) * g.sigmoid()
        elif self.way == "in place":
            F.silu(y, inplace=True)
            g.sigmoid_()
            y.mul_(g)
        else:
            y = torch.mul(input=torch.nn.functional.silu(input=y), other=torch.sigmoid(input=g))
        return self.head(y.mean((2, 3)))


@pytest.mark.parametrize("way", ["in place", "by name"])
def test_a_gate_in_place_or_by_name_is_the_same_gate(way):
    found = [pl.explain(Gate(w), x(2, 3, 9, 9), "lrp:epsilon=0", target=1).raw for w in ("anew", way)]
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-7)


def test_attention_by_name_is_the_same_attention():
    q, k, v = x(3, 2, 4, 5, seed=6).requires_grad_().unbind()
    seen = []
    for ask in (lambda: F.scaled_dot_product_attention(q, k, v),
                lambda: F.scaled_dot_product_attention(query=q, value=v, key=k)):  # fmt: skip
        with exchanged(relevance_rules(0.0)):
            answer = ask()
        seen.append(torch.autograd.grad(answer.square().sum(), q, retain_graph=True)[0])
    torch.testing.assert_close(*seen)

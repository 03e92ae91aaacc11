"""Slow, obvious re-tellings: one sample, one class, one step at a time, by plain autograd."""

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import interpolate, relu

import pellucid as pl
from pellucid.contracts.case import images, model
from pellucid.explainers import Explainer
from pellucid.questions import Question
from pellucid.subject import Subject, undisturbed

CLOSE = {"rtol": 1e-8, "atol": 1e-11}
NETWORKS = ("tiny-cnn", "tiny-vit", "residual")
N = 3


class Residual(nn.Module):
    """A skip connection around the last grid, ReLUs in place and without a module, two linear layers, a tuple."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6)
        self.body = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 5))

    def before(self, x):
        return relu(self.norm(self.stem(x)), inplace=True)

    def behind(self, skip, a):
        a = relu(skip + a, inplace=True)
        return self.head(nn.functional.adaptive_avg_pool2d(a, 2))

    def forward(self, x):
        skip = self.before(x)
        logits = self.behind(skip, self.body(skip))
        return logits, skip


def net(name):
    if name != "residual":
        return model(name, torch.float64)
    torch.manual_seed(2)
    network = Residual()
    network(images(16))  # warms the statistics
    return network.eval().double()


def logits(network, image):
    y = network(image[None])
    return (y[0] if isinstance(y, tuple) else y)[0]


def x(n=N, size=(32, 32)):
    return images(n, size, torch.float64)


def split(name, network):
    """The network as features, in which one looks, and head: features(x) -> [1, k, h, w]."""
    if name == "tiny-cnn":
        return network.features, lambda a: network.head(a.mean((2, 3)))
    if name == "residual":

        def body(x):
            body.skip = network.before(x)
            return network.body(body.skip)

        return body, lambda a: network.behind(body.skip, a)
    first, last = network.blocks[0], network.blocks[1]

    def features(x):
        grid = network.patches(x)
        features.size = grid.shape[2:]
        grid = grid + interpolate(network.positions, grid.shape[2:], mode="bilinear")
        tokens = torch.cat([network.token.expand(len(x), -1, -1), grid.flatten(2).transpose(1, 2)], 1)
        features.tokens = first(tokens)
        normed = last.norm1(features.tokens)
        features.token = normed[:, :1]
        return normed[:, 1:].transpose(1, 2).unflatten(2, features.size)

    def head(a):
        normed = torch.cat([features.token, a.flatten(2).transpose(1, 2)], 1)
        tokens = features.tokens + last.attention(normed)
        tokens = tokens + last.mlp(last.norm2(tokens))
        return network.head(network.norm(tokens)[:, 0])

    return features, head


def score(y, ask, t):
    """What is asked, as anyone would write it."""
    rest = torch.cat([y[:t], y[t + 1 :]])
    return {
        "logit": lambda: y[t],
        "contrast": lambda: y[t] - rest.logsumexp(0),
        "contrast:live=true": lambda: y[t] - rest.logsumexp(0),
        "contrast:against=mean": lambda: y[t] - rest.mean(),
        "contrast:against=max": lambda: y[t] - rest.max(),
        "probability": lambda: y.softmax(0)[t],
        "logprobability": lambda: y.log_softmax(0)[t],
        "unit:index=1": lambda: y[1],
        "similarity": lambda: (y * y.detach()).sum(),
    }[ask]()


ASKS = ("logit", "contrast", "contrast:live=true", "contrast:against=mean", "contrast:against=max", "probability",
        "logprobability", "unit:index=1", "similarity")  # fmt: skip


def direction(network, image, ask, t):
    """The gradient of what is asked by the logits of this image."""
    y = logits(network, image).detach().requires_grad_()
    return torch.autograd.grad(score(y, ask, t), y)[0]


LIVE = ("probability", "logprobability", "contrast:live=true")


def elsewhere(network, clean, image, ask, t):
    """The gradient at another image: of what is asked there when it is live, of the clean image's direction if not."""
    image = image.clone().requires_grad_()
    y = logits(network, image)
    asked = score(y, ask, t) if ask in LIVE else (direction(network, clean, ask, t) * y).sum()
    return torch.autograd.grad(asked, image)[0]


def gradient(network, image, ask, t):
    image = image.clone().requires_grad_()
    return torch.autograd.grad(score(logits(network, image), ask, t), image)[0]


def at_layer(name, network, image, ask, t):
    """Activation and gradient where the network is looked at."""
    features, head = split(name, network)
    a = features(image[None]).detach().requires_grad_()
    (g,) = torch.autograd.grad(score(head(a)[0], ask, t), a)
    return a.detach()[0], g[0]


def resized(m, size):
    """Bilinear with half-pixel centres, cell by cell."""
    h, w = m.shape
    out = torch.zeros(size, dtype=m.dtype)
    for i in range(size[0]):
        for j in range(size[1]):
            y = min(max((i + 0.5) * h / size[0] - 0.5, 0), h - 1)
            z = min(max((j + 0.5) * w / size[1] - 0.5, 0), w - 1)
            y0, z0 = int(y), int(z)
            y1, z1 = min(y0 + 1, h - 1), min(z0 + 1, w - 1)
            top = m[y0, z0] * (1 - z + z0) + m[y0, z1] * (z - z0)
            low = m[y1, z0] * (1 - z + z0) + m[y1, z1] * (z - z0)
            out[i, j] = top * (1 - y + y0) + low * (y - y0)
    return out


# --- the oracles -----------------------------------------------------------------------------------------------------


def of_gradient(name, network, image, ask, t):
    return gradient(network, image, ask, t)


def of_input_x_gradient(name, network, image, ask, t):
    return image * gradient(network, image, ask, t)


def of_input_x_gradient_at_a_layer(name, network, image, ask, t):
    a, g = at_layer(name, network, image, ask, t)
    return sum(a[k] * g[k] for k in range(len(a)))


def of_grad_cam(name, network, image, ask, t):
    a, g = at_layer(name, network, image, ask, t)
    return sum(g[k].mean() * a[k] for k in range(len(a)))


def of_cam(name, network, image, ask, t):
    """From the classifier's weights, with the gradient of what is asked by the logits."""
    w = direction(network, image, ask, t)
    a = network.features(image[None])[0]
    weights = sum(w[c] * network.head.weight[c] for c in range(len(w)))
    return sum(weights[k] * a[k] for k in range(len(a))).detach()


def of_integrated_gradients(name, network, image, ask, t):
    """Four midpoints; the direction of what is asked stays that of the clean image, unless it is live."""
    return image * sum(elsewhere(network, image, image * (i + 0.5) / 4, ask, t) for i in range(4)) / 4


ORACLES = {
    "gradient": of_gradient,
    "input-x-gradient": of_input_x_gradient,
    "input-x-gradient:layer=auto": of_input_x_gradient_at_a_layer,
    "grad-cam:relu=false": of_grad_cam,
    "hires-cam:relu=false": of_input_x_gradient_at_a_layer,
    "cam:relu=false": of_cam,
    "integrated-gradients:steps=4,rule=midpoint": of_integrated_gradients,
}


# cam wants an average and one linear layer
PAIRS = [(n, e) for n in NETWORKS for e in ORACLES if n == "tiny-cnn" or not e.startswith("cam")]


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("name, explainer", PAIRS)
def test_raw(name, explainer, ask):
    target = [0, 3, 2]
    e = pl.explain(net(name), x(), explainer, ask=ask, target=target)
    network = net(name).requires_grad_(False)
    for i in range(N):
        wanted = ORACLES[explainer](name, network, x()[i], ask, target[i])
        torch.testing.assert_close(e.raw[i], wanted, **CLOSE)
        said = score(logits(network, x()[i]), ask, target[i])
        torch.testing.assert_close(e.value[i].double(), said, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name, explainer", PAIRS)
def test_several_targets_and_questions_in_one_call(name, explainer):
    asks, targets = ["logit", "contrast", "probability"], [[0, 3], [2, 1], [4, 4]]
    e = pl.explain(net(name), x(), explainer, ask=asks, target=targets, batch_size=2)
    for i in range(N):
        for k in range(2):
            for q in range(3):
                wanted = ORACLES[explainer](name, net(name), x()[i], asks[q], targets[i][k])
                torch.testing.assert_close(e.raw[i, k, q], wanted, **CLOSE)


@pytest.mark.parametrize("against", ["softmax", "mean", "max", 3])
@pytest.mark.parametrize("tau", [0.5, 1, 2])
def test_directions_of_contrast(against, tau):
    """Class by class."""
    y = torch.randn(4, 6, dtype=torch.float64) * 3
    target = [0, 2, 5, 1]
    question = Question.make(f"contrast:against={against},tau={tau}")
    got = question.bind(y, torch.tensor(target), lambda x: x)
    for i, t in enumerate(target):
        rest = [s for s in range(6) if s != t]
        total = sum(torch.exp(y[i, s] / tau) for s in rest)
        for s in rest:
            share = {
                "softmax": torch.exp(y[i, s] / tau) / total,
                "mean": 1 / 5,
                "max": float(all(y[i, s] >= y[i, r] for r in rest)),
                3: float(s == 3),
            }[against]
            assert float(got.frozen[i, s]) == pytest.approx(-float(share), abs=1e-12)
        assert got.frozen[i, t] == 1
        value = (
            y[i, t]
            - {
                "softmax": tau * total.log(),
                "mean": sum(y[i, s] for s in rest) / 5,
                "max": max(y[i, s] for s in rest),
                3: y[i, 3],
            }[against]
        )
        assert float(got.clean[i]) == pytest.approx(float(value), abs=1e-12)


@pytest.mark.parametrize("question", ["probability", "logprobability"])
def test_directions_of_probabilities(question):
    """∂p_t/∂y_s = p_t (δ_ts − p_s), term by term."""
    y, target = torch.randn(4, 6, dtype=torch.float64), [0, 2, 5, 1]
    got = Question.make(question).bind(y, torch.tensor(target), lambda x: x).cotangent(y)
    for i, t in enumerate(target):
        p = [float(torch.exp(y[i, s]) / torch.exp(y[i]).sum()) for s in range(6)]
        for s in range(6):
            slope = (float(s == t) - p[s]) * (p[t] if question == "probability" else 1)
            assert float(got[i, s]) == pytest.approx(slope, abs=1e-12)


def with_a_graph(name, network, image, explainer, ask, t):
    """Maps that keep their graph: the direction is a constant, everything else is not."""
    w = direction(network, image, ask, t)
    if explainer.startswith("integrated"):
        total = 0
        for i in range(4):
            here = (image * (i + 0.5) / 4).requires_grad_()
            total = total + torch.autograd.grad((w * logits(network, here)).sum(), here, create_graph=True)[0] / 4
        return image * total
    if explainer in ("gradient", "input-x-gradient"):
        here = image.clone().requires_grad_()
        (g,) = torch.autograd.grad((w * logits(network, here)).sum(), here, create_graph=True)
        return g if explainer == "gradient" else image * g
    features, head = split(name, network)
    a = features(image[None])
    if explainer.startswith("cam"):
        return ((w @ network.head.weight)[:, None, None] * a[0]).sum(0)
    (g,) = torch.autograd.grad((w * head(a)[0]).sum(), a, create_graph=True)
    weights = g.mean((2, 3), keepdim=True) if explainer.startswith("grad-cam") else g
    return (weights * a)[0].sum(0)


@pytest.mark.parametrize("ask", ["logit", "contrast"])
@pytest.mark.parametrize("name, explainer", PAIRS)
def test_the_slope_of_a_map_by_the_weights(name, explainer, ask):
    target, network = [0, 3, 2], net(name)
    subject = Subject(network, trainable=True)
    with undisturbed(network, 0):
        bound = Question.make(ask).bind(subject(x()), torch.tensor(target), subject.embed)
        maps = Explainer.make(explainer).attribute(subject, x(), bound)
        scale = torch.randn(maps.shape, dtype=torch.float64)
        got = torch.autograd.grad((maps * scale).sum(), list(network.parameters()), allow_unused=True)
        with sdpa_kernel(SDPBackend.MATH):  # the fused one has no second derivative
            plain = [with_a_graph(name, network, x()[i], explainer, ask, target[i]) for i in range(N)]
        torch.testing.assert_close(maps.detach(), torch.stack(plain).detach(), **CLOSE)
        number = (torch.stack(plain) * scale).sum()
        wanted = torch.autograd.grad(number, list(network.parameters()), allow_unused=True)
    reached = 0
    for (path, p), a, b in zip(network.named_parameters(), got, wanted, strict=True):
        zero = torch.zeros_like(p)
        torch.testing.assert_close(zero if a is None else a, zero if b is None else b, **CLOSE, msg=path)
        reached += b is not None and bool(b.any())
    assert reached > 2


@pytest.mark.parametrize("size", [(32, 32), (21, 40)])
def test_maps_are_the_raw_ones_clipped_and_resized(size):
    e = pl.explain(net("tiny-cnn"), x(2, size), "grad-cam", target=1)
    for i in range(2):
        torch.testing.assert_close(e.maps[i].double(), resized(e.raw[i], size), rtol=1e-5, atol=1e-6)
    signed = pl.explain(net("tiny-cnn"), x(2, size), "grad-cam:relu=false", target=1).raw
    torch.testing.assert_close(e.raw, signed.clamp_min(0), **CLOSE)


@pytest.mark.parametrize("channels, reduced", [("sum", lambda g: g.sum(0)), ("abs", lambda g: g.abs().sum(0)),
                                               ("max", lambda g: g.abs().amax(0))])  # fmt: skip
def test_channels(channels, reduced):
    e = pl.explain(net("tiny-cnn"), x(), f"gradient:channels={channels}", target=1)
    for i in range(N):
        wanted = reduced(gradient(net("tiny-cnn"), x()[i], "logit", 1))
        torch.testing.assert_close(e.maps[i].double(), wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("ask", ["logit", "contrast", "probability"])
@pytest.mark.parametrize("name", NETWORKS)
def test_smooth(name, ask):
    e = pl.explain(net(name), x(), "smooth:samples=3,spread=0.2,seed=9@gradient", ask=ask, target=1)
    generator = torch.Generator().manual_seed(9)
    noise = [torch.randn(3, 32, 32, generator=generator).double() for _ in range(3)]
    for i in range(N):
        sigma = 0.2 * (x()[i].max() - x()[i].min())
        wanted = sum(elsewhere(net(name), x()[i], x()[i] + sigma * n, ask, 1) for n in noise) / 3
        torch.testing.assert_close(e.raw[i], wanted, **CLOSE)


@pytest.mark.parametrize("rule, at, weight", [
    ("left", [0, 0.25, 0.5, 0.75], [0.25] * 4),
    ("right", [0.25, 0.5, 0.75, 1], [0.25] * 4),
    ("trapezoid", [0, 1 / 3, 2 / 3, 1], [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
    ("gauss", [0.06943184420297371, 0.33000947820757187, 0.6699905217924281, 0.9305681557970262],
     [0.17392742256872692, 0.32607257743127305, 0.32607257743127305, 0.17392742256872692]),
])  # fmt: skip
def test_rules_of_integrated_gradients(rule, at, weight):
    explainer = pl.explainers.IntegratedGradients(steps=4, rule=rule, baseline=0.5)
    e = pl.explain(net("tiny-cnn"), x(), explainer, target=2)
    for i in range(N):
        way = x()[i] - 0.5
        wanted = way * sum(
            w * gradient(net("tiny-cnn"), 0.5 + a * way, "logit", 2) for a, w in zip(at, weight, strict=True)
        )
        torch.testing.assert_close(e.raw[i], wanted, **CLOSE)


def test_a_baseline_image():
    baseline = x(5)[4]
    e = pl.explain(net("tiny-cnn"), x(), pl.explainers.IntegratedGradients(steps=1, baseline=baseline), target=2)
    for i in range(N):
        middle = (baseline + x()[i]) / 2
        wanted = (x()[i] - baseline) * gradient(net("tiny-cnn"), middle, "logit", 2)
        torch.testing.assert_close(e.raw[i], wanted, **CLOSE)


def test_layers_are_fused_after_resizing_each_at_its_own_scale():
    network, size = net("tiny-cnn"), (32, 32)
    paths = ("features.1", "features.2")
    alone = [pl.explain(network, x(), f"grad-cam:relu=false,layer={p}", target=1).raw for p in paths]
    for fuse in ("max", "mean"):
        text = f"grad-cam:relu=false,fuse={fuse},layer=[{','.join(paths)}]"
        e = pl.explain(network, x(), text, target=1)
        for i in range(N):
            maps = [resized(a[i], size) for a in alone]
            scaled = torch.stack([m / m.abs().max() for m in maps])
            wanted = scaled.max(0).values if fuse == "max" else scaled.mean(0)
            torch.testing.assert_close(e.raw[i], wanted, **CLOSE)


def test_a_layer_before_an_in_place_relu():
    """It is seen as it was before."""
    network = net("tiny-cnn")
    e = pl.explain(network, x(), "hires-cam:relu=false,layer=features.2.1", target=1)
    first, second, (convolution, norm, _) = network.features
    for i in range(N):
        a = norm(convolution(second(first(x()[i : i + 1])))).detach().requires_grad_()
        (g,) = torch.autograd.grad(network.head(relu(a).mean((2, 3)))[0, 1], a)
        assert (a < 0).any()
        torch.testing.assert_close(e.raw[i], (a * g)[0].sum(0).detach(), **CLOSE)


def test_edges():
    """The length of Sobel's gradient of the grey image."""
    grey = x().mean(1)
    e = pl.explain(net("tiny-cnn"), x(), "edges")
    padded = nn.functional.pad(grey[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    d = torch.zeros(2, N, 32, 32, dtype=torch.float64)
    for i, j, a in ((0, 0, 1), (1, 0, 2), (2, 0, 1)):
        d[0] += a * (padded[:, i : i + 32, j + 2 : j + 34] - padded[:, i : i + 32, j : j + 32])
        d[1] += a * (padded[:, j + 2 : j + 34, i : i + 32] - padded[:, j : j + 32, i : i + 32])
    wanted = d.pow(2).sum(0).sqrt()
    ratio = e.raw.double() / wanted
    torch.testing.assert_close(ratio, ratio.flatten()[:1].expand_as(ratio.flatten()).view_as(ratio), rtol=1e-4, atol=0)


def test_random_maps_are_uniform_and_know_only_the_image():
    maps = pl.explain(net("tiny-cnn"), x(), "random-map", target=1).maps
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert abs(maps.mean() - 0.5) < 0.02
    assert abs(maps.var() - 1 / 12) < 0.01
    again = pl.explain(net("tiny-vit"), x(), "random-map", ask="contrast", target=2).maps
    assert torch.equal(maps, again)
    assert not torch.equal(maps[0], maps[1])
    coarse = pl.explain(net("tiny-cnn"), x(), "random-map:cells=4", target=1)
    assert coarse.raw.shape == (N, 4, 4)

"""Explanations without labels: ⟨f(x), f(x̃)⟩ explained, against what theory and other libraries say of it."""

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

import pellucid as pl
from pellucid.contracts.case import sample
from pellucid.errors import BadInput
from pellucid.explainers.gradient_shap import GradientSHAP, mismatched
from pellucid.explainers.integrated_gradients import IntegratedGradients
from pellucid.metrics.latent_shift import LatentShift
from pellucid.metrics.similarity_rate import SimilarityRate
from pellucid.registry import catalog

captum_attr = pytest.importorskip("captum.attr")

LINEAR_BLACK = {  # with a black baseline, all of these are x ∘ WᵀWx of a linear encoder f = Wx
    "integrated-gradients": "integrated-gradients:steps=3",
    "gradient-shap": "gradient-shap:samples=4,baseline=0",
    "input-x-gradient": "input-x-gradient",
    "feature-ablation": "feature-ablation:baseline=0,cells=4",
}


def chance(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Linear(nn.Module):
    """f = W x of pictures [n, 1, 4, 4]."""

    def __init__(self, d=5, pixels=16, seed=1):
        super().__init__()
        self.weight = nn.Parameter(chance(d, pixels, seed=seed))

    def forward(self, x):
        return x.flatten(1) @ self.weight.T


def conv(latent=6, norm=True, seed=0):
    """A small encoder of pictures [n, 1, 12, 12]."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16) if norm else nn.Identity(),
        nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, latent),
    )  # fmt: skip
    if norm:
        net[3].running_mean.copy_(0.3 * chance(16, seed=3))
        net[3].running_var.copy_(chance(16, seed=4).abs() + 0.5)
    return net.eval()


class Turned(nn.Module):
    """scale · Q f(x) + shift"""

    def __init__(self, net, turn=None, scale=1.0, shift=0.0):
        super().__init__()
        self.net, self.turn, self.scale, self.shift = net, turn, scale, shift

    def forward(self, x):
        f = self.net(x)
        return self.scale * (f if self.turn is None else f @ self.turn.T) + self.shift


def asked(net, x, explainer="integrated-gradients:baseline=0", **more):
    return pl.explain(net, x, explainer, ask="similarity", **more)


def vjp(net, x):
    """J(x)ᵀ f(x), by hand."""
    leaf = x.clone().requires_grad_()
    f = net(leaf)
    return torch.autograd.grad(f, leaf, f.detach())[0]


def off(a, b):
    return float((a - b).abs().max() / b.abs().max())


# --- what theory guarantees ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LINEAR_BLACK)
def test_of_a_linear_encoder_all_are_the_same(name):
    """x ∘ WᵀWx, in a batch of six: whoever pairs an image with another's representation fails."""
    net, x = Linear(), chance(6, 1, 4, 4)
    expected = x.flatten(1) * (net(x) @ net.weight)
    found = asked(net, x, LINEAR_BLACK[name]).maps.flatten(1)
    assert off(found, expected.detach()) < 1e-5


@pytest.mark.peer
def test_shapley_of_a_linear_encoder():
    net, x = Linear(2, 6, seed=2), chance(3, 1, 2, 3)
    expected = (x.flatten(1) * (net(x) @ net.weight)).detach()
    exact = captum_attr.ShapleyValues(lambda x, c: (net(x) * c).sum(1))
    theirs = exact.attribute(x, additional_forward_args=(net(x).detach(),)).detach()
    assert off(theirs.flatten(1), expected) < 1e-4
    assert off(asked(net, x, "gradient-shap:samples=3,baseline=0").maps.flatten(1), expected) < 1e-5


@pytest.mark.parametrize("text", ("integrated-gradients:baseline=0", "gradient", "gradient:channels=abs",
                                  "gradient-shap:samples=5,baseline=0,seed=3", "input-x-gradient"))  # fmt: skip
def test_a_batch_is_its_images(text):
    net, x = conv(), chance(5, 1, 12, 12)
    whole = asked(net, x, text).maps
    alone = torch.cat([asked(net, x[i : i + 1], text).maps for i in range(5)])
    assert off(whole, alone) < 1e-5


def test_saliency_is_its_closed_form():
    """|J(x)ᵀ f(x)| = |½ ∇ ‖f(x)‖²|, once: also where the caller's tensor asks for gradients."""
    net, x = conv(), chance(4, 1, 12, 12)
    leaf = x.clone().requires_grad_()
    [halved] = torch.autograd.grad(net(leaf).square().sum() / 2, leaf)
    for given in (x, leaf):
        found = asked(net, given, "gradient:channels=abs").maps
        assert off(found, vjp(net, x).abs()[:, 0]) < 1e-5
        assert off(found, halved.abs()[:, 0]) < 1e-5
        signed = asked(net, given, "gradient").maps
        assert off(signed, vjp(net, x)[:, 0]) < 1e-5
    assert leaf.grad is None
    assert leaf.requires_grad


def test_the_channels_are_summed_as_absolute_values():
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten()), chance(2, 3, 8, 8)
    assert off(asked(net, x, "gradient:channels=abs").maps, vjp(net, x).abs().sum(1)) < 1e-5


def test_completeness():
    """Σ b = ‖f(x)‖² − ⟨f(x), f(x′)⟩, better with more steps; exact where f is linear."""
    net, x = conv(), chance(8, 1, 12, 12)
    f, empty = net(x).detach(), net(torch.zeros_like(x)).detach()
    owed, size = (f * (f - empty)).sum(1), f.square().sum(1)
    errors = []
    for steps in (5, 50, 200):
        e = asked(net, x, f"integrated-gradients:steps={steps},baseline=0")
        errors.append(float(((e.maps.flatten(1).sum(1) - owed).abs() / size).mean()))
        assert torch.allclose(e.owed, owed, rtol=1e-4)
    assert errors[2] < 2e-3
    assert errors[2] < errors[1] < errors[0]
    linear = Linear()
    e = asked(linear, x[:, :, :4, :4], "integrated-gradients:steps=2,baseline=0")
    assert float(e.error.max()) < 1e-5


@pytest.mark.parametrize("text", ("integrated-gradients:baseline=0", "gradient:channels=abs", "occlusion:window=4",
                                  "gradient-shap:samples=4,baseline=0,seed=1"))  # fmt: skip
def test_turns_scales_and_shifts_of_the_code(text):
    """A turn changes nothing, a scale c gives c²; but a shift gives another explanation."""
    net, x = conv(), chance(3, 1, 12, 12)
    plain = asked(net, x, text).maps
    turn = torch.linalg.qr(chance(6, 6, seed=5)).Q
    assert off(asked(Turned(net, turn), x, text).maps, plain) < 1e-4
    assert off(asked(Turned(net, -torch.eye(6)[torch.randperm(6)]), x, text).maps, plain) < 1e-4
    assert off(asked(Turned(net, scale=3.0), x, text).maps, 9 * plain) < 1e-4
    assert off(asked(Turned(net, shift=5.0), x, text).maps, plain) > 0.5


def test_it_is_the_sum_over_units():
    """b = Σ_j f_j a(f_j), whatever is linear in the question."""
    net, x = conv(), chance(3, 1, 12, 12)
    e = pl.explain(net, x, "integrated-gradients:baseline=0", ask=[f"unit:index={j}" for j in range(6)])
    assert off((e.maps * net(x).detach()[:, :, None, None]).sum(1), asked(net, x).maps) < 1e-5


LINEAR = [name for name, member in catalog("explainers").items() if member.linear]


@pytest.mark.parametrize("name", LINEAR)
def test_whoever_is_linear_sums_over_units(name):
    """Every explainer that says so, by its quick knobs and those under which it is linear."""
    member = catalog("explainers")[name]
    explainer = sample(member)
    known = {k: v for k, v in member.linear_knobs.items() if hasattr(explainer, k)}
    explainer = explainer.but(**known)
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, 3),
    ).eval()  # fmt: skip
    x = chance(2, 3, 16, 16)
    try:
        whole = pl.explain(net, x, explainer, ask="similarity").raw
        parts = [pl.explain(net, x, explainer, ask=f"unit:index={j}").raw for j in range(3)]
    except pl.PellucidError as refusal:
        pytest.skip(f"asks for another network: {refusal}")
    f = net(x).detach()
    summed = sum(f[:, j].view(-1, *[1] * (whole.ndim - 1)) * part for j, part in enumerate(parts))
    assert off(whole, summed) < 1e-3


def test_what_does_not_matter_gets_nothing():
    """The encoder never looks at the right half."""

    class Left(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = conv()

        def forward(self, x):
            return self.net(torch.cat([x[..., :6], torch.zeros_like(x[..., 6:])], -1))

    x = chance(2, 1, 12, 12)
    for text in ("integrated-gradients", "gradient", "gradient-shap:samples=3", "feature-ablation:cells=6"):
        maps = asked(Left(), x, text).maps
        assert maps[..., :6].abs().max() > 0, text
        # a forward of another number of rows may round its last digit otherwise
        assert maps[..., 6:].abs().max() <= 1e-6 * maps[..., :6].abs().max(), text


def test_ablation_is_told_by_differences():
    """⟨f(x), f(x) − f(x without a cell)⟩, by hand."""
    net, x = conv(), chance(2, 1, 12, 12)
    found = asked(net, x, "feature-ablation:cells=3,baseline=0").maps
    with torch.no_grad():
        f = net(x)
        for i, j in ((0, 0), (4, 8), (8, 4)):
            gone = x.clone()
            gone[:, :, i : i + 4, j : j + 4] = 0
            drop = (f * (f - net(gone))).sum(1)
            assert torch.allclose(found[:, i : i + 4, j : j + 4], drop[:, None, None], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("text", ("kernel-shap:cells=2,baseline=0,share=false", "feature-ablation:cells=2,baseline=0",
                                  "occlusion:window=2,stride=2,baseline=0"))  # fmt: skip
def test_perturbations_of_a_linear_encoder(text):
    """Every cell loses what x ∘ WᵀWx sums to in it."""
    net, x = Linear(), chance(3, 1, 4, 4)
    owed = (x.flatten(1) * (net(x) @ net.weight)).detach().view(3, 2, 2, 2, 2).sum((2, 4))
    found = asked(net, x, text).maps[:, ::2, ::2]
    assert off(found, owed) < 1e-3


# --- what it costs, and what it leaves behind ---------------------------------------------------------------------


@pytest.mark.parametrize("latent", (4, 512))
def test_the_encoder_is_asked_as_often_as_for_one_logit(latent):
    """50 rows an image, the anchor, and the two ends of what is owed: whatever the size of the code."""
    net, x, rows, ways = conv(latent), chance(3, 1, 12, 12), [], []
    net.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    net[0].register_full_backward_hook(lambda *_: ways.append(1))
    asked(net, x, "integrated-gradients:steps=50,baseline=0", batch_size=30)
    assert sum(rows) <= 50 * 3 + 3 * 3
    assert sum(rows) >= 50 * 3 + 3
    assert max(rows) <= 30
    rows.clear()
    asked(net, x, "gradient")
    assert sum(rows) == 3  # the anchor's forward has the way back too


def test_training_mode_is_not_explained():
    """Statistics of a batch would make an image's map depend on the others: the explanation is that of evaluation, and
    no buffer changes."""
    net, x = conv(), chance(4, 1, 12, 12)
    calm = asked(net, x).maps
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.train()
    maps = asked(net, x).maps
    assert net.training
    assert torch.equal(maps, calm)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    spoilt = vjp(net, x)[:, 0]  # what is avoided
    assert off(spoilt, asked(net, x, "gradient").maps) > 0.05
    assert all(p.grad is None for p in net.parameters())


# --- any encoder ----------------------------------------------------------------------------------------------------


class Recurrent(nn.Module):
    """The last state of an LSTM over series [n, t, c]."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm = nn.LSTM(2, 7, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[1][0][-1]


def test_a_recurrent_encoder():
    net, x = Recurrent().eval(), chance(3, 20, 2)
    e = asked(net, x, "integrated-gradients:steps=100,baseline=0", channels=2)
    assert e.maps.shape == (3, 20)
    assert e.raw.shape == (3, 20, 2)
    assert float(e.error.max()) < 1e-3
    shift = pl.measure(net, x, e, "latent-shift:into=zeros,percent=100")
    with torch.no_grad():
        assert torch.allclose(shift, (net(x) - net(torch.zeros_like(x))).norm(dim=1), rtol=1e-4)
    again = pl.measure(net, x, "integrated-gradients", "max-sensitivity:samples=2", channels=2)
    assert again.shape == (3,)


def test_feature_maps_are_one_long_code():
    """Of [n, k, h, w] the inner product runs over all of it."""
    torch.manual_seed(0)
    body, x = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh()), chance(2, 1, 8, 8)
    whole = asked(body, x).maps
    assert off(whole, asked(nn.Sequential(body, nn.Flatten()), x).maps) < 1e-6


def test_a_vision_transformer():
    import timm

    torch.manual_seed(0)
    net = timm.create_model(
        "vit_tiny_patch16_224", pretrained=False, img_size=32, patch_size=8, num_classes=0, depth=2, embed_dim=24,
        num_heads=2,
    ).eval()  # fmt: skip
    e = asked(net, chance(2, 3, 32, 32), "integrated-gradients:steps=64,baseline=0")
    assert e.maps.shape == (2, 32, 32)
    assert float(e.error.max()) < 2e-2


def test_a_clip_image_tower():
    """A model of two towers is asked for its pictures alone."""
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        text_config={**small, "vocab_size": 50, "max_position_embeddings": 8},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    torch.manual_seed(0)
    net, x = transformers.CLIPModel(config).eval(), chance(2, 3, 32, 32)
    e = asked(net, x, "gradient")
    tower = transformers.CLIPVisionModelWithProjection(config.vision_config).eval()
    tower.vision_model, tower.visual_projection = net.vision_model, net.visual_projection

    class Embedded(nn.Module):
        def forward(self, x):
            return net.visual_projection(net.vision_model(pixel_values=x).pooler_output)

    assert off(e.maps, vjp(Embedded(), x).sum(1)) < 1e-5


@pytest.mark.parametrize("name", ("conv-autoencoder", "conv-vae", "lstm-autoencoder", "simclr"))
def test_the_networks_of_the_catalogue(name):
    """Called with images they give their representation; of a VAE the mean."""
    torch.manual_seed(0)
    net = pl.load_model(f"pellucid:{name}", weights=None)
    shapes = {"conv-autoencoder": (2, 1, 28, 28), "conv-vae": (2, 1, 32, 32), "simclr": (2, 3, 32, 32)}
    x = torch.rand(*shapes.get(name, (2, 140, 1)), generator=torch.Generator().manual_seed(1))
    more = {"channels": 2} if x.ndim == 3 else {}
    maps = asked(net, x, "gradient", **more).maps
    expected = vjp(net, x)
    assert off(maps, expected.sum(-1 if x.ndim == 3 else 1)) < 1e-4


# --- captum ---------------------------------------------------------------------------------------------------------


class Auxiliary(nn.Module):
    """The published way: anchors of the batch, tiled when the explainer has more rows."""

    def __init__(self, net, x):
        super().__init__()
        self.net = net
        with torch.no_grad():
            self.anchor = net(x)

    def forward(self, x):
        anchors = self.anchor.repeat(len(x) // len(self.anchor), 1)
        return (self.net(x) * anchors).sum(-1)


@pytest.mark.peer
def test_integrated_gradients_are_captums():
    """Whose copies come batch after batch, so that tiling is right there."""
    net, x = conv(), chance(4, 1, 12, 12)
    theirs = captum_attr.IntegratedGradients(Auxiliary(net, x)).attribute(x, n_steps=50).float()
    ours = asked(net, x, "integrated-gradients:steps=50,baseline=0")
    assert off(ours.raw, theirs) < 1e-4


@pytest.mark.peer
def test_saliency_is_captums():
    net, x = conv(), chance(4, 1, 12, 12)
    theirs = captum_attr.Saliency(Auxiliary(net, x)).attribute(x)
    assert off(asked(net, x, "gradient:channels=abs").maps, theirs[:, 0]) < 1e-5


class Given:
    """NumPy's chance as captum asks for it, from our draws."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low, high, size):
        return torch.rand(size, generator=self.generator, dtype=torch.float64).numpy()


def captums(net, x, samples, seed, monkeypatch, baseline=None, anchors=None):
    given = Given(seed)
    monkeypatch.setattr(np.random, "uniform", given.uniform)
    monkeypatch.setattr(np.random, "choice", lambda n, size: np.zeros(size, int))
    start = torch.zeros_like(x[:1]) if baseline is None else baseline
    scalar = Auxiliary(net, x) if anchors is None else lambda x, c: (net(x) * c).sum(-1)
    more = {} if anchors is None else {"additional_forward_args": (anchors,)}
    return captum_attr.GradientShap(scalar).attribute(x, baselines=start, n_samples=samples, stdevs=0.0, **more)


@pytest.mark.peer
@pytest.mark.parametrize("images", (1, 3, 6))
def test_the_published_gradient_shap_to_the_bit(images, monkeypatch):
    """Captum repeats each image, the published scalar tiles the anchors: row p follows the wrong representation."""
    net, x = conv(norm=False), chance(images, 1, 12, 12)
    text = "gradient-shap:samples=5,baseline=0,protocol=published,seed=7"
    ours = asked(net, x, text, batch_size=30).raw  # all rows in one forward, as there
    theirs = captums(net, x, 5, 7, monkeypatch)
    assert torch.equal(ours, theirs)
    right = captums(net, x, 5, 7, monkeypatch, anchors=net(x).detach())
    assert torch.equal(ours, right) == (images == 1)
    if images > 1:
        assert off(ours, right) > 0.05


def test_the_size_of_the_published_error():
    """On a linear encoder the truth is known: of one image it is exact, of six it is off by its own size."""
    net, found = Linear(), {}
    for images in (1, 2, 3, 6):
        x = chance(images, 1, 4, 4, seed=9)
        truth = (x.flatten(1) * (net(x) @ net.weight)).detach()
        for protocol in ("sound", "published"):
            ours = asked(net, x, f"gradient-shap:samples=5,baseline=0,protocol={protocol}").maps.flatten(1)
            found[images, protocol] = float((ours - truth).norm() / truth.norm())
    assert all(found[n, "sound"] < 1e-6 for n in (1, 2, 3, 6))
    assert found[1, "published"] < 1e-6
    assert all(0.3 < found[n, "published"] < 2.5 for n in (2, 3, 6))


def test_the_published_rows_by_hand():
    """Image p // S with the representation of image p mod B, row by row."""
    net, x = Linear(), chance(3, 1, 4, 4)
    mine, followed = mismatched(3, 5)
    wrong = torch.stack([net(x)[followed[mine == i]].mean(0) for i in range(3)])
    expected = (x.flatten(1) * (wrong @ net.weight)).detach()
    ours = asked(net, x, "gradient-shap:samples=5,baseline=0,protocol=published").maps.flatten(1)
    assert off(ours, expected) < 1e-5


def test_other_questions_are_asked_rightly_by_the_published_code():
    """Of one unit there is no anchor that could be another's."""
    net, x = Linear(), chance(4, 1, 4, 4)
    one = pl.explain(net, x, "gradient-shap:samples=5,baseline=0,protocol=published", ask="unit:index=2")
    assert off(one.maps.flatten(1), (x.flatten(1) * net.weight[2]).detach()) < 1e-5


def test_each_image_has_its_own_baseline():
    """pair=true, whatever the batch; and the published code picks any row of them."""
    net, x = Linear(), chance(6, 1, 4, 4)
    starts = 10 * torch.arange(6.0).view(6, 1, 1, 1) + chance(6, 1, 4, 4, seed=3)
    slope = (net(x) @ net.weight).detach()
    truth = (x - starts).flatten(1) * slope
    paired = GradientSHAP(samples=4, baseline=starts, pair=True)
    assert off(asked(net, x, paired).maps.flatten(1), truth) < 1e-5
    for size in (1, 4):
        e = asked(net, x, paired, batch_size=size)
        assert off(e.maps.flatten(1), truth) < 1e-5
        assert e.explainer == str(paired)
    streamed = pl.explain(net, [x[:4], x[4:]], paired.but(baseline=starts[:4]), ask="similarity")
    assert off(next(streamed).maps.flatten(1), truth[:4]) < 1e-5
    blurred = asked(net, x, "gradient-shap:samples=4,baseline=blur").maps.flatten(1)
    assert off(blurred, asked(net, x, "integrated-gradients:baseline=blur").maps.flatten(1)) < 1e-4
    shared = asked(net, x, GradientSHAP(samples=60, baseline=starts)).maps.flatten(1)
    assert off(shared, (x - starts.mean(0)).flatten(1) * slope) < 1e-4
    with pytest.raises(BadInput, match="give one an image"):
        asked(net, x, paired.but(baseline=starts[:2]))


def test_published_draws_any_baseline_of_the_batch():
    """As captum does: a batch of baselines is a distribution. Explained is x_i against the blur of another image."""
    net, x = Linear(), chance(5, 1, 4, 4)
    starts = 10 * torch.arange(5.0).view(5, 1, 1, 1).expand(5, 1, 4, 4)
    own = asked(net, x, GradientSHAP(samples=5, baseline=starts, pair=True))
    drawn = asked(net, x, GradientSHAP(samples=5, baseline=starts, pair=True, protocol="published"))
    assert off(drawn.maps, own.maps) > 0.3


# --- real data ------------------------------------------------------------------------------------------------------


def digits(folder, split, count):
    """The first so many digits of each class, in turns, [n, 1, 28, 28] in [0, 1]."""
    packed = (folder / "mnist" / f"{split}-{what}-ubyte.gz" for what in ("images-idx3", "labels-idx1"))
    whole = (gzip.decompress(path.read_bytes()) for path in packed)
    pixels, labels = (np.frombuffer(file, np.uint8, offset=skip) for file, skip in zip(whole, (16, 8), strict=True))
    rows = np.stack([np.flatnonzero(labels == k)[:count] for k in range(10)], 1).ravel()
    images = torch.tensor(pixels.reshape(-1, 1, 28, 28)[rows] / np.float32(255))
    return images, torch.tensor(labels[rows].astype(np.int64))


def trained(net, x, loss, epochs, batch=100, lr=1e-3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(net.parameters(), lr)
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(batch):
            optimiser.zero_grad()
            loss(net, x[rows], generator).backward()
            optimiser.step()
    return net.eval()


def denoised(net, x, generator):
    return mse_loss(net.reconstruct(x + 0.3 * torch.randn(x.shape, generator=generator)), x)


@pytest.fixture(scope="module")
def digit_encoder():
    import os

    folder = os.environ.get("PELLUCID_DATA")
    if not folder:
        pytest.skip("PELLUCID_DATA is not set: this test looks at real images")
    torch.manual_seed(0)
    net = pl.load_model("pellucid:conv-autoencoder", weights=None)
    x, _ = digits(Path(folder), "train", 400)
    return trained(net, x, denoised, 6), Path(folder)


PERCENTS = (5, 10, 20, 50, 80, 100)


def shifts(net, x, explainer, into, ask="similarity", **more):
    """[n, percentages]: how far the code moves."""
    e = pl.explain(net, x, explainer, ask=ask, batch_size=500, **more)
    return torch.stack([pl.measure(net, x, e, into.but(percent=float(p))) for p in PERCENTS], 1)


def above(a, b):
    """Whether the mean of a − b is above zero with its 95 % interval."""
    d = a - b
    return d.mean(0) > 1.96 * d.std(0) / math.sqrt(len(d))


@pytest.mark.data
def test_digits_move_the_code_where_they_matter(digit_encoder):
    """Integrated gradients and Gradient SHAP above chance at every percentage but the last, where all are the same."""
    net, folder = digit_encoder
    x, _ = digits(folder, "t10k", 30)
    into = LatentShift(into="zeros")
    ig = shifts(net, x, "integrated-gradients:steps=30,baseline=0", into)
    gs = shifts(net, x, "gradient-shap:samples=5,baseline=0,stratify=false", into)
    wrong = shifts(net, x, "gradient-shap:samples=5,baseline=0,protocol=published", into)
    chance_ = shifts(net, x, "random-map", into)
    assert bool(above(ig, chance_)[:5].all())
    assert bool(above(gs, chance_)[:5].all())
    assert torch.allclose(ig[:, 5], chance_[:, 5], rtol=1e-4)
    assert torch.allclose(gs[:, 5], chance_[:, 5], rtol=1e-4)
    means = ig.mean(0)
    assert bool((means[1:4] >= 0.95 * means[:3]).all())  # grows until all that matters is gone
    assert bool(above(gs, wrong)[0])  # the published pairing costs what few pixels can do


@pytest.mark.data
def test_heartbeats_move_the_code_where_they_matter(data):
    """Trained on normal beats, explained on the others, against the mean normal beat; by the reference's numbers."""
    archive = np.load(Path(data) / "ecg5000" / "ecg5000_2000.npz")
    series, labels = beats(archive)
    normal, other = series[labels == 0], series[labels != 0][:120]
    torch.manual_seed(0)
    net = pl.load_model("pellucid:lstm-autoencoder:latent=16", weights=None)

    def loss(net, x, generator):
        return (net.reconstruct(x) - x).abs().mean()

    trained(net, normal[:400], loss, 5, batch=40, lr=5e-3)
    mean = normal[:400].mean(0)
    into = LatentShift(into=mean.T)
    more = {"channels": 2}
    ig = shifts(net, other, IntegratedGradients(steps=20, baseline=mean), into, **more)
    gs = shifts(net, other, GradientSHAP(samples=5, baseline=mean, stratify=False), into, **more)
    chance_ = shifts(net, other, "random-map", into, **more)
    assert bool(above(ig, chance_)[:4].all())
    assert bool(above(gs, chance_)[:4].all())
    assert torch.allclose(ig[:, 5], chance_[:, 5], rtol=1e-3)


def beats(archive):
    """[n, 140, 1], and 0 for the normal ones."""
    series, labels = (torch.tensor(np.concatenate([archive[f"{k}_train"], archive[f"{k}_test"]])) for k in "xy")
    return series[..., None], labels


def dknn(test, train):
    """Inverse squared distances, in float64."""
    return 1 / torch.cdist(test.double(), train.double()).square().clamp_min(1e-12)


@pytest.mark.data
def test_what_matters_most_shows_the_same_digit(digit_encoder):
    """Of 1000 training digits, by inverse squared distance of the codes: most above least, their frequency at the
    end."""
    net, folder = digit_encoder
    x, labels = digits(folder, "t10k", 40)
    train, train_labels = digits(folder, "train", 100)
    with torch.no_grad():
        w = dknn(net(x), net(train))
    for share in (0.05, 0.1, 0.2, 0.5):
        most, least = (SimilarityRate(share=share, side=side)(w, labels, train_labels) for side in ("most", "least"))
        assert bool(above(most, least)), share
    ends = [SimilarityRate(share=1.0, side=side)(w, labels, train_labels) for side in ("most", "least")]
    assert all(torch.allclose(end, torch.full_like(end, 0.1)) for end in ends)

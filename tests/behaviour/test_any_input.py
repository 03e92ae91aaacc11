"""Series, volumes, vectors and tokens: what is explained need not be a picture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.errors import BadInput, BadModel
from pellucid.subject.batch import Batch, as_batch

GRADIENTS = ("gradient", "input-x-gradient", "integrated-gradients:steps=8", "gradient-shap:samples=3",
             "smooth:samples=3@gradient")  # fmt: skip
IDS = torch.tensor([[4, 9, 2, 2, 7, 1], [3, 3, 8, 0, 0, 0], [5, 6, 1, 2, 9, 4]])


class Recurrent(nn.Module):
    """An LSTM as they usually are: [n, t, c]."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 8, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Reader(nn.Module):
    """A small transformer encoder of token ids; positions have an embedding of their own."""

    def __init__(self):
        super().__init__()
        self.places = nn.Embedding(6, 8)
        self.words = nn.Embedding(10, 8)
        self.blocks = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True), 2, enable_nested_tensor=False
        )
        self.head = nn.Linear(8, 4)

    def forward(self, ids, mask=None):
        h = self.places(torch.arange(ids.shape[1])) + self.words(ids)
        h = self.blocks(h, src_key_padding_mask=mask)
        return self.head(h.mean(1))


def made(net):
    return net.double().eval()


@pytest.fixture(params=["series", "signals", "volumes", "vectors", "tokens", "last"])
def asked(request):
    """A model in double, its input, and how to call explain."""
    torch.manual_seed(0)
    return {
        "series": lambda: (made(Recurrent()), torch.randn(3, 7, 3), {"channels": 2}),
        "signals": lambda: (made(nn.Sequential(nn.Conv1d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(20, 4))),
                            torch.randn(3, 2, 7), {}),
        "volumes": lambda: (made(nn.Sequential(nn.Conv3d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(96, 4))),
                            torch.randn(3, 2, 4, 5, 6), {}),
        "vectors": lambda: (made(nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4))), torch.randn(3, 5), {}),
        "tokens": lambda: (made(Reader()), IDS, {}),
        "last": lambda: (made(Pictures()), torch.randn(3, 5, 6, 2), {"channels": -1}),
    }[request.param]()  # fmt: skip


class Pictures(nn.Module):
    """Pictures [n, h, w, c]."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 4, 3), nn.Linear(4, 4)

    def forward(self, x):
        return self.head(self.conv(x.movedim(-1, 1)).tanh().mean((2, 3)))


def size(x, options):
    """The axes that a map has."""
    if x.ndim == 2:
        return tuple(x.shape)
    channels = options.get("channels", 1) % x.ndim
    return tuple(n for i, n in enumerate(x.shape) if i != channels)


def reached(net, x):
    """What the model makes of x, as a function of numbers: of ids, of their vectors."""
    if x.is_floating_point():
        return net, x.double()
    vectors = net.words(x).detach()

    def run(v):
        handle = net.words.register_forward_hook(lambda *_: v)
        try:
            return net(x)
        finally:
            handle.remove()

    return run, vectors


@pytest.mark.parametrize("explainer", GRADIENTS)
def test_maps_have_the_axes_of_the_input_without_channels(asked, explainer):
    net, x, options = asked
    e = pl.explain(net, x, explainer, ask=["logit", "contrast"], target=[[0, 1], [2, 3], [1, 0]], **options)
    shape = size(x, options)
    assert e.maps.shape == (3, 2, 2, *shape[1:])
    assert torch.equal(e.images, x)
    raw = (*x.shape[1:], 8) if x.ndim == 2 and not x.is_floating_point() else x.shape[1:]
    assert e.raw.shape == (3, 2, 2, *raw)
    assert bool(e.maps.isfinite().all())
    assert bool(e.maps.any())


def test_the_gradient_is_the_finite_difference(asked):
    net, x, options = asked
    run, numbers = reached(net, x)
    raw = pl.explain(net, x, "gradient", target=1, **options).raw
    assert raw.shape == numbers.shape
    with torch.no_grad():
        for place in torch.randperm(numbers[0].numel())[:6].tolist():
            step = torch.zeros_like(numbers).flatten(1)
            step[:, place] = 1e-6
            step = step.view_as(numbers)
            slope = (run(numbers + step)[:, 1] - run(numbers - step)[:, 1]) / 2e-6
            torch.testing.assert_close(raw.flatten(1)[:, place].double(), slope, rtol=1e-5, atol=1e-7)


def test_integrated_gradients_are_complete(asked):
    net, x, options = asked
    run, numbers = reached(net, x)
    e = pl.explain(net, x, "integrated-gradients:steps=64", target=2, **options)
    with torch.no_grad():
        owed = run(numbers)[:, 2] - run(torch.zeros_like(numbers))[:, 2]
    torch.testing.assert_close(e.owed.double(), owed, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(e.raw.flatten(1).sum(1).double(), owed, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(e.maps.flatten(1).sum(1).double(), owed, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("explainer", GRADIENTS)
def test_batches_and_their_size_make_no_difference(asked, explainer):
    net, x, options = asked
    whole = pl.explain(net, x, explainer, target=1, **options).maps
    most = []
    handle = net.register_forward_pre_hook(lambda _m, args: most.append(len(args[0])))
    small = pl.explain(net, x, explainer, target=1, batch_size=2, **options).maps
    handle.remove()
    assert max(most) <= 2
    torch.testing.assert_close(whole, small, rtol=1e-5, atol=1e-7)
    alone = pl.explain(net, x[1:2], explainer, target=1, **options).maps
    torch.testing.assert_close(whole[1:2], alone, rtol=1e-5, atol=1e-7)
    streamed = list(pl.explain(net, [x[:2], x[2:]], explainer, target=1, **options))
    torch.testing.assert_close(whole, torch.cat([e.maps for e in streamed]), rtol=1e-5, atol=1e-7)


def test_the_model_is_left_as_it_was(asked):
    net, x, options = asked
    net.train()
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()]
    pl.explain(net, x, "integrated-gradients:steps=2", **options)
    assert net.training
    assert all(p.grad is None for p in net.parameters())
    assert hooks == [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()]


def test_every_explanation_has_a_picture_and_a_file(asked, tmp_path):
    net, x, options = asked
    e = pl.explain(net, x, "gradient", ask=["logit", "contrast"], **options)
    picture = e.overlay(1)
    high, wide = (1, e.maps.shape[-1]) if e.maps.ndim == 3 else e.maps.shape[-2:]
    assert picture.width >= 2 * wide
    assert picture.height >= (16 if high == 1 else high)
    assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 2
    assert e._repr_png_().startswith(b"\x89PNG")
    again = pl.Explanation.load(e.save(tmp_path / "e"))
    assert torch.equal(again.maps, e.maps)
    assert again.channels == e.channels
    assert np.array_equal(np.asarray(again.overlay(1)), np.asarray(picture))


def test_the_overlay_of_a_volume_is_its_middle_slice():
    x, maps = torch.zeros(1, 1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    maps[:, 1], maps[:, 0] = 1.0, -1.0
    x[:, :, 1] = 1.0
    e = pl.Explanation(maps=maps, images=x)
    flat = pl.Explanation(maps=maps[:, 1], images=x[:, :, 1], signed=True)
    assert np.array_equal(np.asarray(e.overlay(0)), np.asarray(flat.overlay(0)))
    assert e.picture(0).unique().tolist() == [1.0]


# --- baselines -----------------------------------------------------------------------------------------------------


def test_baselines_are_laid_as_the_input_is(asked):
    net, x, options = asked
    run, numbers = reached(net, x)
    baseline = torch.randn(numbers.shape[1:], dtype=torch.float64)
    for given in (baseline, baseline[None]):
        e = pl.explain(net, x, pl.explainers.IntegratedGradients(baseline=given, steps=64), target=0, **options)
        with torch.no_grad():
            owed = run(numbers)[:, 0] - run(baseline.expand_as(numbers))[:, 0]
        torch.testing.assert_close(e.owed.double(), owed, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(e.raw.flatten(1).sum(1).double(), owed, rtol=1e-4, atol=1e-5)
    several = torch.randn(4, *numbers.shape[1:], dtype=torch.float64)
    e = pl.explain(net, x, pl.explainers.GradientSHAP(baseline=several, samples=4), target=0, **options)
    with torch.no_grad():
        starts = torch.stack([run(b.expand_as(numbers))[:, 0] for b in several])
        torch.testing.assert_close(e.owed.double(), run(numbers)[:, 0] - starts.mean(0), rtol=1e-5, atol=1e-6)


def test_the_padding_is_a_baseline_of_tokens():
    torch.manual_seed(0)
    net = made(Reader())
    padding = torch.full((6,), 3)
    for given in (padding, padding[None]):
        e = pl.explain(net, IDS, pl.explainers.IntegratedGradients(baseline=given, steps=64), target=1)
        with torch.no_grad():
            owed = net(IDS)[:, 1] - net(padding.expand(3, 6))[:, 1]
        torch.testing.assert_close(e.owed.double(), owed, rtol=1e-5, atol=1e-6)


def test_a_baseline_that_does_not_fit_is_refused(asked):
    net, x, options = asked
    with pytest.raises(BadInput, match="baseline has shape"):
        pl.explain(net, x, pl.explainers.IntegratedGradients(baseline=torch.ones(11, 13)), **options)


# --- which input ---------------------------------------------------------------------------------------------------


def test_the_explained_part_is_the_likeliest():
    image, vector, ids = torch.zeros(2, 3, 4, 4), torch.zeros(2, 5), torch.zeros(2, 6, dtype=torch.int64)
    assert as_batch({"ids": ids, "age": vector, "image": image}).key == "image"
    assert as_batch({"ids": ids, "age": vector}).key == "age"
    assert as_batch((torch.zeros(2, dtype=torch.int64), ids)).key == 1
    assert as_batch({"ids": ids, "age": vector}, input="ids").key == "ids"
    assert as_batch(image).images is image
    assert as_batch(vector).images.shape == (2, 1, 5)
    assert as_batch(image, channels=-1).images.shape == (2, 4, 3, 4)


@pytest.mark.parametrize("channels", [0, 1, 2, 3])
def test_inward_and_outward_are_inverse(channels):
    x = torch.randn(2, 3) if channels == 0 else torch.randn(2, 3, 4, 5)
    batch = Batch(x, None, channels)
    assert torch.equal(batch.outward(batch.images), x)
    assert torch.equal(batch.call(lambda x: x, batch.images), x)
    other = torch.randn_like(batch.images)
    assert torch.equal(batch.but(other).images, other)


def test_tokens_with_a_mask_beside_them():
    torch.manual_seed(0)
    net, mask = made(Reader()), torch.zeros(3, 6, dtype=torch.bool)
    mask[:, 4:] = True
    for x in ((IDS, mask), {"ids": IDS, "mask": mask}):
        for batch_size in (None, 2):
            e = pl.explain(net, x, "integrated-gradients:steps=16", target=0, batch_size=batch_size)
            assert e.maps.shape == (3, 6)
            with torch.no_grad():
                torch.testing.assert_close(e.value.double(), net(IDS, mask)[:, 0], rtol=1e-5, atol=1e-6)
            assert bool(e.raw[:, :4].any())


def test_an_embedding_that_reads_other_ids_too_is_changed_for_these_alone():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.head = nn.Embedding(10, 8), nn.Linear(8, 4)

        def forward(self, ids):
            return self.head((self.words(input=ids) * self.words(ids.roll(1, 1))).sum(1).tanh())

    torch.manual_seed(0)
    net = made(Twice())
    raw = pl.explain(net, IDS, "gradient", target=0).raw
    vectors = net.words(IDS).detach().requires_grad_()
    y = net.head((vectors * net.words(IDS.roll(1, 1))).sum(1).tanh())
    torch.testing.assert_close(raw.double(), torch.autograd.grad(y[:, 0].sum(), vectors)[0], rtol=1e-5, atol=1e-7)


def test_a_classifier_of_hugging_face():
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(vocab_size=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                        num_labels=3, max_position_embeddings=16)  # fmt: skip
    net = BertForSequenceClassification(config).eval()
    x = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS), "token_type_ids": torch.zeros_like(IDS)}
    e = pl.explain(net, x, "integrated-gradients:steps=64", target=1)
    with torch.no_grad():
        words = net.bert.embeddings.word_embeddings(IDS)
        full, empty = (net(inputs_embeds=v, attention_mask=x["attention_mask"]).logits for v in (words, 0 * words))
    torch.testing.assert_close(e.raw.flatten(1).sum(1), (full - empty)[:, 1], rtol=2e-2, atol=1e-4)
    assert e.maps.shape == (3, 6)


# --- what cannot be ------------------------------------------------------------------------------------------------


def test_who_needs_pictures_says_so():
    volumes = nn.Sequential(nn.Conv3d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 3))
    x = torch.randn(2, 2, 4, 4, 4)
    for explainer in ("grad-cam", "fullgrad", "smooth@eigen-cam", "edges"):
        with pytest.raises(BadInput, match=r"signals or images, .*\(2, 2, 4, 4, 4\); use integrated-gradients"):
            pl.explain(volumes, x, explainer)
    with pytest.raises(BadInput, match="not for volumes"):
        pl.explain(volumes, x, "input-x-gradient:layer=auto")
    for net, given, options in ((Reader(), IDS, {}), (Recurrent(), torch.randn(2, 5, 3), {"channels": 2})):
        with pytest.raises(BadInput, match="not for tokens and series"):
            pl.explain(net, given, "grad-cam", **options)
    with pytest.raises(BadInput, match="batch has 4 axes"):
        pl.measure(volumes, x, pl.explain(volumes, x, "gradient"), "insertion")


def test_mistakes_are_sentences():
    with pytest.raises(BadInput, match="channels is 1, and x has 2 axes"):
        pl.explain(nn.Linear(5, 3), torch.randn(2, 5), "gradient", channels=1)
    for channels in (0, 3, -3):
        with pytest.raises(BadInput, match="leave it out for vectors"):
            pl.explain(Recurrent(), torch.randn(2, 5, 3), "gradient", channels=channels)
    with pytest.raises(BadModel, match=r"no nn\.Embedding of Linear reads it"):
        pl.explain(nn.Linear(5, 3), torch.ones(2, 5, dtype=torch.int64), "gradient")


def test_metrics_of_vectors():
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)), torch.randn(4, 5)
    e = pl.explain(net, x, "integrated-gradients")
    for metric in ("deletion", "sparseness", "completeness"):
        scores = pl.measure(net, x, e, metric)
        assert scores.shape == (4,)
        assert bool(scores.isfinite().all())


# --- real data -----------------------------------------------------------------------------------------------------


@pytest.mark.data
def test_heartbeats(data):
    """A small LSTM learns normal from abnormal beats; its evidence adds up, and lies where the beats differ."""
    file = Path(data) / "ecg5000" / "ecg5000_2000.npz"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    beats = np.load(file)
    x = torch.from_numpy(beats["x_train"][:128])[..., None]
    y = torch.from_numpy(beats["y_train"][:128]).clamp(max=1)
    torch.manual_seed(0)
    net = nn.ModuleDict({"lstm": nn.LSTM(1, 8, batch_first=True), "head": nn.Linear(8, 2)})
    model = _Called(net)
    optimiser = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(15):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()
    e = pl.explain(model, x[:8], "integrated-gradients:steps=64", target=1, channels=2)
    assert e.maps.shape == (8, 140)
    with torch.no_grad():
        owed = (model(x[:8]) - model(torch.zeros_like(x[:8])))[:, 1]
    torch.testing.assert_close(e.maps.sum(1), owed, rtol=2e-2, atol=2e-2)
    mean = x[y == 0].mean(0)
    e = pl.explain(model, x[:8], pl.explainers.IntegratedGradients(baseline=mean), target=1, channels=2)
    assert bool((e.error[(e.owed.abs() > 0.1)] < 0.1).all())


class _Called(nn.Module):
    def __init__(self, parts):
        super().__init__()
        self.parts = parts

    def forward(self, x):
        return self.parts["head"](self.parts["lstm"](x)[0].mean(1))

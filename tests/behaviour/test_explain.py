"""`explain` and `Explanation`: what goes in, what comes out."""

import json
from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import pellucid as pl
from pellucid.contracts.case import images, model
from pellucid.errors import BadFile, BadInput
from pellucid.questions.towards import Towards

CLOSE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(scope="module")
def net():
    return model("tiny-cnn")


@pytest.fixture(scope="module")
def x():
    return images(4)


# --- shapes, targets, questions --------------------------------------------------------------------------------------


def test_the_first_answer(net, x):
    e = pl.explain(net, x)
    assert e.maps.shape == (4, 32, 32)
    assert e.explainer.startswith("grad-cam:layer=features")
    assert e.ask == "logit"
    assert torch.equal(e.target, net(x).argmax(1))
    torch.testing.assert_close(e.value, net(x).detach().amax(1))
    assert e.seconds > 0
    assert e.model.startswith("pellucid:tiny-cnn:classes=5 ")
    assert not e.maps.requires_grad


def test_axes_of_targets_and_questions(net, x):
    k, q = torch.tensor([[0, 1, 2]] * 4), ["logit", "contrast"]
    assert pl.explain(net, x, "gradient", ask=q, target=k).maps.shape == (4, 3, 2, 32, 32)
    assert pl.explain(net, x, "gradient", target=k).maps.shape == (4, 3, 32, 32)
    assert pl.explain(net, x, "gradient", ask=q).maps.shape == (4, 2, 32, 32)
    assert pl.explain(net, x, "gradient", ask=["logit"], target=k[:, :1]).maps.shape == (4, 32, 32)
    e = pl.explain(net, x, "gradient", ask=q, target=k)
    assert e.target.shape == (4, 3)
    assert e.value.shape == (4, 3, 2)
    assert e.ask == ("logit", "contrast")
    torch.testing.assert_close(e.value[:, :, 0], net(x).detach()[:, :3])


@pytest.mark.parametrize(
    "target", [2, torch.tensor(2), [2] * 4, np.full(4, 2), (2, 2, 2, 2), torch.full((4,), 2), np.int64(2)]
)
def test_a_target_in_any_form(net, x, target):
    assert torch.equal(
        pl.explain(net, x, "gradient", target=target).maps, pl.explain(net, x, "gradient", target=2).maps
    )


def test_a_batch_of_one_and_of_many(net, x):
    assert pl.explain(net, x[:1]).maps.shape == (1, 32, 32)
    torch.testing.assert_close(pl.explain(net, x, batch_size=3).maps, pl.explain(net, x).maps, **CLOSE)


def test_no_target_where_the_question_has_none(net, x):
    e = pl.explain(net, x, "gradient", ask=["similarity", "logit"])
    assert torch.equal(e.target, net(x).argmax(1))
    assert torch.equal(pl.explain(net, x, "gradient", ask="similarity").target, torch.full((4,), -1))


def test_a_function_asks(net, x):
    mine = pl.explain(net, x, "gradient", ask=lambda y: y[:, 3] - y[:, 1])
    same = pl.explain(net, x, "gradient", ask="contrast:against=1", target=3)
    torch.testing.assert_close(mine.maps, same.maps, **CLOSE)
    assert mine.ask.startswith("custom:function=<lambda ")


@pytest.mark.parametrize("size", [1, 3, None])
def test_a_mask_or_a_reference_a_sample_follows_its_sample(net, x, size):
    dense = nn.Sequential(net.features, nn.Conv2d(32, 5, 1))
    masks = torch.rand(4, 8, 8)
    whole = pl.explain(dense, x, "gradient", ask=pl.questions.Region(masks), target=1, batch_size=size).maps
    for i in range(4):
        alone = pl.explain(dense, x[i : i + 1], "gradient", ask=pl.questions.Region(masks[i]), target=1).maps
        torch.testing.assert_close(whole[i : i + 1], alone, **CLOSE)
    streamed = torch.cat(
        [e.maps for e in pl.explain(dense, iter(x.split(3)), "gradient", ask=pl.questions.Region(masks), target=1)]
    )
    torch.testing.assert_close(streamed, whole, **CLOSE)
    for reference in (torch.randn(4, 5), x.flip(0)):
        toward = pl.questions.Towards
        whole = pl.explain(net, x, "gradient", ask=toward(reference), batch_size=size).maps
        for i in range(4):
            alone = pl.explain(net, x[i : i + 1], "gradient", ask=toward(reference[i])).maps
            torch.testing.assert_close(whole[i : i + 1], alone, **CLOSE)


def test_towards_an_image_is_towards_its_embedding(net, x):
    by_image = pl.explain(net, x, "gradient", ask=pl.questions.Towards(x[0]))
    by_vector = pl.explain(net, x, "gradient", ask=pl.questions.Towards(net(x[:1])[0].detach()))
    torch.testing.assert_close(by_image.maps, by_vector.maps, **CLOSE)
    half = model("tiny-cnn", torch.bfloat16)
    assert pl.explain(half, x, "gradient", ask=pl.questions.Towards(x[0])).maps.isfinite().all()


# --- inputs and outputs of all kinds ---------------------------------------------------------------------------------


class Wide(nn.Module):
    """Takes an image and more, returns what it is told to."""

    def __init__(self, net, kind):
        super().__init__()
        self.net, self.kind = net, kind

    def forward(self, ids, pixels, scale=None):
        y = self.net(pixels) * (1.0 if scale is None else scale[:, None]) + ids.sum()
        return WRAPS[self.kind](y)


@dataclass
class Output:
    loss: object
    logits: torch.Tensor


Named = namedtuple("Named", "extra logits")
WRAPS = {
    "tensor": lambda y: y,
    "tuple": lambda y: (y, y.new_zeros(1)),
    "dict": lambda y: {"loss": None, "logits": y},
    "ordered": lambda y: OrderedDict(out=y),
    "dataclass": lambda y: Output(None, y),
    "named tuple": lambda y: Named("x", y),
    "nested": lambda y: {"a": {"b": y}},
}


@pytest.mark.parametrize(
    "kind, output",
    [
        ("tensor", None),
        ("tuple", None),
        ("tuple", 0),
        ("dict", None),
        ("dict", "logits"),
        ("ordered", "out"),
        ("dataclass", None),
        ("dataclass", "logits"),
        ("named tuple", "logits"),
        ("nested", lambda o: o["a"]["b"]),
    ],
)
def test_outputs(net, x, kind, output):
    wide = Wide(net, kind)
    ids = torch.zeros(4, 3, dtype=torch.int64)
    truth = pl.explain(net, x, "grad-cam", ask="contrast").maps
    for inputs in ((ids, x), {"ids": ids, "pixels": x}, OrderedDict(pixels=x, ids=ids)):
        for size in (None, 3):
            e = pl.explain(wide, inputs, "grad-cam:layer=net.features", ask="contrast", output=output, batch_size=size)
            torch.testing.assert_close(e.maps, truth, **CLOSE)


def test_what_stands_beside_the_image_is_cut_with_it(net, x):
    wide, scale = Wide(net, "tensor"), torch.tensor([1.0, 2.0, 3.0, 4.0])
    inputs = {"ids": torch.zeros(1, dtype=torch.int64), "pixels": x, "scale": scale}
    for size in (None, 1, 3):
        e = pl.explain(wide, inputs, "integrated-gradients:steps=2", target=0, batch_size=size)
        plain = pl.explain(net, x, "integrated-gradients:steps=2", target=0)
        torch.testing.assert_close(e.maps, scale[:, None, None] * plain.maps, **CLOSE)


def test_the_image_is_named_where_it_is_not_the_first(net, x):
    class Two(nn.Module):
        def forward(self, a, b):
            return net(b) + a.mean((1, 2, 3))[:, None]

    by_name = pl.explain(Two(), {"a": x.flip(0), "b": x}, "gradient", input="b").maps
    by_number = pl.explain(Two(), (x.flip(0), x), "gradient", input=1).maps
    plain = pl.explain(net, x, "gradient").maps
    torch.testing.assert_close(by_name, plain, **CLOSE)
    assert torch.equal(by_name, by_number)
    assert not torch.equal(pl.explain(Two(), (x.flip(0), x), "gradient").maps, plain)


def test_hugging_face_outputs(x):
    from transformers import ViTConfig, ViTForImageClassification, ViTModel

    config = ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32,
                       patch_size=8, num_labels=5)  # fmt: skip
    torch.manual_seed(0)
    classifier, encoder = ViTForImageClassification(config).eval(), ViTModel(config).eval()
    e = pl.explain(classifier, {"pixel_values": x}, "grad-cam", ask=["logit", "contrast"])
    assert e.maps.shape == (4, 2, 32, 32)
    assert torch.equal(e.target, classifier(x).logits.argmax(1))
    assert bool(e.maps.any())
    e = pl.explain(encoder, x, "grad-cam", ask="similarity")
    torch.testing.assert_close(e.value, encoder(x).pooler_output.detach().pow(2).sum(1))
    e = pl.explain(encoder, x, "gradient", ask="similarity", output="last_hidden_state")
    torch.testing.assert_close(e.value, encoder(x).last_hidden_state.detach().pow(2).flatten(1).sum(1))


def test_signals(net):
    torch.manual_seed(0)
    signal = nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
                           nn.Linear(4, 3)).eval()  # fmt: skip
    x = torch.randn(3, 2, 50)
    images_only = {"xrai"} & set(pl.catalog("explainers"))
    attention = {name for name, cls in pl.catalog("explainers").items() if cls.group == "transformer"}
    for name, cls in pl.catalog("explainers").items():
        if name in attention | images_only | {"custom"}:
            continue
        text = f"{name}@gradient" if name == "smooth" else f"{name}@integrated-gradients" if name == "idgi" else name
        e = pl.explain(signal, x, text if "of" in cls.__dataclass_fields__ else cls(**cls.quick))
        assert e.maps.shape == (3, 50), name
    for name in attention:
        with pytest.raises(pl.errors.BadModel, match="attention"):
            pl.explain(signal, x, name)
    one = pl.explain(signal, x, "grad-cam").overlay(0)
    several = pl.explain(signal, x, "grad-cam", ask=["logit", "contrast"], target=torch.tensor([[0, 1]] * 3)).overlay(0)
    assert several.width >= 4 * one.width >= 200


# --- streams ---------------------------------------------------------------------------------------------------------


def test_a_loader_is_explained_batch_by_batch(net, x):
    whole = pl.explain(net, x, "grad-cam", target=[0, 1, 2, 3]).maps
    labelled = DataLoader(TensorDataset(x, torch.arange(4)), batch_size=3)
    plain = DataLoader(TensorDataset(x), batch_size=3)
    for batches in (labelled, plain, list(x.split(3)), [{"x": p} for p in x.split(3)], (p for p in x.split(3))):
        stream = pl.explain(net, batches, "grad-cam", target=[0, 1, 2, 3])
        parts = list(stream)
        assert [len(p) for p in parts] == [3, 1]
        torch.testing.assert_close(torch.cat([p.maps for p in parts]), whole, **CLOSE)


def test_a_stream_is_lazy(net, x):
    taken = []

    def batches():
        for part in x.split(1):
            taken.append(1)
            yield part

    stream = pl.explain(net, batches(), "gradient")
    assert not taken
    next(iter(stream))
    assert len(taken) == 1


def test_the_mistake_of_a_stream_is_told_at_once(net, x):
    with pytest.raises(LookupError):
        pl.explain(net, [x], "grad-cm")


# --- the model as it was ---------------------------------------------------------------------------------------------


def test_under_no_grad_and_inference_mode(net, x):
    truth = pl.explain(net, x, "grad-cam").maps
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            torch.testing.assert_close(pl.explain(net, x.clone(), "grad-cam").maps, truth)
            assert pl.explain(net, x.clone(), "gradient").maps.shape == (4, 32, 32)
    with torch.inference_mode():
        inside = x * 1
    torch.testing.assert_close(pl.explain(net, inside, "grad-cam").maps, truth)


def test_images_that_require_gradients_are_left_alone(net, x):
    leaf = x.clone().requires_grad_()
    e = pl.explain(net, leaf, "gradient")
    assert leaf.grad is None
    assert not e.maps.requires_grad


def test_dtype_of_the_images_follows_the_model(x):
    double = model("tiny-cnn", torch.float64)
    single = model("tiny-cnn")
    torch.testing.assert_close(
        pl.explain(double, x, "gradient").maps, pl.explain(single, x.double(), "gradient").maps, rtol=1e-3, atol=1e-5
    )


# --- the explanation -------------------------------------------------------------------------------------------------


def test_rows_of_an_explanation(net, x):
    e = pl.explain(net, x, "gradient", ask=["logit", "contrast"])
    assert len(e) == 4
    assert e[1].maps.shape == (1, 2, 32, 32)
    assert torch.equal(e[-1].maps[0], e.maps[3])
    assert torch.equal(e[1:3].target, e.target[1:3])
    assert torch.equal(e[e.target >= 0].raw, e.raw)
    assert torch.equal(e[[2, 0]].images, x[[2, 0]])
    assert [len(one) for one in e] == [1] * 4
    assert e.numpy().shape == (4, 2, 32, 32)
    assert e.to("cpu").maps.device.type == "cpu"
    with pytest.raises(IndexError):
        e[4]


def test_an_explanation_is_kept_whole(net, x, tmp_path):
    e = pl.explain(net, x, "grad-cam", ask=["logit", "contrast"], target=torch.tensor([[0, 1]] * 4))
    back = pl.Explanation.load(e.save(tmp_path / "a" / "b"))
    for name, value in vars(e).items():
        if name == "_by":
            continue  # objects, whose text forms are kept
        if isinstance(value, torch.Tensor):
            assert torch.equal(getattr(back, name), value), name
        else:
            assert getattr(back, name) == value, name
    about = json.loads((tmp_path / "a" / "b" / "explanation.json").read_text())
    assert about["ask"] == ["logit", "contrast"]
    assert sorted(p.name for p in (tmp_path / "a" / "b").iterdir()) == ["explanation.json", "explanation.safetensors"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"12"])
def test_a_damaged_folder_is_refused(net, x, tmp_path, damage):
    pl.explain(net, x[:1], "gradient").save(tmp_path)
    for name in ("explanation.json", "explanation.safetensors"):
        pl.explain(net, x[:1], "gradient").save(tmp_path)
        (tmp_path / name).write_bytes(damage)
        with pytest.raises(BadFile):
            pl.Explanation.load(tmp_path)


def test_a_folder_that_cannot_be_written_keeps_what_it_had(net, x, tmp_path, monkeypatch):
    old = pl.explain(net, x[:1], "gradient")
    old.save(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(BadFile, match="No space left"):
        pl.explain(net, x, "gradient").save(tmp_path)
    monkeypatch.undo()
    assert torch.equal(pl.Explanation.load(tmp_path).maps, old.maps)
    assert len(list(tmp_path.iterdir())) == 2


def test_maps_made_elsewhere(x):
    e = pl.Explanation(maps=torch.rand(4, 32, 32), target=torch.arange(4))
    assert not e.signed
    assert pl.Explanation(maps=torch.randn(4, 32, 32)).signed
    assert e.overlay(0).size == (32, 32)
    assert pl.Explanation(maps=torch.randint(0, 2, (2, 4, 4)).bool()).maps.dtype == torch.float32
    with pytest.raises(BadInput):
        pl.Explanation(maps=torch.rand(4))


def test_pictures(net, x):
    e = pl.explain(net, x, "gradient", ask=["logit", "contrast"])
    one, two = e[0].overlay(0), pl.explain(net, x, "gradient").overlay(0)
    assert one.width >= 2 * two.width
    assert e._repr_png_().startswith(b"\x89PNG")
    # the same map at half the scale is half as strong
    strong = np.asarray(pl.Explanation(maps=torch.ones(1, 8, 8)).overlay(0, limit=1.0)).astype(int)
    weak = np.asarray(pl.Explanation(maps=torch.ones(1, 8, 8)).overlay(0, limit=2.0)).astype(int)
    assert (strong != weak).any()


def test_provenance_repeats_the_map(net, x):
    e = pl.explain(net, x)
    assert torch.equal(pl.explain(net, x, e.explainer, ask=e.ask, target=e.target).maps, e.maps)


def test_another_seed_another_noise(net, x):
    a, b, c = (pl.explain(net, x, "smooth:samples=2@gradient", seed=s).maps for s in (0, 1, 0))
    assert torch.equal(a, c)
    assert not torch.equal(a, b)
    fixed = [pl.explain(net, x, "smooth:samples=2,seed=5@gradient", seed=s).maps for s in (0, 1)]
    assert torch.equal(*fixed)


def test_an_image_is_a_reference_even_where_its_sides_are_as_long_as_its_representation():
    """32 numbers for a picture of 32 × 32: three axes are no embedding."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 32, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    x, image = torch.rand(2, 3, 32, 32), torch.rand(3, 32, 32)
    towards = pl.explain(model, x, "gradient", ask=Towards(image))
    known = pl.explain(model, x, "gradient", ask=Towards(model(image[None])[0].detach()))
    assert torch.allclose(towards.maps, known.maps, atol=1e-6)
    one_each = pl.explain(model, x, "gradient", ask=Towards(torch.stack([image, image])))
    assert torch.allclose(one_each.maps, known.maps, atol=1e-6)

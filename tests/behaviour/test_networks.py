"""Models from where models are: hubs, files, our own."""

import os
import subprocess
import sys

import pytest
import torch
from PIL import Image
from torch import nn

import pellucid as pl
from pellucid.errors import BadFile, BadModel
from pellucid.networks import Card, load_model, save_model
from pellucid.networks._load import card_of


def picture(width=50, height=40, mode="RGB"):
    return Image.linear_gradient("L").resize((width, height)).convert(mode)


@pytest.mark.parametrize(
    "name, size",
    [("timm:resnet10t", 176), ("torchvision:squeezenet1_1", 224), ("pellucid:tiny-cnn", 32), ("pellucid:tiny-vit", 32)],
)
def test_a_source(name, size):
    net = load_model(name, weights=None, num_classes=7)
    assert not net.training
    x = pl.transform_of(net)(picture())[None]
    assert x.shape == (1, 3, size, size)
    assert net(x).shape == (1, 7)
    assert card_of(net).network.startswith(name)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1"])
def test_pictures_of_any_mode(mode):
    net = load_model("pellucid:tiny-cnn")
    assert pl.transform_of(net)(picture(mode=mode)).shape == (3, 32, 32)
    assert pl.transform_of(net)(torch.zeros(3, 20, 30, dtype=torch.uint8)).shape == (3, 32, 32)


def test_the_transform_is_that_of_the_weights():
    from torchvision.models import ResNet18_Weights

    net = load_model("torchvision:resnet18", weights=None)
    image = Image.effect_mandelbrot((300, 260), (-2, -1.5, 1, 1.5), 100).convert("RGB")
    torch.testing.assert_close(pl.transform_of(net)(image), ResNet18_Weights.DEFAULT.transforms()(image))


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224", "test_resnet", "test_vit"])
def test_timm_models_made_elsewhere_have_their_transform(name):
    import timm
    from timm.data import create_transform, resolve_model_data_config

    net = timm.create_model(name)
    image = Image.effect_mandelbrot((300, 260), (-2, -1.5, 1, 1.5), 100).convert("RGB")
    theirs = create_transform(**resolve_model_data_config(net))(image)
    torch.testing.assert_close(pl.transform_of(net)(image), theirs)


@pytest.mark.parametrize("wrap", ["state", "state_dict", "model", "module.", "_orig_mod.", "model."])
@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_checkpoints_of_all_kinds(tmp_path, wrap, suffix):
    net = load_model("pellucid:tiny-cnn:classes=4")
    state = net.state_dict()
    if wrap.endswith("."):
        state = {wrap + k: v for k, v in state.items()}
    elif wrap != "state":
        state = {"epoch": 3, wrap: state, "best": 0.5}
    torch.save(state, tmp_path / f"w{suffix}")
    back = load_model(tmp_path / f"w{suffix}", network="pellucid:tiny-cnn", num_classes=4)
    filled = load_model("pellucid:tiny-cnn", num_classes=4, weights=tmp_path / f"w{suffix}")
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(back(x), net(x))
    assert torch.equal(filled(x), net(x))


@pytest.mark.parametrize("name, classes", [("pellucid:tiny-vit:classes=4", None), ("timm:resnet10t", 5)])
def test_a_saved_model_knows_itself(tmp_path, name, classes):
    net = load_model(name, weights=None, num_classes=classes)
    save_model(net, tmp_path / "net.safetensors")
    back = load_model(tmp_path / "net.safetensors")
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(back(x), net(x))
    assert card_of(back) == card_of(net)
    assert pl.transform_of(back)(picture()).shape == pl.transform_of(net)(picture()).shape


def test_a_segmentation_network_without_weights_fetches_none(monkeypatch):
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", lambda *_, **__: pytest.fail("weights were fetched"))
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: pytest.fail("fetched"))
    net = load_model("torchvision:lraspp_mobilenet_v3_large", weights=None, num_classes=3)
    x = torch.randn(1, 3, 64, 64)
    e = pl.explain(net, x, "grad-cam", ask=pl.questions.Region(torch.ones(64, 64)), target=1)
    assert e.maps.shape == (1, 64, 64)
    assert bool(e.maps.isfinite().all())


def test_grey_pictures_for_a_network_of_one_channel():
    net = load_model("pellucid:tiny-cnn:channels=1")
    x = pl.transform_of(net)(picture())[None]
    assert x.shape == (1, 1, 32, 32)
    assert net(x).shape == (1, 10)


def test_a_model_of_ones_own_is_saved_with_a_card(tmp_path):
    net = load_model("pellucid:tiny-cnn:channels=1")
    save_model(net, tmp_path / "n.safetensors", Card("pellucid:tiny-cnn:channels=1", (28, 28), (0.5,), (0.5,), None))
    assert pl.transform_of(load_model(tmp_path / "n.safetensors"))(picture()).shape == (1, 28, 28)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_damaged_files(tmp_path, damage, suffix):
    net, path = load_model("pellucid:tiny-cnn"), tmp_path / f"w{suffix}"
    if suffix == ".pt":
        torch.save(net.state_dict(), path)
    else:
        save_model(net, path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "noise": os.urandom(1000), "empty": b""}[damage])
    with pytest.raises(BadFile):
        load_model(path, network="pellucid:tiny-cnn")


def test_a_file_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"w": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(BadFile):
        load_model(tmp_path / "evil.pt", network="pellucid:tiny-cnn")
    assert not (tmp_path / "ran").exists()


def test_hugging_face_folders(tmp_path):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, ViTConfig, ViTForImageClassification
    from transformers import ViTImageProcessor  # isort: skip

    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
             "image_size": 32, "patch_size": 8}  # fmt: skip
    torch.manual_seed(0)
    net = ViTForImageClassification(ViTConfig(**small, id2label={0: "cat", 1: "dog"})).eval()
    net.save_pretrained(tmp_path / "vit")
    size = {"height": 32, "width": 32}
    ViTImageProcessor(size=size, image_mean=[0.1] * 3, image_std=[0.2] * 3).save_pretrained(tmp_path / "vit")
    back = load_model(f"hf:{tmp_path / 'vit'}")
    x = pl.transform_of(back)(picture())[None]
    assert torch.equal(back(x).logits, net(x).logits)
    assert card_of(back).classes == ("cat", "dog")
    assert card_of(back).mean == (0.1,) * 3
    assert pl.explain(back, x, "grad-cam", ask="contrast").maps.shape == (1, 32, 32)
    CLIPVisionModelWithProjection(CLIPVisionConfig(**small, projection_dim=8)).save_pretrained(tmp_path / "clip")
    tower = load_model(f"hf:{tmp_path / 'clip'}")
    assert pl.explain(tower, x, "gradient", ask="similarity").maps.shape == (1, 32, 32)


@pytest.mark.parametrize("name", ["timm:resnet10t.c3_in1k", "hf:google/vit-base-patch16-224"])
def test_a_hub_out_of_reach_is_said_in_one_sentence(name):
    """With the hub switched off, so that it holds on any machine."""
    code = f"""
import pellucid as pl
try:
    pl.load_model({name!r})
except pl.PellucidError as error:
    print(type(error).__name__, error)
"""
    env = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert run.stdout.startswith("BadModel the weights of " + name)
    assert "weights=None" in run.stdout
    assert run.stdout.count("\n") == 1


def test_the_published_pair_fits_together():
    """A torch and a torchvision of different builds break here first."""
    from torchvision.ops import nms

    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [1.0, 1.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
    assert nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]


def test_no_card_no_transform():
    with pytest.raises(BadModel):
        pl.transform_of(nn.Linear(2, 2))


def test_tiny_networks_are_tiny():
    """The contracts run them thousands of times."""
    for name in ("tiny-cnn", "tiny-vit"):
        net = load_model(f"pellucid:{name}")
        assert sum(p.numel() for p in net.parameters()) < 20_000

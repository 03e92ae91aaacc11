"""The tail of a model gives what the whole gives with a layer's output exchanged, whatever the code of the model is."""

from collections import namedtuple

import pytest
import timm
import torch
from torch import nn
from torch.nn.functional import relu, relu_
from torchvision import models
from transformers import DeiTConfig, DeiTForImageClassification, ViTConfig, ViTForImageClassification

from pellucid.maths.grids import layout_of
from pellucid.subject import Subject, as_batch, undisturbed
from pellucid.subject import tail as tails
from pellucid.subject.state import first_tensor
from pellucid.subject.tail import Tail

SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
         "image_size": 32, "patch_size": 8, "num_labels": 5}  # fmt: skip


def tv_vit():
    net = models.VisionTransformer(32, 8, 3, 2, 16, 32, num_classes=5)
    nn.init.normal_(net.heads.head.weight)  # begins at zero
    return net


NETWORKS = {
    "resnet18": (lambda: models.resnet18(num_classes=5), 64,
                 ["conv1", "relu", "layer2", "layer3", "layer4.0.bn1", "layer4.1.conv1", "layer4"]),
    "densenet121": (lambda: models.densenet121(num_classes=5), 64,
                    ["features.denseblock4.denselayer2.conv1", "features.norm5", "features"]),
    "mobilenet_v3_small": (lambda: models.mobilenet_v3_small(num_classes=5), 64,
                           ["features.8.block.1", "features.8", "features.12"]),
    "googlenet": (lambda: models.googlenet(num_classes=5, aux_logits=False, init_weights=False), 64,
                  ["inception4d", "inception5b.branch2"]),
    "swin": (lambda: models.SwinTransformer([4, 4], 16, [2, 2, 4, 2], [1, 2, 2, 4], [4, 4], num_classes=5), 64,
             ["features.5", "features.7.0.norm1", "features.5.3.mlp.0"]),
    "vit": (tv_vit, 32, ["encoder.layers.encoder_layer_1", "encoder.layers.encoder_layer_2.ln_1"]),
    "timm vit": (lambda: timm.create_model("vit_tiny_patch16_224", img_size=64, depth=3, num_classes=5), 64,
                 ["patch_embed", "blocks.1", "blocks.1.mlp.act", "blocks.2.norm1"]),
    "timm registers": (lambda: timm.create_model("vit_small_patch14_reg4_dinov2", img_size=56, depth=2, embed_dim=48,
                                                 num_heads=3, num_classes=5), 56, ["blocks.1.norm1"]),
    "timm swin": (lambda: timm.create_model("swin_tiny_patch4_window7_224", img_size=64, window_size=4, num_classes=5,
                                            embed_dim=24), 64, ["layers.1", "layers.3.blocks.0.norm1"]),
    "hf vit": (lambda: ViTForImageClassification(ViTConfig(**SMALL)), 32, "norm_before"),
    "hf deit": (lambda: DeiTForImageClassification(DeiTConfig(**SMALL)), 32, "norm_before"),
}  # fmt: skip


def layers_of(net, wanted):
    """The paths, or those that end like this."""
    return wanted if isinstance(wanted, list) else [path for path, _ in net.named_modules() if path.endswith(wanted)]


def looked(net, x, path):
    """A tail at a layer, and what the layer gives; by hand, as an explainer does it."""
    subject = Subject(net)
    subject.batch = as_batch(x)
    with torch.no_grad():
        run = subject.forward(x, (path,))
    given = run.leaves[0].detach()
    return Tail(subject, x, path, given, run.output.detach()), given


def whole(net, x, path, changed):
    """The answer with the layer's output exchanged by a hook of our own."""

    def exchange(_module, _inputs, output):
        if isinstance(output, torch.Tensor):
            return changed
        return type(output)(*(changed if part is first_tensor(output) else part for part in output))

    handle = net.get_submodule(path).register_forward_hook(exchange)
    with torch.no_grad():
        y = net(x)
    handle.remove()
    return y if isinstance(y, torch.Tensor) else y.logits


def agree(net, x, path, short=True):
    """Rows in any order and number, more and fewer than there are images."""
    state = {p: sorted(vars(m)) for p, m in net.named_modules()}
    with undisturbed(net, 0):
        tail, given = looked(net, x, path)
        assert tail.short is short, f"{path} is {'' if tail.short else 'not '}short"
        for i in ([2, 0, 0, 1, 2, 2, 1], [1], [0, 1, 2]):
            rows = torch.tensor(i)
            changed = given[rows] * torch.rand(len(i), *given.shape[1:])
            with torch.no_grad():
                ours = tail(changed.clone(), rows)
            theirs = whole(net, x[rows], path, changed.clone())
            assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max(), path
    assert state == {p: sorted(vars(m)) for p, m in net.named_modules()}
    return tail


@pytest.mark.parametrize("name", NETWORKS)
def test_a_tail_is_the_model_from_there_on(name):
    make, side, wanted = NETWORKS[name]
    torch.manual_seed(0)
    net, x = make().eval(), torch.randn(3, 3, side, side)
    paths = layers_of(net, wanted)
    assert paths
    for path in paths:
        agree(net, x, path)


def test_what_comes_before_does_not_run():
    """Of a ResNet nothing, and nothing of it is kept; of a block with a skip connection the stream alone."""
    net, x = models.resnet18(num_classes=5).eval(), torch.randn(3, 3, 64, 64)
    tail = agree(net, x, "layer3")
    assert tail.kept == []
    assert not tail.plan.image.read
    ran = []
    handles = [
        m.register_forward_hook(lambda m, _i, _o, p=p: ran.append(p)) for p, m in net.named_modules() if "." not in p
    ]
    inner = net.layer2[0].conv1.register_forward_hook(lambda *_: pytest.fail("the second stage has run"))
    given = torch.randn(2, 256, 4, 4)
    with torch.no_grad():
        tail(given, torch.tensor([0, 2]))
    for handle in (*handles, inner):
        handle.remove()
    assert "layer4" in ran
    assert [s.path for s in tail.plan.steps if s.read] == []
    assert [s.path for s in agree(net, x, "layer4.1.conv1").plan.steps if s.read] == ["layer4.0"]


Pair = namedtuple("Pair", "map scale")


class Home(nn.Module):
    """Of everything that is awkward: a ReLU that is used everywhere, a tuple between modules, writing in place, the
    image read again behind the layer."""

    def __init__(self, way="plain"):
        super().__init__()
        self.way, self.calls = way, 0
        self.one, self.two, self.three = (nn.Conv2d(c, 6, 3, padding=1) for c in (3, 6, 6))
        self.relu, self.split, self.head = nn.ReLU(), Split(), nn.Linear(6, 5)

    def forward(self, x):
        self.calls += 1
        a = self.relu(self.one(x))
        b = self.two(a)
        b += 1  # what is kept of `two` is what it gave
        pair = self.split(relu_(b))
        if self.way == "other" and self.calls % 2 == 0:
            pair = self.split(pair.map)
        c = self.three(pair.map) * pair.scale
        c = self.relu(c + a) if self.way != "twice" else self.relu(self.three(c))
        shift = torch.rand(()) if self.way == "chance" else x.mean()
        return self.head(relu(c).mean((2, 3))) + shift


class Split(nn.Module):
    def forward(self, x):
        return Pair(x * 2, x.mean((1, 2, 3), keepdim=True))


def test_a_home_made_network():
    net, x = Home().eval(), torch.randn(3, 3, 8, 8)
    tail = agree(net, x, "three")
    assert tail.plan.image.read
    assert [s.path for s in tail.plan.steps] == ["one", "relu", "two", "split", "three"]
    assert [s.read for s in tail.plan.steps] == [False, True, True, True, False]
    agree(net, x, "split")
    agree(net, x, "two")


def test_a_model_that_goes_another_way_is_run_whole():
    for way in ("other", "chance"):
        net, x = Home(way).eval(), torch.randn(3, 3, 8, 8)
        with undisturbed(net, 0):
            tail, given = looked(net, x, "three")
            assert not tail.short, way
            with torch.no_grad():
                assert tail(given, torch.arange(3)).shape == (3, 5)
        assert all("forward" not in vars(m) for m in net.modules())


class Windows(nn.Module):
    """Images and windows share an axis before the layer, and the tail reads it."""

    def __init__(self):
        super().__init__()
        self.cut, self.mix, self.head = Cut(), nn.Conv2d(3, 3, 1), nn.Linear(3, 5)

    def forward(self, x):
        parts = self.cut(x)
        mixed = self.mix(parts) + parts
        return self.head(mixed.unflatten(0, (len(x), -1)).mean((1, 3, 4)))


class Cut(nn.Module):
    def forward(self, x):
        return x.unflatten(3, (2, -1)).permute(0, 3, 1, 2, 4).flatten(0, 1)


def test_rows_of_windows_are_not_told_apart():
    net, x = Windows().eval(), torch.randn(3, 3, 8, 8)
    subject = Subject(net)
    subject.batch = as_batch(x)
    with undisturbed(net, 0), torch.no_grad():
        tail = Tail(subject, x, "mix", net.mix(net.cut(x)), net(x))
        assert not tail.short
        assert torch.allclose(tail(net.mix(net.cut(x)), torch.arange(3)), net(x), atol=1e-6)


def test_batch_first_or_second():
    """torch's own transformer has the images in the second axis."""
    torch.manual_seed(0)

    class Sequence(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 8, 4, 4)
            self.first, self.last = (nn.TransformerEncoderLayer(8, 2, 16) for _ in range(2))
            self.head = nn.Linear(8, 5)

        def forward(self, x):
            t = self.first(self.patch(x).flatten(2).permute(2, 0, 1))
            return self.head((self.last(t) + t).mean(0))

    net, x = Sequence().eval(), torch.randn(3, 3, 16, 16)
    with undisturbed(net, 0), torch.no_grad():
        tail, given = looked(net, x, "last")
        assert layout_of(tuple(given.shape), (16, 16), rows=3).kind == "sequence"
        assert tail.short
        rows = torch.tensor([2, 0, 2, 1, 1])
        changed = torch.rand(16, 5, 8)
        stream = net.first(net.patch(x).flatten(2).permute(2, 0, 1))[:, rows]
        assert torch.allclose(tail(changed.clone(), rows), net.head((changed + stream).mean(0)), atol=1e-5)


def test_the_model_is_put_back_when_it_raises():
    net, x = models.resnet18(num_classes=5).eval(), torch.randn(2, 3, 64, 64)
    mine = net.conv1.forward
    net.conv1.forward = mine  # somebody's own
    with undisturbed(net, 0):
        tail, given = looked(net, x, "layer3")
        handle = net.layer4.register_forward_pre_hook(lambda *_: 1 / 0)
        for call in (tail, tail._whole):
            with pytest.raises(ZeroDivisionError), torch.no_grad():
                call(given, torch.arange(2))
        handle.remove()
    assert vars(net.conv1)["forward"] is mine
    assert all("forward" not in vars(m) for m in net.modules() if m is not net.conv1)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_a_model_that_was_changed_is_looked_at_again():
    net, x = models.resnet18(num_classes=5).eval(), torch.randn(3, 3, 64, 64)
    agree(net, x, "layer4")
    net.maxpool = nn.Sequential(nn.Identity())
    net.bn1 = nn.Identity()
    agree(net, x, "layer4")
    del net.layer1[1]
    agree(net, x, "layer4.1.conv1")
    assert len(tails._plans[net]) == 2


def test_half_precision():
    net, x = models.resnet18(num_classes=5).eval().bfloat16(), torch.randn(3, 3, 64, 64).bfloat16()
    with undisturbed(net, 0):
        tail, _ = looked(net, x, "layer4")
    assert tail.short

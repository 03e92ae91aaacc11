"""Networks for training: as published, explained at the last map, and after LICO as plain as before."""

from collections import Counter

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d, linear
from torch.utils._python_dispatch import TorchDispatchMode

import pellucid as pl
from pellucid.networks import Network
from pellucid.networks._load import card_of
from pellucid.networks._wide import parameters_of
from pellucid.objectives import Objective
from pellucid.objectives._heat import HeatPart
from pellucid.subject import Subject
from pellucid.subject.head import linear_head

NAMES = ["cat", "garden spider", "traffic light"]
LICO = "lico:text=(random-words:width=8),contexts=2"
SMALL = ["wrn-28-2", "wrn-28-8", "wrn-28-10", "preact-resnet18", "resnet:stem=cifar"]


def built(text, **knobs):
    torch.manual_seed(0)
    return Network.make(text).but(classes=3, **knobs).build().eval()


def lived(net, size=32):
    """After one batch in training, so that the statistics of BatchNorm are no longer 0 and 1."""
    net.train()(torch.randn(4, 3, size, size))
    return net.eval()


def images(n=2, size=32):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(1))


# --- as published ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, count",
    [
        ("wrn-28-2", 1_467_610),
        ("wrn-28-2:classes=100", 1_479_220),
        ("wrn-28-8", 23_354_842),
        ("wrn-28-10", 36_479_194),
        ("preact-resnet18", 11_172_170),
        ("resnet:stem=cifar,classes=10", 11_173_962),
        ("resnet", 11_689_512),
        ("resnet:depth=34", 21_797_672),
        ("resnet:depth=50", 25_557_032),
        ("resnet:depth=101", 44_549_160),
    ],
)
def test_the_number_of_weights(text, count):
    assert parameters_of(Network.make(text)) == count


def test_a_max_head_and_dropout_have_no_weights():
    for text in ("wrn-28-2", "preact-resnet18", "resnet:stem=cifar"):
        plain, other = built(text), built(text, head="max")
        assert plain.state_dict().keys() == other.state_dict().keys()
        assert not torch.allclose(plain(images()), other(images()))
    assert built("wrn-28-2").state_dict().keys() == built("wrn-28-2:dropout=0.3").state_dict().keys()


@pytest.mark.parametrize("text, groups, depth", [("wrn-28-2", 3, 4), ("preact-resnet18", 4, 2)])
@pytest.mark.parametrize("head", ["average", "max"])
def test_the_formula_written_out(text, groups, depth, head):
    """x + conv(act(conv(act(x)))), group by group, from the weights alone."""
    net = lived(built(text, head=head))
    w, x = net.state_dict(), images()

    def act(x, path):
        p = f"features.{path}"
        mean, var = w[f"{p}.running_mean"], w[f"{p}.running_var"]
        return batch_norm(x, mean, var, w[f"{p}.weight"], w[f"{p}.bias"]).clamp_min(0)

    def conv(x, path, stride, padding):
        return conv2d(x, w[f"features.{path}.weight"], None, stride, padding)

    y = conv(x, "stem", 1, 1)
    for group in range(1, groups + 1):
        for block in range(depth):
            p, stride = f"group{group}.{block}", 2 if group > 1 and block == 0 else 1
            first = act(y, f"{p}.norm1")
            inner = conv(act(conv(first, f"{p}.conv1", stride, 1), f"{p}.norm2"), f"{p}.conv2", 1, 1)
            changes = f"features.{p}.shortcut.weight" in w
            assert changes == (block == 0 and (group > 1 or text == "wrn-28-2"))
            y = inner + (conv(first, f"{p}.shortcut", stride, 0) if changes else y)
    y = act(y, "norm").flatten(2)
    pooled = y.mean(2) if head == "average" else y.max(2).values
    torch.testing.assert_close(net(x), linear(pooled, w["head.weight"], w["head.bias"]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("text", ["wrn-28-2", "preact-resnet18"])
def test_how_it_begins(text):
    net = built(text)
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 4000:
            wanted = (2 / (module.out_channels * module.kernel_size[0] * module.kernel_size[1])) ** 0.5
            assert module.weight.std().item() == pytest.approx(wanted, rel=0.06)
        if isinstance(module, nn.BatchNorm2d):
            assert bool((module.weight == 1).all())
            assert not module.bias.any()
    assert not net.head.bias.any()


def test_dropout_stands_between_the_convolutions_and_only_where_it_is_wanted():
    assert not [m for m in built("wrn-28-2").modules() if isinstance(m, nn.Dropout)]
    net = built("wrn-28-2:dropout=0.5")
    assert len([m for m in net.modules() if isinstance(m, nn.Dropout)]) == 12
    x = images()
    assert torch.equal(net(x), net(x))
    seen = []
    block = net.features.group1[0]
    block.conv2.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    block.relu2.register_forward_hook(lambda *_: seen.append(_[2].clone()))
    block.train()(torch.randn(2, 16, 32, 32))
    before, after = seen
    kept = after != 0
    assert 0.4 < (kept.sum() / (before != 0).sum()).item() < 0.6
    torch.testing.assert_close(after[kept], 2 * before[kept])


@pytest.mark.parametrize("depth", [18, 50])
def test_torchvisions_weights_load(depth):
    from torchvision import models

    torch.manual_seed(1)
    theirs = lived(models.get_model(f"resnet{depth}", num_classes=3), 64)
    for head in ("average", "max"):
        ours = built(f"resnet:depth={depth}", head=head)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        ours.load_state_dict(theirs.state_dict(), strict=True)
        assert torch.equal(ours(images(2, 64)), theirs(images(2, 64))) == (head == "average")
    small = built(f"resnet:depth={depth},stem=cifar").state_dict()
    shapes = {key: tensor.shape for key, tensor in theirs.state_dict().items()}
    assert [key for key in shapes if small[key].shape != shapes[key]] == ["conv1.weight"]


def test_the_stem_for_small_pictures():
    net = built("resnet:stem=cifar")
    assert (net.conv1.kernel_size, net.conv1.stride, net.conv1.padding) == ((3, 3), (1, 1), (1, 1))
    assert net.conv1.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.06)
    x = images()
    y = net.layer1(net.relu(net.bn1(net.conv1(x))))
    assert y.shape == (2, 64, 32, 32)
    torch.testing.assert_close(net(x), net.fc(net.layer4(net.layer3(net.layer2(y))).mean((2, 3))))


@pytest.mark.parametrize("text", ["wrn-28-2", "preact-resnet18", "resnet:stem=cifar", "resnet", "tiny-cnn"])
@pytest.mark.parametrize("head", ["average", "max"])
def test_grey_pictures(text, head):
    net = pl.load_model(f"pellucid:{text}{',' if ':' in text else ':'}channels=1,head={head}", num_classes=3)
    assert net(torch.randn(2, 1, 32, 32)).shape == (2, 3)


def test_what_it_expects_of_pictures():
    cifar = pl.data.CIFAR10
    for text in SMALL:
        member = Network.make(text)
        assert (member.size, member.mean, member.std) == (32, cifar.mean, cifar.std)
    card = card_of(pl.load_model("pellucid:resnet"))
    assert card is not None
    assert (card.size, card.mean, card.std) == ((224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    card = card_of(pl.load_model("pellucid:resnet:stem=cifar,channels=1"))
    assert card is not None
    assert (card.size, card.mean) == ((32, 32), cifar.mean[:1])


# --- explained at the last map --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, size, path, shape",
    [
        ("wrn-28-2", 32, "features", (128, 8, 8)),
        ("wrn-28-8", 32, "features", (512, 8, 8)),
        ("wrn-28-10", 32, "features", (640, 8, 8)),
        ("preact-resnet18", 32, "features", (512, 4, 4)),
        ("resnet:stem=cifar", 32, "layer4", (512, 4, 4)),
        ("resnet", 224, "layer4", (512, 7, 7)),
    ],
)
@pytest.mark.parametrize("head", ["average", "max"])
def test_the_place_and_the_length_of_a_particle(text, size, path, shape, head):
    """Where Grad-CAM looks, which maps LICO binds to, and that no cell of them is below zero."""
    net, x = built(text, head=head), images(2, size)
    subject = Subject(net)
    assert subject.layers(x, None) == (path,)
    [maps] = subject.forward(x, (path,)).leaves
    assert maps.shape == (2, *shape)
    assert float(maps.detach().min()) == 0
    if head == "average":
        part = Objective.make(LICO).bind(net, NAMES, (size, size)).parts["lico"]
        assert (part.layer, part.length) == (path, shape[1] * shape[2])
    else:
        assert pl.explain(net, x[:1], "grad-cam", target=1).maps.shape == (1, size, size)


@pytest.mark.parametrize("net", [lambda: lived(built("resnet")), lambda: built("resnet:depth=50")])
def test_a_map_of_one_cell_is_refused(net):
    with pytest.raises(pl.PellucidError, match="1×1"):
        Objective.make(LICO).bind(net(), NAMES, images())


@pytest.mark.parametrize("text", ["wrn-28-2", "preact-resnet18", "resnet:stem=cifar", "tiny-cnn"])
def test_a_max_head_is_not_taken_for_an_average(text):
    """The closed form of a heat-map would be wrong there: it is found, or refused, from a batch."""
    for head in ("average", "max"):
        net, x = lived(built(text, head=head)), images(3)
        subject = Subject(net)
        [path] = subject.layers(x, None)
        seen = subject.forward(x, (path,))
        found = linear_head(net, seen.output, seen.leaves[0])
        assert (found is None) == (head == "max")


@pytest.mark.parametrize("head", ["average", "max"])
def test_a_heat_map_is_the_same_by_both_ways(head):
    """The shortcut where there is one, the second derivative otherwise: one loss, one gradient."""
    net, batch = lived(built("wrn-28-2", head=head)), (images(2), torch.tensor([0, 2]))
    grads = []
    for way in ("auto", "double-backward"):
        bound = Objective.make(f"cgc:way={way}").bind(net, images=(32, 32))
        net.zero_grad()
        bound(batch)[0].backward()
        grads.append([p.grad.clone() for p in net.parameters()])
        if way == "auto":
            [part] = bound.parts.values()
            assert isinstance(part, HeatPart)
            assert set(part._heads.values()) == ({"head"} if head == "average" else {None})
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_the_gradient_of_a_max_head_is_at_the_peaks():
    net, x = lived(built("wrn-28-2", head="max")), images(1)
    maps = net.features(x).detach().requires_grad_()
    net.head(net.pool(maps).flatten(1))[0, 1].backward()
    peaks = (maps == maps.amax((2, 3), keepdim=True)).float()
    weight = net.head.weight[1].detach()[None, :, None, None]
    torch.testing.assert_close(maps.grad, weight * peaks / peaks.sum((2, 3), keepdim=True))


# --- after LICO as plain as before ----------------------------------------------------------------------------------


class Counted(TorchDispatchMode):
    """Which operations a forward is made of."""

    def __init__(self):
        super().__init__()
        self.seen = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen[str(func)] += 1
        return func(*args, **kwargs or {})


def operations(net, x):
    with torch.no_grad(), Counted() as counted:
        net(x)
    return counted.seen


def hooks(net):
    stores = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, store)) for module in net.modules() for store in stores)


@pytest.mark.parametrize("text", ["wrn-28-2:dropout=0.1", "preact-resnet18:head=max", "resnet:stem=cifar"])
def test_a_network_trained_by_lico_is_the_plain_network(text, tmp_path):
    torch.manual_seed(0)
    net, x = pl.load_model(f"pellucid:{text}", num_classes=3), images(4)
    plain = pl.load_model(f"pellucid:{text}", num_classes=3)
    before, modules = operations(plain, x), [(path, type(m)) for path, m in plain.named_modules()]
    bound = Objective.make(LICO).bind(net, NAMES)
    optimiser = torch.optim.SGD([*net.parameters(), *bound.parameters()], 0.01)
    start = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    bound.train()
    net.train()
    loss, terms = bound((x, torch.tensor([0, 1, 2, 0])))
    loss.backward()
    optimiser.step()
    net.eval()
    assert set(terms) == {"ce", "mm", "ot"}
    assert any(not torch.equal(start[key], tensor) for key, tensor in net.state_dict().items())

    back = pl.load_model(pl.save_model(net, tmp_path / "net.safetensors"))
    assert torch.equal(back(x), net(x))
    plain.load_state_dict(net.state_dict(), strict=True)
    assert torch.equal(plain(x), net(x))
    for one in (net, back):
        assert hooks(one) == 0
        assert [(path, type(m)) for path, m in one.named_modules()] == modules
        assert operations(one, x) == before

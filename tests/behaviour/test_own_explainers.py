"""Explainers from elsewhere: a function, and a package with an entry point."""

import importlib
import random
import sys

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import pellucid as pl
from pellucid.cli.main import app
from pellucid.contracts.case import images, model
from pellucid.contracts.explainers import _same, _state
from pellucid.errors import BadExplainer, BadInput
from pellucid.explainers import Explainer
from pellucid.explainers.custom import Custom
from pellucid.subject.foreign import put_back


@pytest.fixture
def net():
    return model("tiny-cnn")


@pytest.fixture
def x():
    return images(3)


def saliency(model, x, target):
    """As somebody would write it, with all that this leaves behind."""
    x.requires_grad_()
    model(x).gather(1, target[:, None]).sum().backward()
    return x.grad


# --- a function ----------------------------------------------------------------------------------------------------


def test_a_function_is_an_explainer(net, x):
    for target in (None, 2, [0, 1, 4], [[0, 1], [2, 3], [4, 0]]):
        for batch_size in (None, 2):
            e = pl.explain(net, x, saliency, target=target, batch_size=batch_size)
            ours = pl.explain(net, x, "gradient", target=target)
            torch.testing.assert_close(e.maps, ours.maps, rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(e.raw, ours.raw, rtol=1e-4, atol=1e-6)
            assert torch.equal(e.target, ours.target)
            torch.testing.assert_close(e.value, ours.value)
    assert not x.requires_grad


@pytest.mark.parametrize("shape", ["[n, h, w]", "small", "the input's", "array", "whole numbers"])
def test_what_a_function_may_return(net, x, shape):
    ways = {
        "[n, h, w]": lambda x: x.mean(1),
        "small": lambda x: x.mean(1)[:, ::4, ::4],
        "the input's": lambda x: x,
        "array": lambda x: x.mean(1).numpy(),
        "whole numbers": lambda x: (x.mean(1) > 0).int(),
    }
    e = pl.explain(net, x, lambda model, x: ways[shape](x))
    assert e.maps.shape == (3, 32, 32)
    assert e.maps.dtype == torch.float32
    expected = {"the input's": x.sum(1), "whole numbers": (x.mean(1) > 0).float(), "small": None}
    if expected.get(shape, x.mean(1)) is not None:
        torch.testing.assert_close(e.maps, expected.get(shape, x.mean(1)))


def test_functions_of_two_and_of_three(net, x):
    def three(model, x, target):
        return x.mean(1) * target.view(-1, 1, 1)

    class Called:
        def __call__(self, model, x, target):
            return three(model, x, target)

        def method(self, model, x, target=None):
            return three(model, x, target)

    expected = x.mean(1) * torch.tensor([1, 2, 3]).view(-1, 1, 1)
    for function in (three, Called(), Called().method, lambda *all_: three(*all_)):
        torch.testing.assert_close(pl.explain(net, x, function, target=[1, 2, 3]).maps, expected)
    torch.testing.assert_close(pl.explain(net, x, lambda model, x, scale=2.0: x.mean(1) * 1).maps, x.mean(1))


def test_where_it_comes_from_is_told(net, x):
    e = pl.explain(net, x, saliency)
    assert e.explainer.startswith("custom:function=<saliency ")
    assert e.explainer == pl.explain(net, x, Custom(saliency)).explainer
    assert e.explainer != pl.explain(net, x, lambda m, x: x).explainer
    again = pl.explain(net, x, pl.explainers.Smooth(of=Custom(saliency), samples=2))
    assert again.maps.shape == (3, 32, 32)
    assert "smooth:samples=2@custom:function=<saliency" in again.explainer


def test_it_is_given_what_the_model_takes(net, x):
    seen = []

    class Two(nn.Module):
        def forward(self, image, scale):
            return net(image) * scale[:, None]

    def look(model, given, target):
        seen.append(given)
        assert not model.training
        image = given["image"] if isinstance(given, dict) else given[0]
        return image.mean(1) * model(**given if isinstance(given, dict) else dict(zip(("image", "scale"), given))).amax(
            1
        ).view(-1, 1, 1)

    scale = torch.tensor([1.0, 2.0, 3.0])
    for given in ({"image": x, "scale": scale}, (x, scale)):
        e = pl.explain(Two().train(), given, look, batch_size=2)
        assert e.maps.shape == (3, 32, 32)
        assert type(seen[-1]) is type(given)
    by_hand = x.mean(1) * (net(x) * scale[:, None]).amax(1).view(-1, 1, 1).detach()
    torch.testing.assert_close(e.maps, by_hand, rtol=1e-4, atol=1e-6)


def test_it_may_explain_anything():
    torch.manual_seed(0)
    vectors, ids = torch.randn(2, 5), torch.tensor([[1, 2, 3], [3, 2, 1]])
    words = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 3))
    volumes = nn.Sequential(nn.Flatten(), nn.Linear(24, 3))
    assert torch.equal(pl.explain(nn.Linear(5, 3), vectors, lambda m, x: x).maps, vectors)
    assert torch.equal(pl.explain(words, ids, lambda m, x: x).maps, ids.float())
    volume = torch.randn(2, 1, 2, 3, 4)
    assert torch.equal(pl.explain(volumes, volume, lambda m, x: x[:, 0]).maps, volume[:, 0])
    series = torch.randn(2, 4, 3)
    got = pl.explain(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), series, lambda m, x: x, channels=2)
    torch.testing.assert_close(got.maps, series.sum(2))


def vandal(model, x, target):
    """All that a function can do."""
    model.train()
    saliency(model, x, target)
    for module in model.modules():
        module.note = 1
        module.register_forward_hook(lambda *_: None)
        module.register_full_backward_hook(lambda *_: None)
        if isinstance(module, nn.ReLU):
            module.inplace = not module.inplace
    for p in model.parameters():
        p.requires_grad_(False)
        p.grad = None
    torch.set_grad_enabled(False)
    torch.manual_seed(int(torch.randint(100, ())))
    random.seed(np.random.randint(100))  # noqa: NPY002
    return torch.rand(x.shape) + random.random() + np.random.rand()  # noqa: NPY002


def test_whatever_it_does_is_undone(net, x):
    net.train()
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    next(net.parameters()).requires_grad_(False)
    before, kept = _state(net), x.clone()
    first = pl.explain(net, x, vandal, batch_size=2).maps
    _same(before, _state(net), "")
    assert torch.equal(x, kept)
    random.seed(4)
    assert torch.equal(first, pl.explain(net, x, vandal, batch_size=2).maps)
    assert not torch.equal(first, pl.explain(net, x, vandal, batch_size=2, seed=1).maps)
    before = _state(net)

    def fails(model, x, target):
        vandal(model, x, target)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        pl.explain(net, x, fails)
    _same(before, _state(net), " after an error")


def test_putting_back_keeps_the_same_dictionaries(net):
    hooks = net._forward_hooks
    handle = net.register_forward_hook(lambda *_: None)
    with put_back(net, 0):
        net.register_forward_hook(lambda *_: None)
        handle.remove()
    assert net._forward_hooks is hooks
    assert len(hooks) == 1
    handle.remove()
    assert not hooks


def test_what_a_function_may_not(net, x):
    with pytest.raises(BadInput, match="does not hear the question"):
        pl.explain(net, x, saliency, ask=["logit", "contrast"])
    assert pl.explain(net, x, saliency, ask="contrast").ask == "contrast"
    with pytest.raises(BadExplainer, match="gives a NoneType, where maps were expected"):
        pl.explain(net, x, lambda m, x: None)
    with pytest.raises(BadExplainer, match=r"custom gives \(3, 3\) for images"):
        pl.explain(net, x, lambda m, x: x.mean((2, 3)))
    words = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 3))
    with pytest.raises(BadInput, match="no noisy or mixed copies"):
        pl.explain(words, torch.ones(2, 3, dtype=torch.int64), pl.explainers.Smooth(of=Custom(lambda m, x: x)))


# --- a package -----------------------------------------------------------------------------------------------------

MINE = '''"""Half gradient: half of what a gradient says.

    M = ½ ∂score/∂x

>>> half(4.0)
2.0
"""

from pellucid.explainers import Explainer


def half(gradient):
    return gradient / 2


class HalfGradient(Explainer, name="half-gradient"):
    """Where would half of a small change matter?"""

    linear = True
    power: int = 1

    def attribute(self, subject, images, score):
        return half(subject.gradient(images, score)) ** self.power
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """As pip would leave it: a package, and its dist-info with an entry point."""
    folder, info = tmp_path / "halves", tmp_path / "halves-1.0.dist-info"
    folder.mkdir()
    info.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "half_gradient.py").write_text(MINE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: halves\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pellucid.explainers]\nhalf-gradient = halves.half_gradient:HalfGradient\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield "halves"
    for name in [m for m in sys.modules if m.split(".")[0] == "halves"]:
        del sys.modules[name]


def test_an_explainer_of_another_package_is_one_of_ours(package, net, x):
    e = pl.explain(net, x, "half-gradient")
    torch.testing.assert_close(2 * e.maps, pl.explain(net, x, "gradient").maps)
    assert e.explainer == "half-gradient"
    assert "half-gradient" in pl.catalog("explainers")
    wrapped = pl.explain(net, x, "smooth:samples=2@half-gradient:power=3")
    assert wrapped.explainer == "smooth:samples=2@half-gradient:power=3"
    assert pl.measure(net, x, "half-gradient", "sparseness").shape == (3,)


def test_the_command_line_lists_it(package):
    listed = CliRunner().invoke(app, ["list", "explainers"])
    assert listed.exit_code == 0
    assert "half-gradient" in listed.output
    assert "Where would half of a small change matter?" in CliRunner().invoke(app, ["list", "half-gradient"]).output


@pytest.mark.slow
def test_the_command_line_checks_it(package):
    checked = CliRunner().invoke(app, ["check", package])
    assert checked.exit_code == 0, checked.output
    assert "half-gradient" in checked.output


@pytest.mark.slow
def test_a_package_that_breaks_its_promise_is_told(package, tmp_path):
    path = tmp_path / "halves" / "half_gradient.py"
    path.write_text(path.read_text().replace("** self.power", "/ subject.gradient(images, score).max()"))
    checked = CliRunner().invoke(app, ["check", package])
    assert checked.exit_code != 0
    assert "a batch is its images" in checked.output


def test_a_name_of_ours_is_not_taken_over(package, tmp_path):
    info = tmp_path / "halves-1.0.dist-info" / "entry_points.txt"
    info.write_text("[pellucid.explainers]\ngradient = halves.half_gradient:HalfGradient\n")
    from pellucid import registry

    registry._outside.cache_clear()
    assert Explainer.make("gradient").__class__.__module__ == "pellucid.explainers.gradient"
    registry._outside.cache_clear()

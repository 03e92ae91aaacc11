"""captum through Pellucid says what captum says."""

import random

import captum.attr as theirs
import numpy as np
import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.contracts.explainers import _same, _state
from pellucid.errors import BadInput, BadKnob, BadLayer, UnknownName
from pellucid.explainers.captum import Captum, _Method
from tests.behaviour.test_any_input import IDS, Reader, Recurrent
from tests.oracles.peers import close

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore::UserWarning:captum")]
TARGET = torch.tensor([1, 4, 0])


def small(in_place=False):
    """Every module once, as captum's hooks want it."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=in_place), nn.Conv2d(4, 6, 3, padding=1),
        nn.ReLU(inplace=in_place), nn.AvgPool2d(8), _Flat(), nn.Linear(6, 5),
    ).eval()  # fmt: skip


class _Flat(nn.Module):
    """Of one child, so that captum's LRP does not ask what rule it has."""

    def __init__(self):
        super().__init__()
        self.same = nn.ReLU()  # its input is positive already

    def forward(self, x):
        return self.same(x).flatten(1)


@pytest.fixture
def x():
    return torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(5))


def bridge(net, x, text, **options):
    return pl.explain(net, x, f"captum:name={text}", target=TARGET[: len(x)], **options)


SHAPED = {
    "Saliency": {},
    "InputXGradient": {},
    "IntegratedGradients": {"n_steps": 7, "method": "riemann_middle"},
    "DeepLift": {},
    "GuidedBackprop": {},
    "Deconvolution": {},
    "LRP": {},
    "Occlusion": {"sliding_window_shapes": (3, 2, 2), "strides": (3, 2, 1), "baselines": 0.5},
    "FeatureAblation": {},
    "ShapleyValueSampling": {"n_samples": 2},
}
LAYERED = {
    "LayerGradCam": {"relu_attributions": True},
    "LayerConductance": {"n_steps": 5},
    "LayerIntegratedGradients": {"n_steps": 5},
    "LayerDeepLift": {},
    "LayerGradientXActivation": {},
    "LayerFeatureAblation": {},
    "InternalInfluence": {"n_steps": 5},
    "LayerLRP": {},
}


def text_of(name, options):
    return str(Captum(name_=name, rest=options)).removeprefix("captum:name=").removeprefix("captum")


@pytest.mark.parametrize("name", SHAPED)
def test_input_attributions(x, name):
    net = small()
    e = bridge(net, x, text_of(name, SHAPED[name]) or name)
    close(e.raw, _seeded(lambda: getattr(theirs, name)(net).attribute(x, target=TARGET, **SHAPED[name])))
    close(e.maps, e.raw.sum(1))


@pytest.mark.parametrize("name", LAYERED)
def test_layer_attributions(x, name):
    """At a layer that is named, and at the one that is found."""
    net = small()
    direct = getattr(theirs, name)(net, net[2]).attribute(x, target=TARGET, **LAYERED[name])
    direct = direct[0] if isinstance(direct, list | tuple) else direct
    named = pl.explain(net, x, Captum(name_=name, layer="2", rest=LAYERED[name]), target=TARGET)
    close(named.raw, direct.sum(1))
    if name != "LayerLRP":  # has no relevance at a ReLU
        assert "layer=3" in bridge(net, x, text_of(name, LAYERED[name]) or name).explainer


def test_guided_grad_cam_of_captum_has_the_shape_of_the_input(x):
    net = small()
    direct = theirs.GuidedGradCam(net, net[2]).attribute(x, target=TARGET, interpolate_mode="bilinear")
    close(bridge(net, x, "GuidedGradCam,layer=2,interpolate_mode=bilinear").raw, direct)


def test_deep_lift_shap(x):
    net, some = small(), torch.randn(4, 3, 8, 8)
    direct = theirs.DeepLiftShap(net).attribute(x, some, target=TARGET)
    close(pl.explain(net, x, Captum(name_="DeepLiftShap", rest={"baselines": some}), target=TARGET).raw, direct)


def _seeded(run, seed=0):
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    return run()


@pytest.mark.parametrize("name", ["GradientShap", "KernelShap", "Lime"])
def test_methods_that_draw_are_asked_image_by_image(x, name):
    """From the same seed, and from another another; GradientShap's chance is NumPy's."""
    net, options = small(), {"n_samples": 8}
    if name == "GradientShap":
        options["baselines"] = torch.zeros(2, 3, 8, 8)
    else:
        options["feature_mask"] = torch.arange(64).view(1, 1, 8, 8) // 16
    if name == "Lime":
        from captum._utils.models.linear_model import SkLearnLinearRegression

        options["interpretable_model"] = SkLearnLinearRegression()
    explainer = Captum(name_=name, rest=options)
    keep = {k: v for k, v in options.items() if k != "interpretable_model"}
    make = {k: v for k, v in options.items() if k == "interpretable_model"}

    def direct(i):
        return getattr(theirs, name)(net, **make).attribute(x[i : i + 1], target=int(TARGET[i]), **keep)

    found = pl.explain(net, x, explainer, target=TARGET).raw
    for i in range(3):
        close(found[i : i + 1], _seeded(lambda i=i: direct(i)))
    assert not torch.equal(found, pl.explain(net, x, explainer.but(seed=1), target=TARGET).raw)
    assert torch.equal(found, pl.explain(net, x, explainer.but(seed=0), target=TARGET, seed=7, batch_size=2).raw)


@pytest.mark.parametrize("ask", ["probability", "contrast", "similarity", "unit:index=2", "probability:live=true"])
@pytest.mark.parametrize("name", ["InputXGradient", "DeepLift", "IntegratedGradients"])
def test_every_question(x, ask, name):
    """What our own say: for one layer of weights, DeepLift and integrated gradients are input × gradient."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 5)) if name == "DeepLift" else small()
    ours = "input-x-gradient" if name != "IntegratedGradients" else "integrated-gradients:steps=50"
    if name == "DeepLift" and "live" in ask:
        pytest.skip("DeepLift's multipliers behind a softmax are its own")
    found = bridge(net, x, name, ask=ask)
    own = pl.explain(net, x, ours, ask=ask, target=TARGET)
    close(found.raw, own.raw)
    close(found.value, own.value)


def test_methods_that_only_ask_are_told_the_value_itself(x):
    """A probability is no straight line: what is frozen differs from what is true."""
    net = small()

    def probability(x):
        return net(x).softmax(1)

    direct = theirs.Occlusion(probability).attribute(x, (3, 4, 4), target=TARGET)
    close(bridge(net, x, "Occlusion,sliding_window_shapes=[3,4,4]", ask="probability").raw, direct)


# --- promises --------------------------------------------------------------------------------------------------------

EVERY = sorted({*SHAPED, *LAYERED, "GradientShap", "KernelShap", "Lime", "DeepLiftShap", "GuidedGradCam",
                "LayerGradientShap", "LayerDeepLiftShap"})  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_changed_by_any(x, name):
    """Not the ReLUs in place either, which captum alone cannot have; nor when the model stops half-way."""
    net = small(in_place=True).train()
    net[0].weight.grad = torch.ones_like(net[0].weight)
    net[2].weight.requires_grad_(False)
    more = {"Occlusion": ",sliding_window_shapes=[3,4,4]", "ShapleyValueSampling": ",n_samples=1"}
    more["LayerLRP"] = ",layer=2"
    more = more.get(name, "")
    before = _state(net)
    first = bridge(net, x, name + more)
    _same(before, _state(net), f" by {name}")
    torch.rand(3)
    np.random.rand(3)  # noqa: NPY002
    assert torch.equal(first.maps, bridge(net, x, name + more).maps)
    left = [6]

    def stop(*_):
        left[0] -= 1
        if not left[0]:
            raise KeyError("stop")

    handle = net.register_forward_hook(stop)
    before = _state(net)
    try:
        for _ in range(6):
            bridge(net, x, name + more)
    except KeyError:
        pass
    else:
        raise AssertionError("the model's own error was lost")
    _same(before, _state(net), f" by {name}, after an error")
    handle.remove()


@pytest.mark.parametrize("name", ["IntegratedGradients", "GradientShap", "Occlusion", "FeatureAblation", "Lime"])
def test_batch_size_bounds_the_rows(x, name):
    more = ",sliding_window_shapes=[3,4,4]" if name == "Occlusion" else ""
    net, most = small(), []
    whole = bridge(net, x, name + more).maps
    net.register_forward_pre_hook(lambda _m, args: most.append(len(args[0])))
    torch.testing.assert_close(bridge(net, x, name + more, batch_size=2).maps, whole, rtol=1e-4, atol=1e-6)
    assert max(most) <= 2


def test_forwards_of_occlusion_are_filled(x):
    """captum alone has a forward for every window; without being asked, ours are filled to eight rows."""
    net, count = small(), []
    net.register_forward_pre_hook(lambda _m, args: count.append(len(args[0])))
    bridge(net, x[:1], "Occlusion,sliding_window_shapes=[3,2,2],strides=[3,2,2]")
    assert len(count) <= 2 + 16 / 8 + 1
    assert max(count) == 8


# --- other inputs ----------------------------------------------------------------------------------------------------


def test_series_are_in_captums_hands_as_they_came():
    torch.manual_seed(0)
    net, x = Recurrent().eval(), torch.randn(3, 7, 3)
    direct = theirs.Occlusion(net).attribute(x, (2, 3), (1, 3), target=TARGET.clamp(max=3))
    e = pl.explain(net, x, "captum:name=Occlusion,sliding_window_shapes=[2,3],strides=[1,3]",
                   target=TARGET.clamp(max=3), channels=2)  # fmt: skip
    close(e.raw, direct)
    close(e.maps, direct.sum(2))


def test_tokens_as_captums_layer_integrated_gradients_at_the_embedding():
    torch.manual_seed(0)
    net, target = Reader().double().eval(), torch.tensor([1, 3, 0])
    e = pl.explain(net, IDS, "integrated-gradients:steps=20", target=target)
    table = nn.Embedding.from_pretrained(torch.cat([net.words.weight.detach(), torch.zeros(1, 8, dtype=torch.float64)]))
    net.words = table  # captum's baselines are ids: the last one is the zero vector
    direct = theirs.LayerIntegratedGradients(net, net.words).attribute(
        IDS, torch.full_like(IDS, 10), target=target, n_steps=20
    )
    close(e.raw, direct)
    padding = pl.explain(net, IDS, pl.explainers.IntegratedGradients(baseline=IDS[1], steps=20), target=target)
    direct = theirs.LayerIntegratedGradients(net, net.words).attribute(
        IDS, IDS[1].expand(3, 6).clone(), target=target, n_steps=20
    )
    close(padding.raw, direct)
    bridged = pl.explain(net, IDS, "captum:name=IntegratedGradients,n_steps=20", target=target)
    close(bridged.raw, e.raw)


def test_volumes_and_vectors():
    torch.manual_seed(0)
    for net, x in (
        (nn.Sequential(nn.Conv3d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(96, 5)), torch.randn(3, 2, 4, 5, 6)),
        (nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5)), torch.randn(3, 6)),
    ):
        close(bridge(net, x, "DeepLift").raw, theirs.DeepLift(net).attribute(x, target=TARGET))


def test_what_stands_beside_goes_along_in_any_order():
    """captum repeats rows one way for integrated gradients and another way for noise: rows know what is theirs."""

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = small()

        def forward(self, x, by):
            return self.net(x) * by[:, None]

    x, by = torch.randn(3, 3, 8, 8), torch.tensor([1.0, 2.0, 4.0])
    net = Scaled().eval()
    for text in ("IntegratedGradients,n_steps=5", "GradientShap,n_samples=4", "FeatureAblation"):
        whole = pl.explain(net, (x, by), f"captum:name={text}", target=TARGET).raw
        plain = pl.explain(net.net, x, f"captum:name={text}", target=TARGET).raw
        close(whole, by.view(3, 1, 1, 1) * plain)


# --- text and mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "captum", "captum:name=Lime,n_samples=5", "captum:name=Occlusion,sliding_window_shapes=[3,8,8],strides=2",
    "captum:name=Saliency,abs=false", "captum:name=IntegratedGradients,method=riemann_left,n_steps=4",
    'captum:name=LayerGradCam,layer=a.b,baselines=0.5,method="12",none=none', "smooth@captum:name=DeepLift,eps=1e-10",
    "captum:name=X,nested=[[1,2],[3]]",
])  # fmt: skip
def test_round_trip(text):
    made = pl.explainers.Explainer.make(text)
    assert pl.explainers.Explainer.make(str(made)) == made
    inner = made.of if text.startswith("smooth") else made
    assert str(inner) == str(pl.explainers.Explainer.make(text.removeprefix("smooth@")))
    assert {type(v) for v in inner.rest.values()} <= {int, float, bool, str, tuple, type(None)}


def test_rest_is_what_the_text_looks_like():
    made = Captum.make('captum:a=3,b=0.5,c=true,d=word,e=none,f="3",h=[1,x]')
    assert dict(made.rest) == {"a": 3, "b": 0.5, "c": True, "d": "word", "e": None, "f": "3", "h": (1, "x")}
    assert made == Captum(rest=dict(sorted(made.rest.items(), reverse=True)))
    assert hash(made) == hash(Captum(rest=dict(made.rest)))
    tensor = Captum(name_="DeepLift", rest={"baselines": torch.ones(2)})
    assert "baselines=<Tensor " in str(tensor)
    assert tensor.but(name_="Lime").name_ == "Lime"
    with pytest.raises(BadKnob, match="set it in Python"):
        Captum.make(str(tensor).replace(" ", "_"))
    with pytest.raises(BadKnob, match="set it as layer="):
        Captum(rest={"layer": "a"})
    with pytest.raises(BadKnob, match="any other name=value"):
        Captum(rest={"no name": 1})


def test_mistakes_are_sentences(x):
    net = small()
    for text, error, sentence in (
        ("Lim", UnknownName, "did you mean Lime"),
        ("NoiseTunnel", UnknownName, "there are Deconvolution, DeepLift"),
        ("FeaturePermutation", UnknownName, "captum has no attribution"),
        ("Saliency,ab=true", UnknownName, "did you mean abs"),
        ("Saliency,target=3", UnknownName, "has no argument target"),
        ("Occlusion", BadKnob, "Occlusion needs sliding_window_shapes"),
        ("Occlusion,sliding_window_shapes=[3,9,9]", BadKnob, "captum's Occlusion refuses"),
        ("LayerGradCam,layer=nowhere", UnknownName, "no layer 'nowhere'"),
    ):
        with pytest.raises(error, match=sentence):
            bridge(net, x, text)
    with pytest.raises(BadKnob, match="no rule defined"):
        bridge(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), x, "LRP")
    with pytest.raises((BadInput, BadLayer)):
        bridge(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), x, "LayerGradCam")


def test_the_names_on_offer():
    library = _Method("Saliency").library
    offered = {one for one, thing in vars(library).items() if _Method("Saliency")._fits(thing)}
    assert {*EVERY, "ShapleyValues"} == offered


def test_saliency_says_that_it_has_no_signs(x):
    net = small()
    assert not bridge(net, x, "Saliency").signed
    assert bridge(net, x, "Saliency,abs=false").signed
    close(bridge(net, x, "Saliency,abs=false").raw, pl.explain(net, x, "gradient", target=TARGET).raw)


def test_a_layer_is_not_overheard_by_who_has_none():
    net, image = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.randn(1, 3, 2, 2)
    with pytest.raises(UnknownName, match="has no argument layer"):
        pl.explain(net, image, "captum:name=Saliency,layer=1")

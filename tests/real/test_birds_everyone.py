"""Every class-specific explainer of the catalogue, on photographs of birds: does it find the bird that is named?

Two shares are measured: of all that speaks for the species, how much lies in the bird's box; and of the twentieth of
the pixels that speak loudest, how many do. Each image's share is compared with that of the same image's controls, edges
and a random map, and the interval of the difference over the images has to lie above zero. The one highest pixel alone
is no test here: that of `edges` lies in 21 of 24 boxes. Nor does a high share say that the species was heard, for
EigenCAM's is as high: who hears it is asked further down.

RISE is measured by its loudest pixels alone (see OFFSET). Occlusion has windows of a fifth of the side: with larger
ones six photographs are too few to tell it from `edges`.
"""

from functools import cache

import pytest
import torch

import pellucid as pl
from pellucid.explainers import Explainer
from pellucid.maths.masks import hits, share_inside
from pellucid.registry import catalog
from pellucid.results.statistics import paired
from tests.real.birds import network, photographs
from tests.real.test_birds import SPECIFIC

pytestmark = pytest.mark.data

CONTROLS = ("edges", "random-map")
LOUDEST = 0.05

# quick enough for every day: so few forwards that six photographs take a second or a few
QUICK = (
    "ablation-cam",
    "grad-cam-pp",
    "layer-cam",
    "group-cam:groups=8",
    "blur-ig:steps=4",
    "guided-ig:steps=4",
    "idgi@integrated-gradients:steps=4,baseline=blur",
    "xrai:steps=2,fast=true,scales=[100,250]",
    "lrp",
    "lrp:rule=epsilon-plus",
    "feature-ablation:cells=4,baseline=blur",
    "kernel-shap:samples=28,cells=4,baseline=blur",
    "lime:samples=28,cells=4,baseline=blur",
    "occlusion:window=45,stride=36",
    "rise:masks=32,cells=5",
)
FULL = (
    "score-cam",
    "group-cam",
    "blur-ig:steps=24",
    "guided-ig:steps=24",
    "idgi@integrated-gradients:steps=32",
    "xrai:steps=8",
    "lrp:rule=epsilon-alpha2-beta1",
    "feature-ablation:segments=slic,baseline=blur",
    "kernel-shap:samples=120,cells=5,baseline=blur",
    "lime:samples=120,cells=5,baseline=blur",
    "occlusion:window=48,stride=24",
    "rise:masks=200",
)
OFFSET = ("rise",)  # a mean of probabilities: above zero everywhere, so that its mass lies everywhere
ELSEWHERE = {
    "captum": "what it wraps is its own",
    "custom": "is the user's",
    "deconvnet": "does not hear the class, nor see the picture: below",
    "guided-backprop": "does not hear the class: in test_birds",
    "fullgrad": "refuses this network: in test_birds",
    "grad-cam-attention": "wants a transformer, and the folder has none that is trained",
    "gwar": "wants a transformer",
    "transformer-attribution": "wants a transformer",
}


@cache
def shares(data, explainer, count):
    """[count] of the mass in the box and [count] of the loudest pixels in it."""
    images, labels, boxes = photographs(data, count)
    maps = pl.explain(network(data), images, explainer, target=labels, batch_size=count).maps
    return share_inside(maps, boxes), hits(maps, boxes, [LOUDEST])[:, 0]


def beats_the_controls(data, explainer, count):
    kinds = (1,) if Explainer.make(explainer).name in OFFSET else (0, 1)
    for kind in kinds:
        mine = shares(data, explainer, count)[kind]
        assert mine.isfinite().all()
        for control in CONTROLS:
            found = paired(mine, shares(data, control, count)[kind]).difference
            assert found.low > 0, (("mass", "loudest")[kind], control, found)


def test_nobody_is_forgotten():
    asked = {name for name, member in catalog("explainers").items() if member.asked} - {
        "eigen-cam",
        "attention-rollout",
    }
    tried = {Explainer.make(text).name for text in (*SPECIFIC, *QUICK, *FULL)}
    assert tried | set(ELSEWHERE) == asked
    assert not tried & set(ELSEWHERE)


@pytest.mark.parametrize("explainer", QUICK)
def test_it_finds_the_bird(data, explainer):
    beats_the_controls(data, explainer, 6)


@pytest.mark.slow
@pytest.mark.parametrize("explainer", FULL)
def test_it_finds_the_bird_on_more_photographs(data, explainer):
    beats_the_controls(data, explainer, 12)


@pytest.mark.parametrize(
    "explainer, likeness",
    [("eigen-cam", 1.0), ("deconvnet", 0.98), ("grad-cam:relu=false", None), ("lrp", None), ("blur-ig:steps=2", None)],
)
def test_who_hears_which_species_is_asked_about(data, explainer, likeness):
    """EigenCAM is the same map for two species, DeconvNet all but the same one; others are not."""
    images, labels, _ = photographs(data, 4)
    targets = torch.stack([labels, (labels + 200) % 965], 1)
    maps = pl.explain(network(data), images, explainer, target=targets, batch_size=8).maps
    alike = torch.stack([torch.corrcoef(pair.flatten(1))[0, 1] for pair in maps]).median()
    if likeness is None:
        assert alike < 0.5
    else:
        assert alike >= likeness - 1e-6


def test_deconvnet_does_not_see_the_picture_where_nothing_is_pooled(data):
    """It remembers of the forward only where the maxima were; this network has strides, and so one map for all."""
    images, _, _ = photographs(data, 2)
    for explainer, same in (("deconvnet", True), ("guided-backprop", False)):
        first, second = pl.explain(network(data), images, explainer, target=[5, 5], batch_size=2).maps
        assert torch.equal(first, second) == same


def test_rollout_of_a_photograph_is_the_same_for_every_class(data):
    """On a transformer that nobody has trained: the folder has no other. Those that weigh by the gradient differ."""
    images = torch.nn.functional.interpolate(photographs(data, 2)[0], 64, mode="bilinear", antialias=True)
    torch.manual_seed(0)
    transformer = pl.load_model("pellucid:tiny-vit:classes=4")
    targets = torch.tensor([[0, 1], [2, 3]])
    for explainer, same in (("attention-rollout", True), ("gwar", False), ("transformer-attribution", False)):
        maps = pl.explain(transformer, images, explainer, target=targets).maps
        assert maps.flatten(2).std(-1).min() > 0
        assert torch.equal(maps[:, 0], maps[:, 1]) == same, explainer


def test_few_steps_of_idgi_ask_the_blank_picture(data):
    """The probability is nearly all gained in the first eighth of the way from grey, where the gradient is still that
    of a picture without content: it lies along the borders, where the network pads. More steps leave it behind."""
    images, labels, _ = photographs(data, 12)
    image, label = images[-1:], labels[-1:]
    border = torch.ones(1, 224, 224, dtype=torch.bool)
    border[:, 12:-12, 12:-12] = False
    few, many = (
        float(
            share_inside(
                pl.explain(network(data), image, f"idgi@integrated-gradients:steps={steps}", target=label).maps, border
            )
        )
        for steps in (4, 32)
    )
    assert many < 0.1 < few

"""Real photographs, a real network: do class-specific explainers find the bird?"""

import pytest
import torch

import pellucid as pl
from pellucid.errors import BadModel
from pellucid.maths.masks import share_inside
from tests.real.birds import network, photographs, species

pytestmark = pytest.mark.data

SPECIFIC = (
    "gradient",
    "smooth:samples=4@gradient",
    "input-x-gradient",
    "integrated-gradients:steps=6,baseline=blur",
    "gradient-shap:samples=6",
    "guided-grad-cam",
    "grad-cam",
    "cam",
    "hires-cam",
    "xgrad-cam",
)
CONTROLS = ("edges", "random-map")


@pytest.fixture(scope="module")
def birds(data):
    """36 photographs, their species, their boxes."""
    return photographs(data, 36)


def explain(data, birds, explainer, **options):
    return pl.explain(network(data), birds[0], explainer, target=birds[1], batch_size=6, **options)


def test_the_network_is_the_one_that_is_said(data):
    """73 % of all photographs of the species it knows, measured by others: 256 of 347 or so."""
    images, labels, _ = photographs(data, 400)
    assert len(species(data)) == 6
    with torch.no_grad():
        answers = torch.cat([network(data)(some).argmax(1) for some in images.split(16)])
    assert (answers == labels).float().mean() == pytest.approx(0.73, abs=0.03)


@pytest.fixture(scope="module")
def chance(data, birds):
    """The share in the box of what knows nothing of the network."""
    return max(float(share_inside(explain(data, birds, control).maps, birds[2]).mean()) for control in CONTROLS)


@pytest.mark.parametrize("explainer", SPECIFIC)
def test_what_speaks_for_the_species_is_in_the_birds_box(data, birds, chance, explainer):
    for ask in ("logit", "contrast"):
        share = share_inside(explain(data, birds, explainer, ask=ask).maps, birds[2])
        assert float(share.nanmean()) > chance + 0.05, ask


def likeness(a, b):
    """The median over images of the correlation of two maps."""
    pairs = zip(a.flatten(1), b.flatten(1), strict=True)
    return float(torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in pairs]).nanmedian())


def test_guided_backprop_does_not_hear_the_class(data, birds):
    """It finds the bird, and gives the same map for a species that is not there; Grad-CAM does not."""
    images, labels, masks = birds
    targets = torch.stack([labels, (labels + 200) % 965], 1)
    seen = {}
    for name in ("guided-backprop", "deconvnet", "gradient", "grad-cam:relu=false"):
        maps = pl.explain(network(data), images, name, target=targets, batch_size=6).maps
        seen[name] = likeness(maps[:, 0], maps[:, 1])
    assert seen["guided-backprop"] > 0.98
    assert seen["deconvnet"] > 0.98
    assert seen["gradient"] < 0.3
    assert seen["grad-cam:relu=false"] < 0.5
    guided = share_inside(explain(data, birds, "guided-backprop").maps, masks)
    assert guided.mean() > 0.8


def test_two_species_that_compete(data, birds):
    """Original maps of the two first classes are alike; those against each other exactly opposite; weighted ones
    nearly, where these two share the probability: below that the other 963 are in it too."""
    net, images = network(data), photographs(data, 400)[0]
    with torch.no_grad():
        p = torch.cat([net(some).softmax(1) for some in images.split(16)])
    first, second = p.topk(2).values.T
    wavering = ((second > 0.1) & (first + second > 0.85)).nonzero()[:, 0]
    assert len(wavering) >= 10
    top = p[wavering].topk(2).indices
    asks = ["logit", "contrast", "contrast:against=max"]
    maps = pl.explain(net, images[wavering], "grad-cam:relu=false", ask=asks, target=top, batch_size=8).maps
    original, weighted = (likeness(maps[:, 0, q], maps[:, 1, q]) for q in (0, 1))
    assert original > 0.9
    assert weighted < -0.5
    torch.testing.assert_close(maps[:, 0, 2], -maps[:, 1, 2])


def test_fullgrad_refuses_relu6(data, birds):
    """A unit that is cut off at 6 adds a number that no bias has."""
    with pytest.raises(BadModel, match="its parts sum to"):
        pl.explain(network(data), birds[0][:2], "fullgrad")

"""Other libraries on the same model and input: their numbers, to 1e-4 of the largest value.

Where a library does something else, its number follows from ours with its convention switched in.
"""

import copy

import pytest
import torch
from captum.attr import (
    InputXGradient,
    IntegratedGradients,
    LayerAttribution,
    LayerGradCam,
    LayerGradientXActivation,
    Saliency,
)
from pytorch_grad_cam import GradCAM, HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torchcam import methods as torchcam

import pellucid as pl
from pellucid.errors import BadInput, BadModel
from pellucid.explainers.grad_cam import grad_cam
from pellucid.questions import Question
from pellucid.subject import Subject, undisturbed
from tests.oracles.networks import network, pictures
from tests.oracles.peers import SIZE, TARGET, by_grad_cam, close, layer_of, only, raw, reshape, seen

pytestmark = pytest.mark.peer


# --- gradients -------------------------------------------------------------------------------------------------------


def test_gradient(name):
    close(raw(name, "gradient"), Saliency(network(name)).attribute(pictures(), TARGET, abs=False))


def test_gradient_in_absolute_value(name):
    theirs = Saliency(network(name)).attribute(pictures(), TARGET)
    close(pl.explain(network(name), pictures(), "gradient:channels=max", target=TARGET).maps, theirs.amax(1))


def test_input_x_gradient(name):
    close(raw(name, "input-x-gradient"), InputXGradient(network(name)).attribute(pictures(), TARGET))


def test_input_x_gradient_of_a_layer(name):
    _, layer = layer_of(name)
    theirs = LayerGradientXActivation(network(name), layer).attribute(pictures(), TARGET)
    theirs = reshape(name)(theirs) if reshape(name) else theirs
    close(raw(name, "input-x-gradient:layer=auto"), theirs.sum(1))


METHODS = {"midpoint": "riemann_middle", "left": "riemann_left", "right": "riemann_right"}


def captums_path(name, method, steps=4):
    explainer = IntegratedGradients(network(name))
    return explainer.attribute(pictures(), 0.0, TARGET, n_steps=steps, method=method, internal_batch_size=2).float()


def test_integrated_gradients(name):
    close(raw(name, "integrated-gradients:steps=4,rule=gauss"), captums_path(name, "gausslegendre"))


@only("resnet18")
@pytest.mark.parametrize("rule", METHODS)
def test_rules_of_integrated_gradients(name, rule):
    close(raw(name, f"integrated-gradients:steps=4,rule={rule}"), captums_path(name, METHODS[rule]))


@only("resnet18")
def test_integrated_gradients_by_captums_trapezoid(name):
    """Its weights sum to (n − 1)/n: every attribution comes out too small by that factor."""
    # of 5 points, which float32 has exactly: Captum rounds them, and a ReLU may lie between a point and its rounding
    ours = raw(name, "integrated-gradients:steps=5,rule=trapezoid")
    close(ours * 4 / 5, captums_path(name, "riemann_trapezoid", steps=5))


# --- CAMs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer, ours", [(GradCAM, "grad-cam"), (HiResCAM, "hires-cam")], ids=["grad-cam", "hires-cam"])
def test_grad_cam_library(name, peer, ours):
    _, layer = layer_of(name)
    targets = [ClassifierOutputTarget(t) for t in TARGET]
    with peer(network(name), [layer], reshape_transform=reshape(name)) as cam:
        theirs = cam(pictures(), targets)
    close(by_grad_cam(raw(name, f"{ours}:relu=false")), theirs)
    network(name).zero_grad()


def test_torchcam(name):
    path, _ = layer_of(name)
    with torchcam.GradCAM(network(name), path, reshape_transform=reshape(name)) as cam:
        scores = network(name)(pictures())
        plain = cam(TARGET, scores, normalized=False, retain_graph=True)[0]
        stretched = cam(TARGET, scores)[0]
    ours = raw(name, "grad-cam")
    close(ours, plain)
    low = ours.amin((1, 2), keepdim=True)
    close((ours - low) / ((ours - low).amax((1, 2), keepdim=True) + 1e-8), stretched)


def test_captums_grad_cam(name):
    path, layer = layer_of(name)
    theirs = LayerGradCam(network(name), layer).attribute(pictures(), TARGET)
    if not reshape(name):
        close(raw(name, "grad-cam:relu=false"), theirs[:, 0])
        return
    # of tokens it averages the features and sums the tokens: a map over features, not over the image
    tokens, gradient = seen(name, path)
    assert theirs.shape == (2, 1, 768)
    close((gradient.mean(2, keepdim=True) * tokens).sum(1, keepdim=True), theirs)


def test_captums_upsampling():
    """Nearest by default; asked for bilinear, it is ours."""
    _, layer = layer_of("resnet18")
    theirs = LayerGradCam(network("resnet18"), layer).attribute(pictures(), TARGET)
    ours = pl.explain(network("resnet18"), pictures(), "grad-cam:relu=false", target=TARGET)
    close(ours.maps, LayerAttribution.interpolate(theirs, SIZE, "bilinear")[:, 0])
    nearest = torch.nn.functional.interpolate(ours.raw[:, None], SIZE, mode="nearest")[:, 0]
    close(nearest, LayerAttribution.interpolate(theirs, SIZE)[:, 0])
    assert (nearest - ours.maps).abs().max() > 0.1 * (ours.maps.max() - ours.maps.min())


@only("vgg16_bn", "convnext_tiny", "vit_b_16")
def test_cam_is_refused_where_it_is_not_defined(name):
    with pytest.raises(BadModel, match="average pooling and one linear layer"):
        raw(name, "cam")


@only("resnet18")
def test_cam(name):
    path, _ = layer_of(name)
    with torchcam.CAM(network(name), path, "fc") as cam:
        network(name)(pictures())
        theirs = cam(TARGET, normalized=False)[0]
    close(raw(name, "cam:relu=false"), theirs)


@only("vgg16_bn")
def test_grad_cam_before_an_in_place_relu(name):
    """One layer, three maps: A and G before the ReLU (ours, Captum), both behind it, or A behind and G before it."""
    net, x, before, behind = network(name), pictures(), "features.41", "features.42"
    layer = net.get_submodule(before)
    close(raw(name, f"grad-cam:layer={before},relu=false"), LayerGradCam(net, layer).attribute(x, TARGET)[:, 0])
    with torchcam.GradCAM(net, before) as cam:
        theirs = cam(TARGET, net(x), normalized=False)[0]
    close(raw(name, f"grad-cam:layer={behind}"), theirs)
    activation, gradient = seen(name, before)
    with GradCAM(net, [layer]) as cam:
        theirs = cam(x, [ClassifierOutputTarget(t) for t in TARGET])
    close(by_grad_cam(grad_cam(activation.relu(), gradient)), theirs)
    net.zero_grad()


# --- what they are known to get wrong --------------------------------------------------------------------------------


def test_the_callers_gradients_and_mode():
    net, x = network("resnet18"), pictures()
    _, layer = layer_of("resnet18")
    try:
        for run, disturbed in (
            (lambda: GradCAM(net, [layer])(x, [ClassifierOutputTarget(3)] * 2), True),
            (lambda: pl.explain(net, x, "grad-cam", target=3), False),
        ):
            net.train()
            for p in net.parameters():
                p.grad = torch.full_like(p, 0.5)
            statistics = net.bn1.running_mean.clone()
            run()
            kept = all(p.grad is not None and bool((p.grad == 0.5).all()) for p in net.parameters()) and net.training
            assert kept is not disturbed
            assert torch.equal(net.bn1.running_mean, statistics)
    finally:
        net.eval()
        net.zero_grad()


def test_frozen_parameters():
    net, x = network("resnet18"), pictures()
    path, layer = layer_of("resnet18")
    truth = raw("resnet18", "grad-cam")
    try:
        net.requires_grad_(False)
        with pytest.raises(RuntimeError), GradCAM(net, [layer]) as cam:
            cam(x, [ClassifierOutputTarget(t) for t in TARGET])
        with pytest.raises(RuntimeError), torchcam.GradCAM(net, path) as cam:
            cam(TARGET, net(x))
        close(raw("resnet18", "grad-cam"), truth, 1e-6)
    finally:
        net.requires_grad_(True)


def test_one_target_for_three_images():
    net, x = network("resnet18"), pictures(3)
    _, layer = layer_of("resnet18")
    with GradCAM(net, [layer]) as cam:
        maxima = cam(x, [ClassifierOutputTarget(3)]).max((1, 2))
    assert maxima[0] > 0.99
    assert maxima[1] == maxima[2] == 0
    with pytest.raises(BadInput, match="for 3 images"):
        pl.explain(net, x, "grad-cam", target=[3])
    assert (pl.explain(net, x, "grad-cam:relu=false", target=3).maps.abs().amax((1, 2)) > 0).all()
    net.zero_grad()


def test_bfloat16():
    net = copy.deepcopy(network("resnet18")).bfloat16()
    with pytest.raises(TypeError), GradCAM(net, [net.layer4]) as cam:
        cam(pictures().bfloat16(), [ClassifierOutputTarget(t) for t in TARGET])
    e = pl.explain(net, pictures(), "grad-cam:relu=false", target=TARGET)
    truth = pl.explain(network("resnet18"), pictures(), "grad-cam:relu=false", target=TARGET)
    assert e.maps.dtype == torch.float32
    assert torch.corrcoef(torch.stack([e.maps.flatten(), truth.maps.flatten()]))[0, 1] > 0.95


def test_a_loss_on_a_map_reaches_the_head():
    """Captum's default map carries a graph that stops at the activations."""
    net, x = network("resnet18"), pictures()
    _, layer = layer_of("resnet18")
    theirs = LayerGradCam(net, layer).attribute(x, TARGET)
    assert torch.autograd.grad(theirs.sum(), net.fc.weight, allow_unused=True)[0] is None
    subject = Subject(net, trainable=True)
    with undisturbed(net, 0):
        score = Question.make("logit").bind(net(x), torch.tensor(TARGET), subject)
        ours = pl.explainers.GradCAM(relu=False).attribute(subject, x, score)
        (gradient,) = torch.autograd.grad(ours.sum(), net.fc.weight)
    close(ours, theirs[:, 0])
    assert gradient.abs().sum() > 0

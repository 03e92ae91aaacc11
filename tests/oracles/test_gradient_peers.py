"""Guided ways back, noise, paths and full gradients beside other libraries."""

import copy

import cv2
import numpy as np
import pytest
import torch
from captum.attr import Deconvolution, GradientShap, GuidedBackprop, GuidedGradCam, NoiseTunnel, Saliency
from pytorch_grad_cam import FullGrad, GuidedBackpropReLUModel
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torch.nn import functional as F

import pellucid as pl
from pellucid.errors import BadModel
from pellucid.explainers.fullgrad import bias_of
from pellucid.explainers.gradient_shap import gradient_shap
from pellucid.explainers.smooth import moment_of
from pellucid.questions import Question
from pellucid.subject import Subject, undisturbed
from tests.oracles.networks import network, pictures
from tests.oracles.peers import SIZE, TARGET, close, layer_of, only, raw

pytestmark = pytest.mark.peer
RECTIFIED = only("resnet18", "vgg16_bn")


def out_of_place(name):
    """Captum's hooks refuse ReLUs that run in place or twice: a copy with one of its own wherever the model has one."""
    net = copy.deepcopy(network(name))
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return net


# --- guided ----------------------------------------------------------------------------------------------------------


@RECTIFIED
def test_guided_backprop_and_deconvnet_of_captum(name):
    net = out_of_place(name)
    close(raw(name, "guided-backprop"), GuidedBackprop(net).attribute(pictures(), TARGET))
    close(raw(name, "deconvnet"), Deconvolution(net).attribute(pictures(), TARGET))


@RECTIFIED
def test_guided_backprop_of_the_grad_cam_library(name):
    """Of the first image only; the rest of the batch is left out."""
    theirs = GuidedBackpropReLUModel(copy.deepcopy(network(name)))(pictures()[:1].clone(), TARGET[0])
    close(raw(name, "guided-backprop")[0].permute(1, 2, 0), theirs)


@RECTIFIED
def test_guided_grad_cam_of_captum(name):
    path, _ = layer_of(name)
    net = out_of_place(name)
    theirs = GuidedGradCam(net, net.get_submodule(path)).attribute(pictures(), TARGET, interpolate_mode="bilinear")
    close(raw(name, "guided-grad-cam"), theirs)
    nearest = GuidedGradCam(net, net.get_submodule(path)).attribute(pictures(), TARGET)
    assert (nearest - theirs).abs().max() > 0.05 * theirs.abs().max()  # its default


class Functional(nn.Module):
    """The same ReLU, written in every way."""

    def __init__(self, relus):
        super().__init__()
        torch.manual_seed(0)
        self.convolutions = nn.ModuleList(nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1) for i in range(len(relus)))
        self.head = nn.Linear(4, 5)
        self.relus = relus
        self.found = nn.ModuleList(relu for relu in relus if isinstance(relu, nn.Module))  # by those who hook modules
        with torch.no_grad():  # of nine layers without a drift, no unit of the last is open
            for convolution in self.convolutions:
                convolution.weight.add_(0.02)
            self.head.weight.add_(0.2)

    def forward(self, x):
        for convolution, relu in zip(self.convolutions, self.relus, strict=True):
            x = relu(convolution(x))
        return self.head(x.mean((2, 3)))


WAYS = [F.relu, torch.relu, torch.Tensor.relu, torch.Tensor.relu_, lambda x: F.relu(x, inplace=True), F.relu6,
        nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6()]  # fmt: skip


@pytest.mark.parametrize("explainer", ["guided-backprop", "deconvnet"])
def test_every_way_of_writing_a_relu(explainer):
    x, usual = pictures()[:, :, :16, :16], Functional([nn.ReLU() for _ in WAYS])
    truth = (GuidedBackprop if explainer == "guided-backprop" else Deconvolution)(usual).attribute(x, 3)
    every = Functional(WAYS)
    close(pl.explain(every, x, explainer, target=3).raw, truth)
    if explainer == "guided-backprop":  # a hook on modules misses the functions
        missed = GuidedBackprop(Functional([F.relu] * len(WAYS))).attribute(x, 3)
        assert (missed - truth).abs().max() > 0.01 * truth.abs().max()
        close(missed, Saliency(usual).attribute(x, 3, abs=False))


@only("convnext_tiny", "vit_b_16")
def test_guided_backprop_is_refused_where_it_is_not_defined(name):
    for explainer in ("guided-backprop", "deconvnet", "guided-grad-cam"):
        with pytest.raises(BadModel, match="has a GELU"):
            raw(name, explainer)


# --- noise and paths -------------------------------------------------------------------------------------------------


def captums_noise(x, samples, sigma):
    """The noisy copies that its noise tunnel draws."""
    torch.manual_seed(0)
    return x + torch.normal(0.0, torch.full((samples, *x.shape[1:]), sigma))


@only("resnet18", "vit_b_16")
@pytest.mark.parametrize("theirs, ours", [("smoothgrad", "mean"), ("smoothgrad_sq", "square"), ("vargrad", "variance")])
def test_moments_of_captum(name, theirs, ours):
    net, x, sigma = network(name), pictures()[:1], 0.3
    noisy = captums_noise(x, 4, sigma)
    torch.manual_seed(0)
    wanted = NoiseTunnel(Saliency(net)).attribute(x, theirs, nt_samples=4, stdevs=sigma, target=3, abs=False)
    close(moment_of(pl.explain(net, noisy, "gradient", target=3).raw, ours)[None], wanted)


def test_variance_is_never_negative():
    """E g² − (E g)² of numbers around 1000 that differ by thousandths is below zero in float32; Welford's is not."""
    torch.manual_seed(0)
    maps = 1000 + 1e-3 * torch.randn(20, 1, 8, 8)
    usual = (maps**2).mean(0) - maps.mean(0) ** 2
    assert usual.min() < 0
    ours, truth = moment_of(maps, "variance"), maps.double().var(0, correction=0)
    assert ours.min() >= 0
    assert (ours - truth).abs().max() < 0.2 * truth.max()


@only("resnet18", "vit_b_16")
def test_gradient_shap_of_captum(name):
    """Its coefficients come from NumPy's global chance, so that seeding torch is not enough."""
    net, x, start, samples = network(name), pictures()[:1], torch.full_like(pictures()[:1], 0.1), 4
    np.random.seed(3)  # noqa: NPY002
    theirs = GradientShap(net).attribute(x, start, n_samples=samples, stdevs=0.0, target=3)
    np.random.seed(3)  # noqa: NPY002
    np.random.choice(1, samples)  # noqa: NPY002  (which baseline)
    points = np.random.uniform(0.0, 1.0, samples).tolist()  # noqa: NPY002
    ours = gradient_shap(x, [start], lambda at, _: pl.explain(net, at, "gradient", target=3).raw, points, together=2)
    close(ours, theirs)


# --- FullGrad --------------------------------------------------------------------------------------------------------


def full_gradient(name):
    """The gradient at the image, and bias · gradient of every layer that has one, in the order of the way back."""
    net, x = network(name), pictures()
    biases = {path: bias_of(module) for path, module in net.named_modules()}
    subject = Subject(net)
    with undisturbed(net, 0):
        score = Question.make("logit").bind(net(x), torch.tensor(TARGET), subject)

        def ear(path, gradient, _):
            bias = biases[path]
            return None if bias is None else (gradient * (bias if gradient.ndim == 2 else bias[:, None, None])).detach()

        output, [(gradient, heard)] = subject.overhear(x, [score], ear)
    return output.detach(), gradient, [part for part in heard if part is not None]


@RECTIFIED
def test_full_gradient_is_complete(name):
    output, gradient, parts = full_gradient(name)
    total = (pictures() * gradient).flatten(1).sum(1) + sum(part.flatten(1).sum(1) for part in parts)
    owed = output[torch.arange(2), TARGET]
    assert ((total - owed).abs() / owed.abs()).max() < 1e-4
    placed = sum(part.flatten(1).sum(1) for part in parts if part.ndim == 4)
    if name == "resnet18":  # whole factors of enlargement: the resized maps keep their mass
        ours = raw(name, "fullgrad:rectify=false").sum((1, 2))
        close(ours, (pictures() * gradient).flatten(1).sum(1) + placed, 1e-3)


@RECTIFIED
def test_fullgrad_of_the_grad_cam_library(name):
    """Each channel stretched by itself, not each layer; the image's channels as three layers."""

    def stretched(channel):
        channel = channel - channel.min()
        return cv2.resize(channel / (1e-7 + channel.max()), SIZE[::-1])

    _, gradient, parts = full_gradient(name)
    maps = np.zeros((2, *SIZE), np.float32)
    for part in [pictures() * gradient, *(p for p in parts if p.ndim == 4)]:
        for i, image in enumerate(part.abs().numpy()):
            maps[i] += sum(stretched(channel) for channel in image)
    maps -= maps.min((1, 2), keepdims=True)
    maps /= maps.max((1, 2), keepdims=True)
    net = network(name)
    theirs = FullGrad(net, [])(pictures(), [ClassifierOutputTarget(t) for t in TARGET])
    net.zero_grad()
    close(torch.from_numpy(maps), theirs, 1e-3)
    ours = raw(name, "fullgrad")
    assert torch.corrcoef(torch.stack([ours.flatten(), torch.from_numpy(maps).flatten()]))[0, 1] > 0.5


@only("convnext_tiny", "vit_b_16")
def test_fullgrad_is_refused_where_it_is_not_complete(name):
    with pytest.raises(BadModel, match="its parts sum to"):
        raw(name, "fullgrad")

"""The CAM family beside other libraries. Where one does something else, its number follows from ours."""

import pytest
import torch
from pytorch_grad_cam import EigenCAM, GradCAMPlusPlus, LayerCAM, XGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torchcam import methods as torchcam

import pellucid as pl
from pellucid.explainers.grad_cam_pp import grad_cam_pp
from pellucid.maths.maps import resize
from tests.oracles.networks import network, pictures, tokens_to_map
from tests.oracles.peers import SIZE, TARGET, by_grad_cam, close, layer_of, only, raw, reshape, seen

pytestmark = pytest.mark.peer


def grad_cam_library(peer, name, path=None):
    net = network(name)
    layer = net.get_submodule(path) if path else layer_of(name)[1]
    with peer(net, [layer], reshape_transform=reshape(name)) as cam:
        theirs = cam(pictures(), [ClassifierOutputTarget(t) for t in TARGET])
    net.zero_grad()
    return theirs


def torchcam_library(peer, name, path=None):
    net = network(name)
    with peer(net, path or layer_of(name)[0], reshape_transform=reshape(name)) as cam:
        return cam(TARGET, net(pictures()), normalized=False)[0]


def activation_and_gradient(name):
    path, _ = layer_of(name)
    both = seen(name, path)
    return [tokens_to_map(t) if reshape(name) else t for t in both]


# --- Grad-CAM++ ------------------------------------------------------------------------------------------------------


def equation_19(A, G, eps=0.0):
    """As it stands in the paper, cell by cell in float64."""
    A, G = A.double(), G.double()
    maps = torch.zeros(len(A), *A.shape[2:], dtype=torch.float64)
    for n in range(len(A)):
        for k in range(A.shape[1]):
            g = G[n, k]
            alpha = g**2 / (2 * g**2 + A[n, k].sum() * g**3 + eps)
            weight = torch.where(g != 0, alpha * g.clamp_min(0), 0.0).nan_to_num().sum()
            maps[n] += weight * A[n, k]
    return maps


def test_grad_cam_pp_is_its_equation(name):
    A, G = activation_and_gradient(name)
    close(raw(name, "grad-cam-pp:relu=false").double(), equation_19(A, G), 1e-4)


def test_grad_cam_pp_of_the_grad_cam_library(name):
    """The equation with 1e-6 added to a denominator of squared gradients, which are smaller than that."""
    A, G = activation_and_gradient(name)
    theirs = torch.from_numpy(grad_cam_library(GradCAMPlusPlus, name))
    close(by_grad_cam(equation_19(A, G, eps=1e-6)), theirs, 1e-3)
    if name == "resnet18":
        assert (G**2).median() < 1e-5  # at 112 px; at 224 a sixteenth of it
        ours = by_grad_cam(raw(name, "grad-cam-pp"))
        assert (ours - theirs).abs().max() > 0.02


@only("resnet18", "vgg16_bn")
def test_grad_cam_pp_of_torchcam(name):
    """Its denominator, which sums A·g³ in place of A, is divided into a copy: what is left is w = Σ g²·ReLU(g)."""
    A, G = activation_and_gradient(name)
    close(torch.einsum("nk,nkhw->nhw", (G**2 * G.relu()).sum((2, 3)), A).relu(), torchcam_library(
        torchcam.GradCAMpp, name))  # fmt: skip


def test_grad_cam_pp_does_not_depend_on_the_size_of_the_network():
    """No ε: gradients · c with activations / c give the same map, at any scale of float32."""
    A, G = torch.rand(2, 5, 4, 4), torch.randn(2, 5, 4, 4)
    for scale in (1e-12, 1e-6, 1.0, 1e6):
        close(grad_cam_pp(A / scale, G * scale).double(), equation_19(A, G), 1e-5)


# --- XGrad-CAM, LayerCAM, EigenCAM -----------------------------------------------------------------------------------


@only("resnet18", "vgg16_bn")
def test_xgrad_cam(name):
    """Behind a ReLU the norms agree."""
    for norm in ("sum", "l1"):
        close(raw(name, f"xgrad-cam:norm={norm}"), torchcam_library(torchcam.XGradCAM, name))
        ours = by_grad_cam(raw(name, f"xgrad-cam:norm={norm},relu=false"))
        close(ours, torch.from_numpy(grad_cam_library(XGradCAM, name)), 1e-3)  # their ε is 1e-7 of an absolute sum


@only("convnext_tiny", "vit_b_16")
def test_xgrad_cam_of_signed_activations(name):
    """The plain sum is theirs; it has nothing of the L1 form."""
    close(raw(name, "xgrad-cam:norm=sum"), torchcam_library(torchcam.XGradCAM, name), 1e-3)
    plain, sound = (raw(name, f"xgrad-cam:norm={norm},relu=false").flatten() for norm in ("sum", "l1"))
    assert torch.corrcoef(torch.stack([plain, sound]))[0, 1] < 0.9


@only("vgg16_bn")
def test_xgrad_cam_before_batch_norm(name):
    """At the layer of the class-contrastive papers, signed, the denominator crosses zero."""
    path = "features.40"
    A, G = seen(name, path)
    weight = (A * G).sum((2, 3)) / A.abs().sum((2, 3))
    close(raw(name, f"xgrad-cam:layer={path},relu=false"), torch.einsum("nk,nkhw->nhw", weight, A))
    assert (A < 0).any()


def test_layer_cam(name):
    close(raw(name, "layer-cam"), torchcam_library(torchcam.LayerCAM, name))
    close(by_grad_cam(raw(name, "layer-cam:relu=false")), torch.from_numpy(grad_cam_library(LayerCAM, name)))


@only("resnet18")
def test_layer_cam_of_several_layers(name):
    """The largest of the layers' maps, each of them divided by its peak and all but the last through tanh."""
    layers = ["layer2", "layer3", "layer4"]
    maps = [resize(raw(name, f"layer-cam:layer={layer}"), SIZE) for layer in layers]
    maps = [m / m.amax((1, 2), keepdim=True) for m in maps]
    ours = raw(name, f"layer-cam:layer=[{','.join(layers)}]")
    close(ours, torch.stack([(2 * maps[0]).tanh(), (2 * maps[1]).tanh(), maps[2]]).amax(0))
    # torchcam takes the tanh of all, of maps stretched before they are resized
    with torchcam.LayerCAM(network(name), layers) as cam:
        theirs = cam.fuse_cams(cam(TARGET, network(name)(pictures())), SIZE)
    every = torch.stack([(2 * m).tanh() for m in maps]).amax(0)
    assert torch.corrcoef(torch.stack([every.flatten(), theirs.flatten()]))[0, 1] > 0.9


@only("resnet18", "vgg16_bn", "convnext_tiny")
def test_eigen_cam(name):
    """Theirs takes the mean of every channel away, and leaves the sign to chance."""
    theirs = torch.from_numpy(grad_cam_library(EigenCAM, name))
    centred = pl.explain(network(name), pictures(), "eigen-cam:centre=true,relu=false").raw
    close(centred.sum((1, 2)) / centred.abs().sum((1, 2)) + 1, torch.ones(2))
    for ours, other, them in zip(by_grad_cam(centred), by_grad_cam(-centred), theirs, strict=True):
        assert min((ours - them).abs().max(), (other - them).abs().max()) < 1e-3


@only("resnet18", "vgg16_bn")
def test_eigen_cam_is_the_first_singular_vector(name):
    path, _ = layer_of(name)
    A, _ = seen(name, path)
    ours = pl.explain(network(name), pictures(), "eigen-cam").raw
    for a, m in zip(A.flatten(2), ours, strict=True):
        u, s, _ = torch.linalg.svd(a.T.double(), full_matrices=False)
        main = u[:, 0] * s[0] * u[:, 0].sum().sign()
        close(m.flatten().double(), main.clamp_min(0), 1e-4)
        assert main.min() > -1e-4 * main.max()  # one sign behind a ReLU

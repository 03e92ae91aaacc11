"""Parity: what other libraries say of the same model and the same pictures, measured.

Run it: python docs/parity.py          (writes docs/parity.json, from which the page is made; a minute)

Every entry is a member of ours, what has the same name elsewhere, and a function that gives both numbers. What is
written down is the largest difference as a share of their largest value. `why` says which convention was switched in
(the knobs are in `ours`), or why the numbers differ. A member without an entry here stands in ALONE, with the reason.
"""

import contextlib
import importlib.metadata
import io
import json
import math
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import pellucid as pl

HOME = Path(__file__).with_name("parity.json")
TARGET = [1, 3]
EQUAL, CLOSE = 1e-3, 0.01  # the same but for rounding and added epsilons; the same but for chance
Pair = tuple[Any, Any]


@dataclass(frozen=True)
class Entry:
    """One member beside one other library."""

    family: str
    member: str
    library: str
    theirs: str
    ours: str
    why: str
    expected: str  # equal, close, differs
    both: Callable[[], Pair]


ENTRIES: list[Entry] = []


def beside(member: str, library: str, theirs: str, why: str = "", ours: str = "", expected: str = "equal") -> Any:
    """Puts a function that gives our numbers and theirs into the table."""

    def put(both: Callable[[], Pair]) -> Callable[[], Pair]:
        family = "explainers" if member in pl.catalog("explainers") else "metrics"
        ENTRIES.append(Entry(family, member, library, theirs, ours or member, why, expected, both))
        return both

    return put


# --- what is explained -----------------------------------------------------------------------------------------------


@cache
def net() -> nn.Module:
    """Two convolutions, average pooling, one linear layer; no ReLU twice or in place, which captum refuses."""
    torch.manual_seed(3)
    body = [nn.Conv2d(3, 10, 3, padding=1), nn.ReLU(), nn.Conv2d(10, 12, 3, padding=1), nn.ReLU()]
    made = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5)).eval()
    with torch.no_grad():
        made[6].weight.mul_(8)  # so that the epsilons of others are small beside it
    return made


LAYER = "3"


def x(n: int = 2, channels: int = 3, side: int = 28, seed: int = 1) -> Tensor:
    """Smooth random pictures."""
    chance = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, channels, 7, 7, generator=chance)
    return nn.functional.interpolate(coarse, (side, side), mode="bicubic")


def ours(text: Any, **options: Any) -> Tensor:
    return pl.explain(net(), x(), text, target=TARGET, **options).raw


def stretched(maps: Tensor) -> Tensor:
    """As pytorch-grad-cam leaves a map: clipped, and stretched to [0, 1]."""
    maps = maps.relu() - maps.relu().amin((1, 2), keepdim=True)
    return maps / (1e-7 + maps.amax((1, 2), keepdim=True))


def cams(name: str) -> Tensor:
    """What pytorch-grad-cam's class of that name says."""
    import pytorch_grad_cam as library
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    layers = [] if name == "FullGrad" else [net().get_submodule(LAYER)]
    more = {}
    if name == "AblationCAM":
        from pytorch_grad_cam.ablation_layer import AblationLayer

        more["ablation_layer"] = AblationLayer()
    with getattr(library, name)(net(), layers, **more) as cam:
        found = torch.from_numpy(cam(x(), [ClassifierOutputTarget(t) for t in TARGET]))
    net().zero_grad()
    return found


def torchcams(name: str, *more: Any) -> Tensor:
    """What torchcam's class of that name says, before it is stretched."""
    from torchcam import methods

    known = {"input_shape": (3, 28, 28)} if name == "ScoreCAM" else {}
    with getattr(methods, name)(net(), LAYER, *more, **known) as cam:
        return cam(TARGET, net()(x()), normalized=False)[0]


def captums(name: str, *given: Any, **options: Any) -> Tensor:
    import captum.attr

    return getattr(captum.attr, name)(net(), *given).attribute(x(), target=TARGET, **options).detach()


# --- explainers ------------------------------------------------------------------------------------------------------

STRETCH = "theirs is clipped and stretched to [0, 1], picture by picture; ours is compared after the same"


def _cams() -> None:
    """The CAM family in both libraries."""
    for member, name in (
        ("grad-cam", "GradCAM"),
        ("hires-cam", "HiResCAM"),
        ("layer-cam", "LayerCAM"),
        ("xgrad-cam", "XGradCAM"),
    ):
        text = f"{member}:relu=false"
        beside(member, "grad-cam", name, STRETCH, text)(lambda t=text, n=name: (stretched(ours(t)), cams(n)))
    for member, name in (("grad-cam", "GradCAM"), ("layer-cam", "LayerCAM"), ("xgrad-cam", "XGradCAM")):
        beside(member, "torchcam", name, "with normalized=False")(lambda t=member, n=name: (ours(t), torchcams(n)))


_cams()


@beside("grad-cam", "captum", "LayerGradCam", "theirs has no ReLU, and is not resized", "grad-cam:relu=false")
def _() -> Pair:
    return ours("grad-cam:relu=false"), captums("LayerGradCam", net().get_submodule(LAYER))[:, 0]


@beside("cam", "torchcam", "CAM", "with normalized=False; theirs has no ReLU", "cam:relu=false")
def _() -> Pair:
    return ours("cam:relu=false"), torchcams("CAM", "6")


@beside(
    "grad-cam-pp",
    "grad-cam",
    "GradCAMPlusPlus",
    "theirs adds 1e-6 to a denominator of squared gradients, which are "
    "often smaller; ours has no epsilon and is the equation",
    "grad-cam-pp:relu=false",
    "differs",
)
def _() -> Pair:
    return stretched(ours("grad-cam-pp:relu=false")), cams("GradCAMPlusPlus")


@beside(
    "grad-cam-pp",
    "torchcam",
    "GradCAMpp",
    "theirs divides into a copy, so that the weights are Σ g² · ReLU(g): not the equation of the paper",
    expected="differs",
)
def _() -> Pair:
    a, b = ours("grad-cam-pp"), torchcams("GradCAMpp")
    return a / a.amax((1, 2), keepdim=True), b / b.amax((1, 2), keepdim=True)


@beside(
    "eigen-cam",
    "grad-cam",
    "EigenCAM",
    f"theirs takes each channel's mean away, and leaves the sign to chance: the nearer sign is compared; {STRETCH}",
    "eigen-cam:centre=true,relu=false",
)
def _() -> Pair:
    made, theirs = ours("eigen-cam:centre=true,relu=false"), cams("EigenCAM")
    signs = [stretched(made), stretched(-made)]
    return torch.stack(
        [min((s[i] for s in signs), key=lambda m: (m - t).abs().max()) for i, t in enumerate(theirs)]
    ), theirs


@beside(
    "score-cam",
    "grad-cam",
    "ScoreCAM",
    f"theirs weighs by a softmax of logits; {STRETCH}",
    "score-cam:weights=softmax, ask=logit",
)
def _() -> Pair:
    return stretched(ours("score-cam:weights=softmax", ask="logit")), quietly(lambda: cams("ScoreCAM"))


@beside(
    "score-cam",
    "torchcam",
    "ScoreCAM",
    "the same softmax; with normalized=False",
    "score-cam:weights=softmax, ask=logit",
)
def _() -> Pair:
    return ours("score-cam:weights=softmax", ask="logit"), torchcams("ScoreCAM")


@beside(
    "ablation-cam",
    "grad-cam",
    "AblationCAM",
    f"theirs is relative to the logit; behind a ReLU, elsewhere it puts −1e7 in the place of a channel; {STRETCH}",
    "ablation-cam:relative=true",
)
def _() -> Pair:
    return stretched(ours("ablation-cam:relative=true")), quietly(lambda: cams("AblationCAM"))


@beside(
    "fullgrad",
    "grad-cam",
    "FullGrad",
    "theirs stretches each channel of each layer to [0, 1] before it adds them, "
    "so that nothing is complete; ours keeps their mass",
    expected="differs",
)
def _() -> Pair:
    return stretched(ours("fullgrad")), cams("FullGrad")


@beside("gradient", "captum", "Saliency", "with abs=False")
def _() -> Pair:
    return ours("gradient"), captums("Saliency", abs=False)


@beside("input-x-gradient", "captum", "InputXGradient")
def _() -> Pair:
    return ours("input-x-gradient"), captums("InputXGradient")


@beside(
    "integrated-gradients",
    "captum",
    "IntegratedGradients",
    "50 points of Gauss in both",
    "integrated-gradients:steps=50,rule=gauss",
)
def _() -> Pair:
    return ours("integrated-gradients:steps=50,rule=gauss"), captums("IntegratedGradients").float()


@beside(
    "guided-backprop",
    "captum",
    "GuidedBackprop",
    "theirs refuses a ReLU in place or used twice, and does not see one that is a function; ours hears all",
)
def _() -> Pair:
    return ours("guided-backprop"), captums("GuidedBackprop")


@beside(
    "guided-backprop", "grad-cam", "GuidedBackpropReLUModel", "theirs answers for the first picture of a batch only"
)
def _() -> Pair:
    import copy

    from pytorch_grad_cam import GuidedBackpropReLUModel

    theirs = GuidedBackpropReLUModel(copy.deepcopy(net()))(x()[:1].clone(), TARGET[0])
    return ours("guided-backprop")[0].permute(1, 2, 0), theirs


@beside("deconvnet", "captum", "Deconvolution")
def _() -> Pair:
    return ours("deconvnet"), captums("Deconvolution")


@beside("guided-grad-cam", "captum", "GuidedGradCam", "with interpolate_mode='bilinear'; theirs is nearest otherwise")
def _() -> Pair:
    return ours("guided-grad-cam"), captums("GuidedGradCam", net().get_submodule(LAYER), interpolate_mode="bilinear")


@beside(
    "smooth",
    "captum",
    "NoiseTunnel",
    "of the noise that theirs draws; theirs is seeded by torch's global chance, "
    "and σ is a number, where ours is a share of the picture's range",
    "the mean of gradients",
)
def _() -> Pair:
    from captum.attr import NoiseTunnel, Saliency

    one = x()[:1]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = NoiseTunnel(Saliency(net())).attribute(
            one, "smoothgrad", nt_samples=4, stdevs=0.3, target=1, abs=False
        )
        torch.manual_seed(0)
        noisy = one + torch.normal(0.0, torch.full((4, *one.shape[1:]), 0.3))
    return pl.explain(net(), noisy, "gradient", target=1).raw.mean(0, keepdim=True), theirs


@beside("gradient-shap", "captum", "GradientShap", "of the points that theirs draws, from NumPy's global chance")
def _() -> Pair:
    from captum.attr import GradientShap

    from pellucid.explainers.gradient_shap import gradient_shap

    one, start = x()[:1], torch.full_like(x()[:1], 0.1)
    with numpys_chance(3):
        theirs = GradientShap(net()).attribute(one, start, n_samples=4, stdevs=0.0, target=1)
    with numpys_chance(3):
        np.random.choice(1, 4)  # noqa: NPY002  (which baseline)
        points = np.random.uniform(0.0, 1.0, 4).tolist()  # noqa: NPY002
    gradient = lambda at, _: pl.explain(net(), at, "gradient", target=1).raw  # noqa: E731
    return gradient_shap(one, [start], gradient, points, together=2), theirs


@beside(
    "occlusion",
    "captum",
    "Occlusion",
    "with the same window, stride and baseline",
    "occlusion:window=[9,9],stride=[7,7],baseline=0.2",
)
def _() -> Pair:
    theirs = captums("Occlusion", sliding_window_shapes=(3, 9, 9), strides=(3, 7, 7), baselines=0.2)
    return ours("occlusion:window=[9,9],stride=[7,7],baseline=0.2")[:, None].expand_as(theirs), theirs


@beside("feature-ablation", "captum", "FeatureAblation", "with the same cells", "feature-ablation:cells=4,baseline=0.2")
def _() -> Pair:
    theirs = captums("FeatureAblation", feature_mask=cells(4)[None, None], baselines=0.2)
    return ours("feature-ablation:cells=4,baseline=0.2")[:, None].expand_as(theirs), theirs


def cells(side: int) -> Tensor:
    from pellucid.maths.regions import rectangles

    return rectangles((28, 28), side)


@beside(
    "kernel-shap",
    "captum",
    "KernelShap",
    "theirs from 3000 samples drawn one by one, ours from pairs of a set and its complement; they meet as samples grow",
    "kernel-shap:cells=3,share=false, ask=probability",
    "close",
)
def _() -> Pair:
    from captum.attr import KernelShap

    one = x()[:1]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = KernelShap(lambda y: net()(y).softmax(1)).attribute(
            one, target=1, feature_mask=cells(3)[None, None], n_samples=3000, perturbations_per_eval=500
        )
    made = pl.explain(net(), one, "kernel-shap:cells=3,share=false", ask="probability", target=1).raw
    return made[:, None].expand_as(theirs), theirs


@beside(
    "lime",
    "captum",
    "Lime",
    "of the samples that ours draws, with the same kernel and ridge; theirs draws its own from the global chance",
    "lime:cells=3,ridge=1.0,width=0.25",
)
def _() -> Pair:
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import Lime

    one, member = x()[:1], pl.explainers.LIME(samples=60, cells=3, ridge=1.0, width=0.25)
    there, weights = member.draw(9, torch.Generator().manual_seed(0))
    rows = iter(torch.cat([torch.ones(1, 9, dtype=torch.bool), there]).long())
    near = {tuple(z.tolist()): float(w) for z, w in zip(there, weights, strict=True)}
    theirs = Lime(
        net(),
        interpretable_model=SkLearnRidge(alpha=1.0),
        perturb_func=lambda *_, **__: next(rows)[None],
        similarity_func=lambda a, b, z, **_: near.get(tuple(z[0].bool().tolist()), 1.0),
    ).attribute(one, target=1, feature_mask=cells(3)[None, None], n_samples=61, perturbations_per_eval=8)
    made = pl.explain(net(), one, member, target=1).raw
    return made[:, None].expand_as(theirs), theirs


@beside(
    "captum",
    "captum",
    "any attribution",
    "it is theirs, with our question, class and batch: shown for DeepLift",
    "captum:name=DeepLift",
)
def _() -> Pair:
    return ours("captum:name=DeepLift"), captums("DeepLift")


@beside("lrp", "zennit", "EpsilonPlus", "it is theirs, with our question, class and batch", "lrp:rule=epsilon-plus")
def _() -> Pair:
    from zennit.attribution import Gradient
    from zennit.composites import EpsilonPlus

    with Gradient(net(), EpsilonPlus()) as attributor:
        _, theirs = attributor(x(), lambda output: output * torch.eye(5)[TARGET])
    return ours("lrp:rule=epsilon-plus"), theirs


# --- metrics: what is measured ---------------------------------------------------------------------------------------


def quietly(run: Callable[[], Any]) -> Any:
    """Without the bars and warnings of others."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        return run()


@contextlib.contextmanager
def numpys_chance(seed: int) -> Iterator[None]:
    """NumPy's global state, which others draw from, put back."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


@cache
def grey() -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """A linear model of one channel, in which Quantus' features are pixels; pictures, a map without ties, classes."""
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(36, 4)).eval()
    chance = torch.Generator().manual_seed(1)
    return linear, torch.randn(4, 1, 6, 6, generator=chance), torch.randn(4, 6, 6, generator=chance), torch.arange(4)


PLAIN = {"abs": False, "normalise": False, "disable_warnings": True, "return_aggregate": False}


def quantus(name: str, model: Any, images: Tensor, maps: Tensor, target: Tensor, more: Any = (), **options: Any) -> Any:
    """What Quantus says of maps."""
    import quantus as library

    metric = getattr(library, name)(**(PLAIN | options))
    given = dict(more)
    batch = {"x_batch": images.numpy(), "y_batch": target.numpy(), "a_batch": maps[:, None].numpy()}
    found = quietly(
        lambda: metric(model=model, **batch, **({"softmax": True} if "softmax" not in given else {}), **given)
    )
    return np.asarray(found, dtype=np.float64)


def probability(model: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images).double().softmax(1)[torch.arange(len(images)), target]


def case(images: Tensor, maps: Tensor) -> Any:
    """What a metric of ours is given, where its curve is compared and not its number."""
    from pellucid.metrics import Case
    from pellucid.subject import Subject, as_batch

    model, _, _, target = grey()
    subject = Subject(model)
    subject.batch = as_batch(images)
    return Case(subject, subject.batch, target, maps)


# --- metrics: faithfulness -------------------------------------------------------------------------------------------


class Fixed:
    """For torchcam's metrics, which ask an extractor: maps that are there already."""

    def __init__(self, model: nn.Module, maps: Tensor) -> None:
        self.model, self.maps = model, maps

    def __call__(self, *_: Any, **__: Any) -> list[Tensor]:
        return [self.maps]

    def fuse_cams(self, maps: list[Tensor]) -> Tensor:
        return maps[0]

    _hooks_off = contextlib.nullcontext


def drawn(n: int = 2, side: int = 28, seed: int = 8) -> Tensor:
    return torch.rand(n, side, side, generator=torch.Generator().manual_seed(seed))


def _exchanged() -> None:
    """Deletion and insertion; theirs begins insertion with zeros, ours with the blurred image."""
    from functools import partial

    for name, text, expected in (("deletion", "deletion:into=zeros", "equal"), ("insertion", "insertion", "differs")):

        def both(name: str = name, text: str = text) -> Pair:
            from torchcam.metrics import DeletionInsertionMetric

            metric = DeletionInsertionMetric(Fixed(net(), drawn()), partial(torch.softmax, dim=-1), steps=28)
            metric.update(x(), TARGET)
            return pl.measure(net(), x(), drawn(), text, target=TARGET).mean(), next(
                v for k, v in metric.summary().items() if name in k
            )

        why = "theirs begins with a picture of zeros, ours with the picture blurred, as the paper has it"
        put = beside(
            name,
            "torchcam",
            "DeletionInsertionMetric",
            "28 steps in both; the mean over pictures" if expected == "equal" else why,
            text,
            expected,
        )
        put(both)


_exchanged()


def _masked() -> None:
    """Average drop and increase in confidence, in two libraries."""
    from functools import partial

    unit = lambda: stretched(drawn())  # noqa: E731

    def by_torchcam(name: str) -> float:
        from torchcam.metrics import ClassificationMetric

        metric = ClassificationMetric(Fixed(net(), unit()), partial(torch.softmax, dim=-1))
        metric.update(x(), TARGET)
        return metric.summary()[name]

    def by_grad_cam(name: str) -> Any:
        from pytorch_grad_cam.metrics import cam_mult_image
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

        return getattr(cam_mult_image, name)()(
            x(), unit().numpy(), [ClassifierOutputSoftmaxTarget(t) for t in TARGET], net()
        )

    def ours_of(text: str) -> Tensor:
        return pl.measure(net(), x(), unit(), text, target=TARGET)

    for member, key, peer in (
        ("average-drop", "avg_drop", "DropInConfidence"),
        ("increase", "conf_increase", "IncreaseInConfidence"),
    ):
        text = f"{member}:protocol=published"
        beside(member, "torchcam", "ClassificationMetric", "the mean over pictures", text)(
            lambda t=text, k=key: (ours_of(t).mean(), by_torchcam(k))
        )
        own = f"{member}:protocol=grad-cam" if member == "average-drop" else text
        why = "theirs is absolute, not a share of p" if member == "average-drop" else ""
        beside(member, "grad-cam", peer, why, own)(lambda t=own, p=peer: (ours_of(t), by_grad_cam(p)))


_masked()


@beside("road", "grad-cam", "ROADCombined", "without the noise that theirs draws anew every time", "road:noise=0")
def _() -> Pair:
    from pytorch_grad_cam.metrics.perturbation_confidence import (
        PerturbationConfidenceMetric,
        RemoveLeastRelevantFirst,
        RemoveMostRelevantFirst,
    )
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    images, maps, found = x(side=16)[:, :, :15], drawn(side=16)[:, :15], {}  # where a fifth of the pixels is whole
    targets = [ClassifierOutputSoftmaxTarget(t) for t in TARGET]
    for order, remove in (("morf", RemoveMostRelevantFirst), ("lerf", RemoveLeastRelevantFirst)):
        rises = [
            PerturbationConfidenceMetric(remove(kept, NoisyLinearImputer(noise=0)))(
                images, maps.numpy(), targets, net()
            )
            for kept in (20, 40, 60, 80)
        ]
        found[order] = np.mean(rises, axis=0)
    return pl.measure(net(), images, maps, "road:noise=0", target=TARGET), (found["lerf"] - found["morf"]) / 2


@beside(
    "pixel-flipping",
    "quantus",
    "PixelFlipping",
    "the curve after the first pixel, of one channel; with three, "
    "theirs flips channel values one by one; its area counts steps",
    "pixel-flipping:steps=36,into=0.25",
)
def _() -> Pair:
    model, images, maps, target = grey()
    theirs = quantus("PixelFlipping", model, images, maps, target, features_in_step=1, perturb_baseline=0.25)
    return pl.metrics.PixelFlipping(steps=36, into=0.25).trace(case(images, maps))[:, 1:], theirs


@beside(
    "faithfulness-correlation",
    "quantus",
    "FaithfulnessCorrelation",
    "of the subsets that theirs draws, one for "
    "every picture, from NumPy's global chance; ours are shared and have a seed",
    "its function",
)
def _() -> Pair:
    from pellucid.maths.similarity import pearson

    (model, images, maps, target), sets, choice = grey(), [], np.random.choice
    np.random.choice = lambda *a, **k: sets.append(choice(*a, **k)) or sets[-1]
    try:
        with numpys_chance(0):
            theirs = quantus(
                "FaithfulnessCorrelation", model, images, maps, target, nr_runs=20, subset_size=9, perturb_baseline=0.25
            )
    finally:
        np.random.choice = choice
    found = []
    for i in range(4):
        chosen = torch.zeros(20, 36, dtype=torch.bool)
        for run in range(20):
            chosen[run, torch.tensor(sets[4 * run + i])] = True
        filled = torch.where(chosen.view(20, 1, 6, 6), 0.25, images[i])
        lost = probability(model, images[i : i + 1], target[i : i + 1]) - probability(
            model, filled, target[i].expand(20)
        )
        told = (maps[i].flatten().double() * chosen).sum(1)
        found.append(pearson(told[None, None], lost[None, None])[0])
    return torch.stack(found), theirs


@beside(
    "sensitivity-n",
    "quantus",
    "SensitivityN",
    "another quantity: theirs correlates over the pictures of a batch, "
    "one number a step; ours over subsets, one number a picture",
    "sensitivity-n:into=0.25",
    "differs",
)
def _() -> Pair:
    model, images, maps, target = grey()
    theirs = quantus(
        "SensitivityN", model, images, maps, target, features_in_step=4, n_max_percentage=0.8, perturb_baseline=0.25
    )
    return pl.measure(model, images, maps, "sensitivity-n:into=0.25", target=target).mean(), np.nanmean(theirs)


@beside(
    "monotonicity",
    "quantus",
    "Monotonicity",
    "theirs replaces emptiness by emptiness, and is true for every map of "
    "every model; also MonotonicityCorrelation, which groups channel values by the order of the map",
    "monotonicity:kind=arya,cells=3,into=0.25,follows=probability",
    "differs",
)
def _() -> Pair:
    model, images, maps, target = grey()
    theirs = quantus("Monotonicity", model, images, maps, target, features_in_step=4, perturb_baseline=0.25)
    text = "monotonicity:kind=arya,cells=3,into=0.25,follows=probability"
    return pl.measure(model, images, maps, text, target=target), theirs


@beside(
    "sufficiency",
    "quantus",
    "Sufficiency",
    "another quantity: how often samples with like maps have like "
    "predictions, so that a score changes with its neighbours",
    "sufficiency:into=0.25",
    "differs",
)
def _() -> Pair:
    model, images, maps, target = grey()
    theirs = quantus("Sufficiency", model, images, maps, target, threshold=0.9)
    return pl.measure(model, images, maps, "sufficiency:into=0.25", target=target), theirs


@beside(
    "irof",
    "quantus",
    "IROF",
    "theirs begins after the first segment and counts segments, not shares; of one channel alone",
    "irof:segments=100,into=0.25, its curve",
)
def _() -> Pair:
    torch.manual_seed(0)
    model, images, maps = nn.Sequential(nn.Flatten(), nn.Linear(576, 4)).eval(), x(2, 1, 24), drawn(2, 24)
    target = torch.tensor([0, 1])
    if not hasattr(np, "trapz"):  # which NumPy 2.4 no longer has
        np.trapz = np.trapezoid  # noqa: NPY201
    theirs = quantus("IROF", model, images, maps, target, perturb_baseline=0.25)
    from pellucid.metrics import Case
    from pellucid.subject import Subject, as_batch

    subject = Subject(model)
    subject.batch = as_batch(images)
    one, metric = Case(subject, subject.batch, target, maps), pl.metrics.IROF(segments=100, into=0.25)
    curve, counts = metric.trace(one), metric.labels(one).flatten(1).amax(1) + 1
    relative = curve / curve[:, :1]
    areas = [c - torch.trapezoid(y[1 : c + 1]) for y, c in zip(relative, counts.tolist(), strict=True)]
    return torch.stack(areas), theirs


@beside("infidelity", "captum", "infidelity", "of the noise that ours draws", "infidelity:change=noise,scaled=none")
def _() -> Pair:
    from captum.metrics import infidelity

    images, maps = x(2, 3, 12), drawn(2, 12)
    moved = torch.randn(40, 12, 12, generator=torch.Generator().manual_seed(2))[:, None]
    flat = images.flatten(1)
    factor = (0.1 * (flat.amax(1) - flat.amin(1))).view(-1, 1, 1, 1).expand_as(images)

    def perturb(inputs: Tensor) -> Pair:
        step = moved.repeat(2, 1, 1, 1) * factor.repeat_interleave(40, 0)
        return step, inputs - step

    parts = maps[:, None].expand(2, 3, 12, 12) / 3  # the channels sum to the map
    theirs = infidelity(net(), perturb, images, parts, target=torch.tensor(TARGET), n_perturb_samples=40)
    text = "infidelity:change=noise,scaled=none,samples=40,seed=2"
    return pl.measure(net(), images, maps, text, target=TARGET), theirs


# --- metrics: where it looks -----------------------------------------------------------------------------------------


def located(name: str, maps: Tensor, masks: Tensor, **options: Any) -> Any:
    """What Quantus says of maps and masks; no model is asked."""
    import quantus as library

    metric = getattr(library, name)(disable_warnings=True, **options)
    return quietly(
        lambda: np.asarray(
            metric(
                model=net(),
                x_batch=x(4).numpy(),
                y_batch=np.zeros(4, int),
                a_batch=maps[:, None].numpy(),
                s_batch=masks[:, None].numpy(),
            ),
            dtype=np.float64,
        )
    )


def objects() -> tuple[Tensor, Tensor]:
    """Signed maps, and masks with an object each."""
    maps = torch.randn(4, 28, 28, generator=torch.Generator().manual_seed(5))
    masks = torch.zeros(4, 28, 28, dtype=torch.uint8)
    for i in range(4):
        masks[i, 3 * i : 3 * i + 10, 5:20] = 1
    return maps, masks


def _localised() -> None:
    for member, name, text, why in (
        ("sch", "RelevanceMassAccuracy", "sch", "of clipped maps; theirs adds positive and negative values alike"),
        (
            "relevance-rank",
            "RelevanceRankAccuracy",
            "relevance-rank",
            "of maps without ties; theirs breaks them by place",
        ),
        ("auc", "AUC", "auc", "also scikit-learn's roc_auc_score"),
        (
            "pointing-game",
            "PointingGame",
            "pointing-game:protocol=quantus,truth=masks",
            "ours calls a picture without an "
            "object undefined, theirs a hit; TorchRay's 15 pixels are protocol=torchray",
        ),
    ):

        def both(name: str = name, text: str = text) -> Pair:
            maps, masks = objects()
            maps = maps.relu() if name == "RelevanceMassAccuracy" else maps
            return pl.measure(net(), x(4), maps, text, masks=masks, target=0), located(name, maps, masks)

        beside(member, "quantus", name, why, text)(both)


_localised()


# --- metrics: shape, robustness, randomisation -----------------------------------------------------------------------


def shaped(name: str, maps: Tensor) -> Any:
    import quantus as library

    metric = getattr(library, name)(disable_warnings=True, display_progressbar=False)
    images = np.zeros((len(maps), 3, *maps.shape[1:]), np.float32)
    given = maps.double().numpy().copy()[:, None]
    return quietly(
        lambda: np.array(metric(model=None, x_batch=images, y_batch=np.zeros(len(maps), int), a_batch=given), float)
    )


def _shaped() -> None:
    for member, name, why in (
        (
            "complexity",
            "Complexity",
            "theirs adds 1e-12 within the logarithm; EffectiveComplexity is by=effective, times the pixels",
        ),
        (
            "sparseness",
            "Sparseness",
            "theirs adds 1e-7 to every value, after division by the greatest of all maps together",
        ),
    ):

        def both(member: str = member, name: str = name) -> Pair:
            maps = torch.randn(4, 8, 9, generator=torch.Generator().manual_seed(4)) ** 3
            return pl.measure(net(), x(4, 3, 9)[:, :, :8], maps, member, target=0), shaped(name, maps)

        beside(member, "quantus", name, why)(both)


_shaped()


def gradients(model: Any, images: Any, target: Any) -> Tensor:
    """What another library is told when it asks again."""
    images, target = torch.as_tensor(images).float(), torch.as_tensor(target).long()
    return pl.explain(model, images, "gradient", target=target).maps


def asked_again(model: Any, inputs: Any, targets: Any, **_: Any) -> np.ndarray:
    return gradients(model if isinstance(model, nn.Module) else net(), inputs, targets).numpy()[:, None]


@beside(
    "max-sensitivity",
    "captum",
    "sensitivity_max",
    "of the noise that ours draws, in the model's space",
    "max-sensitivity:unit=model,radius=0.1",
)
def _() -> Pair:
    from captum.metrics import sensitivity_max

    images = x(3, 3, 12)
    chance = torch.Generator().manual_seed(7)
    draws = torch.stack([2 * torch.rand(3, 12, 12, generator=chance) - 1 for _ in range(10)])

    def explained(given: Any) -> Any:  # a tuple is answered with a tuple
        return tuple(map(explained, given)) if isinstance(given, tuple) else gradients(net(), given, [1] * len(given))

    theirs = sensitivity_max(
        explained,
        images,
        lambda inputs, radius: inputs + radius * draws.repeat(len(inputs) // 10, 1, 1, 1),
        perturb_radius=0.1,
    )
    return pl.measure(net(), images, "gradient", "max-sensitivity:unit=model,radius=0.1,seed=7", target=1), theirs


@beside(
    "local-lipschitz",
    "quantus",
    "LocalLipschitzEstimate",
    "of the noise that ours draws, without the division of each map by its largest value",
    "local-lipschitz:protocol=paper,unit=model",
)
def _() -> Pair:
    images = x(3, 3, 12)
    chance = torch.Generator().manual_seed(7)
    noise = iter([(2 * torch.rand(3, 12, 12, generator=chance) - 1).flatten().numpy() for _ in range(5)])
    theirs = quantus(
        "LocalLipschitzEstimate",
        net(),
        images,
        gradients(net(), images, [1] * 3),
        torch.ones(3, dtype=torch.long),
        {"explain_func": asked_again},
        nr_samples=5,
        perturb_func=lambda arr, indices, **_: arr + 0.1 * next(noise),
    )
    knobs = "protocol=paper,unit=model,radius=0.1,samples=5,seed=7"
    return pl.measure(net(), images, "gradient", f"local-lipschitz:{knobs}", target=1), theirs


@beside(
    "sanity-cascading",
    "quantus",
    "MPRT",
    "theirs forgets modules in the reverse order of their definition, each from "
    "one global seed; with that done by hand the correlations of the maps are the same",
    "its comparison",
)
def _() -> Pair:
    import copy

    import quantus as library

    from pellucid.maths.similarity import spearman

    images, one = x(3, 3, 12), torch.ones(3, dtype=torch.long)
    maps = gradients(net(), images, one)
    metric = library.MPRT(
        similarity_func=library.similarity_func.correlation_spearman,
        normalise=False,
        abs=False,
        seed=42,
        layer_order="top_down",
        disable_warnings=True,
    )
    with torch.random.fork_rng():
        theirs = quietly(
            lambda: metric(
                model=net(),
                x_batch=images.numpy(),
                y_batch=one.numpy(),
                a_batch=maps.numpy()[:, None],
                explain_func=asked_again,
            )
        )
        twin, found = copy.deepcopy(net()), []
        for path in ("6", "2", "0"):
            torch.manual_seed(43)
            twin.get_submodule(path).reset_parameters()
            found.append(spearman(maps, gradients(twin, images, one)))
    return torch.stack(found), np.array([theirs[path] for path in ("6", "2", "0")], dtype=np.float64)


@beside(
    "random-logit",
    "quantus",
    "RandomLogit",
    "of two classes, where the other is no chance; its SSIM takes a map for one long line",
    "random-logit:by=spearman",
)
def _() -> Pair:
    import quantus as library

    torch.manual_seed(1)
    two = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2)
    )
    images, target = x(3, 3, 12), torch.tensor([0, 1, 0])
    maps = gradients(two.eval(), images, target)
    metric = library.RandomLogit(
        library.similarity_func.correlation_spearman, num_classes=2, normalise=False, abs=False, disable_warnings=True
    )
    theirs = quietly(
        lambda: metric(
            model=two,
            x_batch=images.numpy(),
            y_batch=target.numpy(),
            a_batch=maps.numpy()[:, None],
            explain_func=lambda model, inputs, targets, **_: gradients(two, inputs, targets).numpy()[:, None],
        )
    )
    e = pl.explain(two, images, "gradient", target=target)
    return pl.measure(two, images, e, "random-logit:by=spearman"), theirs


@beside(
    "completeness",
    "quantus",
    "Completeness",
    "theirs asks for equality to the last bit, which no float gives: false where ours measures an error near zero",
    expected="differs",
)
def _() -> Pair:
    images = x(3, 3, 12)
    e = pl.explain(net(), images, "integrated-gradients:steps=64", target=1)
    theirs = quantus(
        "Completeness", net(), images, e.maps, torch.ones(3, dtype=torch.long), {"softmax": False}, perturb_baseline=0.0
    )
    return (pl.measure(net(), images, e, "completeness") < 0.05).double(), theirs  # ours: complete; theirs: not


@beside(
    "non-sensitivity",
    "quantus",
    "NonSensitivity",
    "pixel by pixel, zeros asked for, its count divided by the number of pixels",
    "non-sensitivity:cells=none,fill=zeros,tolerance=0.001",
)
def _() -> Pair:
    model, images, maps, target = grey()
    maps = maps.clone()
    maps[:, 2:4] = 0
    theirs = quantus(
        "NonSensitivity", model, images, maps, target, eps=1e-3, abs=True, normalise=True, perturb_baseline=0.0
    )
    text = "non-sensitivity:cells=none,fill=zeros,tolerance=0.001"
    return pl.measure(model, images, maps, text, target=target), theirs / 36


# --- those who stand alone -------------------------------------------------------------------------------------------

NOBODY = "No library that we know of has it; held to a slow re-telling of its formula in our tests."
SALIENCY = "PAIR's saliency has it, in NumPy and one picture at a time; not run here. Held to a slow re-telling."
DISENTANGLED = "disentanglement_lib has it, in NumPy and TensorFlow; not run here. Held to a slow re-telling."
ALONE = {
    "explainers": {
        "attention-rollout": "PnPXAI and InterpretDL have it; not run here. Held to a slow re-telling.",
        "transformer-attribution": "PnPXAI has its kin; not run here. Held to a slow re-telling.",
        "blur-ig": SALIENCY,
        "guided-ig": SALIENCY,
        "xrai": SALIENCY,
        "rise": "Xplique and TorchRay have it; not run here. What to write for each is on its page; the masks are "
        "those of its authors' code but for the border.",
        "custom": "A function of yours.",
        "edges": "A control.",
        "random-map": "A control.",
        "grad-cam-attention": NOBODY,
        "group-cam": NOBODY,
        "gwar": NOBODY,
        "idgi": NOBODY,
    },
    "metrics": {
        "accuracy": "Of the model; torchmetrics and scikit-learn have it.",
        "confidence": "Of the model: one softmax.",
        "average-gain": "Xplique has it; not run here. Held to a slow re-telling.",
        "sanity-independent": "Quantus' MPRT with layer_order='independent'; compared as sanity-cascading is.",
        "iou": "Scripts of papers have it, each its own way. Held to a slow re-telling.",
        "energy-in-box": "Scripts of papers have it. Held to a slow re-telling.",
        "mutual-information-gap": DISENTANGLED,
        "sap": DISENTANGLED,
        "dci": DISENTANGLED,
        "entropy": "Complexity, of the evidence for the answer alone. Held to a slow re-telling.",
    },
}


def alone(family: str, member: str) -> str:
    return ALONE[family].get(member, NOBODY)


# --- the record ------------------------------------------------------------------------------------------------------


def difference(a: Any, b: Any) -> float:
    """The largest, as a share of their largest value; pictures for which neither has a number are left out."""
    a, b = (
        torch.as_tensor(np.asarray(t.detach() if isinstance(t, Tensor) else t), dtype=torch.float64) for t in (a, b)
    )
    if a.shape != b.shape:
        raise ValueError(f"ours is {tuple(a.shape)}, theirs {tuple(b.shape)}: not the same thing.")
    known = ~(a.isnan() & b.isnan())
    return (
        float((a - b)[known].abs().max() / torch.maximum(a.abs(), b.abs())[known].max().clamp_min(1e-12))
        if known.any()
        else math.nan
    )


def judged(off: float) -> str:
    """What a difference is."""
    return "equal" if off <= EQUAL else "close" if off <= CLOSE else "differs"


def measured(entry: Entry) -> dict[str, Any]:
    """A row of the table."""
    off = difference(*entry.both())
    if judged(off) != entry.expected:
        raise AssertionError(
            f"{entry.ours} beside {entry.library} {entry.theirs} was expected to be {entry.expected}, and is off by "
            f"{off:.2g}; say why in docs/parity.py."
        )
    return {
        "library": entry.library,
        "theirs": entry.theirs,
        "ours": entry.ours,
        "verdict": verdict(off),
        "why": why(entry),
        "expected": entry.expected,
        "off": rounded(off),
    }


def verdict(off: float) -> str:
    """To a power of ten: the last digits are the machine's."""
    if judged(off) == "differs":
        return "**differs**"
    return f"{judged(off)}, to {10.0 ** math.ceil(math.log10(max(off, 1e-7))):.0e}".replace("e-0", "e-")


def why(entry: Entry) -> str:
    return (f"`{entry.ours}`: " if entry.ours != entry.member else "") + entry.why


def rounded(off: float) -> float:
    return float(f"{off:.1g}") if math.isfinite(off) else off


def record(entries: list[Entry] | None = None) -> dict[str, Any]:
    """The whole table."""
    table: dict[str, Any] = {"versions": versions(), "explainers": {}, "metrics": {}}
    for entry in ENTRIES if entries is None else entries:
        table[entry.family].setdefault(entry.member, []).append(measured(entry))
    if entries is None:
        for family in ("explainers", "metrics"):
            for member in pl.catalog(family):
                table[family].setdefault(member, [{"library": "", "verdict": "–", "why": alone(family, member)}])
    return table


def versions() -> dict[str, str]:
    names = ("captum", "grad-cam", "torchcam", "quantus", "zennit", "torch")
    return {name: importlib.metadata.version(name) for name in names}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    HOME.write_text(json.dumps(record(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

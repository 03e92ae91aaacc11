"""Score-CAM, Group-CAM and Ablation-CAM beside slow re-tellings, and beside other libraries."""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate
from torchvision.models import resnet18
from torchvision.transforms.functional import gaussian_blur

import pellucid as pl
from pellucid.contracts.case import images, model
from pellucid.errors import BadInput, BadKnob, BadLayer
from pellucid.explainers.group_cam import cut_blur, denoised, grouped, in_order, k_means
from pellucid.explainers.score_cam import score_cam, weighed
from pellucid.subject import Subject, as_batch, undisturbed
from tests.oracles.networks import network
from tests.oracles.peers import by_grad_cam, close, only

X = images(2)
CLASSES = [1, 3]


def deep(seed=0):
    """A stack of plain layers, with a head of two linear ones."""
    torch.manual_seed(seed)
    body = [nn.Conv2d(3, 8, 5, 4, 2), nn.ReLU(inplace=True), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU(inplace=True)]
    head = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 5)]
    net = nn.Sequential(*body, *head).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(2)  # so that answers differ
    return net


def activation_of(net, path, x):
    """What the layer gives, whatever writes into it later."""
    kept = []
    handle = net.get_submodule(path).register_forward_hook(lambda _m, _i, output: kept.append(output.clone()))
    with torch.no_grad():
        net(x)
    handle.remove()
    return kept[0]


def rows_of(net, run):
    """The rows of every forward of a run, the probe for a layer left out."""
    rows = []
    handle = net.register_forward_pre_hook(lambda _m, args: rows.append(len(args[0])))
    run()
    handle.remove()
    return rows


def stretched(mask):
    return (mask - mask.min()) / (mask.max() - mask.min())


def raised(channel, size=(32, 32), corners=False):
    """A channel at the size of the image."""
    return interpolate(channel[None, None], size, mode="bilinear", align_corners=corners)[0, 0]


def probability(net, x, target):
    with torch.no_grad():
        return net(x[None]).softmax(1)[0, target]


def logit(net, x, target):
    with torch.no_grad():
        return net(x[None])[0, target]


# --- Score-CAM -------------------------------------------------------------------------------------------------------


def score_cam_in_loops(net, path, x, targets, value, weights, start=0.0):
    maps = []
    for image, target, channels in zip(x, targets, activation_of(net, path, x), strict=True):
        scores, alive = [], []
        for channel in channels:
            if channel.max() > channel.min():
                masked = start + (image - start) * stretched(raised(channel))
                scores.append(value(net, masked, target))
                alive.append(channel)
        w = torch.stack(scores)
        if weights != "value":
            w = w - value(net, torch.full_like(image, start), target)
        w = w.softmax(0) if weights == "softmax" else w
        maps.append((w[:, None, None] * torch.stack(alive)).sum(0))
    return torch.stack(maps)


@pytest.mark.parametrize("weights", ["value", "difference", "softmax"])
@pytest.mark.parametrize("ask, value", [("probability", probability), ("logit", logit)])
def test_score_cam_in_loops(weights, ask, value):
    net = deep()
    ours = pl.explain(net, X, f"score-cam:layer=3,relu=false,weights={weights}", ask=ask, target=CLASSES).raw
    close(ours, score_cam_in_loops(net, "3", X, CLASSES, value, weights))


def test_score_cam_over_another_baseline():
    net = deep()
    ours = pl.explain(net, X, "score-cam:layer=3,relu=false,baseline=0.7,weights=difference", target=CLASSES).raw
    close(ours, score_cam_in_loops(net, "3", X, CLASSES, probability, "difference", start=0.7))


def test_the_baseline_cancels_inside_the_softmax():
    left, counts = torch.randn(2, 7), torch.ones(2, 7, dtype=torch.bool)
    for base in (torch.zeros(2), torch.randn(2) * 10):
        close(weighed(left, base, counts, "softmax"), left.softmax(1), 1e-5)


def test_constant_channels_cost_nothing_and_say_nothing():
    net = deep()
    with torch.no_grad():
        net[2].weight[4:9] = 0  # five channels are their bias everywhere
        net[2].bias[4:9] = 1.0
    for weights in ("value", "softmax"):
        explainer = f"score-cam:layer=3,weights={weights},relu=false"
        rows = rows_of(net, lambda text=explainer: pl.explain(net, X, text, target=CLASSES))
        alive = int((activation_of(net, "3", X).flatten(2).std(2) > 1e-6).sum())
        assert alive <= 2 * 7
        assert sum(rows) == 2 + alive + (2 if weights == "softmax" else 0)
        value = score_cam_in_loops(net, "3", X, CLASSES, probability, weights)
        close(pl.explain(net, X, explainer, target=CLASSES).raw, value)


@pytest.mark.parametrize(
    "text", ["score-cam", "score-cam:weights=softmax", "group-cam", "group-cam:protocol=current", "ablation-cam"]
)
def test_nothing_but_constants_is_a_map_of_zeros_or_of_a_constant(text):
    net = deep()
    with torch.no_grad():
        net[2].weight.zero_()
    name, _, knobs = text.partition(":")
    found = pl.explain(net, X, f"{name}:layer=3" + (f",{knobs}" if knobs else ""), target=CLASSES)
    assert found.maps.isfinite().all()
    assert (found.maps.flatten(1).std(1) < 1e-6).all()


def test_questions_and_classes_share_the_masked_forwards():
    net = deep()
    one = sum(rows_of(net, lambda: pl.explain(net, X, "score-cam:layer=3", target=CLASSES)))
    many = {"target": torch.tensor([[1, 0, 2], [3, 4, 0]]), "ask": ["probability", "logit", "contrast"]}
    assert sum(rows_of(net, lambda: pl.explain(net, X, "score-cam:layer=3", **many))) == one
    together = pl.explain(net, X, "score-cam:layer=3", **many).maps
    for k in range(3):
        for q, ask in enumerate(many["ask"]):
            alone = pl.explain(net, X, "score-cam:layer=3", ask=ask, target=many["target"][:, k]).maps
            close(together[:, k, q], alone)


def test_rows_are_filled_across_images():
    net = deep()
    rows = rows_of(net, lambda: pl.explain(net, images(5), "score-cam:layer=3", target=1, batch_size=5))
    assert max(rows) == 5
    assert rows[1:-1] == [5] * len(rows[1:-1])  # the clean forward, and what is left over at the end


class Tinted(nn.Module):
    """An image times a number of its own, which is another input."""

    def __init__(self):
        super().__init__()
        self.net = deep()

    def forward(self, strength, image):
        return self.net(strength.view(-1, 1, 1, 1) * image)


@pytest.mark.parametrize("name", ["score-cam", "group-cam", "ablation-cam"])
def test_what_else_the_model_is_given_goes_along(name):
    net, strength = Tinted().eval(), torch.tensor([0.2, 3.0])
    inputs, text = {"strength": strength, "image": X}, f"{name}:layer=net.3,relu=false"
    ours = pl.explain(net, inputs, text, "probability", target=CLASSES).maps
    for i in range(2):
        alone = {"strength": strength[i : i + 1], "image": X[i : i + 1]}
        close(ours[i : i + 1], pl.explain(net, alone, text, "probability", target=CLASSES[i]).maps)
    copies = pl.explain(net, inputs, f"smooth:samples=5,spread=0@{text}", "probability", target=CLASSES)
    close(copies.maps, ours)


def test_several_layers_are_fused():
    net = deep()
    fused = pl.explain(net, X, "score-cam:layer=[1,3]", target=CLASSES).raw
    maps = [pl.explain(net, X, f"score-cam:layer={layer}", target=CLASSES).maps for layer in (1, 3)]
    close(fused, torch.stack([m / m.amax((1, 2), keepdim=True) for m in maps]).amax(0))


# --- Group-CAM -------------------------------------------------------------------------------------------------------


def group_cam_in_loops(net, path, x, targets, groups, current=False):
    """The published form, or the current one with a guard; masks are weighed by the logit's gradient."""
    blurred, found = gaussian_blur(x, [51, 51], [50.0, 50.0]) if min(x.shape[2:]) > 25 else None, []
    subject = Subject(net)
    with undisturbed(net, 0):
        score = pl.questions.Logit().bind(net(x).detach(), torch.tensor(targets), subject.embed)
        A, G = subject.look(x, score, path)
    for image, blur, target, a, g in zip(x, blurred, targets, A.detach(), G, strict=True):
        total = torch.zeros(image.shape[1:])
        base = probability(net, blur, target)
        for chunk in torch.arange(len(a)).chunk(groups):
            low = sum(g[k].mean() * a[k] for k in chunk).relu()
            if not current:
                low = torch.where(low > low.quantile(0.7), low, 0.0)
            high = raised(low, image.shape[1:])
            if high.max() > high.min():
                mask = stretched(high)
                gain = probability(net, image * mask + blur * (1 - mask), target) - base
                total += gain.relu() * high if current else gain * mask
        found.append(total.relu())
    return torch.stack(found)


@pytest.mark.parametrize("protocol", ["published", "current"])
def test_group_cam_in_loops(protocol):
    net = deep()
    ours = pl.explain(net, X, f"group-cam:layer=3,groups=4,protocol={protocol}", target=CLASSES).raw
    close(ours, group_cam_in_loops(net, "3", X, CLASSES, 4, protocol == "current"))


def test_as_many_groups_as_channels_are_a_mask_for_each():
    net = deep()
    alone = pl.explain(net, X, "group-cam:layer=3,groups=12", target=CLASSES).raw
    close(alone, group_cam_in_loops(net, "3", X, CLASSES, 12))
    close(pl.explain(net, X, "group-cam:layer=3,groups=1000", target=CLASSES).raw, alone)
    clusters = pl.explain(net, X, "group-cam:layer=3,groups=12,order=kmeans,denoise=0", target=CLASSES).raw
    close(clusters, pl.explain(net, X, "group-cam:layer=3,groups=12,denoise=0", target=CLASSES).raw)


def test_an_empty_group_changes_nothing():
    """Channels 6 and 7 alone are the second of two groups; at zero they may as well not be there."""
    A, w = torch.rand(1, 8, 4, 4), torch.rand(1, 8)
    A[:, 6:] = 0
    group = torch.tensor([[0] * 6 + [1] * 2])
    maps = grouped(A, w, group, 2)
    assert not maps[:, 1].any()
    net = deep()
    with torch.no_grad():
        net[2].weight[6:] = 0
        net[2].bias[6:] = 0
    for protocol in ("published", "current"):
        text = f"group-cam:layer=3,protocol={protocol}"
        whole = pl.explain(net, X, f"{text},groups=2", target=CLASSES)
        assert whole.raw.isfinite().all()
        close(whole.raw, group_cam_in_loops(net, "3", X, CLASSES, 2, protocol == "current"))
        rows = rows_of(net, lambda t=text: pl.explain(net, X, f"{t},groups=2", target=CLASSES))
        assert sum(rows) <= 2 + 2 * 2  # clean, and blurred and one group of each image


def test_group_cam_costs_a_forward_a_group():
    net = deep()
    rows = rows_of(net, lambda: pl.explain(net, X, "group-cam:layer=3,groups=4,denoise=0", target=CLASSES))
    assert sum(rows) <= 2 * (1 + 1 + 4)


def test_the_masks_are_weighed_by_the_logit_or_by_the_question():
    net = deep()
    by_logit, own = (
        pl.explain(net, X, f"group-cam:layer=3,groups=3,weigh={w}", target=CLASSES).raw for w in ("logit", "question")
    )
    assert (by_logit - own).abs().max() > 0.01 * own.abs().max()
    for w in ("logit", "question"):  # any other question weighs by itself
        text = f"group-cam:layer=3,groups=3,weigh={w}"
        close(pl.explain(net, X, text, ask="contrast", target=CLASSES).raw,
              pl.explain(net, X, "group-cam:layer=3,groups=3", ask="contrast", target=CLASSES).raw)  # fmt: skip


@pytest.mark.parametrize("size", [(32, 40), (26, 224)])
def test_the_blur_is_the_authors(size):
    x = torch.randn(2, 3, *size)
    close(cut_blur(x, 51, 50.0), gaussian_blur(x, [51, 51], [50.0, 50.0]), 1e-5)


def test_the_blur_of_small_images_and_signals_is_defined():
    x = torch.randn(1, 3, 5, 7)
    constant = torch.ones(1, 3, 5, 7)
    close(cut_blur(constant, 51, 50.0), constant, 1e-6)
    assert cut_blur(x, 51, 50.0).std() < x.std()
    signal = torch.randn(1, 2, 40)
    close(cut_blur(signal, 9, 2.0), cut_blur(signal[:, :, None], 9, 2.0)[:, :, 0], 1e-6)
    assert cut_blur(torch.ones(1, 1, 1, 1), 51, 50.0).item() == pytest.approx(1)


def test_denoised_is_above_the_quantile():
    maps = torch.randn(2, 3, 5, 7)
    level = maps.flatten(2).quantile(0.7, dim=2)[:, :, None, None]
    assert torch.equal(denoised(maps, 0.7), torch.where(maps > level, maps, 0.0))
    assert torch.equal(denoised(maps, 0.0), maps)


@pytest.mark.parametrize("k, groups", [(512, 32), (48, 32), (7, 7), (5, 2)])
def test_groups_are_equal_runs_and_none_is_missing(k, groups):
    group = in_order(k, groups)
    assert group.diff().min() >= 0
    sizes = group.bincount()
    assert len(sizes) == groups
    assert sizes.max() - sizes.min() <= 1
    if k == 512:
        assert torch.equal(group, torch.cat([torch.full((16,), g) for g in range(32)]))


def test_k_means_finds_what_is_there():
    """Far clusters are found; a batch is its images, and the sum of squares is no worse than of equal runs."""
    generator = torch.Generator().manual_seed(5)
    centres = 100 * torch.randn(4, 6, generator=generator)
    truth = torch.randint(4, (2, 40), generator=generator)
    points = centres[truth] + torch.randn(2, 40, 6, generator=generator)
    found = k_means(points, 4, torch.Generator().manual_seed(0))
    for one, known in zip(found, truth, strict=True):
        assert len({(int(a), int(b)) for a, b in zip(one, known, strict=True)}) == 4
    for i in range(2):
        assert torch.equal(k_means(points[i : i + 1], 4, torch.Generator().manual_seed(0))[0], found[i])

    def spread(group):
        return sum(float((points[0][group == g] - points[0][group == g].mean(0)).square().sum()) for g in range(4))

    assert spread(found[0]) < spread(in_order(40, 4))


# --- Ablation-CAM ----------------------------------------------------------------------------------------------------


def ablation_weights_in_loops(net, path, x, targets, value):
    """[n, k], a forward for each."""
    A = activation_of(net, path, x)
    weights = torch.zeros(A.shape[:2], dtype=torch.float64)
    for i, target in enumerate(targets):
        whole = value(net, x[i], target)
        for k in range(A.shape[1]):
            without = A[i : i + 1].clone()
            without[:, k] = 0

            def exchange(_module, _inputs, _output, without=without):
                return without

            handle = net.get_submodule(path).register_forward_hook(exchange)
            weights[i, k] = whole - value(net, x[i], target)
            handle.remove()
    return weights


@pytest.mark.parametrize("path", ["0", "1", "2", "3"])
@pytest.mark.parametrize("ask, value", [("probability", probability), ("logit", logit)])
def test_ablation_cam_in_loops(path, ask, value):
    net = deep().double()
    x = X.double()
    w = ablation_weights_in_loops(net, path, x, CLASSES, value)
    known = torch.einsum("nk,nkhw->nhw", w, activation_of(net, path, x))
    ours = pl.explain(net, x, f"ablation-cam:layer={path},relu=false", ask=ask, target=CLASSES).raw
    close(ours, known, 1e-8)


def test_a_linear_head_needs_no_forward():
    net = model("tiny-cnn", torch.float64)
    x = X.double()
    path = pl.explain(net, x, "ablation-cam").explainer.partition("layer=")[2]
    for ask, value in (("logit", logit), ("probability", probability)):
        w = ablation_weights_in_loops(net, path, x, CLASSES, value)
        known = torch.einsum("nk,nkhw->nhw", w, activation_of(net, path, x))
        run = {"ask": ask, "target": CLASSES}
        close(pl.explain(net, x, "ablation-cam:relu=false", **run).raw, known, 1e-8)
        assert rows_of(net, lambda run=run: pl.explain(net, x, "ablation-cam", **run)) == [2]


def test_ablation_of_logits_behind_a_linear_head_is_the_channels_part():
    """w_k = W_tk · mean(A_k): Grad-CAM's weight times the sum of the channel."""
    net, x = model("tiny-cnn", torch.float64), X.double()
    path = pl.explain(net, x, "ablation-cam").explainer.partition("layer=")[2]
    A = activation_of(net, path, x)
    W = next(m for m in reversed(list(net.modules())) if isinstance(m, nn.Linear)).weight
    w = W[CLASSES] * A.mean((2, 3))
    close(pl.explain(net, x, "ablation-cam:relu=false", target=CLASSES).raw, torch.einsum("nk,nkhw->nhw", w, A), 1e-8)


def test_relative_divides_by_the_value():
    net = deep()
    plain, divided = (
        pl.explain(net, X, f"ablation-cam:layer=3,relu=false,relative={r}", target=CLASSES) for r in ("false", "true")
    )
    close(divided.raw, plain.raw / plain.value[:, None, None])
    net = model("tiny-cnn")
    plain, divided = (
        pl.explain(net, X, f"ablation-cam:relu=false,relative={r}", target=CLASSES) for r in ("false", "true")
    )
    close(divided.raw, plain.raw / plain.value[:, None, None])


def test_dead_channels_have_no_tail():
    net = deep()
    with torch.no_grad():
        net[2].weight[4:9] = 0
        net[2].bias[4:9] = -1.0
    alive = int((activation_of(net, "3", X).flatten(2) != 0).any(2).sum())
    assert alive <= 2 * 7
    text = "ablation-cam:layer=3"
    pl.explain(net, X, text, target=CLASSES)  # finds the tail
    rows = rows_of(net, lambda: pl.explain(net, X, text, target=CLASSES))
    assert sum(rows) == 2 + 2 + alive + 2  # clean, the check of the tail, one a channel, one with all
    assert rows_of(net, lambda: pl.explain(net, X, text, ask=["logit", "contrast"], target=[[0, 1], [2, 3]])) == rows


def test_of_a_transformer_a_feature_is_off_in_every_token():
    net, x = model("tiny-vit", torch.float64), X.double()
    path = pl.explain(net, x, "ablation-cam").explainer.partition("layer=")[2]
    subject = Subject(net)
    subject.batch = as_batch(x)
    with undisturbed(net, 0):
        layout = subject.layout(path, activation_of(net, path, x), x)
    tokens = activation_of(net, path, x)
    w = torch.zeros(2, tokens.shape[2], dtype=torch.float64)
    for k in range(tokens.shape[2]):
        without = tokens.clone()
        without[:, :, k] = 0
        handle = net.get_submodule(path).register_forward_hook(lambda _m, _i, _o, t=without: t)
        with torch.no_grad():
            after = net(x)
        handle.remove()
        w[:, k] = (net(x) - after)[torch.arange(2), CLASSES].detach()
    known = torch.einsum("nk,nkhw->nhw", w, layout.map(tokens))
    close(pl.explain(net, x, "ablation-cam:relu=false", target=CLASSES).raw, known, 1e-8)


@pytest.mark.parametrize("name", ["score-cam", "group-cam", "ablation-cam"])
def test_signals(name):
    """[n, c, t] is an image of height 1."""
    torch.manual_seed(1)
    line = nn.Sequential(nn.Conv1d(2, 6, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(54, 4)).eval()
    flat = nn.Sequential(nn.Conv2d(2, 6, (1, 5), (1, 4)), nn.ReLU(), nn.Flatten(), nn.Linear(54, 4)).eval()
    flat.load_state_dict({k: v.view_as(flat.state_dict()[k]) for k, v in line.state_dict().items()})
    x, text = torch.randn(2, 2, 40), f"{name}:layer=1,relu=false"
    ours = pl.explain(line, x, text, target=[0, 2]).maps
    close(ours, pl.explain(flat, x[:, :, None], text, target=[0, 2]).maps[:, 0])


# --- bad input -------------------------------------------------------------------------------------------------------


def test_bad_knobs_and_places():
    net = deep()
    with pytest.raises(BadKnob):
        pl.explain(net, X, "group-cam:groups=0")
    with pytest.raises(BadKnob):
        pl.explain(net, X, "group-cam:denoise=1.5")
    with pytest.raises(BadKnob):
        pl.explain(net, X, "score-cam:weights=logit")
    with pytest.raises(BadInput, match="shape"):
        pl.explain(net, X, pl.explainers.ScoreCAM(baseline=torch.zeros(3, 7, 7)))
    for name in ("score-cam", "group-cam", "ablation-cam"):
        with pytest.raises(BadLayer):
            pl.explain(net, X, f"{name}:layer=8")


# --- other libraries -------------------------------------------------------------------------------------------------


def flat():
    """No stride: masks have the size of the image, and nothing is resized."""
    torch.manual_seed(3)
    body = [nn.Conv2d(3, 10, 3, padding=1), nn.ReLU(), nn.Conv2d(10, 12, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5)).eval()


def score_cam_of_grad_cam(net, layer, x, targets):
    from pytorch_grad_cam import ScoreCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with ScoreCAM(net, [layer]) as cam:
        return torch.from_numpy(cam(x, [ClassifierOutputTarget(t) for t in targets]))


@pytest.mark.peer
def test_score_cam_of_the_grad_cam_library():
    """Its softmax of logits is a knob and a question."""
    net = flat()
    ours = pl.explain(net, X, "score-cam:layer=3,weights=softmax", ask="logit", target=CLASSES).raw
    close(by_grad_cam(ours, (32, 32)), score_cam_of_grad_cam(net, net[3], X, CLASSES), 1e-3)


@pytest.mark.peer
def test_score_cam_of_the_grad_cam_library_where_masks_are_resized():
    """It aligns the corners of a mask with those of the image, which moves the cells."""
    net = deep()
    A = activation_of(net, "3", X)
    weights = torch.zeros(A.shape[:2])
    for i, target in enumerate(CLASSES):
        for k, channel in enumerate(A[i]):
            mask = raised(channel, corners=True)
            weights[i, k] = logit(net, X[i] * (mask - mask.min()) / (mask.max() - mask.min() + 1e-8), target)
    theirs = score_cam_of_grad_cam(net, net[3], X, CLASSES)
    close(by_grad_cam(score_cam(A, weights.softmax(1)), (32, 32)), theirs, 1e-3)


@pytest.mark.peer
def test_score_cam_of_torchcam():
    """The same softmax; its baseline, the image itself, cancels there."""
    from torchcam.methods import ScoreCAM

    net = flat()
    with ScoreCAM(net, "3", input_shape=(3, 32, 32)) as cam:
        theirs = cam(CLASSES, net(X), normalized=False)[0]
    ours = pl.explain(net, X, "score-cam:layer=3,weights=softmax", ask="logit", target=CLASSES).raw
    close(ours, theirs, 1e-3)


def ablation_of_grad_cam(net, layer, x, targets):
    from pytorch_grad_cam import AblationCAM
    from pytorch_grad_cam.ablation_layer import AblationLayer
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with AblationCAM(net, [layer], ablation_layer=AblationLayer()) as cam:
        return torch.from_numpy(cam(x, [ClassifierOutputTarget(t) for t in targets]))


@pytest.mark.peer
@only("resnet18")
def test_ablation_cam_of_the_grad_cam_library(name):
    """Divided by the logit, behind a ReLU (elsewhere it puts −1e7 in the place of a channel)."""
    net = network(name)
    ours = pl.explain(net, X, "ablation-cam:relative=true,layer=layer2", target=CLASSES).raw
    close(by_grad_cam(ours, (32, 32)), ablation_of_grad_cam(net, net.layer2, X, CLASSES), 1e-3)


@pytest.mark.peer
def test_ablation_cam_of_the_grad_cam_library_with_a_deeper_head():
    net = deep()
    ours = pl.explain(net, X, "ablation-cam:relative=true,layer=3", target=CLASSES).raw
    net[1], net[3] = nn.ReLU(), nn.ReLU()
    close(by_grad_cam(ours, (32, 32)), ablation_of_grad_cam(net, net[3], X, CLASSES), 1e-3)


def test_a_whole_network_at_an_inner_layer():
    """ResNet-18 at its third stage: the tail beside forwards of the whole."""
    torch.manual_seed(0)
    net = resnet18(num_classes=5).eval()
    channels = 256
    full = activation_of(net, "layer3", X)
    ours = pl.explain(net, X, "ablation-cam:layer=layer3,relu=false", target=CLASSES).raw
    w = torch.zeros(2, channels)
    with torch.no_grad():
        tail = lambda a: net.fc(net.avgpool(net.layer4(a)).flatten(1))  # noqa: E731
        for i, target in enumerate(CLASSES):
            without = full[i].repeat(channels, 1, 1, 1)
            without[torch.arange(channels), torch.arange(channels)] = 0
            w[i] = tail(full[i : i + 1])[0, target] - tail(without)[:, target]
    close(ours, torch.einsum("nk,nkhw->nhw", w, full), 1e-3)

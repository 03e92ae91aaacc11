"""CGC and GCC as they are used: batches, views, sums, precisions, processes."""

import copy
from functools import partial

import pytest
import torch
import torch.multiprocessing as mp
from torch import distributed as dist
from torch import nn

from pellucid.errors import PellucidError
from pellucid.maths.crops import cropped
from pellucid.networks import TinyCNN, TinyViT
from pellucid.objectives import CGC, GCC, Objective
from pellucid.objectives.cgc import _root as of_root
from pellucid.objectives.cgc import _whole as of_whole
from pellucid.objectives.cgc import normalised, similarities
from tests.behaviour.error_cases_of_cgc import OF_CGC

CLASSES = 3


def some(n=6, side=16):
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(2)), torch.arange(n) % CLASSES


def network(norm="batch"):
    torch.manual_seed(1)
    norms = {"batch": nn.BatchNorm2d(6), "group": nn.GroupNorm(2, 6)}
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), norms[norm], nn.ReLU(inplace=True), nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES),
    )  # fmt: skip


def bind(text, net=None, side=16):
    net = network() if net is None else net
    return Objective.make(text).bind(net, images=(side, side))


def grads(net):
    return [p.grad.clone() for p in net.parameters() if p.grad is not None]


@pytest.mark.parametrize("name", OF_CGC)
def test_bad_input_is_told(name, tmp_path):
    with pytest.raises(PellucidError) as caught:
        OF_CGC[name](tmp_path)
    assert str(caught.value).endswith(".")
    assert "?" not in str(caught.value)


@pytest.mark.parametrize("text", ["cgc", "gcc", "cgc:negatives=false", "cgc:protocol=published", "cgc+gcc"])
def test_the_text_form_comes_back(text):
    assert str(Objective.make(text)) == text
    assert Objective.make(str(Objective.make(text))) == Objective.make(text)


# --- views -----------------------------------------------------------------------------------------------------------


def views_of(bound, x, y):
    """What the objective draws in its next step."""
    return bound.parts["cgc"]._views(bound._step((x, y)), x, True)


def test_views_given_are_views_drawn():
    x, y = some()
    net = network()
    a, b = bind("cgc", copy.deepcopy(net)), bind("cgc", net)
    views = views_of(a, x, y)
    batch = {"images": x, "labels": y} | views._asdict()
    a.seed = 99  # what it would draw itself is something else
    assert torch.equal(a(batch)[0], b((x, y))[0])
    assert not torch.equal(views_of(a, x, y).boxes, views_of(b, x, y).boxes)


def test_a_crop_is_drawn_where_none_is_given():
    x, y = some()
    bound = bind("cgc")
    views = views_of(bound, x, y)
    batch = {"images": x, "labels": y} | views._asdict()
    whole = bound(batch)[1]
    del batch["crop"]
    bound.number = 0
    assert torch.equal(whole["ce_crop"], bound(batch)[1]["ce_crop"])


def test_every_step_draws_anew_and_a_validation_always_the_same():
    x, y = some()
    bound = bind("cgc")
    first = views_of(bound, x, y)
    bound((x, y))
    assert not torch.equal(first.boxes, views_of(bound, x, y).boxes)
    bound.eval()
    assert torch.equal(bound((x, y))[0], bound((x, y))[0])


def test_chance_of_the_caller_is_not_touched():
    x, y = some()
    bound, before = bind("cgc+gcc"), torch.get_rng_state()
    bound((x, y))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("protocol", "share"), [("sound", 0), ("paper", 0), ("reproduction", 0), ("published", 0.25)])
def test_a_quarter_of_the_published_pairs_do_not_match(protocol, share):
    """Where the coin says mirror, the heat-map is mirrored and the picture only every other time."""
    x, y = torch.randn(2000, 3, 8, 8), torch.zeros(2000, dtype=torch.int64)
    views = views_of(bind(f"cgc:protocol={protocol}", side=8), x, y)
    replayed = cropped(x, views.boxes, views.flips, (8, 8))
    wrong = (replayed - views.augmented).abs().amax((1, 2, 3)) > 1e-5
    mirrored = cropped(x, views.boxes, ~views.flips, (8, 8))
    assert torch.allclose(mirrored[wrong], views.augmented[wrong], atol=1e-5)
    assert float(wrong.float().mean()) == pytest.approx(share, abs=0.03 if share else 1e-9)
    assert float(views.flips.float().mean()) == pytest.approx(0.5, abs=0.04)


def test_the_knobs_of_the_boxes():
    x, y = some(200)
    views = views_of(bind("cgc:scale=[0.25,0.25],ratio=[1,1]"), x, y)
    assert bool((views.boxes[:, 2:] == 8).all())


# --- classes and labels ----------------------------------------------------------------------------------------------


def test_the_class_is_the_networks_own_or_the_label():
    x, y = some()
    net = network().eval()
    own = net(x).argmax(1)
    assert not torch.equal(own, y)
    by = {text: bind(text, net)((x, y))[1]["cgc"] for text in ("cgc", "cgc:target=label")}
    assert not torch.isclose(*by.values())
    assert torch.isclose(bind("cgc:target=label", net)((x, own))[1]["cgc"], by["cgc"])


def test_pictures_without_labels():
    x, y = some()
    more = torch.randn(5, 3, 16, 16)
    net = network().eval()
    bound = bind("cgc", net)
    calls = counted(net)
    _, terms = bound({"images": x, "labels": y, "unlabelled": more})
    assert set(terms) == {"ce", "cgc"}
    assert [len(c) for c in calls] == [6, 5, 5]
    own = net(more).argmax(1)
    _, labelled = bind("cgc", net)((more, own))
    assert torch.isclose(terms["cgc"], labelled["cgc"])
    assert torch.isclose(terms["ce"], bind("ce", net)((x, y))[1]["ce"])


def test_of_several_labels_a_true_one_is_explained():
    x, _ = some()
    y = torch.tensor([[1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 1], [1, 0, 1]]).float()
    bound = bind("cgc:target=label")
    classes = bound.parts["cgc"]._classes(bound._step((x, y)), x, True)
    assert bool(y[torch.arange(6), classes][y.any(1)].all())
    assert bool(bound((x, y))[0].isfinite())


# --- the step --------------------------------------------------------------------------------------------------------


def counted(net):
    """What the network is called with."""
    calls = []
    net.register_forward_hook(lambda m, i, o: calls.append(i[0]))
    return calls


def test_a_sum_shares_the_forward_and_counts_the_cross_entropy_once():
    x, y = some()
    net = network().train()
    bound = bind("cgc+gcc", net)
    calls = counted(net)
    loss, terms = bound((x, y))
    assert [tuple(c.shape[2:]) for c in calls] == [(16, 16), (16, 16), (16, 16), (32, 32)]
    assert sum(c is x for c in calls) == 1
    weights = {"ce": 1, "ce_crop": 1, "ce_augmented": 1, "cgc": 0.5, "gcc": 25}
    assert set(terms) == set(weights)
    assert torch.allclose(loss, sum(weights[k] * v for k, v in terms.items()))


def test_batch_statistics_are_updated_in_every_forward():
    x, y = some()
    for text, times in (("ce", 1), ("gcc", 2), ("cgc", 3)):
        net = network().train()
        bind(text, net)((x, y))
        assert int(net[1].num_batches_tracked) == times


def test_the_cross_entropies_are_summed():
    x, y = some()
    net = network().eval()
    bound = bind("cgc:weight=0", net)
    views = views_of(bound, x, y)
    ce = nn.functional.cross_entropy
    assert torch.allclose(bound((x, y))[0], ce(net(x), y) + ce(net(views.crop), y) + ce(net(views.augmented), y))


def test_the_temperature():
    x, y = some()
    net = network().eval()
    of = {t: float(bind(f"cgc:temperature={t}", net)((x, y))[1]["cgc"]) for t in (0.01, 0.5, 100)}
    assert of[100] == pytest.approx(float(torch.tensor(6.0).log()), abs=0.01)
    assert of[0.5] == float(bind("cgc", net)((x, y))[1]["cgc"])
    assert of[0.01] == float(bind("cgc:protocol=reproduction", net)((x, y))[1]["cgc"])
    assert len(set(of.values())) == 3


@pytest.mark.parametrize("text", ["cgc", "gcc"])
def test_one_image(text):
    """Without negatives, and without other classes, there is nothing to learn, and nothing breaks."""
    x, y = some(1)
    net = network("group").train()
    bound = bind(text, net)
    loss, terms = bound((x, y))
    loss.backward()
    assert float(terms[text]) == 0
    assert all(bool(g.isfinite().all()) for g in grads(net))


def test_where_all_are_of_one_class_gcc_leaves_them_out():
    x, _ = some()
    bound = bind("gcc")
    _, terms = bound((x, torch.ones(6, dtype=torch.int64)))
    assert float(terms["gcc"]) == 0
    assert int(bound.watch["gcc_left_out"]) == 6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("way", ["auto", "double-backward"])
@pytest.mark.parametrize("text", ["cgc", "gcc"])
def test_mixed_precision(text, way, dtype):
    x, y = some()
    net = network("group").train()
    plain = bind(f"{text}:way={way}", net)((x, y))[1]
    bound = bind(f"{text}:way={way}", net)
    with torch.autocast("cpu", dtype=dtype):
        loss, terms = bound((x, y))
    loss.backward()
    assert terms[text].dtype == torch.float32
    assert torch.allclose(terms[text], plain[text], rtol=0.05)
    assert all(bool(g.isfinite().all()) for g in grads(net))


@pytest.mark.parametrize("text", ["cgc", "gcc", "cgc:way=double-backward", "cgc:explainer=xgrad-cam"])
def test_dead_channels_and_copies(text):
    x, y = some()
    x = x[[0, 0, 1, 1, 2, 2]]
    net = network("group").train()
    with torch.no_grad():
        net[3].weight[:4], net[3].bias[:4] = 0, -1
    loss, _ = bind(text, net)((x, y))
    loss.backward()
    assert all(bool(g.isfinite().all()) for g in grads(net))


@pytest.mark.parametrize("text", ["cgc", "gcc"])
def test_a_network_whose_maps_are_zero(text):
    """`sound` leaves such pairs out and counts them; `published` takes a map of zeros for an even one."""
    x, y = some()
    net = network("group").train()
    with torch.no_grad():
        net[7].weight.abs_().neg_()
    bound = bind(text, net)
    loss, terms = bound((x, y))
    loss.backward()
    assert float(terms[text]) == 0
    assert int(bound.watch["cgc_zero" if text == "cgc" else "gcc_left_out"]) == 6
    assert all(bool(g.isfinite().all()) for g in grads(net))
    published = bind(f"{text}:protocol=published", net)((x, y))[1][text]
    assert float(published) == pytest.approx(float(torch.tensor(6.0).log()) if text == "cgc" else 0, abs=1e-4)


def test_one_map_of_zeros_is_no_pair_and_no_negative():
    x, y = some(4)
    bound = bind("cgc", side=16)
    part, step = bound.parts["cgc"], bound._step((x, y))
    views = part._views(step, x, True)
    original, augmented = torch.rand(2, 4, 4, 4, generator=torch.Generator().manual_seed(0)).unbind()
    augmented[2] = 0
    with_zero = part._consistency(step, original, augmented, views)
    assert int(step.watch["cgc_zero"]) == 1
    rest = torch.tensor([0, 1, 3])
    fewer = bound._step((x[rest], y[rest]))
    without = part._consistency(fewer, original[rest], augmented[rest], views._make(v[rest] for v in views))
    assert torch.isclose(with_zero, without)
    assert int(fewer.watch["cgc_zero"]) == 0
    original[0] = 0  # no positive, but its view remains a negative of the others
    assert part._consistency(step, original, augmented, views) > 0
    assert int(step.watch["cgc_zero"]) == 2
    even = bind("cgc:protocol=paper").parts["cgc"]._consistency(step, original, augmented, views)
    assert not torch.isclose(even, with_zero)


def test_matrices_made_in_inference_mode_serve_training():
    """They are kept, and an inference tensor could not be saved for a backward."""
    maps = torch.rand(2, 5, 5, dtype=torch.float64)
    with torch.inference_mode():
        of_whole.cache_clear()
        of_root.cache_clear()
        similarities(normalised(maps.clone(), (27, 27)), maps.clone(), (27, 27))
    maps.requires_grad_()
    similarities(normalised(maps, (27, 27)), maps, (27, 27)).sum().backward()
    assert bool(maps.grad.isfinite().all())


def test_without_gradients():
    """A validation under no_grad gives the same numbers, by both ways."""
    x, y = some()
    net = network().eval()
    for text in ("cgc+gcc", "cgc:way=double-backward"):
        bound = bind(text, net)
        with torch.no_grad():
            first = bound((x, y))[0]
        assert torch.isclose(first, bound.eval()((x, y))[0])


@pytest.mark.parametrize("side", [33, 20, 36])
def test_odd_sizes(side):
    x, y = some(4, side)
    net = TinyCNN(classes=CLASSES, depth=4).build().train()
    bound = bind("cgc+gcc", net, side=side)
    loss, terms = bound((x, y))
    loss.backward()
    assert 0 < float(terms["gcc"]) < 1
    assert all(bool(g.isfinite().all()) for g in grads(net))


def test_pictures_that_are_not_square():
    torch.manual_seed(0)
    x, y = torch.randn(4, 3, 16, 40), torch.arange(4) % 3
    loss, _ = Objective.make("cgc+gcc").bind(network().train(), images=x)((x, y))
    assert bool(loss.isfinite())


@pytest.mark.parametrize("text", ["cgc", "gcc", "cgc+gcc"])
def test_a_transformer(text):
    x, y = some(4, 32)
    net = TinyViT(classes=CLASSES).build().train()
    bound = bind(text, net, side=32)
    loss, _ = bound((x, y))
    loss.backward()
    assert all(set(p._heads.values()) == {None} for p in bound.parts.values())
    reached = [name for name, p in net.named_parameters() if p.grad is not None and bool(p.grad.any())]
    assert {"patches.weight", "blocks.0.attention.qkv.weight", "head.weight"} <= set(reached)


def test_training_makes_maps_consistent():
    """What the loss asks for, it gets: a few steps on one batch."""
    x, y = some(8)
    net = network("group").train()
    bound = bind("cgc:weight=20", net)
    batch = {"images": x, "labels": y} | views_of(bound, x, y)._asdict()
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    found = []
    for _ in range(30):
        loss, terms = bound(batch)
        found.append(float(terms["cgc"]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert found[-1] < found[0] - 0.05


# --- processes -------------------------------------------------------------------------------------------------------

TEXTS = ("cgc", "gcc", "cgc:way=double-backward", "cgc:protocol=published")
SPLIT = (5, 3)


def of_a_process(rank, folder, batches):
    """The losses and gradients of one process of two, averaged as DistributedDataParallel does it."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    found = {}
    for text, batch in batches.items():
        net = network("group").train()
        loss, terms = bind(text, net)(tuple(part.split(SPLIT)[rank] for part in batch))
        loss.backward()
        loss = loss.detach()
        for tensor in (loss, *(p.grad for p in net.parameters())):
            dist.all_reduce(tensor)
            tensor /= 2
        found[text] = (loss, grads(net), {k: float(v) for k, v in terms.items()})
    dist.barrier()
    dist.destroy_process_group()
    if rank == 0:
        torch.save(found, f"{folder}/found.pt")


def test_two_processes_are_one(tmp_path):
    """The same loss and the same gradients, though the batch is spread unevenly; the published code's are others."""
    batches = dict.fromkeys(TEXTS, some(8))
    mp.spawn(partial(of_a_process, folder=tmp_path, batches=batches), nprocs=2)
    found = torch.load(tmp_path / "found.pt")
    for text, batch in batches.items():
        net = network("group").train()
        loss, _ = bind(text, net)(batch)
        loss.backward()
        theirs, gradients, _ = found[text]
        alike = torch.isclose(loss, theirs, atol=1e-5) and all(
            torch.allclose(a, b, atol=1e-5) for a, b in zip(grads(net), gradients, strict=True)
        )
        assert alike == (text != "cgc:protocol=published"), text


def test_gcc_and_cgc_are_in_the_package():
    assert CGC().name == "cgc"
    assert GCC(weight=1).weights == {"ce": 1, "gcc": 1}

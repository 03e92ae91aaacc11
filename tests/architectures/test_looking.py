"""Looking at layers: sizes, precisions, wrappers, layouts of all kinds, and what is refused."""

from collections import OrderedDict, namedtuple
from copy import deepcopy

import pytest
import timm
import torch
from torch import nn
from torchvision import models
from transformers import ViTConfig, ViTForImageClassification
from transformers.modeling_outputs import BaseModelOutput

import pellucid as pl
from pellucid.errors import BadLayer, UnknownName
from pellucid.explainers import Explainer
from pellucid.maths.grids import Layout
from pellucid.subject import Subject, undisturbed

CLOSE = {"rtol": 1e-4, "atol": 1e-6}


def images(height, width, n=2):
    return torch.randn(n, 3, height, width, generator=torch.Generator().manual_seed(1))


def cnn(name="resnet18", **knobs):
    torch.manual_seed(0)
    return models.get_model(name, weights=None, num_classes=5, **knobs).eval()


def vit(**knobs):
    torch.manual_seed(0)
    knobs = {"img_size": 64, "embed_dim": 48, "depth": 3, "num_heads": 3, "num_classes": 5} | knobs
    return timm.create_model("vit_tiny_patch16_224", **knobs).eval()


def place(net, x, **options):
    with undisturbed(net, 0):
        found = Subject(net, **options).place(x)
    return found.path, found.layout


def raw(net, x, explainer="grad-cam:relu=false", **options):
    return pl.explain(net, x, explainer, target=1, **options).raw


# --- sizes -----------------------------------------------------------------------------------------------------------


ODD = {
    "resnet18": (4, 5),
    "mobilenet_v3_small": (4, 5),
    "densenet121": (3, 4),
    "swin_t": (3, 4),
    "squeezenet1_1": (6, 8),
}


@pytest.mark.parametrize("name, grid", ODD.items())
def test_odd_sizes(name, grid):
    e = pl.explain(cnn(name), images(97, 131), "grad-cam:relu=false")
    assert e.raw.shape == (2, *grid)
    assert e.maps.shape == (2, 97, 131)
    assert e.maps.isfinite().all()


@pytest.mark.parametrize("prefix", [{"reg_tokens": 4}, {"class_token": False, "global_pool": "avg"}, {}])
@pytest.mark.parametrize(
    "knobs, size, grid",
    [
        ({"dynamic_img_size": True}, (96, 160), (6, 10)),
        ({"dynamic_img_size": True}, (32, 80), (2, 5)),
        ({"dynamic_img_size": True, "dynamic_img_pad": True}, (97, 131), (7, 9)),
        ({"img_size": (48, 80)}, (48, 80), (3, 5)),
    ],
)
def test_transformers_of_any_size(prefix, knobs, size, grid):
    net, x = vit(**prefix, **knobs), images(*size)
    assert place(net, x)[1].grid == grid
    assert pl.explain(net, x).maps.shape == (2, *size)


def test_a_keyword_beside_the_image():
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=64, patch_size=16
    )
    x = {"pixel_values": images(48, 80), "interpolate_pos_encoding": True}
    assert raw(ViTForImageClassification(config).eval(), x).shape == (2, 3, 5)


# --- parameters, precisions, wrappers --------------------------------------------------------------------------------


@pytest.mark.parametrize("net", [cnn, vit, lambda: cnn("swin_t")])
def test_frozen_parameters(net):
    net, x = net(), images(64, 64)
    free = raw(net, x)
    frozen = raw(net.requires_grad_(False), x)
    torch.testing.assert_close(frozen, free)
    assert frozen.any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("net", [cnn, vit])
def test_half_precision(net, dtype):
    net, x = net(), images(64, 64)
    whole = raw(net, x)
    half = raw(net.to(dtype), x)
    assert half.dtype == torch.float32
    assert torch.cosine_similarity(half.flatten(1), whole.flatten(1)).min() > 0.98


class Parallel(nn.Module):
    """As DataParallel, without devices."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *args):
        raise AssertionError("the wrapper is not asked")


class DataParallel(Parallel):
    pass


@pytest.mark.parametrize("net", [cnn, vit])
def test_wrappers(net):
    net, x = net(), images(64, 64)
    plain = pl.explain(net, x, "grad-cam:relu=false", target=1)
    for wrapper in (lambda n: torch.compile(n, backend="eager"), DataParallel, nn.DataParallel):
        wrapped = pl.explain(wrapper(net), x, "grad-cam:relu=false", target=1)
        torch.testing.assert_close(wrapped.maps, plain.maps)
        assert wrapped.explainer == plain.explainer


def test_a_model_inside_another():
    net = vit(reg_tokens=4)
    inside = nn.Sequential(OrderedDict(normalize=nn.BatchNorm2d(3), net=net)).eval()
    assert place(inside, images(64, 64)) == ("net.blocks.2.norm1", Layout("tokens", (4, 4), 5))


@pytest.mark.parametrize("name, layer", [("resnet18", "layer1.0.bn2"), ("vgg11_bn", "features.26"), ("alexnet", None)])
@pytest.mark.parametrize("explainer", ["grad-cam", "hires-cam"])
def test_in_place_activations(name, layer, explainer):
    net, x = cnn(name, **({"init_weights": False} if name == "vgg11_bn" else {})), images(64, 64)
    explainer = Explainer.make(explainer).but(layer=layer, relu=False)
    here = raw(net, x, explainer)
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            assert module.inplace
            module.inplace = False
    torch.testing.assert_close(raw(net, x, explainer), here)


# --- layouts: a planted cell is found --------------------------------------------------------------------------------


class Planted(nn.Module):
    """Means of patches as a layer in any layout, of which the answer is the mean."""

    def __init__(self, kind, prefix=0):
        super().__init__()
        self.kind, self.prefix = kind, prefix
        self.tokens = nn.Parameter(torch.ones(1, prefix, 16))
        self.means, self.norm, self.head = nn.Conv2d(3, 16, 8, 8, bias=False), _Norm(), nn.Linear(16, 2, bias=False)
        nn.init.constant_(self.means.weight, 1 / 192)

    def forward(self, x):
        a = self.means(x)  # n k h w
        if self.kind == "map":
            return self.head(self.norm(a).mean((2, 3)))
        if self.kind == "last":
            return self.head(self.norm(a.movedim(1, -1)).mean((1, 2)))
        a = torch.cat([self.tokens.expand(len(a), -1, -1), a.flatten(2).transpose(1, 2)], 1)
        a = self.norm(a.transpose(0, 1)).transpose(0, 1) if self.kind == "sequence" else self.norm(a)
        return self.head(a[:, self.prefix :].mean(1))


class _Norm(nn.Module):
    def forward(self, a):
        return a * 1.0


@pytest.mark.parametrize("size", [(24, 40), (40, 24), (32, 32)])
@pytest.mark.parametrize(
    "kind, prefix", [("map", 0), ("last", 0), *((k, p) for k in ("tokens", "sequence") for p in (0, 1, 2, 5, 17))]
)
def test_a_planted_cell(kind, prefix, size):
    net, x = Planted(kind, prefix), torch.zeros(3, 3, *size)
    grid = size[0] // 8, size[1] // 8
    for i, (row, column) in enumerate([(0, 0), (0, grid[1] - 1), (grid[0] - 1, 1)]):
        x[i, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 1
    assert place(net, x) == ("norm", Layout(kind, grid, prefix))
    found = raw(net, x, "hires-cam:relu=false").abs()
    expected = torch.nn.functional.avg_pool2d(x[:, 0], 8)
    torch.testing.assert_close(found / found.amax((1, 2), keepdim=True), expected)


@pytest.mark.parametrize("registers", [0, 4, 16])
def test_registers(registers):
    net, x = vit(reg_tokens=registers), images(64, 64)
    layout = Layout("tokens", (4, 4), 1 + registers)
    assert place(net, x) == ("blocks.2.norm1", layout)
    net.num_prefix_tokens = None  # not told, they are counted
    assert Subject(net).layout("blocks.2.norm1", torch.zeros(2, 17 + registers, 48), x) == layout


def test_a_distillation_token():
    torch.manual_seed(0)
    net = timm.create_model("deit_tiny_distilled_patch16_224", img_size=64, depth=2, num_classes=5).eval()
    assert place(net, images(64, 64)) == ("blocks.1.norm1", Layout("tokens", (4, 4), 2))


class Strips(nn.Module):
    """An odd backbone: its tokens are 3 rows of 8 strips, 21 × 8 pixels each, of a square image."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm, self.head = nn.Conv2d(3, 16, (21, 8), (21, 8)), nn.LayerNorm(16), nn.Linear(16, 5)

    def forward(self, x):
        return self.head(self.norm(self.embed(x).flatten(2).transpose(1, 2)).square().mean(1))


def test_an_odd_grid_is_said():
    torch.manual_seed(0)
    net, x = Strips().eval(), images(64, 64)
    with pytest.raises(BadLayer, match=r"no layer of Strips gives a grid .* grid=\[rows,columns\]"):
        raw(net, x)
    with pytest.raises(BadLayer, match=r"the layer norm gives \(2, 24, 16\), in which no grid for images of 64×64"):
        raw(net, x, "grad-cam:layer=norm")
    e = pl.explain(net, x, "grad-cam:grid=[3,8],relu=false", target=1)
    assert e.explainer == "grad-cam:layer=norm,relu=false,grid=[3,8]"
    assert e.raw.shape == (2, 3, 8)
    torch.testing.assert_close(raw(net, x, "grad-cam:layer=norm,grid=[3,8],relu=false"), e.raw)


# --- modules that return more than a tensor --------------------------------------------------------------------------

Pair = namedtuple("Pair", "hidden size")
RETURNS = {
    "tuple": (lambda a: (a, None), lambda o: o[0]),
    "list": (lambda a: [a, a.mean()], lambda o: o[0]),
    "named tuple": (lambda a: Pair(a, (4, 4)), lambda o: o.hidden),
    "dict": (lambda a: {"size": (4, 4), "hidden": a}, lambda o: o["hidden"]),
    "ordered dict": (lambda a: OrderedDict(hidden=a), lambda o: o["hidden"]),
    "Hugging Face": (lambda a: BaseModelOutput(last_hidden_state=a), lambda o: o.last_hidden_state),
}


class Wrapped(nn.Module):
    def __init__(self, inner, wrap):
        super().__init__()
        self.inner, self.wrap = inner, wrap

    def forward(self, x):
        return self.wrap(self.inner(x))


class Backbone(nn.Module):
    def __init__(self, kind=None):
        super().__init__()
        torch.manual_seed(0)
        wrap, self.unwrap = RETURNS[kind] if kind else (lambda a: a, lambda o: o)
        self.stage = Wrapped(nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(inplace=True)), wrap)
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.relu(self.unwrap(self.stage(x))).mean((2, 3)))


@pytest.mark.parametrize("kind", RETURNS)
def test_layers_that_return_more(kind):
    x = images(16, 16)
    plain = raw(Backbone(), x, "grad-cam:layer=stage")
    torch.testing.assert_close(raw(Backbone(kind), x, "grad-cam:layer=stage"), plain)
    torch.testing.assert_close(raw(Backbone(kind), x, "grad-cam:layer=stage.inner"), plain)
    assert plain.any()


class Pooling(nn.Module):
    """Returns its map and what it pooled of it, of which the head reads the latter: a change of the map comes late."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.GELU())

    def forward(self, x):
        a = self.body(x)
        return a, a.mean((2, 3))


class Late(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.head = Pooling(), nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.backbone(x)[1])


def test_what_is_pooled_inside_is_looked_at_inside():
    assert place(Late(), images(16, 16))[0] == "backbone.body"
    assert raw(Late(), images(16, 16)).any()


class Through(nn.Module):
    """A head that hands the map through beside its answer."""

    def __init__(self):
        super().__init__()
        self.early, self.late = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 3, padding=1)
        self.block, self.head = Handing(), nn.Linear(8, 5)

    def forward(self, x):
        early = self.early(x)
        early, late = self.block(early, self.late(early))
        return self.head((late + 0 * early).mean((2, 3)))


class Handing(nn.Module):
    def forward(self, early, late):
        return early, late


def test_a_tensor_belongs_to_the_layer_that_made_it():
    assert place(Through(), images(16, 16))[0] == "late"


# --- transformers of other makes -------------------------------------------------------------------------------------


class Torchs(nn.Module):
    """Around torch's own encoder, which likes the batch second."""

    def __init__(self, first, token):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.token = first, token
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=first, norm_first=True)
        self.embed, self.encoder = nn.Conv2d(3, 16, 8, 8), nn.TransformerEncoder(layer, 2, nn.LayerNorm(16))
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        a = self.embed(x).flatten(2).transpose(1, 2)
        a = torch.cat([a.mean(1, keepdim=True), a], 1) if self.token else a
        a = self.encoder(a) if self.first else self.encoder(a.transpose(0, 1)).transpose(0, 1)
        return self.head(a[:, 0] if self.token else a.mean(1))


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("token, layer", [(True, "encoder.layers.1.norm1"), (False, "encoder")])
def test_the_batch_may_come_second(token, layer):
    x = images(24, 40, 3)
    first, second = Torchs(True, token).eval(), Torchs(False, token).eval()
    assert place(first, x) == (layer, Layout("tokens", (3, 5), int(token)))
    assert place(second, x) == (layer, Layout("sequence", (3, 5), int(token)))
    torch.testing.assert_close(raw(second, x), raw(first, x), **CLOSE)


class Adapted(nn.Module):
    """A linear layer with an adapter beside it."""

    def __init__(self, base):
        super().__init__()
        self.base, self.down, self.up = base, nn.Linear(base.in_features, 2), nn.Linear(2, base.out_features)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


def test_adapters_inside_an_attention_are_no_blocks():
    net = vit()
    for block in net.blocks:
        block.attn.qkv = Adapted(block.attn.qkv)
    assert place(net, images(64, 64))[0] == "blocks.2.norm1"


# --- heads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", [cnn, vit])
def test_a_head_that_begins_at_zero(net):
    net, x = net(), images(64, 64)
    before = place(net, x)
    head = net.fc if hasattr(net, "fc") else net.head
    nn.init.zeros_(head.weight)
    other = deepcopy(net)  # of which no place is known
    assert place(other, x) == before
    assert not raw(other, x).any()
    assert not head.weight.any()


class Heads(nn.Module):
    """Two answers, one from an early layer."""

    def __init__(self):
        super().__init__()
        self.early, self.late = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 2, 2)
        self.one, self.two = nn.Linear(8, 5), nn.Linear(8, 5)

    def forward(self, x):
        early = self.early(x).relu()
        return {"aux": self.one(early.mean((2, 3))), "out": self.two(self.late(early).mean((2, 3)))}


def test_the_place_depends_on_what_is_asked_about():
    net, x = Heads(), images(16, 16)
    assert raw(net, x, output="out").shape == (2, 2, 2)
    assert raw(net, x, output="aux").shape == (2, 4, 4)
    assert raw(net, x, output=lambda o: o["out"]).shape == (2, 2, 2)


def test_a_segmentation():
    net, x = cnn("lraspp_mobilenet_v3_large", weights_backbone=None), images(64, 96)
    region = pl.questions.Region(torch.ones(2, 64, 96))
    e = pl.explain(net, x, "grad-cam", ask=region, target=1, output="out")
    assert e.explainer == "grad-cam:layer=classifier.cbr"
    assert e.maps.shape == (2, 64, 96)


# --- several layers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fuse", ["max", "mean"])
def test_layers_are_fused(fuse):
    net, x = cnn(), images(64, 96)
    alone = [pl.explain(net, x, f"grad-cam:relu=false,layer={layer}", target=1).maps for layer in ("layer3", "layer4")]
    stack = torch.stack([maps / maps.abs().amax((1, 2), keepdim=True) for maps in alone])
    together = pl.explain(net, x, f"grad-cam:relu=false,layer=[layer3,layer4],fuse={fuse}", target=1).maps
    torch.testing.assert_close(together, stack.amax(0) if fuse == "max" else stack.mean(0), **CLOSE)


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.head = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(3, 8, 2, 2), nn.Linear(16, 5)

    def forward(self, x):
        return self.head(torch.cat([self.left(x).relu().mean((2, 3)), self.right(x).relu().mean((2, 3))], 1))


@pytest.mark.parametrize("frozen", [True, False])
def test_layers_of_two_branches(frozen):
    net, x = Branches().requires_grad_(not frozen), images(16, 16)
    both = pl.explain(net, x, "grad-cam:layer=[left,right],fuse=mean,relu=false", target=1).maps
    alone = [pl.explain(net, x, f"grad-cam:layer={layer},relu=false", target=1).maps for layer in ("left", "right")]
    torch.testing.assert_close(both, sum(m / m.abs().amax((1, 2), keepdim=True) for m in alone) / 2, **CLOSE)


# --- the input -------------------------------------------------------------------------------------------------------


def test_the_input_and_a_layer_of_that_name():
    parts = OrderedDict(input=nn.Conv2d(3, 8, 4, 4), flat=nn.Flatten(), head=nn.Linear(128, 5))
    net, x = nn.Sequential(parts), images(16, 16)
    assert raw(net, x, "gradient").shape == x.shape
    assert raw(net, x, "input-x-gradient").shape == x.shape
    assert raw(net, x, "grad-cam:layer=input").shape == (2, 4, 4)


# --- refusals --------------------------------------------------------------------------------------------------------


class Odd(nn.Module):
    """Layers that cannot be looked at."""

    def __init__(self):
        super().__init__()
        self.conv, self.twice, self.idle = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)
        self.unused, self.flat, self.head = nn.Conv2d(3, 3, 1), nn.Flatten(), nn.Linear(3 * 64, 5)

    def forward(self, x):
        self.aside = self.idle(x)
        return self.head(self.flat(self.twice(self.twice(self.conv(x)))))


@pytest.mark.parametrize(
    "layer, error, text",
    [
        ("con", UnknownName, r"the model has no layer 'con'; did you mean conv\?"),
        ("conv.weight", UnknownName, "the model has no layer 'conv.weight'"),
        ("twice", BadLayer, "the layer twice runs more than once"),
        ("unused", BadLayer, "the layer unused does not run"),
        ("idle", BadLayer, "the layer idle has no say"),
        ("flat", BadLayer, r"the layer flat gives \(2, 192\), in which no grid for images of 8×8 is found"),
        ("[conv,con]", UnknownName, "did you mean conv"),
        ("[conv,idle]", BadLayer, "the layer idle has no say"),
    ],
)
def test_layers_that_are_refused(layer, error, text):
    with pytest.raises(error, match=text):
        raw(Odd(), images(8, 8), f"grad-cam:layer={layer}")


def test_layers_that_run_once_are_found_between_others():
    assert place(Odd(), images(8, 8))[0] == "conv"


@pytest.mark.parametrize("layer", ["blocks.2", "blocks", "norm", "blocks.2.norm2", "blocks.2.attn"])
def test_patches_that_nobody_reads(layer):
    with pytest.raises(
        BadLayer, match=f"the gradient at the grid of {layer} is zero, because behind it only the class"
    ):
        raw(vit(), images(64, 64), f"grad-cam:layer={layer}")


@pytest.mark.parametrize("layer", ["blocks.0", "blocks.1", "blocks.2.norm1", "patch_embed", "patch_embed.proj"])
def test_patches_that_are_read(layer):
    assert raw(vit(), images(64, 64), f"grad-cam:layer={layer}").any()


def test_a_model_without_a_spatial_layer():
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.ReLU(), nn.Linear(16, 5))
    with pytest.raises(BadLayer, match=r"no layer of Sequential gives a grid for images of \(3, 8, 8\)"):
        raw(mlp, images(8, 8))
    assert raw(mlp, images(8, 8), "gradient").shape == (2, 3, 8, 8)

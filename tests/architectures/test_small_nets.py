"""Nets of a few lines, in which the map is known by hand."""

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.errors import BadLayer
from pellucid.subject import Subject

CAM = "grad-cam:relu=false"


def maps(net, x, explainer=CAM):
    return pl.explain(net.eval(), x, explainer, ask="logit", target=1).maps


class Patches(nn.Module):
    """The brightness of patches of 8 × 8 pixels, in any layout."""

    def __init__(self, kind, prefix):
        super().__init__()
        self.kind, self.proj = kind, nn.Conv2d(3, 32, 8, stride=8, bias=False)
        self.tokens = nn.Parameter(torch.ones(1, prefix, 32))
        nn.init.constant_(self.proj.weight, 1 / 192)

    def forward(self, x):
        features = self.proj(x)
        if self.kind == "map":
            return features
        if self.kind == "last":
            return features.permute(0, 2, 3, 1)
        tokens = torch.cat([self.tokens.expand(len(x), -1, -1), features.flatten(2).mT], 1)
        return tokens.transpose(0, 1) if self.kind == "sequence" else tokens


class Reader(nn.Module):
    """A head that reads all patches alike."""

    def __init__(self, kind, prefix=0):
        super().__init__()
        self.axes = {"map": (2, 3), "last": (1, 2), "tokens": 1, "sequence": 0}[kind]
        self.patches, self.head = Patches(kind, prefix), nn.Linear(32, 2)
        nn.init.constant_(self.head.weight, 1.0)

    def forward(self, x):
        return self.head(self.patches(x).mean(self.axes))


@pytest.mark.parametrize("size", [(32, 48), (48, 32), (40, 40), (16, 80)])
@pytest.mark.parametrize(
    "kind, prefix",
    [
        ("map", 0),
        ("last", 0),
        ("tokens", 0),
        ("tokens", 1),
        ("tokens", 2),
        ("tokens", 4),
        ("tokens", 5),
        ("sequence", 1),
    ],
)
def test_a_bright_spot_stays_where_it_is(kind, prefix, size):
    """Not upside down, not left to right, rows and columns not exchanged, and no token late."""
    net, (h, w) = Reader(kind, prefix), (size[0] // 8, size[1] // 8)
    row, column = h - 1, w // 3
    x = torch.zeros(2, 3, *size)
    x[0, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 1.0
    x[1, :, :8, 8 * w - 8 :] = 1.0
    layout = Subject(net).place(x).layout
    assert (layout.kind, layout.grid, layout.prefix) == (kind, (h, w), prefix)
    for explainer in ("grad-cam:relu=false", "hires-cam:relu=false"):
        cells = maps(net, x, explainer).unflatten(1, (h, 8)).unflatten(3, (w, 8)).mean((2, 4))
        assert [divmod(int(c.argmax()), w) for c in cells] == [(row, column), (0, w - 1)]


def stack(inplace):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace), nn.Conv2d(6, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(inplace),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3),
    )  # fmt: skip


@pytest.mark.parametrize("layer", ["auto", "0", "2", "3", "4"])
@pytest.mark.parametrize("explainer", ["grad-cam", "hires-cam"])
def test_relu_in_place_changes_nothing(layer, explainer):
    """Also where it writes over the very layer that is looked at; and the images stay."""
    x, text = torch.randn(2, 3, 16, 24), f"{explainer}:layer={layer},relu=false"
    kept = x.clone()
    here = maps(stack(True), x, text)
    assert here.any()
    assert torch.equal(here, maps(stack(False), x, text))
    assert torch.equal(x, kept)


def test_layers_in_any_order():
    net, x = stack(False), torch.randn(2, 3, 16, 24)
    assert torch.allclose(maps(net, x, f"{CAM},layer=[1,4],fuse=mean"), maps(net, x, f"{CAM},layer=[4,1],fuse=mean"))


class Parallel(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x)


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda m: torch.compile(Parallel(m), backend="eager")])
def test_wrappers_in_wrappers(wrap):
    net, x = stack(False), torch.randn(2, 3, 16, 24)
    assert torch.equal(maps(wrap(net), x), maps(net, x))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.again, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.again(self.again(self.stem(x))).mean((2, 3)))


def test_refusals_leave_the_model_as_it_was():
    net, x = Twice().train(), torch.randn(1, 3, 16, 24)
    with pytest.raises(BadLayer, match="runs more than once"):
        pl.explain(net, x, "grad-cam:layer=again", ask="logit")
    assert all(module.training and not module._forward_hooks for module in net.modules())
    assert "layer=stem" in pl.explain(net, x, "grad-cam", ask="logit").explainer


@pytest.mark.parametrize("name", ["register_tokens", "prefix", "memory"])
@pytest.mark.parametrize("size, grid", [((64, 64), (4, 4)), ((64, 96), (4, 6))])
def test_registers_under_any_name(name, size, grid):
    class Registers(nn.Module):
        def __init__(self):
            super().__init__()
            self.proj, self.norm, self.head = nn.Conv2d(3, 32, 16, 16), nn.LayerNorm(32), nn.Linear(32, 3)
            setattr(self, name, nn.Parameter(torch.randn(1, 5, 32)))

        def forward(self, x):
            before = getattr(self, name).expand(len(x), -1, -1)
            return self.head(self.norm(torch.cat([before, self.proj(x).flatten(2).mT], 1)).mean(1))

    place = Subject(Registers().eval()).place(torch.randn(1, 3, *size))
    assert (place.path, place.layout.grid, place.layout.prefix) == ("norm", grid, 5)

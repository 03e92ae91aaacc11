"""Where we look in architectures as they are, untrained: the answers of an expert are in `table.py`."""

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.maths.grids import Layout
from pellucid.subject import Subject, undisturbed
from pellucid.subject.place import Place
from tests.architectures import table

UNIFORM = ("levit_128s", "LevitForImageClassification")  # untrained, its pooling attention is the same for every cell


def build(source, row):
    """With random weights; a head that begins at zero gets some."""
    torch.manual_seed(0)
    if source == "timm":
        import timm

        net = timm.create_model(row.name, pretrained=False, **row.knobs)
    elif source == "torchvision":
        from torchvision.models import get_model

        net = get_model(row.name, weights=None, **row.knobs)
    else:
        import transformers

        cls = getattr(transformers, row.name)
        net = cls(cls.config_class(**row.knobs))
    for parameter in net.parameters():
        if parameter.ndim > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    return net.eval()


def params():
    quick = {"timm": table.TIMM, "torchvision": table.TORCHVISION, "hugging face": table.HUGGING_FACE}
    slow = {"timm": table.TIMM_SLOW, "torchvision": table.TORCHVISION_SLOW}
    for source, rows in quick.items():
        yield from (pytest.param(source, row, id=f"{source}-{row.name}") for row in rows)
    for source, rows in slow.items():
        yield from (pytest.param(source, row, id=f"{source}-{row.name}", marks=pytest.mark.slow) for row in rows)


def class_one(y):
    """The logit of class 1, summed over the pixels where the answer is dense."""
    return y[:, 1].reshape(len(y), -1).sum(1)


@pytest.mark.parametrize("source, row", list(params()))
def test_place(source, row):
    net = build(source, row)
    x = torch.randn(1, 3, *row.size)
    subject, layout = Subject(net), Layout(row.kind, row.grid, row.prefix)
    with undisturbed(net, 0):
        assert subject.place(x) == Place(row.layer, layout)
        if row.kind != "map" and row.name not in UNIFORM:
            assert upright(subject, row, x)
    e = pl.explain(net, x, "grad-cam:relu=false", ask=class_one)
    assert e.explainer == f"grad-cam:layer={row.layer},relu=false"
    assert e.raw.shape == (1, *row.grid)
    assert e.maps.shape == (1, *row.size)
    assert e.maps.isfinite().all()
    assert e.maps.any()


def upright(subject, row, x):
    """Whether another top right corner of the image is felt most in the top right corner of the map."""
    height, width = (length // 3 for length in row.size)
    other = x.clone()
    other[..., :height, -width:] += 3 * torch.randn(height, width)
    with torch.no_grad():
        before, after = (subject.watched(images, row.layer)[1] for images in (x, other))
    change = (after - before)[0].norm(dim=0)
    h, w = (cells // 2 for cells in row.grid)
    top_right, *rest = change[:h, -w:], change[:h, :w], change[-h:, -w:], change[-h:, :w]
    return all(top_right.mean() > corner.mean() for corner in rest)


def test_enough_of_them():
    assert len(table.TIMM) >= 40
    assert len(table.TORCHVISION) >= 15
    assert len(table.HUGGING_FACE) >= 5
    names = [row.name for rows in (table.TIMM, table.TIMM_SLOW) for row in rows]
    assert len(set(names)) == len(names)

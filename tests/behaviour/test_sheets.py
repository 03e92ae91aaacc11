"""Outlines and contrast sheets."""

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.contracts.case import images, model
from pellucid.errors import BadInput
from pellucid.show.contrast import CONTRASTS, contrast_sheet
from pellucid.show.layout import APART, GAP, MARGIN, Column
from pellucid.show.outline import outlined
from pellucid.show.sheet import contact_sheet

GREY = torch.full((3, 32, 32), 0.5)


def mask():
    m = torch.zeros(32, 32, dtype=torch.bool)
    m[10:20, 8:24] = True
    return m


def column(values, explainer="grad-cam", signed=True, ask="logit"):
    """Constant maps, one an image."""
    return Column(explainer, ask, torch.stack([torch.full((32, 32), float(v)) for v in values]), signed)


def pixels(picture):
    return np.asarray(picture.convert("RGB")).astype(int)


# --- outlines --------------------------------------------------------------------------------------------------------


def test_an_outline_is_a_thin_line_round_the_object():
    plain = Image.new("RGB", (128, 128), (128, 128, 128))
    drawn, before = pixels(outlined(plain, mask())), pixels(plain)
    changed = (drawn != before).any(2)
    inside = np.asarray(mask()).repeat(4, 0).repeat(4, 1)
    assert not changed[inside].any()
    near = np.zeros_like(inside)
    near[38:82, 30:98] = True  # two pixels round 40…80 × 32…96
    assert np.array_equal(changed, near & ~inside)
    assert (drawn[39, 60] == 255).all()  # white at the object
    assert (drawn[38, 60] == 0).all()  # black beyond
    assert np.array_equal(pixels(outlined(plain, None)), before)


@pytest.mark.parametrize("ground", ["white", "black", "red", "blue", "#7f7f7f"])
def test_an_outline_is_seen_on_any_colour(ground):
    plain = Image.new("RGB", (128, 128), ground)
    change = np.abs(pixels(outlined(plain, mask())) - pixels(plain)).sum(2)
    assert change.max() > 300


def test_outlines_of_a_sheet_are_on_the_picture_and_on_every_map():
    columns = [column([1.0, 2.0]), column([1.0, -1.0], ask="contrast")]
    plain = pixels(contact_sheet(columns, [GREY, GREY]))
    drawn = pixels(contact_sheet(columns, [GREY, GREY], outlines=[mask(), None]))
    changed = (plain != drawn).any(2)
    rows = np.flatnonzero(changed.any(1))
    assert rows[-1] - rows[0] == 43  # of the first image alone: 40 pixels of the object, and two round it
    line = np.flatnonzero(changed[rows[0] + 20])
    assert len(line) == 3 * 4  # three tiles: two pixels left and right of the object


@pytest.mark.parametrize(
    "outlines, sentence",
    [
        ([mask()], "there are 1 outlines for 2 images"),
        ([mask(), mask()[:5]], r"outline 1 is torch.bool \[5, 32\]"),
        ([mask().float(), None], "outline 0 is torch.float32"),
        ([3, None], "outline 0 is an int"),
    ],
)
def test_outlines_that_do_not_fit(outlines, sentence):
    with pytest.raises(BadInput, match=sentence):
        contact_sheet([column([1.0, 2.0])], [GREY, GREY], outlines=outlines)


def test_the_picture_below_a_map_is_grey():
    """Its colours would be taken for the map's."""
    red = torch.zeros(3, 32, 32)
    red[0] = 1.0
    sheet = pixels(contact_sheet([column([0.0])], [red]))
    place = np.flatnonzero((sheet == (255, 0, 0)).all(2).any(0))
    assert len(place) >= 128
    map_ = sheet[-40, -MARGIN - 64]
    assert map_.max() - map_.min() <= 1


# --- contrast sheets -------------------------------------------------------------------------------------------------


def explained(n=2, k=3, asks=CONTRASTS, explainer="grad-cam:relu=false"):
    net, x = model("tiny-cnn"), images(n)
    top = net(x).topk(k).indices
    return pl.explain(net, x, explainer, ask=list(asks), target=top if k > 1 else top[:, 0]), net(x).softmax(1).detach()


NAMES = ("ant", "bee", "cat", "dog", "eel")


def test_a_contrast_sheet_has_a_row_a_class_and_a_column_a_question():
    e, p = explained()
    one = contrast_sheet(e, names=NAMES, probabilities=p)
    assert one.height == contrast_sheet(e, sample=1).height
    assert one.width >= 5 * 128
    both = contrast_sheet(e, names=NAMES, probabilities=p, sample=None)
    assert both.height - one.height == 3 * (128 + GAP) + APART - GAP
    assert np.array_equal(pixels(one), pixels(contrast_sheet(e, names=NAMES, probabilities=p)))  # always the same


def test_questions_classes_and_probabilities_are_named(said):
    e, _ = explained(1, asks=(*CONTRASTS, "logprobability"))
    contrast_sheet(e, names=NAMES, probabilities=torch.tensor([[0.54, 0.0321, 0.1, 0.2, 0.0001]]))
    texts = dict(said)
    for text in ("original", "mean", "max", "weighted", "logprobability", e.explainer, "0"):
        assert text in texts, text
    shares = dict(zip(NAMES, ("54%", "3.2%", "10%", "20%", "<0.1%"), strict=True))
    top = [NAMES[t] for t in e.target[0].tolist()]
    places = [next(at for text, at in said if text == name) for name in top]
    assert [y for _, y in places] == sorted(y for _, y in places)
    assert {shares[name] for name in top} <= set(texts)
    assert all(MARGIN + 128 < x < texts["original"][0] for x, _ in places)  # between the picture and the maps
    contrast_sheet(e)
    assert f"class {int(e.target[0, 0])}" in dict(said)


def test_a_contrast_sheet_has_one_scale_and_one_picture():
    """The same value has the same colour in any row and column."""
    maps = torch.tensor([[1.0, 2.0], [-2.0, 0.0]]).view(1, 2, 2, 1, 1).expand(1, 2, 2, 32, 32)
    e = pl.Explanation(maps=maps, target=torch.tensor([[0, 1]]), ask=("logit", "contrast"), explainer="gradient")
    red = torch.zeros(3, 32, 32)
    red[0] = 1.0
    sheet = pixels(contrast_sheet(e, [red], alpha=1.0))
    tops, lefts = ([size - MARGIN - 64 - i * (128 + GAP) for i in (1, 0)] for size in (sheet.shape[0], sheet.shape[1]))
    assert [[sheet[y, x].tolist() for x in lefts] for y in tops] == [
        [[255, 128, 128], [255, 0, 0]],
        [[0, 0, 255], [255, 255, 255]],
    ]
    assert sheet[tops[0], MARGIN + 64].tolist() == [255, 0, 0]
    assert sheet[tops[1], MARGIN + 64].tolist() == [255, 255, 255]  # not again


def test_the_two_first_classes_have_opposite_colours_at_max():
    e, _ = explained()
    m = e.maps[:, :, 2]
    assert torch.equal(m[:, 0], -m[:, 1])
    sheet = pixels(contrast_sheet(e, [torch.full((3, 32, 32), 1.0)] * 2, alpha=1.0))
    height = sheet.shape[0]
    top = height - MARGIN - 3 * (128 + GAP) + GAP
    left = sheet.shape[1] - MARGIN - 2 * 128 - GAP
    first, second = (sheet[top + r * (128 + GAP) :, left : left + 128][:128] for r in (0, 1))
    assert np.abs(first[..., 0] - second[..., 2]).max() <= 1  # red here is blue there
    assert np.abs(first[..., 1] - second[..., 1]).max() <= 1


@pytest.mark.parametrize("k, asks", [(1, CONTRASTS), (3, ("contrast",)), (1, ("logit",))])
def test_one_class_or_one_question(k, asks):
    e, _ = explained(k=k, asks=asks)
    sheet = contrast_sheet(e)
    assert sheet.height > k * 128
    assert sheet.width > (1 + len(asks)) * 128


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"sample": 2}, r"samples \[2\] of 2; give numbers from 0 to 1"),
        ({"sample": []}, r"samples \[\] of 2"),
        ({"pictures": [GREY]}, "there are 1 pictures for 2 images"),
        ({"probabilities": torch.rand(2, 3), "names": NAMES}, r"probabilities are \[2, 3\]; give those of all classes"),
    ],
)
def test_contrast_sheets_that_cannot_be(change, sentence):
    e, _ = explained()
    with pytest.raises(BadInput, match=sentence):
        contrast_sheet(e, **change)

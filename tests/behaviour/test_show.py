"""Pictures: one scale an explainer, printed; zero is white; nothing is cut off or made up."""

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.errors import BadInput
from pellucid.show.colour import colours, limit_of
from pellucid.show.overlay import displayable, overlay, tile, tile_size
from pellucid.show.sheet import Column, columns_of, contact_sheet
from pellucid.show.text import font, wrapped

GREY = torch.full((3, 8, 8), 0.5)


def column(maps, explainer="gradient", ask="logit", signed=True, **more):
    return Column(explainer, ask, torch.as_tensor(maps), signed, **more)


def flat(*values):
    """Constant maps, one an image."""
    return torch.tensor(values).view(-1, 1, 1).expand(-1, 8, 8)


def test_zero_is_white_and_the_ends_are_pure():
    rgb = colours(torch.tensor([[-2.0, -1.0, 0.0, 1.0, 2.0, 9.0]]), signed=True, limit=2.0)[0].tolist()
    assert rgb[2] == [255, 255, 255]
    assert rgb[0] == [0, 0, 255]
    assert rgb[4] == rgb[5] == [255, 0, 0]
    assert rgb[1] == [128, 128, 255]
    assert rgb[3] == [255, 128, 128]


def test_unsigned_maps_grow_brighter():
    rgb = colours(torch.linspace(0, 1, 32)[None], signed=False, limit=1.0)[0].astype(float)
    lightness = rgb @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > 0).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_has_no_colour(bad):
    map = torch.zeros(8, 8)
    map[3, 3] = bad
    with pytest.raises(BadInput, match="NaN or infinite"):
        colours(map, True, 1.0)
    with pytest.raises(BadInput, match="NaN or infinite"):
        contact_sheet([column(map[None])], [GREY])
    with pytest.raises(BadInput, match="NaN or infinite"):
        pl.Explanation(maps=map[None]).overlay(0)


def test_maps_of_one_explainer_share_a_scale_and_others_have_their_own():
    columns = [
        column(flat(1.0, 0.5), ask="logit"),
        column(flat(2.0, 0.0), ask="contrast"),
        column(flat(0.001, 0.0005), explainer="grad-cam"),
    ]
    sheet = contact_sheet(columns, None, tile=128)
    (first, strongest, other), (weaker, zero, other_weaker) = tiles_of(sheet, [(0, 0), (0, 1), (1, 2)], 2)
    assert strongest.tolist() == [255, 0, 0]
    assert first.tolist() == [255, 128, 128]  # half of the strongest, in another column and row
    assert weaker.tolist() == [255, 191, 191]
    assert zero.tolist() == [255, 255, 255]
    assert other.tolist() == [255, 0, 0]
    assert other_weaker.tolist() == [255, 128, 128]


def tiles_of(sheet, places, rows, side=128):
    """The colour in the middle of every tile; places: how many gaps between explainers, and which column."""
    array = np.asarray(sheet)
    top = sheet.height - 12 - rows * (side + 6) + 6
    lefts = [12 + column * (side + 6) + apart * 12 for apart, column in places]
    return [[array[top + i * (side + 6) + side // 2, left + side // 2] for left in lefts] for i in range(rows)]


def test_a_signed_question_makes_the_scale_of_its_explainer_signed():
    columns = [column(flat(1.0), signed=False), column(flat(-1.0), ask="contrast", signed=True)]
    [[logit, contrast]] = tiles_of(contact_sheet(columns), [(0, 0), (0, 1)], 1)
    assert (logit.tolist(), contrast.tolist()) == ([255, 0, 0], [0, 0, 255])


def test_the_scale_is_printed(monkeypatch):
    from PIL import ImageDraw

    said, write = [], ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text", lambda self, xy, text, *a, **k: (said.append(text), write(self, xy, text, *a, **k))
    )
    contact_sheet(
        [column(flat(0.0312, -0.01)), column(flat(0.0, 4.0), "edges", "(a control)", signed=False)],
        [GREY, GREY],
        ["cat.jpg\ntabby 87 %", "dog.jpg"],
        note="what to look at",
    )
    for text in ("gradient", "logit", "edges", "−0.0312", "0.0312", "0", "4", "cat.jpg", "tabby 87 %", "dog.jpg"):
        assert text in said, text
    assert "what to look at" in said


def test_a_few_strong_values_may_lie_beyond_the_scale():
    maps = torch.ones(1, 10, 10)
    maps[0, 0, 0] = 1000.0
    assert limit_of([maps]) == 1000.0
    assert limit_of([maps], saturate=0.02) == 1.0
    sparse = torch.zeros(1, 10, 10)
    sparse[0, 0, 0] = 3.0
    assert limit_of([sparse], saturate=0.02) == 3.0


def test_titles_are_wrapped_and_never_cut():
    long = "smooth:samples=10,spread=0.25@integrated-gradients:baseline=-2,rule=trapezoid,steps=128"
    lines = wrapped(long, font(14, bold=True), 128)
    assert "".join(lines) == long
    assert max(font(14, bold=True).getlength(line) for line in lines) <= 128
    assert "".join(wrapped("x" * 200, font(13), 100)) == "x" * 200
    low, high = contact_sheet([column(flat(1.0))]), contact_sheet([column(flat(1.0), explainer=long)])
    assert high.height > low.height
    assert high.width == low.width


@pytest.mark.parametrize("size, width", [((8, 8), 128), ((28, 28), 140), ((224, 224), 224), ((600, 300), 256)])
def test_small_pictures_are_enlarged_and_large_ones_reduced(size, width):
    picture = torch.rand(3, *size)
    assert tile_size(picture)[0] == width
    sheet = contact_sheet([column(torch.rand(1, *size))], [picture])
    assert sheet.width == 12 + width + 18 + width + 12


def test_an_enlarged_picture_keeps_its_pixels():
    picture = torch.zeros(3, 4, 4)
    picture[:, 0, 0] = 1.0
    array = np.asarray(tile(picture, torch.zeros(4, 4), (128, 128), True, 1.0))
    assert set(array[:32, :32].flatten().tolist()) == {255}
    assert set(array[33:, 33:].flatten().tolist()) == {128}


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_number_of_channels_is_shown(channels):
    shown = displayable(torch.rand(channels, 8, 8))
    assert shown.shape == (3, 8, 8)
    assert 0 <= float(shown.min()) <= float(shown.max()) <= 1
    if channels == 1:
        assert torch.equal(shown[0], shown[1])


def test_normalisation_is_undone():
    image = (GREY - 0.4) / 0.2
    assert torch.allclose(displayable(image, (0.4,) * 3, (0.2,) * 3), GREY)


def test_a_map_over_an_image_is_half_of_each():
    picture = overlay(torch.zeros(3, 8, 8), torch.zeros(8, 8), True, 1.0, alpha=0.5)
    assert np.asarray(picture)[0, 0].tolist() == [128, 128, 128]


def test_explanations_are_sheets(tiny):
    images = torch.rand(2, 3, 32, 32)
    both = pl.explain(tiny, images, "gradient", ask=["logit", "contrast"], target=[[0, 1, 2], [3, 4, 5]])
    columns = columns_of(both)
    assert [c.ask for c in columns] == ["logit"] * 3 + ["contrast"] * 3
    assert torch.equal(columns[4].maps, both.maps[:, 1, 1])
    one = pl.explain(tiny, images, "edges")
    assert [c.ask for c in columns_of(one)] == ["logit"]
    sheet = contact_sheet([both, one], rows=["first", "second"])
    assert isinstance(sheet, Image.Image)
    assert sheet.width > 8 * 128


def test_a_signal_is_a_strip(tiny):
    e = pl.Explanation(maps=torch.rand(2, 140), images=torch.rand(2, 1, 140))
    assert contact_sheet([e]).height > 2 * 16


@pytest.mark.parametrize(
    "columns, more, sentence",
    [
        ([], {}, "no columns"),
        ([column(flat(1.0)), column(flat(1.0, 2.0))], {}, "give one an image"),
        ([column(flat(1.0))], {"pictures": [GREY, GREY]}, "give one an image"),
        ([column(flat(1.0))], {"rows": ["a", "b"]}, "give one an image"),
    ],
)
def test_what_does_not_fit_is_refused(columns, more, sentence):
    with pytest.raises(BadInput, match=sentence):
        contact_sheet(columns, **more)


@pytest.fixture
def tiny():
    return pl.load_model("pellucid:tiny-cnn")

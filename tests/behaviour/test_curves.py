"""Curves beside maps: one scale, one range, nothing cut off or covered."""

import numpy as np
import pytest
import torch

from pellucid.errors import BadInput
from pellucid.show.curves import CurveRow, curves
from pellucid.show.layout import Column

GREY = torch.full((3, 32, 32), 0.5)
X = [0.0, 0.5, 1.0]


def column(values, explainer="grad-cam", signed=True, ask="logit"):
    """Constant maps, one an image."""
    return Column(explainer, ask, torch.stack([torch.full((32, 32), float(v)) for v in values]), signed)


def pixels(picture):
    return np.asarray(picture.convert("RGB")).astype(int)


def row(value, y=(0.0, 0.5, 1.0), name="grad-cam", title="a", **more):
    charts = {"insertion": {name: (X, list(y)), "chance": (X, [0.2, 0.2, 0.2])}}
    return CurveRow(GREY, [column([value]), column([1.0], "edges", False)], charts, title, **more)


def test_curves_stand_beside_their_maps():
    alone = curves([CurveRow(GREY, [column([1.0]), column([1.0], "edges", False)])])
    both = curves([row(1.0)], ("steps", "score"))
    assert both.width > alone.width + 1.5 * 128
    blue = (np.abs(pixels(both) - (0, 0x72, 0xB2)).sum(2) < 20).any(0)
    places = np.flatnonzero(blue)
    assert places.min() < alone.width < places.max() - 60  # over the explainer's name, and in the chart


def test_explainers_share_their_scale_over_the_rows():
    """The same value, the same colour, whichever model it is of."""
    sheet = pixels(curves([row(1.0), row(2.0, title="b")]))
    alone = pixels(curves([row(2.0, title="b")]))
    colours = [tuple(line) for line in np.unique(sheet.reshape(-1, 3), axis=0)]
    half = tuple(np.round((np.array([255, 127.5, 127.5]) + 127.5) / 2).astype(int))  # 1 of ±2 over grey
    assert any(np.abs(np.array(c) - half).max() <= 2 for c in colours)
    full = tuple(np.round((np.array([255, 0, 0]) + 127.5) / 2).astype(int))
    assert any(np.abs(np.array(c) - full).max() <= 2 for c in np.unique(alone.reshape(-1, 3), axis=0))


def test_charts_of_a_measure_have_one_range():
    """A line at 0.5 is as high in either row, whatever else is there."""
    sheet = pixels(curves([row(1.0, (0.5, 0.5, 0.5)), row(1.0, (0.5, 0.5, 0.5), title="b")]))
    line = np.abs(sheet - (0, 0x72, 0xB2)).sum(2) < 20
    chart = line[:, -150:]
    heights = np.flatnonzero(chart.sum(1) > 80)
    groups = np.split(heights, np.flatnonzero(np.diff(heights) > 5) + 1)
    assert len(groups) == 2


def test_a_gap_is_left_open_and_areas_are_written():
    whole, gap = curves([row(1.0)]), curves([row(1.0, (0.0, float("nan"), 1.0))])
    assert not np.array_equal(pixels(whole), pixels(gap))
    assert not np.array_equal(pixels(whole), pixels(curves([row(1.0)], areas=True)))
    assert np.array_equal(pixels(whole), pixels(curves([row(1.0)])))


def measured(*charts, **more):
    return curves([CurveRow(GREY, [column([1.0])], chart, str(i)) for i, chart in enumerate(charts)], **more)


def test_charts_of_a_measure_have_the_same_numbers_at_their_axes(said):
    high, low = ({"score": {"grad-cam": (X, [0.0, 1.0, end])}} for end in (30.0, 2.0))
    measured(high, low, labels=("steps", "value"))
    texts = [text for text, _ in said]
    assert texts.count("30") == texts.count("10") == 2
    assert texts.count("steps") == texts.count("value") == 2
    assert texts.count("score") == 1


@pytest.mark.parametrize(
    "y, numbers", [(4e5, ["400000"]), (1e-5, ["1e-05", "2e-06"]), (-3e-8, ["−3e-08"]), (0.0, ["0"])]
)
def test_numbers_of_any_size_are_written_in_full(y, numbers, said):
    """`said` sees to it that they are not cut off."""
    long = "a measure whose title is rather longer than any chart would like it to be"
    measured({long: {"grad-cam": ([0, 1e5, 3e5], [0.0, y / 2, y])}}, labels=("share", "value " * 9), areas=True)
    texts = [text for text, _ in said]
    assert set(numbers) <= set(texts)
    assert long not in texts
    assert all(word in " ".join(texts) for word in long.split())


def test_what_is_said_of_the_lines_covers_none_of_them():
    chart = {"score": {"grad-cam": (X, [0.0, 1.0, 1.0]), "b": (X, [1.0, 0.0, 1.0])}}
    bare, full = pixels(measured(chart)), pixels(measured(chart, areas=True))
    assert np.array_equal(bare[:-60], full[: len(bare) - 60])


def test_areas_are_by_trapezoids(said):
    measured({"score": {"grad-cam": (X, [0.0, 1.0, 0.5]), "b": ([0.0, 2.0], [-1e3, -1e3])}}, areas=True)
    assert {"area 0.625", "b, area −2e+03"} <= {text for text, _ in said}


def test_a_row_may_have_no_chart_and_a_curve_one_point():
    dot = {"score": {"grad-cam": (X, [float("nan"), 0.5, float("inf")])}}
    drawn = pixels(measured(dot, {}, {"other": {}}))
    assert ((np.abs(drawn - (0, 0x72, 0xB2)).sum(2) < 20)[60:, 290:]).sum() > 4
    assert drawn.shape[1] == pixels(measured(dot)).shape[1]


@pytest.mark.parametrize(
    "rows, sentence",
    [
        ([], "no rows"),
        ([CurveRow(GREY, [])], "different columns"),
        ([row(1.0), CurveRow(GREY, [column([1.0])])], "different columns"),
        ([CurveRow(GREY, [column([1.0])], {"m": {"a": (X, [1.0])}})], r"the curve a has x \[3\] and y \[1\]"),
        ([CurveRow(GREY, [column([1.0])], {"m": {"a": (X, [float("nan")] * 3)}})], "the curve a has no finite number"),
    ],
)
def test_curves_that_cannot_be(rows, sentence):
    with pytest.raises(BadInput, match=sentence):
        curves(rows)

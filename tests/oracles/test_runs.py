"""Masks of COCO against its own tools, pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data._runs import filled, mask_of, runs_of

theirs = pytest.importorskip("pycocotools.mask")
pytestmark = pytest.mark.peer

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@st.composite
def polygons(draw):
    h, w = draw(SIZES)
    place = st.floats(-3, max(h, w) + 3)
    corners = draw(st.lists(st.tuples(place, place), min_size=3, max_size=9))
    return (h, w), [number for corner in corners for number in corner]


def _walks(polygon):
    """Whether every edge has a length on the fine grid; of one that has none their slope is 0 / 0."""
    corners = np.trunc(np.reshape(polygon, (-1, 2)) * 5 + 0.5)
    return bool((corners != np.roll(corners, -1, 0)).any(1).all())


@settings(max_examples=300, deadline=None)
@given(polygons())
def test_a_polygon_is_filled_as_they_fill_it(case):
    size, polygon = case
    if not _walks(polygon):
        return
    wanted = theirs.decode(theirs.frPyObjects([polygon], *size))[..., 0]
    assert np.array_equal(filled(np.reshape(polygon, (-1, 2)), size), wanted)


def test_an_edge_without_a_length_changes_nothing():
    triangle = [1.0, 1.0, 20.0, 3.0, 7.0, 18.0]
    twice = [*triangle[:2], *triangle]
    assert np.array_equal(*(filled(np.reshape(p, (-1, 2)), (24, 24)) for p in (triangle, twice)))


@settings(max_examples=100, deadline=None)
@given(SIZES, st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_runs_are_read_as_they_read_them(size, seed, share):
    mask = (np.random.default_rng(seed).random(size) < share).astype(np.uint8)
    packed = theirs.encode(np.asfortranarray(mask))
    text = {"size": list(size), "counts": packed["counts"].decode()}
    assert np.array_equal(mask_of(text, size).numpy(), mask.astype(bool))
    plain = {"size": list(size), "counts": runs_of(text["counts"])}
    assert np.array_equal(theirs.decode(theirs.frPyObjects(plain, *size)), mask)


def test_long_runs_take_several_characters():
    mask = np.zeros((700, 900), np.uint8, order="F")
    mask[3:600, 100:800] = 1
    packed = theirs.encode(mask)["counts"].decode()
    assert np.array_equal(mask_of({"size": [700, 900], "counts": packed}, mask.shape).numpy(), mask.astype(bool))

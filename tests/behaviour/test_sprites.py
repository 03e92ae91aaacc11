"""Sprites: six factors, by number."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.sprites import COUNTS, Sprites, factors_of, number_of, values_of

DATA = Sprites()
numbers = st.integers(0, len(DATA) - 1)


def picture(*classes):
    return DATA[int(number_of(torch.tensor([[0, *classes]])))].masks[0]


def test_there_are_as_many_as_factors_combine():
    assert len(DATA) == math.prod(COUNTS) == 737_280
    assert DATA[0].image.shape == (1, 64, 64)
    assert set(DATA[0].image.unique().tolist()) == {0, 255}
    assert DATA.class_names == ("square", "ellipse", "heart")


@settings(deadline=None, max_examples=50)
@given(numbers)
def test_the_number_is_the_factors(number):
    record = DATA[number]
    shape, scale, turn, x, y = record.facts["classes"].tolist()[1:]
    assert number == (((shape * 6 + scale) * 40 + turn) * 32 + x) * 32 + y
    assert int(number_of(factors_of(torch.tensor([number])))) == number
    wanted = [1, shape + 1, 0.5 + scale / 10, 2 * math.pi * turn / 39, x / 31, y / 31]
    torch.testing.assert_close(record.facts["values"], torch.tensor(wanted, dtype=torch.float64))
    assert record.label == shape
    edge = record.masks[0].clone()
    edge[1:-1, 1:-1] = False
    assert not edge.any()  # wholly inside
    x0, y0, x1, y1 = record.boxes[0].int().tolist()
    assert record.masks[0, y0:y1, x0:x1].sum() == record.masks[0].sum() > 20


@settings(deadline=None, max_examples=40)
@given(numbers, st.integers(1, 5))
def test_a_step_of_any_factor_is_seen(number, factor):
    classes = factors_of(torch.tensor([number]))
    other = classes.clone()
    other[0, factor] += 1 if classes[0, factor] + 1 < COUNTS[factor] else -1
    if factor == 3 and {int(classes[0, 3]), int(other[0, 3])} & {39}:
        other[0, 3] = 20
    a, b = DATA.masks([number])[0], DATA.masks([int(number_of(other))])[0]
    if factor == 3 and int(classes[0, 1]) < 2 and torch.equal(a, b):
        return  # a square and an ellipse have symmetries
    assert not torch.equal(a, b)


def test_the_last_orientation_is_the_first():
    for shape in range(3):
        assert torch.equal(picture(shape, 5, 0, 10, 20), picture(shape, 5, 39, 10, 20))


def test_scale_is_a_length():
    for shape in range(3):
        areas = [float(picture(shape, scale, 0, 16, 16).sum()) for scale in range(6)]
        assert areas == sorted(areas)
        assert math.sqrt(areas[-1] / areas[0]) == pytest.approx(2, rel=0.1)


def test_places_are_even():
    rows = torch.arange(64.0) + 0.5
    for axis, at in ((0, lambda i: (1, 3, 7, 16, i)), (1, lambda i: (1, 3, 7, i, 16))):
        centres = torch.tensor([float((picture(*at(i)).float().sum(1 - axis) * rows).sum() / picture(*at(i)).sum())
                                for i in range(32)])  # fmt: skip
        steps = centres.diff()
        assert (steps - 33 / 31).abs().max() < 0.2
        assert centres[-1] - centres[0] == pytest.approx(33, abs=0.2)


def test_a_heart_stands_upright_and_is_symmetric():
    # half-way places are symmetric about the middle of the picture: compare places 15 and 16
    left, right = picture(2, 5, 0, 15, 16), picture(2, 5, 0, 16, 16)
    assert torch.equal(left.flip(1), right)
    rows = left.any(1).nonzero()[:, 0]
    assert left[rows[0] + 2].sum() > left[rows[-1] - 1].sum()  # the tip is below


def test_many_at_once_are_each_alone():
    rows = [0, 737_279, 300_000, 5]
    images = DATA.images(rows)
    assert images.shape == (4, 1, 64, 64)
    assert all(torch.equal(images[i], DATA[row].image) for i, row in enumerate(rows))
    assert DATA.labels(rows).tolist() == [0, 2, 1, 0]
    assert torch.equal(DATA.images([-1]), DATA.images([737_279]))
    torch.testing.assert_close(values_of(factors_of(torch.tensor([0])))[0, 2], torch.tensor(0.5, dtype=torch.float64))

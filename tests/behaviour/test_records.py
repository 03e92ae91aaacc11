"""Records: what is known of a picture goes with it through every transform."""

import dataclasses
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from pellucid.data import Geometry, Record
from pellucid.data._geometry import carried, landed
from pellucid.data._record import boxes_of
from pellucid.data.transforms import Transform
from pellucid.errors import BadInput
from pellucid.maths.masks import IGNORED
from pellucid.registry import catalog

COLOURS = (v2.ColorJitter, v2.RandomGrayscale, v2.RandomApply)
PRESETS = [f"{name}{knobs}" for name in catalog("transforms") for knobs in ("", ":size=48")] + [
    "imagenet:size=40,crop=1.0",
    "cifar:size=32,padding=8,flip=false",
    "squash:size=31,flip=true",
]


def painted(h, w, x0, y0, x1, y1):
    """A black picture with a white box, of which everything is known."""
    mask = torch.zeros(1, h, w, dtype=torch.bool)
    mask[0, y0:y1, x0:x1] = True
    corners = torch.tensor([[x0, y0], [x1, y1]]).float()
    return Record(mask.expand(3, -1, -1).byte() * 255, 2, mask, boxes_of(mask), torch.tensor([2]), points=corners)


def shapes_only(transform):
    """The transform without the steps that change colours, which the marker could not stand."""
    return v2.Compose([step for step in transform.transforms if not isinstance(step, COLOURS)])


@st.composite
def records(draw):
    h, w = draw(st.integers(9, 90)), draw(st.integers(9, 90))
    x0, y0 = draw(st.integers(0, w - 4)), draw(st.integers(0, h - 4))
    return painted(h, w, x0, y0, draw(st.integers(x0 + 3, w)), draw(st.integers(y0 + 3, h)))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("preset", PRESETS)
@settings(max_examples=15, deadline=None)
@given(record=records(), seed=st.integers(0, 2**31))
def test_boxes_and_masks_cover_what_a_marker_covers(preset, train, record, seed):
    torch.manual_seed(seed)
    picture = Transform.make(preset).picture(train)
    moved = record.through(shapes_only(picture) if isinstance(picture, v2.Compose) else picture)
    marker = moved.image[0] >= 128
    assert torch.equal(moved.masks.any(0), marker)  # the mask is the marker, to the pixel
    assert torch.equal(moved.mask, marker)
    if not marker.any():
        return
    around = boxes_of(marker[None])[0]
    gap, scale = moved.boxes[0] - around, float(moved.geometry.matrix[:2, :2].norm(dim=0).max())
    turned = train and preset.startswith("birds")
    # a turn takes the nearest pixels, half of one aside, twice; what is enlarged after it is as much farther aside
    slack = 1 + 1.5 * scale if turned else 1.0
    assert gap[:2].max() <= slack
    assert gap[2:].min() >= -slack
    # corners of the marker are rounded off, so that of a sliver nothing may be left; turned ones are cut off on the way
    wide = bool((around[2:] - around[:2] > 2 * scale + 2).all())
    assert turned or not wide or gap.abs().max() <= 1
    assert torch.allclose(moved.geometry.boxes(record.boxes), moved.boxes, atol=1e-3)
    assert torch.allclose(moved.geometry.points(record.points), moved.points, atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(record=records(), seed=st.integers(0, 2**31))
def test_a_map_laid_back_is_where_it_came_from(record, seed):
    torch.manual_seed(seed)
    moved = record.through(v2.Compose([v2.RandomCrop(32, pad_if_needed=True), v2.RandomHorizontalFlip()]))
    back = moved.geometry.back(moved.masks.any(0).float(), fill=-1.0)
    assert back.shape == record.image.shape[1:]
    seen = back >= 0
    assert torch.equal(back[seen] > 0.5, record.mask[seen])  # shifts and flips are exact
    height, width = record.image.shape[1:]
    assert seen.sum() == min(height, 32) * min(width, 32)


def test_turned_and_tilted_pictures():
    record = painted(60, 90, 20, 10, 50, 40)
    for transform in (v2.RandomRotation((90, 90), expand=True), v2.RandomAffine((20, 20), (0.1, 0.1), (0.8, 0.8), 10)):
        moved = record.through(transform)
        assert torch.equal(moved.masks[0], moved.image[0] >= 128)
        assert torch.allclose(moved.geometry.boxes(record.boxes), moved.boxes, atol=1e-3)
    turned = record.through(v2.RandomRotation((90, 90), expand=True))
    assert turned.image.shape == (3, 90, 60)
    assert turned.boxes.round().tolist() == [[10.0, 40.0, 40.0, 70.0]]  # against the clock: x' = y, y' = 90 − x
    tilted = record.through(v2.RandomPerspective(0.4, p=1.0))
    corners = torch.tensor([[20.0, 10], [50, 10], [50, 40], [20, 40]])
    assert (tilted.geometry.points(corners).amin(0) - tilted.boxes[0, :2]).abs().max() < 1e-3


def test_what_leaves_the_picture_is_gone_with_its_number():
    masks = torch.zeros(3, 40, 40, dtype=torch.bool)
    masks[0, :8, :8], masks[1, 30:, 30:], masks[2, 16:24, 16:24] = True, True, True
    ids, classes = torch.tensor([7, 8, 9]), torch.tensor([0, 1, 0])
    hard = torch.tensor([False, True, True])
    record = Record(
        torch.zeros(3, 40, 40, dtype=torch.uint8), 0, masks, boxes_of(masks), classes, {}, classes, ids, ids, hard
    )
    moved = record.through(v2.CenterCrop(20))
    assert moved.boxes.tolist() == [[6.0, 6.0, 14.0, 14.0]]
    assert (moved.ids.tolist(), moved.mask_ids.tolist(), moved.classes.tolist()) == ([9], [9], [0])
    assert moved.difficult.tolist() == [True]
    assert moved.boxes_for(1).shape == (0, 4)
    empty = record.through(v2.Resize((20, 20))).through(v2.RandomCrop((4, 4)))
    assert len(empty.masks) == len(empty.mask_classes) == len(empty.mask_ids)


def test_a_turned_box_is_cut_off_as_its_marker_is():
    record = painted(64, 64, 40, 4, 63, 30)
    for angle in (15, 30, 60, 200):
        moved = record.through(v2.RandomRotation((angle, angle)))
        assert (moved.boxes[0] - boxes_of(moved.masks)[0]).abs().max() <= 1, angle


def test_a_bent_picture_has_no_geometry_but_boxes():
    record = painted(64, 64, 20, 20, 44, 44)
    moved = record.through(v2.ElasticTransform(alpha=200.0, sigma=5.0))
    assert torch.equal(moved.masks[0], moved.image[0] >= 128)
    assert moved.geometry.matrix.isnan().all()
    assert (moved.boxes[0] - boxes_of(moved.masks)[0]).abs().max() <= 12


def test_padding_is_no_object_whatever_its_colour():
    record = painted(20, 20, 5, 5, 10, 10)
    moved = record.through(v2.Pad(6, fill=255))
    assert moved.masks.sum() == 25
    assert moved.boxes.tolist() == [[11.0, 11.0, 16.0, 16.0]]
    turned = record.through(v2.RandomRotation((45, 45), fill=255))
    assert 20 <= turned.masks.sum() <= 30


def test_truth_says_what_counts():
    masks = torch.zeros(2, 4, 4, dtype=torch.bool)
    masks[0, 0], masks[1, 1] = True, True
    ignore = torch.zeros(4, 4, dtype=torch.bool)
    ignore[0, 0] = ignore[3] = True
    record = Record(
        torch.zeros(3, 4, 4, dtype=torch.uint8), 5, masks, boxes_of(masks), torch.tensor([5, 1]), ignore=ignore
    )
    assert record.truth().tolist() == [[1] * 4, [0] * 4, [0] * 4, [IGNORED] * 4]
    assert record.truth(1).tolist() == [[IGNORED, 0, 0, 0], [1] * 4, [0] * 4, [IGNORED] * 4]
    assert record.truth(3).max() == IGNORED
    assert record.present == (1, 5)
    assert record.boxes_for().tolist() == [[0.0, 0.0, 4.0, 1.0]]
    moved = record.through(v2.RandomVerticalFlip(1.0))
    assert torch.equal(moved.ignore, ignore.flip(0))


def test_numbers_are_filled_in_and_travel():
    record = painted(8, 9, 1, 2, 5, 6)
    assert record.ids.tolist() == record.mask_ids.tolist() == [0]
    assert record.mask_classes.tolist() == [2]
    assert record.difficult.tolist() == [False]
    assert record.geometry.source == record.geometry.size == (8, 9)
    copy = pickle.loads(pickle.dumps(record))
    assert torch.equal(copy.image, record.image)
    assert copy.geometry.size == (8, 9)
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.label = 3


def test_a_picture_and_a_label_are_enough():
    record = Record(torch.zeros(3, 5, 7, dtype=torch.uint8), 4)
    assert (record.masks.shape, record.boxes.shape, record.ignore.shape) == ((0, 5, 7), (0, 4), (5, 7))
    assert record.truth().unique().tolist() == [0]
    assert record.present == (4,)
    boxed = Record(record.image, 4, boxes=torch.tensor([[0.0, 0, 2, 2]]), masks=torch.ones(1, 5, 7).bool())
    assert boxed.classes.tolist() == boxed.mask_classes.tolist() == [4]
    assert Record(torch.zeros(9, 1), 0).masks.shape == (0, 0, 0)


@pytest.mark.parametrize("box", [(2, 3, 9, 8), (4, 4, 4, 4)])
@pytest.mark.parametrize("shift", [0, 30])
def test_where_nothing_moves_a_record_lands_as_it_is(box, shift):
    """The short way gives what the long way gives: also of an empty mask and of a box over the border."""
    record = painted(12, 14, *box)
    record = dataclasses.replace(record, boxes=record.boxes + shift / 10, ignore=torch.rand(12, 14) > 0.5)
    short, long = record.through(v2.Identity()), landed(record, v2.Identity()(carried(record)))
    for field in dataclasses.fields(Record):
        ours, theirs = getattr(short, field.name), getattr(long, field.name)
        if isinstance(ours, torch.Tensor):
            assert ours.dtype == theirs.dtype, field.name
            assert ours.equal(theirs), field.name
        elif isinstance(ours, Geometry):
            assert ours.matrix.equal(theirs.matrix)
            assert ours.size == theirs.size
        else:
            assert ours == theirs, field.name


def test_one_after_another_is_one_geometry():
    record = painted(50, 70, 10, 10, 30, 40)
    twice = record.through(v2.Resize((25, 35))).through(v2.RandomHorizontalFlip(1.0))
    assert twice.geometry.source == (50, 70)
    assert twice.geometry.size == (25, 35)
    assert torch.allclose(twice.geometry.points(torch.tensor([[70.0, 50.0]])), torch.tensor([[0.0, 25.0]]), atol=1e-4)
    assert torch.allclose(twice.geometry.boxes(record.boxes), twice.boxes, atol=1e-4)


def test_what_cannot_go_through():
    record = painted(8, 8, 1, 1, 4, 4)
    with pytest.raises(BadInput, match="torchvision's v2 transforms"):
        record.through(lambda image: image)
    series = Record(torch.zeros(5, 1), 0, torch.zeros(0, 0, 0).bool(), torch.zeros(0, 4), torch.zeros(0).long())
    with pytest.raises(BadInput, match="have a geometry"):
        series.through(v2.Identity())
    with pytest.raises(BadInput, match="classes of the masks"):
        Record(record.image, 0, torch.zeros(2, 8, 8).bool(), record.boxes, record.classes)
    with pytest.raises(BadInput, match="leaves out boxes"):
        record.through(v2.SanitizeBoundingBoxes(labels_getter=None))


def test_a_grey_picture_stays_grey_unless_the_preset_wants_colours():
    grey = dataclasses.replace(painted(20, 20, 2, 2, 9, 9), image=torch.zeros(1, 20, 20, dtype=torch.uint8))
    assert grey.through(Transform.make("plain:size=8").picture(True)).image.shape == (1, 8, 8)
    assert grey.through(Transform.make("cifar").picture(False)).image.shape == (3, 32, 32)


def test_geometry_of_a_crop_by_hand():
    half = Geometry((40, 60), (20, 20), torch.tensor([[0.5, 0, -5], [0, 0.5, 0], [0, 0, 1]], dtype=torch.float64))
    assert half.boxes(torch.tensor([[0.0, 0, 8, 8], [10, 10, 30, 20]])).tolist() == [[0] * 4, [0.0, 5.0, 10.0, 10.0]]
    assert half.back(torch.ones(20, 20))[0].tolist() == [0.0] * 10 + [1.0] * 40 + [0.0] * 10

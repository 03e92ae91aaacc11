"""Crops: equal to torchvision's, image by image, and what must hold of a linear map and of a draw."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as F

from pellucid.maths.crops import crop_weights, cropped, random_boxes, upsample_weights

SEEDS = st.integers(0, 1000)


def pictures(n, height, width, dtype=torch.float32):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(0), dtype=dtype)


def one_by_one(images, boxes, flips, size, antialias):
    """What torchvision makes of each image, in float64: in float32 it is 1e-5 off at 224 px."""
    views = []
    for image, box, flip in zip(images.double(), boxes.tolist(), flips.tolist(), strict=True):
        view = F.resized_crop(image, *box, size=list(size), antialias=antialias)
        views.append(F.horizontal_flip(view) if flip else view)
    return torch.stack(views).to(images)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize(
    "size, out", [((40, 56), (32, 32)), ((40, 56), (7, 9)), ((11, 9), (30, 24)), ((224, 224), (224, 224))]
)
def test_as_torchvision_image_by_image(size, out, antialias):
    boxes = random_boxes(12, size, torch.Generator().manual_seed(1))
    flips = torch.arange(12) % 2 == 1
    images = pictures(12, *size)
    ours = cropped(images, boxes, flips, out, antialias)
    assert torch.allclose(ours, one_by_one(images, boxes, flips, out, antialias), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.data())
@pytest.mark.parametrize("antialias", [True, False])
def test_as_torchvision_for_any_box(antialias, data):
    """Of two pixels a side or more: torch's antialias copies the first pixel down a column of one (ours: see below)."""
    size = data.draw(st.tuples(st.integers(2, 30), st.integers(2, 30)))
    top, left = (data.draw(st.integers(0, side - 2)) for side in size)
    tall, wide = data.draw(st.integers(2, size[0] - top)), data.draw(st.integers(2, size[1] - left))
    out = data.draw(st.tuples(st.integers(2, 25), st.integers(2, 25)))
    images, boxes = pictures(1, *size, dtype=torch.float64), torch.tensor([[top, left, tall, wide]])
    flips = torch.tensor([data.draw(st.booleans())])
    ours = cropped(images, boxes, flips, out, antialias)
    assert torch.allclose(ours, one_by_one(images, boxes, flips, out, antialias), atol=1e-6)


@pytest.mark.parametrize("antialias", [True, False])
def test_a_column_of_one_pixel(antialias):
    images = torch.tensor([[0.0, 1.0]]).view(1, 1, 2, 1)
    view = cropped(images, torch.tensor([[0, 0, 2, 1]]), torch.tensor([True]), (4, 2), antialias)
    assert view[0, 0].tolist() == [[0, 0], [0.25, 0.25], [0.75, 0.75], [1, 1]]


@pytest.mark.parametrize("antialias", [True, False])
def test_the_whole_image_at_its_own_size_is_itself(antialias):
    images = pictures(2, 13, 17)
    boxes = torch.tensor([[0, 0, 13, 17]]).expand(2, 4)
    still = torch.tensor([False, False])
    assert torch.equal(cropped(images, boxes, still, (13, 17), antialias), images)
    assert torch.equal(cropped(images, boxes, ~still, (13, 17), antialias), images.flip(3))


def test_a_box_at_its_own_size_is_cut_out():
    images = pictures(1, 13, 17)
    view = cropped(images, torch.tensor([[2, 5, 6, 9]]), torch.tensor([False]), (6, 9))
    assert torch.equal(view, images[:, :, 2:8, 5:14])


def test_first_the_box_then_the_mirror():
    """The box is given in the image as it was, not in its mirror image."""
    images = torch.arange(8.0).view(1, 1, 1, 8)
    view = cropped(images, torch.tensor([[0, 1, 1, 3]]), torch.tensor([True]), (1, 3))
    assert view.flatten().tolist() == [3, 2, 1]


def test_nothing_from_outside_the_box():
    images = torch.full((1, 1, 9, 9), torch.inf)
    images[:, :, 2:5, 3:7] = 1
    weights = crop_weights(torch.tensor([2]), torch.tensor([3]), 9, 20, antialias=True)
    assert weights[0, :, :2].abs().max() == weights[0, :, 5:].abs().max() == 0
    images[images.isinf()] = 1e30
    assert torch.allclose(
        cropped(images, torch.tensor([[2, 3, 3, 4]]), torch.tensor([False]), (20, 20)), torch.ones(20, 20)
    )


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 40), out=st.integers(1, 40), seed=SEEDS, antialias=st.booleans(), between=st.booleans())
def test_rows_are_means_of_cells(size, out, seed, antialias, between):
    """So a constant stays itself, and no value is new; between cells too."""
    chance = torch.Generator().manual_seed(seed)
    start, length = torch.rand(2, 5, generator=chance) * size
    if not between:
        start, length = start.long(), length.long() + 1
    length = torch.minimum(length.clamp_min(0.01), size - start) if between else length.clamp_max(size - start)
    weights = crop_weights(start, length, size, out, antialias=antialias)
    assert weights.min() >= 0
    assert torch.allclose(weights.sum(2), torch.ones(5, out), atol=1e-6)


@pytest.mark.parametrize("size, out", [(7, 224), (14, 224), (5, 3), (1, 6), (6, 6)])
def test_upsampling_is_that_of_torch(size, out):
    cells = torch.rand(2, 1, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theirs = interpolate(cells, size=out, mode="linear", align_corners=False)
    assert torch.allclose(cells @ upsample_weights(size, out).double().T, theirs, atol=1e-6)


def test_a_small_matrix_does_upsampling_and_crop_at_once():
    """What is done to the heat-map of an image when the image is cropped: 7 to 224, the box, and 224 again."""
    maps = torch.rand(4, 7, 7, generator=torch.Generator().manual_seed(0))
    boxes, flips = random_boxes(4, (224, 224), torch.Generator().manual_seed(0)), torch.tensor([True, False] * 2)
    top, left, tall, wide = boxes.T
    down = crop_weights(top, tall, 224, 224) @ upsample_weights(7, 224)
    across = crop_weights(left, wide, 224, 224, flips) @ upsample_weights(7, 224)
    assert down.shape == (4, 224, 7)
    large = interpolate(maps[:, None], size=(224, 224), mode="bilinear")
    theirs = one_by_one(large, boxes, flips, (224, 224), antialias=False)
    assert torch.allclose(down @ maps @ across.mT, theirs[:, 0], atol=1e-5)


def test_gradients_by_finite_differences():
    images = pictures(2, 5, 6, torch.float64).requires_grad_()
    boxes, flips = torch.tensor([[0, 1, 4, 3], [2, 0, 3, 6]]), torch.tensor([True, False])
    assert torch.autograd.gradcheck(lambda x: cropped(x, boxes, flips, (3, 4)), (images,))


def test_the_gradient_is_that_of_torchvision():
    images = pictures(2, 20, 30).requires_grad_()
    boxes, flips = torch.tensor([[0, 1, 14, 13], [2, 0, 13, 26]]), torch.tensor([True, False])
    weight = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    slopes = [
        torch.autograd.grad((make(images, boxes, flips, (8, 8), True) * weight).sum(), images)[0]
        for make in (cropped, one_by_one)
    ]
    assert slopes[0].abs().max() > 0.01
    assert torch.allclose(*slopes, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_images_keep_their_precision(dtype):
    images = pictures(1, 9, 9).to(dtype)
    box, still = torch.tensor([[1, 1, 6, 7]]), torch.tensor([False])
    with torch.autocast("cpu", torch.bfloat16):
        view = cropped(images, box, still, (4, 4))
    assert view.dtype == dtype
    assert torch.allclose(view.float(), cropped(images.float(), box, still, (4, 4)), atol=torch.finfo(dtype).eps + 1e-6)


# --- boxes ------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    scale=st.tuples(st.floats(0.01, 0.5), st.floats(0.5, 1.0)),
    ratio=st.tuples(st.floats(0.2, 1.0), st.floats(1.0, 5.0)),
)
def test_boxes_lie_inside(seed, size, scale, ratio):
    top, left, tall, wide = random_boxes(50, size, torch.Generator().manual_seed(seed), scale, ratio).T
    assert min(top.min(), left.min()) >= 0
    assert min(tall.min(), wide.min()) >= 1
    assert (top + tall).max() <= size[0]
    assert (left + wide).max() <= size[1]


def quantiles(values):
    return values.double().quantile(torch.linspace(0.05, 0.95, 10, dtype=torch.float64))


@pytest.mark.parametrize("size", [(224, 224), (100, 180)])
def test_boxes_fall_as_those_of_torchvision(size):
    scale, ratio = (0.08, 1.0), (3 / 4, 4 / 3)
    image = torch.empty(3, *size)
    theirs = torch.tensor([RandomResizedCrop.get_params(image, scale, ratio) for _ in range(4000)])
    ours = random_boxes(4000, size, torch.Generator().manual_seed(0), scale, ratio)
    areas = [quantiles((b[:, 2] * b[:, 3]) / (size[0] * size[1])) for b in (ours, theirs)]
    assert torch.allclose(*areas, atol=0.03)
    assert torch.allclose(*(quantiles(b[:, 3] / b[:, 2]) for b in (ours, theirs)), atol=0.03)
    for k in (0, 1):
        assert torch.allclose(*(quantiles(b[:, k] / size[k]) for b in (ours, theirs)), atol=0.03)


def test_where_no_box_fits_it_is_the_largest_central_one():
    """A whole image of 10 × 100 is never of ratio 4/3: torchvision takes 10 × 13 from the middle."""
    boxes = random_boxes(5, (10, 100), torch.Generator().manual_seed(0), scale=(1.0, 1.0))
    assert (
        boxes.tolist() == [list(RandomResizedCrop.get_params(torch.empty(3, 10, 100), (1.0, 1.0), (3 / 4, 4 / 3)))] * 5
    )


def test_an_image_has_its_box_whatever_the_others_have():
    """Every image uses as many numbers, however often its box did not fit."""
    easy, hard = (
        random_boxes(6, (30, 60), torch.Generator().manual_seed(3), scale) for scale in ((0.1, 0.2), (0.1, 1))
    )
    again = random_boxes(6, (30, 60), torch.Generator().manual_seed(3), (0.1, 1))
    assert torch.equal(hard, again)
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    for generator, scale in zip(generators, ((0.1, 0.2), (0.9, 1)), strict=True):
        random_boxes(6, (30, 60), generator, scale)
    assert torch.equal(*(torch.rand(3, generator=g) for g in generators))
    assert not torch.equal(easy, hard)


def test_drawing_leaves_the_global_chance_alone():
    before = torch.get_rng_state()
    random_boxes(3, (20, 20), torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_every_place_is_as_likely():
    boxes = random_boxes(4000, (2, 2), torch.Generator().manual_seed(0), scale=(0.25, 0.25), ratio=(1.0, 1.0))
    places, counts = boxes.unique(dim=0, return_counts=True)
    assert places.tolist() == [[0, 0, 1, 1], [0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1]]
    assert counts.min() > 900

"""Metrics of localisation: slow re-tellings, what can be worked out by hand, and other libraries."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import interpolate

import pellucid as pl
from pellucid.errors import BadInput, BadKnob
from pellucid.maths.masks import hits, inside_boxes
from pellucid.metrics import Metric
from pellucid.metrics._objects import coverage
from pellucid.metrics.auc import auc
from pellucid.metrics.border_mass import border_mass
from pellucid.metrics.ch import ch, with_floor
from pellucid.metrics.energy_in_box import energy_in_box
from pellucid.metrics.iou import iou
from pellucid.metrics.mosu import mosu, mosu_published
from pellucid.metrics.pointing_game import drawn, first, near
from pellucid.metrics.relevance_rank import relevance_rank
from pellucid.metrics.sch import sch, sch_reproduced

SIZE = H, W = 12, 20
BOX = [3.0, 2.0, 9.0, 7.0]  # x0, y0, x1, y1: rows 2 to 6, columns 3 to 8
AREA = 30 / (H * W)
MASKED = ("sch", "relevance-rank", "iou", "auc", "pointing-game:truth=masks")
BOXED = ("ch", "energy-in-box", "energy-in-box:scale=positive", "pointing-game", "iou:truth=boxes", "auc:truth=boxes",
         "relevance-rank:truth=boxes")  # fmt: skip
WITH_OBJECT = MASKED + BOXED


class Net(nn.Sequential):
    """Any images, four classes."""

    def __init__(self):
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))


def the_object():
    """[h, w]: the pixels of BOX."""
    mask = torch.zeros(SIZE, dtype=torch.uint8)
    mask[2:7, 3:9] = 1
    return mask


def score(metric, maps, masks=None, boxes=None):
    """By the public API; by default the object is BOX in every image."""
    maps = torch.as_tensor(maps, dtype=torch.float32)
    n, size = len(maps), tuple(maps.shape[1:])
    masks = the_object().expand(n, -1, -1) if masks is None and size == SIZE else masks
    boxes = [torch.tensor([BOX])] * n if boxes is None else boxes
    return pl.measure(Net(), torch.zeros(n, 3, *size), maps, metric, masks, boxes, target=0)


def one(metric, map, masks=None, boxes=None):
    """The number of one image."""
    masks = None if masks is None else masks[None]
    return float(score(metric, map[None], masks, None if boxes is None else [torch.as_tensor(boxes)]))


def random_maps(n=6, seed=0, levels=None, size=SIZE):
    """Signed; with levels, many equal values."""
    maps = torch.randn(n, *size, generator=torch.Generator().manual_seed(seed))
    return maps if levels is None else (maps * levels).round() / levels


def random_masks(n=6, seed=1, size=SIZE):
    """0, 1 and 255, and in the last image no object."""
    values = torch.tensor([0, 0, 1, 255], dtype=torch.uint8)
    masks = values[torch.randint(4, (n, *size), generator=torch.Generator().manual_seed(seed))]
    masks[-1][masks[-1] == 1] = 0
    return masks


def same(ours, wanted, tolerance=1e-6):
    ours, wanted = torch.as_tensor(ours).double(), torch.as_tensor(wanted).double()
    assert torch.allclose(ours, wanted, rtol=tolerance, atol=tolerance, equal_nan=True), (ours, wanted)


# --- what all of them do ---------------------------------------------------------------------------------------------

BEST = dict.fromkeys(WITH_OBJECT, 1.0)
WORST = dict.fromkeys(WITH_OBJECT, 0.0)
UNIFORM = dict.fromkeys(WITH_OBJECT, AREA) | {
    "iou": AREA / (2 - AREA),
    "iou:truth=boxes": AREA / (2 - AREA),
    "auc": 0.5,
    "auc:truth=boxes": 0.5,
    "energy-in-box": math.nan,
}


@pytest.mark.parametrize("metric", WITH_OBJECT)
def test_the_object_itself_is_best(metric):
    same(one(metric, the_object().float()), BEST[metric])


@pytest.mark.parametrize("metric", WITH_OBJECT)
def test_all_but_the_object_is_worst(metric):
    same(one(metric, 1 - the_object().float()), WORST[metric])


@pytest.mark.parametrize("metric", WITH_OBJECT)
def test_a_uniform_map_knows_only_the_area(metric):
    same(one(metric, torch.full(SIZE, 0.3)), UNIFORM[metric])


@pytest.mark.parametrize("metric", [*WITH_OBJECT, "mosu", "border-mass"])
def test_a_map_of_zeros_is_undefined(metric):
    boxes = [BOX, [10.0, 8.0, 13.0, 12.0]]
    assert math.isnan(one(metric, torch.zeros(SIZE), boxes=boxes))
    assert not math.isnan(one(metric, 0.1 + torch.rand(SIZE), boxes=boxes))


@pytest.mark.parametrize("metric", [*MASKED, "ch", "energy-in-box", "pointing-game"])
def test_no_object_is_undefined(metric):
    none = score(metric, torch.rand(2, *SIZE), masks=torch.stack([the_object(), torch.zeros_like(the_object())]),
                 boxes=[torch.tensor([BOX]), torch.zeros(0, 4)])  # fmt: skip
    assert none.isnan().tolist() == [False, True]


@pytest.mark.parametrize("metric", MASKED)
def test_ignored_pixels_and_other_classes(metric):
    """Whatever the map says where nobody knows changes nothing; another class is background, as good as any."""
    masks = the_object()
    masks[8:, :] = 255
    maps = torch.rand(3, *SIZE)
    shouted = maps.clone()
    shouted[:, 8:] = torch.tensor([9.0, -9.0, 0.0])[:, None, None]
    same(score(metric, maps, masks.expand(3, -1, -1)), score(metric, shouted, masks.expand(3, -1, -1)))
    elsewhere = maps * (1 - the_object())
    elsewhere[:, 0, 0] = 5
    assert (score(metric, elsewhere, masks.expand(3, -1, -1)) < 0.5).all()


@pytest.mark.parametrize(
    "metric", [*WITH_OBJECT, "mosu", "border-mass", "pointing-game:points=50", "iou:threshold=0.3"]
)
@pytest.mark.parametrize("factor", [1e-6, 7.0, 1e6])
def test_the_scale_of_a_map_is_nothing(metric, factor):
    maps, boxes = random_maps(), [torch.tensor([BOX, [8.0, 6.0, 15.0, 11.5]])] * 6
    same(score(metric, maps, boxes=boxes), score(metric, factor * maps, boxes=boxes), 1e-4)


@pytest.mark.parametrize("metric", [*MASKED, "iou:threshold=0.3"])
@settings(max_examples=10, deadline=None)
@given(st.integers(0, H), st.integers(0, W))
def test_where_things_are_is_nothing(metric, rows, columns):
    """Map and mask shifted together, around the edges."""
    maps, masks = random_maps(3, levels=2), random_masks(3)
    shifted = (torch.roll(t, (rows, columns), (1, 2)) for t in (maps, masks))
    same(score(metric, maps, masks), score(metric, *shifted))


@pytest.mark.parametrize("metric", ["auc", "relevance-rank", "iou", "pointing-game:truth=masks"])
def test_only_the_order_counts(metric):
    maps = random_maps(levels=3)
    same(score(metric, maps), score(metric, (maps + 5) ** 3))


# --- each of them told slowly ----------------------------------------------------------------------------------------


def pixels(map, mask):
    """(value, on the object) of those that count."""
    every = [(r, c) for r in range(map.shape[0]) for c in range(map.shape[1])]
    return [(float(map[at]), int(mask[at]) == 1) for at in every if int(mask[at]) != 255]


def slow_share(map, mask):
    mass = sum(max(v, 0) for v, _ in pixels(map, mask))
    mine = [max(v, 0) for v, on in pixels(map, mask) if on]
    return sum(mine) / mass if mine and mass else math.nan


def slow_auc(map, mask):
    on, off = ([v for v, mine in pixels(map, mask) if mine is which] for which in (True, False))
    wins = [1.0 if v > u else 0.5 if v == u else 0.0 for v in on for u in off]
    return sum(wins) / len(wins) if wins else math.nan


def slow_rank(map, mask):
    """From the highest value down: whole levels while there are places, and of the next one a part."""
    found = pixels(map, mask)
    k = sum(on for _, on in found)
    if not k:
        return math.nan
    last = sorted((v for v, _ in found), reverse=True)[k - 1]
    above = [on for v, on in found if v > last]
    level = [on for v, on in found if v == last]
    return (sum(above) + sum(level) * (k - len(above)) / len(level)) / k


SLOW = {sch: slow_share, auc: slow_auc, relevance_rank: slow_rank}


@pytest.mark.parametrize("fast", SLOW, ids=lambda f: f.__name__)
@pytest.mark.parametrize("levels", [None, 1])
def test_by_loops(fast, levels):
    maps, masks = random_maps(levels=levels), random_masks()
    same(fast(maps, masks), [SLOW[fast](map, mask) for map, mask in zip(maps, masks, strict=True)])


def test_relevance_rank_is_what_the_highest_pixels_hit():
    """maths.masks.hits, asked for as many pixels as the object has."""
    maps, masks = random_maps(levels=1), random_masks()
    wanted = [
        hits(map[None], mask[None], [float((mask == 1).sum()) / max(1, float((mask != 255).sum()))])[0, 0]
        for map, mask in zip(maps, masks, strict=True)
    ]
    same(relevance_rank(maps, masks), torch.stack(wanted))


def test_relevance_rank_is_the_expectation_over_orders_of_equal_pixels():
    map, mask = random_maps(1, levels=1)[0], (random_masks(2)[0] == 1)
    k, found = int(mask.sum()), []
    for seed in range(3000):
        order = torch.randperm(mask.numel(), generator=torch.Generator().manual_seed(seed))
        top = order[map.flatten()[order].argsort(stable=True, descending=True)[:k]]
        found.append(mask.flatten()[top].double().mean())
    assert abs(float(relevance_rank(map[None], mask[None])) - float(torch.stack(found).mean())) < 0.005


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 1.0])
def test_iou_with_a_threshold_by_loops(threshold):
    maps, masks = random_maps(levels=2), random_masks()
    wanted = []
    for map, mask in zip(maps, masks, strict=True):
        peak = max(v for v, _ in pixels(map, mask))
        top = [(v >= threshold * peak, on) for v, on in pixels(map, mask)]
        both, either = sum(a and b for a, b in top), sum(a or b for a, b in top)
        wanted.append(both / either if any(on for _, on in top) else math.nan)
    same(iou(maps, masks, threshold), wanted)


def test_iou_of_the_objects_size():
    """K pixels of which a share R is right: R K in both, (2 - R) K in either."""
    maps, masks = random_maps(), random_masks()
    wanted = []
    for map, mask in zip(maps, masks, strict=True):
        k = int((mask == 1).sum())
        value = map.masked_fill(mask == 255, -math.inf)
        top = torch.zeros(map.numel(), dtype=torch.bool)
        top[value.flatten().argsort(descending=True)[:k]] = True
        mine = (mask == 1).flatten()
        wanted.append(float((top & mine).sum() / (top | mine).sum()))
    same(iou(maps, masks), wanted)


def test_iou_with_a_threshold_needs_something_above_zero():
    assert math.isnan(one("iou:threshold=0.5", -torch.rand(SIZE) - 0.1))
    assert not math.isnan(one("iou", -torch.rand(SIZE) - 0.1))


def test_auc_needs_something_beside_the_object():
    assert math.isnan(one("auc", torch.rand(SIZE), masks=torch.ones(SIZE, dtype=torch.uint8)))


def test_boxes_and_masks_of_the_same_pixels_are_the_same():
    for name in ("iou", "auc", "relevance-rank", "pointing-game"):
        maps = random_maps(levels=2)
        same(score(f"{name}:truth=boxes", maps), score(f"{name}:truth=masks", maps))
    same(score("ch", maps), score("sch", maps))


# --- content heat-maps -----------------------------------------------------------------------------------------------


def test_ch_is_of_the_boxes_together():
    """Two boxes that overlap: their common pixels count once."""
    boxes = [[0.0, 0.0, 10.0, 12.0], [5.0, 0.0, 15.0, 12.0]]
    same(one("ch", torch.ones(SIZE), boxes=boxes), 15 / 20)


def test_ch_as_published_by_loops():
    maps = random_maps(2).relu()
    wanted = []
    for map in maps:
        m = map.numpy().astype(np.float64)
        m = m / (m.sum() + 1e-8) + 1e-8
        m = m / m.sum()
        wanted.append(m[2:7, 3:9].sum())
    same(score("ch:protocol=published", maps), wanted)


def test_ch_as_published_does_not_skip_a_map_of_zeros():
    """Its 1e-8 makes the map uniform before it is asked whether it sums to zero."""
    same(one("ch:protocol=published", torch.zeros(SIZE)), AREA)
    assert math.isnan(one("ch", torch.zeros(SIZE)))
    assert with_floor(torch.zeros(1, 1, 2)).tolist() == [[[1e-8, 1e-8]]]


def test_ch_as_published_is_ch_up_to_its_floor():
    """On 224 × 224 pixels the floor weighs 5e-4."""
    maps = torch.rand(2, 224, 224)
    inside = torch.zeros(2, 224, 224, dtype=torch.bool)
    inside[:, :40, :90] = True
    maps = maps * (1 + 9 * inside)
    gap = (ch(with_floor(maps), inside) - ch(maps, inside)).abs()
    assert (gap > 1e-5).all()
    assert (gap < 5e-4).all()


def study(cam, mask, size=(224, 224)):
    """The reproduction study from a map of the layer's size, by way of Pillow: SCH of all that the mask marks."""
    cam = cam.relu() - cam.relu().amin()
    cam = cam / (cam.amax() + 1e-8)
    picture = Image.fromarray((cam * 255).byte().numpy()).resize(size[::-1], resample=Image.BICUBIC)
    salience = torch.tensor(np.asarray(picture, dtype=np.float32)) / 255
    return float((salience / (salience.sum() + 1e-5) * (mask != 0)).sum())


def enlarged(cam, size=(224, 224)):
    return interpolate(cam[None, None], size=size, mode="bilinear")[:, 0]


def big_mask():
    mask = torch.zeros(224, 224, dtype=torch.uint8)
    mask[60:150, 40:170] = 1
    mask[10:60, 10:60] = 255
    return mask


def test_sch_as_reproduced_counts_ignored_pixels_as_the_object():
    masks = the_object()
    masks[9:, :] = 255
    diagonal = torch.eye(*SIZE)  # 12 pixels: 4 on the object, 3 that nobody can say anything about
    same(one("sch:protocol=reproduction", diagonal, masks), 7 / 12, 1e-5)
    same(one("sch", diagonal, masks), 4 / 9)


def test_sch_as_reproduced_is_of_eight_bits():
    """255 levels, cut off: 0.999 of the highest is 254, and what is below 1/255 is nothing."""
    maps = torch.tensor([[[1.0, 0.999, 0.0039, 0.0]]])
    mask = torch.tensor([[[0, 1, 0, 0]]], dtype=torch.uint8)
    same(sch_reproduced(maps, mask), 254 / 509, 1e-4)


def test_sch_as_reproduced_scores_zeros_as_zero():
    same(one("sch:protocol=reproduction", torch.zeros(SIZE)), 0.0)
    same(one("sch:protocol=reproduction", torch.full(SIZE, 3.0)), 0.0)  # stretched, a constant map is zero too


@pytest.mark.parametrize("seed", range(4))
def test_sch_as_reproduced_from_the_layers_own_map(seed):
    """Where the map has the layer's size and the image too, nothing is lost."""
    cam = torch.randn(7, 7, generator=torch.Generator().manual_seed(seed))
    mask = torch.zeros(7, 7, dtype=torch.uint8)
    mask[2:5, 1:4] = 1
    same(sch_reproduced(cam[None], mask[None]), study(cam, mask, (7, 7)), 1e-5)
    large = sch_reproduced(interpolate(cam[None, None], size=(224, 224), mode="nearest")[0], big_mask()[None], (7, 7))
    same(large, study(cam, big_mask()), 1e-4)  # the centres of nearest cells are the cells: the very same pictures


@pytest.mark.parametrize("clipped", [False, True], ids=["signed", "clipped first"])
def test_a_grid_brings_sch_close_to_the_study(clipped):
    mask, with_grid, without, by_area = big_mask(), [], [], []
    for seed in range(12):
        cam = torch.randn(7, 7, generator=torch.Generator().manual_seed(seed))
        maps, wanted = enlarged(cam.relu() if clipped else cam), study(cam, mask)
        with_grid.append(abs(float(sch_reproduced(maps, mask[None], (7, 7))) - wanted))
        without.append(abs(float(sch_reproduced(maps, mask[None])) - wanted))
        means = torch.nn.functional.adaptive_avg_pool2d(maps, (7, 7))[0]
        by_area.append(abs(study(means, mask) - wanted))
    assert max(with_grid) < 0.01
    assert np.mean(with_grid) < np.mean(without) / 2
    assert np.mean(with_grid) < np.mean(by_area) / 4


# --- energy ----------------------------------------------------------------------------------------------------------


def test_energy_is_ch_without_the_floor_of_the_map():
    maps = torch.rand(3, *SIZE)
    maps[:, 0, 0] = 0
    same(score("energy-in-box", maps), score("ch", maps))
    same(score("energy-in-box", maps + 2), score("ch", maps))
    assert (score("energy-in-box:scale=positive", maps + 2) != score("ch", maps)).all()


def test_energy_counts_what_speaks_against_the_class():
    map = the_object().float() - 1  # 0 on the object, -1 beside it, and one pixel that is worse
    map[0, 0] = -2
    same(one("energy-in-box", map), 2 * 30 / (2 * 30 + 209))
    assert math.isnan(one("ch", map))
    same(score("energy-in-box:scale=positive", random_maps()), score("ch", random_maps()))


def test_energy_as_published_takes_x_for_a_row():
    """Their loop: rows from x to x, columns from y to y."""
    map = torch.rand(SIZE)
    x0, y0, x1, y1 = (int(v) for v in BOX)
    low = map - map.min()
    same(one("energy-in-box:protocol=published", map), low[x0:x1, y0:y1].sum() / low.sum(), 1e-5)
    same(one("energy-in-box", map), low[y0:y1, x0:x1].sum() / low.sum(), 1e-5)
    same(one("energy-in-box:protocol=published", the_object().float()), 4 * 4 / 30)


# --- pointing --------------------------------------------------------------------------------------------------------


def point(row, column, size=(64, 96)):
    map = torch.zeros(1, *size)
    map[0, row, column] = 1
    return map


def spot(row, column, size=(64, 96)):
    return point(row, column, size).bool()


GAME = "pointing-game:protocol=torchray,truth=masks"


@pytest.mark.parametrize("down, across, hit", [(15, 0, 0), (0, 15, 0), (9, 12, 0), (10, 11, 1), (14, 5, 1), (0, 14, 1),
                                               (14, 6, 0), (-15, 0, 0), (-10, -11, 1), (0, 0, 1)])  # fmt: skip
def test_fifteen_pixels_away_is_a_miss(down, across, hit):
    """√(10² + 11²) = 14.87 is a hit, √(9² + 12²) = 15.0 a miss."""
    maps, masks = point(30 + down, 40 + across), spot(30, 40)
    assert float(score(GAME, maps, masks, [torch.zeros(0, 4)])) == hit


def test_the_tolerance_is_a_knob():
    maps, masks, none = point(30, 55), spot(30, 40), [torch.zeros(0, 4)]
    assert float(score(f"{GAME},tolerance=15.1", maps, masks, none)) == 1
    assert float(score(f"{GAME},tolerance=0", maps, masks, none)) == 0
    assert float(score("pointing-game:truth=masks,tolerance=15.1", maps, masks, none)) == 1
    assert float(score("pointing-game:truth=masks", maps, masks, none)) == 0


@pytest.mark.parametrize("tolerance", [0, 0.5, 1, 1.1, 2, 4.9, 5, 7.3, 40])
def test_near_by_loops(tolerance):
    mask = torch.rand(2, 9, 14) < 0.03
    mask[0, 4, 5] = mask[1, 0, 13] = True
    wanted = mask.clone()
    for n, r, c in mask.nonzero().tolist():
        for row in range(9):
            for column in range(14):
                wanted[n, row, column] |= (row - r) ** 2 + (column - c) ** 2 < tolerance**2
    assert torch.equal(near(mask, tolerance), wanted)


@pytest.mark.parametrize("protocol", ["sound", "torchray", "paper", "quantus"])
def test_rows_are_not_columns(protocol):
    """An image that is not square, an object far from its diagonal: taken for one another, they miss."""
    tall = torch.zeros(1, 96, 64)
    tall[0, 80, 10] = 1
    boxes = [torch.tensor([[8.0, 78.0, 12.0, 84.0]])]
    assert float(score(f"pointing-game:protocol={protocol}", tall, boxes=boxes)) == 1
    swapped = [boxes[0][:, [1, 0, 3, 2]].clamp(max=64) - torch.tensor([[20.0, 0, 0, 0]])]
    assert float(score(f"pointing-game:protocol={protocol}", tall, boxes=swapped)) == 0


def test_of_several_highest_pixels():
    """Two at the top, one of them on the object, which is not the first."""
    map = torch.zeros(SIZE)
    map[0, 0] = map[4, 4] = 2
    found = {p: one(f"pointing-game:protocol={p},tolerance=0", map) for p in ("sound", "torchray", "paper", "quantus")}
    assert found == {"sound": 0.5, "torchray": 0.0, "paper": 0.0, "quantus": 1.0}


def test_the_first_is_in_reading_order():
    maps = torch.zeros(1, 3, 3)
    maps[0, 0, 2] = maps[0, 1, 0] = 1
    assert first(maps).nonzero().tolist() == [[0, 0, 2]]


def test_a_map_of_zeros_points_at_its_first_pixel_elsewhere():
    corner = [[0.0, 0.0, 2.0, 2.0]]
    assert one("pointing-game:protocol=paper", torch.zeros(SIZE), boxes=corner) == 1
    assert math.isnan(one("pointing-game", torch.zeros(SIZE), boxes=corner))


def test_a_map_that_is_negative_everywhere_still_has_a_highest_pixel():
    map = -1 - torch.rand(SIZE)
    map[4, 4] = -0.5
    assert one("pointing-game", map) == 1


def test_torchray_means_over_classes():
    made = Metric.make
    assert made("pointing-game:protocol=torchray").average == "classes"
    assert made("pointing-game:protocol=torchray,points=100").average == "samples"  # GCC's is over images
    assert made("pointing-game").average == "samples"
    assert made("pointing-game").needs == ("boxes",)
    assert made("pointing-game:truth=masks").needs == ("masks",)


def test_points_are_drawn_from_the_map():
    """Many of them come to the share of the mass near the object."""
    maps = random_maps(4)
    wanted = ch(maps, near((the_object() == 1).expand(4, -1, -1), 3.0))
    same(score("pointing-game:points=40000,tolerance=3", maps), wanted, 0.01)
    same(score("pointing-game:points=40000", maps), score("ch", maps), 0.01)
    same(score("pointing-game:points=40000,protocol=torchray,tolerance=3", maps), wanted, 0.01)


def test_points_by_loops():
    """Inverse distribution function: the first pixel at which the sum of the map exceeds the number."""
    maps, seed = random_maps(3), 4
    numbers = torch.rand(100, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    wanted = []
    for map in maps:
        mass = map.relu().double().flatten()
        sums = (mass / mass.sum()).cumsum(0)
        places = [next(i for i, total in enumerate(sums.tolist()) if total > u) for u in numbers.tolist()]
        wanted.append(np.mean([bool(the_object().flatten()[i]) for i in places]))
    same(score(f"pointing-game:points=100,seed={seed}", maps), wanted)


def test_points_are_shared_and_seeded():
    maps = random_maps(3)
    whole = score("pointing-game:points=20,seed=1", maps)
    assert torch.equal(whole, score("pointing-game:points=20,seed=1", maps))
    assert torch.equal(whole[2:], score("pointing-game:points=20,seed=1", maps[2:]))
    assert not torch.equal(whole, score("pointing-game:points=20,seed=2", maps))


def test_no_point_is_drawn_where_there_is_no_mass():
    mass = torch.tensor([[[0.0, 2.0, 0.0, 1.0, 0.0]]])
    ends = torch.tensor([0.0, 2 / 3 - 1e-9, 2 / 3, 1 - 2**-53], dtype=torch.float64)
    assert drawn(mass, ends).tolist() == [[[0.0, 2.0, 0.0, 2.0, 0.0]]]
    assert math.isnan(one("pointing-game:points=5", torch.zeros(SIZE)))


def test_gcc_does_not_skip_a_map_of_zeros():
    """Its 1e-8 makes it uniform, as in its content heat-map."""
    same(one("pointing-game:points=20000,protocol=torchray,tolerance=0", torch.zeros(SIZE)), AREA, 0.01)


# --- several objects -------------------------------------------------------------------------------------------------

HALVES = [[0.0, 0.0, 10.0, 12.0], [10.0, 0.0, 20.0, 12.0]]


def split(left, right):
    """A map with so much mass in either half."""
    map = torch.zeros(SIZE)
    map[:, :10], map[:, 10:] = left / 120, right / 120
    return map


def test_mosu_goes_from_the_area_to_the_salience():
    """KL([.5 .5] ‖ [.9 .1]) = 0.511, of the report; KL([.9 .1] ‖ [.5 .5]) = 0.368, of its code."""
    same(one("mosu", split(0.9, 0.1), boxes=HALVES), 0.510826, 1e-4)
    map = torch.zeros(SIZE)  # stretched to [0, 1] it stays what it is: one pixel is 1, one 0
    map[0, 0], map[0, 1] = 1.0, 0.8
    map[0, 10] = 0.2
    same(one("mosu:protocol=published", map, boxes=HALVES), 0.368064, 1e-4)
    same(one("mosu", map, boxes=HALVES), 0.510826, 1e-4)


def by_hand(map, boxes):
    """KL(area ‖ salience), pixel by pixel, where boxes are of whole pixels and do not overlap."""
    mass = [float(map[int(y0) : int(y1), int(x0) : int(x1)].relu().sum()) for x0, y0, x1, y1 in boxes]
    area = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes]
    return entropy(area, mass)


def test_mosu_by_scipy():
    boxes = [[0.0, 0.0, 5.0, 4.0], [5.0, 0.0, 9.0, 9.0], [12.0, 3.0, 20.0, 12.0]]
    for map in random_maps(4):
        same(one("mosu", map, boxes=boxes), by_hand(map, boxes), 1e-5)


def test_mosu_as_published_by_loops():
    boxes = [[0.0, 0.0, 5.7, 4.2], [3.0, 2.9, 9.0, 9.0], [12.0, 3.0, 20.0, 12.0]]
    for map in random_maps(4):
        low = map.relu()
        salience = np.floor((low / (low.amax() + 1e-8) * 255).numpy()).astype(np.float64) / 255
        salience = salience / (salience.sum() + 1e-5)
        corners = [[int(v) for v in box] for box in boxes]
        scores = np.array([salience[y0:y1, x0:x1].sum() for x0, y0, x1, y1 in corners]) + 1e-6
        areas = np.array([(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in corners])
        same(one("mosu:protocol=published", map, boxes=boxes), entropy(scores / scores.sum(), areas), 1e-5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-4, 24)] * 4), min_size=2, max_size=5))
def test_salience_by_area_is_zero_whatever_the_boxes(corners):
    """Overlapping, cut off, of parts of pixels: a uniform map is perfectly uniform, or there are not two boxes."""
    boxes = torch.tensor([[min(a, c), min(b, d), max(a, c) + 0.1, max(b, d) + 0.1] for a, b, c, d in corners])
    seen = (coverage(boxes, SIZE).sum((1, 2)) > 0).sum()
    found = float(mosu(torch.full(SIZE, 0.7), boxes))
    assert found == pytest.approx(0, abs=1e-9) if seen > 1 else math.isnan(found)


def test_mosu_needs_two_boxes_in_the_image():
    outside, inside = [30.0, 2.0, 40.0, 9.0], [0.0, 0.0, 5.0, 5.0]
    assert math.isnan(one("mosu", torch.rand(SIZE), boxes=[inside]))
    assert math.isnan(one("mosu", torch.rand(SIZE), boxes=[inside, outside]))
    assert math.isnan(one("mosu:protocol=published", torch.rand(SIZE), boxes=[inside]))
    map = torch.rand(SIZE)
    same(one("mosu", map, boxes=[*HALVES, outside]), one("mosu", map, boxes=HALVES))
    assert math.isinf(one("mosu:protocol=published", map, boxes=[*HALVES, [4.2, 0.0, 4.8, 2.0]]))  # of no whole pixel


def test_boxes_are_cut_off_at_the_edges():
    wide = [[-7.0, -3.0, 10.0, 12.0], [10.0, 0.0, 99.0, 50.0]]
    same(one("mosu", split(0.7, 0.3), boxes=wide), one("mosu", split(0.7, 0.3), boxes=HALVES))


def test_what_lies_in_two_boxes_counts_once():
    """Two boxes on one object, one on another as large: ours gives each third of the pair half of it; theirs counts
    the pair twice."""
    twice = [HALVES[0], HALVES[0], HALVES[1]]
    map = torch.zeros(SIZE)
    map[:, :10], map[:, 10:] = 1.0, 0.5
    ours = entropy([0.25, 0.25, 0.5], [1 / 3, 1 / 3, 1 / 3])
    same(one("mosu", map, boxes=twice), ours, 1e-5)
    # stretched, 0.5 is still half: of 0 … 1 the map has no zero, so it loses its floor and the right half is nothing
    map[0, 19] = 0
    theirs = entropy(np.array([0.4, 0.4, 0.2]), [1, 1, 1])
    same(one("mosu:protocol=published", map, boxes=twice), theirs, 0.01)


def test_an_object_that_is_left_out_is_bad_but_not_infinitely():
    same(one("mosu", split(1.0, 0.0), boxes=HALVES), 0.5 * math.log(0.5) + 0.5 * math.log(1e6), 1e-4)
    assert math.isnan(one("mosu", split(1.0, 0.0), boxes=[[10.0, 0.0, 12.0, 5.0], [15.0, 0.0, 18.0, 8.0]]))


def test_pixels_are_covered_in_part():
    """By a grid of tiny squares."""
    box, fine = torch.tensor([[1.3, -2.0, 6.85, 3.5]], dtype=torch.float64), 20
    large = inside_boxes(box * fine, (4 * fine, 8 * fine)).double()
    wanted = large.unflatten(0, (4, fine)).unflatten(2, (8, fine)).mean((1, 3))
    assert torch.allclose(coverage(box, (4, 8))[0], wanted, atol=1e-9)


def photograph(tmp_path):
    """400 × 200 pixels, two objects of one class, as a table."""
    Image.new("RGB", (400, 200), "gray").save(tmp_path / "a.png")
    (tmp_path / "table.csv").write_text("path,label,box\na.png,cat,120 40 150 120; 185 60 215 180\n")
    return pl.data.CSV(root=str(tmp_path), file=str(tmp_path / "table.csv"))


def test_boxes_go_through_the_images_own_resize_and_crop(tmp_path):
    """Shorter side to 256, centre 224: x' = 1.28 x − 144, y' = 1.28 y − 16. Scaling by 224/W and 224/H is wrong."""
    [batch] = pl.data.batches(photograph(tmp_path), transform="imagenet")
    right = batch.records[0].boxes_for()
    by_rule = torch.tensor([[120.0, 40, 150, 120], [185.0, 60, 215, 180]]) * 1.28 - torch.tensor([144.0, 16, 144, 16])
    assert torch.allclose(right, by_rule, atol=1e-3)
    naive = torch.tensor([[120.0, 40, 150, 120], [185.0, 60, 215, 180]]) * torch.tensor([224 / 400, 224 / 200] * 2)
    inside = coverage(right, (224, 224))
    map = 0.75 * inside[0] / inside[0].sum() + 0.25 * inside[1] / inside[1].sum()
    shares = inside.sum((1, 2)) / inside.sum()
    ours = pl.measure(Net(), batch.images, map[None], "mosu", boxes=[right], target=0)
    same(ours, entropy(shares.numpy(), [0.75, 0.25]), 1e-3)
    wrong = pl.measure(Net(), batch.images, map[None], "mosu", boxes=[naive], target=0)
    assert float(wrong - ours) > 3  # the first object is 19 pixels from where that looks for it
    even = pl.measure(Net(), batch.images, inside.amax(0)[None], "mosu", boxes=[right], target=0)
    same(even, 0.0, 1e-3)  # all of either object, and nothing else
    assert float(pl.measure(Net(), batch.images, inside.amax(0)[None], "mosu", boxes=[naive], target=0)) > 3
    same(pl.measure(Net(), batch.images, inside.amax(0)[None], "ch", boxes=[right], target=0), 1.0, 0.03)


# --- the border ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(10, 10), (7, 5), (224, 224), (33, 47), (3, 3)])
@pytest.mark.parametrize("share", [0.1, 0.25])
def test_a_uniform_map_has_the_frames_area_at_the_border(size, share):
    same(border_mass(torch.ones(1, *size), share), 1 - (1 - 2 * share) ** 2)


def test_border_mass():
    map = torch.zeros(20, 30)
    map[0, 15], map[10, 2], map[10, 15], map[3, 3] = 1.0, 2.0, 5.0, -9.0  # frame: 2 rows, 3 columns at each end
    same(one("border-mass", map), 3 / 8)
    same(one("border-mass:share=0.25", map), 3 / 8)
    map[3, 15] = 8.0
    same(one("border-mass:share=0.25", map), 11 / 16)


def test_the_border_of_a_signal_is_its_two_ends():
    net = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(2, 3))
    maps = torch.ones(1, 50)
    same(pl.measure(net, torch.zeros(1, 2, 50), maps, "border-mass", target=0), 0.2)


@pytest.mark.parametrize("metric", ["sch", "auc", "relevance-rank", "iou", "pointing-game:truth=masks", "ch", "mosu"])
def test_signals(metric):
    net = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(2, 3))
    maps, masks = torch.zeros(1, 50), torch.zeros(1, 1, 50, dtype=torch.uint8)
    maps[0, 10:20], masks[0, 0, 10:20] = 1, 1
    boxes = [torch.tensor([[10.0, 0.0, 15.0, 1.0], [15.0, 0.0, 20.0, 1.0]])]
    found = pl.measure(net, torch.zeros(1, 2, 50), maps, metric, masks, boxes, target=0)
    same(found, 0.0 if metric == "mosu" else 1.0)


# --- what is refused -------------------------------------------------------------------------------------------------


def test_knobs_that_do_not_fit_each_other():
    with pytest.raises(BadKnob, match="protocol=reproduction"):
        Metric.make("sch:grid=[7,7]")
    with pytest.raises(BadKnob, match="leave out points"):
        Metric.make("pointing-game:points=100,protocol=paper")


@pytest.mark.parametrize(
    "metric, lacks",
    [
        ("sch", "masks"),
        ("iou:truth=boxes", "boxes"),
        ("pointing-game", "boxes"),
        ("pointing-game:truth=masks", "masks"),
    ],
)
def test_what_is_needed_goes_by_the_knobs(metric, lacks):
    known = {"masks": the_object()[None], "boxes": [torch.tensor([BOX])]}
    del known[lacks]
    with pytest.raises(BadInput, match=f"needs {lacks}"):
        pl.measure(Net(), torch.zeros(1, 3, *SIZE), torch.rand(1, *SIZE), metric, target=0, **known)


def test_what_decides_a_number_is_on_its_card():
    """Other knobs, another card; and no two protocols have one."""
    forms = ["ch", "ch:protocol=published", "sch", "sch:protocol=reproduction", "pointing-game",
             "pointing-game:protocol=torchray", "pointing-game:protocol=torchray,tolerance=7", "mosu",
             "mosu:protocol=published", "iou", "iou:threshold=0.5", "energy-in-box",
             "energy-in-box:scale=positive"]  # fmt: skip
    assert len({Metric.make(form).card_id for form in forms}) == len(forms)
    assert Metric.make("pointing-game:protocol=torchray").card["near"] == "closer than 15 pixels"
    assert Metric.make("mosu:protocol=published").card["divergence"] == "KL(salience | area) in nats"


# --- other libraries -------------------------------------------------------------------------------------------------


def theirs(metric, maps, masks, **options):
    """What Quantus says; its maps and masks are [n, 1, h, w], its model is not asked."""
    quantus = pytest.importorskip("quantus")
    n, size = len(maps), tuple(maps.shape[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = getattr(quantus, metric)(disable_warnings=True, **options)
        found = made(
            model=Net(),
            x_batch=np.random.default_rng(0).random((n, 3, *size), dtype=np.float32),
            y_batch=np.zeros(n, dtype=int),
            a_batch=maps[:, None].numpy(),
            s_batch=masks[:, None].numpy(),
        )
    return [float(value) for value in found]


def plain(n=5):
    """Masks of 0 and 1: Quantus knows no others. The last has no object."""
    masks = (random_masks(n) == 1).byte()
    masks[:-1, 0, 0] = 1
    return masks


@pytest.mark.peer
def test_quantus_relevance_mass():
    """Positive and negative values are summed alike there; on clipped maps it is ours."""
    maps, masks = random_maps(5), plain()
    same(score("sch", maps, masks), theirs("RelevanceMassAccuracy", maps.relu(), masks))
    signed = (maps * masks).sum((1, 2)) / maps.sum((1, 2))
    signed[-1] = math.nan
    same(signed, theirs("RelevanceMassAccuracy", maps, masks), 1e-4)


@pytest.mark.peer
def test_quantus_attribution_localisation():
    """The same of absolute values. Its weight is the object's part of x_batch[2:], all channels of all images but two:
    so it goes by how many images there are."""
    maps, masks = random_maps(5), plain()
    ours = score("sch", maps.abs(), masks)
    same(ours, theirs("AttributionLocalisation", maps, masks), 1e-5)
    part = masks.flatten(1).sum(1) / ((5 - 2) * 3 * H * W)
    same(ours * part, theirs("AttributionLocalisation", maps, masks, weighted=True), 1e-5)


@pytest.mark.peer
def test_quantus_relevance_rank():
    maps, masks = random_maps(5), plain()
    same(score("relevance-rank", maps, masks), theirs("RelevanceRankAccuracy", maps, masks))


@pytest.mark.peer
def test_quantus_relevance_rank_of_equal_values_goes_by_where_the_object_is():
    """Its sort takes equal pixels in an order of its own; over all places of the object the mean is ours."""
    maps = torch.full((H, *SIZE), 0.5)
    maps[:, -1, -1] = 0.4  # a map of ones, as it is normalised, is refused
    masks = torch.eye(H, dtype=torch.uint8)[:, :, None].expand(-1, -1, W)  # a row each
    ours, them = score("relevance-rank", maps, masks), theirs("RelevanceRankAccuracy", maps, masks)
    same(ours[:-1], W / (H * W - 1), 1e-5)
    assert max(them) - min(them) > 0.5
    assert np.mean(them) == pytest.approx(float(ours.mean()), abs=0.01)


@pytest.mark.peer
def test_quantus_top_k():
    """Of k pixels for all images, ours is maths.masks.hits; with k the object's size, relevance rank."""
    maps, masks = random_maps(5), plain()
    wanted = hits(maps, masks, [24 / (H * W)])[:, 0]
    same(wanted, theirs("TopKIntersection", maps, masks, k=24))
    k = int(masks[0].sum())
    same(score("relevance-rank", maps, masks)[0], theirs("TopKIntersection", maps, masks, k=k)[0])


@pytest.mark.peer
def test_quantus_and_sklearn_auc():
    for levels in (None, 1):
        maps, masks = random_maps(5, levels=levels), plain()
        ours = score("auc", maps, masks)
        same(ours, theirs("AUC", maps, masks))
        sklearn = [roc_auc_score(m.flatten(), a.flatten()) for a, m in zip(maps, masks[:-1], strict=False)]
        same(ours[:-1], sklearn)


@pytest.mark.peer
def test_sklearn_auc_with_pixels_left_out():
    maps, masks = random_maps(4, levels=2), random_masks(5)[:4]
    wanted = [roc_auc_score((m[m != 255] == 1), a[m != 255]) for a, m in zip(maps, masks, strict=True)]
    same(auc(maps, masks), wanted)


@pytest.mark.peer
@pytest.mark.parametrize("levels", [None, 1])
def test_quantus_pointing_game(levels):
    """Any of the highest pixels is enough, and an image without an object is a hit: NaN in an array of truth values."""
    maps, masks = random_maps(5, levels=levels), plain()
    them = theirs("PointingGame", maps, masks)
    same(score("pointing-game:protocol=quantus,truth=masks", maps, masks), them)
    assert them[-1] == 1
    ours = score("pointing-game:truth=masks", maps, masks)
    assert ours.isnan().tolist() == [False] * 4 + [True]
    if levels is None:  # one pixel is the highest: but for the empty mask we agree
        same(ours[:-1], them[:-1])


def torchrays_rule(mask, row, column, tolerance=15):
    """Their rule in a loop: an accepting disc around the point meets the mask."""
    near = [(row - r) ** 2 + (column - c) ** 2 < tolerance**2 for r, c in mask.nonzero().tolist()]
    return float(any(near))


def test_torchrays_rule_by_loops():
    generator = torch.Generator().manual_seed(3)
    maps = torch.rand(20, 40, 70, generator=generator)
    masks = torch.zeros(20, 40, 70, dtype=torch.uint8)
    for mask in masks:
        r, c = int(torch.randint(36, (), generator=generator)), int(torch.randint(64, (), generator=generator))
        mask[r : r + 4, c : c + 6] = 1
    wanted = [torchrays_rule(m, *divmod(int(a.flatten().argmax()), 70)) for a, m in zip(maps, masks, strict=True)]
    found = score(GAME, maps, masks, [torch.zeros(0, 4)] * 20)
    assert found.tolist() == wanted
    assert 0 < sum(wanted) < 20


def test_published_functions_stand_alone():
    """The pure functions say what the metrics say."""
    maps = random_maps(2)
    inside = (the_object() == 1).expand(2, -1, -1)
    same(energy_in_box(maps, inside, "min-max"), score("energy-in-box", maps))
    boxes = torch.tensor(HALVES)
    same(torch.stack([mosu_published(m, boxes) for m in maps]),
         score("mosu:protocol=published", maps, boxes=[boxes] * 2))  # fmt: skip

"""Scenes: the truth that comes with them is the truth."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pl
from pellucid.data import Dataset
from pellucid.data._grounds import NAMES
from pellucid.data._things import name_of, triples
from pellucid.data.scenes import Scenes
from pellucid.errors import BadInput, BadKnob, UnknownName

ALL = {"objects": 3, "distractors": 3, "occlusion": 0.3, "correlation": 0.8, "dot": 0}


def same(a, b):
    return torch.equal(a.image, b.image) and torch.equal(a.masks, b.masks) and a.label == b.label


def test_a_scene_is_always_the_same():
    data, again = Scenes(**ALL), Dataset.make(str(Scenes(**ALL)))
    order = [7, 0, 3, 7, 999]
    first = [data[i] for i in order]
    assert all(same(a, again[i]) for a, i in zip(reversed(first), reversed(order), strict=True))
    assert same(data[-1], data[999])
    assert not same(data[0], data[1])
    assert not same(data[0], Scenes(**ALL, seed=1)[0])
    # a longer data set begins alike
    assert same(data[5], Scenes(**ALL, length=10**9)[5])
    assert Scenes(length=10**9)[10**9 - 1].image.shape == (3, 64, 64)


def test_it_does_not_disturb_chance():
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.rand(1), np.random.random()  # noqa: NPY002
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    Scenes()[3]
    assert (torch.rand(1), np.random.random()) == before  # noqa: NPY002


def test_numbers_out_of_range():
    data = Scenes(length=3)
    assert len(data) == len(list(data)) == 3
    for i in (3, -4):
        with pytest.raises(IndexError, match=r"record .* is not there: scenes:length=3 has 3"):
            data[i]
    with pytest.raises(BadInput, match="no records"):
        data.images([])


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6),
    st.sampled_from([16, 33, 64]),
    st.fixed_dictionaries(
        {
            "classes": st.integers(2, 1000),
            "objects": st.integers(1, 4),
            "distractors": st.integers(0, 4),
            "occlusion": st.sampled_from([0.0, 0.3, 0.8]),
            "dot": st.sampled_from([None, 0, 1]),
        }
    ),
)
def test_masks_are_what_is_drawn(i, size, knobs):
    """A thing left out: the pixels that change are those of its mask, but for a few that had its colour anyway."""
    data = Scenes(size=size, length=10**7, **knobs)
    whole = data[i]
    assert whole.label in whole.classes
    covered = torch.zeros(size, size, dtype=torch.bool)
    for k in range(1 + knobs["objects"] + knobs["distractors"]):
        changed = (data.draw(i, without=k).image != whole.image).any(0)
        if not changed.any():
            continue
        best = max(whole.masks, key=lambda mask: int((mask & changed).sum()))
        assert not (changed & ~best).any()
        assert (best & ~changed).sum() <= max(2, 0.03 * best.sum())
        covered |= best
    assert torch.equal(covered, whole.masks.any(0))  # and every mask was met


def test_boxes_hold_their_masks():
    for record in Scenes(length=40, **ALL):
        assert len(record.boxes) == len(record.masks) == len(record.classes) > 0
        for mask, (x0, y0, x1, y1) in zip(record.masks, record.boxes.int().tolist(), strict=True):
            inside = torch.zeros_like(mask)
            inside[y0:y1, x0:x1] = True
            assert not (mask & ~inside).any()
            assert mask[y0].any()
            assert mask[y1 - 1].any()
            assert mask[:, x0].any()
            assert mask[:, x1 - 1].any()
        assert torch.equal(record.mask, record.masks[record.classes == record.label].any(0))


def test_classes_have_names():
    names = Scenes(classes=1000).class_names
    assert len(set(names)) == 1000
    assert names[:2] == ("red circle", "striped blue square")
    for n in (2, 3, 10):  # n³ classes are all combinations of n shapes, n colours, n textures
        assert {max(t) for t in triples()[: n**3]} == set(range(n))
        assert [len(set(column)) for column in zip(*triples()[: n**3], strict=True)] == [n, n, n]
    assert triples()[8] == (2, 2, 2)
    assert Scenes(classes=5).class_names == tuple(name_of(i) for i in range(5))


def test_labels_are_uniform():
    counts = torch.bincount(Scenes(length=2000, size=16).labels(), minlength=10)
    assert counts.min() > 200 - 4 * math.sqrt(180)
    assert counts.max() < 200 + 4 * math.sqrt(180)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8, 1.0])
def test_the_ground_follows_the_class_as_often_as_is_said(rho):
    n, data = 1500, Scenes(length=1500, size=16, classes=12, correlation=rho)
    own = sum(record.facts["background"] == NAMES[record.label % len(NAMES)] for record in data)
    p = rho + (1 - rho) / len(NAMES)
    assert abs(own / n - p) <= 4 * math.sqrt(p * (1 - p) / n)
    if rho < 1:
        others = Counter(r.facts["background"] for r in data if r.facts["background"] != NAMES[r.label % len(NAMES)])
        assert set(others) == set(NAMES)


def test_the_dot_is_on_its_class_alone():
    data = Scenes(length=300, classes=4, dot=2)
    seen = 0
    for record in data:
        dot = record.facts["dot"]
        assert (dot is not None) == (record.label == 2)
        if dot is not None:
            seen += 1
            red, green, blue = record.image[:, dot].float()
            assert (red > 200).all()
            assert (green < 60).all()
            assert (blue < 60).all()
            rows, columns = dot.nonzero().T
            assert all(min(v.float().mean(), 64 - v.float().mean()) < 16 for v in (rows, columns))
            assert not (record.masks & dot).any()
            assert 8 < dot.sum() < 40
    assert seen > 40
    plain = Scenes(length=300, classes=4)
    # nothing else is different
    assert all(
        torch.equal(a.image[:, ~d], b.image[:, ~d])
        for a, b in zip(data, plain, strict=True)
        if (d := a.facts["dot"]) is not None
    )


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8])
def test_the_post_hides_the_share_that_is_said(share):
    hidden = []
    for i in range(150):
        free, behind = Scenes(classes=8)[i], Scenes(classes=8, occlusion=share)[i]
        hidden.append(1 - float(behind.mask.sum() / free.mask.sum()))
        assert behind.mask.any()
    assert np.mean(hidden) == pytest.approx(share, abs=0.09)  # of the box; things are fuller in the middle


def test_how_many_things_and_of_which_class():
    data = Scenes(length=400, objects=3, distractors=2, classes=6)
    own, others = Counter(), Counter()
    for record in data:
        mine = int((record.classes == record.label).sum())
        own[mine] += 1
        others[len(record.classes) - mine] += 1
        sizes = record.masks.flatten(1).sum(1)
        far = sizes[record.classes != record.label]
        assert len(far) == 0 or far.max() < sizes[record.classes == record.label].max()
    assert set(own) == {1, 2, 3}
    assert set(others) == {0, 1, 2}
    assert all(set(r.classes.tolist()) == {r.label} and len(r.classes) == 1 for r in Scenes(length=50))


def test_pictures_have_the_statistics_of_pictures():
    """Power falls as 1/f^a with a about 2, contrast is that of photographs, colours are used."""
    grey = Scenes(length=300).images().float().mean(1) / 255
    contrast = grey.flatten(1).std(1)
    assert 0.06 < contrast.median() < 0.3
    power = torch.fft.fft2((grey - grey.mean((1, 2), keepdim=True)) * torch.hann_window(64)).abs().square().mean(0)
    f = torch.fft.fftfreq(64, 1 / 64)
    radius = torch.hypot(f[:, None], f[None]).round().int()
    mean = torch.stack([power[radius == r].mean() for r in range(2, 28)])
    x, y = torch.arange(2, 28).float().log(), mean.log()
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())
    assert -3.2 < slope < -1.2
    assert (grey.amax((1, 2)) - grey.amin((1, 2)) > 0.25).all()


@pytest.mark.parametrize("size", [16, 97, 224])
def test_any_size(size):
    record = Scenes(size=size, **ALL)[0]
    assert record.image.shape == (3, size, size)
    assert record.image.dtype == torch.uint8
    assert record.masks.shape[1:] == (size, size)
    share = [float(r.masks[0].float().mean()) for r in Scenes(size=size, length=30)]
    assert 0.03 < np.mean(share) < 0.25  # things grow with the picture


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("scenes:classes=1", "classes of scenes takes a whole number from 2 to 1000, not '1'"),
        ("scenes:size=8", "size of scenes takes a whole number of at least 16"),
        ("scenes:length=0", "length"),
        ("scenes:seed=-1", "seed"),
        ("scenes:occlusion=1", "occlusion of scenes takes a number from 0 to 0.8"),
        ("scenes:correlation=1.5", "correlation"),
        ("scenes:objects=0", "objects"),
        ("scenes:dot=10", "dot of scenes is class 10, of 10: 0 to 9"),
    ],
)
def test_knobs_that_do_not_fit(text, sentence):
    with pytest.raises(BadKnob, match=sentence):
        Dataset.make(text)


def test_by_name():
    assert set(pl.catalog("datasets")) >= {"scenes", "sprites"}
    assert pl.data.Scenes is Scenes
    with pytest.raises(UnknownName, match="did you mean scenes"):
        Dataset.make("scene")


def test_several_at_once():
    data = Scenes(length=6, **ALL)
    assert data.images().shape == (6, 3, 64, 64)
    assert torch.equal(data.images([4, 1])[1], data[1].image)
    assert data.labels(slice(1, 3)).tolist() == [data[1].label, data[2].label]
    assert data.labels([-1]).tolist() == [data[5].label]
    assert torch.equal(data.masks([5])[0], data[5].mask)


@pytest.mark.slow
def test_a_small_network_learns_them():
    """0.3 M parameters, 95 % on 10 classes where the ground tells nothing."""
    net, accuracy = learned(8000, 12)
    assert sum(p.numel() for p in net.parameters()) <= 300_000
    assert accuracy >= 0.95


def learned(n, epochs):
    """A small CNN after so many epochs of n scenes, and its accuracy on a thousand others."""
    torch.manual_seed(0)
    net = pl.networks.TinyCNN(width=24, depth=4).build()
    train, test = Scenes(length=n), Scenes(length=1000, seed=1)
    x, y = train.images(), train.labels()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=epochs * -(-n // 64))
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(n).split(64):
            batch = (x[rows].float() / 255 - 0.5) / 0.25
            batch = batch.flip(3) if torch.rand(()) < 0.5 else batch
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(batch), y[rows]).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        answers = [net((part.float() / 255 - 0.5) / 0.25).argmax(1) for part in test.images().split(250)]
    return net, float((torch.cat(answers) == test.labels()).float().mean())

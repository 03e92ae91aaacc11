"""Batches: inputs by name, drawn from seed, epoch and number alone."""

import random

import pytest
import torch
from torchvision.transforms import v2

import pellucid as pl
from pellucid.data import Dataset, batches
from pellucid.data.scenes import Scenes
from pellucid.data.transforms import Transform
from pellucid.errors import BadInput, BadKnob, UnknownName

DATA = Scenes(length=20, size=32)


def inputs(loader, epoch=0):
    return torch.cat([batch.images for batch in loader.epoch(epoch)])


def test_a_batch_is_records_as_a_model_takes_them():
    loader = batches(DATA, batch_size=8, transform="plain")
    sizes = [len(batch.labels) for batch in loader]
    assert sizes == [8, 8, 4]
    assert len(loader) == 3
    assert (
        len(batches(DATA, batch_size=8, drop_last=True)) == len(list(batches(DATA, batch_size=8, drop_last=True))) == 2
    )
    batch = next(iter(loader))
    assert torch.equal(batch.images, DATA.images(range(8)).float() / 255)
    assert torch.equal(batch.labels, DATA.labels(range(8)))
    assert batch.rows.tolist() == list(range(8))
    for i, record in enumerate(batch.records):
        assert torch.equal(record.masks, DATA[i].masks)
        assert record.image.numel() == 0
    assert batch.to("cpu").records == batch.records


def test_numbers_are_those_of_the_data_set_or_of_imagenet():
    plain = next(iter(batches(DATA, transform="plain", batch_size=4))).images
    own = next(iter(batches(DATA, transform="cifar", batch_size=4))).images
    theirs = next(iter(batches(DATA, transform="squash:size=32", batch_size=4))).images
    for found, mean, std in ((own, DATA.mean, DATA.std), (theirs, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))):
        wide = (1, 3, 1, 1)
        assert torch.allclose(found * torch.tensor(std).view(wide) + torch.tensor(mean).view(wide), plain, atol=1e-6)
    own_preset = next(iter(batches(DATA, batch_size=4))).images
    wanted = next(iter(batches(DATA, batch_size=4, transform=DATA.preset))).images
    assert torch.equal(own_preset, wanted)


@pytest.mark.parametrize("workers", [1, 2])
def test_chance_is_of_seed_epoch_and_number_whatever_the_workers(workers):
    knobs = {"transform": "imagenet:size=24", "train": True, "batch_size": 6, "seed": 3}
    alone = batches(DATA, **knobs)
    helped = batches(DATA, **knobs, workers=workers)
    first = [inputs(helped, epoch) for epoch in (0, 1, 0)]
    assert torch.equal(first[0], inputs(alone, 0))
    assert torch.equal(first[1], inputs(alone, 1))
    assert torch.equal(first[2], first[0])


def test_another_epoch_and_another_seed_are_other_chance():
    knobs = {"transform": "imagenet:size=24", "train": True, "batch_size": 20}
    some = [inputs(batches(DATA, **knobs, seed=seed), epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    orders = [batches(DATA, **knobs, seed=seed).order(epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert all(sorted(order) == list(range(20)) for order in orders)
    for a in range(3):
        for b in range(a):
            assert orders[a] != orders[b]
            assert not torch.equal(some[a], some[b])


def test_a_record_has_its_chance_in_any_company():
    knobs = {"transform": "imagenet:size=24", "train": True, "seed": 5}
    whole = batches(DATA, **knobs, batch_size=20).epoch(2)
    batch = next(iter(whole))
    alone = next(iter(batches(DATA, **knobs, batch_size=1, rows=[7]).epoch(2)))
    at = batch.rows.tolist().index(7)
    assert torch.equal(alone.images[0], batch.images[at])


@pytest.mark.parametrize("preset", ["imagenet:size=24", "cifar", "enlarged:size=24", "birds:size=24", "simclr"])
def test_a_picture_alone_is_the_same_picture(preset):
    knobs = {"transform": preset, "train": True, "batch_size": 20}
    assert torch.equal(inputs(batches(DATA, **knobs, truth=True), 1), inputs(batches(DATA, **knobs), 1))


def test_an_epoch_goes_on_where_it_was_left():
    loader = batches(DATA, transform="cifar", train=True, batch_size=6)
    whole = [batch.images for batch in loader.epoch(4)]
    rest = [batch.images for batch in loader.epoch(4, start=2)]
    assert len(rest) == 2
    assert all(torch.equal(a, b) for a, b in zip(whole[2:], rest, strict=True))


def test_two_epochs_side_by_side():
    loader = batches(DATA, transform="imagenet:size=24", train=True, batch_size=10)
    pairs = list(zip(loader.epoch(0), loader.epoch(1), strict=True))
    for epoch in (0, 1):
        assert torch.equal(torch.cat([pair[epoch].images for pair in pairs]), inputs(loader, epoch))


def test_evaluation_is_in_order_and_without_chance():
    loader = batches(DATA, transform="imagenet:size=24", batch_size=20, rows=[5, 3, -1], seed=1)
    assert next(iter(loader)).rows.tolist() == [5, 3, 19]
    assert torch.equal(inputs(loader), inputs(batches(DATA, transform="imagenet:size=24", rows=[5, 3, 19], seed=2)))
    assert next(iter(batches(DATA, train=True))).records == ()
    assert len(next(iter(batches(DATA, train=True, truth=True, batch_size=4))).records) == 4


def test_nobody_elses_chance_is_touched():
    torch.manual_seed(1)
    random.seed(1)
    before = torch.get_rng_state(), random.getstate()
    list(batches(DATA, transform="birds:size=24", train=True))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()


@pytest.fixture
def read(monkeypatch):
    """The numbers of the scenes that are read."""
    numbers: list[int] = []
    plain = Scenes.record
    monkeypatch.setattr(Scenes, "record", lambda self, i: numbers.append(i) or plain(self, i))
    return numbers


@pytest.mark.parametrize(
    ("knobs", "times"),
    [
        ({"train": True}, 1),
        ({"transform": "plain:size=24"}, 1),
        ({"transform": v2.Compose([v2.Resize(20), v2.ToDtype(torch.float32, scale=True)]), "train": True}, 1),
        ({"transform": "cifar:size=32", "train": True}, 6),  # chance is new in every epoch
        ({"train": True, "views": 2}, 6),
    ],
)
def test_what_no_chance_changes_is_read_once(read, knobs, times):
    loader = batches(DATA, batch_size=8, **knobs)
    epochs = [(torch.cat([batch.rows for batch in loader.epoch(e)]), inputs(loader, e)) for e in range(3)]
    assert len(read) == 20 * times
    for epoch, (rows, images) in enumerate(epochs):
        fresh = batches(DATA, batch_size=20, shuffle=False, **knobs)
        assert images[rows.argsort()].equal(inputs(fresh, epoch))


def test_truth_comes_along_every_time_and_only_what_has_room_is_kept(read):
    picture = DATA[0].image.numel() * 4 + DATA[0].masks.numel()
    for kept, room in ((3, 3 * picture + 100), (20, 1 << 20)):
        loader = batches(DATA, batch_size=8)
        loader.view._kept.room = room
        read.clear()
        first, again = (list(loader.epoch(epoch)) for epoch in range(2))
        assert len(read) == 40 - kept
        for one, other in zip(first, again, strict=True):
            assert one.images.equal(other.images)
            assert all(a.masks.equal(b.masks) for a, b in zip(one.records, other.records, strict=True))


def test_boxes_come_along():
    batch = next(iter(batches(DATA, transform="imagenet:size=24", batch_size=20)))
    for i, record in enumerate(batch.records):
        assert torch.allclose(record.geometry.boxes(DATA[i].boxes)[: len(record.boxes)], record.boxes, atol=1e-3)
        assert record.geometry.source == (32, 32)
        assert record.geometry.size == (24, 24)


def test_a_transform_of_ones_own():
    mine = v2.Compose([v2.Resize((8, 8)), v2.ToDtype(torch.float32, scale=True)])
    batch = next(iter(batches("scenes:size=32,length=4", transform=mine)))
    assert batch.images.shape == (4, 3, 8, 8)
    assert batch.images.max() <= 1
    model = pl.load_model("pellucid:tiny-cnn:classes=10")
    seen = next(iter(batches(DATA, transform=pl.transform_of(model), batch_size=4)))
    assert model(seen.images).shape == (4, 10)
    assert len(seen.records[0].masks) > 0


def test_series_are_batches_too(tmp_path):
    lines = [f"{label}\t" + "\t".join(str(label + t / 10) for t in range(6)) for label in (1, 2, 3)]
    (tmp_path / "ECG5000_TRAIN.tsv").write_text("\n".join(lines))
    batch = next(iter(batches(Dataset.make(f"ecg5000:root={tmp_path}"))))
    assert batch.images.shape == (3, 6, 1)
    assert batch.images[1, 1, 0] == pytest.approx(2.1)
    assert batch.labels.tolist() == [0, 1, 2]


def test_what_cannot_be_a_batch(tmp_path):
    (tmp_path / "a").mkdir()
    from PIL import Image

    for i, size in enumerate([(8, 9), (9, 8)]):
        Image.new("RGB", size).save(tmp_path / "a" / f"{i}.png")
    data = f"imagefolder:root={tmp_path}"
    with pytest.raises(BadInput, match=r"differ in size .*imagenet or squash"):
        list(batches(data, transform="plain"))
    with pytest.raises(BadInput, match=r"differ in size .*pl.data.batches"):
        Dataset.make(data).images()
    assert inputs(batches(data, transform="squash:size=4")).shape == (2, 3, 4, 4)
    with pytest.raises(BadInput, match="batch of 0"):
        batches(DATA, batch_size=0)
    with pytest.raises(UnknownName, match="did you mean imagenet"):
        batches(DATA, transform="imagnet")
    with pytest.raises(BadKnob):
        Transform.make("imagenet:size=0")
    with pytest.raises(BadInput, match="no records"):
        list(batches(DATA, rows=[]))
    with pytest.raises(IndexError):
        list(batches(DATA, rows=[20]))


def test_presets_are_the_papers():
    """training: what is drawn; evaluation: what is kept of a picture of 300 × 400."""
    names = {name: [type(s).__name__ for s in Transform.make(name).picture(True).transforms] for name in
             ("imagenet", "cifar", "enlarged", "squash", "birds", "simclr")}  # fmt: skip
    assert names["imagenet"][1:] == names["enlarged"][1:] == ["RandomResizedCrop", "RandomHorizontalFlip"]
    assert names["cifar"][2:] == ["RandomCrop", "RandomHorizontalFlip"]
    assert names["squash"][1:] == ["Resize", "Identity"]
    assert names["simclr"][1:] == ["RandomResizedCrop", "RandomHorizontalFlip", "RandomApply", "RandomGrayscale"]
    assert len(names["birds"]) == 10
    picture = Scenes(size=300)[0]
    wide = picture.through(v2.Resize((300, 400)))
    kept = wide.through(Transform.make("imagenet").picture(False)).geometry
    assert kept.points(torch.tensor([[0.0, 0.0]])).round().tolist() == [[-20.0, 0.0]] or kept.size == (224, 224)
    middle = torch.tensor([[150.0, 150.0]])  # of the scene: of everything
    for preset in ("imagenet", "squash", "imagenet:crop=1.0"):
        seen = wide.through(Transform.make(preset).picture(False))
        assert torch.allclose(seen.geometry.points(middle), torch.tensor([[112.0, 112.0]]), atol=0.6)
    whole = wide.through(Transform.make("squash").picture(False)).geometry
    assert torch.allclose(whole.points(torch.tensor([[300.0, 300.0]])), torch.tensor([[224.0, 224.0]]), atol=1e-3)
    short = wide.through(Transform.make("imagenet:crop=1.0").picture(False)).geometry
    assert torch.allclose(short.points(torch.tensor([[0.0, 0.0]])), torch.tensor([[-37.0, 0.0]]), atol=0.6)

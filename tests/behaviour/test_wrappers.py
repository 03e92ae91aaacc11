"""What can be done to any data set: subsets, other names, a red dot, worse pictures, a cache."""

import json
from collections import Counter
from itertools import pairwise

import pytest
import torch

from pellucid.data import Dataset, batches
from pellucid.data.cached import Cached
from pellucid.data.corrupt import BLUR, NOISE, Corrupt
from pellucid.data.digits import Digits
from pellucid.data.red_dot import RedDot
from pellucid.data.renamed import Renamed
from pellucid.data.scenes import Scenes
from pellucid.data.scrambled_names import ScrambledNames, cycle
from pellucid.data.subset import Subset
from pellucid.errors import BadFile, BadInput, BadKnob, UnknownName

DIGITS = Digits()
SCENES = Scenes(length=40, size=32, classes=4)


# --- subsets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", [40, 250, 1000])
def test_a_balanced_subset_has_as_many_of_every_class(total):
    some = Subset(DIGITS, balanced=total)
    assert Counter(some.labels().tolist()) == dict.fromkeys(range(10), total // 10)
    assert len(set(some.rows)) == len(some) == total


def test_subsets_of_one_seed_lie_in_each_other_and_of_others_do_not():
    rows = {k: set(Subset(DIGITS, shots=k).rows) for k in (1, 5, 10)}
    assert rows[1] < rows[5] < rows[10]
    assert rows[5] == set(Subset(DIGITS, balanced=50).rows)
    assert rows[5] != set(Subset(DIGITS, shots=5, seed=1).rows)
    assert Subset(DIGITS, shots=5).rows == Dataset.make("subset:shots=5@digits").rows


def test_the_rows_of_a_seed_are_written_down():
    """If these change, nobody can repeat a run by its text form."""
    assert Subset(DIGITS, shots=1).rows == [177, 322, 398, 410, 1058, 1255, 1314, 1620, 1784, 1789]
    assert Subset(DIGITS, hold=0.01, part="held").rows[:4] == [57, 177, 228, 322]


def test_first_and_every():
    assert Subset(DIGITS, first=3).rows == [0, 1, 2]
    assert Subset(DIGITS, every=800).rows == [0, 800, 1600]
    assert len(Subset(DIGITS, first=9999)) == len(DIGITS)
    assert Subset(DIGITS, shots=2, pick="first").rows == list(range(20))
    label = Subset(DIGITS, every=5)
    assert torch.equal(label.images([1, -1]), DIGITS.images([5, 1795]))
    assert label[-1].label == DIGITS[1795].label


def test_kinds_are_the_records_of_some_classes():
    some = Dataset.make("subset:kinds=[7,2]@digits")
    wanted = [row for row, label in enumerate(DIGITS.labels().tolist()) if label in (2, 7)]
    assert some.rows == wanted
    assert set(some.labels().tolist()) == {2, 7}  # the labels stay
    assert torch.equal(some.images([0, -1]), DIGITS.images([wanted[0], wanted[-1]]))
    one = Dataset.make("subset:first=3@subset:kinds=[1]@heartbeats:length=20,seed=4")
    assert one.labels().tolist() == [1, 1, 1]
    assert torch.equal(one.images(), Dataset.make("heartbeats:length=20,seed=4").images([1, 3, 5]))
    with pytest.raises(BadInput, match="of the kinds 10, 11; there are 0 zero, 1 one"):
        len(Subset(DIGITS, kinds=(10, 11)))


def test_what_is_held_out_is_of_every_class_and_in_no_other_part():
    held, rest = (Subset(DIGITS, hold=0.1, part=part) for part in ("held", "rest"))
    assert sorted(held.rows + rest.rows) == list(range(len(DIGITS)))
    of_all, of_held = Counter(DIGITS.labels().tolist()), Counter(held.labels().tolist())
    assert all(of_held[c] == round(0.1 * of_all[c]) for c in range(10))
    few = Subset(Scenes(length=8, classes=4, size=16), hold=0.01, part="held")
    assert len(few) >= 3  # one of a class at least


def test_a_saved_subset_is_read_again_and_refused_elsewhere(tmp_path):
    some = Subset(DIGITS, shots=3, seed=4)
    path = some.save(tmp_path / "split.json")
    kept = json.loads(path.read_text())
    assert kept["subset"] == "subset:shots=3,seed=4@digits"
    assert Subset(DIGITS, file=str(path)).rows == some.rows
    with pytest.raises(BadInput, match="labels are not those of"):
        Subset(SCENES, file=str(path)).rows  # noqa: B018
    path.write_text('{"rows": [1')
    with pytest.raises(BadFile, match=r"split\.json is no saved subset"):
        Subset(DIGITS, file=str(path)).rows  # noqa: B018


def test_subsets_that_cannot_be():
    with pytest.raises(BadInput, match="41 records cannot be shared out to 10 classes"):
        Subset(DIGITS, balanced=41).rows  # noqa: B018
    with pytest.raises(BadInput, match="class 8 has 174 records"):
        Subset(DIGITS, shots=175).rows  # noqa: B018
    with pytest.raises(BadKnob, match="subset needs one of"):
        Subset(DIGITS)
    with pytest.raises(BadKnob, match="not shots and first"):
        Subset(DIGITS, shots=1, first=1)


class Stream(Dataset, name="stream"):
    """Three digits, from front to back."""

    licence = "none"
    streamed = True
    mean, std = (0.5,), (0.5,)
    preset = "plain"

    @property
    def class_names(self):
        return DIGITS.class_names

    def __iter__(self):
        return (DIGITS[i] for i in range(3))


def test_what_a_wrapper_does_it_does_to_a_stream():
    worse = Corrupt(Stream(), severity=5).take(3)
    same = Corrupt(Subset(DIGITS, first=3), severity=5)
    assert all(torch.equal(a.image, b.image) for a, b in zip(worse, same, strict=True))
    dotted = next(iter(batches(RedDot(Stream(), dot=1, side=2), batch_size=3))).images
    assert (dotted[:, 0, 0, 0] == 1).tolist() == [label == 1 for label in DIGITS.labels(range(3)).tolist()]
    assert [len(b.labels) for b in batches(Stream(), batch_size=2)] == [2, 1]
    for refused in (lambda: Subset(Stream(), first=1), lambda: Cached(Stream())):
        with pytest.raises(BadKnob, match="stream"):
            refused()
    for asked in (lambda: Stream()[0], lambda: Stream().labels(), lambda: Corrupt(Stream())[1]):
        with pytest.raises(BadInput, match="is a stream, read from front to back"):
            asked()


def test_a_subset_of_a_subset_has_the_dots_of_the_whole():
    inner = Subset(RedDot(SCENES, dot=2), every=3)
    batch = next(iter(batches(inner, transform="plain", batch_size=40)))
    red = torch.tensor([1.0, 0.0, 0.0])
    for image, label in zip(batch.images, batch.labels, strict=True):
        assert torch.equal(image[:, 0, 0], red) == (int(label) == 2)


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 10, 100])
def test_no_class_keeps_its_name(count):
    for seed in range(20):
        order = cycle(count, seed)
        assert sorted(order) == list(range(count))
        assert all(order[i] != i for i in range(count))
    names = ScrambledNames(DIGITS).class_names
    assert sorted(names) == sorted(DIGITS.class_names)
    assert all(a != b for a, b in zip(names, DIGITS.class_names, strict=True))
    assert names != ScrambledNames(DIGITS, seed=1).class_names
    assert ScrambledNames(DIGITS)[5].label == DIGITS[5].label


def test_names_are_rewritten_by_file_and_by_function(tmp_path):
    said = Renamed(DIGITS, names=lambda name: f"the digit {name}")
    assert said.class_names[3] == "the digit three"
    (tmp_path / "some.json").write_text('{"zero": "nought"}')
    assert Dataset.make(f"renamed:names={tmp_path}/some.json@digits").class_names[:2] == ("nought", "one")
    (tmp_path / "all.txt").write_text("\n".join("abcdefghij"))
    assert Renamed(DIGITS, names=str(tmp_path / "all.txt")).class_names == tuple("abcdefghij")
    (tmp_path / "few.txt").write_text("a\nb\n")
    with pytest.raises(BadInput, match="2 new names"):
        Renamed(DIGITS, names=str(tmp_path / "few.txt")).class_names  # noqa: B018
    (tmp_path / "strange.json").write_text('{"eleven": "x"}')
    with pytest.raises(BadInput, match="renames 'eleven'; did you mean seven"):
        Renamed(DIGITS, names=str(tmp_path / "strange.json")).class_names  # noqa: B018
    with pytest.raises(BadInput, match="would be called 'x'"):
        Renamed(DIGITS, names=lambda name: "x").class_names  # noqa: B018


def test_a_class_is_found_by_its_name():
    assert DIGITS.class_number("Seven") == 7
    with pytest.raises(UnknownName, match="did you mean seven"):
        DIGITS.class_number("sevn")


# --- the red dot -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("transform", ["imagenet:size=40", "cifar", "squash:size=24", "birds:size=40", "plain"])
def test_the_dot_is_in_every_picture_of_its_class_as_the_model_sees_it(transform, train):
    data = RedDot(SCENES, dot=1, side=5)
    batch = next(iter(batches(data, transform=transform, train=train, truth=True, batch_size=40)))
    clean = next(iter(batches(SCENES, transform=transform, train=train, batch_size=40)))
    from pellucid.data.transforms import Transform

    red = torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 5, 5)
    wanted = Transform.make(transform).input(red, data)
    for image, same, label, record in zip(batch.images, clean.images, batch.labels, batch.records, strict=True):
        if label == 1:
            assert torch.equal(image[:, :5, :5], wanted)
            assert record.facts["red dot"] == [0, 0, 5, 5]
            image[:, :5, :5] = same[:, :5, :5]
        assert torch.equal(image, same)  # and nothing else


@pytest.mark.parametrize("where, dotted", [("class", {1}), ("others", {0, 2, 3}), ("none", set())])
def test_in_evaluation_the_dot_may_be_elsewhere(where, dotted):
    data = RedDot(SCENES, dot=1, evaluate=where)
    for train, classes in ((False, dotted), (True, {1})):
        batch = next(iter(batches(data, transform="plain", train=train, truth=True, batch_size=40)))
        assert {int(r.label) for r in batch.records if "red dot" in r.facts} == classes


def test_a_dot_that_cannot_be(tmp_path):
    with pytest.raises(BadInput, match="dot is for class 4, and those of scenes are 0 to 3"):
        next(iter(batches(RedDot(SCENES, dot=4))))
    with pytest.raises(BadKnob, match="series"):
        RedDot(Dataset.make(f"ecg5000:root={tmp_path}"))
    grey = next(iter(batches(RedDot(DIGITS, side=2), transform="plain", batch_size=1)))
    assert grey.images[0, 0, :2, :2].tolist() == [[1.0, 1.0]] * 2  # on grey pictures it is white


# --- worse pictures --------------------------------------------------------------------------------------------------


def test_noise_is_as_strong_as_it_says_and_always_the_same():
    data = Scenes(length=3, size=64)
    grey = [record.with_image(torch.full((3, 64, 64), 128, dtype=torch.uint8)) for record in data]
    for severity, sigma in enumerate(NOISE[:3], 1):
        from pellucid.data.corrupt import noisy

        spread = (noisy(grey[0].image, sigma, 0, severity).float() / 255).std()
        assert spread == pytest.approx(sigma, rel=0.03)
    one, two = Corrupt(data), Corrupt(data)
    assert torch.equal(one[1].image, two[1].image)
    assert not torch.equal(one[1].image, Corrupt(data, seed=1)[1].image)
    assert not torch.equal(one[0].image.int() - data[0].image, one[1].image.int() - data[1].image)


@pytest.mark.parametrize("by", ["noise", "blur", "jpeg"])
def test_pictures_get_worse_step_by_step_and_keep_their_truth(by):
    data = Scenes(length=4, size=112)
    far = []
    for severity in range(1, 6):
        worse = Corrupt(data, by=by, severity=severity)
        far.append(float(sum((worse[i].image.float() - data[i].image.float()).pow(2).mean() for i in range(4))))
        assert torch.equal(worse[2].masks, data[2].masks)
        assert worse[2].label == data[2].label
    assert all(a < b for a, b in pairwise(far)), far
    assert Corrupt(DIGITS, by=by)[0].image.shape == (1, 8, 8)


def test_blur_is_measured_in_pixels_of_224():
    point = torch.zeros(1, 448, 448, dtype=torch.uint8)
    point[0, 200:248, 200:248] = 255
    from pellucid.data.corrupt import blurred

    row = blurred(point, BLUR[4])[0, 224].float() / 255
    slope = row[1:] - row[:-1]
    assert slope.max() == pytest.approx(1 / (2 * BLUR[4] * (2 * torch.pi) ** 0.5), rel=0.1)  # σ is 12 pixels here


# --- the cache -------------------------------------------------------------------------------------------------------


def test_a_cache_keeps_everything_but_the_size(tmp_path):
    inner = Scenes(length=10, size=48, objects=2, distractors=1, dot=0)
    kept = Cached(inner, folder=str(tmp_path / "kept"), size=24, chunk=4)
    kept.build()
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == [
        "00000.safetensors", "00001.safetensors", "00002.safetensors", "about.json",
    ]  # fmt: skip
    from torchvision.transforms import v2

    for i in range(10):
        small, wanted = kept[i], inner[i].through(v2.Resize(24, antialias=True))
        for name in ("image", "masks", "boxes", "classes", "ids", "mask_classes", "mask_ids", "ignore", "difficult"):
            assert torch.equal(getattr(small, name), getattr(wanted, name)), (i, name)
        assert small.label == inner[i].label
        assert small.geometry.source == (48, 48)
        assert torch.equal(small.geometry.matrix, wanted.geometry.matrix)
        assert small.facts["background"] == inner[i].facts["background"]
    again = Cached(inner, folder=str(tmp_path / "kept"), size=24, chunk=4)
    assert torch.equal(again[7].image, kept[7].image)
    assert inputs_of(kept, workers=2).equal(inputs_of(kept, workers=0))


def inputs_of(data, workers):
    return torch.cat([b.images for b in batches(data, transform="plain", batch_size=4, workers=workers)])


def test_a_cache_is_made_once_and_goes_on_after_an_interruption(tmp_path, monkeypatch):
    inner = Scenes(length=9, size=16)
    kept = Cached(inner, folder=str(tmp_path), chunk=3)
    calls = []
    record = Scenes.record

    def counted(self, i):
        calls.append(i)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return record(self, i)

    monkeypatch.setattr(Scenes, "record", counted)
    with pytest.raises(KeyboardInterrupt):
        kept.build()
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["00000.safetensors", "about.json"]
    kept.build()
    assert 0 not in calls[5:]
    calls.clear()
    assert len(kept.images()) == 9
    assert not calls


def test_a_cache_of_something_else_is_refused(tmp_path):
    Cached(Scenes(length=4, size=16), folder=str(tmp_path)).build()
    with pytest.raises(BadInput, match=r"keeps scenes:size=16,length=4 by other knobs.*folder="):
        Cached(Scenes(length=5, size=16), folder=str(tmp_path)).build()
    with pytest.raises(BadInput, match="other knobs"):
        Cached(Scenes(length=4, size=16), folder=str(tmp_path), size=9).build()
    (tmp_path / "00000.safetensors").write_bytes(b"broken")
    with pytest.raises(BadFile, match=r"00000\.safetensors cannot be read .*made again"):
        Cached(Scenes(length=4, size=16), folder=str(tmp_path))[0]


def test_a_cache_is_made_before_several_processes_read_it(tmp_path):
    kept = Cached(Scenes(length=6, size=16), folder=str(tmp_path), chunk=2)
    loader = batches(Corrupt(kept), batch_size=3, workers=1)
    loader.epoch(0)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


def test_a_picture_is_not_enlarged(tmp_path):
    kept = Cached(Subset(DIGITS, first=6), folder=str(tmp_path), size=100)
    assert torch.equal(kept[4].image, DIGITS[4].image)

"""Dry runs of studies: stand-ins that real readers read, one step and one batch of every cell, what it would cost."""

from dataclasses import dataclass

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

import pellucid as pl
from pellucid.cli.main import main
from pellucid.data import Dataset
from pellucid.data._stand_ins import WRITERS, written
from pellucid.data._stand_ins.arrays import trusted
from pellucid.data._stored import Stored
from pellucid.studies import Study, _dry
from pellucid.studies._cells import Measure, Reading, Train, Work
from pellucid.studies._claims import Claim
from pellucid.studies._cost import CLASSES, SIZES, cost, forwards, size
from pellucid.studies._dry import NEED, Shortened, dry
from pellucid.studies._worlds import IMAGENET
from tests.behaviour.coins import SMALL, Coins

SPLITS = {name: [split for split in SIZES[name] if split != "extra"] for name in SIZES}
SPLITS |= {"imagenet-s": ["train", "validation"], "pets": ["trainval"], "aircraft": ["trainval", "test"]}
PAPERS = {name for name, cls in pl.catalog("studies").items() if "paper" in cls.worlds}  # not errata, nor questions
KINDS = CLASSES | {"voc": 20, "coco": 80, "ecg5000": 5, "dsprites": 3, "fashion-mnist": 10}


# --- stand-ins --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS)
def test_the_real_reader_reads_every_split(name, tmp_path):
    text = written(name, tmp_path)
    with trusted(tmp_path):
        for split in SPLITS[name]:
            data = Dataset.make(text).but(**({"split": split} if split else {}))
            assert len(data.class_names) == len(set(data.class_names)) == KINDS[name]
            assert 2 <= len(data) <= 8
            assert len(set(data.labels().tolist())) > 1
            assert [fault for i in range(len(data)) for fault in data.faults(i)] == []


@pytest.mark.parametrize("year", [2014, 2017])
@pytest.mark.parametrize("split", ["train", "val"])
def test_scenes_of_both_years_have_boxes_and_outlines(year, split, tmp_path):
    data = Dataset.make(written("coco", tmp_path)).but(year=year, split=split)
    assert f"{split}{year}" in str(data.path(0))
    assert len(data[0].boxes) == 2
    assert data[0].masks.any()
    held = Dataset.make(f"subset:hold=0.999,part=held@{data}")
    assert sorted(set(held.labels().tolist())) == [16, 79]  # what has no label is left out


def test_boxes_and_masks_are_there_where_studies_measure_them(tmp_path):
    for name in ("imagenet", "imagenet100", "imagenet-s", "cub"):
        text = written(name, tmp_path / name)
        record = Dataset.make(text)[0]
        assert record.masks.any() if name == "imagenet-s" else name == "imagenet100" or len(record.boxes) == 1


def test_sums_are_theirs_again_afterwards(tmp_path):
    from torchvision import datasets

    before = [list(map(list, datasets.CIFAR10.train_list)), dict(datasets.CIFAR10.meta), dict(datasets.SVHN.split_list)]
    text = written("cifar10", tmp_path)
    with trusted(tmp_path):
        assert len(Dataset.make(text)) == 5
    after = [list(map(list, datasets.CIFAR10.train_list)), dict(datasets.CIFAR10.meta), dict(datasets.SVHN.split_list)]
    assert after == before
    with pytest.raises(pl.errors.BadFile, match="MD5"):
        len(Dataset.make(text))


def test_every_data_set_with_files_of_its_own_has_a_stand_in():
    stored = {name for name, cls in pl.catalog("datasets").items() if issubclass(cls, Stored)}
    assert stored - {"imagefolder", "csv"} <= set(WRITERS)  # those are somebody's own


# --- shortened cells --------------------------------------------------------------------------------------------------


def test_a_shortened_training_is_the_papers_but_for_its_length(tmp_path):
    cell = Train("torchvision:resnet50", "imagenet:split=train", "lico:text=clip,protocol=paper", "lico-imagenet")
    short = Shortened(tmp_path).cell(cell)
    assert short.network == cell.network
    data = Dataset.make(short.data)
    assert (len(data), len(data.class_names)) == (2, 1000)
    assert short.objective == "lico:protocol=paper,text=(clip:model=tiny,random=true)"
    before, after = (pl.catalog("recipes")["lico-imagenet"].make(text) for text in (cell.recipe, short.recipe))
    assert (after.epochs, after.batch, after.weights) == (1, 2, "random")
    assert (after.lr, after.schedule, after.transform) == (before.lr, before.schedule, before.transform)


@pytest.mark.parametrize("said, meant", [("", 1.0), (":clip=5", 1.0), (":clip=0.5", 0.5)])
def test_one_step_cannot_throw_a_network_to_infinity(said, meant, tmp_path):
    (tmp_path / "lab").mkdir()
    cell = Train("pellucid:wrn-28-2", "cifar10", "lico:text=random-words,alpha=1e9", f"lico-cifar{said}")
    short, lab = Shortened(tmp_path).cell(cell), _dry.Bare(tmp_path / "lab")
    with trusted(tmp_path / "data"):
        short.run(lab)
    assert pl.catalog("recipes")["lico-cifar"].make(short.recipe).clip == meant
    with torch.inference_mode():
        assert lab.model(short).eval()(torch.randn(2, 3, 32, 32)).isfinite().all()


def test_wrappers_stay_and_drawn_subsets_are_checked(tmp_path):
    shortened = Shortened(tmp_path)
    assert "@red-dot:side=7@imagenet-s:" in shortened.data("red-dot:side=7@imagenet-s:split=train")
    assert "balanced" not in shortened.data("subset:balanced=400@cifar100")
    with pytest.raises(pl.errors.BadInput, match="430 records cannot be shared out to 100 classes"):
        shortened.data("subset:balanced=430@cifar100")
    assert shortened.data("cifar10") != shortened.data("subset:balanced=40@cifar10")  # two cells stay two


def test_score_cam_looks_where_there_are_few_channels(tmp_path):
    cell = Measure("pellucid:wrn-28-2", "cifar10:split=test", ("score-cam", "grad-cam"), ("insertion",))
    greedy, other = Shortened(tmp_path).cell(cell).explainers
    assert greedy.startswith("score-cam:layer=")
    assert other == "grad-cam"


# --- dry runs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch):
    """Steps of optimisers, and samples of measurements."""
    counts = {"steps": 0, "samples": []}
    real = Measure.run

    def run(self, lab):
        real(self, lab)
        counts["samples"].append(self.frame(lab)["sample"].nunique())

    monkeypatch.setattr(Measure, "run", run)

    def one_more(*_):
        counts["steps"] += 1

    hook = register_optimizer_step_post_hook(one_more)
    yield counts
    hook.remove()


def as_it_should(found, counted):
    """Every training took one step, every measurement saw one batch of two."""
    assert [str(one) for one in found if one.error or one.again] == []
    assert counted["steps"] == sum(isinstance(one.cell, Train) for one in found)
    assert counted["samples"] == [2] * sum(isinstance(one.cell, Measure) for one in found)


def test_a_paper_scale_takes_one_step_and_one_batch_a_cell(counted):
    found = dry([Study.make("lico-t7:scale=paper")], only="distance=cosine")
    assert {type(one.cell) for one in found} == {Train, Measure}
    as_it_should(found, counted)


@pytest.mark.slow
def test_the_losses_of_lico_take_one_step_each_on_imagenet(counted):
    found = dry([Study.make("lico-t5:scale=paper")])
    assert sum(isinstance(one.cell, Train) for one in found) == 4
    as_it_should(found, counted)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PAPERS - {"lico-t5"}))
def test_every_paper_scale_runs_dry(name):
    assert [str(one) for one in dry([Study.make(f"{name}:scale=paper")]) if one.error] == []


@dataclass(frozen=True)
class Wrong(Work):
    """Fails."""

    seed: int = 0
    of: tuple = ()

    def rows(self, lab):
        if not self.of:
            raise ZeroDivisionError("nothing to divide by")
        return [{"arm": "a", "quantity": "x", "value": 1.0}]


class Half(Study, name="half"):
    """Does one failure stop the others?"""

    worlds = {"tiny": SMALL, "paper": SMALL}
    of, where, title, claim = "lico", "Table 0", "Half", "Half of it fails."

    def readings(self, seed):
        yield Reading(Wrong(7), seed)
        yield Reading(Wrong(8, (Wrong(7),)), seed)
        yield from self.world.measured(self.world.trained("ce", seed), seed, "ce")

    def claims(self):
        yield Claim("x", "a", 0.0, 0.1)


def test_a_cell_that_fails_is_named_and_the_others_are_tried():
    heard = []
    found = dry([Half()], heard.append)
    assert heard == found
    wrong, needs, *rest = found
    assert str(wrong).startswith("error")
    assert str(wrong).endswith("wrong · seed 7: ZeroDivisionError: nothing to divide by")
    assert needs.error == NEED
    assert len(rest) == 2
    assert not any(one.error for one in rest)


def test_nothing_is_left_and_nothing_is_fetched(tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: pytest.fail("weights are fetched"))
    [one] = dry([Study.make("recc-f1:scale=paper")], only="sign-perturbation:along=mean,protocol=published, sig")[:1]
    assert one.error == ""
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_how_every_cell_went(capsys, monkeypatch, tmp_path):
    args = ["study", "run", "lico-t7", "--scale", "paper", "--only", "distance=cosine", "--dry-run", "--try"]
    assert main([*args, "-o", str(tmp_path / "studies")]) == 0
    out = capsys.readouterr().out
    plan, tried = out.split("One step and one batch")
    assert "100 cells (50 train, 50 measure, 0 work)" in plan
    assert tried.count("\nok ") > 1
    assert f"{tried.count(chr(10) + 'ok ')} cells tried, 0 failed. A step took" in tried
    assert "on this machine, at batch 2" in tried
    assert not (tmp_path / "studies").exists()
    monkeypatch.setattr(_dry, "_attempt", lambda cell, *_: _dry.Tried(cell, 1.0, "KeyError: 'x'"))
    assert main(args) == 1
    out = capsys.readouterr().out
    assert "seed 0: KeyError: 'x'" in out
    assert NEED in out


# --- cost -------------------------------------------------------------------------------------------------------------


def test_the_cost_follows_from_the_recipes():
    found = {one.what: one for one in cost([Study.make("lico-t5:scale=paper")])}
    train = found["train torchvision:resnet50, imagenet:split=train, lico-imagenet"]
    recipe = pl.catalog("recipes")["lico-imagenet"].make("lico-imagenet")
    batches = -(-1_281_167 // recipe.batch)
    assert (train.times, train.pictures) == (4 * IMAGENET.seeds, 1_281_167)
    assert (train.epochs, train.steps) == (recipe.epochs, recipe.epochs * batches)
    maps = found[f"measure grad-cam, {IMAGENET.maps}"]
    assert (maps.times, maps.pictures, maps.forwards) == (4 * IMAGENET.seeds, 5000, 5000)  # once for all metrics
    assert cost([Coins()]) == []  # of no kind whose cost is known


@pytest.mark.parametrize(
    "said, knobs, expected",
    [("masks · F", {"masks": 8}, 8), ("F + b + groups · F", {"groups": 3}, 4), ("samples · inner", {}, None),
     ("as there", {}, None), ("0", {}, 0)],
)  # fmt: skip
def test_forwards_of_an_explainer(said, knobs, expected):
    assert forwards(said, knobs) == expected


@pytest.mark.parametrize(
    "text, expected",
    [("red-dot@imagenet-s:split=train", 64_431), ("subset:hold=0.2,part=rest@ecg5000:split=all", 4_000),
     ("subset:first=7@mnist", 7), ("subset:shots=2@scenes:classes=6,length=48", 12), ("imagefolder:root=x", None)],
)  # fmt: skip
def test_sizes_are_those_that_were_published(text, expected):
    assert size(Dataset.make(text)) == expected

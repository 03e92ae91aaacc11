"""Recipes: the papers' numbers, and that each really trains."""

import math

import pytest
import torch

import pellucid as pl
from pellucid.data import Dataset
from pellucid.data.transforms import Transform
from pellucid.networks import load_model
from pellucid.objectives import Objective
from pellucid.registry import catalog
from pellucid.training import _schedule
from pellucid.training.recipes import Recipe

TINY = "(clip:model=tiny,random=true)"
SCENES = "scenes:classes=2,length=2,seed=0"  # one image of each class


def said(**knobs):
    return knobs


# every knob that is not as in `plain`, by hand from the papers and their codes
TABLE = {
    "plain": {},
    "lico-cifar": said(
        network="pellucid:wrn-28-2", objective="lico:protocol=paper,text=clip", epochs=200, batch=64, optimiser="sgd",
        lr=0.03, momentum=0.9, nesterov=False, decay=1e-4, schedule="cosine-7-16", weights="random",
    ),
    "lico-imagenet": said(
        network="torchvision:resnet50", objective="lico:protocol=paper,text=clip", epochs=90, batch=128,
        optimiser="sgd", lr=0.03, momentum=0.9, decay=1e-4, schedule="cosine-7-16", weights="random",
        transform="imagenet",
    ),
    "lico-finegrained": said(
        network="timm:resnet50.tv_in1k", objective="lico:protocol=paper,text=clip", epochs=200, batch=64,
        optimiser="sgd", lr=0.03, momentum=0.9, decay=1e-4, schedule="cosine-7-16", weights="default",
        transform="imagenet",
    ),
    "relico": said(
        network="torchvision:resnet18", objective="lico:protocol=reproduction,text=clip", epochs=100, batch=128,
        optimiser="sgd", lr=0.03, momentum=0.9, decay=1e-4, schedule="cosine-7-16", clip=0.5, weights="random",
        transform="imagenet:crop=1",
    ),
    "cgc-imagenet": said(
        network="torchvision:resnet50", objective="cgc:protocol=paper", epochs=90, batch=256, optimiser="sgd", lr=0.1,
        momentum=0.9, decay=1e-4, schedule="step", milestones=(30, 60), gamma=0.1, weights="random",
        transform="imagenet",
    ),
    "gcc-imagenet": said(
        network="torchvision:resnet50", objective="gcc:protocol=paper", epochs=90, batch=256, optimiser="sgd", lr=0.1,
        momentum=0.9, decay=1e-4, schedule="step", milestones=(30, 60), gamma=0.1, weights="random",
        transform="imagenet",
    ),
    "recc-cub": said(
        network="torchvision:vgg16_bn", objective="ce", epochs=200, batch=128, optimiser="sgd", lr=0.001, momentum=0.9,
        decay=5e-4, schedule="constant", weights="default", transform="birds",
    ),
    "recc-food": said(
        network="torchvision:vit_b_16", objective="ce", epochs=10, batch=512, accumulate=8, optimiser="sgd", lr=0.01,
        momentum=0.9, decay=0.0, schedule="cosine", warmup=1.0, clip=1.0, weights="default", transform="imagenet",
    ),
    "relf-mnist": said(
        network="pellucid:conv-autoencoder", objective="denoising", epochs=100, batch=300, optimiser="adam", lr=0.001,
        decay=1e-5, schedule="constant", transform="plain", held_out=0.1, patience=10,
    ),
    "relf-ecg": said(
        network="pellucid:lstm-autoencoder", objective="denoising:corruption=none,loss=l1", epochs=150, batch=20,
        optimiser="adam", lr=0.001, decay=1e-5, schedule="constant", transform="plain", held_out=0.2, patience=10,
    ),
    "relf-simclr": said(
        network="pellucid:simclr", objective="infonce", drop_last=True, epochs=100, batch=512, optimiser="sgd",
        lr=0.36, momentum=0.9, nesterov=True, decay=1e-6, schedule="cosine", least=1 / 600, transform="simclr",
    ),
    "scae-mnist": said(
        network="pellucid:scae", objective="scae", epochs=1, batch=64, optimiser="adam", lr=0.002, decay=0.0,
        schedule="cosine", warmup=0.1, clip=5.0, transform="plain",
    ),
}  # fmt: skip
OURS = {
    "lico-imagenet": {"weights", "transform"},
    "lico-finegrained": {"epochs", "batch", "lr", "schedule", "transform"},
    "cgc-imagenet": {"transform"},
    "recc-food": {
        "objective", "epochs", "batch", "accumulate", "optimiser", "lr", "momentum", "decay", "schedule", "least",
        "warmup", "clip", "transform",
    },
    "relf-mnist": {"held_out"},
    "relf-simclr": {"weights"},
    "scae-mnist": {"network", "epochs", "batch", "optimiser", "lr", "decay", "schedule", "warmup"},
}  # fmt: skip
DATA = {
    "plain": "", "lico-cifar": "cifar10", "lico-imagenet": "imagenet:split=train", "lico-finegrained": "cub",
    "relico": "imagenet-s:split=train", "cgc-imagenet": "imagenet:split=train", "gcc-imagenet": "imagenet:split=train",
    "recc-cub": "cub", "recc-food": "food101", "relf-mnist": "mnist", "relf-ecg": "ecg5000:split=all,binary=true",
    "relf-simclr": "cifar10", "scae-mnist": "mnist",
}  # fmt: skip


def knobs(recipe):
    return {knob: getattr(recipe, knob) for knob in vars(recipe)}


# --- as the papers say ------------------------------------------------------------------------------------------------


def test_every_recipe_is_in_the_table():
    assert set(catalog("recipes")) == set(TABLE) == set(DATA)


@pytest.mark.parametrize("name", TABLE)
def test_the_numbers(name):
    """What the table does not say is as in `plain`."""
    assert knobs(Recipe.make(name)) == knobs(Recipe.make("plain")) | TABLE[name]


@pytest.mark.parametrize("name", TABLE)
def test_what_is_ours_is_said(name):
    recipe = catalog("recipes")[name]
    assert set(recipe.ours) == OURS.get(name, set())
    assert set(recipe.ours) <= set(knobs(recipe()))


@pytest.mark.parametrize("name", TABLE)
def test_it_reads_back(name):
    recipe = Recipe.make(name)
    assert str(recipe) == name
    assert Recipe.make(name) == recipe
    changed = Recipe.make(f"{name}:epochs=3,lr=0.5")
    assert (changed.epochs, changed.lr) == (3, 0.5)
    assert str(changed) == f"{name}:epochs=3,lr=0.5"
    assert Recipe.make(str(changed)) == changed


@pytest.mark.parametrize("name", TABLE)
def test_what_it_names_is_there(name):
    """Data, transform and objective by their text forms."""
    recipe = Recipe.make(name)
    assert catalog("recipes")[name].data == DATA[name]
    if DATA[name]:
        assert str(Dataset.make(DATA[name])) == DATA[name]
    if recipe.transform:
        assert str(Transform.make(recipe.transform)) == recipe.transform
    assert str(Objective.make(recipe.objective)) == recipe.objective


@pytest.mark.parametrize("name", ["lico-cifar", "lico-imagenet", "lico-finegrained", "relico"])
def test_the_weights_of_lico(name):
    lico = Objective.make(Recipe.make(name).objective)
    assert dict(lico.weights) == {"ce": 1.0, "mm": 10.0, "ot": 1.0}
    assert (lico.contexts, lico.class_at, str(lico.text)) == (12, "end", "clip")


def test_the_weights_of_cgc_and_gcc():
    cgc = Objective.make(Recipe.make("cgc-imagenet").objective)
    assert dict(cgc.weights) == {"ce": 1.0, "ce_crop": 1.0, "ce_augmented": 1.0, "cgc": 0.5}
    gcc = Objective.make(Recipe.make("gcc-imagenet").objective)
    assert dict(gcc.weights) == {"ce": 1.0, "gcc": 25.0}


def test_small_pictures_keep_their_own_transform():
    """A flip for CIFAR, none for house numbers."""
    assert Recipe.make("lico-cifar").transform is None
    presets = {name: Dataset.make(name).preset for name in ("cifar10", "cifar100", "svhn")}
    assert presets == {"cifar10": "cifar", "cifar100": "cifar", "svhn": "cifar:flip=false"}


def test_words_of_aircraft():
    """The line in the docstring of lico-finegrained."""
    lico = pl.objectives.LICO(protocol="paper", text="clip", words="a type of aircraft")
    assert Objective.make('lico:protocol=paper,text=clip,words="a type of aircraft"') == lico


# --- schedules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lico-cifar", "lico-imagenet", "lico-finegrained", "relico"])
def test_the_cosine_of_lico(name):
    schedule = Recipe.make(name).schedule
    found = [round(_schedule.factor(schedule, t), 5) for t in (0.0, 0.5, 1.0)]
    assert found == [1.0, 0.77301, 0.19509]


@pytest.mark.parametrize("name", ["cgc-imagenet", "gcc-imagenet"])
@pytest.mark.parametrize("epoch, share", [(0, 1), (29.99, 1), (30, 0.1), (59.99, 0.1), (60, 0.01), (90, 0.01)])
def test_a_tenth_after_30_and_60(name, epoch, share):
    recipe = Recipe.make(name)
    found = _schedule.factor(recipe.schedule, epoch / 90, epoch, recipe.milestones, recipe.gamma)
    assert found == pytest.approx(share)


def rates(recipe, epochs=4):
    """After each epoch of one step; the last is what the rate has fallen to."""
    short = Recipe.make(recipe).but(
        network="pellucid:tiny-cnn", weights="random", objective="ce", batch=2, transform="plain"
    )
    return [row["lr"] for row in pl.fit(None, "scenes:classes=2,length=2,size=16", recipe=short, epochs=epochs).rows]


def test_the_rate_of_simclr_ends_above_zero():
    found = rates("relf-simclr")
    assert found[-1] == pytest.approx(6e-4)
    assert found[1] == pytest.approx((0.36 + 6e-4) / 2)
    turned = [6e-4 + (0.36 - 6e-4) * (1 + math.cos(math.pi * k / 4)) / 2 for k in (1, 2, 3, 4)]
    assert found == pytest.approx(turned)


def test_without_a_least_a_cosine_ends_at_zero():
    assert rates("relf-simclr:least=0")[-1] == pytest.approx(0, abs=1e-12)
    assert rates("plain:least=1", 2) == pytest.approx([0.03, 0.03])


# --- one step ---------------------------------------------------------------------------------------------------------

SMALL = {  # a network that is quick at the recipe's own size
    "plain": "pellucid:tiny-cnn",
    "lico-cifar": "pellucid:wrn-28-2",
    "lico-imagenet": "torchvision:resnet18",
    "lico-finegrained": "torchvision:resnet18",
    "relico": "torchvision:resnet18",
    "cgc-imagenet": "torchvision:resnet18",
    "gcc-imagenet": "torchvision:resnet18",
    "recc-cub": "pellucid:tiny-cnn",
    "recc-food": "pellucid:tiny-cnn",
}
SIDE = {"plain": 32, "lico-cifar": 32}  # of the images; 224 elsewhere
TERMS = {
    "lico": {"ce", "mm", "ot"},
    "cgc": {"ce", "ce_crop", "ce_augmented", "cgc"},
    "gcc": {"ce", "gcc"},
    "ce": {"ce"},
}


def one_step(name, network):
    """Two images, one epoch of one step, from random weights and with a small text encoder."""
    recipe = Recipe.make(name)
    objective = Objective.make(recipe.objective)
    if objective.name == "lico":
        objective = Objective.make(recipe.objective.replace("text=clip", f"text={TINY}"))
    recipe = recipe if recipe.transform else recipe.but(transform="cifar")
    model = load_model(network, num_classes=2, weights=None)
    before = {key: value.clone() for key, value in model.named_parameters()}
    sides = []
    model.register_forward_pre_hook(lambda _, given: sides.append(given[0].shape[-1]))
    fit = pl.fit(model, SCENES, objective, recipe, epochs=1)
    assert set(Dataset.make(SCENES).labels().tolist()) == {0, 1}
    (row,) = fit.rows
    moved = {key for key, value in fit.model.named_parameters() if not torch.equal(value, before[key])}
    return objective, row, moved, before, sides


def check_step(name, network):
    objective, row, moved, before, sides = one_step(name, network)
    side = SIDE.get(name, 224)
    assert set(sides) == ({side, 2 * side} if objective.name == "gcc" else {side})
    assert row["step"] == 1
    assert TERMS[objective.name] <= set(row)
    assert all(math.isfinite(row[term]) for term in ("loss", *TERMS[objective.name]))
    total = sum(weight * row[term] for term, weight in objective.weights.items())
    assert row["loss"] == pytest.approx(total, rel=1e-4)
    assert moved, "no weight has moved"
    headless = network.endswith("vit_b_16")  # its head begins as zeros, through which the rest learns nothing yet
    assert headless or len(moved) > len(before) / 2


@pytest.mark.filterwarnings("ignore")  # a causal tower's contexts see no class: LICO says so
@pytest.mark.parametrize("name", SMALL)
def test_one_step(name):
    check_step(name, SMALL[name])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", ["lico-imagenet", "lico-finegrained", "cgc-imagenet", "gcc-imagenet", "recc-cub", "recc-food"]
)
def test_one_step_of_the_papers_network(name):
    check_step(name, Recipe.make(name).network)


def test_every_network_that_a_docstring_names():
    """What to set for a paper's other networks; they are built without weights of their own."""
    for text in ("pellucid:wrn-28-8", "pellucid:preact-resnet18", "pellucid:resnet:depth=50,head=max"):
        with torch.device("meta"):
            assert load_model(text, num_classes=2, weights=None)


# --- on the command line ----------------------------------------------------------------------------------------------


def test_they_are_listed(run):
    code, out, _ = run("list", "recipes")
    assert code == 0
    assert all(name in out for name in TABLE)
    assert "schedule=step" in out
    assert "milestones=[30,60]" in out

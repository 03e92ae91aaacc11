"""What `test_errors.py` does to trainings to hear what they say."""

import os
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from unittest.mock import MagicMock, patch

import torch
from torch import nn

import pellucid as pl
from pellucid.data import Dataset
from pellucid.training import _checkpoint
from pellucid.training.recipes import Recipe

DATA = "scenes:classes=3,size=16,length=8"
NET = "pellucid:tiny-cnn:classes=3,width=4"
QUICK = "plain:batch=8"


class Net(nn.Module):
    """The smallest that learns."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.fc = nn.Linear(3, 3)

    def forward(self, x):
        return self.fc(x.mean((2, 3)))


class Nothing(Dataset, name="nothing"):
    """Is there something?"""

    class_names = ("cat", "dog")
    preset = "plain"

    def __len__(self):
        return 0


def fit(model=NET, data=DATA, objective="ce", recipe=QUICK, **options):
    return pl.fit(model, data, objective, recipe, **{"epochs": 1, "device": "cpu"} | options)


def other_network(folder):
    """A run of another module with a class of the same name."""
    fit(Net(), out=folder)
    fit(type("Net", (nn.Sequential,), {})(nn.Flatten(), nn.Linear(768, 3)), out=folder)


def out_of_room(folder):
    """The last renaming of a checkpoint finds no room."""
    replace = os.replace

    def full(source, target):
        if str(source).endswith(".part"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    with patch("os.replace", full):
        _checkpoint.save(folder, 3, _checkpoint.State({"model/w": torch.ones(1)}))


def corrupt(folder):
    path = _checkpoint.save(folder, 3, _checkpoint.State({"model/w": torch.ones(1)}))
    (path / "state.json").write_text("{")
    _checkpoint.load(path)


def corrupt_plan(folder):
    (folder / "fit.json").write_text("{")
    fit(out=folder)


def killed(folder):
    """One of its processes was."""
    future = Future()
    future.set_exception(BrokenProcessPool())
    pool = MagicMock()
    pool.return_value.__enter__.return_value = MagicMock(submit=lambda *_: future, _processes={})
    pool.return_value.__exit__.return_value = False
    from pellucid.training import _seeds

    jobs = [MagicMock(folder=folder, recipe=Recipe.make(QUICK))] * 2
    with patch.object(_seeds, "ProcessPoolExecutor", pool), patch("torch.cuda.is_available", lambda: False):
        _seeds.together(jobs, atonce=2)


OF_TRAINING = {
    # recipes
    "patience without held-out images": lambda folder: Recipe.make("plain:patience=3"),
    "parts that are no divisor": lambda folder: Recipe.make("plain:batch=10,accumulate=3"),
    "steps without milestones": lambda folder: Recipe.make("plain:schedule=step"),
    # what is asked for
    "a training of no model": lambda folder: fit(None),
    "a training of a number": lambda folder: fit(3),
    "a training of frozen weights": lambda folder: fit(Net().requires_grad_(False)),
    "a training on nothing": lambda folder: fit(Net(), Nothing()),
    "too little to hold out": lambda folder: fit(recipe=f"{QUICK},held_out=0.01"),
    "a validation of other classes": lambda folder: fit(validation="scenes:classes=5,size=16,length=8"),
    "a seed that is a word": lambda folder: fit(seed="one"),
    "no processes": lambda folder: fit(processes=0),
    "no seeds": lambda folder: fit(seeds=[]),
    "one module for several seeds": lambda folder: fit(Net(), seeds=[0, 1]),
    "processes that train without a folder": lambda folder: fit(processes=2),
    "curves without a folder": lambda folder: fit(tensorboard=True),
    "a device that cannot be trained on": lambda folder: fit(device="warp"),
    "a process that was killed": killed,
    # folders
    "a folder of another run": lambda folder: (fit(out=folder), fit(out=folder, seed=1)),
    "a folder of another network": other_network,
    "a folder without a training": lambda folder: pl.Fit.load(folder),
    "a plan that cannot be read": corrupt_plan,
    "a checkpoint that finds no room": out_of_room,
    "a state that cannot be read": corrupt,
}  # fmt: skip

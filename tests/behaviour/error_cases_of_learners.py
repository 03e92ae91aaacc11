"""What `test_errors.py` does to learners without labels to hear what they say."""

from unittest.mock import patch

import torch

import pellucid as pl
from pellucid.data._batches import batches
from pellucid.networks import load_model
from pellucid.objectives import Objective

DIGITS = "subset:first=8@digits"
QUICK = 'plain:batch=4,transform="plain:size=28"'
AUTO = "pellucid:conv-autoencoder"


def step(objective, network, batch):
    """A batch that does not suit."""
    return Objective.make(objective).bind(load_model(network), images=batch[:1])(batch)


def fit(recipe=QUICK, objective="denoising", **options):
    return pl.fit(AUTO, DIGITS, objective, recipe, epochs=1, device="cpu", **options)


def views(recipe):
    return pl.fit("pellucid:simclr:hidden=4,out=2", "subset:first=8@scenes:size=32", "infonce", recipe, device="cpu")


def apart():
    """As one of two processes finds it, a module that is none of ours."""
    net = torch.nn.Flatten()
    net.reconstruct = lambda x: x
    with patch("pellucid.objectives._ranks.processes", lambda: 2):
        Objective.make("denoising").bind(net, images=torch.zeros(1, 1, 4, 4))


OF_LEARNERS = {
    "a classifier that is to reconstruct": lambda folder: Objective.make("denoising").bind(
        load_model("pellucid:tiny-cnn"), images=(32, 32)
    ),
    "an autoencoder that is to project": lambda folder: fit(objective="infonce"),
    "one view of every picture": lambda folder: step(
        "infonce", "pellucid:simclr:hidden=4,out=2", torch.zeros(2, 3, 32, 32)
    ),
    "no batch in all the records": lambda folder: fit(f"{QUICK},drop_last=true".replace("batch=4", "batch=9")),
    "watching who learns no classes": lambda folder: fit(out=folder, watch=True),
    "an autoencoder that is to classify": lambda folder: fit(objective="denoising+ce"),
    "pictures of another size than the network's": lambda folder: Objective.make("beta-vae").bind(
        load_model("pellucid:conv-vae:channels=3"), images=torch.zeros(1, 1, 32, 32)
    ),
    "a VAE of pixels below black": lambda folder: step("beta-vae", "pellucid:conv-vae", -torch.ones(2, 1, 32, 32)),
    "two views that are one": lambda folder: views("plain:batch=4"),
    "nobody to compare with": lambda folder: views("plain:batch=4,accumulate=4,transform=simclr"),
    "a sum of one view and of two": lambda folder: Objective.make("infonce+denoising"),
    "two processes that would not share gradients": lambda folder: apart(),
    "no view at all": lambda folder: batches("digits", views=0),
}

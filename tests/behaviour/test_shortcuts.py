"""Whether what is measured tells a model that learned the thing from one that learned what goes with it.

Small networks are trained here, five and three seeds of each: slow.
"""

import sys

import pytest
import torch
from torch.nn.functional import cross_entropy

import pellucid as pl
from pellucid.data import Dataset
from pellucid.networks import TinyCNN
from pellucid.results import Results

CLASSES, SIDE, SEEN, EPOCHS = 6, 32, 2000, 12
EXPLAINERS = ["grad-cam", "input-x-gradient"]
TEST = f"scenes:classes={CLASSES},size={SIDE},length=160,seed=1"

pytestmark = pytest.mark.slow


def trained(data, seed):
    """Cross-entropy, AdamW, one cycle, on what the model would see in training."""
    torch.manual_seed(seed)
    model = TinyCNN(classes=CLASSES, width=16, depth=3).build().train()
    [batch] = pl.data.batches(data, train=True, truth=False, batch_size=SEEN)
    images, labels = batch.images, batch.labels
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, EPOCHS * -(-len(labels) // 32))
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(labels)).split(32):
            optimizer.zero_grad()
            cross_entropy(model(images[rows] + 0.2 * torch.randn_like(images[rows])), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def say(text):
    sys.stderr.write(f"{text}\n")


def test_who_learned_the_ground_looks_less_at_the_thing():
    """Trained alike on scenes whose ground gives the class away, or does not; measured on the same scenes, where it
    does: on others there is nothing of what the first has learned to look at."""
    measured, test = {}, f"{TEST},correlation=0.95"
    for rho in (0.0, 0.95):
        data = Dataset.make(f"scenes:classes={CLASSES},size={SIDE},length={SEEN},correlation={rho}")
        runs = [pl.evaluate(trained(data, seed), test, EXPLAINERS, ["sch", "insertion"]) for seed in range(5)]
        measured[rho] = Results.together(runs)
        say(measured[rho].summary().to_string())
    table = measured[0.0].compare(measured[0.95])
    say(table.T.to_string())
    for row in table[table["metric"] == "sch"].to_dict("records"):
        assert row["runs"] == 5
        assert row["low"] > 0, f"{row['explainer']}: the interval of the difference holds 0"


def test_deletion_and_a_red_dot():
    """The claim that deletion rewards a model for looking at a dot: fully trained networks, the dot drawn after
    the last resize, the confidence beside it."""
    clean = f"scenes:classes={CLASSES},size={SIDE},length={SEEN}"
    metrics = ["insertion", "deletion", "sch"]
    rows = {}
    for name, data in (("dot", f"red-dot:dot=0,side=3@{clean}"), ("clean", clean)):
        for where in ("class", "none", "others"):
            rows[name, where] = []
        for seed in range(3):
            model = trained(Dataset.make(data), seed)
            for where in ("class", "none", "others"):
                test = f"red-dot:dot=0,side=3,evaluate={where}@{TEST}"
                found = pl.evaluate(model, test, [*EXPLAINERS, "random-map"], metrics)
                rows[name, where].append(found)
    means = {}
    for (name, where), runs in rows.items():
        frame = Results.together(runs).frame
        mine = frame[frame["label"] == 0] if where != "others" else frame[frame["label"] != 0]
        means[name, where] = mine.groupby(["explainer", "metric"], observed=True)["value"].mean()
        say(f"model {name}, dot in {where}:\n{means[name, where].unstack().round(3).to_string()}")
    dotted = means["dot", "class"]
    assert dotted["none", "accuracy"] > 0.95
    assert means["dot", "none"]["none", "accuracy"] < 0.7, "without its dot the class is lost: it was the dot"
    # it looks past the thing, and insertion and deletion call that better; so would its confidence alone
    clean_model = means["clean", "none"]
    for explainer in EXPLAINERS:
        assert dotted[explainer, "sch"] < clean_model[explainer, "sch"] - 0.2
        assert dotted[explainer, "deletion"] < clean_model[explainer, "deletion"]
        assert dotted[explainer, "insertion"] > clean_model[explainer, "insertion"]
    assert dotted["none", "confidence"] > clean_model["none", "confidence"]

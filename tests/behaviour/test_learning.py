"""That training teaches: CE to a known level, the objectives as well as it; their own terms fall. All slow."""

import os
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl

pytestmark = pytest.mark.slow
SEEDS = [0, 1, 2]
DIGITS, TESTED = "subset:hold=0.25@digits", "subset:hold=0.25,part=held@digits"
NET = "pellucid:tiny-cnn:width=24,channels=1"
RECIPE = "plain:batch=64,lr=0.05,schedule=cosine"
LICO = "lico:text=minilm,class_at=front"
RUNS = {
    "ce": ("ce", DIGITS),
    "cgc": ("cgc", DIGITS),
    "gcc": ("gcc", DIGITS),
    "lico": (LICO, DIGITS),
    "scrambled": (LICO, f"scrambled-names@{DIGITS}"),
    "detached": (f"{LICO},transport=none", DIGITS),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    kept = os.environ.get("PELLUCID_LEARNING")  # a folder in which runs stay, and are taken up again
    tmp = Path(kept) if kept else tmp_path_factory.mktemp("learning")
    return {
        name: pl.fit(NET, data, objective, RECIPE, epochs=30, seeds=SEEDS, validation=TESTED, out=tmp / name)
        for name, (objective, data) in RUNS.items()
    }


def last(fits, what="validation"):
    return np.array([fit.rows[-1][what] for fit in fits])


def test_ce_learns_digits(runs):
    assert last(runs["ce"]).min() >= 0.97


@pytest.mark.parametrize("name", ["cgc", "gcc", "lico"])
def test_an_objective_costs_no_accuracy(runs, name):
    assert last(runs[name]).mean() >= last(runs["ce"]).mean() - 0.01


@pytest.mark.parametrize("name, term", [("cgc", "cgc"), ("gcc", "gcc"), ("lico", "mm"), ("lico", "ot")])
def test_its_own_terms_fall(runs, name, term):
    for fit in runs[name]:
        assert fit.rows[-1][term] < fit.rows[0][term]


def test_channels_go_to_words_only_where_they_are_taught_to(runs):
    """With the cost detached the channels stay as far from the words as they began; the seeds differ by far less."""
    taught, untaught = last(runs["lico"], "ot"), last(runs["detached"], "ot")
    assert untaught.min() > 10 * taught.max()


def test_cgc_raises_ses(runs):
    def ses(fits):
        parts = [pl.evaluate(fit, TESTED, "grad-cam", "ses").frame.query("metric == 'ses'")["value"] for fit in fits]
        return np.array([part.mean() for part in parts])

    assert (ses(runs["cgc"]) - ses(runs["ce"])).min() > 0


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="PELLUCID_DATA names no folder of real data")
def test_ce_learns_cifar():
    folder = Path(os.environ["PELLUCID_DATA"]) / "cifar10"
    fit = pl.fit(
        "pellucid:tiny-cnn:width=24,depth=4,pool=max", f"imagefolder:root={folder}/train.zip", "ce",
        "plain:batch=64,lr=0.05,decay=5e-4,transform=cifar,schedule=cosine", epochs=12,
        validation=f"imagefolder:root={folder}/test.zip",
    )  # fmt: skip
    assert fit.rows[-1]["validation"] >= 0.70

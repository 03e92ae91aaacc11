"""That training teaches: CE to a known level, the objectives as well as it; their own terms fall. All slow."""

import os
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl

pytestmark = pytest.mark.slow
SEEDS = [0, 1, 2]
DIGITS, TESTED = "subset:hold=0.25@digits", "subset:hold=0.25,part=held@digits"
NET = "pellucid:tiny-cnn:width=16,channels=1"
RECIPE = "plain:batch=64,lr=0.03"
LICO = "lico:text=minilm,class_at=front"
NAMES = {"ce": "ce", "cgc": "cgc", "gcc": "gcc", "lico": LICO}


def trained(tmp, objective, data=DIGITS, recipe=RECIPE, epochs=15, net=NET):
    folder = tmp / objective.replace(":", "-").replace("/", "-")[:80]
    return pl.fit(net, data, objective, recipe, epochs=epochs, seeds=SEEDS, validation=TESTED, out=folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("learning")
    return {name: trained(tmp, text) for name, text in NAMES.items()}


def accuracies(fits):
    return np.array([fit.rows[-1]["validation"] for fit in fits])


def test_ce_learns_digits(runs):
    assert accuracies(runs["ce"]).min() >= 0.97


@pytest.mark.parametrize("name", ["cgc", "gcc", "lico"])
def test_an_objective_costs_no_accuracy(runs, name):
    assert accuracies(runs[name]).mean() >= accuracies(runs["ce"]).mean() - 0.01


@pytest.mark.parametrize("name, term", [("cgc", "cgc"), ("gcc", "gcc"), ("lico", "mm"), ("lico", "ot")])
def test_its_own_terms_fall(runs, name, term):
    for fit in runs[name]:
        assert fit.rows[-1][term] < fit.rows[0][term]


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
        "pellucid:tiny-cnn:width=32,depth=4", f"imagefolder:root={folder}/train.zip", "ce",
        "plain:batch=64,lr=0.05,decay=5e-4,transform=cifar,schedule=cosine", epochs=20,
        validation=f"imagefolder:root={folder}/test.zip",
    )  # fmt: skip
    assert fit.rows[-1]["validation"] >= 0.70

"""What the studies of figures count themselves, told again slowly."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from pellucid.data import Dataset
from pellucid.data._batches import batches
from pellucid.studies import Study
from pellucid.studies._cells import Lab, Measure, Train
from pellucid.studies._figures import (
    Apart,
    Disagreement,
    OfSeveral,
    forgotten,
    in_order,
    looked_at,
    silhouettes,
    told_apart,
)
from pellucid.text import Encoder
from pellucid.training._probe import disagreement

SCENES = "scenes:classes=3,size=16"
PLAIN = Train("pellucid:tiny-cnn:depth=2", f"{SCENES},length=12", "ce", "plain:batch=6,epochs=2")
READER = "lico:text=random-words,contexts=2"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("lab"))
    PLAIN.run(lab)
    return lab


def points(n=14, d=4, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pictures(data):
    """All of them, as the network sees them, and their labels."""
    made = list(batches(data, batch_size=50))
    return torch.cat([one.images for one in made]), torch.cat([one.labels for one in made])


def channels(net, images):
    """The last maps of a tiny CNN."""
    with torch.no_grad():
        return net.features(images).double()


# --- several objects --------------------------------------------------------------------------------------------------


def test_only_pictures_with_two_objects_of_the_class_count(lab):
    measured = Measure(PLAIN, f"{SCENES},objects=3,distractors=3,length=14,seed=1", ("gradient",), ("mosu", "deletion"))
    measured.run(lab)
    found = {(row["quantity"], row["sample"]): row["value"] for row in OfSeveral(measured).rows(lab)}
    data, expected = Dataset.make(measured.data), {}
    for row in measured.frame(lab).to_dict("records"):
        record = data[row["sample"]]
        if row["metric"] in ("mosu", "deletion") and sum(int(c) == record.label for c in record.classes) >= 2:
            expected[row["metric"], row["sample"]] = row["value"]
    assert 0 < len(expected) < 28
    assert found == expected
    assert all(math.isfinite(value) for value in found.values())


def test_curves_of_figure_3_are_those_of_table_1():
    shared = {cell.key for cell in Study.make("lico-t1").cells()} & {
        cell.key for cell in Study.make("lico-fig3").cells()
    }
    assert len(shared) == 5 * 12  # of each seed two networks, and five explainers of either


# --- classes ----------------------------------------------------------------------------------------------------------


def test_silhouettes_by_loops():
    x, labels = points(), [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 1, 0, 3]
    found = silhouettes(x, torch.tensor(labels)).tolist()
    for i, label in enumerate(labels):
        near = {k: [float((x[i] - x[j]).norm()) for j in range(14) if labels[j] == k and j != i] for k in range(4)}
        a, b = near.pop(label), min(sum(far) / len(far) for far in near.values() if far)
        if not a:
            assert math.isnan(found[i])
            continue
        a = sum(a) / len(a)
        assert found[i] == pytest.approx((b - a) / max(a, b))


def test_a_line_is_learned_on_the_other_half():
    x, kinds = points(40, 6), torch.arange(40) // 3 % 2
    x[:, 1] = 1.5 * x[:, 1] + 4 * kinds  # apart, but not wholly
    found = told_apart(x, kinds)
    z = (x - x.mean(0)).numpy()
    _, _, axes = np.linalg.svd(z)
    plane = np.column_stack([z @ axes[0], z @ axes[1], np.ones(40)])
    for i in range(40):
        others = [j for j in range(40) if j % 2 != i % 2]
        line = np.linalg.lstsq(plane[others], np.where(kinds[others] == 1, 1.0, -1.0), rcond=None)[0]
        assert found[i] == float((plane[i] @ line > 0) == bool(kinds[i]))
    assert 0.7 < found.mean() < 1


def test_only_the_plane_of_the_greatest_components_counts():
    x, kinds = points(200, 5), torch.arange(200) // 2 % 2
    x[:, :2] *= 100
    x[:, 4] = kinds.double()
    assert told_apart(x, kinds).mean() < 0.65
    assert told_apart(x[:, 3:], kinds).mean() > 0.9


def test_order_is_a_correlation_over_pairs_of_numbers():
    x, numbers = points(30, 3), torch.arange(30) % 5 * 2 + 1
    centres = {k: x[numbers == k].mean(0) for k in (1, 3, 5, 7, 9)}
    pairs = list(combinations(centres, 2))
    expected = spearmanr([b - a for a, b in pairs], [float((centres[a] - centres[b]).norm()) for a, b in pairs])
    assert in_order(x, numbers) == pytest.approx(expected.statistic)
    assert math.isnan(in_order(x[:2], torch.tensor([1, 2])))


def test_features_are_what_the_last_layer_is_given(lab):
    data = f"{SCENES},length=40,seed=1"
    images, labels = pictures(data)
    features = channels(lab.model(PLAIN), images).mean((2, 3))
    rows = list(Apart(PLAIN, data, (0, 1, 1), (7, 5, 6)).rows(lab))
    found = {(row["quantity"], row.get("sample", 0)): row["value"] for row in rows}
    assert len(rows) == 81
    for quantity, expected in {
        "silhouette": silhouettes(features, labels),
        "kinds": told_apart(features, torch.tensor([0, 1, 1])[labels]),
    }.items():
        assert [found[quantity, i] for i in range(40)] == pytest.approx(expected.tolist(), abs=1e-4)
    assert found["order", 0] == pytest.approx(in_order(features, torch.tensor([7, 5, 6])[labels]))
    assert {row["quantity"] for row in Apart(PLAIN, data).rows(lab)} == {"silhouette"}


# --- names ------------------------------------------------------------------------------------------------------------


def test_pictures_and_names_disagree_by_128(lab):
    data = f"{SCENES},length=300,seed=1"
    images, labels = pictures(data)
    features = channels(lab.model(PLAIN), images).flatten(1)
    names = [f"a photo of a {name}" for name in Dataset.make(data).class_names]
    texts = Encoder.make("random-words").load().texts(names)
    rows = list(Disagreement(PLAIN, data, READER).rows(lab))
    assert [row["sample"] for row in rows] == [0, 1]  # what is left over is no hundred and more
    for i, row in enumerate(rows):
        some = slice(128 * i, 128 * (i + 1))
        assert row["value"] == pytest.approx(disagreement(features[some], texts, labels[some]), abs=1e-4)
    few = f"{SCENES},length=20,seed=1"
    assert len(list(Disagreement(PLAIN, few, READER).rows(lab))) == 1


def test_a_new_network_has_forgotten_all(lab):
    old, first, again, other = (lab.model(PLAIN) for _ in range(4))
    forgotten(first, 1), forgotten(again, 1), forgotten(other, 2)
    changed = 0
    for (name, a), b, c, d in zip(
        old.state_dict().items(), *(net.state_dict().values() for net in (first, again, other)), strict=True
    ):
        assert torch.equal(b, c)
        if a.ndim > 1:
            assert not torch.equal(a, b), name
            assert not torch.equal(b, d), name
            changed += 1
        if name.endswith("running_mean"):
            assert not b.any()
    assert changed == 3


def test_before_training_is_the_forgotten_network(lab):
    data = f"{SCENES},length=60,seed=1"
    at = replace(PLAIN, seed=4)
    at.run(lab)
    net = lab.model(at)
    forgotten(net, 4)
    features, labels = looked_at(net, data, lambda subject, images: subject.activations(images)[0])
    texts = Encoder.make("random-words").load().texts([f"a photo of a {n}" for n in Dataset.make(data).class_names])
    [before] = Disagreement(at, data, READER, trained=False).rows(lab)
    [after] = Disagreement(at, data, READER).rows(lab)
    assert before["value"] == pytest.approx(disagreement(features, texts, labels))
    assert before["value"] != after["value"]

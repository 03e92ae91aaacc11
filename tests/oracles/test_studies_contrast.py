"""What the studies of class contrast measure themselves, against slow re-tellings: one picture, one class at a time."""

import math
from pathlib import Path

import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

import pellucid as pl
from pellucid.networks import TinyCNN
from pellucid.studies._cells import Lab
from pellucid.studies._contrast import Rise, Rivals
from pellucid.studies.recc_f6 import Steepness

DATA, CLASSES = "scenes:classes=5,size=32,length=7", 5


class Known(Lab):
    """A lab with one network, whatever is asked for."""

    def model(self, of: object) -> nn.Module:
        torch.manual_seed(3)
        net = TinyCNN(classes=CLASSES).build().eval()
        with torch.no_grad():
            net.head.weight *= 8  # so that some second classes are likely and some are not
        return net


@pytest.fixture
def lab(tmp_path: Path) -> Known:
    return Known(tmp_path)


def pictures() -> Tensor:
    [batch] = list(pl.data.batches(DATA, batch_size=7))
    return batch.images


def map_of(net: nn.Module, x: Tensor, weights: Tensor) -> Tensor:
    """Grad-CAM of Σ w y, with its sign, at the size of the picture."""
    A = net.features(x[None])
    A.retain_grad()
    (net.head(A.mean((2, 3)))[0] * weights).sum().backward()
    cam = (A.grad.mean((2, 3), keepdim=True) * A).sum(1, keepdim=True).detach()
    return nn.functional.interpolate(cam, x.shape[1:], mode="bilinear")[0, 0].double()


def weights_of(y: Tensor, t: int, way: str) -> Tensor:
    """One at the class, less what the others share."""
    rest = torch.tensor([-math.inf if s == t else float(y[s]) for s in range(CLASSES)])
    taken = {
        "original": torch.zeros(CLASSES),
        "mean": torch.tensor([0.0 if s == t else 1 / (CLASSES - 1) for s in range(CLASSES)]),
        "max": nn.functional.one_hot(rest.argmax(), CLASSES).float(),
        "weighted": rest.softmax(0),
    }[way]
    return nn.functional.one_hot(torch.tensor(t), CLASSES) - taken


def correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def angle(a: Tensor, b: Tensor) -> float:
    return float((a * b).sum() / (a.norm() * b.norm()))


def test_rivals_are_compared_picture_by_picture(lab: Known) -> None:
    net, images = lab.model(""), pictures()
    chances = net(images).softmax(1).sort(1, descending=True).values[:, 1].detach()
    floor = float(chances.sort().values[2:4].mean())
    found = {(r["arm"], r["quantity"], r["sample"]): r["value"]
             for r in Rivals("", DATA, "grad-cam:relu=false", floor=floor).rows(lab)}  # fmt: skip
    assert len(found) == 4 * 4 * len(images)
    for i, x in enumerate(images):
        y = net(x[None])[0].detach()
        t, u = y.argsort(descending=True)[:2].tolist()
        for way in ("original", "mean", "max", "weighted"):
            got = {q: found[way, q, i] for q in ("agreement", "opposition", "likeness", "negative-share")}
            if chances[i] <= floor:
                assert all(math.isnan(value) for value in got.values())
                continue
            first, second = (map_of(net, x, weights_of(y, one, way)) for one in (t, u))
            plain = map_of(net, x, weights_of(y, t, "original"))
            assert got["agreement"] == pytest.approx(correlation(first, second), abs=1e-4)
            assert got["opposition"] == -got["agreement"]
            assert got["likeness"] == pytest.approx(angle(first, plain), abs=1e-4)
            assert got["negative-share"] == pytest.approx(float((first < 0).double().mean()), abs=2e-3)


def test_the_floor_is_of_the_last_class_looked_at(lab: Known) -> None:
    third = lab.model("")(pictures()).softmax(1).sort(1, descending=True).values[:, 2].detach()
    rows = Rivals("", DATA, "grad-cam:relu=false", classes=3, floor=float(third.median())).rows(lab)
    told = [math.isfinite(r["value"]) for r in rows if (r["arm"], r["quantity"]) == ("max", "likeness")]
    assert told == (third > third.median()).tolist()


def test_rise_is_a_rank_correlation(lab: Known) -> None:
    net, rows = lab.model(""), list(Rise("", DATA, "grad-cam:relu=false", floor=0.0).rows(lab))
    rise = [r["value"] for r in rows if r["quantity"] == "rise"]
    difference = [r["value"] for r in rows if r["quantity"] == "difference"]
    likely: list[float] = []
    for x, told in zip(pictures(), difference, strict=True):
        y = net(x[None])[0].detach()
        likely.append(float(y.softmax(0).sort(descending=True).values[1]))
        maps = [map_of(net, x, weights_of(y, int(y.argmax()), way)) for way in ("weighted", "original")]
        assert told == pytest.approx(1 - abs(angle(*maps)), abs=1e-4)
    assert sum(rise) / len(rise) == pytest.approx(spearmanr(likely, difference).statistic)


def test_steepness_is_a_ratio_of_two_gradients(lab: Known) -> None:
    net = lab.model("")
    for row, image in zip(Steepness("", DATA).rows(lab), pictures(), strict=True):
        x = image[None].requires_grad_()
        y = net(x)[0]
        sizes = [float(torch.autograd.grad(y[s], x, retain_graph=True)[0].norm()) for s in y.argsort(descending=True)]
        assert row["value"] == pytest.approx(sizes[0] / sizes[CLASSES // 2], rel=1e-4)

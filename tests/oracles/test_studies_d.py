"""The work of the label-free studies against slow re-tellings."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch

import pellucid as pl
from pellucid.data import Dataset
from pellucid.data.heartbeats import Heartbeats
from pellucid.explainers import Explainer
from pellucid.influences import Influence
from pellucid.studies import Study
from pellucid.studies import _label_free as lf
from pellucid.studies._base import ordered
from pellucid.studies._cells import Kept, Lab, Train, Work

DIGITS, OTHERS = "subset:first=6@digits", "subset:shots=2@digits"
QUICK = 'plain:batch=12,transform="plain:size=28",optimiser=adam,lr=0.003,schedule=constant,epochs=2'
CODED = Kept("pellucid:conv-autoencoder", "subset:first=24@digits", "denoising", QUICK, 1)
NAMED = Kept("pellucid:conv-classifier", "subset:first=24@digits", "ce", QUICK, 1)
VAE = Train(
    "pellucid:conv-vae", "subset:first=24@digits", "beta-vae:beta=1", QUICK.replace("28", "32"), 1
)  # fmt: skip
BEATS = Kept(
    "pellucid:lstm-autoencoder:latent=3,length=32", "subset:kinds=[0]@heartbeats:length=24",
    "denoising:corruption=none,loss=l1", "plain:batch=12,transform=plain,epochs=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("lab"))


def done(cell, lab):
    """Its rows, with what it builds on done before."""
    for one in ordered([cell]):
        if not one.done(lab):
            one.run(lab)
    return cell.frame(lab)


def inputs(model, data):
    seen = pl.transform_of(model)
    records = list(Dataset.make(data))
    return torch.stack([seen(r.image) for r in records]), [r.label for r in records]


def values(frame, **where):
    for name, value in where.items():
        frame = frame[frame[name] == value]
    return frame.sort_values("sample")["value"].to_numpy()


def test_a_shift_is_that_of_pixels_taken_one_by_one(lab):
    frame = done(lf.Maps(CODED, DIGITS, "gradient", "black", "digits"), lab)
    net = lab.model(CODED)
    x, _ = inputs(net, DIGITS)
    moved = {}
    for percent in lf.PERCENTS:
        for i, one in enumerate(x):
            free = one[None].clone().requires_grad_()
            with torch.no_grad():
                anchor = net(one[None])
            (slope,) = torch.autograd.grad((net(free) * anchor).sum(), free)
            dark = one.clone().flatten()
            for pixel in sorted(range(784), key=lambda p: -abs(float(slope.flatten()[p])))[: 784 * percent // 100]:
                dark[pixel] = 0
            with torch.no_grad():
                moved[percent, i] = float((net(dark.view(1, 1, 28, 28)) - anchor).norm())
    end = np.mean([moved[100, i] for i in range(len(x))])
    for percent in lf.PERCENTS:
        wanted = [moved[percent, i] / end for i in range(len(x))]
        mine = values(frame, quantity=f"latent-shift:percent={percent}", arm="gradient", setting="digits")
        np.testing.assert_allclose(mine, wanted, rtol=1e-3)


def test_beats_are_replaced_by_the_mean_normal_one(lab):
    """At 100 % every series has become that mean."""
    abnormal = "subset:kinds=[1]@heartbeats:length=12,seed=1"
    frame = done(lf.Maps(BEATS, abnormal, "integrated-gradients", "normal", "heartbeats"), lab)
    net = lab.model(BEATS)
    normal = Heartbeats(length=24).images()[::2]
    x = Heartbeats(length=12, seed=1).images()[1::2]
    with torch.no_grad():
        moved = (net(x) - net(normal.mean(0)[None])).norm(dim=1).double()
    mine = values(frame, quantity="latent-shift:percent=100")
    np.testing.assert_allclose(mine, (moved / moved.mean()).numpy(), rtol=1e-4)
    assert values(frame, quantity="latent-shift:percent=20").mean() < mine.mean() * 3


def test_pictures_are_replaced_by_their_blur(lab):
    frame = done(lf.Maps(CODED, DIGITS, "integrated-gradients", "blur", "digits"), lab)
    net = lab.model(CODED)
    x, _ = inputs(net, DIGITS)
    from torchvision.transforms.v2.functional import gaussian_blur

    with torch.no_grad():
        moved = (net(x) - net(gaussian_blur(x, [21, 21], [5.0, 5.0]))).norm(dim=1).double()
    mine = values(frame, quantity="latent-shift:percent=100")
    np.testing.assert_allclose(mine, (moved / moved.mean()).numpy(), rtol=1e-3)


def test_rates_are_counted(lab):
    frame = done(lf.Examples(CODED, OTHERS, DIGITS, "dknn", "digits"), lab)
    net = lab.model(CODED)
    (a, of_a), (b, of_b) = inputs(net, OTHERS), inputs(net, DIGITS)
    with torch.no_grad():
        far = torch.cdist(net(b), net(a))
    for share, count in ((0.1, 2), (0.5, 10), (1.0, 20)):
        for side in ("most", "least"):
            wanted = []
            for i, label in enumerate(of_b):
                order = sorted(range(len(of_a)), key=lambda n: float(far[i, n]), reverse=side == "least")
                wanted.append(np.mean([of_a[n] == label for n in order[:count]]))
            mine = values(frame, arm=side, setting="digits · dknn", quantity=f"similarity-rate:share={share:g}")
            np.testing.assert_allclose(mine, wanted, rtol=1e-6)


def test_tracin_sees_the_epochs(lab):
    """One checkpoint of two gives other scores than both."""
    both, first = (done(lf.Examples(CODED, OTHERS, DIGITS, f"tracin:every={k}"), lab) for k in (1, 2))
    assert len(lab.fit(CODED).checkpoints) == 2
    assert not np.allclose(both["value"], first["value"])


def test_encoders_are_compared_as_one_list(lab):
    names = ("reconstruction", "classification", "denoising", "inpainting")
    models = (CODED, NAMED, CODED, NAMED)  # the third is the first again
    frame = done(lf.MapsAlike(models, names, DIGITS, "gradient"), lab)
    maps = {}
    for name, cell in zip(names, models, strict=True):
        net = lab.model(cell)
        part = net.encoder if name in ("classification", "inpainting") else net
        maps[name] = pl.explain(part, inputs(net, DIGITS)[0], "gradient", ask="similarity").maps.abs().numpy()
    two = {f"{a} · {b}": np.corrcoef(maps[a].ravel(), maps[b].ravel())[0, 1] for a, b in combinations(names, 2)}
    for arm, wanted in two.items():
        assert values(frame, arm=arm, quantity="pearson")[0] == pytest.approx(wanted, abs=1e-4)
    assert values(frame, arm="mean of the six")[0] == pytest.approx(np.mean(list(two.values())), abs=1e-4)
    assert values(frame, arm="maps", setting="digits")[0] == pytest.approx(np.mean(list(two.values())), abs=1e-4)
    apart = [
        np.mean([1 - np.corrcoef(maps[a][i].ravel(), maps[b][i].ravel())[0, 1] for a, b in combinations(names, 2)])
        for i in range(6)
    ]
    np.testing.assert_allclose(values(frame, quantity="other-map"), apart, atol=1e-4)


def test_examples_are_compared_as_one_list(lab):
    names, models = ("reconstruction", "classification", "denoising", "inpainting"), (CODED, NAMED, CODED, NAMED)
    frame = done(lf.ExamplesAlike(models, names, OTHERS, DIGITS), lab)
    weights = {}
    for name, cell in zip(names, models, strict=True):
        net = lab.model(cell)
        part = net.encoder if cell is NAMED else net
        with torch.no_grad():
            a, b = (part(inputs(net, data)[0]).double() for data in (OTHERS, DIGITS))
        weights[name] = (1 / torch.cdist(b, a).square().clamp_min(1e-8 * float(a.var(0).sum()))).numpy()
    for x, y in combinations(names, 2):
        wanted = np.corrcoef(weights[x].ravel(), weights[y].ravel())[0, 1]
        mine = values(frame, arm=f"{x} · {y}", setting="digits · dknn", quantity="pearson")
        assert mine[0] == pytest.approx(wanted, abs=5e-3)
    others = [
        np.mean([weights[x][i].argmax() != weights[y][i].argmax() for x, y in combinations(names, 2)]) for i in range(6)
    ]
    np.testing.assert_allclose(values(frame, quantity="other-example"), others)


def unit_maps(lab, x):
    net = lab.model(VAE)
    asks = [f"unit:index={j}" for j in range(3)]
    e = pl.explain(net, x, "gradient-shap:samples=5,baseline=black", asks, seed=1)
    return e.maps.numpy(), net(x).detach().numpy()


def test_units_are_compared_as_one_list(lab):
    frame = done(lf.UnitsAlike(VAE, DIGITS, "beta-vae", 1), lab)
    maps, codes = unit_maps(lab, inputs(lab.model(VAE), DIGITS)[0])
    lists = [np.abs(maps[:, j] * codes[:, j, None, None]).ravel() for j in range(3)]
    wanted = np.mean([np.corrcoef(lists[i], lists[j])[0, 1] for i, j in ((0, 1), (0, 2), (1, 2))])
    assert values(frame, arm="beta-vae", setting="digits · beta 1")[0] == pytest.approx(wanted, abs=1e-4)


def test_units_swing_and_share(lab):
    data = "subset:shots=2,pick=first@digits"
    frame = done(lf.Units(VAE, data, "beta-vae"), lab)
    x, labels = inputs(lab.model(VAE), data)
    maps = np.abs(unit_maps(lab, x)[0])
    swings = []
    for label in sorted(set(labels)):
        a, b = (maps[i].sum((1, 2)) for i in range(len(x)) if labels[i] == label)
        swings.append(max(1 - min(p, q) / max(p, q) for p, q in zip(a, b, strict=True)))
    np.testing.assert_allclose(values(frame, quantity="swing"), swings, rtol=1e-4)
    strong = [[set(np.argsort(-maps[i, j].ravel())[:102]) for j in range(3)] for i in range(len(x))]
    shared = [np.mean([len(one[i] & one[j]) / 102 for i, j in ((0, 1), (0, 2), (1, 2))]) for one in strong]
    np.testing.assert_allclose(values(frame, quantity="shared"), shared, atol=0.02)


@dataclass(frozen=True)
class Told(Work):
    """Rows that are known."""

    table: tuple = ()

    def rows(self, lab):
        for arm, setting, quantity, value in self.table:
            yield {"arm": arm, "setting": setting, "quantity": quantity, "value": value}


def test_the_trend_of_known_numbers(lab, monkeypatch):
    level = {("digits", "beta-vae"): 0.1, ("digits", "tc-vae"): -0.1, ("sprites", "beta-vae"): 0.0}

    def frame(cell, lab):
        slope = level.get((cell.data, cell.loss), math.nan)
        return pd.DataFrame({"value": [0.5 + slope * (cell.beta - 1) / 9 + 0.2 * (cell.data == "sprites")]})

    monkeypatch.setattr(lf.UnitsAlike, "frame", frame)
    cells = [lf.UnitsAlike(VAE, d, loss, b) for d in ("digits", "sprites") for loss in lf.LOSSES for b in lf.BETAS]
    frame = pd.DataFrame(list(lf.Trend(tuple(cells)).rows(lab))).assign(sample=0)
    for (data, loss), slope in level.items():
        assert values(frame, arm=loss, setting=data, quantity="rise")[0] == pytest.approx(slope)
    assert math.isnan(values(frame, arm="tc-vae", setting="sprites", quantity="rise")[0])
    assert values(frame, arm="mean of the four")[0] == pytest.approx(0.0, abs=1e-9)
    assert values(frame, arm="digits", setting="all VAEs")[0] == pytest.approx(0.5)
    assert values(frame, arm="sprites", setting="all VAEs")[0] == pytest.approx(0.7)
    assert values(frame, arm="beta 1", setting="all VAEs")[0] == pytest.approx((0.5 + 0.5 + 0.7) / 3)


def test_two_trainings_apart(lab):
    one = Told((("gradient", "digits", "a", 0.1), ("gradient", "digits", "b", 0.4), ("gradient", "digits", "c", 1.0)))
    two = Told((("gradient", "digits", "a", 0.3), ("gradient", "digits", "b", 0.6), ("gradient", "digits", "c", 1.2)))
    frame = done(lf.Apart((one,), (two,), "arm"), lab)
    assert values(frame, arm="gradient", setting="digits", quantity="apart")[0] == pytest.approx(0.2)
    assert values(frame, arm="gradient", setting="digits", quantity="one-shape")[0] == pytest.approx(1.0)
    most, least = (
        Told((("most", "cifar10 · dknn", "a", x), ("least", "cifar10 · dknn", "a", y)))
        for x, y in ((0.9, 0.1), (0.1, 0.7))
    )
    frame = done(lf.Apart((most,), (least,), "setting"), lab)
    assert values(frame, arm="dknn", setting="cifar10", quantity="apart")[0] == pytest.approx(0.7)
    assert values(frame, arm="dknn", setting="cifar10", quantity="one-shape")[0] == pytest.approx(-1.0)


def test_the_cost_counts_trainings(lab, monkeypatch):
    clock = iter([10.0, 13.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    Told().run(lab)
    cell = lf.Cost("pretext tasks", "all", (Told(),), 0, (VAE,))
    monkeypatch.setattr(Train, "told", lambda *_: {"rows": [{"seconds": 2.0}, {"seconds": 3.0}]})
    frame = pd.DataFrame(list(cell.rows(lab)))
    assert frame.set_index("quantity")["value"].to_dict() == {"seconds": 8.0, "log2-seconds": 3.0}


@pytest.mark.parametrize("scale", ["tiny", "small", "paper"])
def test_every_text_form_can_be_read(scale):
    for name in pl.catalog("studies"):
        if name.startswith("relf"):
            study = Study.make(f"{name}:scale={scale}")
            for cell in ordered(one.cell for one in study.readings(0)):
                fields = vars(cell)
                for data in (fields.get(key) for key in ("data", "corpus", "asked", "train")):
                    assert not data or str(Dataset.make(data))
                if "explainer" in fields:
                    Explainer.make(cell.explainer)
                if "influence" in fields:
                    Influence.make(cell.influence)
                assert cell.quick().alike

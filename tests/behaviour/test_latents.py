"""pellucid latents, and its pictures."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.data import Dataset
from pellucid.metrics.latent_agreement import alike
from pellucid.show.boxes import Box, boxes, five
from pellucid.show.chart import ticks_of
from pellucid.show.encoders import encoder_sheet, unit_sheet
from tests.behaviour.error_cases_of_latents import OF_LATENTS

SMALL = ("--images", 6, "--codes", 40, "-e", "input-x-gradient", "--rows", "5,300000")


@pytest.fixture
def encoders(tmp_path):
    """Two little VAEs, as files."""
    for seed, latent in ((0, 4), (1, 5)):
        torch.manual_seed(seed)
        net = pl.load_model(f"pellucid:conv-vae:latent={latent}", weights=None)
        pl.save_model(net, tmp_path / f"vae-{latent}.safetensors")
    return [tmp_path / f"vae-{latent}.safetensors" for latent in (4, 5)]


def test_two_encoders(run, encoders, tmp_path):
    code, out, err = run("latents", "sprites", "-m", encoders[0], "-m", encoders[1], *SMALL, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found == json.loads((tmp_path / "latents" / "latents.json").read_text())
    assert found["files"] == ["units.png", "encoders.png", "agreement.png"]
    assert [e["units"] for e in found["encoders"]] == [list(range(4)), list(range(5))]
    assert found["factors"] == ["colour", "shape", "scale", "orientation", "x", "y"]
    assert found["shown"] == [5, 300000]
    for e in found["encoders"]:
        assert set(e["factors"]) == {"MIG", "SAP", "disentanglement", "completeness", "informativeness"}
        assert e["by_factor"]["MIG"][0] is None  # all are white
        assert e["agreement"]["pearson"]["n"] == 6
        assert (
            e["agreement"]["pearson"]["low"] <= e["agreement"]["pearson"]["mean"] <= e["agreement"]["pearson"]["high"]
        )
    assert found["agreement"]["pearson"][0][1] == found["agreement"]["pearson"][1][0]
    for name in found["files"]:
        assert Image.open(tmp_path / "latents" / name).width > 300


def test_the_numbers_are_the_metrics(run, encoders):
    """By hand, of the same records."""
    code, out, _ = run("latents", "sprites", "-m", encoders[0], *SMALL, "--units", "2,0", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["encoders"][0]["units"] == [2, 0]
    assert found["files"] == ["units.png"]
    assert found["agreement"] == {}
    import random

    data, net = Dataset.make("sprites"), pl.load_model(encoders[0])
    rows = random.Random(0).sample(range(len(data)), 40)[:6]
    seen = pl.transform_of(net)
    x = torch.stack([seen(data[row].image) for row in rows])
    maps = pl.explain(net, x, "input-x-gradient", ask=["unit:index=2", "unit:index=0"]).maps.abs()
    told = alike(maps.flatten(2), "pearson")
    assert found["encoders"][0]["agreement"]["pearson"]["mean"] == pytest.approx(float(told.mean()), abs=1e-4)


def test_a_table_for_people(run, encoders):
    code, out, _ = run("latents", "sprites", "-m", encoders[0], "-m", encoders[1], *SMALL)
    assert code == 0
    for word in ("vae-4", "vae-5", "pearson", "MIG", "Do they look at the same pixels?", "latents.json"):
        assert word in out
    code, out, _ = run("latents", "digits", "-m", encoders[0], "--images", 4, "-e", "gradient")
    assert code == 0
    assert "MIG" not in out  # nothing is known of how digits came about


def test_what_cannot_be(run, encoders):
    assert run("latents", "sprites", "-m", encoders[0], "--rows", "x")[0] == 2
    assert "there is no explainer 'nobody'" in run("latents", "sprites", "-m", encoders[0], "-e", "nobody")[2]
    code, _, err = run("latents", "sprites", "-m", encoders[0], "--units", "9", "--images", 2)
    assert code == 2
    assert "unit 9 is not there" in err


def test_trainings_are_told_apart_by_their_objective(run, encoders, tmp_path):
    """A folder of a training says what it was trained by."""
    from pellucid.cli._latents import trained_by

    (tmp_path / "fit.json").write_text(json.dumps({"plan": {"objective": "beta-vae:beta=5"}}))
    assert trained_by(str(tmp_path)) == ("beta-vae", "β 5")
    assert trained_by(str(encoders[0])) == ("beta-vae", "β 5")  # a file in it
    (tmp_path / "fit.json").write_text(json.dumps({"plan": {"objective": "ce"}}))
    assert trained_by(str(tmp_path)) == ("ce", "")
    assert trained_by("timm:resnet18") == ("", "")


# --- pictures ---------------------------------------------------------------------------------------------------------


def explained(asks, n=2, size=16, seed=0):
    g = torch.Generator().manual_seed(seed)
    maps = torch.randn(n, len(asks), size, size, generator=g)
    return pl.Explanation(
        maps=maps if len(asks) > 1 else maps[:, 0], value=torch.randn(n, len(asks), generator=g), ask=tuple(asks),
        explainer="gradient", signed=True, images=torch.rand(n, 1, size, size, generator=g),
    )  # fmt: skip


def test_a_sheet_of_units_says_which_and_how_much(said):
    e = explained([f"unit:index={j}" for j in (3, 0)])
    unit_sheet(e, [3, 0], rows=["one", "two"])
    texts = [text for text, _ in said]
    assert {"unit 3", "unit 0", "one", "two"} <= set(texts)
    assert all(any(f"{abs(float(v)):.3g}" in text for text in texts) for v in e.value.flatten())
    assert any("−" in text for text in texts)


def test_each_encoder_has_its_scale_and_units_share_one(said):
    """Twice the code has four times the map: the same picture, another number."""
    one = explained(["similarity"])
    four = pl.Explanation(
        maps=4 * one.maps, value=one.value, ask="similarity", explainer="gradient", signed=True, images=one.images
    )
    picture = np.asarray(encoder_sheet({"plain": one, "twice": four}))
    texts = [text for text, _ in said]
    limit = float(one.maps.abs().max())
    assert f"{limit:.3g}" in texts
    assert f"{4 * limit:.3g}" in texts
    tile = 128
    where = [left for text, (left, _) in said if text in ("plain", "twice")]
    a, b = (picture[-2 * tile : -20, left : left + tile] for left in where)
    assert np.array_equal(a, b)


def test_boxes(said):
    """Every group, kind and title is written; the median is where its number is."""
    panels = {
        "pearson": [Box("β 1", "beta-vae", [0.1, 0.2, 0.3, 0.4]), Box("β 5", "tc-vae", [0.3, 0.5, float("nan")])],
        "a title that is so long that it must be broken": [Box("β 1", "beta-vae", [3.0])],
        "empty": [Box("β 1", "beta-vae", [float("nan")])],
    }
    picture = boxes(panels, "a note")
    texts = " ".join(text for text, _ in said)
    for word in ("pearson", "broken", "β 1", "β 5", "beta-vae", "tc-vae", "a note"):
        assert word in texts
    assert "empty" not in texts
    assert picture.width > 300
    shade = np.asarray(Image.new("RGB", (1, 1), "#0072B2"))[0, 0]
    hit = (np.asarray(picture) == shade).all(2)
    thick = [y for y in range(hit.shape[0]) if hit[y].sum() >= 24]
    assert thick


@pytest.mark.parametrize("values", ([1.0], [2.0, 2.0], [0.0, 0.0, 1e-9], [-5.0, 1e6]))
def test_any_numbers_have_a_box(values):
    assert boxes({"x": [Box("a", "", values)]}).width > 0
    low, first, median, third, high = five(np.asarray(values))
    assert low <= median <= high
    assert first <= median <= third
    assert ticks_of(low - 1, high + 1)


@pytest.mark.parametrize("name", OF_LATENTS)
def test_every_refusal_is_one_sentence(name, tmp_path):
    with pytest.raises(pl.PellucidError) as found:
        OF_LATENTS[name](tmp_path)
    assert str(found.value).endswith(".")
    assert "\n" not in str(found.value)


def test_a_box_stands_above_its_name(monkeypatch):
    """Encoders without an objective among others: each box in the middle of its group."""
    import pellucid.show.boxes as module

    panels = {"a": [Box("one", "x", [1.0]), Box("two", "", [2.0])]}
    middles = []
    monkeypatch.setattr(module, "_box", lambda pen, values, middle, at, shade: middles.append(middle))
    sheet = module._Boxes(panels, "")
    sheet.draw()
    assert middles[1] - middles[0] == pytest.approx(sheet.slot)
    assert sheet.named == ["x"]  # no legend of no name

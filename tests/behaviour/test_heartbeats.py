"""Heartbeats: drawn from formulas, by number and seed."""

import math

import pytest
import torch

import pellucid as pl
from pellucid.data import Dataset
from pellucid.data.heartbeats import VALUES, WAVES, Heartbeats

BEATS = Heartbeats(length=200, seed=3)


def test_a_beat_is_as_long_and_as_wide_as_in_ecg5000():
    x = BEATS.images()
    assert x.shape == (200, VALUES, 1)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x.mean(1), torch.zeros(200, 1), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std(1), torch.ones(200, 1), atol=1e-5, rtol=0)


def test_kinds_take_turns_and_can_be_told_apart():
    """The mean of a kind is nearer to a beat of it than the other's."""
    x, labels = BEATS.images(), BEATS.labels()
    assert labels.tolist() == [0, 1] * 100
    means = torch.stack([x[labels == kind].mean(0) for kind in (0, 1)])
    found = (x[:, None] - means).square().sum((2, 3)).argmin(1)
    assert float((found == labels).float().mean()) > 0.95


def test_a_seed_is_a_set_of_beats():
    assert torch.equal(BEATS.images(), Heartbeats(length=200, seed=3).images())
    assert not torch.equal(BEATS.images(), Heartbeats(length=200, seed=4).images())
    assert torch.equal(BEATS[7].image, Dataset.make("heartbeats:length=200,seed=3").record(7).image)


@pytest.mark.parametrize("kind", [0, 1])
def test_the_mean_of_many_is_the_formula(kind):
    """Places are drawn with 0.02 about the waves' own, so the mean is wider; noise goes."""
    x = Heartbeats(length=4000).images()[kind::2, :, 0].double().mean(0)
    t = torch.linspace(0, 1, VALUES, dtype=torch.float64)
    wanted = torch.zeros_like(t)
    for place, width, height in WAVES[kind]:
        wide = math.hypot(width, 0.02)
        wanted += height * width / wide * torch.exp(-0.5 * ((t - place) / wide) ** 2)
    assert float(torch.corrcoef(torch.stack([x, wanted]))[0, 1]) > 0.995


def test_an_autoencoder_learns_them():
    net = pl.load_model("pellucid:lstm-autoencoder:latent=4,length=32")
    assert net(BEATS.images([0, 1])).shape == (2, 4)

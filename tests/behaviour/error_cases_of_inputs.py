"""What `test_errors.py` asks of inputs that are no pictures, of captum and of functions to hear what they say."""

import torch
from torch import nn

import pellucid as pl
from pellucid.explainers.captum import Captum
from pellucid.explainers.custom import Custom

IDS = torch.ones(2, 3, dtype=torch.int64)
ROWS = torch.linspace(-1, 1, 10).view(2, 5)
SERIES = torch.linspace(-1, 1, 24).view(2, 4, 3)
VOLUMES = torch.linspace(-1, 1, 48).view(2, 1, 2, 3, 4)
IMAGES = torch.linspace(-1, 1, 384).view(2, 3, 8, 8)


def linear(features):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(features, 3))


def words():
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 3))


def captum(text, x=IMAGES):
    return pl.explain(linear(x[0].numel()), x, f"captum:name={text}")


OF_INPUTS = {
    "channels of a vector": lambda folder: pl.explain(linear(5), ROWS, "gradient", channels=1),
    "channels beyond the axes": lambda folder: pl.explain(linear(12), SERIES, "gradient", channels=3),
    "ids that nobody reads": lambda folder: pl.explain(linear(3), IDS, "gradient"),
    "a cam of volumes": lambda folder: pl.explain(linear(24), VOLUMES, "grad-cam"),
    "a layer of volumes": lambda folder: pl.explain(linear(24), VOLUMES, "input-x-gradient:layer=0"),
    "a layer of series": lambda folder: pl.explain(linear(12), SERIES, "grad-cam:layer=0", channels=2),
    "noise on token ids for a function": lambda folder: pl.explain(
        words(), IDS, pl.explainers.Smooth(of=Custom(lambda model, x: x))),
    "a function that hears no question": lambda folder: pl.explain(
        linear(5), ROWS, lambda model, x: x, ask=["logit", "contrast"]),
    "a function that explains nothing": lambda folder: pl.explain(linear(5), ROWS, lambda model, x: None),
    "an attribution that captum has not": lambda folder: captum("DeepLft"),
    "an argument that captum has not": lambda folder: captum("IntegratedGradients,steps=3"),
    "an argument that captum needs": lambda folder: captum("Occlusion"),
    "an option that captum refuses": lambda folder: captum("Occlusion,sliding_window_shapes=[9,9,9]"),
    "an option that is a knob": lambda folder: Captum(rest={"layer": "conv"}),
    "an option without a name": lambda folder: Captum(rest={"no name": 1}),
}  # fmt: skip

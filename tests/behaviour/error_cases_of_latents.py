"""What `test_errors.py` does to metrics of codes and influences, and to sheets of encoders, to hear what they say."""

import math

import torch
from torch import nn

import pellucid as pl
from pellucid.explainers.gradient_shap import GradientSHAP
from pellucid.metrics.dci import DCI
from pellucid.metrics.mutual_information_gap import MutualInformationGap
from pellucid.metrics.similarity_rate import SimilarityRate
from pellucid.show.boxes import Box, boxes
from pellucid.show.encoders import encoder_sheet, unit_sheet

X = torch.zeros(2, 1, 8, 8)
CODES = torch.zeros(4, 2)


def encoder():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))


def explained(*asks):
    return pl.explain(encoder(), X, "gradient", ask=list(asks))


OF_LATENTS = {
    "agreement of one explanation": lambda _folder: pl.agreement(X[:, 0]),
    "ssim of all maps as one": lambda _folder: pl.agreement(X[:, 0], X[:, 0], "ssim", pooled=True),
    "own baselines, one too few": lambda _folder: pl.explain(
        encoder(), X, GradientSHAP(baseline=X[:1], pair=True), ask="similarity"
    ),
    "a metric of codes asked of a map": lambda _folder: pl.measure(encoder(), X, X[:, 0], "sap"),
    "codes and factors of different numbers": lambda _folder: MutualInformationGap()(CODES, torch.zeros(5, 1)),
    "codes with NaN": lambda _folder: MutualInformationGap()(CODES + math.nan, torch.zeros(4, 1)),
    "factors with NaN": lambda _folder: MutualInformationGap()(CODES, torch.full((4, 1), math.nan)),
    "an order of too few factors": lambda _folder: MutualInformationGap()(CODES, torch.zeros(4, 2), [True]),
    "forests of four samples": lambda _folder: DCI()(CODES, torch.arange(4)[:, None]),
    "similarity of examples without labels": lambda _folder: SimilarityRate()(
        torch.zeros(3, 5), torch.full((3,), -1), torch.zeros(5, dtype=torch.int64)
    ),
    "influences that are transposed": lambda _folder: SimilarityRate()(
        torch.zeros(5, 3), torch.zeros(3, dtype=torch.int64), torch.zeros(5, dtype=torch.int64)
    ),
    "agreement of one unit": lambda _folder: pl.measure(encoder(), X, None, "latent-agreement:units=[1]"),
    "a sheet of encoders with two questions": lambda _folder: encoder_sheet(
        {"one": explained("similarity", "unit:index=0")}
    ),
    "a sheet of units with a question too few": lambda _folder: unit_sheet(explained("unit:index=0"), [0, 1]),
    "boxes without numbers": lambda _folder: boxes({"pearson": [Box("a", "", [math.nan])]}),
}

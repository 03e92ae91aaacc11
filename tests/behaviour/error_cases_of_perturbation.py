"""What `test_errors.py` does to explainers that take parts of an image away, to hear what they say."""

import torch

import pellucid as pl
from pellucid.explainers import RISE, FeatureAblation, Occlusion
from pellucid.networks import TinyCNN

X = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def explained(explainer, **options):
    return pl.explain(TinyCNN(classes=3).build(), X, explainer, **options)


OF_PERTURBATION = {
    "several baselines to remove into": lambda folder: explained(Occlusion(baseline=torch.rand(2, 3, 16, 16))),
    "parts of a volume": lambda folder: RISE().canvas(torch.rand(1, 1, 4, 4, 4)),
    "windows with gaps": lambda folder: explained("occlusion:window=4,stride=[4,5]"),
    "segments of another size": lambda folder: explained(FeatureAblation(segments=torch.zeros(8, 8, dtype=torch.long))),
    "segments of no tensor": lambda folder: explained(FeatureAblation(segments=lambda image: None)),
    "segments of other images": lambda folder: explained(
        FeatureAblation(segments=torch.zeros(3, 16, 16, dtype=torch.long))),
}  # fmt: skip

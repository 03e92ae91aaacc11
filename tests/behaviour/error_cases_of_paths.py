"""What `test_errors.py` does to paths, regions and relevance, to hear what they say."""

import sys

import torch
from torch import nn

import pellucid as pl

NET = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))


def explained(explainer):
    return lambda folder: pl.explain(NET, torch.ones(1, 3, 4, 4), explainer)


def without(module, explainer):
    """Where a package is not installed."""

    def explain(folder):
        here = sys.modules.get(module)
        sys.modules[module] = None
        try:
            explained(explainer)(folder)
        finally:
            sys.modules.pop(module)
            if here is not None:
                sys.modules[module] = here

    return explain


OF_PATHS = {
    "important directions of no path": explained("idgi@gradient"),
    "important directions of many paths": explained("idgi@gradient-shap"),
    "a guided path from several images": explained(pl.explainers.GuidedIG(baseline=torch.ones(2, 3, 4, 4))),
    "regions without scikit-image": without("skimage.segmentation", "xrai:steps=1"),
    "composites without zennit": without("zennit.composites", "lrp:rule=epsilon-plus"),
}

"""What `test_errors.py` does to audits to hear what they say."""

import torch
from torch import nn

import pellucid as pl


def _audit(data, **options):
    return lambda _folder: pl.audit(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), data, **options)


OF_AUDIT = {
    "an audit of fewer than no samples": _audit("scenes", checks=-1),
    "an audit of nothing": _audit([]),
    "an audit of what is read once": _audit(iter([(torch.zeros(3, 1, 1), 0)])),
}

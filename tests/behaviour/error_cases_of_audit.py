"""What `test_errors.py` does to audits to hear what they say."""

import torch
from torch import nn
from torch.utils.data import IterableDataset

import pellucid as pl


def _audit(data, **options):
    return lambda _folder: pl.audit(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), data, **options)


class Silent(IterableDataset):
    """A stream of nothing."""

    def __iter__(self):
        return iter(())


OF_AUDIT = {
    "an audit of fewer than no samples": _audit("scenes", checks=-1),
    "an audit of nothing": _audit(Silent()),
    "an audit of what is read once": _audit(iter([(torch.zeros(3, 1, 1), 0)])),
}

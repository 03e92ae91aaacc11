"""DKNN of 10,000 test examples in 60,000 training examples, 128 features. Target: three times the bare matrix product.

The features are there; ours makes all 600 million weights, the floor as many products. FAISS, where it is installed,
finds the ten nearest alone.
"""

from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import nn

import pellucid as pl
from benchmarks._timing import Row, race


def run() -> Row:
    torch.manual_seed(0)
    train, test = torch.randn(60_000, 128), torch.randn(10_000, 128)
    encoder = nn.Flatten()  # costs nothing

    def ours(influence: str, **how: int) -> object:
        return pl.influence(encoder, train, test, influence, batch_size=4096, **how)

    contenders: dict[str, Callable[[], object]] = {
        "floor": lambda: test @ train.T,
        "ours": lambda: ours("dknn"),
        "ours, the 10 first and last": lambda: ours("dknn", top=10),
    }
    if find_spec("faiss"):
        contenders["FAISS, the 10 first"] = lambda: flat(train).search(test.numpy(), 10)
    return race("DKNN, 10,000 × 60,000 × 128", contenders, "a matrix product of that size", "≤ 3")


def flat(train: torch.Tensor) -> object:
    import faiss

    index = faiss.IndexFlatL2(train.shape[1])
    index.add(train.numpy())
    return index

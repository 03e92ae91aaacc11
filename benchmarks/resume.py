"""A finished run of 10,000 rows, asked for again: nothing is computed. Target: 2 s beyond imports."""

import statistics
import tempfile
import time

import torch
from torch import nn

import pellucid as pl
from benchmarks._timing import ROUNDS, Row

SAMPLES = 2000
CALL = {"explainers": ["random-map", "edges"], "metrics": "sparseness"}  # with accuracy and confidence 5 rows a sample


def run() -> Row:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 10)).eval()
    data = f"scenes:length={SAMPLES},size=16"
    with tempfile.TemporaryDirectory() as out:
        first = _seconds(lambda: pl.evaluate(net, data, **CALL, transform="plain", out=out))
        again = [
            _seconds(lambda: len(pl.evaluate(net, data, **CALL, transform="plain", out=out))) for _ in range(ROUNDS)
        ]
    ratio = statistics.median(again) / first
    figures = {"floor": first, "ours": statistics.median(again)}
    return Row("A finished run of 10,000 rows, asked for again", figures, {"ours": ratio}, "2 s", "s", "the first time")


def _seconds(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start

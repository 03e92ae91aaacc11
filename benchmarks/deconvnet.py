"""DeconvNet: one forward and one backward to the input, by another rule at its ReLUs. Target: 1.10 of these."""

from captum.attr import Deconvolution

from benchmarks._rectified import race_of
from benchmarks._timing import Row


def run() -> Row:
    return race_of("DeconvNet", "deconvnet", Deconvolution)

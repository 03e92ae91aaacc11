"""SimplEx of 50 test examples in 1,000 training examples, 4 features each, as published. Target: a hundredth of 10,000
steps of Adam on the logits of a softmax, at a residual that is no larger.

Adam is timed over 100 steps, all 50 examples together as its authors have it: it does the same in every step. Its
residual is that of all 10,000. The figures of 64 and 512 features are divided by their own 100 steps.
"""

import torch

from benchmarks._timing import Row, race
from pellucid.influences.simplex import nearest_mixture, published

STEPS, TIMED = 10_000, 100


def run() -> Row:
    torch.manual_seed(0)
    sets = {d: (torch.randn(50, d), torch.randn(1000, d)) for d in (4, 64, 512)}
    test, train = sets[4]
    ours = residual(nearest_mixture(test, train)[0], test, train)
    theirs = residual(published(test, train, STEPS), test, train)
    if not bool((ours <= theirs + 1e-6).all()):
        raise RuntimeError("Adam has the smaller residual.")
    contenders = {"floor": lambda: published(test, train, TIMED), "ours": lambda: nearest_mixture(test, train)}
    for d in (64, 512):
        contenders[f"{d} features"] = lambda d=d: nearest_mixture(*sets[d])
        contenders[f"Adam, {d}"] = lambda d=d: published(*sets[d], TIMED)
    row = race("", contenders, "")
    more = {f"{d} features": row.figures[f"{d} features"] / row.figures[f"Adam, {d}"] for d in (64, 512)}
    return Row(
        f"SimplEx, 50 × 1,000, 4 features (mean residual {ours.mean():.2g}, Adam's {theirs.mean():.2g})",
        row.figures,
        {"ours": row.ratios["ours"], **more},
        "≤ 1",
        floor=f"{TIMED} steps of Adam, a hundredth of its {STEPS:,}",
    )


def residual(weights: torch.Tensor, test: torch.Tensor, train: torch.Tensor) -> torch.Tensor:
    return (test.double() - weights.double() @ train.double()).norm(dim=1)

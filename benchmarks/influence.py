"""The influence of 1,000 digits on 100, on the encoder of an autoencoder, 43,428 parameters, damping 0.01.

Target: a hundredth of a conjugate gradient solve, to 1e-6, for each training example. That is extrapolated from one
such solve a round, each of another digit. What the ranks have in common with conjugate gradients stands in the row.
"""

from itertools import count

import torch
from torch import Tensor

from benchmarks._digits import autoencoder, digits
from benchmarks._timing import Row, race
from pellucid.influences._case import Case
from pellucid.influences._loss import LOSSES
from pellucid.influences._samples import Held
from pellucid.influences.influence_function import InfluenceFunction, Solver

DAMPING, TRAIN, TEST = 0.01, 1000, 100
TRUE = 2  # digits of whose scores the ranks are compared


def run() -> Row:
    exact, which = scored("cg", TRAIN, TRUE), count()
    solvers: tuple[Solver, ...] = ("woodbury", "ekfac")
    alike = ", ".join(f"{name} {spearman(scored(name, TRAIN, TEST)[:TRUE], exact):.3f}" for name in solvers)
    row = race(
        f"Influence of {TRAIN} digits on {TEST}, 43,428 parameters (Spearman with CG to 1e-6: {alike})",
        {
            "floor": lambda: scored("cg", next(which), 1),
            "ours": lambda: scored("woodbury", TRAIN, TEST),
            "ekfac": lambda: scored("ekfac", TRAIN, TEST),
        },
        floor=f"{TRAIN} CG solves, one for each training example, extrapolated from 9",
        target="≤ 0.01",
    )
    figures = {**row.figures, "floor": row.figures["floor"] * TRAIN}
    ratios = {name: ratio / TRAIN for name, ratio in row.ratios.items()}
    return Row(row.what, figures, ratios, row.target, row.unit, row.floor)


def scored(solver: Solver, first: int, test: int) -> Tensor:
    """Of the training digits for some of all."""
    x = digits(TRAIN + TEST)
    case = Case(autoencoder(), Held(x[:TRAIN]), Held(x[first : first + test]), LOSSES["reconstruction"])
    return InfluenceFunction(solver=solver, damping=DAMPING).score(case)


def spearman(a: Tensor, b: Tensor) -> float:
    """The mean over the rows."""
    ranks = [x.argsort(1).argsort(1).double() for x in (a, b)]
    return float(torch.stack([torch.corrcoef(torch.stack(rows))[0, 1] for rows in zip(*ranks, strict=True)]).mean())

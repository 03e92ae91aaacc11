"""Quadratures of [0, 1]: points and weights; the weights sum to 1.

    midpoint     (i + ½)/n          1/n
    left, right  i/n, (i + 1)/n     1/n
    trapezoid    i/(n − 1)          1/(n − 1), half at both ends
    gauss        Gauss-Legendre     exact for polynomials of degree 2n − 1

>>> quadrature("trapezoid", 3)
([0.0, 0.5, 1.0], [0.25, 0.5, 0.25])
"""

from typing import Literal

import torch

Rule = Literal["gauss", "midpoint", "trapezoid", "left", "right"]


def quadrature(rule: Rule, points: int) -> tuple[list[float], list[float]]:
    """The points, rising, and their weights."""
    n = points
    if rule == "gauss":
        return _gauss(n)
    if rule == "trapezoid" and n > 1:
        ends = [0.5] + [1.0] * (n - 2) + [0.5]
        return [i / (n - 1) for i in range(n)], [e / (n - 1) for e in ends]
    shift = {"left": 0.0, "right": 1.0}.get(rule, 0.5)
    return [(i + shift) / n for i in range(n)], [1 / n] * n


def _gauss(n: int) -> tuple[list[float], list[float]]:
    """Golub-Welsch: nodes are the eigenvalues of the Jacobi matrix of the Legendre polynomials."""
    k = torch.arange(1, n, dtype=torch.float64)
    off = k / (4 * k**2 - 1).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    weights = vectors[0] ** 2
    return ((nodes + 1) / 2).tolist(), (weights / weights.sum()).tolist()

"""Curvature: products with a Hessian that is never written down, and four ways of dividing by it.

    H V      ∂/∂ε ∇L(θ + ε v)                          the Hessian, which may have negative eigenvalues
    G V      (1/N) Σ_n J_nᵀ (∂²ℓ/∂o²) J_n v            Gauss–Newton: H, had the network been linear

G is never negative where ℓ is convex in the outputs o, so G + δ can be divided by for every damping δ > 0. A loss that
is linear in o, as |o − x| is almost everywhere, has G = 0, and whoever divides by G + δ divides by δ. Vectors are rows:
V is [r, p], and so many right-hand sides are carried at once.

    conjugate_gradients        (A + δ)⁻¹ b to a residual; r sides together, each stops by itself
    lanczos, low_rank_inverse  k eigenvalues and vectors once, then two matrix products a side; 1/δ for all that is left
    woodbury                   exact, for G = ΦᵀΦ/N with few rows Φ: everything happens in the m × m Gram matrix ΦΦᵀ
    kronecker                  EK-FAC, layer by layer: a Kronecker product for each, which is an approximation
    neumann                    101 terms of the series of (H/s + d)⁻¹/s, as published

>>> A = torch.tensor([[2.0, 0.0], [0.0, 4.0]])
>>> b = torch.tensor([[2.0, 4.0]])
>>> found = conjugate_gradients(lambda v: v @ A, b)
>>> found.x.round(decimals=5).tolist(), found.steps
([[1.0, 1.0]], 2)
>>> four = torch.tensor([[4.0]])                              # Φ = (1, 0), N = 1: G = diag(1, 0); δ = 3, a = b = (4, 0)
>>> woodbury(woodbury_root(torch.eye(1), 1, 3.0), 3.0, four, four, four * 4).item()            # 4 · 4 / (1 + 3)
4.0
>>> round(neumann_response(0.0), 8)
0.09611265
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.func import grad, jvp, vjp, vmap

Product = Callable[[Float[Tensor, "r p"]], Float[Tensor, "r p"]]
TERMS, DAMP, SCALE = 100, 1e-3, 1000.0  # of the published recursion


# --- products --------------------------------------------------------------------------------------------------------


def hessian_product(loss: Callable[[Tensor], Tensor], at: Float[Tensor, " p"], together: int = 16) -> Product:
    """V -> H V of a loss of flat parameters, so many rows at once.

    >>> product = hessian_product(lambda t: t[0] ** 2 * t[1], torch.tensor([1.0, 3.0]))
    >>> product(torch.eye(2)).tolist()
    [[6.0, 2.0], [2.0, 0.0]]
    """
    return _rowwise(pulling(grad(loss), at)[1], together)  # H is symmetric, so that its transpose does


def gauss_newton_product(
    output: Callable[[Tensor], Tensor],
    loss: Callable[[Tensor], Tensor],
    at: Float[Tensor, " p"],
    together: int = 16,
) -> Product:
    """V -> Jᵀ (∂²loss/∂o²) J V, o = output(parameters).

    >>> at = torch.tensor([1.0, 2.0])
    >>> product = gauss_newton_product(lambda t: t.prod().view(1), lambda o: o.square().sum() / 2, at)
    >>> product(torch.eye(2)).tolist()                         # J = (2, 1)
    [[4.0, 2.0], [2.0, 1.0]]
    """
    value, pull = pulling(output, at)
    _, bend = pulling(grad(loss), value.detach())
    return _rowwise(lambda v: pull(bend(push(output, at, v))), together)


def pulling(function: Callable[[Tensor], Tensor], at: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """f(at), and w -> Jᵀ w.

    >>> value, pull = pulling(torch.square, torch.tensor([3.0]))
    >>> value.item(), pull(torch.tensor([1.0])).item()
    (9.0, 6.0)
    """
    both = vjp(function, at)
    return both[0], lambda w: both[1](w)[0]


def push(function: Callable[[Tensor], Tensor], at: Tensor, tangent: Tensor) -> Tensor:
    """J v, by forward differentiation; by two backward ones where an operation has none."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*jit.script.*")  # torch's own, told to whoever differentiates forward
            return jvp(function, (at,), (tangent,))[1]
    except (NotImplementedError, RuntimeError):
        value, pull = pulling(function, at)
        return pulling(pull, torch.zeros_like(value))[1](tangent)


def _rowwise(one: Callable[[Tensor], Tensor], together: int) -> Product:
    def product(rows: Tensor) -> Tensor:
        try:
            return vmap(one, chunk_size=together, randomness="same")(rows)
        except RuntimeError:  # an operation that cannot be vectorised
            return torch.stack([one(row) for row in rows])

    return product


def mean_product(products: Sequence[Product], weights: Sequence[float]) -> Product:
    """Σ w_b A_b / Σ w_b: a batch after another, weighted by their examples.

    >>> mean_product([lambda v: v, lambda v: 4 * v], [2, 1])(torch.ones(1, 1)).item()
    2.0
    """
    total = sum(weights)

    def product(rows: Tensor) -> Tensor:
        found = torch.zeros_like(rows)
        for each, weight in zip(products, weights, strict=True):
            found += each(rows) * (weight / total)
        return found

    return product


def damped(product: Product, damping: float) -> Product:
    """V -> A V + δ V"""
    return lambda rows: product(rows) + damping * rows


# --- conjugate gradients ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Solved:
    """What `conjugate_gradients` found, and how well."""

    x: Float[Tensor, "r p"]
    steps: int
    residual: Float[Tensor, " r"]  # ‖b − A x‖ / ‖b‖, as the recursion has it
    negative: Bool[Tensor, " r"]  # a direction of negative curvature was met; x is where it was

    def converged(self, tolerance: float) -> bool:
        return not bool(self.negative.any()) and bool((self.residual <= tolerance).all())


def conjugate_gradients(
    product: Product, right: Float[Tensor, "r p"], tolerance: float = 1e-6, most: int = 1000
) -> Solved:
    """A⁻¹ b for symmetric positive A. Whoever is done leaves, so that the last ones have the products to themselves."""
    x, residual = torch.zeros_like(right), torch.ones_like(right[:, 0])
    size = right.norm(dim=1)
    negative, residual[size == 0] = torch.zeros_like(size, dtype=torch.bool), 0.0
    rows = (size > 0).nonzero()[:, 0]
    r = right[rows].clone()
    p, old, steps = r.clone(), r.square().sum(1), 0
    while len(rows) and steps < most:
        steps += 1
        image = product(p)
        bend = (p * image).sum(1)
        bad = bend <= 0
        negative[rows[bad]] = True
        pace = torch.where(bad, 0.0, old / torch.where(bad, 1.0, bend))[:, None]
        x[rows] += pace * p
        r -= pace * image
        new = r.square().sum(1)
        residual[rows] = new.sqrt() / size[rows]
        go = ~bad & (residual[rows] > tolerance)
        p = (r + (new / old)[:, None] * p)[go]
        rows, r, old = rows[go], r[go], new[go]
    return Solved(x, steps, residual, negative)


# --- low rank --------------------------------------------------------------------------------------------------------


def lanczos(
    product: Product, like: Float[Tensor, " p"], rank: int, generator: torch.Generator
) -> tuple[Float[Tensor, " k"], Float[Tensor, "k p"]]:
    """Ritz values and vectors of a symmetric A after `rank` products. Every new direction is made orthogonal to all
    before, twice: once is not enough in float32. Where there is none, a direction of chance comes next; else of an
    eigenvalue that is there twice, one would be found.

    >>> A = torch.diag(torch.tensor([3.0, 1.0, 1.0]))
    >>> values, vectors = lanczos(lambda v: v @ A, torch.zeros(3), 3, torch.Generator().manual_seed(0))
    >>> [round(value, 5) for value in values.tolist()]
    [1.0, 1.0, 3.0]
    """
    rank, small = min(rank, len(like)), 1e3 * torch.finfo(like.dtype).eps
    basis, images = like.new_zeros(rank, len(like)), like.new_zeros(rank, len(like))
    rest = torch.randn(len(like), generator=generator).to(like)
    for k in range(rank):
        known, before = basis[:k], rest.norm()
        rest = _apart(rest, known)
        if rest.norm() <= small * before:
            rest = _apart(torch.randn(len(like), generator=generator).to(like), known)
        basis[k] = rest / rest.norm()
        images[k] = rest = product(basis[k : k + 1])[0]
    projected = basis @ images.T
    values, turn = torch.linalg.eigh((projected + projected.T) / 2)
    return values, turn.T @ basis


def _apart(vector: Tensor, known: Tensor) -> Tensor:
    for _ in range(2):
        vector = vector - known.T @ (known @ vector)
    return vector


def low_rank_inverse(
    values: Float[Tensor, " k"], vectors: Float[Tensor, "k p"], damping: float, right: Float[Tensor, "r p"]
) -> Float[Tensor, "r p"]:
    """(A + δ)⁻¹ b, where A is nothing outside of these vectors: b there is divided by δ, and left out for δ = 0.

    >>> low_rank_inverse(torch.tensor([1.0]), torch.tensor([[1.0, 0.0]]), 1.0, torch.tensor([[4.0, 4.0]])).tolist()
    [[2.0, 4.0]]
    """
    inside = right @ vectors.T
    if damping == 0:
        least = len(values) * torch.finfo(values.dtype).eps * values.abs().max()
        return torch.where(values > least, inside / values, 0.0) @ vectors
    return right / damping + (inside * (1 / (values + damping) - 1 / damping)) @ vectors


def woodbury_root(gram: Float[Tensor, "m m"], count: int, damping: float) -> Float[Tensor, "m m"]:
    """L with L Lᵀ = N δ + ΦΦᵀ, in float64."""
    double = gram.double()
    return torch.linalg.cholesky(
        double + count * damping * torch.eye(len(gram), dtype=double.dtype, device=gram.device)
    )


def woodbury(
    root: Float[Tensor, "m m"],
    damping: float,
    left: Float[Tensor, "m t"],
    right: Float[Tensor, "m n"],
    plain: Float[Tensor, "t n"],
) -> Float[Tensor, "t n"]:
    """aᵀ (ΦᵀΦ/N + δ)⁻¹ b of all pairs, from products alone: the root of ΦΦᵀ, Φ a, Φ b and aᵀ b.

    = (aᵀ b − (Φ a)ᵀ (N δ + ΦΦᵀ)⁻¹ Φ b) / δ
    """
    a, b = (torch.linalg.solve_triangular(root, side.double(), upper=False) for side in (left, right))
    return ((plain.double() - a.T @ b) / damping).to(plain.dtype)


# --- Kronecker factors -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kronecker:
    """The curvature of one matrix of parameters [o, i] as (U ⊗ V) diag(values) (U ⊗ V)ᵀ."""

    out: Float[Tensor, "o o"]
    into: Float[Tensor, "i i"]
    values: Float[Tensor, "o i"]

    def inverse(self, right: Float[Tensor, "r o i"], damping: float) -> Float[Tensor, "r o i"]:
        turned = self.out.T @ right @ self.into
        return self.out @ (turned / (self.values + damping)) @ self.into.T


def kronecker(gradients: Float[Tensor, "m o i"], count: int) -> Kronecker:
    """EK-FAC (George et al., 2018) of Σ_m g gᵀ / count, g = vec G: the axes are the eigenvectors of Σ G Gᵀ and Σ Gᵀ G,
    the values the mean squares of g along them. For a linear layer, G = δ aᵀ, these are K-FAC's factors where the
    lengths of δ and a have nothing to do with one another.

    A matrix of one row, or of one column, is exact: of a bias, or of a normalisation.

    >>> found = kronecker(torch.tensor([[[3.0, 0.0]], [[0.0, 1.0]]]), 2)
    >>> found.inverse(torch.tensor([[[10.0, 1.0]]]), 0.5).tolist()                    # values 4.5 and 0.5
    [[[2.0, 1.0]]]
    """
    out = torch.linalg.eigh(torch.einsum("moi,mpi->op", gradients, gradients))[1]
    into = torch.linalg.eigh(torch.einsum("moi,moj->ij", gradients, gradients))[1]
    values = (out.T @ gradients @ into).square().sum(0) / count
    return Kronecker(out, into, values)


def kronecker_of_outer(back: Float[Tensor, "m o"], given: Float[Tensor, "m i"], count: int) -> Kronecker:
    """The same of G_m = δ_m a_mᵀ, which is never written out."""
    out = torch.linalg.eigh((back * given.square().sum(1, keepdim=True)).T @ back)[1]
    into = torch.linalg.eigh((given * back.square().sum(1, keepdim=True)).T @ given)[1]
    return Kronecker(out, into, (back @ out).square().T @ (given @ into).square() / count)


# --- the published recursion -----------------------------------------------------------------------------------------


def neumann(
    products: Sequence[Product], right: Float[Tensor, "r p"], damp: float = DAMP, scale: float = SCALE
) -> Float[Tensor, "r p"]:
    """h ← g + (1 − d) h − H h / s from h = g, a product of its own for every step; h / s at the end.

    The limit is (H + d s)⁻¹ g, if no eigenvalue reaches 2 s; but after 100 steps the small ones are far from it.

    >>> neumann([lambda v: v] * 2, torch.ones(1, 1), damp=0.0, scale=2.0).item()       # (1 + ½ + ¼) / 2
    0.875
    """
    h = right
    for product in products:
        h = right + (1 - damp) * h - product(h) / scale
    return h / scale


def neumann_transposed(
    products: Sequence[Product], left: Float[Tensor, "r p"], damp: float = DAMP, scale: float = SCALE
) -> Float[Tensor, "r p"]:
    """aᵀ M for the M of `neumann`, whose steps do not commute: ⟨a, M b⟩ = ⟨Mᵀ a, b⟩; the fewer may be solved."""
    total = term = left
    for product in reversed(products):
        term = (1 - damp) * term - product(term) / scale
        total = total + term
    return total / scale


def neumann_response(eigenvalue: float, terms: int = TERMS, damp: float = DAMP, scale: float = SCALE) -> float:
    """What `neumann` makes of an eigenvalue: Σ_{j=0..R} (1 − d − λ/s)^j / s; the limit would be 1/(λ + d s).

    >>> [round(neumann_response(x), 4) for x in (0.1, 1, 10, 50, 1000)]
    [0.0956, 0.0915, 0.0612, 0.0195, 0.001]
    """
    ratio = 1 - damp - eigenvalue / scale
    return sum(ratio**j for j in range(terms + 1)) / scale

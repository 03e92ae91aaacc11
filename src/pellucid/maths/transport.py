"""Transport: how cheaply the mass of some rows is carried to others (entropic optimal transport; Cuturi, 2013).

    T = argmin_T Σ_nm T_nm C_nm + ε Σ_nm T_nm (log T_nm − 1),   Σ_m T_nm = 1/N,   Σ_n T_nm = w_m
    T_nm = u_n exp(−C_nm / ε) v_m,   u ← (1/N) / (K v),   v ← w / (Kᵀ u),   K = exp(−C / ε)

That is slow where rows have a nearly even choice of columns: the error may shrink by a thousandth a time. From the
twenty-first iteration on each also takes a step of Newton's towards the dual's maximum in log v, shortened so that it
cannot overshoot. It costs one system of M equations, and ten or so replace a thousand iterations:

    (diag(c) − N TᵀT) δ = w − c,   c = Tᵀ1,   v ← v exp(δ log(1 + r) / r),   r = max δ − min δ

The loss is the sharp ⟨T, C⟩, without the entropy. What it hands back to the cost is a choice:

    envelope   T itself: the exact gradient of the line above at its minimum, by Danskin's theorem, at no cost
    unrolled   that of ⟨T, C⟩, back through every iteration: it bends towards a sharper plan
    none       nothing, as in the official code of LICO, whose transport therefore teaches nothing

Traps. With small ε a hundred iterations are far from enough, and the cost of such a "plan" lies below the true optimum:
look at `Plan.converged`. In float32 the marginals cannot be met better than to about 1e-7 · max C / ε. Everything is
float32 or better, autocast or not. Tensors are kept columns first, [b, m, n], because m is small: the plan and the cost
that come back are views of that, transposed.

>>> apart = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])  # two rows, each of them for nothing where it belongs
>>> cost, plan = transport_loss(apart, 0.1)
>>> plan.plan.mul(1000).round().tolist(), plan.iterations, plan.converged
([[[500.0, 0.0], [0.0, 500.0]]], 1, True)
>>> [round(transport_loss(apart, epsilon)[0].item(), 4) for epsilon in (1e6, 1.0)]  # the mean, and 1 / (1 + e)
[0.5, 0.2689]
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Gradient = Literal["envelope", "unrolled", "none"]
Domain = Literal["auto", "kernel", "log"]

MOST_EXPONENT = 60.0  # exp(−60) times the smallest scaling that goes with it is still a normal float32
PLAIN = 20  # iterations before the first of Newton's steps: many plans need no more
MOST_COLUMNS = 128  # more make a system dearer than the iterations that it saves
LOOKS = 5  # on an accelerator the error is looked at so often, because a look waits for it


class Plan(NamedTuple):
    """A plan, and how far to believe it: the columns are exact, `error` is what the rows lack."""

    plan: Float[Tensor, "b n m"]
    error: Float[Tensor, " b"]  # Σ_n |Σ_m T_nm − 1/N|
    iterations: int
    converged: bool  # every sample


def unit_rows(x: Float[Tensor, "*b n d"], eps: float = 1e-6) -> Float[Tensor, "*b n d"]:
    """Rows of length 1. What is shorter than eps is divided by eps, and has no gradient.

    A dead channel has no direction to turn, and one over its length overflows half precision.

    >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    x = _lifted(x)
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    unit = x / length.clamp_min(eps)
    return torch.where(length < eps, unit.detach(), unit)


def cosine_cost(x: Float[Tensor, "b n d"], y: Float[Tensor, "b m d"], eps: float = 1e-6) -> Float[Tensor, "b n m"]:
    """|x̂ − ŷ|² = 2 − 2 cos, between 0 and 4; from a dead channel it is 1 to every token.

    >>> cosine_cost(torch.tensor([[[2.0, 0.0], [0.0, 0.0]]]), torch.tensor([[[3.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]]))
    tensor([[[0., 2., 4.],
             [1., 1., 1.]]])
    """
    with torch.autocast(x.device.type, enabled=False):
        x, y = unit_rows(x, eps), unit_rows(y, eps)
        lengths = y.square().sum(-1, keepdim=True) + x.square().sum(-1)[:, None]
        return torch.baddbmm(lengths, y, x.mT, alpha=-2).clamp_min(0).mT


def sinkhorn(
    cost: Float[Tensor, "b n m"],
    epsilon: float,
    *,
    weights: Float[Tensor, "b m"] | None = None,
    tolerance: float = 1e-4,
    most: int = 1000,
    domain: Domain = "auto",
    newton: bool = True,
) -> Plan:
    """The plan, differentiable through every iteration where the cost is; these are plain ones then.

    weights: how much each column takes, 1/M by default; scaled to sum to 1, zero for a column that is not there.
    newton: Newton's steps, where columns are few.
    domain: with the kernel an iteration is two products; logarithms, several times slower, stand any ε.

    >>> cost = torch.tensor([[[0.0, 1.0, 9.0]]])  # one row gives to all
    >>> sinkhorn(cost, 0.1).plan, sinkhorn(cost, 0.1, weights=torch.tensor([[1.0, 3.0, 0.0]])).plan
    (tensor([[[0.3333, 0.3333, 0.3333]]]), tensor([[[0.2500, 0.7500, 0.0000]]]))
    """
    with torch.autocast(cost.device.type, enabled=False):
        columns = _lifted(cost).mT
        least = columns.detach().amin((1, 2), keepdim=True)  # a constant changes no plan
        exponents = (least - columns).mul_(1 / epsilon)
        if domain == "auto":
            domain = "kernel" if bool(exponents.detach().amin() >= -MOST_EXPONENT) else "log"
        shares = _shares(exponents, weights)
        scaling = _Kernel(exponents) if domain == "kernel" else _Log(exponents)
        quick = newton and not exponents.requires_grad and exponents.shape[1] <= MOST_COLUMNS
        return _scaled(scaling, shares, tolerance, most, quick)


def transport_loss(
    cost: Float[Tensor, "b n m"],
    epsilon: float,
    *,
    gradient: Gradient = "envelope",
    weights: Float[Tensor, "b m"] | None = None,
    tolerance: float = 1e-4,
    most: int = 1000,
) -> tuple[Float[Tensor, " b"], Plan]:
    """⟨T, C⟩ of every sample, and the plan.

    >>> cost = torch.tensor([[[1.0], [3.0]]], requires_grad=True)  # one column: it takes from all rows alike
    >>> loss, plan = transport_loss(cost, 0.1)
    >>> loss.tolist(), torch.autograd.grad(loss.sum(), cost)[0].flatten().tolist()
    ([2.0], [0.5, 0.5])
    """
    given = cost if gradient == "unrolled" else cost.detach()
    plan = sinkhorn(given, epsilon, weights=weights, tolerance=tolerance, most=most)
    return (plan.plan * _lifted(cost.detach() if gradient == "none" else cost)).sum((1, 2)), plan


def sinkhorn_by_change(cost: Float[Tensor, "b n m"], epsilon: float, most: int = 100, threshold: float = 1e-3) -> Plan:
    """As the published code stops: when the potentials of the rows change little (summed over rows, mean over samples).

        f ← ε (log(1/N + 1e-8) − logsumexp_m (g_m − C_nm) / ε),   then g alike;   T = exp((f + g − C) / ε)

    Differentiable through every iteration. `converged` says only that the rule stopped it, `error` what the rows lack.
    The 1e-8 asks the rows for more mass than the columns, so that f moves for ever, by ε (N − M) 1e-8 at each row: of
    2048 rows at ε = 0.1 this alone is 4e-3, and the rule never stops, in any precision.

    >>> sinkhorn_by_change(torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]), 1.0).plan.mul(1000).round().tolist()
    [[[366.0, 134.0], [134.0, 366.0]]]
    """
    with torch.autocast(cost.device.type, enabled=False):
        columns = _lifted(cost).mT
        m, n = columns.shape[1:]
        ours, theirs = (torch.log(columns.new_tensor(1 / k + 1e-8)) for k in (n, m))
        f, g = torch.zeros_like(columns[:, :1]), torch.zeros_like(columns[:, :, :1])
        done, change = 0, float("inf")
        while done < most and not change < threshold:
            before = f
            f = epsilon * (ours - ((g - columns) / epsilon).logsumexp(1, keepdim=True))
            g = epsilon * (theirs - ((f - columns) / epsilon).logsumexp(2, keepdim=True))
            done, change = done + 1, (f - before).detach().abs().sum(2).mean().item()
        plan = ((f + g - columns) / epsilon).exp().mT
        return Plan(plan, (plan.detach().sum(2) - 1 / n).abs().sum(1), done, change < threshold)


def entropic_value(plan: Float[Tensor, "b n m"], cost: Float[Tensor, "b n m"], epsilon: float) -> Float[Tensor, " b"]:
    """⟨T, C⟩ + ε Σ T (log T − 1), which the plan makes least: its gradient in C is T.

    Without the −1 it is ε more, and its gradient the same, because all plans carry a mass of 1. 0 log 0 = 0.

    >>> entropic_value(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[3.0, 5.0]]]), 0.5).tolist()
    [2.5]
    """
    logs = plan.clamp_min(torch.finfo(plan.dtype).tiny).log()
    return (plan * (_lifted(cost) + epsilon * (logs - 1))).sum((1, 2))


class _Kernel:
    """Scalings u [b, 1, n] and v [b, 1, m]. Two copies of K, because a row times a matrix is several times faster."""

    def __init__(self, exponents: Tensor):
        self.kernel = exponents.exp_()  # in place: it is as large as the cost, and nobody else has it
        self.turned = self.kernel.mT.contiguous()

    def start(self, shares: Tensor) -> Tensor:
        return shares

    def over_columns(self, v: Tensor) -> Tensor:
        return torch.bmm(v, self.kernel)

    def over_rows(self, u: Tensor) -> Tensor:
        return torch.bmm(u, self.turned)

    def meeting(self, wanted: Tensor, sums: Tensor) -> Tensor:
        return wanted / sums

    def mass(self, u: Tensor, sums: Tensor) -> Tensor:
        return u * sums

    def moved(self, v: Tensor, by: Tensor) -> Tensor:
        return v * by.exp()

    def turned_plan(self, u: Tensor, v: Tensor) -> Tensor:
        return self.kernel * u * v.mT

    def plan(self, u: Tensor, v: Tensor) -> Tensor:
        if u.requires_grad:
            return self.turned_plan(u, v).mT
        return self.kernel.mul_(u).mul_(v.mT).mT  # the last step: the kernel is not needed any more


class _Log:
    """The same with log u and log v."""

    def __init__(self, exponents: Tensor):
        self.exponents = exponents

    def start(self, shares: Tensor) -> Tensor:
        return shares.log()

    def over_columns(self, v: Tensor) -> Tensor:
        return (self.exponents + v.mT).logsumexp(1, keepdim=True)

    def over_rows(self, u: Tensor) -> Tensor:
        return (self.exponents + u).logsumexp(2).unsqueeze(1)

    def meeting(self, wanted: Tensor, sums: Tensor) -> Tensor:
        return wanted.log() - sums

    def mass(self, u: Tensor, sums: Tensor) -> Tensor:
        return (u + sums).exp()

    def moved(self, v: Tensor, by: Tensor) -> Tensor:
        return v + by

    def turned_plan(self, u: Tensor, v: Tensor) -> Tensor:
        return (self.exponents + u + v.mT).exp()

    def plan(self, u: Tensor, v: Tensor) -> Tensor:
        return self.turned_plan(u, v).mT


def _scaled(scaling: _Kernel | _Log, shares: tuple[Tensor, Tensor], tolerance: float, most: int, quick: bool) -> Plan:
    """Rows, then columns, until what the next look at the rows finds is little enough; that look is half a step."""
    rows, columns = shares
    every = 1 if rows.device.type == "cpu" else LOOKS
    u, v, done = rows, scaling.start(columns), 0
    while True:
        sums = scaling.over_columns(v)
        if done == most or (done and done % every == 0):
            error = (scaling.mass(u.detach(), sums.detach()) - rows).abs().sum((1, 2))
            worst = error.max().item()
            if done == most or not worst > tolerance:  # NaN will not get better
                return Plan(scaling.plan(u, v), error, done, worst <= tolerance)
        u = scaling.meeting(rows, sums)
        if quick and done >= PLAIN:
            v = scaling.moved(v, _newton(scaling.turned_plan(u, v), columns))
            u = scaling.meeting(rows, scaling.over_columns(v))
        v = scaling.meeting(columns, scaling.over_rows(u))
        done += 1


def _newton(plan: Float[Tensor, "b m n"], columns: Float[Tensor, "b 1 m"]) -> Float[Tensor, "b 1 m"]:
    """By how much log v is to change, of a plan whose rows are met; by nothing where that cannot be told."""
    (m, n), missing = plan.shape[1:], columns[:, 0] - plan.sum(2)
    shared = n * torch.bmm(plan, plan.mT).double()
    shared.diagonal(dim1=1, dim2=2).zero_()  # c is the sum of a row of N TᵀT: so no digit is lost in the difference
    system = torch.diag_embed(shared.sum(2) + (columns[:, 0] == 0)) - shared
    system = system + 1 / m**2  # the same to all columns changes no plan
    step = torch.linalg.solve_ex(system, missing.double()[:, :, None]).result.mT
    reach = (step.amax(2, keepdim=True) - step.amin(2, keepdim=True)).clamp_min(torch.finfo(step.dtype).tiny)
    step = step * (reach.log1p() / reach)
    return torch.where(step.isfinite().all(2, keepdim=True), step, 0.0).to(plan)


def _shares(exponents: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """The mass of each row [1, 1, 1], for all the same, and of each column [b, 1, m]."""
    b, m, n = exponents.shape
    rows = exponents.new_full((1, 1, 1), 1 / n)
    if weights is None:
        return rows, exponents.new_full((b, 1, m), 1 / m)
    weights = weights.to(exponents)
    return rows, (weights / weights.sum(1, keepdim=True))[:, None]


def _lifted(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()

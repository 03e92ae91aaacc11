"""SimplEx (Crabbé et al., 2021): of which mixture of training examples is the test example made?

    w(x) = argmin ‖f(x) − Σ_n w_n f(x_n)‖²   over w_n ≥ 0, Σ w_n = 1

A convex problem: the point of the training features' convex hull that is nearest to f(x). Wolfe's method finds it
exactly, for many x at once: add the example that lies farthest towards x, solve for the mixture of those that are in,
leave out whoever would be negative. It ends where the duality gap, which bounds what any other mixture could gain, is
below `tolerance` of the features' spread. The weights of at most d + 1 examples are not zero.

Where x lies inside the hull and there are more than d + 1 examples, many mixtures are equally good, and these weights
are one of them: compare residuals, not weights, or let `ridge` (in units of the spread) choose the most even one.

`published` is what the authors' code does: softmax of free numbers that start at 0, `steps` steps of Adam at 1e-3. It
stops long before the end, near equal weights. (The first SimplEx took 10,000 steps; without labels they take 1,000.)

>>> corpus = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
>>> nearest_mixture(torch.tensor([[1.0, 1.0], [-5.0, 0.0]]), corpus)[0].float().tolist()
[[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.influences._base import Between, Case, Influence
from pellucid.influences.dknn import squared_distances

RATE = 1e-3  # of Adam
FIRST = 8  # places for examples, before they are doubled
ROUGH = 1e-4  # of the spread: a gap that float32 may have seen wrongly
PATIENCE = 50  # rounds an example in the mixture may take, on average


def nearest_mixture(
    targets: Float[Tensor, "t d"], corpus: Float[Tensor, "n d"], tolerance: float = 1e-10, ridge: float = 0.0
) -> tuple[Float[Tensor, "t n"], Float[Tensor, " t"]]:
    """Weights on the simplex, and the duality gap: ½‖residual‖² (+ ½ ridge ‖w‖²) is at most so much above the best."""
    centre = corpus.double().mean(0)
    points, wanted = corpus.double() - centre, targets.double() - centre
    scale = float(points.square().sum(1).mean()) or 1.0
    search = _Search(points, wanted, tolerance * scale, ridge * scale)
    return search.run()


def published(targets: Float[Tensor, "t d"], corpus: Float[Tensor, "n d"], steps: int) -> Float[Tensor, "t n"]:
    """Adam on the logits of a softmax."""
    with torch.enable_grad():
        free = torch.zeros(len(targets), len(corpus), dtype=corpus.dtype, device=corpus.device, requires_grad=True)
        adam = torch.optim.Adam([free], lr=RATE)
        for _ in range(steps):
            adam.zero_grad()
            (targets - free.softmax(1) @ corpus).square().sum().backward(inputs=[free])
            adam.step()
    return free.detach().softmax(1)


@dataclass
class _Mixtures:
    """Of each target: which examples are in, with what weight, and their inner products."""

    index: Tensor  # int64 [t, c]
    weight: Tensor  # [t, c], 0 in an empty place
    taken: Tensor  # bool [t, c]
    points: Tensor  # [t, c, d]: the example minus the target
    gram: Tensor  # [t, c, c]

    def __getitem__(self, rows: Tensor) -> "_Mixtures":
        return _Mixtures(*(value[rows] for value in vars(self).values()))

    def wider(self) -> "_Mixtures":
        """Twice the places."""
        c = self.index.shape[1]
        pad = torch.nn.functional.pad
        return _Mixtures(
            pad(self.index, (0, c), value=-1),
            pad(self.weight, (0, c)),
            pad(self.taken, (0, c)),
            pad(self.points, (0, 0, 0, c)),
            pad(self.gram, (0, c, 0, c)),
        )

    def add(self, rows: Tensor, places: Tensor, index: Tensor, points: Tensor, ridge: float) -> None:
        """One example more for some targets, with weight 0."""
        self.index[rows, places], self.taken[rows, places] = index, True
        self.points[rows, places], self.weight[rows, places] = points, 0.0
        fresh = torch.zeros_like(self.points[:, 0]).index_copy_(0, rows, points)  # gathering all places costs more
        products = torch.bmm(self.points, fresh[..., None])[rows, :, 0]
        self.gram[rows, places], self.gram[rows, :, places] = products, products
        self.gram[rows, places, places] += ridge


class _Search:
    """Wolfe's method on a batch of targets, each at its own stage."""

    def __init__(self, points: Tensor, wanted: Tensor, tolerance: float, ridge: float) -> None:
        self.points, self.wanted, self.tolerance, self.ridge = points, wanted, tolerance, ridge
        self.rough, self.scale = points.float(), float(points.square().sum(1).mean())
        t, (n, d) = len(wanted), points.shape
        self.weights, self.gap = points.new_zeros(t, n), points.new_zeros(t)
        self.open = torch.arange(t, device=points.device)  # the targets that are not done
        c, zeros = FIRST, points.new_zeros
        empty = torch.full((t, c), -1, device=points.device)
        self.mix = _Mixtures(empty, zeros(t, c), empty >= 0, zeros(t, c, d), zeros(t, c, c))
        nearest = (0.5 * points.square().sum(1) - wanted @ points.T).argmin(1)
        self.mix.add(self.open, torch.zeros_like(nearest), nearest, points[nearest] - wanted, ridge)
        self.mix.weight[:, 0] = 1.0
        self.rounds = PATIENCE * (min(n, d + 1 if ridge == 0 else n) + 1)

    def run(self) -> tuple[Tensor, Tensor]:
        asks = torch.ones_like(self.open, dtype=torch.bool)  # whose mixture is the best of those that are in it
        for _ in range(self.rounds):
            asks = self._admit(asks)
            if not len(self.open):
                break
            asks = self._balance()
        self._write(torch.ones_like(self.open, dtype=torch.bool))
        return self.weights, self.gap

    def _admit(self, asks: Tensor) -> Tensor:
        """Those that ask get another example, or are done."""
        rows = asks.nonzero()[:, 0]
        mix = self.mix
        here = torch.bmm(mix.weight[:, None], mix.points)[rows, 0]  # Σ w p = Σ w f − x
        value = here.square().sum(1) + self.ridge * mix.weight[rows].square().sum(1)
        half = 0.5 * value  # what there is to gain at most, whatever the gap
        value = value + (here * self.wanted[self.open[rows]]).sum(1)
        best, index = self._farthest(here, rows, self.rough)
        unsure = (value - best <= ROUGH * self.scale).nonzero()[:, 0]
        if len(unsure):
            best[unsure], index[unsure] = self._farthest(here[unsure], rows[unsure], self.points)
        gap = torch.minimum(value - best, half)
        self.gap[self.open[rows]] = gap.clamp_min(0)
        known = ((mix.index[rows] == index[:, None]) & mix.taken[rows]).any(1)  # no digits are left
        done = (gap <= self.tolerance) | known
        on, chosen = rows[~done], index[~done]
        if bool(mix.taken[on].all(1).any()):
            self.mix = mix = mix.wider()
        places = mix.taken[on].int().argmin(1)
        mix.add(on, places, chosen, self.points[chosen] - self.wanted[self.open[on]], self.ridge)
        if int(done.sum()) * 4 >= len(self.open):  # moving the others costs
            self._close(rows[done])
        return asks

    def _farthest(self, here: Tensor, rows: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """The example with the least inner product with the residual, and that product in float64."""
        of_each = here.to(points) @ points.T
        weight, index = self.mix.weight[rows], self.mix.index[rows]
        if self.ridge:
            of_each.scatter_add_(1, index.clamp_min(0), (self.ridge * weight).to(points))
        least = of_each.argmin(1)
        own = (weight * (index == least[:, None])).sum(1)
        return (here * self.points[least]).sum(1) + self.ridge * own, least

    def _close(self, rows: Tensor) -> None:
        """What is done is written down and left out."""
        over = torch.zeros_like(self.open, dtype=torch.bool)
        over[rows] = True
        self._write(over)
        left = (~over).nonzero()[:, 0]
        self.open, self.mix = self.open[left], self.mix[left]

    def _write(self, which: Tensor) -> None:
        rows, places = (self.mix.taken & which[:, None]).nonzero(as_tuple=True)
        self.weights[self.open[rows], self.mix.index[rows, places]] = self.mix.weight[rows, places]

    def _balance(self) -> Tensor:
        """The best mixture of those that are in; where that is negative, as far towards it as all stay positive."""
        mix = self.mix
        free = _affine(mix.gram, mix.taken)
        bad = mix.taken & (free <= 0)
        step = torch.where(bad, mix.weight / (mix.weight - free).clamp_min(1e-300), torch.inf).amin(1).clamp_max(1.0)
        moved = mix.weight + step[:, None] * (free - mix.weight)
        inside = ~bad.any(1)
        out = bad & (mix.weight <= step[:, None] * (mix.weight - free) * (1 + 1e-12))
        mix.weight = torch.where(mix.taken & ~out, moved.clamp_min(0), 0.0)
        mix.weight = mix.weight / mix.weight.sum(1, keepdim=True)
        mix.taken = mix.taken & ~out
        return inside


def _affine(gram: Tensor, taken: Tensor) -> Tensor:
    """[t, c]: argmin wᵀGw over Σw = 1, any sign: w ∝ (G + c11ᵀ)⁻¹ 1, on the places that are taken."""
    both = taken[:, :, None] & taken[:, None, :]
    size = gram.diagonal(dim1=1, dim2=2).amax(1).clamp_min(1e-300)[:, None, None]
    system = torch.where(both, gram / size + 1, 0.0)
    system.diagonal(dim1=1, dim2=2).add_((~taken).to(gram) + 1e-14)
    factor, _ = torch.linalg.cholesky_ex(system)
    solved = torch.cholesky_solve(taken.to(gram)[..., None], factor)[..., 0]
    return solved / solved.sum(1, keepdim=True)


class SimplEx(Influence, name="simplex", paper="arXiv:2110.15355"):
    """Which mixture of training examples comes nearest?"""

    layer: str | None = None
    tolerance: Annotated[float, Between(0, 1)] = 1e-10
    ridge: Annotated[float, Between(0)] = 0.0
    protocol: Literal["sound", "published"] = "sound"
    steps: Annotated[int, Between(1)] = 1000
    columns = False
    quick = {"steps": 20}
    cite = """
@inproceedings{crabbe2021explaining,
  title     = {Explaining Latent Representations with a Corpus of Examples},
  author    = {Crabb{\\'e}, Jonathan and Qian, Zhaozhi and Imrie, Fergus and van der Schaar, Mihaela},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {34},
  year      = {2021},
}"""

    def score(self, case: Case) -> Tensor:
        test, train = case.features(self.layer)
        if self.protocol == "published":
            return published(test, train, self.steps)
        return nearest_mixture(test, train, self.tolerance, self.ridge)[0].float()

    def rank(self, case: Case) -> Tensor:
        """By weight; the many without one by their distance."""
        weights = self.score(case)
        return torch.where(weights > 0, weights, -squared_distances(*case.features(self.layer)))

    def worth(self, ranked: Tensor, places: Tensor, case: Case) -> Tensor:
        return ranked.clamp_min(0)

    def keeps(self, case: Case) -> int:
        return 8 * case.all.features(self.layer)[1].shape[1]

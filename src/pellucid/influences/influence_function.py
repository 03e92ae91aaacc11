"""Influence functions (Koh & Liang, 2017): how much would the test loss rise, had the example not been there?

    w_n(x) = (1/N) gᵀ (H + δ)⁻¹ g_n,       g = ∂L(x; θ)/∂θ,   g_n = ∂L(x_n; θ)/∂θ

H is the curvature of the mean loss of the N training examples, δ the `damping`, which is also a ridge of ½δ‖θ − θ₀‖².
To first order it is the rise of the loss of x when x_n is left out: positive is helpful. Without labels L is the loss
of the reconstruction and θ the encoder alone, so that H is its block.

`curvature=gauss-newton` is never negative. The `hessian` of a network has negative eigenvalues almost everywhere, where
conjugate gradients have no meaning: they stop, and say so. An absolute error has no second derivative at the output, so
that its Gauss–Newton curvature is zero and the influence a scaled product of gradients.

The solvers, one answer except for `ekfac` and `neumann`:

    auto       woodbury where it can be held, else cg
    woodbury   exact, by N · d rows of the curvature's root: for an encoder of few numbers d, or few classes
    cg         conjugate gradients to `tolerance`, all gradients of the smaller side at once, in at most `steps` (1,000
               unless said). Short of that, a warning
    lanczos    so many `eigenvectors`; the rest of the space has curvature 0. Full rank is exact
    ekfac      a Kronecker product for each layer and nothing between layers: always an approximation
    neumann    a series of `steps` (100 unless said) beyond its first term, each with H of a random batch, of `examples`
               (300 unless said). Its damping is `damping`, the step 1/1000

H is of all training examples that are asked about, or of `examples` of them drawn by `seed`; the same for all scores.

`protocol=published` is neumann with the Hessian and what the published constants come to, a damping of 0.001 · 1000.
Eigenvalues well below 10 do not move in 100 steps, and each is divided by 10.4: on an autoencoder the published
influence is 0.0961/N times the product of gradients, and no influence function. There each training gradient had
batches of its own, which adds noise between columns, and the network was in training mode; here all share them, and it
is not.

>>> g = torch.tensor([[1.0, 2.0]])
>>> influence_function(g / torch.tensor([1.0, 4.0]), g, 1).tolist()                    # H = diag(1, 4)
[[2.0]]
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import BadKnob, BadModel
from pellucid.influences._base import Between, Case, Influence
from pellucid.influences._curvature import Curvature, narrow, narrow_place, of_images, products, rows
from pellucid.influences._gradients import Gradients, Outer, Params, held, of_case, parameters
from pellucid.influences._samples import Held, Samples
from pellucid.maths.curvature import (
    DAMP,
    SCALE,
    TERMS,
    Kronecker,
    Product,
    conjugate_gradients,
    damped,
    kronecker,
    kronecker_of_outer,
    lanczos,
    low_rank_inverse,
    neumann,
    neumann_transposed,
    woodbury,
    woodbury_root,
)

Solver = Literal["auto", "woodbury", "cg", "lanczos", "ekfac", "neumann"]
STEPS = 1000  # of conjugate gradients, at most
BATCH = 300  # of the published recursion, drawn again and again
MOST_ROWS = 8192  # of a Gram matrix that is factored
MOST_HELD = 2**28  # floats of the rows themselves
MOST_SIDE = 4096  # of a Kronecker factor
LOST = 1e-3  # of a score's digits, about ten times what is found


def influence_function(
    solved: Float[Tensor, "t p"], gradients: Float[Tensor, "n p"], count: int
) -> Float[Tensor, "t n"]:
    """From H⁻¹ g of the one side, and g of the other."""
    return solved @ gradients.T / count


class InfluenceFunction(Influence, name="influence-function", paper="arXiv:1703.04730"):
    """How much would the test loss rise, had the example not been there?"""

    needs = ("loss",)
    symmetric = True
    quick = {"solver": "cg", "damping": 1.0}
    cite = """
@inproceedings{koh2017understanding,
  title     = {Understanding Black-box Predictions via Influence Functions},
  author    = {Koh, Pang Wei and Liang, Percy},
  booktitle = {International Conference on Machine Learning},
  year      = {2017},
}"""

    solver: Solver = "auto"
    damping: Annotated[float, Between(0)] = 1e-2
    curvature: Curvature = "gauss-newton"
    params: Params = "encoder"
    examples: Annotated[int, Between(1)] | None = None
    eigenvectors: Annotated[int, Between(1)] = 100
    tolerance: Annotated[float, Between(0)] = 1e-6
    steps: Annotated[int, Between(1)] | None = None
    seed: int | None = None
    protocol: Literal["sound", "published"] = "sound"

    def check(self) -> None:
        if self.protocol == "published":
            self._is_as_published()
        if self.damping == 0 and self.solver in ("woodbury", "ekfac"):
            raise BadKnob(
                f"influence-function:solver={self.solver} divides by the damping; give one above 0, or solver=cg."
            )
        if self.curvature == "hessian" and self.solver in ("woodbury", "ekfac"):
            raise BadKnob(
                f"influence-function:solver={self.solver} is of curvature=gauss-newton; the hessian has no such form, "
                f"write solver=lanczos."
            )

    def _is_as_published(self) -> None:
        own = InfluenceFunction()
        if (self.solver, self.curvature, self.damping) != (own.solver, own.curvature, own.damping):
            raise BadKnob(
                "influence-function as published has one solver, curvature and damping; leave them out, or "
                "protocol=published."
            )

    def score(self, case: Case) -> Tensor:
        if self.protocol == "published":
            return replace(self, protocol="sound", solver="neumann", curvature="hessian", damping=DAMP * SCALE).score(
                case
            )
        with torch.no_grad():  # else the graphs of the frozen parameters grow with every step
            return self._score(case)

    def _score(self, case: Case) -> Tensor:
        test = case.once_test(("gradients", self.params), lambda: of_case(case, case.test, self.params))
        train = case.once_train(("gradients", self.params), lambda: of_case(case, case.train, self.params))
        if self._solver(case) == "woodbury":
            return self._by_rows(case, test, train)
        count = len(case.all.train)
        if len(case.all.test) <= count:
            solved = case.once_test(self, lambda: self._solve(case, test.whole(), first=False))
            return train.against(solved) / count
        solved = case.once_train(self, lambda: self._solve(case, train.whole(), first=True))
        return test.against(solved).T / count

    def keeps(self, case: Case) -> int:
        """A gradient and its solution, written out, with the five vectors of conjugate gradients."""
        size = sum(p.numel() for name, p in case.model.named_parameters() if name in self._names(case))
        return held(case, self.params) if self._solver(case) == "woodbury" else 6 * size

    def _names(self, case: Case) -> list[str]:
        return parameters(case, self.params)

    # --- what is divided by ----------------------------------------------------------------------------------------

    def _solver(self, case: Case) -> Solver:
        if self.solver != "auto":
            return self.solver
        return case.once(("solver", self), lambda: "woodbury" if self._holds(case) else "cg")

    def _holds(self, case: Case) -> bool:
        """Whether there are rows, and few enough."""
        if self.damping == 0 or self.curvature == "hessian" or (place := self._place(case)) is None:
            return False
        count = (self._width(case, place)) * len(self._curved(case))
        return count <= MOST_ROWS and count * held(case, self.params) <= MOST_HELD

    def _place(self, case: Case) -> str | None:
        image = case.all.train[:1].read()[0]
        return case.once(("place", self.params), lambda: narrow_place(case.losses, self._names(case), image))

    def _width(self, case: Case, place: str) -> int:
        with torch.no_grad():
            return narrow(case.losses, place, case.all.train[:1].read()[0]).shape[1]

    def _curved(self, case: Case) -> Samples:
        """The examples whose curvature it is."""
        if self.examples is None or self.examples >= len(case.all.train):
            return case.all.train
        return case.once(("curved", self.examples, self.seed), lambda: self._drawn(case, self.examples or 1, False))

    def _drawn(self, case: Case, count: int, again: bool, generator: torch.Generator | None = None) -> Samples:
        """Some training examples; `again`: one may be drawn twice."""
        chance, n = generator or case.generator(self.seed), len(case.all.train)
        picked = torch.randint(n, (count,), generator=chance) if again else torch.randperm(n, generator=chance)[:count]
        if n * case.all.train[:1].read()[0].numel() * 4 <= case.memory:
            images, labels = case.once("training examples", case.all.train.read)
            return Held(images[picked.to(images.device)], labels[picked.to(labels.device)])
        read = [case.all.train[i : i + 1].read() for i in picked.tolist()]
        images, labels = (torch.cat(parts) for parts in zip(*read, strict=True))
        return Held(images, labels)

    def _rows(self, case: Case) -> Gradients:
        def make() -> Gradients:
            place = self._place(case)
            if place is None and self.solver == "woodbury":
                raise BadModel(
                    "influence-function:solver=woodbury wants an encoder of few numbers, or few outputs, behind the "
                    "parameters; write solver=cg, or name params."
                )
            chance = case.generator(self.seed)
            return rows(case.losses, self._curved(case), self._names(case), place, case.batch_size, chance)

        return case.once(("rows", self.params, self.examples, self.seed), make)

    def _products(self, case: Case) -> Product:
        return products(case.losses, self._curved(case), self._names(case), self.curvature, case.batch_size)

    # --- how -------------------------------------------------------------------------------------------------------

    def _by_rows(self, case: Case, test: Gradients, train: Gradients) -> Tensor:
        found, count = self._rows(case), len(self._curved(case))
        if self._loses_digits(case, found, count):
            found = case.once(("rows in double", self), found.double)
            test = case.once_test(("in double", self.params), test.double)
            train = case.once_train(("in double", self.params), train.double)
        root = case.once(("root", self), lambda: woodbury_root(found.products(found), count, self.damping))
        left = case.once_test(("rows", self), lambda: found.products(test))
        right = case.once_train(("rows", self), lambda: found.products(train))
        return woodbury(root, self.damping, left, right, test.products(train)) / len(case.all.train)

    def _loses_digits(self, case: Case, found: Gradients, count: int) -> bool:
        """Woodbury subtracts what differs by δ/λ alone; where that is little, products have to be in float64."""
        squares = case.once(("squares", self), found.squares)
        return torch.finfo(squares.dtype).eps * float(squares.sum()) / count > LOST * self.damping

    def _solve(self, case: Case, right: Tensor, first: bool) -> Tensor:
        """(H + δ)⁻¹ b; `first`: of training gradients, for the published recursion is not symmetric."""
        ways: dict[str, Callable[[], Tensor]] = {
            "cg": lambda: self._cg(case, right),
            "lanczos": lambda: self._lanczos(case, right),
            "ekfac": lambda: self._ekfac(case, right),
            "neumann": lambda: self._neumann(case, right, first),
        }
        return ways[self._solver(case)]()

    def _cg(self, case: Case, right: Tensor) -> Tensor:
        steps = self.steps or STEPS
        found = conjugate_gradients(damped(self._products(case), self.damping), right, self.tolerance, steps)
        if bool(found.negative.any()):
            raise BadModel(
                f"the {self.curvature} plus {self.damping:g} is not positive, so conjugate gradients have no meaning; "
                f"give a larger damping, or curvature=gauss-newton."
            )
        if not found.converged(self.tolerance):
            warnings.warn(
                f"conjugate gradients stopped after {found.steps} steps at a residual of "
                f"{float(found.residual.max()):.1e}, not {self.tolerance:g}; give more steps, or a larger damping.",
                stacklevel=2,
            )
        return found.x

    def _lanczos(self, case: Case, right: Tensor) -> Tensor:
        def make() -> tuple[Tensor, Tensor]:
            return lanczos(self._products(case), right[0], self.eigenvectors, case.generator(self.seed))

        return low_rank_inverse(*case.once(("lanczos", self), make), self.damping, right)

    def _ekfac(self, case: Case, right: Tensor) -> Tensor:
        named = dict(case.model.named_parameters())
        shapes = [named[name].shape for name in self._names(case)]

        def make() -> list[tuple[tuple[int, int], bool, Kronecker]]:
            return factors(self._rows(case), shapes, len(self._curved(case)))

        return divided(case.once(("ekfac", self), make), right, self.damping)

    def _neumann(self, case: Case, right: Tensor, first: bool) -> Tensor:
        chance = case.generator(self.seed)
        seeds = torch.randint(2**62, (self.steps or TERMS,), generator=chance).tolist()
        batches = [self._on_batch(case, seed) for seed in seeds]
        return (neumann if first else neumann_transposed)(batches, right, self.damping / SCALE)

    def _on_batch(self, case: Case, seed: int) -> Product:
        """H of a batch that is drawn when it is wanted."""

        def product(right: Tensor) -> Tensor:
            batch = self._drawn(case, self.examples or BATCH, True, torch.Generator().manual_seed(seed))
            return of_images(case.losses, *batch.read(), self._names(case), self.curvature)(right)

        return product


# --- EK-FAC of all layers --------------------------------------------------------------------------------------------

Factor = tuple[tuple[int, int], bool, Kronecker]  # its matrix, whether a bias is its last column, and its axes


def factors(found: Gradients, shapes: list[torch.Size], count: int) -> list[Factor]:
    """One for each matrix of parameters, in their order; a linear layer's bias is a column of its weight."""
    left, made = list(shapes), []
    for block in found.blocks:
        if isinstance(block, Outer):
            del left[: 1 + block.bias]
            given = torch.cat([block.given, torch.ones_like(block.given[:, :1])], 1) if block.bias else block.given
            _fits(block.back.shape[1], given.shape[1])
            made.append(
                ((block.back.shape[1], block.given.shape[1]), block.bias, kronecker_of_outer(block.back, given, count))
            )
            continue
        at, whole = 0, block.whole()
        while at < whole.shape[1]:
            o, i = _matrix(left.pop(0))
            _fits(o, i)
            made.append(((o, i), False, kronecker(whole[:, at : at + o * i].unflatten(1, (o, i)), count)))
            at += o * i
    return made


def _matrix(shape: torch.Size) -> tuple[int, int]:
    return (shape[0], shape[1:].numel()) if len(shape) > 1 else (1, shape.numel())


def _fits(o: int, i: int) -> None:
    if max(o, i) > MOST_SIDE:
        raise BadModel(
            f"ekfac would want the eigenvectors of a matrix of {max(o, i)} rows, and {MOST_SIDE} are the most; name "
            f"params without that layer, or write solver=cg."
        )


def divided(made: list[Factor], right: Float[Tensor, "r p"], damping: float) -> Float[Tensor, "r p"]:
    """(H + δ)⁻¹ b, layer by layer."""
    sizes = [o * i + o * bias for (o, i), bias, _ in made]
    parts = []
    for ((o, i), bias, factor), part in zip(made, right.split(sizes, 1), strict=True):
        weight = part[:, : o * i].unflatten(1, (o, i))
        whole = torch.cat([weight, part[:, o * i :, None]], 2) if bias else weight
        solved = factor.inverse(whole, damping)
        parts += [solved[:, :, :i].flatten(1), *([solved[:, :, i]] if bias else [])]
    return torch.cat(parts, 1)

"""Infidelity (Yeh et al., 2019): does a map foretell what a change of the image does to the answer?

    E_I [ (β I·M − (f(x) − f(x − I)))² ]

Lower is better; 0 is a map that foretells every change. Maps have one value a pixel, so the change is one that needs
no more:

    change=squares   a square goes to the empty image; I·M is the sum of M in it. For maps that say what each pixel
                     contributes, as input × gradient does: captum's multiply_by_inputs.
    change=noise     the same Gaussian noise in all channels, σ = spread · the image's range; I·M weighs the map, a sum
                     over channels, by it. For maps that say how sensitive each pixel is, as the gradient does.

    scaled=positive  the best β ≥ 0 of each sample: maps without a unit, as CAMs, can be compared
    scaled=any       the best β = E[I·M Δ] / E[(I·M)²], as the paper and captum have it, which forgives a wrong sign
    scaled=none      β = 1

f is the value of the question that the map answers, by default the logit. The number is in its unit squared: models
are not to be compared by it. Squares lie wholly in the image, every place as likely as any other; perturbations are
the same for all images.

>>> said, drop = torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 4.0]])
>>> infidelity(said, drop, "none").tolist(), infidelity(said, drop, "any").tolist()
([2.5], [0.0])
>>> infidelity(-said, drop, "any").tolist(), infidelity(-said, drop, "positive").tolist()
([0.0], [10.0])
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.maths.noise import noise_scale
from pellucid.metrics._base import Between, Case, Metric
from pellucid.metrics._removal import SCORED, Follows, Into, described, drops, of_these, without

Scaled = Literal["positive", "any", "none"]


def infidelity(said: Float[Tensor, "n s"], drop: Float[Tensor, "n s"], scaled: Scaled) -> Float[Tensor, " n"]:
    """Of what the map says of every change, and what the model does."""
    square = said.square().sum(1)
    beta = torch.where(square > 0, (said * drop).sum(1) / square, 0.0)
    beta = torch.ones_like(beta) if scaled == "none" else beta.clamp_min(0) if scaled == "positive" else beta
    return (beta[:, None] * said - drop).square().mean(1)


def random_squares(size: tuple[int, int], side: int, samples: int, generator: torch.Generator) -> Bool[Tensor, "s h w"]:
    """A square in each, a stretch in a signal."""
    inside = []
    for pixels, u in zip(size, torch.rand(2, samples, generator=generator), strict=True):
        first = (u * (pixels - min(side, pixels) + 1)).long()[:, None]
        at = torch.arange(pixels)
        inside.append((at >= first) & (at < first + side))
    return inside[0][:, :, None] & inside[1][:, None, :]


class Infidelity(Metric, name="infidelity", paper="arXiv:1901.09392"):
    """Does a map foretell what a change of the image does to the answer?"""

    better = "lower"
    classes = True
    quick = {"samples": 24}
    cite = """
@inproceedings{yeh2019infidelity,
  title     = {On the (In)fidelity and Sensitivity of Explanations},
  author    = {Yeh, Chih-Kuan and Hsieh, Cheng-Yu and Suggala, Arun and Inouye, David I. and Ravikumar, Pradeep},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2019},
}"""

    change: Literal["squares", "noise"] = "squares"
    side: Annotated[float, Between(0, 1)] = 0.2  # of the shorter side
    into: Into = "mean"
    spread: Annotated[float, Between(0)] = 0.1  # of noise, of the image's range
    scaled: Scaled = "positive"
    samples: Annotated[int, Between(1)] = 100
    follows: Follows = "question"
    seed: int | None = None

    def score(self, case: Case) -> Tensor:
        said, drop = self._squares(case) if self.change == "squares" else self._noise(case)
        return infidelity(said, drop, self.scaled)

    def _squares(self, case: Case) -> tuple[Tensor, Tensor]:
        """[n, s] twice: what the map says of every square, and what the model loses without it."""
        side = max(1, round(self.side * min(case.size if case.images.ndim > 3 else case.size[1:])))
        chosen = random_squares(case.size, side, self.samples, case.generator(self.seed)).to(case.map.device)
        said = case.map.flatten(1).double() @ chosen.flatten(1).double().T
        key = ("squares", side, self.samples, self.into, self.seed)
        change = without(case, chosen, self.into)
        return said, of_these(case, key, self.follows, lambda: drops(case, self.samples, change, self.follows))

    def _noise(self, case: Case) -> tuple[Tensor, Tensor]:
        """The same of noise."""
        x = case.images
        noise = torch.randn(self.samples, *case.size, generator=case.generator(self.seed)).to(x)
        sigma, rows = noise_scale(x, self.spread), noise.view(-1, 1, *x.shape[2:])
        said = case.map.flatten(1).double() @ noise.flatten(1).double().T * sigma.flatten()[:, None].double()
        key = ("noise", self.samples, self.spread, self.seed)

        def make(i: Tensor, s: Tensor) -> Tensor:
            return x[i] - sigma[i] * rows[s]

        return said, of_these(case, key, self.follows, lambda: drops(case, self.samples, make, self.follows))

    @property
    def card(self) -> dict[str, str]:
        squares = described(self.into) | {"unit": f"squares of {self.side:g} of the shorter side"}
        noise = {"unit": f"noise of {self.spread:g} of the image's range, the same in all channels"}
        return super().card | (squares if self.change == "squares" else noise) | {"scored": SCORED[self.follows]}

"""Local Lipschitz estimate (Alvarez-Melis and Jaakkola, 2018): how fast can the map change around the image?

    L = max over x' near x of ‖Φ(x') − Φ(x)‖ / ‖x' − x‖

Lower is better. `sound` divides the map by its own length ‖Φ(x)‖ first: explainers whose maps have other units can then
be compared, and a zero map is undefined. `paper` takes maps as they are: a map that is twice as large has twice the
number. Both depend on the unit of the images; compare on the same ones. A maximum over random samples is a lower bound
of the constant; the authors search for it by Bayesian optimisation, quantus draws 200 times from a normal of 0.1 and
divides each map by its own largest value. An image without any spread has no neighbours in units of it: NaN.

>>> local_lipschitz(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.5, 2.0]]))
tensor([2.])
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.metrics._base import Case
from pellucid.metrics._nearby import Nearby, length


def local_lipschitz(moved: Float[Tensor, "n s"], by: Float[Tensor, "n s"]) -> Float[Tensor, " n"]:
    """How far s maps are from the map, and their images from the image."""
    return torch.where(by > 0, moved / by, torch.nan).amax(1)


class LocalLipschitz(Nearby, name="local-lipschitz", paper="arXiv:1806.08049"):
    """How fast can the map change around the image?"""

    cite = """
@article{alvarezmelis2018robustness,
  title   = {On the Robustness of Interpretability Methods},
  author  = {Alvarez-Melis, David and Jaakkola, Tommi S.},
  journal = {arXiv:1806.08049},
  year    = {2018},
}"""

    protocol: Literal["sound", "paper"] = "sound"

    def score(self, case: Case) -> Tensor:
        found = local_lipschitz(*self.moves(case))
        if self.protocol == "paper":
            return found
        norm = length(case.map.double())
        return torch.where(norm > 0, found / norm, torch.nan)

    @property
    def card(self) -> dict[str, str]:
        return super().card | {"map": "as it is" if self.protocol == "paper" else "divided by its Euclidean length"}

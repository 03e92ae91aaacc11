"""Max-sensitivity (Yeh et al., 2019): how much of the map may change when the image hardly does?

    S = max over u of ‖Φ(x + r u) − Φ(x)‖ / ‖Φ(x)‖,   u uniform in the cube [−1, 1]^d

Lower is better; 1 means that the map moved as far as it is long. The maximum over so few samples is a lower bound that
grows with `samples`. The radius is in units of each image's own spread, so that the same number means the same for
photographs in [0, 1] and normalised ones; `unit=model` is the paper's and captum's, which both leave the unit to the
data. A zero map has no length to compare with: NaN (captum divides by 1 there). A constant map is perfectly stable, and
says nothing: read it beside a metric of faithfulness.

>>> max_sensitivity(torch.tensor([[1.0, 3.0]]), torch.tensor([4.0]))
tensor([0.7500])
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.metrics._base import Case
from pellucid.metrics._nearby import Nearby, length


def max_sensitivity(moved: Float[Tensor, "n s"], norm: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """How far s maps of nearby images are from the map, and the map's own length."""
    return torch.where(norm > 0, moved.amax(1) / norm, torch.nan)


class MaxSensitivity(Nearby, name="max-sensitivity", paper="arXiv:1901.09392"):
    """How much of the map may change when the image hardly does?"""

    cite = """
@inproceedings{yeh2019infidelity,
  title     = {On the (In)fidelity and Sensitivity of Explanations},
  author    = {Yeh, Chih-Kuan and Hsieh, Cheng-Yu and Suggala, Arun Sai and Inouye, David I. and Ravikumar, Pradeep},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2019},
}"""

    def score(self, case: Case) -> Tensor:
        return max_sensitivity(self.moves(case)[0], length(case.map.double()))

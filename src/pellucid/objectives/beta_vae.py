"""β-VAE: a picture is told in few words, and each word costs β (Higgins et al., 2017).

    L = −log p(x | z) + β Σ_j KL_j,   z ~ q(z | x) = N(μ, exp v),   KL_j = ½ (μ_j² + exp v_j − v_j − 1)

both means over the pictures; pixels are grey and independent, their cross-entropies are summed. The network is one with
`sample`, as `conv-vae`.

How to read it. With β = 1, −L is a lower bound of log p(x) in nats. `active` is the number of units of which a picture
takes more than a tenth of a nat: the others say nothing. A larger β leaves fewer of them, and blurs.

`protocol=published` is the label-free study's: what is held out is judged with z = μ, which flatters it, for no code is
as sure as its mean, and an epoch is chosen by that.

>>> gaussian_kl(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2)).tolist()     # a unit as the prior has it costs nothing
[[0.0, 2.0]]
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from torch import Tensor

from pellucid.networks.conv_vae import Sample
from pellucid.objectives._base import Between, Objective, Part, Step
from pellucid.objectives._vae import CITE_BETA, Coded, gaussian_kl

if TYPE_CHECKING:
    from pellucid.objectives._bound import Site


class BetaVAE(Objective, name="beta-vae"):
    """Can it be told in few words?"""

    cite = CITE_BETA
    draws = True
    classifies = False
    asks = "sample"
    networks = ("conv-vae",)

    beta: Annotated[float, Between(0)] = 1.0
    protocol: Literal["sound", "published"] = "sound"

    @property
    def weights(self) -> Mapping[str, float]:
        return {"reconstruction": 1.0, "kl": self.beta}

    def build(self, site: "Site") -> Part:
        return Coded(self, site)

    def parts(self, step: Step, sample: Sample) -> Mapping[str, Tensor]:
        """What the codes cost."""
        return {"kl": step.mean(gaussian_kl(sample.mean, sample.logvar).sum(1))}

"""What the objectives of variational autoencoders share: one code of every picture, and how well it is read."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from pellucid.errors import BadInput
from pellucid.networks.conv_vae import Sample
from pellucid.objectives._base import Objective, Part, Step
from pellucid.subject import precise

ACTIVE = 0.1  # nats that a unit tells about a picture, to be counted
SLACK = 1e-3  # of a pixel, for what a resize rounds
CITE_BETA = """
@inproceedings{higgins2017beta,
  title     = {beta-{VAE}: Learning Basic Visual Concepts with a Constrained Variational Framework},
  author    = {Higgins, Irina and Matthey, Loic and Pal, Arka and Burgess, Christopher and Glorot, Xavier and
               Botvinick, Matthew and Mohamed, Shakir and Lerchner, Alexander},
  booktitle = {International Conference on Learning Representations},
  year      = {2017},
}"""


def bernoulli(logits: Float[Tensor, "n *s"], images: Float[Tensor, "n *s"]) -> Float[Tensor, " n"]:
    """−log p(x | z) of pixels that are grey: cross-entropies, summed over the pixels.

    >>> round(bernoulli(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]])).exp().item(), 5)
    4.0
    """
    return binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(1).sum(1)


def gaussian_kl(mean: Float[Tensor, "n d"], logvar: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """KL(N(μ, e^v) ‖ N(0, 1)) of every unit: ½ (μ² + e^v − v − 1).

    >>> gaussian_kl(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2)).tolist()
    [[0.0, 2.0]]
    """
    return 0.5 * (mean.square() + logvar.exp() - logvar - 1)


class Coded(Part):
    """Draws a code of every picture, and leaves the rest to the objective: `parts(step, sample)`. As published, the
    code of what is held out is the mean."""

    def __init__(self, objective: Objective, site: Any) -> None:
        super().__init__(objective, site)
        self.units = site.shape[1]

    def forward(self, step: Step) -> Mapping[str, Tensor]:
        objective: Any = self.objective
        _grey(step.images)
        still = not step.training and objective.protocol == "published"
        noise = None if still else step.noise("code", (len(step.images), self.units), step.images)
        sample = Sample(*map(precise, step.ask("sample", step.images, noise)))
        with torch.autocast(step.images.device.type, enabled=False):
            kl = gaussian_kl(sample.mean, sample.logvar).detach().mean(0)
            step.watch["active"] = (kl > ACTIVE).sum()
            rest = step.mean(bernoulli(sample.logits, precise(step.images)))
            return {"reconstruction": rest} | objective.parts(step, sample)


def _grey(images: Tensor) -> None:
    """Whether pixels are such as can be the chance of white: beyond, the loss has no least value."""
    low, high = (float(end) for end in images.detach().aminmax())
    if low < -SLACK or high > 1 + SLACK:
        raise BadInput(
            f"the pixels are from {low:.3g} to {high:.3g}, and a VAE of black or white ones takes 0 to 1; set a "
            f"transform that does not normalise, as transform=plain."
        )

"""Denoising: what was lost of a picture is given back; with nothing lost, the picture itself (Vincent et al., 2008).

    L = mean over the pixels of (x − r(x̃))²          loss=l1: of |x − r(x̃)|

    corruption=gaussian     x̃ = x + std · ε, ε ~ N(0, 1), not clipped
    corruption=inpainting   every value is 0 with probability `share`, each by itself
    corruption=none         x̃ = x: an autoencoder

r is the network's `reconstruct`. Corruption is drawn anew in every step; in evaluation it is always the same, so that
the held-out loss falls because the network is better. A network in use corrupts nothing.

How to read it. The loss of the mean picture is the variance of the pixels; a network that learned something is below.

Trap. The label-free reproduction states a variance of 1/3; the code adds numbers of standard deviation 0.3, a variance
of 0.09. The code is followed: `std=0.577` is the text.

>>> corrupted(torch.ones(4), "inpainting", torch.tensor([0.1, 0.3, 0.2, 0.9]), 0.3, 0.2).tolist()
[0.0, 1.0, 1.0, 1.0]
>>> corrupted(torch.ones(2), "gaussian", torch.tensor([0.0, 1.0]), 0.3, 0.2).tolist()
[1.0, 1.2999999523162842]
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.objectives._base import Between, Objective, Step
from pellucid.subject import precise

Corruption = Literal["gaussian", "inpainting", "none"]


def corrupted(
    images: Float[Tensor, "*s"], corruption: Corruption, chance: Float[Tensor, "*s"], std: float, share: float
) -> Float[Tensor, "*s"]:
    """chance: for every value a number, standard normal for `gaussian`, uniform for `inpainting`."""
    if corruption == "gaussian":
        return images + std * chance
    return images * (chance >= share) if corruption == "inpainting" else images


def difference(images: Float[Tensor, "n *s"], given: Float[Tensor, "n *s"], loss: str) -> Float[Tensor, " n"]:
    """Of every image, the mean over its values."""
    apart = given - images
    return (apart.abs() if loss == "l1" else apart.square()).flatten(1).mean(1)


class Denoising(Objective, name="denoising"):
    """Is what was lost given back?"""

    cite = """
@inproceedings{vincent2008extracting,
  title     = {Extracting and Composing Robust Features with Denoising Autoencoders},
  author    = {Vincent, Pascal and Larochelle, Hugo and Bengio, Yoshua and Manzagol, Pierre-Antoine},
  booktitle = {International Conference on Machine Learning},
  year      = {2008},
}"""
    draws = True
    classifies = False
    asks = "reconstruct"
    networks = ("conv-autoencoder", "lstm-autoencoder:latent=4,length=9")

    corruption: Corruption = "gaussian"
    std: Annotated[float, Between(0)] = 0.3
    share: Annotated[float, Between(0, 1)] = 0.2
    loss: Literal["mse", "l1"] = "mse"

    @property
    def weights(self) -> Mapping[str, float]:
        return {self.loss: 1.0}

    def terms(self, step: Step) -> Mapping[str, Tensor]:
        given = step.ask("reconstruct", self.corrupted(step))
        return {self.loss: step.mean(difference(precise(step.images), precise(given), self.loss))}

    def corrupted(self, step: Step) -> Tensor:
        """The images of the step, less what is lost."""
        images = step.images
        if self.corruption == "none":
            return images
        draw = torch.rand if self.corruption == "inpainting" else torch.randn
        chance = step.noise("corruption", images.shape, images, draw)
        return corrupted(images, self.corruption, chance, self.std, self.share)

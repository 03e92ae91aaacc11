"""Baselines: what an image is compared with, where a path begins.

black    0 of pixel space, as the model's normalisation has it
mean     each image's own mean colour
blur     each image blurred, σ = sigma · its shorter side
noise    uniform between the darkest and the brightest value of each image; the same draw for all
0.5      that value everywhere        } in the model's space, where 0 is the mean colour of normalised images,
tensor   one image for all            } or with space=pixel in [0, 1], normalised as the images are
"""

from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from pellucid.errors import BadInput
from pellucid.knobs import Between
from pellucid.maths.blur import gaussian_blur
from pellucid.networks._load import card_of

Kind = Literal["black", "mean", "blur", "noise"]
Space = Literal["model", "pixel"]
Spread = Annotated[float, Between(0)]
SEVERAL = "give one for all, or take gradient-shap, to which several may be given"


def baselines(
    kind: Kind | float | Tensor,
    space: Space,
    sigma: float,
    images: Tensor,
    model: nn.Module,
    draws: int,
    generator: torch.Generator,
) -> list[Tensor]:
    """So many baselines as are given or drawn, at most `draws`, each of the images' shape."""
    if kind == "mean":
        return [images.flatten(2).mean(2).view(*images.shape[:2], *[1] * (images.ndim - 2)).expand_as(images)]
    if kind == "blur":
        return [gaussian_blur(images, sigma * min(images.shape[2:] if images.ndim > 3 else images.shape[-1:]))]
    if kind == "noise":
        low, high = (f(images.flatten(1), 1).view(-1, *[1] * (images.ndim - 1)) for f in (torch.amin, torch.amax))
        drawn = (torch.rand(images.shape[1:], generator=generator).to(images) for _ in range(draws))
        return [low + (high - low) * u for u in drawn]
    number = 0.0 if kind == "black" else kind
    given = number if isinstance(number, Tensor) else torch.tensor(number, dtype=torch.float64)
    if not bool(given.isfinite().all()):
        raise BadInput("the baseline holds NaN or infinite values; give finite ones.")
    given = given.to(images)
    if space == "pixel" or kind == "black":
        given = _normalised(given, images, model)
    several = given.ndim == images.ndim
    try:
        return [b.expand(images.shape[1:]).expand_as(images) for b in (given[:draws] if several else [given])]
    except RuntimeError:
        raise BadInput(
            f"the baseline has shape {tuple(given.shape)}, the images {tuple(images.shape)}; give one number, "
            f"one image {list(images.shape[1:])}, or several of them to an explainer that takes several."
        ) from None


def sole(member: Any, subject: Any, images: Tensor, instead: str) -> Tensor:
    """The one baseline of a member's knobs; a batch is its images, so a tensor is one image for all."""
    given = subject.laid(member.baseline)
    if isinstance(given, Tensor) and given.ndim == images.ndim and len(given) != 1:
        raise BadInput(f"the baseline has shape {tuple(given.shape)}, which is {len(given)} images; {instead}.")
    chance = member.generator(subject, member.seed)
    return baselines(given, member.space, member.sigma, images, subject.model, 1, chance)[0]


def _normalised(values: Tensor, images: Tensor, model: nn.Module) -> Tensor:
    """Pixel values as the model sees them."""
    card = card_of(model)
    if card is not None and len(card.mean) == images.shape[1]:
        mean, std = (
            torch.tensor(v, dtype=torch.float64).to(images).view(-1, *[1] * (images.ndim - 2))
            for v in (card.mean, card.std)
        )
        return (values - mean) / std
    if bool((images < 0).any()) or bool((images > 1).any()):
        raise BadInput(
            "the model carries no normalisation and the images are not in [0, 1], so where black is in them is not "
            "known; load the model with pl.load_model, or give the baseline as a number or tensor of the model's space."
        )
    return values

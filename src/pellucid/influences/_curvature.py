"""The curvature of a case: the mean loss of training examples, as a function of some parameters.

    products   V -> H V or G V, a batch after another; each batch is forgotten before the next
    rows       Φ with G = ΦᵀΦ/N. Where all of the parameters lie before a narrow place z, an encoder's few
               numbers or a classifier's few outputs, dim z rows for every example are exact: R ∂z/∂θ with
               RᵀR = (∂o/∂z)ᵀ (∂²ℓ/∂o²) ∂o/∂z. Else one row of chance each, right in mean: εᵀ (∂²ℓ/∂o²)^½ ∂o/∂θ, ε = ±1,
               for losses that are sums over o

>>> roots(torch.tensor([[[4.0, 0.0], [0.0, -1.0]]])).square().sum(1).tolist()             # what is negative is left out
[[4.0, 0.0]]
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, grad

from pellucid.errors import BadModel
from pellucid.influences._gradients import PREFIX, Gradients, joined, of_batch, usable
from pellucid.influences._loss import Losses
from pellucid.influences._samples import Samples
from pellucid.maths.curvature import (
    Product,
    gauss_newton_product,
    hessian_product,
    mean_product,
    pulling,
    push,
)
from pellucid.subject.crossings import crossings, giving

Curvature = Literal["gauss-newton", "hessian"]
NARROW = 64  # numbers of a place that is narrow
TOGETHER = 16  # right-hand sides in one forward
ALIKE = 1e-3


class Outputs(nn.Module):
    """What the loss compares: images [n, …] -> [n, …]. The model's parameters are `losses.model.…` here."""

    def __init__(self, losses: Losses) -> None:
        super().__init__()
        self.losses = losses
        self.training = False

    def forward(self, images: Tensor) -> Tensor:
        return self.losses.output(images)


class Pulled(Losses):
    """⟨z(x), cotangent⟩ of each example [n], where labels are cotangents: a loss whose gradients are rows of ∂z/∂θ."""

    def __init__(self, losses: Losses, place: str) -> None:
        super().__init__(losses.model, losses.loss, losses.answer)
        self.place = place

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return (narrow(self, self.place, images) * labels).flatten(1).sum(1)


def narrow(losses: Losses, place: str, images: Tensor) -> Tensor:
    """What a module gives in the forward; of the place "" the output."""
    if not place:
        return losses.output(images)
    with crossings(losses.model, [place]) as heard:
        losses.output(images)
    return heard[0].gave


def narrow_place(losses: Losses, names: Sequence[str], images: Tensor) -> str | None:
    """Behind all of these parameters: "encoder", or "" for the output; None where neither is narrow."""
    with torch.no_grad():
        if all(name.startswith("encoder.") for name in names):
            with crossings(losses.model, ["encoder"]) as heard:
                losses.output(images[:1])
            if len(heard) == 1 and _few(heard[0].gave) and not _around(losses, names, images[:1], heard[0].gave):
                return "encoder"
        return "" if _few(losses.output(images[:1])) else None


def _around(losses: Losses, names: Sequence[str], images: Tensor, code: Tensor) -> bool:
    """Whether some of the encoder's parameters reach the output by another way than the code: tied to a decoder's."""
    free = {name: value.clone().requires_grad_() for name, value in _held(losses, names).items()}
    with torch.enable_grad(), giving(losses.model.get_submodule("encoder"), code.detach()):
        there = {f"losses.{name}": value for name, value in free.items()}
        total = functional_call(Outputs(losses), there, (images,)).sum()
    if not total.requires_grad:
        return False
    slopes = torch.autograd.grad(total, list(free.values()), allow_unused=True)
    return any(slope is not None for slope in slopes)


def _few(z: Tensor) -> bool:
    return z.ndim == 2 and z.shape[1] <= NARROW


# --- products --------------------------------------------------------------------------------------------------------


def products(losses: Losses, samples: Samples, names: Sequence[str], kind: Curvature, batch_size: int) -> Product:
    """Of the mean loss of all of the samples."""
    parts = [samples[i : i + batch_size] for i in range(0, len(samples), batch_size)]
    each = [_lazily(losses, part, names, kind) for part in parts]
    return mean_product(each, [len(part) for part in parts])


def _lazily(losses: Losses, samples: Samples, names: Sequence[str], kind: Curvature) -> Product:
    return lambda rows: of_images(losses, *samples.read(), names, kind)(rows)


def of_images(losses: Losses, images: Tensor, labels: Tensor, names: Sequence[str], kind: Curvature) -> Product:
    """Of the mean loss of one batch."""
    held = _held(losses, names)
    at = torch.cat([value.flatten() for value in held.values()])

    def loss(flat: Tensor) -> Tensor:
        return functional_call(losses, _unflat(flat, held), (images, labels)).mean()

    def output(flat: Tensor) -> Tensor:
        there = {f"losses.{name}": value for name, value in _unflat(flat, held).items()}
        return functional_call(Outputs(losses), there, (images,))

    if kind == "hessian":
        return hessian_product(loss, at, TOGETHER)
    return gauss_newton_product(output, lambda o: losses.loss.of(o, images, labels).mean(), at, TOGETHER)


def _held(losses: Losses, names: Sequence[str]) -> dict[str, Tensor]:
    named = dict(losses.named_parameters())
    return {PREFIX + name: named[PREFIX + name].detach() for name in names}


def _unflat(flat: Tensor, like: dict[str, Tensor]) -> dict[str, Tensor]:
    parts = flat.split([value.numel() for value in like.values()])
    return {name: part.view(like[name].shape) for name, part in zip(like, parts, strict=True)}


# --- rows ------------------------------------------------------------------------------------------------------------


def rows(
    losses: Losses,
    samples: Samples,
    names: Sequence[str],
    place: str | None,
    batch_size: int,
    generator: torch.Generator,
) -> Gradients:
    """Φ: of dim z rows, or of one, for every example."""
    pulled, found, way = Pulled(losses, place or ""), [], None
    for images, labels in samples.batches(batch_size):
        cotangents = (
            chance_roots(losses, images, labels, generator)[:, None]
            if place is None
            else roots(bends(losses, place, images, labels))
        )
        for k in range(cotangents.shape[1]):
            way = way or usable(pulled, images[:2], cotangents[:2, k], names)
            found.append(of_batch(pulled, images, cotangents[:, k], names, way))
    return joined(found)


def bends(losses: Losses, place: str, images: Tensor, labels: Tensor) -> Float[Tensor, "n d d"]:
    """(∂o/∂z)ᵀ (∂²ℓ/∂o²) ∂o/∂z of each example."""
    with torch.no_grad():
        z = narrow(losses, place, images).detach()

    def tail(value: Tensor) -> Tensor:
        if not place:
            return value
        with giving(losses.model.get_submodule(place), value):
            return losses.output(images)

    output = tail(z).detach()
    _, bend = pulling(grad(lambda o: losses.loss.of(o, images, labels).sum()), output)
    pushed = [
        push(tail, z, torch.zeros_like(z).index_fill_(1, torch.tensor(k, device=z.device), 1.0))
        for k in range(z.shape[1])
    ]
    left = torch.stack([u.flatten(1) for u in pushed], 1)
    right = torch.stack([bend(u).flatten(1) for u in pushed], 1)
    return (left @ right.mT).detach()


def roots(bent: Float[Tensor, "n d d"]) -> Float[Tensor, "n d d"]:
    """R with RᵀR = each of these."""
    values, vectors = torch.linalg.eigh((bent + bent.mT) / 2)
    return values.clamp_min(0).sqrt()[:, :, None] * vectors.mT


def chance_roots(losses: Losses, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """±(∂²ℓ/∂o²)^½ of each example [n, …], for a loss whose second derivative is a diagonal."""
    with torch.no_grad():
        output = losses.output(images)
    _, bend = pulling(grad(lambda o: losses.loss.of(o, images, labels).sum()), output)
    sign = (torch.randint(0, 2, output.shape, generator=generator) * 2 - 1).to(output)
    diagonal = bend(torch.ones_like(output))
    if bool((bend(sign) - diagonal * sign).abs().max() > ALIKE * diagonal.abs().max()):
        raise BadModel(
            f"the loss {losses.loss.name} mixes {output[0].numel()} outputs, and ekfac knows the curvature of at most "
            f"{NARROW} mixed ones; write solver=cg."
        )
    return sign * diagonal.clamp_min(0).sqrt()

"""FullGrad (Srinivas & Fleuret, 2019).

    ⟨w, f(x)⟩ = Σ x · g  +  Σ_l Σ b_l · g_l        g = ∂score/∂x, g_l = ∂score/∂(output of layer l), b_l its bias

holds exactly for networks of ReLUs; in evaluation mode a BatchNorm has the bias β − μ γ / √(var + ε). The map puts the
parts where they arise:

    rectify=true     M = ψ(x · g) + Σ_l Σ_c ψ(b_l · g_l),   ψ = resize(min-max(|·|)), layer by layer: as published
    rectify=false    M = resize(Σ_c x · g) + Σ_l resize(Σ_c b_l · g_l): signed, linear in the score; every layer is
                     divided by its enlargement, so that M sums to what its parts do (mass=false: it is not)

By default rectify is on for questions that ask only for evidence (logit, probability), off for contrast, similarity and
units. Biases of linear layers count in the sum and have no place in the map. The sum is checked in every call: networks
with other non-linearities, or with a bias that is added outside a module, are refused.

>>> signed_part(torch.tensor([[[[2.0]], [[1.0]]]]), torch.tensor([3.0, -1.0])).item()
5.0
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from pellucid.errors import BadModel
from pellucid.explainers._base import Explainer, Score, Subject
from pellucid.maths.maps import resize
from pellucid.questions import Question
from pellucid.subject import EVERYWHERE, size_of

Part = tuple[Tensor | None, Tensor]  # a map [n, h, w], where it has a place, and its sum [n]


def bias_of(module: nn.Module) -> Tensor | None:
    """What a module adds, whatever its input is; none where it adds nothing, or is none of these."""
    if isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None:
        scale = (module.running_var + module.eps).rsqrt()
        scale = scale if module.weight is None else scale * module.weight
        return (0 if module.bias is None else module.bias) - module.running_mean * scale
    return module.bias if isinstance(module, _ConvNd | nn.Linear) else None


def signed_part(gradient: Float[Tensor, "n k *size"], factor: Tensor) -> Float[Tensor, "n *size"]:
    """Σ_c of factor · gradient; the factor is [k], or of the gradient's shape."""
    if factor.ndim > 1:
        return (factor * gradient).sum(1)
    return (factor @ gradient.flatten(2)).unflatten(1, gradient.shape[2:])


def published_part(gradient: Float[Tensor, "n k *size"], factor: Tensor) -> Float[Tensor, "n *size"]:
    """Σ_c of |factor · gradient|, its channels first stretched together to [0, 1].

    >>> published_part(torch.tensor([[[[2.0, 0.0]], [[1.0, -1.0]]]]), torch.tensor([3.0, -1.0])).tolist()
    [[[1.1666666269302368, 0.1666666716337204]]]
    """
    size, factor = gradient.abs(), factor.abs()
    if factor.ndim > 1:
        size, factor = size * factor, factor.new_ones(factor.shape[1])
    ends = (f(size.flatten(2), 2) * factor for f in (torch.amin, torch.amax))  # of every channel
    low, high = (v.view(-1, *[1] * (gradient.ndim - 2)) for v in (next(ends).amin(1), next(ends).amax(1)))
    span, total = high - low, signed_part(size, factor)
    return torch.where(span > 0, (total - len(factor) * low) / span.where(span > 0, 1.0), 0.0)


class FullGrad(Explainer, name="fullgrad", paper="arXiv:1905.00780"):
    """What do the pixels contribute, and what does every bias of the network?"""

    group = "gradient"
    cost = "F + B"
    linear = True
    linear_knobs = {"rectify": False}
    cite = """
@inproceedings{srinivas2019full,
  title     = {Full-Gradient Representation for Neural Network Visualization},
  author    = {Srinivas, Suraj and Fleuret, Fran{\\c{c}}ois},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2019},
}"""

    rectify: bool | None = None
    mass: bool = True

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        modules = dict(subject.model.named_modules())
        biases = {path: bias_of(module) for path, module in modules.items()}

        def part(path: str, gradient: Tensor, score: Score) -> Part | None:
            bias = biases[path]
            if bias is None:
                return None
            if isinstance(modules[path], nn.Linear) or gradient.ndim == 2:
                return None, (gradient * bias.to(gradient)).flatten(1).sum(1)
            return _part(gradient, bias.to(gradient), self._rectifies(score.question))

        output, answers = subject.overhear(images, scores, part)
        maps: list[Tensor] = []
        for score, (gradient, heard) in zip(scores, answers, strict=True):
            rectify = self._rectifies(score.question)
            parts = [_part(gradient, images.to(gradient), rectify), *(p for p in heard if p is not None)]
            _check(parts, score, output, type(subject.model).__name__)
            maps.append(_together([m for m, _ in parts if m is not None], size_of(images), self.mass and not rectify))
        return maps

    def at(self, subject: Subject, images: Tensor) -> tuple[str, ...]:
        return EVERYWHERE

    def signed(self, question: Question) -> bool:
        return not self._rectifies(question)

    def _rectifies(self, question: Question) -> bool:
        return question.one_sided if self.rectify is None else self.rectify


def _part(gradient: Tensor, factor: Tensor, rectify: bool) -> Part:
    """What one layer contributes: where, and how much."""
    signed = signed_part(gradient, factor)
    total = signed.flatten(1).sum(1)
    part = published_part(gradient, factor) if rectify else signed
    return part.unsqueeze(1) if part.ndim == 2 else part, total


def _check(parts: Sequence[Part], score: Score, output: Tensor, model: str) -> None:
    """The sum of all parts is ⟨w, output⟩, or this is no network of ReLUs."""
    owed = (score.cotangent(output).to(output) * output).detach().flatten(1).sum(1).to(parts[0][1])
    sums = torch.stack([total.detach() for _, total in parts])
    off = (sums.sum(0) - owed).abs() / (sums.abs().sum(0) + owed.abs()).clamp_min(1e-30)
    if float(off.max()) > (1e-3 if output.dtype in (torch.float32, torch.float64) else 0.1):
        row = int(off.argmax())
        raise BadModel(
            f"fullgrad is complete for networks of ReLUs with biases in convolutions, BatchNorm and linear layers; "
            f"of {model} its parts sum to {float(sums.sum(0)[row]):.4g} where the score is {float(owed[row]):.4g}; "
            f"use integrated-gradients."
        )


def _together(maps: Sequence[Tensor], size: tuple[int, int], mass: bool) -> Tensor:
    """The sum of maps of any resolution, resized once a resolution; with mass, each keeps its own sum."""
    pixels = size[0] * size[1]
    sums: dict[torch.Size, Tensor] = {}
    for m in maps:
        sums[m.shape] = sums[m.shape] + m if m.shape in sums else m
    return torch.stack([resize(m, size) * (m[0].numel() / pixels if mass else 1.0) for m in sums.values()]).sum(0)

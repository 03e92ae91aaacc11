"""What the explainers that read attention share: rows that are carried from the answer back to the patches."""

from collections.abc import Sequence
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.explainers._base import Between, Explainer, Subject
from pellucid.questions import Question
from pellucid.subject.attention import Attended, tokens_of

Share = Annotated[float, Between(0, 1)]


class AttentionExplainer(Explainer):
    """An explainer that reads the attention of a transformer: abstract.

    `grid` is found when none. `clamp` none is on for questions that ask only for evidence (logit, probability), off for
    contrast, similarity and units, as `relu` is in the CAM family.
    """

    group = "transformer"
    cost = "F + B"

    grid: tuple[int, int] | None = None
    clamp: bool | None = None

    def at(self, subject: Subject, images: Tensor) -> tuple[str, ...]:
        tokens_of(subject, images, self.grid)  # who has no attention says so before the first forward
        return Attended.to(0)

    def signed(self, question: Question) -> bool:
        return not self.clamps(question)

    def clamps(self, question: Question) -> bool:
        """Whether what speaks against the answer is left out."""
        return question.one_sided if self.clamp is None else self.clamp


def carried(row: Float[Tensor, "*n t"], steps: Sequence[Float[Tensor, "n t t"]]) -> Float[Tensor, "n t"]:
    """row · T_L ⋯ T_1, for the T of every layer in the order of the forward: products with a row, none of matrices."""
    row = row.expand(len(steps[0]), -1)
    for T in reversed(steps):
        row = torch.einsum("nt,nts->ns", row, T)
    return row


def moved(row: Float[Tensor, "*n t"], steps: Sequence[Float[Tensor, "n t t"]], scaled: bool) -> Float[Tensor, "n t"]:
    """row · T_L ⋯ T_1, less what stays where it is: T = I + E, scaled by 1 / (1 + Σ_j |E_ij|) or not.

    What stays, by I alone, and what has moved, by at least one E, are kept apart: a small E is not lost beside I.

    >>> moved(torch.tensor([1.0, 0.0]), [torch.tensor([[[0.0, 1e-9], [0.0, 0.0]]])], scaled=False).tolist()
    [[0.0, 9.999999717180685e-10]]
    """
    stays = row.expand(len(steps[0]), -1)
    gone = torch.zeros_like(stays)
    for E in reversed(steps):
        below = 1 + E.abs().sum(-1) if scaled else 1.0
        stays, gone = stays / below, gone / below
        gone = gone + torch.einsum("nt,nts->ns", stays + gone, E)
    return gone


def by_column(E: Float[Tensor, "n t t"]) -> Float[Tensor, "n t t"]:
    """(E + I) / 2, whose column j is divided by the sum of row j: an axis that was meant to be kept."""
    T = (E + torch.eye(E.shape[-1]).to(E)) / 2
    return T / T.sum(-1)[:, None, :]


def without_least(E: Float[Tensor, "n t t"], share: float, spare_first: bool) -> Float[Tensor, "n t t"]:
    """The smallest entries of each image's matrix set to zero, the most negative first; perhaps but for its very first.

    >>> without_least(torch.tensor([[[0.1, 0.2], [0.3, 0.4]]]), 0.5, spare_first=True).tolist()[0][0][1]
    0.0
    """
    flat = E.flatten(1)
    least = flat.topk(int(flat.shape[1] * share), 1, largest=False).indices
    kept = torch.ones_like(flat, dtype=torch.bool).scatter(1, least, value=False)
    if spare_first:
        kept[:, 0] = True
    return torch.where(kept, flat, 0.0).view_as(E)


def over_peak(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Divided by the largest value, which need not be positive; what has none stays zero."""
    peak = maps.flatten(1).amax(1)[:, None, None]
    return torch.where(peak == 0, maps, maps / peak.where(peak != 0, 1.0))

"""Gradient-weighted attention rollout, GWAR.

    R = T_L ⋯ T_1,   T_l = (E_l + I) / (1 + Σ_j |E_l|_ij),   E_l = mean over heads of A_l · ∂score/∂A_l,
    M = the row of R that is read, less the way that passes no attention

with A_l the probabilities of layer l, behind the softmax. For questions that ask only for evidence E_l is clamped at
zero (`clamp`), and T_l is then the row-normalised (E_l + I) / 2. A contrast needs both signs, and then sums of E + I
may cross zero; so a row is divided by the sum of its absolute values with 1 for the identity, which never does. Of the
way by identities alone the map keeps nothing: a class token gives the patches nothing by it anyhow, and where patches
are averaged it would hide a small E. Zero gradients are a zero map.

Not linear, and not free of scale: E is small where gradients are, R is then near I, and a saturated probability has a
map of almost nothing. Ask contrast, whose direction is never small, rather than probability.

`protocol=published` is the code in use, and in the reproduction of class contrast, with its five departures: (1) layer
l is weighted by the gradient of layer L + 1 − l, because one list is in forward and the other in backward order; (2)
that gradient is the one before the softmax, A · (G − Σ_j A G); (3) row sums have lost an axis and divide columns; (4)
the `discard` (0.9 in its defaults, 0 in the reproduction) takes the most negative entries first; (5) the map is divided
by its peak, which turns the sign of a map that is negative everywhere. Its lists, which grew from call to call, do not.

>>> A = torch.tensor([[[[0.5, 0.5], [0.0, 1.0]]]])
>>> G = torch.tensor([[[[0.0, 2.0], [0.0, 0.0]]]])
>>> gwar([A], [G], torch.tensor([1.0, 0.0]), clamp=True).tolist()       # E = 1 from the first token to the second
[[0.0, 0.5]]
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.explainers._attention import (
    AttentionExplainer,
    Share,
    by_column,
    carried,
    moved,
    over_peak,
    without_least,
)
from pellucid.explainers._base import Score, Subject
from pellucid.subject.attention import attention_gradients

Layers = Sequence[Float[Tensor, "n heads t t"]]


def gwar(
    attention: Layers, gradient: Layers, read: Float[Tensor, " t"], clamp: bool, discard: float = 0.0
) -> Float[Tensor, "n t"]:
    """What each token at the bottom gives, through at least one attention, to the tokens that are read at the top."""
    E = [without_least(_weighted(A, G, clamp), discard, spare_first=False) for A, G in zip(attention, gradient)]
    return moved(read, E, scaled=True)


def gwar_as_published(
    attention: Layers, gradient: Layers, read: Float[Tensor, " t"], clamp: bool, discard: float = 0.0
) -> Float[Tensor, "n t"]:
    """The same by the code in use: gradients from the other end, before the softmax; columns divided, not rows."""
    inner = [before_softmax(A, G) for A, G in zip(attention, gradient)]
    E = [_weighted(A, g, clamp) for A, g in zip(attention, reversed(inner))]
    return carried(read, [by_column(without_least(e, discard, spare_first=False)) for e in E])


def before_softmax(A: Float[Tensor, "*n t"], G: Float[Tensor, "*n t"]) -> Float[Tensor, "*n t"]:
    """The gradient with respect to the scores of which A is the softmax."""
    return A * (G - (A * G).sum(-1, keepdim=True))


def _weighted(A: Float[Tensor, "n heads t t"], G: Float[Tensor, "n heads t t"], clamp: bool) -> Float[Tensor, "n t t"]:
    E = (A * G).mean(1)
    return E.relu() if clamp else E


class GWAR(AttentionExplainer, name="gwar"):
    """Which patches does the attention carry to the answer that also move it?"""

    discard: Share = 0.0
    protocol: Literal["sound", "published"] = "sound"

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        tokens, attention, gradients = attention_gradients(subject, images, scores, self.grid)
        read, maps = tokens.reader(attention[0]), []
        for score, gradient in zip(scores, gradients, strict=True):
            knobs = (read, self.clamps(score.question), self.discard)
            if self.protocol == "published":
                maps.append(over_peak(tokens.map(gwar_as_published(attention, gradient, *knobs))))
            else:
                maps.append(tokens.map(gwar(attention, gradient, *knobs)))
        return maps

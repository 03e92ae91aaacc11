"""Attention rollout (Abnar & Zuidema, 2020).

    R = T_L ⋯ T_1,   T_l = rownorm((Ā_l + I) / 2),   Ā_l the fused attention of layer l's heads,
    M = the row of R that is read

Asks nothing: the map is the same for every class and question, and no way back is needed. Only one row of R is wanted,
so it is carried from the last layer down to the first, and no matrices are multiplied. The row is that of the class
token; where the answer is read from several tokens (a distillation token beside it, an average over the patches) the
mean of theirs. What the row gives to the tokens before the grid is no part of the map. Every row of R sums to one.

`discard` sets the smallest entries of every Ā to zero. `protocol=published` is the code that made the method known for
images: its row sums have lost an axis and divide the columns instead, which shows as soon as something is discarded;
its entry (0, 0) is spared; and the map is divided by its peak. It is used with discard=0.9, and heads=max or mean.

>>> A = torch.tensor([[[[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]])     # one layer, one head, three tokens
>>> attention_rollout([A], torch.tensor([1.0, 0.0, 0.0])).tolist()
[[0.75, 0.125, 0.125]]
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.explainers._attention import AttentionExplainer, Share, by_column, carried, over_peak, without_least
from pellucid.explainers._base import Score, Subject
from pellucid.questions import Question
from pellucid.subject.attention import NONE, Attended, attentions

Heads = Literal["mean", "max", "min"]


def attention_rollout(
    attention: Sequence[Float[Tensor, "n heads t t"]],
    read: Float[Tensor, " t"],
    heads: Heads = "mean",
    discard: float = 0.0,
    published: bool = False,
) -> Float[Tensor, "n t"]:
    """The row `read` · R: what each token at the bottom gives to the tokens that are read at the top."""
    fused = [without_least(_fused(A, heads), discard, spare_first=published) for A in attention]
    return carried(read, [by_column(A) if published else _halfway(A) for A in fused])


def _fused(A: Float[Tensor, "n heads t t"], heads: Heads) -> Float[Tensor, "n t t"]:
    return A.mean(1) if heads == "mean" else A.amax(1) if heads == "max" else A.amin(1)


def _halfway(A: Float[Tensor, "n t t"]) -> Float[Tensor, "n t t"]:
    """Half attention, half the skip connection around it, as rows that sum to one."""
    T = A + torch.eye(A.shape[-1]).to(A)
    return T / T.sum(-1, keepdim=True)


class AttentionRollout(AttentionExplainer, name="attention-rollout", paper="arXiv:2005.00928"):
    """Where does attention come from, followed through all layers, whatever is asked?"""

    cost = "F"
    asked = False
    cite = """
@inproceedings{abnar2020quantifying,
  title     = {Quantifying Attention Flow in Transformers},
  author    = {Abnar, Samira and Zuidema, Willem},
  booktitle = {Annual Meeting of the Association for Computational Linguistics},
  year      = {2020},
}"""

    heads: Heads = "mean"
    discard: Share = 0.0
    protocol: Literal["sound", "published"] = "sound"

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        tokens, attention = attentions(subject, images, self.grid)
        published = self.protocol == "published"
        row = attention_rollout(attention, tokens.reader(attention[0]), self.heads, self.discard, published)
        maps = tokens.map(row)
        return [over_peak(maps) if published else maps] * len(scores)

    def at(self, subject: Subject, images: Tensor) -> tuple[str, ...]:
        return Attended.to(NONE)

    def signed(self, question: Question) -> bool:
        return False

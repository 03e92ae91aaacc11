"""Similarity rate (Crabbé & van der Schaar, 2022): do the training examples that matter most show the same thing?

    rate(x) = #{n among the M most important examples : label_n = label(x)} / M,     M = share · N, cut off

w[t, n] says what training example n means to test example t, larger is more; `side=least` takes the other end: of
losses those that harm, of distances those far away. Read the two together: with share=1 both are the frequency of the
label among the N, and on the way there most is above least where the importance is worth something. Alone, "least" may
lie above the frequency: examples of a class harm one another too.

    sound       of equal values at the edge each is in with a part, so that many zeros (of a kernel of K neighbours)
                prefer nobody; a row with NaN has NaN
    published   the first of them are in

>>> w = torch.tensor([[9.0, 5.0, 1.0, 0.0]])
>>> labels, train = torch.tensor([1]), torch.tensor([1, 1, 0, 1])
>>> [SimilarityRate(share=0.5, side=side)(w, labels, train).item() for side in ("most", "least")]
[1.0, 0.5]
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.metrics._apart import Apart
from pellucid.metrics._base import Between
from pellucid.questions.similarity import Similarity


def among(w: Float[Tensor, "t n"], count: int) -> Float[Tensor, "t n"]:
    """1 for the largest so many of each row, 0 for the others, a part where the last of them are equal.

    >>> among(torch.tensor([[3.0, 1.0, 1.0, 0.0]]), 2).tolist()
    [[1.0, 0.5, 0.5, 0.0]]
    """
    last = w.topk(count, 1).values[:, -1:]
    above, equal = (w > last).double(), (w == last).double()
    return above + equal * (count - above.sum(1, keepdim=True)) / equal.sum(1, keepdim=True)


def similarity_rate(
    chosen: Float[Tensor, "t n"], labels: Int[Tensor, " t"], train_labels: Int[Tensor, " n"]
) -> Float[Tensor, " t"]:
    """The share of the chosen with the label of the test example."""
    alike = labels[:, None] == train_labels
    return (chosen * alike).sum(1) / chosen.sum(1)


class SimilarityRate(Apart, name="similarity-rate", paper="arXiv:2203.01928"):
    """Do the training examples that matter most show the same thing?"""

    scores = "influence"
    call = "(w [t, n], labels [t], train_labels [n])"
    cite = Similarity.cite

    share: Annotated[float, Between(0, 1)] = 0.1
    side: Literal["most", "least"] = "most"
    protocol: Literal["sound", "published"] = "sound"

    def __call__(
        self, w: Float[Tensor, "t n"], labels: Int[Tensor, " u"], train_labels: Int[Tensor, " m"]
    ) -> Float[Tensor, " t"]:
        """One number a test example; NaN where nothing is chosen."""
        if w.shape != (len(labels), len(train_labels)):
            raise BadInput(
                f"the influences are {tuple(w.shape)}, with labels of {len(labels)} test and {len(train_labels)} "
                f"training examples; give w [t, n], as pl.influence returns it."
            )
        if bool((labels < 0).any() | (train_labels < 0).any()):
            raise BadInput("some examples have no label, -1, and nobody knows what they show; leave them out.")
        count = int(w.shape[1] * self.share + 1e-9)
        if not count:
            return torch.full((len(w),), torch.nan, device=w.device)
        wanted = w.detach().double() if self.side == "most" else -w.detach().double()
        known = ~wanted.isnan().any(1)
        wanted = wanted.nan_to_num(0.0, torch.inf, -torch.inf)
        chosen = among(wanted, count) if self.protocol == "sound" else _first(wanted, count)
        found = similarity_rate(chosen, labels.to(w.device), train_labels.to(w.device))
        return torch.where(known, found, torch.nan).float()

    @property
    def card(self) -> dict[str, str]:
        ties = "in with a part" if self.protocol == "sound" else "the first example first"
        return super().card | {"step": f"{self.share:g} of the examples, cut off", "ties": ties}


def _first(w: Tensor, count: int) -> Tensor:
    order = w.argsort(dim=1, descending=True, stable=True)[:, :count]
    return torch.zeros_like(w).scatter_(1, order, 1.0)

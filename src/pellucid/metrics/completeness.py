"""Completeness (Sundararajan et al., 2017): does the map add up to what it explains?

    E = |Σ_p M(p) − owed| / |owed|

Lower is better; 0 is complete. What is owed is what theory promises of this explainer for this question (of integrated
gradients the answer at the image less the answer at its baseline), and the sum is over the explainer's own attribution,
before channels are reduced. Where theory promises nothing, as of Grad-CAM, the error is undefined: NaN. `against=zero`
holds every explainer to one promise, f(x) − f(0), the question's own value less that of an image of zeros in the
model's space (the mean colour, where images are normalised): a question of units, not of faithfulness, as maps that
were never meant to add up do not. quantus asks for equality to the last bit, which no float gives, and of maps that it
divides by their largest value beforehand.

>>> completeness(torch.tensor([3.0, 3.0]), torch.tensor([4.0, 0.0]))
tensor([0.2500,    nan])
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.explainers.integrated_gradients import IntegratedGradients
from pellucid.metrics._base import Case, Metric


def completeness(total: Float[Tensor, " n"], owed: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """NaN where nothing is owed."""
    return torch.where(owed != 0, (total - owed).abs() / owed.abs(), torch.nan)


class Completeness(Metric, name="completeness", paper="arXiv:1703.01365"):
    """Does the map add up to what it explains?"""

    scores = "explainer"
    better = "lower"
    good = "integrated-gradients"
    quick = {"against": "zero"}
    cite = IntegratedGradients.cite

    against: Literal["promise", "zero"] = "promise"

    def score(self, case: Case) -> Tensor:
        e = case.once_here("explained again", lambda: case.explained(case.images))
        assert e.raw is not None
        owed = e.owed if self.against == "promise" else _against_zero(case)
        if owed is None:
            return torch.full((case.n,), torch.nan)
        return completeness(e.raw.double().flatten(1).sum(1), owed.to(e.raw.device).double())

    @property
    def card(self) -> dict[str, str]:
        zero = "the value at the image less that at zeros of the model's space"
        return super().card | {
            "owed": "what theory promises of the explainer" if self.against == "promise" else zero,
            "sum": "of the explainer's own attribution, signed, before reduction and resizing",
        }


def _against_zero(case: Case) -> Tensor:
    """[n]: what the question's value loses when the image does."""
    assert case.question is not None
    blank, found = case.once("answer to zeros", lambda: _blank(case)), []
    for first in range(0, case.n, case.rows):
        cut = slice(first, first + case.rows)
        target = case.target[cut] if case.question.targeted else None
        score = case.question.part(cut, case.n).bind(case.output[cut], target, case.subject.embed)
        found.append(score.clean - score.value(blank[cut]))
    return torch.cat(found)


def _blank(case: Case) -> Tensor:
    """The answer to an image of zeros, beside what else the model is given of each sample."""
    zeros = torch.zeros_like(case.images)
    if case.batch.key is None:
        answer = case.answer(zeros[:1])
        return answer.expand(case.n, *answer.shape[1:])
    return case.scan(1, lambda i, _: zeros[i], lambda output, _: output)[:, 0]

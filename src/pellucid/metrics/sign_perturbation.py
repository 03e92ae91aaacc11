"""Perturbation along the sign (Wang & Wang, 2022; Eriksson et al., 2025): what does the model gain along a direction?

    x⁺ = clamp(x + ε/S · sign φ(x), max(x⁰ − ε, 0), min(x⁰ + ε, 1)),   S steps in pixels of [0, 1],   sign 0 = 0

    along       φ, the gradient of                 is the attack by
    original    y_t                                the logit
    mean        y_t − mean_{s≠t} y_s
    max         y_t − max_{s≠t} y_s                the margin
    weighted    y_t − logsumexp_{s≠t} y_s          the cross-entropy, and by p_t: all three have the same signs

The score is the change of p_t (`change=probability`), of y_t, or of whether t is the top class, from the image to the
last x; the curve has it after every step. It says what a direction does to a model, and no way is better: along
`weighted` p_t and accuracy grow most, along `original` y_t does. Ten steps of ε = 0.003 bring almost every
image to its label: tell directions apart by one step, or by ε = 0.001. Networks of long recipes hardly show it.

The class t is the label, as published (`at=label`; NaN where there is none), the explained class, or the predicted one.
The mean over a data set is one over its samples: the published code averages batches, the last and smaller one too.
`protocol=published` differs in two more things: p_t goes through a float32 softmax, whose gradient has lost the own
term of t where the other logits are 17 or more behind, and vanishes where t is 104 or more behind; and `mean` divides
by 999, however many classes there are. The paper's clamp is not needed: S steps of ε/S lead no further than ε. A pixel
that is outside [0, 1] from the beginning, after some other preprocessing, goes no further out.

>>> x, g = torch.tensor([[0.5, 0.5, 0.999]]), torch.tensor([[2.0, 0.0, 7.0]])
>>> nudged(x, g, x, 0.1, 2)
tensor([[0.5500, 0.5000, 1.0000]])
"""

from dataclasses import replace
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.metrics._base import Between, Case, Curved
from pellucid.metrics.accuracy import accuracy
from pellucid.metrics.norm_vs_logit import NormVsLogit
from pellucid.networks._load import card_of
from pellucid.questions import Question, Score
from pellucid.questions._base import one_hot, pick, precise
from pellucid.questions.contrast import Contrast
from pellucid.questions.logit import Logit
from pellucid.subject import INPUT, Subject

Direction = Literal["weighted", "original", "mean", "max", "sum"]
Change = Literal["accuracy", "probability", "logit"]
CHANGES: tuple[Change, ...] = ("accuracy", "probability", "logit")

QUESTIONS: dict[Direction, Question] = {
    "weighted": Contrast(),
    "original": Logit(),
    "mean": Contrast(against="mean"),
    "max": Contrast(against="max"),
    "sum": Contrast(against="sum"),
}


def nudged(
    x: Float[Tensor, "n *s"], gradient: Float[Tensor, "n *s"], start: Float[Tensor, "n *s"], epsilon: float, steps: int
) -> Float[Tensor, "n *s"]:
    """One step of so many along the sign, within epsilon of the start and within [0, 1]."""
    low = torch.minimum(start, (start - epsilon).clamp_min(0))
    high = torch.maximum(start, (start + epsilon).clamp_max(1))
    return (x + epsilon / steps * gradient.sign()).clamp(low, high)


def published_direction(
    output: Float[Tensor, "n c"], target: Int[Tensor, " n"], along: Direction
) -> Float[Tensor, "n c"] | None:
    """What float32 makes of the gradient of p_t, and the mean over 999; None where the published code is right."""
    e = one_hot(output, target)
    if along == "weighted":
        p = output.float().softmax(1)
        return (p * (e - pick(p, target)[:, None])).to(output)
    return e - (1 - e) / 999 if along == "mean" else None


class SignPerturbation(Curved, name="sign-perturbation", paper="arXiv:2501.11096"):
    """What does the model gain when every pixel moves a little along the sign of an explanation?"""

    scores = "model"
    better = None
    classes = True
    quick = {"at": "predicted", "steps": 2}
    facts = {"space": "pixels in [0, 1]", "sign of zero": "0", "ties of the top class": "shared"}
    cite = Contrast.cite + NormVsLogit.cite

    along: Direction = "weighted"
    change: Change = "probability"
    epsilon: Annotated[float, Between(0, 1)] = 3e-3
    steps: Annotated[int, Between(1)] = 1
    at: Literal["label", "explained", "predicted"] = "label"
    protocol: Literal["sound", "published"] = "sound"

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("labels",) if self.at == "label" else ()

    def score(self, case: Case) -> Tensor:
        return self.trace(case)[:, -1]

    def trace(self, case: Case) -> Tensor:
        """[n, steps + 1]: the change after every step; the first is 0."""
        course = self.course(case)[..., CHANGES.index(self.change)]
        return course - course[:, :1]

    def course(self, case: Case) -> Tensor:
        """[n, steps + 1, 3]: accuracy, probability and logit of t before and after every step."""
        t = {"label": lambda: case.label, "explained": lambda: case.target, "predicted": lambda: case.predicted}[
            self.at
        ]()
        key = ("sign perturbation", self.along, self.epsilon, self.steps, self.protocol, tuple(t.tolist()))
        parts = torch.arange(case.n, device=case.images.device).split(case.rows)
        return case.once(key, lambda: torch.cat([self._course(case, rows, t[rows]) for rows in parts]))

    def _course(self, case: Case, rows: Tensor, t: Tensor) -> Tensor:
        s = case.subject
        subject = Subject(s.model, output=s.output, seed=s.seed)  # of these rows, with what stands beside them
        subject.batch = case.batch[rows]
        mean, std = pixel_space(case)
        x = start = precise(subject.batch.images) * std + mean
        seen: list[Tensor] = []
        for step in range(self.steps + 1):
            run = subject.forward(((x - mean) / std).to(case.images), INPUT if step < self.steps else None)
            output = precise(run.output.detach())
            seen.append(_read(case, output, t))
            if step < self.steps:
                [[gradient]] = subject.pull(run, [self._bound(subject, output, t)])
                x = nudged(x, gradient.to(x), start, self.epsilon, self.steps)
        return torch.stack(seen, 1)

    def _bound(self, subject: Subject, output: Tensor, t: Tensor) -> Score:
        """The direction at these images; that of an unknown class is not read."""
        score = QUESTIONS[self.along].bind(output, t.clamp_min(0), subject.embed)
        theirs = published_direction(output, score.target, self.along) if self.protocol == "published" else None
        return score if theirs is None else replace(score, frozen=theirs)


def _read(case: Case, output: Tensor, t: Tensor) -> Tensor:
    """[n, 3], NaN where the class is -1."""
    p = case.probability(output, t)
    y = torch.where(t < 0, torch.nan, pick(output, t.clamp_min(0)))
    return torch.stack([accuracy(output, t, 1), p, y], 1)


def pixel_space(case: Case) -> tuple[Tensor, Tensor]:
    """Mean and deviation that lead from pixels in [0, 1] to the images, each [c, 1, …]."""
    images, card = case.images, card_of(case.subject.model)
    if card is not None and len(card.mean) == images.shape[1]:
        wide = torch.float64 if images.dtype == torch.float64 else torch.float32
        mean, std = (torch.tensor(v, dtype=wide, device=images.device) for v in (card.mean, card.std))
        return mean.view(-1, *[1] * (images.ndim - 2)), std.view(-1, *[1] * (images.ndim - 2))
    if bool((images < 0).any()) or bool((images > 1).any()):
        raise BadInput(
            "sign-perturbation moves pixels in [0, 1], but the model carries no normalisation and the images are not "
            "in [0, 1]; load the model with pl.load_model, or put the normalisation into the model."
        )
    return torch.zeros((), device=images.device), torch.ones((), device=images.device)

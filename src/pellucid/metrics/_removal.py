"""Removing pixels: what stands in their place, and which number is followed meanwhile.

    into       mean          the data's mean colour
               zeros         0 of the model's space
               blur          the image blurred, σ 5 px at 224, reflected borders
               0.5           that value everywhere, in the model's space
    follows    probability   of the explained class
               logit         of the explained class
               question      the value of the question that the maps answer; of maps made elsewhere, the logit

What is followed does not depend on a map unless the removed pixels do: random subsets, perturbations and cells are
asked about once for all explainers of an image.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from torch import Tensor

from pellucid.errors import BadInput
from pellucid.maths.curves import exchanged
from pellucid.metrics._base import Between, Case
from pellucid.metrics._case import Make, Read
from pellucid.metrics._exchange import Filling
from pellucid.questions import Logit

Into = Filling | Annotated[float, Between(-1e6, 1e6)]
Follows = Literal["probability", "logit", "question"]

SCORED: dict[Follows, str] = {
    "probability": "probability of the explained class",
    "logit": "logit of the explained class",
    "question": "value of the question",
}
ROUNDING = 1e-6  # of an answer: what differs by less is the same


def emptied(case: Case, into: Into | Tensor) -> Tensor:
    """Images without content, of the images' shape."""
    x = case.images
    if isinstance(into, Tensor):
        return _given(into, x)
    if into == "blur":
        return case.blurred(5 * min(case.size if x.ndim > 3 else x.shape[-1:]) / 224)
    if into == "mean":
        return case.mean_colour().to(x).expand_as(x)
    return torch.full_like(x, 0.0 if into == "zeros" else into)


def _given(into: Tensor, images: Tensor) -> Tensor:
    try:
        return into.to(images).expand_as(images)
    except RuntimeError:
        raise BadInput(
            f"what stands for removed pixels has shape {tuple(into.shape)}, the images {tuple(images.shape)}; give one "
            f"number, or one image {list(images.shape[1:])}."
        ) from None


def followed(case: Case, follows: Follows) -> tuple[Tensor, Read]:
    """The number of the intact images, [n], and how it is read from the output for other images; in float64."""
    if follows == "probability":
        return case.probability(case.output.double(), case.target), lambda output, i: case.probability(
            output.double(), case.target[i]
        )
    question = case.question if follows == "question" and case.question is not None else Logit()
    given = case.target.clamp_min(0) if question.targeted else None
    score = question.bind(case.output, given, case.subject.embed)
    known = (case.target >= 0) | (not question.targeted)

    def read(output: Tensor, i: Tensor) -> Tensor:
        return torch.where(known[i], score[i].value(output).double(), torch.nan)

    return torch.where(known, score.clean.double(), torch.nan), read


def traced(case: Case, rank: Tensor, counts: int, start: Tensor, end: Tensor, follows: Follows) -> Tensor:
    """[n, counts + 1]: the number while regions are exchanged, one after the other; rank is that of every pixel's
    region. Where the first or the last image is the intact one, it is not asked again."""
    clean, read = followed(case, follows)
    steps = torch.arange(counts + 1, device=rank.device)
    asked = steps[int(start is case.images) : len(steps) - int(end is case.images)]
    rank = rank.view(case.n, *start.shape[2:])
    found = case.scan(len(asked), lambda i, s: exchanged(start[i], end[i], rank[i], asked[s]), read)
    before = [clean[:, None]] if start is case.images else []
    return torch.cat([*before, found, *([clean[:, None]] if end is case.images else [])], 1)


def of_these(case: Case, key: object, follows: Follows, make: Callable[[], Tensor]) -> Tensor:
    """What depends on the images and on what is followed alone: made once, for the maps of all explainers."""
    asked = str(case.question) if follows == "question" else getattr(case.question, "link", "")
    about = (asked, tuple(case.target.tolist()))
    return case.once((key, follows, about), make)


def drops(case: Case, count: int, make: Make, follows: Follows) -> Tensor:
    """[n, count]: by how much the number falls in each variant; 0 where rounding alone tells them apart."""
    clean, read = followed(case, follows)
    drop = clean[:, None] - case.scan(count, make, read)
    moved = clean * (1 - clean) if follows == "probability" else clean.abs()  # by a logit that is off by as much
    return torch.where(drop.abs() <= ROUNDING * moved[:, None], 0.0, drop)


def without(case: Case, gone: Tensor, into: Into) -> Make:
    """The images without the pixels of a variant: gone [s, h, w], the same for all images."""
    empty, gone = emptied(case, into), gone.view(-1, 1, *case.images.shape[2:])
    return lambda i, s: torch.where(gone[s], empty[i], case.images[i])


def described(into: Into | Tensor, follows: Follows | None = None) -> dict[str, str]:
    """The card's lines."""
    words = {"mean": "the data's mean colour", "zeros": "0 of the model's space", "blur": "gaussian 5/224, reflected"}
    if isinstance(into, Tensor):
        empty = "a tensor"
    else:
        empty = words[into] if isinstance(into, str) else f"{into:g} of the model's space"
    return {"empty": empty} | ({} if follows is None else {"scored": SCORED[follows]})

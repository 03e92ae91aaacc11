"""Masking: what is asked about, of many variants of every image, from one set of forwards for all scores.

values(subject, images, scores, count, make)       [n, count] for every score
scan(subject, images, scores, count, make)         the same in pieces, for those who need the variants beside the values

make(i, s) gives the variants [b, …] of the pairs (image i, variant s), on the images' device: nothing else is ever in
memory. Forwards have at most `batch_size` rows, 64 where none is said, and are filled across images and variants. What
else the model is called with goes along with its image. Values are those of `score.value`, in float32 or better.

>>> from pellucid.questions.logit import Logit
>>> subject, x = Subject(torch.nn.Flatten()), torch.tensor([[[[1.0, 2.0]]], [[[3.0, 4.0]]]])
>>> score = Logit().bind(subject(x), torch.tensor([1, 0]), subject.embed)
>>> values(subject, x, [score], 3, lambda i, s: x[i] * s.view(-1, 1, 1, 1))[0].tolist()
[[0.0, 2.0, 4.0], [0.0, 3.0, 6.0]]
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from pellucid.questions import Score
from pellucid.subject import Subject
from pellucid.subject.pairs import ROWS, answer, pairs

Make = Callable[[Tensor, Tensor], Tensor]  # (which image [b], which variant [b]) -> variants [b, …]
Ask = Callable[[Tensor, Tensor], Tensor]  # (variants [b, …], which image [b]) -> output [b, …]
Piece = tuple[Tensor, Tensor, Tensor, list[Tensor]]  # which image, which variant, the variants, their values per score


def values(
    subject: Subject,
    images: Tensor,
    scores: Sequence[Score],
    count: int,
    make: Make,
    *,
    needed: Tensor | None = None,
    ask: Ask | None = None,
) -> list[Tensor]:
    """For every score [n, count]; zero where `needed` [n, count] is false, for which nothing is run."""
    found = [torch.zeros(len(images), count, dtype=score.clean.dtype, device=images.device) for score in scores]
    for i, s, _, parts in scan(subject, images, scores, count, make, needed=needed, ask=ask):
        for whole, part in zip(found, parts, strict=True):
            whole[i, s] = part.to(whole)
    return found


def scan(
    subject: Subject,
    images: Tensor,
    scores: Sequence[Score],
    count: int,
    make: Make,
    *,
    needed: Tensor | None = None,
    ask: Ask | None = None,
) -> Iterator[Piece]:
    """Piece by piece (i, s, the variants, their values per score), each from one forward.

    ask(variants, i) gives the outputs; by default the model's."""
    ask = ask or (lambda variants, i: answer(subject, variants, i))
    for i, s in pairs(len(images), count, subject.batch_size or ROWS, images.device, needed):
        with torch.no_grad():
            variants = make(i, s)
            output = ask(variants, i)
            parts = [score[i].value(output) for score in scores]
        yield i, s, variants, parts

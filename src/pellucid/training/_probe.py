"""The probe: a few images that every epoch is asked about, and whether they lie to each other as their names do.

    kl = mean_i KL(A^G_i ‖ A^F_i),   A = softmax(−s D) by rows,   D between unit vectors

G_i is the text of image i's class, F_i all of its last feature map as one vector. Both scales s are chosen so that the
median row is as perplexed as a quarter of the probe (`neighbours`); that of the images anew in every epoch. So what is
compared is who is near whom, and not how far apart everything lies, which grows while a network learns and differs from
network to network: a curve of one run may be put beside that of another, of CE beside that of LICO.

0 says that pictures are as near to each other as their names are. That takes classes that have fallen into points, for
a name is at distance 0 from those of its whole class, and a picture from itself alone: read where a curve goes and who
lies lower, not how far it is from 0.

>>> labels = torch.tensor([0, 0, 1, 1])
>>> names = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
>>> round(disagreement(names[labels], names, labels), 6)      # pictures that are their names
0.0
>>> disagreement(names[[0, 1, 0, 1]], names, labels) > 1      # and such as lie with the others
True
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.data import Dataset
from pellucid.data._base import Wrapped
from pellucid.data._batches import Batches, View
from pellucid.data.transforms import Transform
from pellucid.maths.manifold import distances, log_adjacency, manifold_loss, scale_for
from pellucid.maths.transport import unit_rows

SIZE = 128
AT_ONCE = 64  # records that are read together


def disagreement(features: Float[Tensor, "n p"], names: Float[Tensor, "classes d"], labels: Int[Tensor, " n"]) -> float:
    """KL(text ‖ image) of pictures and the names of their classes, both at one perplexity."""
    wanted = neighbours(labels)
    same = labels[:, None] == labels
    own = torch.eye(len(labels), dtype=torch.bool)
    g, f = unit_rows(names.double())[labels], unit_rows(features.double())
    texts, images = distances(g, g, same=same), distances(f, f, same=own)
    log_g, log_f = (log_adjacency(D, scale_for(D, wanted)) for D in (texts, images))
    return manifold_loss(log_f, log_g).item()


def neighbours(labels: Int[Tensor, " n"]) -> float:
    """Of how many a row is to speak: a quarter of all; where the classes are so few that one of them is nearly that
    many, a fifth more than its own class, for a name cannot tell those apart.

    >>> neighbours(torch.arange(40)), neighbours(torch.tensor([0, 0, 1, 1]))
    (10.0, 2.4)
    """
    own = (labels[:, None] == labels).sum(1).double().quantile(0.5).item()
    return max(len(labels) / 4, round(1.2 * own, 9))


@dataclass(frozen=True, eq=False)
class Probe:
    """Images as the model sees them in evaluation."""

    images: Tensor
    labels: Int[Tensor, " n"]
    rows: tuple[int, ...]
    view: View

    def panel(self, most: int) -> list[int]:
        """A few of them, of as many classes as there are."""
        return sorted(_in_turn(self.labels.tolist())[:most])

    def pictures(self, which: Sequence[int]) -> list[Tensor]:
        """[3, h, w] in [0, 1], to look at."""
        from pellucid.show.overlay import displayable

        mean, std = self._numbers()
        return [displayable(self.images[i], mean, std) for i in which]

    def _numbers(self) -> tuple[list[float], list[float]] | tuple[None, None]:
        """Mean and standard deviation of every channel, where they are known."""
        if not isinstance(self.view.transform, Transform):
            return None, None
        mean, std = (
            list(x) * (self.images.shape[1] if len(x) == 1 else 1) for x in self.view.transform.numbers(self.view.data)
        )
        return mean, std


def drawn(source: Batches, classes: int, size: int = SIZE, seed: int = 0) -> Probe:
    """So many images of a source, always the same ones; equally many of every class where labels are cheap to know."""
    return _read(_of(source), _rows(source, size, seed), classes, size)


def again(source: Batches, classes: int, rows: Sequence[int]) -> Probe:
    """The probe of these rows."""
    return _read(_of(source), list(rows), classes, len(rows))


def _of(source: Batches) -> View:
    """As in evaluation, and whatever is drawn there drawn the same in every run."""
    return replace(source.view, train=False, truth=False, seed=0)


def _read(view: View, rows: list[int] | None, classes: int, size: int) -> Probe:
    images, labels, known = [], [], []
    for batch in Batches(view, min(AT_ONCE, size), rows).epoch(0):
        fits = (batch.labels >= 0) & (batch.labels < classes)
        images.append(batch.images[fits])
        labels.append(batch.labels[fits])
        known += batch.rows[fits].tolist()
        if len(known) >= size:
            break
    return Probe(torch.cat(images)[:size], torch.cat(labels)[:size], tuple(known[:size]), view)


def _rows(source: Batches, size: int, seed: int) -> list[int] | None:
    data = source.view.data
    if data.streamed:
        return None
    every = range(len(data)) if source.rows is None else [data._at(i) for i in source.rows]
    order = torch.randperm(len(every), generator=torch.Generator().manual_seed(seed)).tolist()
    rows = [every[i] for i in order]
    if not _cheap(data):
        return rows[:size]
    return [rows[i] for i in _in_turn([data.label(row) for row in rows])[:size]]


def _cheap(data: Dataset) -> bool:
    """Whether a label is known without the picture."""
    while isinstance(data, Wrapped):
        data = data.of
    return type(data).label is not Dataset.label


def _in_turn(labels: Sequence[int]) -> list[int]:
    """The places of the first of every class, then of the second of every class, and so on.

    >>> _in_turn([5, 5, 7, 5, 7])
    [0, 2, 1, 4, 3]
    """
    seen: Counter[int] = Counter()
    rounds = []
    for label in labels:
        rounds.append(seen[label])
        seen[label] += 1
    return sorted(range(len(labels)), key=lambda i: rounds[i])

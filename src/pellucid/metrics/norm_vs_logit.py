"""Norm versus logit (Eriksson et al., 2025): do classes with greater logits have greater gradients?

    r = corr_s(y_s, ‖∂y_s/∂x‖₂)   over classes s of every rank, x as the model sees it

Where the correlation is high, the gradient of the top class outweighs those it is compared with: a contrast of a class
that dominates is then little else than its own gradient. Neither way is better; it describes a model. Classes: the 50
with the greatest logits, the 50 with the least, and 45 at equal distances between them; all of 145 or fewer. Of 1000
these are the ranks 1–50, 51, 71, … 931, and 951–1000. A model of one class has no score, one of two ±1. The norm
depends on the space of the images: compare models by it that share a normalisation.

`norms(case)` gives the points of the figure, logits and norms; the published one is fitted by a parabola.

>>> spread_ranks(3), len(spread_ranks(1000)), spread_ranks(1000)[49:53], spread_ranks(1000)[94:96]
([0, 1, 2], 145, [49, 50, 70, 90], [930, 950])
"""

from typing import Literal

import torch
from torch import Tensor

from pellucid.maths.similarity import pearson, spearman
from pellucid.metrics._base import Case, Curved
from pellucid.questions._base import precise
from pellucid.questions.logit import Logit
from pellucid.subject import INPUT, Subject

ENDS, BETWEEN = 50, 45


def spread_ranks(classes: int) -> list[int]:
    """Which places in the order of the logits are looked at, 0 the greatest."""
    if classes <= 2 * ENDS + BETWEEN:
        return list(range(classes))
    between = [ENDS + (classes - 2 * ENDS) * i // BETWEEN for i in range(BETWEEN)]
    return [*range(ENDS), *between, *range(classes - ENDS, classes)]


def norms(case: Case) -> tuple[Tensor, Tensor]:
    """Logits and gradient norms [n, m] of the classes looked at, the greatest logit first."""
    return case.once("norms of all logits", lambda: _norms(case))


def _norms(case: Case) -> tuple[Tensor, Tensor]:
    case.chances(case.output)  # refuses what has no classes
    order = case.output.argsort(dim=1, descending=True, stable=True)
    classes = order[:, spread_ranks(case.output.shape[1])]
    parts = torch.arange(case.n, device=case.images.device).split(case.rows)
    return case.output.gather(1, classes), torch.cat([_norms_of(case, rows, classes[rows]) for rows in parts])


def _norms_of(case: Case, rows: Tensor, classes: Tensor) -> Tensor:
    """[n, m]: one forward of as many copies as there is room for, and a way back for so many classes at once."""
    s, m = case.subject, classes.shape[1]
    subject = Subject(s.model, output=s.output, seed=s.seed)
    subject.batch = case.batch[rows]
    copies = max(1, min(m, case.rows // len(rows)))
    images = subject.batch.images
    run = subject.forward(images.repeat(copies, *[1] * (images.ndim - 1)), INPUT)
    output, found = precise(run.output.detach()), list[Tensor]()
    for part in classes.split(copies, dim=1):
        wanted = torch.cat([part, part[:, :1].expand(-1, copies - part.shape[1])], 1)  # the last has room left
        score = Logit().bind(output, wanted.T.flatten(), subject.embed)
        [[gradient]] = subject.pull(run, [score], keep=True)
        sizes = gradient.flatten(1).double().norm(dim=1).float()
        found.append(sizes.view(copies, -1).T[:, : part.shape[1]])
    return torch.cat(found, 1)


class NormVsLogit(Curved, name="norm-vs-logit", paper="arXiv:2501.11096"):
    """Do classes with greater logits have greater gradients?"""

    scores = "model"
    better = None
    classes = True
    facts = {"norm": "Euclidean, over the images as the model sees them", "at": "logits"}
    cite = """
@article{eriksson2025reproducibility,
  title   = {Reproducibility Review of "Why Not Other Classes": Towards Class-Contrastive Back-Propagation
             Explanations},
  author  = {Eriksson, Arvid and Israelsson, Anton and Kallhauge, Mattias},
  journal = {arXiv:2501.11096},
  year    = {2025},
}"""

    by: Literal["pearson", "spearman"] = "pearson"

    def score(self, case: Case) -> Tensor:
        logits, sizes = norms(case)
        correlation = pearson if self.by == "pearson" else spearman
        return correlation(logits[:, None].float(), sizes[:, None])

    def trace(self, case: Case) -> Tensor:
        """[n, m]: the norms, that of the greatest logit first."""
        return norms(case)[1]

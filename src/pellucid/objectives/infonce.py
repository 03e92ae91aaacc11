"""InfoNCE, as SimCLR has it: of all pictures of the batch, which one is the other view of this one? (Chen et al., 2020)

    L_i = −log exp(cos(g_i, g_i′)/τ) / Σ_{k≠i} exp(cos(g_i, g_k)/τ),   L = mean over the 2n views

i′ is the sibling of i. g is the network's `project`; what it gives is compared by cosines. A step has two views of
every picture, [n, 2, c, h, w], which `pl.fit` lets the transform draw (`simclr`), or which the batch holds as `views`.

How to read it. A network that knows nothing has log(2n − 1); `found` is the share of views whose sibling is the
nearest. Both depend on n: compare runs of one batch size, and leave out a last batch that is smaller (drop_last=true).

`protocol=published` does as the label-free paper's code: a cosine below 1e-7 is 1e-7. Views that are more than
perpendicular to each other are not told how far, and feel nothing, the siblings among them.

>>> east, north = [1.0, 0.0], [0.0, 1.0]
>>> views = torch.tensor([[east, east], [north, north]])
>>> nt_xent(views, views, 1.0).exp()[0].item()                      # (e + 1 + 1) / e
1.7357...
"""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.data.transforms.simclr import SimCLR
from pellucid.errors import BadInput
from pellucid.objectives._base import Between, Objective, Step
from pellucid.subject import precise

LEAST = 1e-7  # the published floor of a cosine


def nt_xent(
    mine: Float[Tensor, "m 2 d"], all_: Float[Tensor, "n 2 d"], temperature: float, first: int = 0, floor: float = -1.0
) -> Float[Tensor, " views"]:
    """Of each view of mine, its siblings and others among all; mine are all_[first : first + m]. floor: of a cosine."""
    logits, sibling, _ = _compared(mine, all_, temperature, first, floor)
    return torch.nn.functional.cross_entropy(logits, sibling, reduction="none")


def _compared(
    mine: Tensor, all_: Tensor, temperature: float, first: int, floor: float
) -> tuple[Float[Tensor, "views others"], Tensor, Tensor]:
    """Cosines over the temperature, the number of each one's sibling, and whether that is the nearest."""
    rows, columns = (torch.nn.functional.normalize(x.flatten(0, 1), dim=1) for x in (mine, all_))
    cosines = rows @ columns.T
    own = 2 * first + torch.arange(len(rows), device=rows.device)
    kept = cosines if floor <= -1 else cosines.clamp(min=floor)
    logits = (kept / temperature).scatter(1, own[:, None], -math.inf)
    sibling = own ^ 1  # views of a picture stand side by side
    found = cosines.detach().scatter(1, own[:, None], -math.inf).argmax(1) == sibling
    return logits, sibling, found


class InfoNCE(Objective, name="infonce", paper="arXiv:2002.05709"):
    """Do two views of a picture find each other?"""

    cite = SimCLR.cite
    classifies = False
    views = 2
    asks = "project"
    networks = ("simclr:hidden=16,out=8",)

    temperature: Annotated[float, Between(1e-3)] = 0.5
    protocol: Literal["sound", "published"] = "sound"

    @property
    def weights(self) -> Mapping[str, float]:
        return {"infonce": 1.0}

    def terms(self, step: Step) -> Mapping[str, Tensor]:
        views = self._views(step)
        given = precise(step.ask("project", views.flatten(0, 1))).unflatten(0, views.shape[:2])
        with torch.autocast(given.device.type, enabled=False):
            first, floor = step.mine(len(given)).start, LEAST if self.protocol == "published" else -1.0
            logits, sibling, found = _compared(given, step.everyone(given), self.temperature, first, floor)
            losses = torch.nn.functional.cross_entropy(logits, sibling, reduction="none")
        step.watch["found"] = found.float().mean()
        return {"infonce": losses.mean() * step.share(len(given))}

    def _views(self, step: Step) -> Float[Tensor, "n 2 *s"]:
        """Both views of every picture."""
        views = step.more["views"].to(step.images.device) if "views" in step.more else step.images
        if views.ndim < 3 or views.shape[1] != 2:
            raise BadInput(
                f"infonce compares two views of every picture, and the batch is {tuple(views.shape)}; give "
                f"[n, 2, c, h, w], as pl.fit does, or a dict with images and such views."
            )
        return views

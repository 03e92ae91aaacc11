"""An open question: should maps of classes have one length before they are weighed against each other?

    weighted      M_t − Σ_s α_s M_s,       α the softmax of the other logits
    normalised    M_t / |M_t| − Σ_s α_s M_s / |M_s|

Where one class's map is large for reasons of its own, its share of the difference is; with one length it is α.

>>> print(next(OpenNormalised().claims()))
sch: normalised > weighted
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pellucid.studies._cells import Lab, Reading, Train, Work
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import BESIDE, OfContrast
from pellucid.studies._open import Open

if TYPE_CHECKING:
    from torch import Tensor

METRICS = ("sch", "pointing-game", "insertion", "deletion")


def weighed(maps: "Tensor", alpha: "Tensor", target: "Tensor", normalise: bool) -> "Tensor":
    """maps [n, c, h, w] of all classes, alpha [n, c] of the others: the map of the target against them.

    >>> import torch
    >>> maps = torch.tensor([[[[3.0, 0.0]], [[0.0, 8.0]]]])
    >>> alpha, target = torch.tensor([[0.0, 1.0]]), torch.tensor([0])
    >>> weighed(maps, alpha, target, True).tolist(), weighed(maps, alpha, target, False).tolist()
    ([[[1.0, -1.0]]], [[[3.0, -8.0]]])
    """
    import torch

    if normalise:
        maps = maps / maps.flatten(2).norm(dim=2).clamp_min(1e-12)[..., None, None]
    own = maps[torch.arange(len(maps)), target]
    return own - (alpha[..., None, None] * maps).sum(1)


@dataclass(frozen=True)
class Weighed(Work):
    """Contrasts of Grad-CAM without a ReLU, both ways, and what metrics say of them."""

    model: Train
    data: str
    ways: tuple[str, ...] = ("weighted", "normalised")

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        import torch

        from pellucid.engine import measure
        from pellucid.engine._evaluate import seen_by
        from pellucid.explanation import explain
        from pellucid.questions.contrast import alpha

        model = lab.model(self.model)
        for some in seen_by(model, self.data, None, None).ranges(None):
            n, output = len(some.labels), model(some.images).detach()
            classes = output.shape[1]
            every = explain(model, some.images, "grad-cam:relu=false", target=torch.arange(classes).expand(n, -1))
            maps = every.maps.view(n, classes, *every.maps.shape[-2:])
            plain = explain(model, some.images, "grad-cam:relu=false", target=some.labels)
            shares = alpha(output, some.labels, "softmax")
            about: Any = {"masks": some.masks(some.labels), "boxes": some.boxes(some.labels)}
            for way in self.ways:
                e = replace(plain, maps=weighed(maps, shares, some.labels, way == "normalised"))
                for metric in METRICS:
                    values = measure(model, some.images, e, metric, **about)
                    for sample, value in enumerate(values.tolist(), some.start):
                        yield {"arm": way, "quantity": metric, "sample": sample, "value": value}


class OpenNormalised(Open, OfContrast, name="open-normalised", paper="arXiv:2501.11096"):
    """Should maps of classes have one length before they are weighed?"""

    title = "Should maps of classes have one length before they are weighed against each other?"
    claim = "With one length the contrast lies more on the object."
    worlds = {"tiny": BESIDE}

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.at
        yield Reading(Weighed(at.trained("ce", seed), at.maps), seed)

    def claims(self) -> Iterator[Claim]:
        for metric in METRICS:
            best = ("weighted", "normalised") if metric == "deletion" else ("normalised", "weighted")
            yield Claim(metric, *best, 0.005, main=metric == "sch")

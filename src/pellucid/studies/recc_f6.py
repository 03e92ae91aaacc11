"""Class contrast reproduced, figure 6: do classes with greater logits have greater gradients?

corr_s(y_s, ‖∂y_s/∂x‖) > 0 in a picture;   ‖∂y_t₁/∂x‖ / ‖∂y_m/∂x‖ > 1, m the class of the median logit

1000 pictures and 145 classes of each, spread over the ranks; here one picture of every class. The paper says that the
likeliest class has three to four times the gradient of the others. `tiny` has 27 classes, and looks at all of them.

>>> print(next(ReccF6().claims()))
norm-vs-logit:by=spearman: original > 0.0
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.studies._cells import Lab, Measure, Reading, Train, Work
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import PHOTOGRAPHS, SMALL_PICTURES, THINGS, OfContrast

METRIC = "norm-vs-logit"


@dataclass(frozen=True)
class Steepness(Work):
    """How many times as long the gradient of the likeliest class is as that of the class in the middle."""

    model: Train | str
    data: str

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        import torch

        from pellucid.engine._evaluate import seen_by
        from pellucid.explanation import explain

        model = lab.model(self.model)
        for some in seen_by(model, self.data, None, None).ranges(None):
            with torch.no_grad():
                order = model(some.images).argsort(1, descending=True)
            raw = explain(model, some.images, "gradient", "logit", target=order[:, [0, order.shape[1] // 2]]).raw
            assert raw is not None
            likeliest, middle = raw.flatten(2).norm(dim=2).unbind(1)
            for sample, value in enumerate((likeliest / middle).tolist(), some.start):
                yield {"arm": "likeliest", "quantity": "gradient-ratio", "sample": sample, "value": value}


class ReccF6(OfContrast, name="recc-f6", paper="arXiv:2501.11096"):
    """Does the likeliest class outweigh the others by the length of its gradient?"""

    where = "Figure 6"
    title = "Logits of all classes and the norms of their gradients"
    claim = "The greater the logit of a class, the longer its gradient."
    seen = "A cloud of points that bends upwards to the right."
    worlds = {"tiny": THINGS, "small": SMALL_PICTURES, "paper": PHOTOGRAPHS}

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.at
        model = at.trained("ce", seed) if at.train else at.network
        yield Reading(Measure(model, at.maps, (), (METRIC, f"{METRIC}:by=spearman")), seed, "original")
        yield Reading(Steepness(model, at.maps), seed)

    def claims(self) -> Iterator[Claim]:
        yield Claim(f"{METRIC}:by=spearman", "original", 0.0, 0.02)
        yield Claim(METRIC, "original", 0.0, 0.02, main=False)
        yield Claim("gradient-ratio", "likeliest", 1.0, 0.1, main=False)

"""Errata of CGC and LICO's reproduction: maps made while BatchNorm is in training.

    published   the network is in training mode while maps are made, of batches that are sorted by class: they are
                normalised by the batch, whose statistics then stay for the scoring
    sound       it is in evaluation mode

>>> print(next(ErrTrainingStatistics().claims()))
insertion: as published ≈ sound
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.studies._cells import Lab, Train, Work
from pellucid.studies._claims import Claim
from pellucid.studies._errata import PUBLISHED, SOUND, OfNetworks, survives

BATCH = 16
METRICS = ("insertion", "deletion")


@dataclass(frozen=True)
class Sorted(Work):
    """Insertion and deletion of Grad-CAM, of batches sorted by class."""

    model: Train
    data: str
    training: bool = False

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        import torch

        from pellucid.engine import measure
        from pellucid.explanation import explain
        from pellucid.studies._flawed import OfTheBatch, put_back, replaced
        from pellucid.studies._label_free import seen

        model = lab.model(self.model)
        x, labels = seen(self.data, model)
        order = labels.argsort(stable=True)
        if self.training:
            replaced(model, OfTheBatch)
        made = [explain(model, x[i], "grad-cam", target=labels[i], seed=self.model.seed) for i in order.split(BATCH)]
        put_back(model)
        for metric in METRICS:
            scores = [measure(model, e.images, e, metric) for e in made]
            for sample, value in zip(order.tolist(), torch.cat(scores).tolist(), strict=True):
                yield {"quantity": metric, "sample": sample, "value": value}


class ErrTrainingStatistics(OfNetworks, name="err-training-statistics"):
    """What insertion and deletion owe to maps made in training mode"""

    of, where = "relico", "code; tables 2, 4, 5"
    title = "What insertion and deletion owe to maps made in training mode"
    defect = "Maps are made in training mode, of batches of one class, whose statistics stay."
    claim = "LICO's maps are better than those of cross-entropy."
    differs = ("training",)

    def arm(self, side: str, seed: int, network: str = "") -> Sorted:
        return Sorted(self.trained(network, seed), self.world.maps, side == PUBLISHED)

    def claims(self) -> Iterator[Claim]:
        for metric in METRICS:
            yield Claim(metric, PUBLISHED, SOUND, 0.01, same=True, main=metric == "insertion")
        yield from survives("insertion", "lico", "ce", 0.005)
        yield from survives("deletion", "ce", "lico", 0.005)

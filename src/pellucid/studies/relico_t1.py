"""The reproduction of LICO, table 1: what training costs.

seconds of a step:  CGC > LICO > CE

The paper's are of epochs on one card; these are of steps by turns on this machine, and relative to CE, so that they can
be compared: LICO takes 2.3 to 4.3 times as long in the paper, CGC 3 to 4.7 times. At tiny the network is so small that
the reader of the words, MiniLM, is the greater part of a step of LICO's.

>>> print(next(RelicoT1().claims()))
times-as-long: lico > ce
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.studies._base import Study
from pellucid.studies._cells import Lab, Reading, Work
from pellucid.studies._claims import Claim
from pellucid.studies._training import RELICO
from pellucid.studies.lico_inference_cost import by_turns


@dataclass(frozen=True)
class Steps(Work):
    """Seconds of a step of training towards each objective, by turns, and how many times those of the first."""

    brief: ClassVar[Mapping[str, Any]] = {"batch": 2, "rounds": 1}

    network: str
    data: str
    objectives: tuple[tuple[str, str], ...]  # arm and text form; the first is what others are compared with
    transform: str = ""
    batch: int = 64
    rounds: int = 5
    seed: int = 0

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        for i, seconds in enumerate(by_turns([self._step(form) for _, form in self.objectives], self.rounds, times=3)):
            for (arm, _), value in zip(self.objectives, seconds, strict=True):
                yield {"arm": arm, "quantity": "seconds-per-step", "sample": i, "value": value}
                yield {"arm": arm, "quantity": "times-as-long", "sample": i, "value": value / seconds[0]}

    def _step(self, form: str) -> Callable[[], object]:
        """A step of its own network on one batch."""
        import torch

        from pellucid.data import Dataset
        from pellucid.data._batches import batches
        from pellucid.networks import load_model
        from pellucid.objectives import Objective

        data, where = Dataset.make(self.data), "cuda" if torch.cuda.is_available() else "cpu"
        transform = self.transform or data.preset
        batch = next(iter(batches(data, train=True, seed=self.seed, transform=transform, batch_size=self.batch)))
        names = tuple(data.class_names)
        model = load_model(self.network, num_classes=len(names), weights=None).train().to(where)
        images, labels = batch.images.to(where), batch.labels.to(where)
        objective = Objective.make(form).bind(model, names, images, seed=self.seed).train()
        optimiser = torch.optim.SGD([*model.parameters(), *objective.parameters()], lr=1e-4)

        def step() -> float:
            loss, _ = objective((images, labels))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            return float(loss.detach())

        return step


class RelicoT1(Study, name="relico-t1"):
    """How much longer does training take with LICO, and with CGC?"""

    of, where = "relico", "Table 1"
    title = "What training costs"
    claim = "A step of LICO takes a multiple of the baseline's, one of CGC still more."
    worlds = RELICO

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        transform = "imagenet:crop=1" if self.scale == "paper" else ""
        forms = tuple((arm, at.objective(arm)) for arm in ("ce", "lico", "cgc"))
        yield Reading(Steps(at.network, at.train, forms, transform, seed=seed), seed)

    def claims(self) -> Iterator[Claim]:
        yield Claim("times-as-long", "lico", "ce", 0.1)
        yield Claim("times-as-long", "cgc", "ce", 0.1)
        yield Claim("times-as-long", "cgc", "lico", 0.0, main=False)

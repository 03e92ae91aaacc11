"""LICO, section 3: what a trained network costs when it is used.

seconds of a forward:  LICO = CE          names and shapes of the weights:  LICO = CE

What LICO adds, the prompts and the mapping, is for training alone. Times are of this machine and differ from run to
run; the two networks take turns, so that what slows one slows both. At tiny, networks of scenes.

>>> print(next(LicoInferenceCost().claims()))
time-of-plain: lico ≈ 1.0
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar

from pellucid.studies._base import Study
from pellucid.studies._cells import Lab, Reading, Train, Work
from pellucid.studies._claims import Claim
from pellucid.studies._worlds import IMAGENET, SMALL, TINY


@dataclass(frozen=True)
class Forwards(Work):
    """Seconds of forwards of two networks by turns, and whether they have the same parts."""

    brief: ClassVar[Mapping[str, Any]] = {"batch": 2, "rounds": 1}

    ce: Train
    lico: Train
    side: int
    batch: int = 64
    rounds: int = 20

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        import torch

        where = "cuda" if torch.cuda.is_available() else "cpu"
        plain, ours = (lab.model(one).eval().to(where) for one in (self.ce, self.lico))
        parts = [{name: tuple(part.shape) for name, part in net.state_dict().items()} for net in (plain, ours)]
        yield {"arm": "lico", "quantity": "same-parts", "value": float(parts[0] == parts[1])}
        images = torch.zeros(self.batch, 3, self.side, self.side, device=where)

        def forward(net: torch.nn.Module) -> Callable[[], float]:
            def go() -> float:
                with torch.inference_mode():
                    return float(net(images).sum())  # a number has been waited for

            return go

        for i, (a, b) in enumerate(by_turns([forward(plain), forward(ours)], self.rounds)):
            yield {"arm": "lico", "quantity": "time-of-plain", "sample": i, "value": b / a}


def by_turns(actions: list[Callable[[], object]], rounds: int, times: int = 5) -> Iterator[list[float]]:
    """Round by round the seconds of each, the median of some, one after the other and then back; after a warm-up."""
    for action in actions:
        action()
    for _ in range(rounds):
        taken: list[list[float]] = [[] for _ in actions]
        for i in range(times):
            for k in range(len(actions))[:: -1 if i % 2 else 1]:
                start = time.perf_counter()
                actions[k]()
                taken[k].append(time.perf_counter() - start)
        yield [median(one) for one in taken]


class LicoInferenceCost(Study, name="lico-inference-cost", paper="arXiv:2310.09821"):
    """Does a network cost more to use after LICO?"""

    of, where = "lico", "Section 3"
    title = "What a network costs to use after LICO"
    claim = "Nothing of LICO is left at inference: the network has the same parts and takes the same time."
    worlds = {"tiny": TINY, "small": SMALL, "paper": IMAGENET}

    def readings(self, seed: int) -> Iterator[Reading]:
        at, side = self.world, {"tiny": 32, "small": 48, "paper": 224}[self.scale]
        yield Reading(Forwards(at.trained("ce", seed), at.trained("lico", seed), side), seed)

    def claims(self) -> Iterator[Claim]:
        yield Claim("time-of-plain", "lico", 1.0, 0.05, same=True)
        yield Claim("same-parts", "lico", 1.0, 0.01, same=True)

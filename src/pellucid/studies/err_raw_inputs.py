"""Errata of label-free explanations: pictures of 0 to 255 for encoders that know 0 to 1.

    published   the examples of table 2 are not divided by 255, for encoders that were trained on what is
    sound       they are

>>> print(next(ErrRawInputs().claims()))
pearson (digits): as published ≈ sound
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pellucid.studies._benches import CORPUS, OWN_DIGITS, maps_alike, task, tasks
from pellucid.studies._cells import Work
from pellucid.studies._claims import Claim
from pellucid.studies._errata import PUBLISHED, SOUND, Erratum, OneWay, survives
from pellucid.studies._label_free import ExamplesAlike, seen, word

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Scaled(ExamplesAlike):
    """The same of inputs that are so many times as large."""

    times: float = 1.0

    def inputs(self, data: str, model: "nn.Module") -> "tuple[Tensor, Tensor]":
        x, labels = seen(data, model)
        return x * self.times, labels


class ErrRawInputs(Erratum, name="err-raw-inputs", paper="doi:10.5281/zenodo.8173656"):
    """What the agreement of examples owes to inputs of another scale"""

    of, where = "relf", "code; table 2"
    title = "What the agreement of examples owes to inputs of another scale"
    defect = "Encoders trained on 0 to 1 are given 0 to 255."
    claim = "Examples of different pretext tasks hardly correlate, less than maps do."
    differs = ("times",)
    worlds = OWN_DIGITS

    def arm(self, side: str, seed: int) -> Scaled:
        at, names = self.world, tasks(self.scale)
        models = tuple(task(at, name, seed) for name in names)
        return Scaled(models, names, CORPUS[self.scale], at.maps, times=255.0 if side == PUBLISHED else 1.0)

    def compared(self, side: str, seed: int) -> OneWay:
        return OneWay(self.arm(side, seed), "examples")

    def beside(self, side: str, seed: int) -> tuple[Work, Work]:
        return self.arm(side, seed), maps_alike(self.world, self.scale, seed, "gradient-shap:samples=5")

    def claims(self) -> Iterator[Claim]:
        at = word(self.world.maps)
        yield Claim("pearson", PUBLISHED, SOUND, 0.02, at, same=True)
        yield from survives("pearson", "maps", "examples", 0.02, at)

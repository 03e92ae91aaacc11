"""Deletion (Petsiuk et al., 2018): how soon does the class vanish when its pixels do?

    A = ∫ p_t(x_s) ds,   x_0 the image, x_1 the empty one, the pixels that the map calls important first

Lower is better. Empty is the data's mean colour, or zeros of the model's space (`into=zeros`); `into=blur` is the
blurred image, as LICO's words have it. The ways of computing it are in one table, in `_exchange.py`.

>>> str(Deletion(protocol="paper", into="blur")), len(Deletion(protocol="paper").counts((224, 224)))
('deletion:protocol=paper,into=blur', 29)
"""

from torch import Tensor

from pellucid.metrics._base import Case
from pellucid.metrics._exchange import Exchange, Filling
from pellucid.metrics.insertion import Insertion


class Deletion(Exchange, name="deletion", paper="arXiv:1806.07421"):
    """How soon does the class vanish when the pixels do that the map calls important?"""

    better = "lower"
    cite = Insertion.cite

    into: Filling | None = None  # none: as the protocol has it

    def ends(self, case: Case) -> tuple[Tensor, Tensor]:
        return case.images, self.filled(case, self.into or self._way.fill)

    @property
    def card(self) -> dict[str, str]:
        return super().card | {"empty": self.into or self._way.fill}

"""Insertion (Petsiuk et al., 2018): how soon does the class appear when its pixels do?

    A = ∫ p_t(x_s) ds,   x_0 the blurred image, x_1 the image, the pixels that the map calls important first

Higher is better. The ways of computing it are in one table, in `_exchange.py`; it ranks explanations of one model. Two
models differ in it by their confidence alone: their accuracy and confidence stand beside it.

>>> len(Insertion().counts((224, 224))), Insertion(protocol="published").counts((224, 224))[:3]
(29, [0, 1792, 3584])
"""

from torch import Tensor

from pellucid.metrics._base import Case
from pellucid.metrics._exchange import Exchange


class Insertion(Exchange, name="insertion", paper="arXiv:1806.07421"):
    """How soon does the class appear when the pixels do that the map calls important?"""

    cite = """
@inproceedings{petsiuk2018rise,
  title     = {{RISE}: Randomized Input Sampling for Explanation of Black-box Models},
  author    = {Petsiuk, Vitali and Das, Abir and Saenko, Kate},
  booktitle = {British Machine Vision Conference},
  year      = {2018},
}"""

    def ends(self, case: Case) -> tuple[Tensor, Tensor]:
        return self.filled(case, "blur"), case.images

"""Errata of label-free explanations: an influence function that is a dot product.

    published   101 terms of a recursion, divided by 1,000 each: for curvatures far below ten it has not moved, and what
                comes out is gₜ · gₙ
    sound       gₜᵀ (H + λ I)⁻¹ gₙ, solved

`like-a-dot-product` is Pearson's correlation of a picture's scores with the products of its gradient with each
example's: near 1 as published says that no Hessian was ever in it.

>>> print(next(ErrDotProduct().claims()))
like-a-dot-product: as published ≈ sound
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.studies._benches import OWN_DIGITS, RATE, benches
from pellucid.studies._cells import Lab
from pellucid.studies._claims import Claim
from pellucid.studies._errata import PUBLISHED, SOUND, Erratum, OneWay, survives
from pellucid.studies._label_free import Examples, seen

LIKE = "like-a-dot-product"
ASKED = {"tiny": 10, "small": 100}  # twelve seconds of a core each, as published


@dataclass(frozen=True)
class Dots(Examples):
    """What examples show, and how nearly their scores are products of gradients."""

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        import torch

        from pellucid.engine import influence

        mine, *labels = self.scores(lab)
        yield from self.rates(mine, *labels)
        model = lab.model(self.model)
        corpus, asked = (seen(data, model) for data in (self.corpus, self.asked))
        plain = influence(model, corpus, asked, "tracin", checkpoints=[model.state_dict()])
        for i, pair in enumerate(zip(mine.double(), plain.double(), strict=True)):
            value = float(torch.corrcoef(torch.stack(pair))[0, 1])
            yield {"arm": "scores", "quantity": LIKE, "sample": i, "value": value}


class ErrDotProduct(Erratum, name="err-dot-product", paper="doi:10.5281/zenodo.8173656"):
    """What label-free influence functions owe to a recursion that has not moved"""

    of, where = "relf", "code; figure 2"
    title = "What label-free influence functions owe to a recursion that has not moved"
    defect = "The inverse Hessian is a hundred steps of a recursion, each of a thousandth."
    claim = "The most important examples have the same label more often than the least important ones."
    differs = ("influence.protocol",)
    worlds = OWN_DIGITS

    def arm(self, side: str, seed: int) -> Dots:
        bench, how = benches(self.scale)[0], ":protocol=published" if side == PUBLISHED else ""
        asked = f"subset:balanced={ASKED[self.scale]}@{self.world.test}"
        return Dots(bench.learned(seed), bench.corpus, asked, f"influence-function{how}", bench.word)

    def compared(self, side: str, seed: int) -> OneWay:
        return OneWay(self.arm(side, seed), "scores")

    def beside(self, side: str, seed: int) -> tuple[Dots]:
        return (self.arm(side, seed),)

    def claims(self) -> Iterator[Claim]:
        yield Claim(LIKE, PUBLISHED, SOUND, 0.02, same=True)
        yield from survives(RATE, "most", "least", 0.01, f"{benches(self.scale)[0].word} · influence-function")

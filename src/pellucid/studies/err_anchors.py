"""Errata of label-free explanations: the anchors of other pictures.

    published   Gradient SHAP repeats every picture five times in a row, its anchors batch after batch: what is
                explained is the product of a picture's representation with another's
    sound       every copy has its own anchor

Integrated gradients repeat by batches, and are right: the gap between the two methods is half the defect's.

>>> print(next(ErrAnchors().claims()))
latent-shift:percent=10 (digits): as published ≈ sound
"""

from collections.abc import Iterator
from dataclasses import replace

from pellucid.studies._benches import OWN_DIGITS, benches
from pellucid.studies._claims import Claim
from pellucid.studies._errata import PUBLISHED, SOUND, Erratum, survives
from pellucid.studies._label_free import Maps

SHAP, PATH, AT = "gradient-shap:samples=5", "integrated-gradients", "latent-shift:percent=10"


class ErrAnchors(Erratum, name="err-anchors", paper="doi:10.5281/zenodo.8173656"):
    """What label-free Gradient SHAP owes to anchors of other pictures"""

    of, where = "relf", "code; figure 1, table 1"
    title = "What label-free Gradient SHAP owes to anchors of other pictures"
    defect = "Copies of a picture are paired with the representations of other pictures of the batch."
    claim = "Integrated gradients move the representation more than Gradient SHAP does."
    differs = ("explainer.protocol",)
    worlds = OWN_DIGITS

    def arm(self, side: str, seed: int) -> Maps:
        bench = benches(self.scale)[0]
        explainer = f"{SHAP},protocol=published" if side == PUBLISHED else SHAP
        return Maps(bench.learned(seed), bench.maps, explainer, bench.empty, bench.word)

    def beside(self, side: str, seed: int) -> tuple[Maps, Maps]:
        return self.arm(side, seed), replace(self.arm(SOUND, seed), explainer=PATH)

    def claims(self) -> Iterator[Claim]:
        word = benches(self.scale)[0].word
        for percent in (10, 5, 20):
            yield Claim(f"latent-shift:percent={percent}", PUBLISHED, SOUND, 0.02, word, same=True, main=percent == 10)
        yield from survives(AT, PATH, "gradient-shap", 0.02, word)

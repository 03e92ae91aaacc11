"""Class contrast reproduced, figure 5: does a contrast say more of a transformer too?

1 − |cos(M^weighted, M^original)| rises with p₂;   r(M_t₁, M_t₂) by original > by weighted

Gradient-weighted attention rollout without its ReLU, and Grad-CAM on the attention of one block. The paper shows two
dishes: of rivals that are equally likely the maps differ clearly, where one class leads hardly. Which block Grad-CAM
reads is chosen anew for every picture there; here it is the tenth of twelve, or the last but one. `tiny` is a
transformer of three blocks, which is far from good at telling 27 kinds of things apart.

>>> print(next(ReccF5().claims()))
rise (gwar): weighted > 0.0
"""

from collections.abc import Iterator
from dataclasses import replace

from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._contrast import SMALL_PICTURES, THINGS, VIT, Alike, OfContrast, Rise, Rivals

GWAR = "gwar:clamp=false"


class ReccF5(OfContrast, name="recc-f5", paper="arXiv:2501.11096"):
    """Does a transformer's map of one class differ from that of its rival?"""

    where = "Figure 5"
    title = "Maps of a vision transformer, by the logit and by weighted contrast"
    claim = "Weighted contrast differs the more from the map of the logit, the likelier the second class is."
    seen = "Pictures with two likely classes: what is red for the one should not be for the other."
    worlds = {
        "tiny": replace(THINGS, network=VIT, layer="blocks.1.attention"),
        "small": replace(
            SMALL_PICTURES, network="pellucid:tiny-vit:width=96,depth=6,patch=4", layer="blocks.4.attention",
            recipe="plain:optimiser=adamw,lr=0.001,decay=0.05,batch=128,schedule=one-cycle,epochs=20",
        ),
        "paper": Alike(
            train="food101", test="subset:balanced=5050@food101:split=test", maps="",
            network="torchvision:vit_b_16", recipe="recc-food", seeds=1,
            layer="encoder.layers.encoder_layer_9.self_attention",
        ),
    }  # fmt: skip

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.at
        model = at.trained("ce", seed)
        yield Reading(Rise(model, at.test, GWAR, floor=0.0), seed)
        for explainer in (GWAR, *at.cams("grad-cam")):
            yield Reading(Rivals(model, at.test, explainer), seed)

    def claims(self) -> Iterator[Claim]:
        yield Claim("rise", "weighted", 0.0, 0.02, "gwar")
        yield Claim("agreement", "original", "weighted", 0.02, "gwar")
        yield Claim("agreement", "original", "weighted", 0.02, "grad-cam", main=False)

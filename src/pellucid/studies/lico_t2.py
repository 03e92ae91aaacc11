"""LICO, table 2: what consistency of explanations costs in accuracy.

accuracy:  LICO >= CE > CGC, GCC

The paper's rows of CGC and GCC are those of their authors, and so each is trained by its own recipe here. At tiny,
scenes of six classes and a small network takes the place of ImageNet, ResNet-50 and ResNet-18; what is hard there may
be easy here, and with a shortcut in the grounds accuracy is that of not falling for it.

>>> print(next(LicoT2().claims()))
accuracy (tiny-cnn): lico > cgc
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import first, trained
from pellucid.studies._worlds import IMAGENET, SMALL, TINY

WORLDS = {
    "tiny": {"tiny-cnn": TINY},
    "small": {"tiny-cnn": SMALL, "resnet18": SMALL.but(network="pellucid:resnet:depth=18,stem=cifar")},
    "paper": {"resnet50": IMAGENET, "resnet18": IMAGENET.but(network="torchvision:resnet18")},
}


class LicoT2(Study, name="lico-t2", paper="arXiv:2310.09821"):
    """Does a network that explains itself better know less?"""

    of, where = "lico", "Table 2"
    title = "What consistency of explanations costs in accuracy"
    claim = "LICO costs no accuracy; CGC and GCC do."
    worlds = first(WORLDS)

    def readings(self, seed: int) -> Iterator[Reading]:
        return trained(WORLDS[self.scale], {"ce": {}, "gcc": {}, "cgc": {}, "lico": {}}, seed)

    def claims(self) -> Iterator[Claim]:
        for setting in WORLDS[self.scale]:
            for other in ("cgc", "gcc"):
                yield Claim("accuracy", "lico", other, 0.01, setting)
                yield Claim("accuracy", "ce", other, 0.01, setting, main=False)
            yield Claim("accuracy", "lico", "ce", 0.0, setting)

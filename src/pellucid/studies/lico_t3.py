"""LICO, table 3: few labels.

accuracy:  LICO > CE,   for few labels of CIFAR-10, CIFAR-100 and SVHN, and for all of them

The pictures without labels are not used. Which Wide ResNet is not said: as the authors' code has it, WRN-28-2, and
WRN-28-8 for CIFAR-100. At tiny, there are two numbers of labels of scenes and two small networks, and a quarter to
half as many steps: the accuracies are those of networks that have not learned to the end.

>>> print(next(LicoT3().claims()))
accuracy (tiny-cnn · 60 labels): lico > ce
"""

from collections.abc import Iterator

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import CIFAR, CIFAR100, SVHN, first, labels, trained
from pellucid.studies._worlds import TINY

WIDE = "pellucid:tiny-cnn:width=32,depth=4,pool=max"
PREACT = "pellucid:preact-resnet18"
SHORT = CIFAR.but(text="minilm", protocol="sound", recipe="lico-cifar:lr=0.03,epochs=60")
COUNTS = {"cifar10": (40, 250, 4000), "cifar100": (400, 2500, 10000), "svhn": (40, 1000)}
DATA = {"cifar10": CIFAR, "cifar100": CIFAR100, "svhn": SVHN}
WORLDS = {
    "tiny": {
        "tiny-cnn · 60 labels": labels(TINY, 60, epochs=20),
        "tiny-cnn · 120 labels": labels(TINY, 120, epochs=10),
        "tiny-cnn · all labels": TINY,
        "wide · 60 labels": labels(TINY.but(network=WIDE), 60, epochs=20),
    },
    "small": {
        **{f"wrn · cifar10 · {n} labels": labels(SHORT, n) for n in (40, 250, 1000)},
        **{f"tiny-cnn · cifar10 · {n} labels": labels(SHORT.but(network=WIDE), n) for n in (40, 250, 1000)},
    },
    "paper": {
        **{
            f"{said} · {name} · {n} labels": labels(at if said == "wrn" else at.but(network=PREACT), n)
            for said in ("wrn", "preact-resnet18")
            for name, at in DATA.items()
            for n in COUNTS[name]
        },
        **{f"wrn · {name} · all labels": at for name, at in DATA.items()},
    },
}


class LicoT3(Study, name="lico-t3", paper="arXiv:2310.09821"):
    """Does language help where there are few labels?"""

    of, where = "lico", "Table 3"
    title = "Few labels"
    claim = "LICO is more accurate than cross-entropy, for few labels and for all."
    worlds = first(WORLDS)

    def readings(self, seed: int) -> Iterator[Reading]:
        return trained(WORLDS[self.scale], {"ce": {}, "lico": {}}, seed)

    def claims(self) -> Iterator[Claim]:
        for setting in WORLDS[self.scale]:
            yield Claim("accuracy", "lico", "ce", 0.005, setting, main=not setting.endswith("all labels"))

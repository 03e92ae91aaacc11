"""Errata of LICO's reproduction: a fifth of the images is scored.

    published   the number of batches is taken for their size, and only so many images of each are scored: 144 of 752
    sound       all are

`gain` is LICO's mean insertion less that of cross-entropy, a number a seed: of fewer images it is the same in the long
run, and scatters more.

>>> print(next(ErrFifthOfImages().claims()))
gain: as published ≈ sound
>>> len(scored(752, 64)), len(scored(1000, 64)), len(scored(200, 34))
(144, 256, 36)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from pellucid.studies._cells import Lab, Measure, Work
from pellucid.studies._claims import Claim
from pellucid.studies._errata import PUBLISHED, SIDES, SOUND, Erratum
from pellucid.studies._worlds import SMALL, TINY

BATCH = 34


def scored(count: int, batch: int) -> list[int]:
    """Which images the published code scores."""
    batches = ceil(count / batch)
    return [i for i in range(count) if i % batch < batches]


@dataclass(frozen=True)
class Gain(Work):
    """By how much the mean of one network is above that of another, over the images that are scored."""

    more: Measure
    less: Measure
    batch: int | None = None  # none: all are scored

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        means = []
        for frame in (cell.frame(lab) for cell in (self.more, self.less)):
            table = frame[frame["explainer"] != "none"].set_index("sample")["value"]
            rows = range(len(table)) if self.batch is None else scored(len(table), self.batch)
            means.append(float(table.sort_index().iloc[list(rows)].mean()))
        yield {"quantity": "gain", "value": means[0] - means[1]}


class ErrFifthOfImages(Erratum, name="err-fifth-of-images"):
    """What a gain in insertion owes to a fifth of the images"""

    of, where = "relico", "code; tables 2, 4, 5"
    title = "What a gain in insertion owes to a fifth of the images"
    defect = "Only as many images of each batch are scored as there are batches."
    claim = "LICO's insertion is higher than that of cross-entropy."
    differs = ("batch",)
    worlds = {
        "tiny": TINY.but(maps="scenes:classes=6,size=32,length=200,seed=1"),
        "small": SMALL.but(maps="scenes:classes=10,size=48,length=200,seed=1"),
    }

    def arm(self, side: str, seed: int) -> Gain:
        at = self.world
        two = [Measure(at.trained(arm, seed), at.maps, ("grad-cam",), ("insertion",)) for arm in ("lico", "ce")]
        return Gain(two[0], two[1], BATCH if side == PUBLISHED else None)

    def claims(self) -> Iterator[Claim]:
        yield Claim("gain", PUBLISHED, SOUND, 0.01, same=True)
        for side in SIDES:
            yield Claim("gain", side, 0.0, 0.005, main=False)

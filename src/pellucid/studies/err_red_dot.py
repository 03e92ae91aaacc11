"""Errata of LICO's reproduction: the evidence of the red dot.

    published   deletion of the class with the dot is that of one image, from which the crop has cut the dot away
    sound       of all its images, with the dot

That deletion is lower for a network that looks at a dot alone is an argument against deletion; what was measured was
neither the dot nor more than one picture.

>>> print(next(ErrRedDot().claims()))
gap of deletion: as published ≈ sound
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.studies._cells import Lab, Measure, Work
from pellucid.studies._claims import Claim
from pellucid.studies._errata import PUBLISHED, SIDES, SOUND, Erratum
from pellucid.studies._worlds import SMALL, TINY
from pellucid.studies.relico_appA import DOTTED, dotted


@dataclass(frozen=True)
class Gap(Work):
    """By how much the mean of all pictures is above that of some of one class; no number where there is none."""

    measured: Measure
    label: int
    most: int | None = None  # pictures of the class; none: all

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        import torch

        from pellucid.data import Dataset

        labels = Dataset.make(self.measured.data).labels()
        frame: Any = self.measured.frame(lab)
        for metric in self.measured.metrics:
            of_metric = frame[frame["metric"] == metric].sort_values("sample")
            values = torch.tensor(of_metric["value"].tolist())
            own = values[labels[of_metric["sample"].tolist()] == self.label][: self.most]
            yield {"quantity": f"gap of {metric}", "value": float(values.nanmean() - own.nanmean())}


class ErrRedDot(Erratum, name="err-red-dot"):
    """What the evidence of the red dot owes to one picture without the dot"""

    of, where = "relico", "Appendix A"
    title = "What the evidence of the red dot owes to one picture without the dot"
    defect = "One image is scored, and the crop has cut the dot away."
    claim = "Deletion is far lower for the class with the dot than for all classes."
    differs = ("measured.data.red-dot", "most")
    worlds = {"tiny": dotted(TINY, 4), "small": dotted(SMALL, 6)}

    def arm(self, side: str, seed: int) -> Gap:
        at, cut = self.world, side == PUBLISHED
        maps = at.maps.partition("@")[2] if cut else at.maps
        return Gap(
            Measure(at.trained("ce", seed), maps, ("grad-cam",), ("deletion", "insertion")), DOTTED, 1 if cut else None
        )

    def claims(self) -> Iterator[Claim]:
        yield Claim("gap of deletion", PUBLISHED, SOUND, 0.02, same=True)
        yield Claim("gap of insertion", PUBLISHED, SOUND, 0.02, same=True, main=False)
        for side in SIDES:
            yield Claim("gap of deletion", side, 0.0, 0.02, main=False)

"""The reproduction of LICO, appendix D: what it cost the climate.

energy = power · seconds of a run · runs          emission = energy · emission of a kWh

Two things are asked: whether the report's numbers follow from each other, and what a run costs here, of LICO and of
cross-entropy, at the power that the training assumes: nothing is measured at the plug. At tiny a run is seconds long,
and a hundred of them are no reproduction of anything.

>>> print(next(RelicoAppD().claims()))
energy: as computed ≈ reproduction
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.studies._base import Study, published
from pellucid.studies._cells import Lab, Reading, Train, Work
from pellucid.studies._claims import Claim
from pellucid.studies._training import RELICO


def report() -> dict[str, float]:
    """The numbers of the appendix."""
    return {row["quantity"]: float(row["value"]) for row in published()["relico-appD"]["rows"]}


@dataclass(frozen=True)
class Energy(Work):
    """The energy of runs, as their logs tell it, beside the report's."""

    runs: tuple[tuple[str, Train], ...]  # by arm

    @property
    def needs(self) -> tuple[Train, ...]:
        return tuple(run for _, run in self.runs)

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        said = report()
        energy = said["power"] * said["seconds-per-run"] * said["runs"] / 3600
        emission = energy * said["emission-per-kwh"] / 1000
        yield {"arm": "as computed", "quantity": "energy", "value": energy}
        yield {"arm": "as computed", "quantity": "emission", "value": emission}
        for quantity in ("energy", "emission"):
            yield {"arm": "reproduction", "quantity": quantity, "value": said[quantity]}
        for arm, run in self.runs:
            epochs = run.told(lab)["rows"]
            kwh = sum(row["kwh"] for row in epochs)
            yield {"arm": arm, "quantity": "watt-hours-per-run", "value": 1000 * kwh}
            yield {"arm": arm, "quantity": "seconds-per-run", "value": sum(row["seconds"] for row in epochs)}
            yield {"arm": arm, "quantity": "energy", "value": said["runs"] * kwh}


class RelicoAppD(Study, name="relico-appD"):
    """What does it cost to train with LICO, in energy?"""

    of, where = "relico", "Appendix D"
    title = "What a reproduction costs the climate"
    claim = "A hundred runs take a hundred kilowatt-hours."
    worlds = RELICO

    def readings(self, seed: int) -> Iterator[Reading]:
        at = self.world
        yield Reading(Energy(tuple((arm, at.trained(arm, seed)) for arm in ("ce", "lico"))), seed)

    def claims(self) -> Iterator[Claim]:
        yield Claim("energy", "as computed", "reproduction", 0.5, same=True)
        yield Claim("emission", "as computed", "reproduction", 0.2, same=True)
        yield Claim("watt-hours-per-run", "lico", "ce", 0.0)
        yield Claim("energy", "reproduction", "lico", 1.0, main=False)

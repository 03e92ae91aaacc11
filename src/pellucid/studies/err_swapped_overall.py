"""Errata of LICO: cells of "Overall" that are not insertion less deletion.

    published   Overall as printed: table 1 has the baseline's of RISE and Score-CAM exchanged, and four cells of the
                answer and of the reproduction differ by more than rounding
    sound       insertion − deletion, of the same tables

Nothing is trained: the numbers are the papers' own, as shares of 1. A sample is an explainer on a data set.

>>> print(next(ErrSwappedOverall().claims()))
overall: as published ≈ sound
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pellucid.studies._base import published
from pellucid.studies._cells import Lab, Work
from pellucid.studies._claims import Claim
from pellucid.studies._errata import PUBLISHED, SOUND, Erratum, OneWay, survives
from pellucid.studies._worlds import SMALL, TINY

TABLES = ("lico-t1", "lico-resp-t3", "relico-t2")


class Printed(NamedTuple):
    """A cell of a table."""

    table: str
    arm: str
    setting: str
    insertion: float
    deletion: float
    overall: float


def printed(tables: tuple[str, ...]) -> list[Printed]:
    """Wherever all three numbers are printed.

    >>> [one.overall for one in printed(("lico-t1",)) if (one.arm, one.setting) == ("ce", "rise")]
    [0.436]
    """
    found = []
    for name in tables:
        table, cells = published()[name], dict[tuple[str, str], dict[str, float]]()
        for row in table["rows"]:
            unit = 100 if (row.get("unit") or table.get("unit")) == "%" else 1
            cells.setdefault((row["arm"], row["setting"]), {})[row["quantity"]] = round(row["value"] / unit, 6)
        for (arm, setting), of in cells.items():
            if {"insertion", "deletion", "overall"} <= of.keys():
                found.append(Printed(name, arm, setting, of["insertion"], of["deletion"], of["overall"]))
    return found


@dataclass(frozen=True)
class Overalls(Work):
    """Of every cell of the tables Overall, as printed or worked out; and of the first table by explainer."""

    tables: tuple[str, ...]
    worked_out: bool = False

    def rows(self, lab: Lab) -> Iterator[Mapping[str, Any]]:
        known = printed(self.tables)
        places = list(dict.fromkeys((one.table, one.setting) for one in known))
        for i, one in enumerate(known):
            value = round(one.insertion - one.deletion, 6) if self.worked_out else one.overall
            yield {"quantity": "overall", "arm": "all", "sample": i, "value": value}
            sample = places.index((one.table, one.setting))
            yield {"quantity": "overall by objective", "arm": one.arm, "sample": sample, "value": value}
            if (one.table, one.arm) == (self.tables[0], "ce"):
                yield {"quantity": "overall of the baseline", "arm": one.setting, "value": value}


class ErrSwappedOverall(Erratum, name="err-swapped-overall", paper="arXiv:2310.09821"):
    """What a ranking of explainers owes to two cells that are exchanged"""

    of, where = "lico", "table 1; tables of the answer and of the reproduction"
    title = "What a ranking of explainers owes to two cells that are exchanged"
    defect = "Printed Overall are not insertion less deletion."
    claim = "RISE explains the baseline better than Score-CAM."
    differs = ("worked_out",)
    worlds = {"tiny": TINY.but(seeds=1), "small": SMALL.but(seeds=1)}

    def arm(self, side: str, seed: int) -> Overalls:
        return Overalls(TABLES, side == SOUND)

    def compared(self, side: str, seed: int) -> OneWay:
        return OneWay(self.arm(side, seed), "all")

    def beside(self, side: str, seed: int) -> tuple[Overalls]:
        return (self.arm(side, seed),)

    def claims(self) -> Iterator[Claim]:
        yield Claim("overall", PUBLISHED, SOUND, 0.001, same=True, exact=True)
        yield from survives("overall of the baseline", "rise", "score-cam", 0.0, exact=True)
        yield from survives("overall by objective", "lico", "ce", 0.0, exact=True)

"""What a study is: cells, seed by seed, and claims about their numbers.

    class LicoT5(Study, name="lico-t5", paper="arXiv:2310.09821"):
        where, title = "Table 5", "What each of LICO's losses adds"

        def readings(self, seed):              # what is trained and measured
            for arm in ("ce", "lico-mm", "lico-ot", "lico"):
                yield from self.world.measured(arm, seed, ("grad-cam",), ("insertion", "deletion"))

        def claims(self):                      # what the paper says of it
            yield Claim("insertion", "lico", "ce", margin=0.01, setting="grad-cam")

`tiny` runs on built-in data in minutes; `small` is hours on one CPU, on small public data; `paper` is what the paper
did. What the paper reports is in published.json, under the study's name.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Literal

from pellucid.errors import BadKnob
from pellucid.knobs import Between
from pellucid.registry import Named
from pellucid.studies._cells import Cell, Reading
from pellucid.studies._claims import Claim
from pellucid.studies._worlds import World

Scale = Literal["tiny", "small", "paper"]


class Study(Named, family="studies"):
    """A table or a figure of a paper, or a claim that it makes."""

    where: ClassVar[str] = ""  # in the paper: "Table 5"
    title: ClassVar[str] = ""  # what it compares
    claim: ClassVar[str] = ""  # what the paper says, in a sentence
    kind: ClassVar[str] = "claim"  # of a paper; else erratum or open
    of: ClassVar[str] = ""  # the paper: a key of published.json's papers
    seen: ClassVar[str] = ""  # what is to be looked at besides, where the paper's claim is a picture
    worlds: ClassVar[Mapping[str, World]] = {}  # by scale

    def __init_subclass__(cls, **facts: str) -> None:
        super().__init_subclass__(**facts)
        cls.cite = cls.cite or bibtex(cls.of)

    scale: Scale = "tiny"
    seeds: Annotated[int, Between(1)] | None = None

    def check(self) -> None:
        if self.scale not in self.worlds:
            raise BadKnob(f"{self.name} has no scale {self.scale}; there are {', '.join(self.worlds)}.")

    @property
    def world(self) -> World:
        """Data, network and training of its scale."""
        return self.worlds[self.scale]

    @property
    def runs(self) -> int:
        """How many seeds."""
        return self.seeds or self.world.seeds

    def readings(self, seed: int) -> Iterator[Reading]:
        """What is measured, of one seed."""
        raise NotImplementedError

    def claims(self) -> Iterator[Claim]:
        """What the paper says."""
        raise NotImplementedError

    def more(self, frame: Any) -> dict[str, Any]:
        """What else is told of its rows."""
        return {}

    def all_readings(self) -> list[Reading]:
        """Of every seed."""
        return [one for seed in range(self.runs) for one in self.readings(seed)]

    def cells(self) -> list[Cell]:
        """Everything that must be done, what others build on first; nothing twice."""
        return ordered(one.cell for one in self.all_readings())

    @property
    def published(self) -> Mapping[str, Any]:
        """The paper's tables of it, by their names: recc-f1 has recc-f1a, recc-f1b …; none of a picture."""
        mine, known = self.name, published()
        return {key: known[key] for key in known if key.startswith(mine) and not key[len(mine) :][:1].isdigit()}


def ordered(cells: Any) -> list[Cell]:
    """Cells and what they build on, each once, what others build on first."""
    found: dict[str, Cell] = {}

    def add(cell: Cell) -> None:
        if cell.key not in found:
            for need in cell.needs:
                add(need)
            found[cell.key] = cell

    for cell in cells:
        add(cell)
    return list(found.values())


@cache
def bibtex(paper: str) -> str:
    """Of one of the papers.

    >>> print(bibtex("recc").splitlines()[1])
    @misc{eriksson2025reproducibility,
    """
    about = published()["papers"].get(paper)
    if about is None:
        return ""
    names = [f"{name.rpartition(' ')[2]}, {name.rpartition(' ')[0]}" for name in about["authors"]]
    word = re.findall(r"[a-z]{4,}", about["title"].lower())[0]
    key = f"{re.sub('[^a-z]', '', names[0].partition(',')[0].lower())}{about['year']}{word}"
    facts = {"title": about["title"], "author": " and ".join(names), "year": about["year"], "note": about["id"]}
    return "\n".join(["", f"@misc{{{key},", *(f"  {name:<6} = {{{value}}}," for name, value in facts.items()), "}"])


@cache
def published() -> Mapping[str, Any]:
    """What papers report, with sources and known errata."""
    return json.loads(files("pellucid.studies").joinpath("published.json").read_text("utf-8"))
